"""What a late case asks for: interim plans and deviations from the limits (H2.6, H10.6)."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.deadlines.deviations import deviations_of
from app.deadlines.schemas import DeviationView
from app.doors import CaseDoor, decides, reads, records
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute
from app.safeguarding import lateness
from app.safeguarding.schemas import DeviationAnswerIn, DeviationIn, InterimPlanIn, InterimPlanView

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["late cases"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
Safeguarder = Annotated[CaseDoor, records(Permission.SAFEGUARD)]


@router.get("/interim-plans", responses=ERRORS_OF_CASE)
async def read_interim_plans(door: Reader) -> list[InterimPlanView]:
    """Every interim plan; for each potential victim the newest holds."""
    return await door.history(InterimPlanView)


@router.post("/interim-plans", status_code=201, responses=ERRORS_OF_ACT)
async def record_interim_plan(body: InterimPlanIn, door: Safeguarder) -> Receipt:
    """Keep what keeps one potential victim safe and in touch while a duty is late; a late case goes on no sooner."""
    return await door.record(lateness.record_interim_plan, body)


@router.get("/deviations", responses=ERRORS_OF_CASE)
async def read_deviations(door: Reader) -> list[DeviationView]:
    """Why limits were not kept, and what a supervisor answered."""
    await door.read()
    return await deviations_of(door.session, door.case.id)


@router.post("/deviations", status_code=201, responses=ERRORS_OF_ACT)
async def record_deviation(body: DeviationIn, door: Safeguarder) -> Receipt:
    """Keep why a limit is not kept, in exceptional circumstances; the clock does not move."""
    return await door.record(lateness.record_deviation, body)


@router.post("/deviations/{deviation_id}/authorisation", status_code=201, responses=ERRORS_OF_DECISION)
async def answer_deviation(
    deviation_id: str, body: DeviationAnswerIn, door: Annotated[CaseDoor, decides(Permission.SUPERVISE)]
) -> Receipt:
    """A supervisor authorises the deviation, or does not; another than who recorded it."""
    answer = partial(lateness.answer_deviation, deviation_id=deviation_id)
    return await door.decide(answer, body, though_late=True)  # it asks for the plan itself
