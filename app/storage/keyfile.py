"""Secrets in files beside the service, never in the database; and the one that is the service's own: 32 bytes."""

import os
import secrets
from functools import lru_cache
from pathlib import Path

from app.errors import Conflict
from app.settings import Settings

KEY_BYTES = 32
_DEMONSTRATION_KEY = "secrets.key"


class NoSecretsKey(Conflict):
    """The service has no secret of its own."""

    code = "no_secrets_key"


@lru_cache
def service_key(chosen: Settings) -> bytes:
    """The key that the settings name; the demonstration makes its own on first use.

    Raises NoSecretsKey where production names none or the file holds no key.
    """
    named = chosen.secrets_key_file
    if named is None and chosen.environment == "production":
        raise NoSecretsKey(
            "The service has no secret of its own, so it can vouch for no key of a case, seal no webhook's secret and "
            "compare no address. Whoever runs it sets CLARES_LAW_SECRETS_KEY_FILE for the API and the worker."
        )
    path = named or chosen.data_dir / _DEMONSTRATION_KEY
    if named is None and not path.exists():
        make_once(path, secrets.token_hex(KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise NoSecretsKey(
            f"CLARES_LAW_SECRETS_KEY_FILE must name a readable file with {KEY_BYTES} bytes as {2 * KEY_BYTES} "
            "hexadecimal digits."
        )
    return key


def make_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read; of two processes that make it at once, the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    put_private(own, text)
    try:
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()


def put_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as fresh:
        fresh.write(text)
        fresh.flush()
        os.fsync(fresh.fileno())
