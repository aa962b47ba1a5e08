"""Clocks in the transactions of the services that start, meet and end them (H9.1 to H9.3)."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force
from app.deadlines.calendar import Calendar, rule_of
from app.deadlines.known_calendars import calendar_of
from app.deadlines.policy import ClockFacts, ClockPlan, Target, next_rung, target_of, tighter
from app.deadlines.tables import Alert, Clock, EndedBecause
from app.editions import edition
from app.editions.rules import AlertSteps
from app.editions.terms import ClockKind, RiskLevel
from app.storage.base import columns_of
from app.storage.statements import rows

C = TypeVar("C", Clock, Row[Any])
PlansFor = Callable[[Calendar], Iterable[ClockPlan]]
"""The clocks to start, once the calendar that they are counted on is known."""

ClockRow = Clock | Row[Any]
"""A clock to change, or one that is only read."""

_force = columns_of(Force)
_DIVISION = select(_force.division).where(_force.id == bindparam("force_id"))


class Clocked(Protocol):
    """What a clock needs to know of its case."""

    id: UUID
    force_id: str
    reference: str
    edition: str

    @property
    def risk(self) -> tuple[RiskLevel, datetime] | None:
        """How grave the risk is and since when."""


def facts_of(clock: ClockRow) -> ClockFacts:
    """A clock's row as the policy sees it."""
    target = None
    if clock.target_on is not None and clock.target_at is not None:
        target = Target(clock.target_on, clock.target_at, clock.target_because or "")
    return ClockFacts(rule_of(clock), clock.started_at, clock.due_on, clock.due_at, clock.projected, target)


def aimed(clock: Clock, facts: ClockFacts, calendar: Calendar, *, but_not_after: Target | None = None) -> Target | None:
    """The target of a clock that counts as `facts` say, from the risk that it follows."""
    found = None
    if clock.risk_since is not None:
        scheme = edition(clock.edition)
        found = target_of(scheme, clock.kind, facts, clock.risk, clock.risk_since, calendar)
    return tighter(found, but_not_after)


def target_columns(target: Target | None) -> dict[str, Any]:
    """A target as the columns of a clock."""
    if target is None:
        return {"target_on": None, "target_at": None, "target_because": None}
    return {"target_on": target.due_on, "target_at": target.due_at, "target_because": target.because}


def steps_of(clock: Clock) -> AlertSteps:
    """The ladder that a clock alerts by: the case's edition has one of its own for urgent cases (H2.4)."""
    return edition(clock.edition).alerts.steps_for(clock.risk)


def hours_to_acknowledge(clock: Clock) -> timedelta:
    """How long an alert of this clock waits for somebody to acknowledge it."""
    chase = steps_of(clock).unacknowledged_after_hours
    return timedelta(hours=chase.clocks_in_days if clock.hours is None else chase.clocks_in_hours)


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
                edition_version=edition(case.edition).content_version,
                hours=plan.limit.hours,
                working_days=plan.limit.working_days,
                calendar_days=plan.limit.calendar_days,
                mark=plan.limit.mark,
                source=plan.limit.source,
                division=calendar.division.value,
                **_moments(plan),
            )
            session.add(clock)
        elif (clock.projected or anew) and clock.met_at is None and clock.ended_at is None:
            for name, value in _moments(plan).items():
                setattr(clock, name, value)
        else:
            continue
        _follow(clock, case.risk)
        _aim(clock, calendar)
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
    _aim(clock, calendar)
    if clock.met_at is None and clock.ended_at is None:
        _schedule(clock, calendar)


def _schedule(clock: Clock, calendar: Calendar) -> None:
    clock.swept_to = None
    _reschedule(clock, calendar)


def _reschedule(clock: Clock, calendar: Calendar) -> None:
    """Set when the next alert falls: the first rung that no sweep has come to, be it past."""
    rung = next_rung(facts_of(clock), calendar=calendar, alerts=steps_of(clock), after=clock.swept_to)
    clock.next_alert_at = rung.at if rung else None


def _follow(clock: Clock, risk: tuple[RiskLevel, datetime] | None) -> bool:
    """Let a clock follow a graver risk; one that falls leaves it as it is (H2.0). Whether it did."""
    if risk is None or (clock.risk is not None and clock.risk.rank >= risk[0].rank):
        return False
    clock.risk, clock.risk_since = risk
    return True


def _aim(clock: Clock, calendar: Calendar, *, but_not_after: Target | None = None) -> Target | None:
    """Set the target of a clock anew."""
    target = aimed(clock, facts_of(clock), calendar, but_not_after=but_not_after)
    for name, value in target_columns(target).items():
        setattr(clock, name, value)
    return target


@dataclass(frozen=True)
class Aim:
    """A clock whose target was tightened: to when, and why."""

    kind: ClockKind
    target_at: datetime
    because: str


async def deviate(session: AsyncSession, case_id: UUID, kind: ClockKind) -> bool:
    """Let a clock show that a deviation is recorded; False where the case has no such clock."""
    clocks = await _clocks_to_change(session, case_id, kind)
    for clock in clocks:
        clock.deviates = True
    return bool(clocks)


async def follow_risk(session: AsyncSession, case: Clocked) -> list[Aim]:
    """Let the open clocks of a case follow its risk: targets are tightened, urgency brings its own ladder.

    A clock whose target or ladder is another is swept at once from its first rung: what of it fell in the past was
    never told, and an alert that is recorded already is not recorded again (H11). Alerts that nobody has acknowledged
    are chased by the new ladder. The targets that moved are given back.
    """
    if case.risk is None:
        return []
    aims = []
    hurried = []
    for clock in await _clocks_to_change(session, case.id):
        if clock.met_at is not None or clock.ended_at is not None:
            continue
        before, steps = facts_of(clock).target, steps_of(clock)
        if not _follow(clock, case.risk):
            continue
        calendar = await calendar_of(session, clock.division)
        target = _aim(clock, calendar, but_not_after=before)
        if target is not None and target != before:
            aims.append(Aim(clock.kind, target.due_at, target.because))
        if target != before or steps_of(clock) != steps:
            _schedule(clock, calendar)
        if steps_of(clock) != steps:
            hurried.append(clock)
    await _chase_sooner(session, hurried)
    return aims


async def _chase_sooner(session: AsyncSession, clocks: Iterable[Clock]) -> None:
    """Let what nobody has acknowledged of these clocks be chased by their ladder, where that is sooner.

    An alert that somebody holds is passed over: whoever chases it waits for the clock, which is held here, and
    whoever acknowledges it settles it.
    """
    for clock in clocks:
        open_alerts = (
            select(col(Alert.id))
            .where(col(Alert.clock_id) == clock.id, col(Alert.chase_at).is_not(None))
            .with_for_update(key_share=True, skip_locked=True)
        )
        sooner = col(Alert.recorded_at) + hours_to_acknowledge(clock)
        await session.execute(
            update(Alert)
            .where(col(Alert.id).in_(open_alerts))
            .values(chase_at=func.least(col(Alert.chase_at), sooner))
            .execution_options(synchronize_session=False)
        )


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
        _reschedule(clock, await calendar_of(session, clock.division))


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


async def _clocks_to_change(session: AsyncSession, case_id: UUID, *kinds: ClockKind) -> list[Clock]:
    """Held against the sweep and read as they stand now: with what a worker wrote in between, whatever was loaded.

    Otherwise its `swept_to` would outlast a re-planned clock, and with it the rungs before it would be lost (H11).
    """
    await session.flush()
    query = _clocks_of_case(case_id, kinds).order_by(col(Clock.id)).with_for_update()
    return in_order(await session.scalars(query.execution_options(populate_existing=True)))


def _clocks_of_case(case_id: UUID, kinds: Collection[ClockKind]) -> Select[Any]:
    query = select(Clock).where(col(Clock.case_id) == case_id)
    return query.where(col(Clock.kind).in_(kinds)) if kinds else query


def in_order(clocks: Iterable[C]) -> list[C]:
    """Clocks in the order of the process."""
    order = list(ClockKind)
    return sorted(clocks, key=lambda clock: order.index(clock.kind))
