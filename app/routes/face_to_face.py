"""Stage 3: the meeting with the applicant, and a finding of malice."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, decides, reads, records
from app.face_to_face import malice, service
from app.face_to_face.schemas import (
    MaliciousAgreementIn,
    MaliciousAgreementView,
    MaliciousFindingIn,
    MaliciousFindingView,
    MeetingIn,
    MeetingView,
)
from app.risk_assessment.service import then_go_on
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["3 face to face"], route_class=StrictRoute)


@router.post("/face-to-face", status_code=201, responses=ERRORS_OF_ACT)
async def record_meeting(body: MeetingIn, door: Annotated[CaseDoor, records(Permission.RECORD_MEETING)]) -> Receipt:
    """Record a meeting with the applicant that was held; a missed appointment is a contact attempt (H5.1)."""
    return await door.record(then_go_on(service.record_meeting), body)


@router.get("/face-to-face", responses=ERRORS_OF_CASE)
async def read_meetings(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[MeetingView]:
    """Every meeting held, oldest first."""
    return await door.history(MeetingView)


@router.post("/malicious-finding", status_code=201, responses=ERRORS_OF_DECISION)
async def find_malicious(
    body: MaliciousFindingIn, door: Annotated[CaseDoor, decides(Permission.FIND_MALICIOUS)]
) -> Receipt:
    """Find that the request is malicious; it takes effect when a second person agrees (H5.1a)."""
    return await door.decide(malice.find_malicious, body)


@router.get("/malicious-finding", responses=ERRORS_OF_CASE)
async def read_malicious_findings(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[MaliciousFindingView]:
    """Every finding of malice, oldest first."""
    return await door.history(MaliciousFindingView)


@router.post("/malicious-finding/agreement", status_code=201, responses=ERRORS_OF_DECISION)
async def agree_malicious_finding(
    body: MaliciousAgreementIn, door: Annotated[CaseDoor, decides(Permission.FIND_MALICIOUS)]
) -> Receipt:
    """A second person agrees or refuses; carrying on as right to know is decided first (H5.1a)."""
    return await door.decide(malice.agree_malicious_finding, body)


@router.get("/malicious-finding/agreement", responses=ERRORS_OF_CASE)
async def read_malicious_agreements(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[MaliciousAgreementView]:
    """Every answer of a second person to a finding of malice, oldest first."""
    found = await door.history(MaliciousAgreementView)
    door.shows(one.continued_as_id for one in found)
    return found
