"""Stage 6, on the case itself: the emergency authority, and the return to the forum."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, decides, reads
from app.forum import authority, confirming
from app.forum.schemas import EmergencyAuthorityIn, ReturnIn
from app.forum.views import EmergencyAuthorityView, ReturnView
from app.routes.errors import ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["6 forum"], route_class=StrictRoute)


@router.post("/emergency-authority", status_code=201, responses=ERRORS_OF_DECISION)
async def authorise_emergency(
    body: EmergencyAuthorityIn, door: Annotated[CaseDoor, decides(Permission.AUTHORISE_EMERGENCY)]
) -> Receipt:
    """Authorise a disclosure that cannot wait for the forum; the forum reviews it next time (H6.8)."""
    return await door.decide(authority.authorise_emergency, body, though_late=True)


@router.get("/emergency-authority", responses=ERRORS_OF_CASE)
async def emergency_authorities(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[EmergencyAuthorityView]:
    """The emergency authorities, oldest first."""
    return await door.history(EmergencyAuthorityView)


@router.post("/return-to-forum", status_code=201, responses=ERRORS_OF_DECISION)
async def return_to_forum(body: ReturnIn, door: Annotated[CaseDoor, decides(Permission.SUPERVISE)]) -> Receipt:
    """Take the case back to the forum: the decisions for the potential victims named no longer stand."""
    return await door.decide(confirming.return_to_forum, body, though_late=True)


@router.get("/return-to-forum", responses=ERRORS_OF_CASE)
async def returns(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[ReturnView]:
    """Who went back to the forum, with the decision that stood, oldest first."""
    return await door.history(ReturnView)
