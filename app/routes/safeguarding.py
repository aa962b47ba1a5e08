"""What may have to happen at any step: contact, safeguarding, safety plans, crime references, duties (H2)."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, reads, records
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute
from app.safeguarding import service
from app.safeguarding.schemas import (
    ContactAttemptIn,
    ContactAttemptView,
    CrimeReferenceIn,
    CrimeReferenceView,
    DutyAnswerIn,
    DutyView,
    SafeguardingActionIn,
    SafeguardingActionView,
    SafetyPlanIn,
    SafetyPlanView,
)

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["safeguarding"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
Safeguarder = Annotated[CaseDoor, records(Permission.SAFEGUARD)]


@router.get("/contact-attempts", responses=ERRORS_OF_CASE)
async def read_contact_attempts(door: Reader) -> list[ContactAttemptView]:
    """Every attempt to reach somebody."""
    return await door.history(ContactAttemptView)


@router.post("/contact-attempts", status_code=201, responses=ERRORS_OF_ACT)
async def record_contact_attempt(
    body: ContactAttemptIn, door: Annotated[CaseDoor, records(Permission.RECORD_CONTACT)]
) -> Receipt:
    """Keep an attempt to reach somebody, reached or not (H2.1)."""
    return await door.record(service.record_contact_attempt, body)


@router.get("/safeguarding-actions", responses=ERRORS_OF_CASE)
async def read_safeguarding_actions(door: Reader) -> list[SafeguardingActionView]:
    """What was done at once to make people safe."""
    return await door.history(SafeguardingActionView)


@router.post("/safeguarding-actions", status_code=201, responses=ERRORS_OF_ACT)
async def record_safeguarding_action(body: SafeguardingActionIn, door: Safeguarder) -> Receipt:
    """Keep what was done to make a person safe (H2.4)."""
    return await door.record(service.record_safeguarding_action, body)


@router.get("/safety-plans", responses=ERRORS_OF_CASE)
async def read_safety_plans(door: Reader) -> list[SafetyPlanView]:
    """Every safety plan; for each potential victim the newest holds."""
    return await door.history(SafetyPlanView)


@router.post("/safety-plans", status_code=201, responses=ERRORS_OF_ACT)
async def record_safety_plan(body: SafetyPlanIn, door: Safeguarder) -> Receipt:
    """Keep the safety plan of one potential victim, or its review."""
    return await door.record(service.record_safety_plan, body)


@router.get("/crime-references", responses=ERRORS_OF_CASE)
async def read_crime_references(door: Reader) -> list[CrimeReferenceView]:
    """Crime records made in the course of the case."""
    return await door.history(CrimeReferenceView)


@router.post("/crime-references", status_code=201, responses=ERRORS_OF_ACT)
async def record_crime_reference(body: CrimeReferenceIn, door: Safeguarder) -> Receipt:
    """Keep a crime reference; it answers the crime duties (H2.3)."""
    return await door.record(service.record_crime_reference, body)


@router.get("/duties", responses=ERRORS_OF_CASE)
async def read_duties(door: Reader) -> list[DutyView]:
    """What is or was owed in the case, what is before a supervisor included."""
    return await door.history(DutyView)


@router.post("/duties/{duty_id}/answer", status_code=201, responses=ERRORS_OF_ACT)
async def answer_duty(duty_id: str, body: DutyAnswerIn, door: Safeguarder) -> Receipt:
    """Answer a duty: what was done, or why it need not be. Some are a supervisor's alone."""
    return await door.record(partial(service.answer_duty, duty_id=duty_id), body)
