"""Stage 4: the full risk assessment of each potential victim."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, reads, records
from app.risk_assessment import service
from app.risk_assessment.schemas import RiskAssessmentIn, RiskAssessmentView
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["4 risk assessment"], route_class=StrictRoute)


@router.post("/risk-assessments", status_code=201, responses=ERRORS_OF_ACT)
async def record_assessment(
    body: RiskAssessmentIn, door: Annotated[CaseDoor, records(Permission.ASSESS_RISK)]
) -> Receipt:
    """Record an assessment of the risk to one potential victim; it counts once the assessor has signed it (H5.2)."""
    return await door.record(service.record_assessment, body)


@router.get("/risk-assessments", responses=ERRORS_OF_CASE)
async def read_assessments(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[RiskAssessmentView]:
    """Every assessment, oldest first."""
    return await door.history(RiskAssessmentView)
