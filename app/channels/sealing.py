"""Secrets of webhooks at rest, under a key that stands in a file beside the service, never in the database."""

import secrets
from functools import lru_cache
from uuid import UUID

from app.errors import Conflict
from app.evidence.keys import make_once
from app.evidence.sealing import open_bytes, seal_bytes
from app.settings import Settings

_KEY_BYTES = 32
_DEMONSTRATION_KEY = "secrets.key"


class NoSecretsKey(Conflict):
    """There is no key to seal secrets with."""

    code = "no_secrets_key"


class SecretBox:
    """Seals bytes for one row: moved to another row they do not open."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 bytes; ValueError otherwise."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key has {_KEY_BYTES} bytes")
        self._key = key

    def seal(self, plain: bytes, about: UUID) -> bytes:
        """A fresh nonce and the ciphertext, bound to the row `about`."""
        return seal_bytes(self._key, plain, about.bytes)

    def open(self, sealed: bytes, about: UUID) -> bytes:
        """What was sealed; SealBroken where it was not sealed so."""
        return open_bytes(self._key, sealed, about.bytes)


@lru_cache
def secret_box(chosen: Settings) -> SecretBox:
    """The box under the key that the settings name; the demonstration makes its own on first use.

    Raises NoSecretsKey where production names none or the file holds no key.
    """
    named = chosen.secrets_key_file
    if named is None and chosen.environment == "production":
        raise NoSecretsKey(
            "Webhooks are off: the service has no key to seal their secrets with. Whoever runs it sets "
            "CLARES_LAW_SECRETS_KEY_FILE for the API and the worker."
        )
    path = named or chosen.data_dir / _DEMONSTRATION_KEY
    if named is None and not path.exists():
        make_once(path, secrets.token_hex(_KEY_BYTES) + "\n")
    try:
        return SecretBox(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError):
        raise NoSecretsKey(
            f"Webhooks are off: CLARES_LAW_SECRETS_KEY_FILE must name a readable file with {_KEY_BYTES} bytes "
            f"as {2 * _KEY_BYTES} hexadecimal digits."
        ) from None
