"""Signing in and out by a browser: what is committed when, what the log keeps of it, and how the provider is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.access.admission import account_of, admit, force_served
from app.access.claimed import claimed_by
from app.access.claims import Claims
from app.access.entry import Entry
from app.access.rules import Actor
from app.access.schemas import SessionView
from app.access.service import enter_as
from app.access.sessions import begin_session, end_session, end_session_of
from app.access.sign_in import (
    Begun,
    NoSignInHere,
    SignIn,
    SignInFailed,
    begin_sign_in,
    take_attempt,
    way_back,
    who_signed_in,
)
from app.access.tables import SessionEnd
from app.doors.entering import SESSION_COOKIE, Admission, one_cookie
from app.errors import NotFound, Unauthenticated
from app.evidence.service import log
from app.evidence.terms import Category
from app.misuse.rights import ask_about

ATTEMPT_COOKIE = "__Host-clares-law-sign-in"

_log = structlog.get_logger()


class NoSession(NotFound):
    """The request came by a bearer token, which ends by itself."""

    code = "no_session"

    def __init__(self) -> None:
        super().__init__("There is no session to end: the request came by a bearer token.")


@dataclass(frozen=True)
class Arrived:
    """Somebody is signed in: the browser's new token, and where to go."""

    return_to: str
    token: str = field(repr=False)


def _configured(request: Request) -> SignIn:
    found: SignIn | None = request.app.state.sign_in
    if found is None:
        raise NoSignInHere
    return found


async def begin(request: Request, *, return_to: str, step_up: bool) -> Begun:
    """Begin a sign-in: kept before the browser leaves."""
    at = _configured(request)
    async with request.app.state.sessions.begin() as db:
        return await begin_sign_in(db, at, return_to=return_to, step_up=step_up, now=clock.real_now())


async def finish(request: Request) -> Arrived:
    """What the provider sent the browser back with, turned into a session, or SignInFailed.

    The attempt is spent whatever comes of it; nothing of the database is held while the provider is asked.
    """
    at = _configured(request)
    given = _each_once(request)
    if not (state := given.get("state")):
        raise SignInFailed("The provider sent no state. Begin the sign-in again.")
    async with request.app.state.sessions.begin() as db:
        spent = await take_attempt(db, state)
    browser = one_cookie(request, ATTEMPT_COOKIE)
    attempt = way_back(spent, state=state, browser=browser, now=clock.real_now())
    if given.get("iss", at.issuer) != at.issuer:
        raise SignInFailed("Another provider answered than was asked (iss).")
    if not (code := given.get("code")):
        raise SignInFailed("The provider signed nobody in. Begin the sign-in again.")
    tokens = await at.provider.redeem(at.client, code=code, verifier=attempt.verifier, redirect_uri=at.redirect_uri)
    claims = await who_signed_in(at, attempt, tokens, now=clock.real_now())
    return Arrived(attempt.return_to, await _let_in(request, claims))


def _each_once(request: Request) -> Mapping[str, str]:
    """The parameters of the address; one that stands twice is nobody's answer. Unknown ones are passed over."""
    given = request.query_params.multi_items()
    if len({name for name, _ in given}) != len(given):
        raise SignInFailed("The provider's answer names a parameter twice. Begin the sign-in again.")
    return dict(given)


async def _let_in(request: Request, claims: Claims) -> str:
    admission: Admission = request.app.state.admission
    claimed = claimed_by(claims.extra, admission.claims)
    now = clock.real_now()
    try:
        async with request.app.state.sessions.begin() as db:
            admitted = await admit(db, claims.subject, claimed)
            member = admitted.member
            person = await enter_as(db, claims.subject, claimed=claimed)
            await ask_about(db, admitted.changed, now=clock.now())
            if (before := one_cookie(request, SESSION_COOKIE)) is not None:
                await end_session_of(db, before, because=SessionEnd.REPLACED, now=now)
            token = await begin_session(
                db,
                member.id,
                claimed_roles=claimed.roles,
                authenticated_at=claims.authenticated_at,
                limits=admission.limits,
                now=now,
            )
            await log(
                db,
                admitted.touched,
                "sign_in",
                request_id=request.state.request_id,
                **person.as_logged("sign_in"),
                event_id=member.id,
            )
    except Unauthenticated as refused:
        _log.warning("sign_in_refused", code=refused.code)
        await _log_refused(request, claims.subject, refused.code)
        raise
    return token


async def _log_refused(request: Request, subject: str, code: str) -> None:
    """A sign-in of a known account that was not let in leaves its row; of an unknown one there is nobody to name."""
    async with request.app.state.sessions.begin() as db:
        member = await account_of(db, subject)
        if member is not None:
            await log(
                db,
                Category.CONSULTATION,
                "sign_in",
                request_id=request.state.request_id,
                staff_id=member.id,
                organisation=member.force_id or member.agency_id,
                force_id=await force_served(db, member),
                decision=code,
            )


async def end(request: Request, db: AsyncSession, came: Entry, person: Actor) -> None:
    """Sign the browser out at once. Raises NoSession for a bearer token."""
    if came.session_id is None:
        raise NoSession
    await end_session(db, came.session_id, because=SessionEnd.SIGNED_OUT, now=clock.real_now())
    await log(
        db,
        Category.ALTERATION,
        "sign_out",
        event_id=came.session_id,
        request_id=request.state.request_id,
        **person.as_logged("sign_out"),
    )


def shown(came: Entry, person: Actor) -> SessionView:
    """Who is asking, with the rights of this moment and until when."""
    return SessionView(
        staff_id=person.staff_id,
        name=person.name,
        force_id=person.force_id,
        agency_id=person.agency_id,
        rank=person.rank,
        roles=sorted(person.roles),
        by="bearer" if came.session_id is None else "session",
        signed_in_at=came.authenticated_at,
        ends_at=came.expires_at,
        ends_unless_used_by=came.idle_at,
    )
