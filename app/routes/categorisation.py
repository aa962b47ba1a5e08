"""Stage 5: representations, categories and the referral to the forum."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.categorisation import service
from app.categorisation.schemas import (
    CategorisationIn,
    CategorisationView,
    ReferralIn,
    ReferralView,
    RepresentationsAnswerIn,
    RepresentationsAnswerView,
    RepresentationsIn,
    RepresentationsView,
)
from app.doors import CaseDoor, decides, reads, records
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["5 categorisation"], route_class=StrictRoute)


@router.post("/representations", status_code=201, responses=ERRORS_OF_DECISION)
async def consider_representations(
    body: RepresentationsIn, door: Annotated[CaseDoor, decides(Permission.CONSIDER_REPRESENTATIONS)]
) -> Receipt:
    """Record whether the subject is asked for representations, and why; asking needs a supervisor (H5.5)."""
    return await door.decide(service.consider_representations, body)


@router.get("/representations", responses=ERRORS_OF_CASE)
async def representations(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[RepresentationsView]:
    """What was considered, oldest first."""
    return await door.history(RepresentationsView)


@router.post("/representations/answers", status_code=201, responses=ERRORS_OF_ACT)
async def record_representations_answer(
    body: RepresentationsAnswerIn, door: Annotated[CaseDoor, records(Permission.CONSIDER_REPRESENTATIONS)]
) -> Receipt:
    """Record what the subject answered (H5.5)."""
    return await door.record(service.record_representations_answer, body)


@router.get("/representations/answers", responses=ERRORS_OF_CASE)
async def representations_answers(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[RepresentationsAnswerView]:
    """The subject's answers, oldest first."""
    return await door.history(RepresentationsAnswerView)


@router.post("/categorisation", status_code=201, responses=ERRORS_OF_DECISION)
async def categorise(body: CategorisationIn, door: Annotated[CaseDoor, decides(Permission.CATEGORISE)]) -> Receipt:
    """Decide concern or no concern for one potential victim; provisional until the forum's (H5.4, H5.6)."""
    return await door.decide(service.categorise, body)


@router.get("/categorisation", responses=ERRORS_OF_CASE)
async def categorisations(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[CategorisationView]:
    """The police categories, oldest first; the newest of each potential victim holds."""
    return await door.history(CategorisationView)


@router.post("/referral", status_code=201, responses=ERRORS_OF_DECISION)
async def refer_to_forum(body: ReferralIn, door: Annotated[CaseDoor, decides(Permission.REFER_TO_FORUM)]) -> Receipt:
    """Refer the case to the forum once every potential victim has a category (H5.3)."""
    return await door.decide(service.refer_to_forum, body)


@router.get("/referral", responses=ERRORS_OF_CASE)
async def referrals(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[ReferralView]:
    """The referral, where there is one."""
    return await door.history(ReferralView)
