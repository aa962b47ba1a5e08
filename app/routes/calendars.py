"""The bank holidays of each division, where each came from, and days proclaimed before the published list has them."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.deadlines import calendars
from app.deadlines.schemas import CalendarDays, CalendarView, HolidayView, ProclaimedDayIn, WithdrawnDayIn
from app.doors import Door, requires
from app.evidence.terms import Category, id_named
from app.people.schemas import Day
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/calendars", tags=["calendars"], route_class=StrictRoute)

Anybody = Annotated[Door, requires(Permission.READ_CALENDARS)]
Proclaimer = Annotated[Door, requires(Permission.PROCLAIM_DAY)]


@router.get("", responses=ERRORS)
async def list_calendars(door: Anybody) -> list[CalendarView]:
    """Each division's list: its version, where it came from, and the years that it covers."""
    return await calendars.calendars(door.session)


@router.get("/{division}", responses=ERRORS_OF_CASE)
async def read_calendar(division: str, door: Anybody) -> CalendarDays:
    """A division's bank holidays, and every change of them with was, now and why."""
    return await calendars.calendar_days(door.session, calendars.known_division(division))


@router.post("/{division}/days", status_code=201, responses=ERRORS_OF_ACT)
async def proclaim_day(division: str, body: ProclaimedDayIn, door: Proclaimer) -> HolidayView:
    """Add a proclaimed day, with the authority that it rests on; every open clock that spans it moves (H10.4)."""
    known = calendars.known_division(division)
    await door.log(Category.ALTERATION, event_id=id_named("day", f"{division}:{body.day}"))
    return await calendars.proclaim(door.session, known, body, actor=door.actor, now=door.now)


@router.post("/{division}/days/{day}/withdrawal", status_code=201, responses=ERRORS_OF_ACT)
async def withdraw_day(division: str, day: Day, body: WithdrawnDayIn, door: Proclaimer) -> CalendarDays:
    """Take away a day that was proclaimed by mistake; the clocks that it moved move back."""
    known = calendars.known_division(division)
    await door.log(Category.ALTERATION, event_id=id_named("day", f"{division}:{day}"))
    await calendars.withdraw(door.session, known, day, body, actor=door.actor, now=door.now)
    return await calendars.calendar_days(door.session, known)
