"""Secrets at rest: AES-256-GCM under a key that stands in a file beside the service, never in the database."""

import secrets
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import ClaresLawError
from app.settings import Settings
from app.storage.keyfile import KEY_BYTES, service_key

_NONCE_BYTES = 12


class SealBroken(ClaresLawError):
    """What was sealed was changed, moved to another row, or sealed under another key."""

    code = "seal_broken"


class SecretBox:
    """Seals bytes for one row: moved to another row they do not open."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 bytes; ValueError otherwise."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {KEY_BYTES} bytes")
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, about: UUID) -> bytes:
        """A fresh nonce and the ciphertext, bound to the row `about`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, about.bytes)

    def open(self, sealed: bytes, about: UUID) -> bytes:
        """What was sealed; SealBroken where it was not sealed so."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.bytes)
        except (InvalidTag, ValueError):
            raise SealBroken("A sealed secret does not open.") from None


@lru_cache
def secret_box(chosen: Settings) -> SecretBox:
    """The box under the service's own key. Raises NoSecretsKey where there is none."""
    return SecretBox(service_key(chosen))
