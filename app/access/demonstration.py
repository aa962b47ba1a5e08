"""The demonstration's own identity provider: its key, what it publishes, and who its tokens name.

Production configures the force's provider instead and has no use for this.
"""

import json
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from app.access.rules import Role
from app.access.tokens import DemonstrationIssuer

ISSUER = "https://demonstration.invalid"
AUDIENCE = "clares-law"
LIFETIME = timedelta(hours=12)
"""Of a token on the start card: longer than a day's look at the service."""

BROWSER, SYSTEM = "clares-law-browser", "demo-system"
"""The clients that the demonstration's provider knows: the service's own sign-in, and a system of the force's."""

_KEY_FILE = "demonstration-issuer.pem"
_JWKS_FILE = "jwks.json"
_NAME_FILE = "demonstration-issuer.txt"


def subject_of(role: Role) -> str:
    """The subject whose account in the demonstration's data has this one role."""
    return f"demo-{role.value}"


def open_issuer(data_dir: Path, name: str | None = None) -> DemonstrationIssuer:
    """The issuer whose key is kept in `data_dir`, made on first use; called `name`, else as it was published last."""
    key, published = data_dir / _KEY_FILE, data_dir / _NAME_FILE
    if name is None:
        name = published.read_text() if published.exists() else ISSUER
    if not key.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        DemonstrationIssuer(name, AUDIENCE).save(key)
    return DemonstrationIssuer.load(key, issuer=name, audience=AUDIENCE)


def publish(issuer: DemonstrationIssuer, data_dir: Path) -> Path:
    """Write the issuer's name and the public half of its key where they are read; the path of the key set."""
    (data_dir / _NAME_FILE).write_text(issuer.issuer)
    path = data_dir / _JWKS_FILE
    path.write_text(json.dumps(issuer.jwks(), indent=2) + "\n")
    return path


def secret_of(client: str, data_dir: Path) -> Path:
    """The file with a client's secret, made on first use and readable for its owner alone."""
    path = data_dir / f"{client}.secret"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path


def token_for(role: Role, data_dir: Path, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """A token for the demonstration's account with this role; `now` is real time."""
    return open_issuer(data_dir).issue(subject_of(role), now=now, lifetime=lifetime)
