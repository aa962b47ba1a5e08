"""Secrets of webhooks at rest, under a key that stands in a file beside the service, never in the database."""

from functools import lru_cache
from uuid import UUID

from app.evidence.sealing import open_bytes, seal_bytes
from app.settings import Settings
from app.storage.keyfile import KEY_BYTES, service_key


class SecretBox:
    """Seals bytes for one row: moved to another row they do not open."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 bytes; ValueError otherwise."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {KEY_BYTES} bytes")
        self._key = key

    def seal(self, plain: bytes, about: UUID) -> bytes:
        """A fresh nonce and the ciphertext, bound to the row `about`."""
        return seal_bytes(self._key, plain, about.bytes)

    def open(self, sealed: bytes, about: UUID) -> bytes:
        """What was sealed; SealBroken where it was not sealed so."""
        return open_bytes(self._key, sealed, about.bytes)


@lru_cache
def secret_box(chosen: Settings) -> SecretBox:
    """The box under the service's own key. Raises NoSecretsKey where there is none."""
    return SecretBox(service_key(chosen))
