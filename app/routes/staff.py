"""Who is away and who is told instead; how one wants to be told of alerts (H11)."""

from typing import Annotated

from fastapi import APIRouter

from app.access.administration import StaffNotFound
from app.access.rules import Permission
from app.cases.service import known_id
from app.channels import absences
from app.channels.schemas import AbsenceIn, AbsenceView, PreferenceIn, PreferenceView
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/staff", tags=["staff"], route_class=StrictRoute)

Reader = Annotated[Door, requires(Permission.READ_ALERTS)]


@router.get("/me/alert-preferences", responses=ERRORS)
async def read_preferences(door: Reader) -> PreferenceView:
    """How one is told of alerts."""
    await door.log(Category.CONSULTATION)
    return await absences.preference(door.session, actor=door.actor)


@router.put("/me/alert-preferences", responses=ERRORS)
async def choose_preferences(body: PreferenceIn, door: Reader) -> PreferenceView:
    """Mail or none, and one digest a working day instead of a mail for each alert."""
    await door.log(Category.ALTERATION, event_id=door.actor.staff_id)
    return await absences.prefer(door.session, body, actor=door.actor)


@router.get("/{staff_id}/absences", responses=ERRORS_OF_CASE)
async def list_absences(staff_id: str, door: Reader) -> list[AbsenceView]:
    """One's own absences, or for a supervisor a colleague's; newest first."""
    await door.log(Category.CONSULTATION)
    return await absences.absences(door.session, known_id(staff_id, StaffNotFound()), actor=door.actor)


@router.post("/{staff_id}/absences", status_code=201, responses=ERRORS_OF_ACT)
async def record_absence(staff_id: str, body: AbsenceIn, door: Reader) -> AbsenceView:
    """Say that one is away, or as a supervisor that a colleague is: alerts go to a deputy, else to the supervisors."""
    known = known_id(staff_id, StaffNotFound())
    made = await absences.record_absence(door.session, known, body, actor=door.actor, now=door.now)
    await door.log(Category.COLLECTION, event_id=made.id)
    return made


@router.post("/{staff_id}/absences/{absence_id}/end", responses=ERRORS_OF_ACT)
async def end_absence(staff_id: str, absence_id: str, door: Reader) -> AbsenceView:
    """Back earlier than recorded, or recorded by mistake."""
    known, which = known_id(staff_id, StaffNotFound()), known_id(absence_id, absences.AbsenceNotFound())
    await door.log(Category.ALTERATION, event_id=which)
    return await absences.end_absence(door.session, known, which, actor=door.actor, now=door.now)
