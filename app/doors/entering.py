"""The request's one session, and the person behind it: by a guarded token, or a browser that is signed in.

A bearer token is sent on purpose. A cookie is sent by the browser on whatever page's behest, so a request that changes
something and comes by a cookie must prove that it comes from this service's own pages.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.access.claimed import ClaimNames, claimed_by
from app.access.claims import TokenRefused
from app.access.entry import Entry
from app.access.rules import STEP_UP_TO_READ, Actor, Permission
from app.access.service import enter_as
from app.access.sessions import Limits, find_session
from app.access.tokens import TokenReader
from app.errors import NotPermitted, Unauthenticated

SESSION_COOKIE = "__Host-clares-law"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class NoToken(Unauthenticated):
    """The request carries no usable bearer token, and no session."""

    code = "no_token"


class SentTwice(Unauthenticated):
    """Two proofs of who asks: which of them a proxy before this service looked at, nobody can say."""

    code = "sent_twice"


class FromElsewhere(NotPermitted):
    """A page that is not this service's sent the request in the name of whoever is signed in."""

    code = "from_elsewhere"


@dataclass(frozen=True)
class Admission:
    """How people and systems are let in: which claims count, how long a browser stays in, how recent is recent."""

    claims: ClaimNames = field(default_factory=ClaimNames)
    limits: Limits = field(default_factory=Limits)
    step_up: timedelta = timedelta(days=7)
    origin: str | None = None
    """The address that this service's own pages have; without one no browser is let in."""


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's one session: committed after the handler and before the answer, rolled back on any error."""
    async with request.app.state.sessions() as opened:
        yield opened
        await opened.commit()


SessionDep = Annotated[AsyncSession, Depends(session, scope="function")]

_bearer = HTTPBearer(auto_error=False, description="A token of the configured issuer.")
BearerDep = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def entry(request: Request, bearer: BearerDep) -> Entry:
    """How the request came in: a bearer token where there is one, else the browser's session."""
    admission: Admission = request.app.state.admission
    if len(request.headers.getlist("Authorization")) > 1:
        raise SentTwice("Send one Authorization header. Nothing was done.")
    cookie = one_cookie(request, SESSION_COOKIE)
    if bearer is not None:
        return await _by_token(request.app.state.tokens, bearer.credentials, admission.claims)
    if cookie is None or admission.origin is None:
        raise NoToken("Send a bearer token: 'Authorization: Bearer <token>'.")
    # In a transaction of its own: whoever is refused was here all the same, and no row is held for a long request.
    async with request.app.state.sessions.begin() as db:
        found = await find_session(db, cookie, limits=admission.limits, now=clock.real_now())
    if found is None:
        raise NoToken("The session is over. Sign in again: GET /v1/sign-in")
    return Entry(
        subject=found.subject,
        expires_at=found.expires_at,
        authenticated_at=found.authenticated_at,
        claimed=found.claimed,
        session_id=found.id,
        idle_at=found.idle_at,
    )


def one_cookie(request: Request, name: str) -> str | None:
    """The cookie of that name, or None. Raises SentTwice: neither the first nor the last of two is taken."""
    sent = [one.split("=", 1)[0].strip() for line in request.headers.getlist("Cookie") for one in line.split(";")]
    if sent.count(name) > 1:
        raise SentTwice("Send each cookie once: two of the session's are no session. Nothing was done.")
    return request.cookies.get(name)


async def _by_token(reader: TokenReader, token: str, names: ClaimNames) -> Entry:
    try:
        claims = await reader.read_fetching(token, now=clock.real_now())
    except TokenRefused as refused:
        raise NoToken(f"The token was refused ({refused.reason}). Sign in again.") from None
    return Entry(
        subject=claims.subject,
        expires_at=claims.expires_at,
        authenticated_at=claims.authenticated_at,
        claimed=claimed_by(claims.extra, names),
    )


EntryDep = Annotated[Entry, Depends(entry)]


async def actor(request: Request, db: SessionDep, came: EntryDep) -> Actor:
    """Who asks, by an active account; the transaction then reaches that person's rows only."""
    person = await enter_as(db, came.subject, claimed=came.claimed)
    request.state.actor, request.state.entry = person, came
    if came.session_id is not None and request.method not in _SAFE:
        _must_come_from(request.app.state.admission.origin, request)
    return person


ActorDep = Annotated[Actor, Depends(actor)]


def _must_come_from(own: str | None, request: Request) -> None:
    """Refuse a request that no page of this service sent, by what browsers say of it and pages cannot forge.

    Either header suffices, and whichever is there must agree: old browsers know only Origin.
    """
    asked = (("Origin", own), ("Sec-Fetch-Site", "same-origin"))
    agree = [found == wanted for name, wanted in asked for found in request.headers.getlist(name)]
    if not agree or not all(agree):
        request.state.action = FromElsewhere.code
        raise FromElsewhere("This came from a page that is not this service's own. Nothing was done.")


def must_be_recent(request: Request, permission: Permission) -> None:
    """Refuse what is gravest to whoever signed in too long ago, before anything is looked at.

    Reading is not, but for an opening for a court.
    """
    if request.method in _SAFE and permission not in STEP_UP_TO_READ:
        return
    came: Entry = request.state.entry
    request.state.action = permission.value
    came.must_be_recent(permission, window=request.app.state.admission.step_up, now=clock.real_now())


def reader_of(request: Request) -> Callable[[AsyncSession], Awaitable[Actor]]:
    """Finds whoever sent this request anew, for an answer that goes on for longer than a request."""
    came: Entry = request.state.entry
    limits: Limits = request.app.state.admission.limits
    return lambda db: came.person(db, limits=limits, now=clock.real_now())
