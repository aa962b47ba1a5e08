"""Stage 2: checks, the subject's identity, and the initial decision."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, decides, reads, records
from app.initial_checks import deciding, service
from app.initial_checks.schemas import (
    AgreementIn,
    CheckIn,
    CheckView,
    IdentityIn,
    IdentityView,
    InitialDecisionAgreementView,
    InitialDecisionIn,
    InitialDecisionView,
)
from app.risk_assessment.service import then_go_on
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["2 initial checks"], route_class=StrictRoute)


@router.post("/checks", status_code=201, responses=ERRORS_OF_ACT)
async def record_check(body: CheckIn, door: Annotated[CaseDoor, records(Permission.RECORD_CHECK)]) -> Receipt:
    """Record a search of one system on one party: hit, nil or unavailable. Nil is not the same as not done (H4.1)."""
    return await door.record(service.record_check, body)


@router.get("/checks", responses=ERRORS_OF_CASE)
async def read_checks(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[CheckView]:
    """Every search recorded, oldest first."""
    return await door.history(CheckView)


@router.post("/identity", status_code=201, responses=ERRORS_OF_ACT)
async def identify_subject(
    body: IdentityIn, door: Annotated[CaseDoor, records(Permission.IDENTIFY_SUBJECT)]
) -> Receipt:
    """Record who the subject is: confirmed against a record, unidentified, or deceased (H4.5)."""
    return await door.record(service.identify_subject, body)


@router.get("/identity", responses=ERRORS_OF_CASE)
async def read_identity(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[IdentityView]:
    """Every finding on the subject's identity, oldest first; the last one holds."""
    return await door.history(IdentityView)


@router.post("/initial-decision", status_code=201, responses=ERRORS_OF_DECISION)
async def decide_initially(
    body: InitialDecisionIn, door: Annotated[CaseDoor, decides(Permission.DECIDE_INITIALLY)]
) -> Receipt:
    """Decide whether the case goes on (H4.3). Not to progress takes effect when a second person agrees (H4.4)."""
    return await door.decide(then_go_on(deciding.decide_initially), body)


@router.get("/initial-decision", responses=ERRORS_OF_CASE)
async def read_initial_decisions(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[InitialDecisionView]:
    """Every initial decision taken, oldest first."""
    return await door.history(InitialDecisionView)


@router.post("/initial-decision/agreement", status_code=201, responses=ERRORS_OF_DECISION)
async def agree_initial_decision(
    body: AgreementIn, door: Annotated[CaseDoor, decides(Permission.DECIDE_INITIALLY)]
) -> Receipt:
    """A second person agrees to a decision not to progress, or refuses it (H4.4)."""
    return await door.decide(deciding.agree_initial_decision, body)


@router.get("/initial-decision/agreement", responses=ERRORS_OF_CASE)
async def read_agreements(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[InitialDecisionAgreementView]:
    """Every answer of a second person, oldest first."""
    return await door.history(InitialDecisionAgreementView)
