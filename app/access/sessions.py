"""Browsers that people are signed in by: a random token there, its SHA-256 here, and an end to each (H1.3).

Everything here goes by real time. A session ends by itself after a time without requests and after a time in all, and
at once when its person, an administrator or the closing of the account ends it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.claimed import NOTHING_CLAIMED, Claimed
from app.access.rules import Role, known_roles
from app.access.tables import BrowserSession, SessionEnd, StaffMember
from app.storage.base import columns_of, table_of
from app.storage.statements import row, rows, write

KEPT = timedelta(days=1)
"""How long the row of a session that is over is kept; the log keeps who signed in and out."""
_SEEN_EVERY = timedelta(seconds=30)
"""A busy session's row is written this often and not at each request."""

_session, _staff = columns_of(BrowserSession), columns_of(StaffMember)
_FIND = (
    select(
        _session.id,
        _session.claimed_roles,
        _session.authenticated_at,
        _session.seen_at,
        _session.expires_at,
        _staff.subject,
    )
    .select_from(table_of(BrowserSession).join(table_of(StaffMember), _staff.id == _session.staff_id))
    .where(
        _session.ended_at.is_(None),
        _session.expires_at > bindparam("now"),
        _session.seen_at > bindparam("idle_since"),
    )
)
_BY_TOKEN = _FIND.where(_session.token_hash == bindparam("of_token"))
_BY_ID = _FIND.where(_session.id == bindparam("session_id"))
_SEEN = update(table_of(BrowserSession)).where(_session.id == bindparam("session_id")).values(seen_at=bindparam("now"))
_END = (
    update(table_of(BrowserSession))
    .where(_session.ended_at.is_(None))
    .values(ended_at=bindparam("now"), ended_because=bindparam("because", type_=_session.ended_because.type))
    .returning(_session.id)
)
_END_TOKEN = _END.where(_session.token_hash == bindparam("of_token"))
_END_ONE = _END.where(_session.id == bindparam("session_id"))
_END_OF_STAFF = _END.where(_session.staff_id == bindparam("of_staff"))
_BEGIN = table_of(BrowserSession).insert()
_FORGET = (
    delete(table_of(BrowserSession))
    .where(_session.staff_id == bindparam("of_staff"), _session.expires_at < bindparam("before"))
    .returning(_session.id)
)


@dataclass(frozen=True)
class Limits:
    """How long a session lasts without a request, and in all."""

    idle: timedelta = timedelta(minutes=15)
    absolute: timedelta = timedelta(hours=8)


@dataclass(frozen=True)
class SignedIn:
    """A session in force and whose it is."""

    id: UUID
    subject: str
    claimed: Claimed
    authenticated_at: datetime | None
    expires_at: datetime
    idle_at: datetime
    """When it ends unless a request comes before."""


def new_secret() -> str:
    """256 random bits, as a cookie or an address carries them."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """The only form in which a secret of a browser is kept: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def begin_session(
    session: AsyncSession,
    staff_id: UUID,
    *,
    claimed_roles: Iterable[Role] | None,
    authenticated_at: datetime | None,
    limits: Limits,
    now: datetime,
) -> str:
    """A new session; its token, which is held nowhere else."""
    await rows(session, _FORGET, of_staff=staff_id, before=now - KEPT)
    token = new_secret()
    began = {
        "id": uuid4(),
        "token_hash": hashed(token),
        "staff_id": staff_id,
        "claimed_roles": None if claimed_roles is None else sorted(claimed_roles),
        "authenticated_at": authenticated_at,
        "started_at": now,
        "seen_at": now,
        "expires_at": now + limits.absolute,
    }
    await write(session, _BEGIN, began)
    return token


async def find_session(session: AsyncSession, token: str, *, limits: Limits, now: datetime) -> SignedIn | None:
    """The session in force that a browser's token opens, counted as used now."""
    found = await row(session, _BY_TOKEN, of_token=hashed(token), now=now, idle_since=now - limits.idle)
    if found is None:
        return None
    if now - found.seen_at >= min(_SEEN_EVERY, limits.idle / 4):
        await write(session, _SEEN, {"session_id": found.id, "now": now})
    roles = found.claimed_roles
    return SignedIn(
        id=found.id,
        subject=found.subject,
        claimed=NOTHING_CLAIMED if roles is None else Claimed(roles=known_roles(roles)),
        authenticated_at=found.authenticated_at,
        expires_at=found.expires_at,
        idle_at=min(now + limits.idle, found.expires_at),
    )


async def is_in_force(session: AsyncSession, session_id: UUID, *, limits: Limits, now: datetime) -> bool:
    """Whether a session found before still stands; asking does not count as using it."""
    return await row(session, _BY_ID, session_id=session_id, now=now, idle_since=now - limits.idle) is not None


async def end_session(session: AsyncSession, session_id: UUID, *, because: SessionEnd, now: datetime) -> None:
    """End one session at once; one that is over stays as it ended."""
    await rows(session, _END_ONE, session_id=session_id, because=because, now=now)


async def end_session_of(session: AsyncSession, token: str, *, because: SessionEnd, now: datetime) -> None:
    """End the session that a browser's token opens, if it opens one."""
    await rows(session, _END_TOKEN, of_token=hashed(token), because=because, now=now)


async def end_sessions_of(session: AsyncSession, staff_id: UUID, *, because: SessionEnd, now: datetime) -> int:
    """End every session of an account at once; how many there were."""
    return len(await rows(session, _END_OF_STAFF, of_staff=staff_id, because=because, now=now))
