"""One's own clocks for a calendar that subscribes. The address of a feed is its credential and is written nowhere."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app import clock
from app.access.rules import Permission
from app.cases.service import known_id
from app.channels.schemas import FeedMade, FeedView
from app.deadlines import feed
from app.doors import Door, SessionDep, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/calendar-feeds", tags=["alerts"], route_class=StrictRoute)

Reader = Annotated[Door, requires(Permission.READ_ALERTS)]
_CALENDAR = "text/calendar"


@router.get("", responses=ERRORS)
async def list_feeds(door: Reader) -> list[FeedView]:
    """One's own feeds; their addresses are not shown again."""
    await door.log(Category.CONSULTATION)
    return await feed.feeds(door.session, actor=door.actor)


@router.post("", status_code=201, responses=ERRORS)
async def make_feed(door: Reader) -> FeedMade:
    """A new address under which a calendar reads the clocks of the cases that one holds: references and times alone."""
    made = await feed.make_feed(door.session, actor=door.actor, now=door.now)
    await door.log(Category.COLLECTION, event_id=made.id)
    return made


@router.delete("/{feed_id}", responses=ERRORS_OF_CASE)
async def revoke_feed(feed_id: str, door: Reader) -> FeedView:
    """The address opens nothing any more."""
    known = known_id(feed_id, feed.FeedNotFound())
    await door.log(Category.ALTERATION, event_id=known)
    return await feed.revoke_feed(door.session, known, actor=door.actor, now=door.now)


class _Calendar(Response):
    media_type = _CALENDAR


@router.get(
    "/{token}.ics",
    response_class=_Calendar,
    responses={
        200: {"description": "An iCalendar (RFC 5545).", "content": {_CALENDAR: {"schema": {"type": "string"}}}},
        404: ERRORS_OF_CASE[404],
        422: ERRORS[422],
        503: ERRORS[503],
    },
)
async def read_feed(
    request: Request,
    session: SessionDep,
    token: Annotated[str, Path(description="From the address that was shown when the feed was made.")],
) -> _Calendar:
    """The calendar behind an address: no token but the address itself is asked for."""
    text = await feed.read_feed(
        session,
        token,
        request_id=request.state.request_id,
        stamp=clock.real_now(),
        roles_are_claimed=request.app.state.admission.claims.roles is not None,
    )
    return _Calendar(text, headers={"Referrer-Policy": "no-referrer"})
