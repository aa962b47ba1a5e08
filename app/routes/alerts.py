"""The inbox: alerts carry the case's reference, the clock and the time, nothing else (H11)."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.service import known_id
from app.deadlines import alerts
from app.deadlines.schemas import AlertView
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_CASE
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute

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
    return page(list(found), limit, lambda last: encode(last.recorded_at.isoformat(), last.id))


@router.post("/{alert_id}/acknowledgement", status_code=200, responses=ERRORS_OF_CASE)
async def acknowledge(alert_id: str, door: Reader) -> AlertView:
    """A person has seen it; the first acknowledgement stands. The duty itself stays open."""
    known = known_id(alert_id, alerts.AlertNotFound())
    alert = await alerts.acknowledge(door.session, door.actor, known, now=door.now)
    await door.log(Category.ALTERATION, case_id=alert.case_id)
    return AlertView.model_validate({**alert.model_dump(), "clock": alert.clock_kind})
