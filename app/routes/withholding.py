"""Who is allowed to see a restricted case and who is excluded from a case (H2.8)."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases import withholding
from app.cases.schemas import AccessEndIn, AccessIn, AccessView, Receipt
from app.cases.service import known_id
from app.doors import CaseDoor, decides, reads
from app.routes.errors import ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}/access", tags=["access"], route_class=StrictRoute)

Decider = Annotated[CaseDoor, decides(Permission.DECIDE_ACCESS)]


@router.get("", responses=ERRORS_OF_CASE)
async def read_access(door: Annotated[CaseDoor, reads(Permission.DECIDE_ACCESS)]) -> list[AccessView]:
    """Who is or was allowed to see the case, and who is or was excluded from it."""
    await door.read()
    return await withholding.entries(door.session, door.case.id)


@router.post("", status_code=201, responses=ERRORS_OF_DECISION)
async def decide_access(body: AccessIn, door: Decider) -> Receipt:
    """Allow one person to see a restricted case, or exclude one: exclusion beats every role."""
    return await door.decide(withholding.decide_access, body)


@router.post("/{entry_id}/end", status_code=201, responses=ERRORS_OF_DECISION)
async def end_access(entry_id: str, body: AccessEndIn, door: Decider) -> Receipt:
    """End a permission or an exclusion."""
    known = known_id(entry_id, withholding.AccessEntryNotFound())
    return await door.decide(partial(withholding.end_access, entry_id=known), body)
