"""The demonstration's own identity provider: its key, what it publishes, and who its tokens name.

Production configures the force's provider instead and has no use for this.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

from app.access.rules import Role
from app.access.tokens import DemonstrationIssuer

ISSUER = "https://demonstration.invalid"
AUDIENCE = "clares-law"
LIFETIME = timedelta(hours=12)
"""Of a token on the start card: longer than a day's look at the service."""

_KEY_FILE = "demonstration-issuer.pem"
_JWKS_FILE = "jwks.json"


def subject_of(role: Role) -> str:
    """The subject whose account in the demonstration's data has this one role."""
    return f"demo-{role.value}"


def open_issuer(data_dir: Path) -> DemonstrationIssuer:
    """The issuer whose key is kept in `data_dir`, made on first use."""
    key = data_dir / _KEY_FILE
    if not key.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        DemonstrationIssuer(ISSUER, AUDIENCE).save(key)
    return DemonstrationIssuer.load(key, issuer=ISSUER, audience=AUDIENCE)


def publish(issuer: DemonstrationIssuer, data_dir: Path) -> Path:
    """Write the public half where the API reads it; the file's path."""
    path = data_dir / _JWKS_FILE
    path.write_text(json.dumps(issuer.jwks(), indent=2) + "\n")
    return path


def token_for(role: Role, data_dir: Path, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """A token for the demonstration's account with this role; `now` is real time."""
    return open_issuer(data_dir).issue(subject_of(role), now=now, lifetime=lifetime)
