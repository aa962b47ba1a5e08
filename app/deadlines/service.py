"""Clocks in the transactions of the services that start, meet and end them (H9.1 to H9.3)."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force
from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Calendar, Division, due, rule_of
from app.deadlines.policy import ClockFacts, ClockPlan, ClockState, next_rung, state, time_left
from app.deadlines.schemas import ClockView, ClockWorking, DayView
from app.deadlines.tables import BankHoliday, Clock, EndedBecause, Heartbeat, HolidayCalendar
from app.editions import edition
from app.editions.terms import ClockKind
from app.storage.base import columns_of
from app.storage.statements import rows

C = TypeVar("C", Clock, Row[Any])
PlansFor = Callable[[Calendar], Iterable[ClockPlan]]
"""The clocks to start, once the calendar that they are counted on is known."""

ClockRow = Clock | Row[Any]
"""A clock to change, or one that is only read."""

_clock = columns_of(Clock)
_force, _calendar, _holiday = columns_of(Force), columns_of(HolidayCalendar), columns_of(BankHoliday)
_DIVISION = select(_force.division).where(_force.id == bindparam("force_id"))
_IN_FORCE = select(*_calendar).where(_calendar.division == bindparam("division"))
_HOLIDAYS = select(_holiday.day, _holiday.title).where(_holiday.division == bindparam("division"))
_CLOCKS = select(*_clock).where(_clock.case_id == bindparam("case_id"))

_calendars: dict[tuple[str, str], Calendar] = {}


class Clocked(Protocol):
    """What a clock needs to know of its case."""

    id: UUID
    force_id: str
    reference: str
    edition: str


async def calendar_of(session: AsyncSession, division: str) -> Calendar:
    """The calendar in force in a division; its days are read once for each version."""
    (in_force,) = await rows(session, _IN_FORCE, division=division)
    key = (division, in_force.version)
    if key not in _calendars:
        days = await rows(session, _HOLIDAYS, division=division)
        _calendars[key] = Calendar(
            division=Division(division),
            holidays={row.day: row.title for row in days},
            version=in_force.version,
            last_published_year=in_force.last_published_year,
            first_published_year=in_force.first_published_year,
        )
    return _calendars[key]


async def seed_calendars(session: AsyncSession) -> None:
    """Put the published bank holidays in where a division has none yet."""
    for division in Division:
        if await session.get(HolidayCalendar, division.value):
            continue
        known = published(division)
        session.add(
            HolidayCalendar(
                division=division.value,
                version=known.version,
                source="holidays package, years published by GOV.UK",
                first_published_year=known.first_published_year,
                last_published_year=known.last_published_year,
            )
        )
        await session.flush()
        session.add_all(
            BankHoliday(division=division.value, day=day, title=title) for day, title in known.holidays.items()
        )


def facts_of(clock: ClockRow) -> ClockFacts:
    """A clock's row as the policy sees it."""
    return ClockFacts(rule_of(clock), clock.started_at, clock.due_on, clock.due_at, clock.projected)


async def start(session: AsyncSession, case: Clocked, plans_for: PlansFor, *, anew: bool = False) -> None:
    """Start clocks of a case, counted on the calendar of its force's nation.

    A plan for a clock that is there already replaces a projection (H9.2), or with `anew` one that is still open
    because the event it counts from was earlier than known; it leaves any other alone.
    """
    (force,) = await rows(session, _DIVISION, force_id=case.force_id)
    calendar = await calendar_of(session, force.division)
    running = {clock.kind: clock for clock in await _clocks_to_change(session, case.id)}
    for plan in plans_for(calendar):
        clock = running.get(plan.kind)
        if clock is None:
            clock = Clock(
                case_id=case.id,
                force_id=case.force_id,
                kind=plan.kind,
                reference=case.reference,
                edition=case.edition,
                hours=plan.limit.hours,
                working_days=plan.limit.working_days,
                calendar_days=plan.limit.calendar_days,
                mark=plan.limit.mark,
                division=calendar.division.value,
                **_moments(plan),
            )
            session.add(clock)
        elif (clock.projected or anew) and clock.met_at is None and clock.ended_at is None:
            for name, value in _moments(plan).items():
                setattr(clock, name, value)
        else:
            continue
        _schedule(clock, calendar)


def _moments(plan: ClockPlan) -> dict[str, Any]:
    return {
        "starts_from": plan.starts_from,
        "started_at": plan.due.started_at,
        "due_on": plan.due.due_on,
        "due_at": plan.due.due_at,
        "calendar_version": plan.due.calendar_version,
        "projected": plan.projected,
    }


def count_from(clock: Clock, plan: ClockPlan, calendar: Calendar) -> None:
    """Let a clock count as a plan says; one that is still open alerts anew."""
    for name, value in _moments(plan).items():
        setattr(clock, name, value)
    if clock.met_at is None and clock.ended_at is None:
        _schedule(clock, calendar)


def _schedule(clock: Clock, calendar: Calendar) -> None:
    rung = next_rung(facts_of(clock), calendar=calendar, alerts=edition(clock.edition).alerts, after=None)
    clock.next_alert_at = rung.at if rung else None
    clock.swept_to = None


async def meet(session: AsyncSession, case_id: UUID, kind: ClockKind, *, done_at: datetime, now: datetime) -> None:
    """The duty is done: it counts when it was done, and the time of recording is kept too (H10.7).

    A clock that is met, ended, or still a projection is left as it is.
    """
    for clock in await _clocks_to_change(session, case_id, kind):
        if clock.met_at is None and clock.ended_at is None and not clock.projected:
            clock.met_at, clock.met_recorded_at = done_at, now
            clock.next_alert_at = None


async def meet_earlier(
    session: AsyncSession, case_id: UUID, kind: ClockKind, *, done_at: datetime, now: datetime
) -> None:
    """The duty turns out to have been done before the time at which its clock was met: the earlier one counts (H10.7).

    A clock that is not met, or was met as early, is left as it is.
    """
    for clock in await _clocks_to_change(session, case_id, kind):
        if clock.met_at is not None and done_at < clock.met_at:
            clock.met_at, clock.met_recorded_at = done_at, now


async def end(
    session: AsyncSession,
    case_id: UUID,
    because: EndedBecause,
    *kinds: ClockKind,
    ended_at: datetime,
) -> None:
    """End clocks unmet, keeping any breach (H9.3); without `kinds`, every one that is open."""
    for clock in await _clocks_to_change(session, case_id, *kinds):
        if clock.met_at is None and clock.ended_at is None:
            clock.ended_at, clock.ended_because = ended_at, because
            clock.next_alert_at = None


async def reopen(session: AsyncSession, case_id: UUID, kind: ClockKind) -> None:
    """What met the clock, or ended it as not completed, no longer holds: it runs on to the day it was always due.

    Alerts already swept are not sent again; those missed since are swept as after an outage (H11). A clock that is
    open, or ended for another reason, is left as it is.
    """
    for clock in await _clocks_to_change(session, case_id, kind):
        if clock.met_at is None and clock.ended_because is not EndedBecause.NON_COMPLETION:
            continue
        clock.met_at = clock.met_recorded_at = clock.ended_at = clock.ended_because = None
        calendar = await calendar_of(session, clock.division)
        ladder = edition(clock.edition).alerts
        rung = next_rung(facts_of(clock), calendar=calendar, alerts=ladder, after=clock.swept_to)
        clock.next_alert_at = rung.at if rung else None


async def open_due_at(session: AsyncSession, case_id: UUID, kind: ClockKind) -> datetime | None:
    """When a clock that is neither met nor ended is due; None where there is none, or only a projection."""
    query = select(col(Clock.due_at)).where(
        col(Clock.case_id) == case_id,
        col(Clock.kind) == kind,
        col(Clock.met_at).is_(None),
        col(Clock.ended_at).is_(None),
        ~col(Clock.projected),
    )
    return (await session.scalars(query)).one_or_none()


async def _clocks(session: AsyncSession, case_id: UUID) -> list[Row[Any]]:
    return _in_order(await rows(session, _CLOCKS, case_id=case_id))


async def _clocks_to_change(session: AsyncSession, case_id: UUID, *kinds: ClockKind) -> list[Clock]:
    """Held against the sweep and read as they stand now: with what a worker wrote in between, whatever was loaded.

    Otherwise its `swept_to` would outlast a re-planned clock, and with it the rungs before it would be lost (H11).
    """
    await session.flush()
    query = _clocks_of_case(case_id, kinds).order_by(col(Clock.id)).with_for_update()
    return _in_order(await session.scalars(query.execution_options(populate_existing=True)))


def _clocks_of_case(case_id: UUID, kinds: Collection[ClockKind]) -> Select[Any]:
    query = select(Clock).where(col(Clock.case_id) == case_id)
    return query.where(col(Clock.kind).in_(kinds)) if kinds else query


def _in_order(clocks: Iterable[C]) -> list[C]:
    order = list(ClockKind)
    return sorted(clocks, key=lambda clock: order.index(clock.kind))


def view(clock: ClockRow, *, now: datetime) -> ClockView:
    """A clock as it stands now."""
    facts = facts_of(clock)
    done = clock.met_at or clock.ended_at
    return ClockView(
        **_shown(clock),
        limit=str(facts.rule),
        state=state(facts, met_at=clock.met_at, ended_at=clock.ended_at, now=now),
        seconds_left=None if done else int(time_left(facts, now=now).total_seconds()),
    )


def _shown(clock: ClockRow) -> dict[str, Any]:
    derived = {"limit", "state", "seconds_left"}
    return {name: getattr(clock, name) for name in ClockView.model_fields if name not in derived}


def is_late(clock: ClockView) -> bool:
    """Whether the clock is or was breached."""
    return clock.state in (ClockState.BREACHED, ClockState.MET_LATE, ClockState.ENDED_BREACHED)


async def clocks_of(session: AsyncSession, case_id: UUID, *, now: datetime) -> list[ClockView]:
    """The clocks of a case, in the order of the process."""
    return [view(clock, now=now) for clock in await _clocks(session, case_id)]


async def clocks_with_working(session: AsyncSession, case_id: UUID, *, now: datetime) -> list[ClockWorking]:
    """The clocks of a case, each with its days counted and skipped and why (H10.5)."""
    shown = []
    for clock in await _clocks(session, case_id):
        worked = due(clock.started_at, rule_of(clock), await calendar_of(session, clock.division))
        shown.append(
            ClockWorking(
                **view(clock, now=now).model_dump(),
                division=clock.division,
                calendar_version=clock.calendar_version,
                working=[DayView.model_validate(day) for day in worked.working],
            )
        )
    return shown


async def beat(session: AsyncSession, worker_id: UUID, *, beat_at: datetime, swept_through: datetime) -> None:
    """A worker says that it lives and up to which moment of scheme time it has swept."""
    await session.merge(Heartbeat(worker_id=worker_id, beat_at=beat_at, swept_through=swept_through))


async def sweep_age_seconds(session: AsyncSession, *, now: datetime) -> float | None:
    """Seconds of real time since any worker last swept; None where none ever did."""
    query = select(col(Heartbeat.beat_at)).order_by(col(Heartbeat.beat_at).desc()).limit(1)
    newest = (await session.scalars(query)).one_or_none()
    return None if newest is None else (now - newest).total_seconds()
