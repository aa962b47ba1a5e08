"""Applications that end early: withdrawn, the subject has died, not completed before a decision."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, decides, reads, records
from app.final_report import ending
from app.final_report.schemas import (
    NotCompletedIn,
    NotCompletedView,
    SubjectDeceasedIn,
    SubjectDeceasedView,
    WithdrawalDecisionIn,
    WithdrawalDecisionView,
    WithdrawalIn,
    WithdrawalView,
)
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["8 early ends"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
Supervisor = Annotated[CaseDoor, decides(Permission.SUPERVISE)]


@router.post("/withdrawal", status_code=201, responses=ERRORS_OF_ACT)
async def record_withdrawal(body: WithdrawalIn, door: Annotated[CaseDoor, records(Permission.WITHDRAW)]) -> Receipt:
    """Record that the applicant withdrew; it ends nothing until a supervisor has decided (H8.4)."""
    return await door.record(ending.record_withdrawal, body)


@router.get("/withdrawal", responses=ERRORS_OF_CASE)
async def read_withdrawals(door: Reader) -> list[WithdrawalView]:
    """Withdrawals, oldest first."""
    return await door.history(WithdrawalView)


@router.post("/withdrawal/decision", status_code=201, responses=ERRORS_OF_DECISION)
async def decide_withdrawal(body: WithdrawalDecisionIn, door: Supervisor) -> Receipt:
    """End the withdrawn application, carried on as a right to know or not, as another than who recorded it (H8.4)."""
    return await door.decide(ending.decide_withdrawal, body)


@router.get("/withdrawal/decision", responses=ERRORS_OF_CASE)
async def read_withdrawal_decisions(door: Reader) -> list[WithdrawalDecisionView]:
    """The decision on a withdrawal; `continued_as` is the case that carries it on."""
    found = await door.history(WithdrawalDecisionView)
    door.shows(one.continued_as for one in found)
    return found


@router.post("/subject-deceased", status_code=201, responses=ERRORS_OF_DECISION)
async def end_subject_deceased(body: SubjectDeceasedIn, door: Supervisor) -> Receipt:
    """End the application because the subject's death has been verified (H4.5)."""
    return await door.decide(ending.end_subject_deceased, body, though_late=True)


@router.get("/subject-deceased", responses=ERRORS_OF_CASE)
async def read_subject_deceased(door: Reader) -> list[SubjectDeceasedView]:
    """How the death was verified."""
    return await door.history(SubjectDeceasedView)


@router.post("/not-completed", status_code=201, responses=ERRORS_OF_DECISION)
async def end_not_completed(body: NotCompletedIn, door: Supervisor) -> Receipt:
    """End an application before anything is decided, after enough attempts where nobody was reached (H7.6)."""
    return await door.decide(ending.end_not_completed, body)


@router.get("/not-completed", responses=ERRORS_OF_CASE)
async def read_not_completed(door: Reader) -> list[NotCompletedView]:
    """Why the application was not completed."""
    return await door.history(NotCompletedView)
