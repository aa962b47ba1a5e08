"""Secrets at rest: AES-256-GCM under a key that stands in a file beside the service, never in the database."""

import os
import secrets
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import ClaresLawError, Conflict
from app.settings import Settings

_KEY_BYTES = 32
_NONCE_BYTES = 12
_DEMONSTRATION_KEY = "secrets.key"


class NoSecretsKey(Conflict):
    """There is no key to seal secrets with."""

    code = "no_secrets_key"


class SealBroken(ClaresLawError):
    """What was sealed was changed, moved to another row, or sealed under another key."""

    code = "seal_broken"


class SecretBox:
    """Seals bytes for one row: moved to another row they do not open."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 bytes; ValueError otherwise."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key has {_KEY_BYTES} bytes")
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
    """The box under the key that the settings name; the demonstration makes its own on first use.

    Raises NoSecretsKey where production names none or the file holds no key.
    """
    named = chosen.secrets_key_file
    if named is None and chosen.environment == "production":
        raise NoSecretsKey(
            "Webhooks are off: the service has no key to seal their secrets with. Whoever runs it sets "
            "CLARES_LAW_SECRETS_KEY_FILE for the API and the worker."
        )
    path = named or _made_once(chosen.data_dir / _DEMONSTRATION_KEY)
    try:
        return SecretBox(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError):
        raise NoSecretsKey(
            f"Webhooks are off: CLARES_LAW_SECRETS_KEY_FILE must name a readable file with {_KEY_BYTES} bytes "
            f"as {2 * _KEY_BYTES} hexadecimal digits."
        ) from None


def _made_once(path: Path) -> Path:
    """The key file, made where it is missing; of two processes that make it at once, the first one's stays."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as fresh:
            fresh.write(secrets.token_hex(_KEY_BYTES) + "\n")
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path
