"""The inbox: alerts carry the case's reference, the clock and the time, nothing else (H11)."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from app.access.rules import Permission
from app.cases.service import known_id
from app.deadlines import alerts, stream
from app.deadlines.schemas import AlertView
from app.doors import Door, reader_of, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_CASE
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute
from app.settings import settings

router = APIRouter(prefix="/v1/alerts", tags=["alerts"], route_class=StrictRoute)

Reader = Annotated[Door, requires(Permission.READ_ALERTS)]


@router.get("", responses=ERRORS)
async def list_alerts(
    door: Reader, acknowledged: bool | None = None, superseded: bool = False, cursor: Cursor = None, limit: Limit = 50
) -> Page[AlertView]:
    """Alerts of one's own level, newest first: an officer's own and unheld cases, a supervisor's all.

    Those that a later rung overtook before they could be sent are shown with `superseded=true`.
    """
    await door.log(Category.CONSULTATION)
    found = await alerts.alerts_for(
        door.session,
        door.actor,
        acknowledged=acknowledged,
        superseded=superseded,
        after=after_moment(cursor),
        limit=limit + 1,
    )
    shown = page(list(found), limit, lambda last: encode(last.recorded_at.isoformat(), last.id))
    door.shows(one.case_id for one in shown.items)
    return shown


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


_STREAM: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    200: {
        "description": "Events named `alert`, each with the alert as JSON; lines that begin with a colon keep it open.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("/stream", response_class=_EventStream, responses=_STREAM)
async def stream_alerts(
    request: Request,
    door: Reader,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event read, to go on after it.")
    ] = None,
) -> _EventStream:
    """New alerts of one's inbox as they are recorded, as server-sent events.

    Every stream ends in time, and at once when the token or the right to read alerts does: come back with the last id
    (`EventSource` does so by itself), and nothing is missed. Open the stream first, then read the list.
    """
    place = stream.place_of(last_event_id)
    streams: stream.Streams = request.app.state.streams
    seat = streams.take_seat()
    await door.log(Category.CONSULTATION, shown=AlertView)
    events = streams.events(
        request.app.state.sessions,
        seat,
        enter=reader_of(request),
        after=place,
        seconds=settings().stream_seconds,
        request_id=door.request_id,
    )
    return _EventStream(events, headers={"X-Accel-Buffering": "no"})


@router.post("/{alert_id}/acknowledgement", status_code=200, responses=ERRORS_OF_CASE)
async def acknowledge(alert_id: str, door: Reader) -> AlertView:
    """A person has seen it; the first acknowledgement stands. The duty itself stays open."""
    known = known_id(alert_id, alerts.AlertNotFound())
    alert = await alerts.acknowledge(door.session, door.actor, known, now=door.now)
    await door.log(Category.ALTERATION, case_id=alert.case_id, event_id=alert.id)
    return AlertView.model_validate({**alert.model_dump(), "clock": alert.clock_kind})
