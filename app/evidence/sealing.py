"""Envelopes for texts that people typed: AES-256-GCM, bound to the case, the row and the column that they stand in.

The one way in which this service encrypts at rest. An envelope of a case holds a random salt, the SHA-256 of the text
and the text in UTF-8. Its first byte is its version: 1 is sealed under the case's data key; 2 to the public half of
that key, for the time in which nobody can be asked for the key itself. Either opens with the data key alone.
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
PUBLIC_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
_DIGEST_BYTES = 32
_TAG_BYTES = 16
_UNDER_DATA_KEY, _TO_PUBLIC_HALF = 1, 2
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


@dataclass(frozen=True, repr=False)
class DataKey:
    """The key of one case: 256 random bits, from which the key for its texts and its pair of keys are derived."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise SealBroken

    @classmethod
    def made(cls) -> "DataKey":
        """A new one."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @cached_property
    def _for_texts(self) -> bytes:
        return _derived(self.secret, b"texts of a case")

    @cached_property
    def _private_half(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(_derived(self.secret, b"pair of keys of a case"))

    @cached_property
    def public_half(self) -> bytes:
        """What seals to this key and opens nothing."""
        return self._private_half.public_key().public_bytes_raw()

    def seal(self, text: str, place: Place) -> bytes:
        """The envelope of a text."""
        bound_to = place.associated_with(_UNDER_DATA_KEY)
        return bytes((_UNDER_DATA_KEY,)) + seal_bytes(self._for_texts, _filled(text), bound_to)

    def open(self, envelope: bytes, place: Place) -> str:
        """The text of an envelope that stands in its place; SealBroken otherwise."""
        version, rest = envelope[:1], envelope[1:]
        if version == bytes((_UNDER_DATA_KEY,)):
            return _emptied(open_bytes(self._for_texts, rest, place.associated_with(_UNDER_DATA_KEY)))
        if version == bytes((_TO_PUBLIC_HALF,)):
            sender, sealed = rest[:PUBLIC_BYTES], rest[PUBLIC_BYTES:]
            agreed = _agreed(self._private_half, sender, sender=sender, receiver=self.public_half)
            return _emptied(open_bytes(agreed, sealed, place.associated_with(_TO_PUBLIC_HALF)))
        raise SealBroken


def seal_to(public_half: bytes, text: str, place: Place) -> bytes:
    """The envelope of a text for a case whose data key cannot be asked for now; only that key opens it."""
    once = X25519PrivateKey.generate()
    sender = once.public_key().public_bytes_raw()
    agreed = _agreed(once, public_half, sender=sender, receiver=public_half)
    sealed = seal_bytes(agreed, _filled(text), place.associated_with(_TO_PUBLIC_HALF))
    return bytes((_TO_PUBLIC_HALF,)) + sender + sealed


def _agreed(own: X25519PrivateKey, other: bytes, *, sender: bytes, receiver: bytes) -> bytes:
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:  # too short, or a point of small order
        raise SealBroken from None
    return _derived(shared, b"sealed to a case", sender + receiver)


def _filled(text: str) -> bytes:
    utf8 = text.encode("utf-8")
    return secrets.token_bytes(_SALT_BYTES) + hashlib.sha256(utf8).digest() + utf8


def _emptied(plain: bytes) -> str:
    digest, utf8 = plain[_SALT_BYTES : _SALT_BYTES + _DIGEST_BYTES], plain[_SALT_BYTES + _DIGEST_BYTES :]
    if not hmac.compare_digest(digest, hashlib.sha256(utf8).digest()):
        raise SealBroken
    return utf8.decode("utf-8")
