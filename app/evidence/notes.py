"""Signed notes and checkpoints in the forms of the C2SP specifications (signed-note, tlog-checkpoint). Pure.

A note is text under one or more signature lines; a checkpoint is a note of three lines: whose log it is, how many
leaves it has, and the root over them. Signatures are Ed25519, which is deterministic: the same tree is signed in the
same bytes, however often.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.errors import ClaresLawError
from app.evidence.merkle import HASH_BYTES

DEMONSTRATION = "/demonstration"
"""What the name of a demonstration's log ends in, and no other's: it stands in every signature and in the key."""
_ED25519 = b"\x01"
_ID_BYTES, _KEY_BYTES = 4, 32
_MOST_SIGNATURES = 100
_DASH = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[^\s+]+")


class NoteRefused(ClaresLawError):
    """It is no note, no checkpoint, or not signed by the key that it should be signed by."""

    code: ClassVar[str] = "note_refused"


@dataclass(frozen=True)
class PublicKey:
    """A key that notes are verified by: its name, which is the log's, and 32 bytes."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell which key a signature line means."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:_ID_BYTES]

    @property
    def is_of_demonstration(self) -> bool:
        """Whether it signs what a demonstration records: its hour may be moved, and its cases are dated back."""
        return self.name.endswith(DEMONSTRATION)

    def __str__(self) -> str:
        """As it is published: name, id, and the key with its kind."""
        return f"{self.name}+{self.id.hex()}+{to_base64(_ED25519 + self.raw)}"

    @classmethod
    def parse(cls, published: str) -> Self:
        """Read a published key. Raises NoteRefused."""
        name, _, rest = published.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        kind_and_key = from_base64(encoded) if _is_name(name) and encoded else b""
        if kind_and_key[:1] != _ED25519 or len(kind_and_key) != 1 + _KEY_BYTES:
            raise NoteRefused("This is no public key of a log: its name, its id and its bytes with + between.")
        found = cls(name, kind_and_key[1:])
        if found.id.hex() != key_id:
            raise NoteRefused("The public key does not have the id that it claims.")
        return found


@dataclass(frozen=True)
class Signer:
    """The log's private key under the log's name."""

    name: str
    key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise NoteRefused("A log's name has no spaces and no plus sign.")

    @property
    def public(self) -> PublicKey:
        """The key that its notes are verified by."""
        return PublicKey(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The text with its signature line."""
        signature = to_base64(self.public.id + self.key.sign(text.encode()))
        return f"{text}\n{_DASH}{self.name} {signature}\n"


def open_note(note: str, key: PublicKey) -> str:
    """The text of a note that `key` signed. Signatures of other keys are passed over. Raises NoteRefused."""
    if any((letter < " " and letter != "\n") or "\ud800" <= letter <= "\udfff" for letter in note):
        raise NoteRefused("A note has no control characters, and no half of one.")
    text, found, lines = note.rpartition("\n\n")
    text += "\n"
    if not found or text == "\n" or not lines.endswith("\n"):
        raise NoteRefused("A note is a text, an empty line, and signature lines.")
    signatures = [_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > _MOST_SIGNATURES:
        raise NoteRefused("The note has more signatures than anybody would look at.")
    ours = [signature for name, key_id, signature in signatures if (name, key_id) == (key.name, key.id)]
    if not ours:
        raise NoteRefused(f"The note is not signed by {key.name} with the key {key.id.hex()}.")
    try:
        for signature in ours:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, text.encode())
    except InvalidSignature:
        raise NoteRefused(f"The signature of {key.name} is not over this text.") from None
    return text


def _signature(line: str) -> tuple[str, bytes, bytes]:
    if line.startswith(_DASH):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        signed = from_base64(encoded)
        if _is_name(name) and len(signed) > _ID_BYTES:
            return name, signed[:_ID_BYTES], signed[_ID_BYTES:]
    raise NoteRefused("A line under the note is no signature line.")


@dataclass(frozen=True)
class Checkpoint:
    """How large the log is and the root over all of it."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was signed: three lines and no more. Raises NoteRefused."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteRefused("A checkpoint is three lines: whose log, its size, its root.")
        root = from_base64(lines[2])
        if len(root) != HASH_BYTES:
            raise NoteRefused("The root of a checkpoint is a SHA-256.")
        return cls(lines[0], int(lines[1]), root)

    @classmethod
    def open(cls, note: str, key: PublicKey) -> Self:
        """Read a signed checkpoint of the log that `key` belongs to. Raises NoteRefused."""
        found = cls.parse(open_note(note, key))
        if found.origin != key.name:
            raise NoteRefused(f"The checkpoint is of another log than {key.name}.")
        return found


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def to_base64(value: bytes) -> str:
    """As notes and proofs write bytes."""
    return base64.b64encode(value).decode("ascii")


def from_base64(text: str) -> bytes:
    """Strictly: one text for one value, so that no two notes say the same. Raises NoteRefused."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteRefused("What should be base64 is not.") from None
    if to_base64(found) != text:
        raise NoteRefused("What should be base64 is not in its one form.")
    return found
