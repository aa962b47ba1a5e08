"""Envelopes for texts that people typed: AES-256-GCM, bound to the case, the row and the column that they stand in.

The one way in which this service encrypts at rest. An envelope of a case is its version (one byte), 32 bytes of its
own, a commitment (32 bytes), a nonce, and the ciphertext of a random salt, the SHA-256 of the text and the text in
UTF-8. Version 1 is sealed under the case's data key, and its own bytes are random; 2 to the public half of that key,
for the time in which nobody can be asked for the key itself, and its own bytes are the sender's public key. Either
opens with the data key.

Every envelope has a secret of its own, derived for its place and its own bytes: whoever is shown it can open that
envelope and no other. GCM does not commit to its key: one ciphertext can be made that opens under two keys, to two
texts. So the commitment, derived from the secret beside the key, says which secret is the one; no other is tried.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import Unreadable

KEY_BYTES = 32
OWN_BYTES = 32
"""As long as a public key."""
_NONCE_BYTES = 12
_SALT_BYTES = 16
_DIGEST_BYTES = 32
_TAG_BYTES = 16
_HEAD_BYTES = 1 + OWN_BYTES + 32
"""The version, the envelope's own bytes, its commitment."""
_UNDER_DATA_KEY, _TO_PUBLIC_HALF = 1, 2
_KEY = b"key of an envelope"
_PURPOSE = b"clares-law sealed text"


class SealBroken(Unreadable):
    """What was sealed was changed, moved to another place, or sealed under another key. Says no more than that."""

    code = "seal_broken"

    def __init__(self) -> None:
        super().__init__(
            "A sealed record does not open: it was changed or moved where it is kept, or sealed under another key. "
            "Nothing of it is shown. Quote the request id to support, who verify the record from outside."
        )


@dataclass(frozen=True)
class Place:
    """Where an envelope stands: it opens nowhere else. `column` is written `table.column`."""

    case_id: UUID
    row_id: UUID
    column: str

    def associated_with(self, version: int) -> bytes:
        """What is authenticated with the text: parts of fixed length first, so that no two places read alike."""
        return b"".join(
            (_PURPOSE, bytes((version,)), self.case_id.bytes, self.row_id.bytes, self.column.encode("ascii"))
        )


def seal_bytes(key: bytes, plain: bytes, bound_to: bytes) -> bytes:
    """A fresh random nonce of 96 bits and the ciphertext; `key` has 32 bytes."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def open_bytes(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    """What `seal_bytes` was given; SealBroken where anything differs."""
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise SealBroken
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except InvalidTag:
        raise SealBroken from None


def _derived(secret: bytes, use: bytes, salt: bytes = b"") -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt or None, b"clares-law " + use).derive(secret)


@dataclass(frozen=True)
class _Head:
    """What an envelope begins with, and the place that it stands in."""

    version: int
    own: bytes
    place: Place

    @classmethod
    def of(cls, envelope: bytes, place: Place) -> "_Head":
        return cls(envelope[0] if envelope else 0, envelope[1 : 1 + OWN_BYTES], place)

    @property
    def bound_to(self) -> bytes:
        """What is authenticated with the text; its last part is of fixed length again."""
        return self.place.associated_with(self.version) + self.own

    def commitment(self, secret: bytes) -> bytes:
        return _derived(secret, b"commitment of an envelope", self.bound_to)

    def seal(self, secret: bytes, text: str) -> bytes:
        sealed = seal_bytes(_derived(secret, _KEY), _filled(text), self.bound_to)
        return bytes((self.version,)) + self.own + self.commitment(secret) + sealed


def open_with(secret: bytes, envelope: bytes, place: Place) -> str:
    """The text of an envelope by its own secret alone; SealBroken where anything differs."""
    head = _Head.of(envelope, place)
    commitment, sealed = envelope[1 + OWN_BYTES : _HEAD_BYTES], envelope[_HEAD_BYTES:]
    if not hmac.compare_digest(commitment, head.commitment(secret)):
        raise SealBroken
    return _emptied(open_bytes(_derived(secret, _KEY), sealed, head.bound_to))


@dataclass(frozen=True, repr=False)
class DataKey:
    """The key of one case: 256 random bits, from which the secret of each envelope and its pair of keys are derived."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise SealBroken

    @classmethod
    def made(cls) -> "DataKey":
        """A new one."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @cached_property
    def _private_half(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(_derived(self.secret, b"pair of keys of a case"))

    @cached_property
    def public_half(self) -> bytes:
        """What seals to this key and opens nothing."""
        return self._private_half.public_key().public_bytes_raw()

    def seal(self, text: str, place: Place) -> bytes:
        """The envelope of a text."""
        head = _Head(_UNDER_DATA_KEY, secrets.token_bytes(OWN_BYTES), place)
        return head.seal(self._secret_under(head), text)

    def open(self, envelope: bytes, place: Place) -> str:
        """The text of an envelope that stands in its place; SealBroken otherwise."""
        return open_with(self._secret_for(envelope, place), envelope, place)

    def secret_of(self, envelope: bytes, place: Place) -> bytes:
        """What opens this envelope in this place and no other; SealBroken where it does not open itself."""
        secret = self._secret_for(envelope, place)
        open_with(secret, envelope, place)
        return secret

    def _secret_for(self, envelope: bytes, place: Place) -> bytes:
        head = _Head.of(envelope, place)
        if head.version == _UNDER_DATA_KEY:
            return self._secret_under(head)
        if head.version == _TO_PUBLIC_HALF:
            return _agreed(self._private_half, head.own, head, receiver=self.public_half)
        raise SealBroken

    def _secret_under(self, head: _Head) -> bytes:
        return _derived(self.secret, b"texts of a case", head.bound_to)


def seal_to(public_half: bytes, text: str, place: Place) -> bytes:
    """The envelope of a text for a case whose data key cannot be asked for now; only that key opens it."""
    once = X25519PrivateKey.generate()
    head = _Head(_TO_PUBLIC_HALF, once.public_key().public_bytes_raw(), place)
    return head.seal(_agreed(once, public_half, head, receiver=public_half), text)


def _agreed(private: X25519PrivateKey, other: bytes, head: _Head, *, receiver: bytes) -> bytes:
    """The secret of an envelope that both ends arrive at; the sender's public key stands in its head."""
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:  # too short, or a point of small order
        raise SealBroken from None
    return _derived(shared, b"sealed to a case", receiver + head.bound_to)


def _filled(text: str) -> bytes:
    utf8 = text.encode("utf-8")
    return secrets.token_bytes(_SALT_BYTES) + hashlib.sha256(utf8).digest() + utf8


def _emptied(plain: bytes) -> str:
    digest, utf8 = plain[_SALT_BYTES : _SALT_BYTES + _DIGEST_BYTES], plain[_SALT_BYTES + _DIGEST_BYTES :]
    if not hmac.compare_digest(digest, hashlib.sha256(utf8).digest()):
        raise SealBroken
    try:
        return utf8.decode("utf-8")
    except UnicodeDecodeError:  # made by somebody who was shown the secret
        raise SealBroken from None
