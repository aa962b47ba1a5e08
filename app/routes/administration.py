"""Accounts and agencies of a force. An administrator sees no case."""

from typing import Annotated

from fastapi import APIRouter

from app.access import administration
from app.access.rules import Permission
from app.access.schemas import AccountChangeView, AgencyIn, AgencyView, EndedView, StaffChangeIn, StaffIn, StaffView
from app.cases.service import known_id
from app.doors import Door, requires
from app.evidence.terms import Category, id_named
from app.misuse import rights
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1", tags=["administration"], route_class=StrictRoute)

Administrator = Annotated[Door, requires(Permission.ADMINISTER)]


@router.post("/agencies", status_code=201, responses=ERRORS_OF_ACT)
async def add_agency(body: AgencyIn, door: Administrator) -> AgencyView:
    """Add an agency that sits on the force's forum."""
    await door.log(Category.COLLECTION, event_id=id_named("agency", body.id))
    return await administration.add_agency(door.session, body, actor=door.actor)


@router.post("/staff", status_code=201, responses=ERRORS_OF_ACT)
async def add_staff(body: StaffIn, door: Administrator) -> StaffView:
    """Add an account of the own force, or of an agency that sits with it."""
    made = await rights.add_staff(door.session, body, actor=door.actor, now=door.now)
    await door.log(Category.COLLECTION, event_id=made.id)
    return made


@router.put("/staff/{staff_id}", responses=ERRORS_OF_ACT)
async def change_staff(staff_id: str, body: StaffChangeIn, door: Administrator) -> StaffView:
    """Change what an account may do; it holds from the next request on."""
    known = known_id(staff_id, administration.StaffNotFound())
    await door.log(Category.ALTERATION, event_id=known)
    return await rights.change_staff(door.session, known, body, actor=door.actor, now=door.now)


@router.get("/staff/{staff_id}/changes", responses=ERRORS_OF_CASE)
async def list_changes(
    staff_id: str, door: Annotated[Door, requires(Permission.READ_ACCOUNT_CHANGES)]
) -> list[AccountChangeView]:
    """What the account might do, change by change, with who changed it: kept for good, and proved like the log."""
    known = known_id(staff_id, administration.StaffNotFound())
    await door.log(Category.CONSULTATION, event_id=known)
    return await administration.account_changes(door.session, known, actor=door.actor)


@router.delete("/staff/{staff_id}/sessions", responses=ERRORS_OF_CASE)
async def end_sessions(staff_id: str, door: Administrator) -> EndedView:
    """Sign an account out of every browser at once; bearer tokens end with the account or by themselves."""
    known = known_id(staff_id, administration.StaffNotFound())
    await door.log(Category.ALTERATION, event_id=known)
    return await administration.end_sessions(door.session, known, actor=door.actor)
