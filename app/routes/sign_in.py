"""Signing in and out by a browser, at the force's identity provider; and for everybody: who am I."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.access.schemas import SessionView
from app.access.sign_in import LASTS
from app.doors import SessionDep, signing_in
from app.doors.entering import SESSION_COOKIE, ActorDep, EntryDep
from app.routes.errors import ERRORS, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1", tags=["sign-in"], route_class=StrictRoute)
returning = APIRouter(prefix="/v1", tags=["sign-in"])
"""The way back from the provider, which may add parameters of its own to the address."""

_PATH = r"^/([A-Za-z0-9._~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$"
ReturnTo = Annotated[
    str,
    Query(max_length=500, pattern=_PATH, description="Where the browser goes once signed in: a path of this service."),
]


@router.get("/sign-in", status_code=303, responses=ERRORS_OF_CASE, response_class=RedirectResponse)
async def sign_in(request: Request, return_to: ReturnTo = "/v1/session", step_up: bool = False) -> RedirectResponse:
    """Begin a sign-in: the browser goes to the identity provider and comes back signed in.

    With `step_up=true` the provider asks anew who it is, though it may know: for the gravest decisions.
    """
    begun = await signing_in.begin(request, return_to=return_to, step_up=step_up)
    answer = RedirectResponse(begun.address, 303)
    _keep(answer, signing_in.ATTEMPT_COOKIE, begun.browser, seconds=int(LASTS.total_seconds()))
    return answer


@returning.get("/sign-in/callback", status_code=303, responses=ERRORS_OF_CASE, response_class=RedirectResponse)
async def come_back(request: Request) -> RedirectResponse:
    """Where the provider sends the browser back to, with a code that is exchanged for a session."""
    arrived = await signing_in.finish(request)
    answer = RedirectResponse(arrived.return_to, 303)
    _keep(answer, SESSION_COOKIE, arrived.token)
    _keep(answer, signing_in.ATTEMPT_COOKIE, "", seconds=0)
    return answer


@router.get("/session", responses=ERRORS)
async def read_session(came: EntryDep, person: ActorDep) -> SessionView:
    """Who am I, what may I be, and until when: of a session or a bearer token."""
    return signing_in.shown(came, person)


@router.delete("/session", status_code=204, responses=ERRORS_OF_CASE, response_class=Response)
async def sign_out(request: Request, db: SessionDep, came: EntryDep, person: ActorDep) -> Response:
    """Sign this browser out, at once."""
    await signing_in.end(request, db, came, person)
    answer = Response(status_code=204)
    _keep(answer, SESSION_COOKIE, "", seconds=0)
    return answer


def _keep(answer: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """A cookie that only this host's own pages send, over TLS or on the machine itself, and no script reads.

    Lax, since the provider's redirect must bring it along: what changes anything proves its origin besides.
    """
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
