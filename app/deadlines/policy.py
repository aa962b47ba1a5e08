"""Which clocks a case has, when staff are alerted, and how a clock stands (H9, H11). Pure.

What each number is stands in the edition; how days are counted stands in `calendar`. Nothing is
kept that can be derived: a breach follows from when a duty was due and done (H10.7).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import chain, count, takewhile

from app.clock import aware, in_london
from app.deadlines.calendar import (
    Calendar,
    Due,
    Hours,
    Rule,
    day_with_left,
    due,
    in_time,
    last_moment,
    london_day,
    rule_of,
    start_of,
)
from app.editions.rules import AlertSteps, Edition, Limit
from app.editions.terms import AlertLevel, ClockKind, RiskLevel, Route, RungKind, StartingEvent

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What alerts and state are worked out from: a clock's row, or its plan before there is one.

    A `projected` clock counts from a meeting not yet held: it alerts and cannot breach (H9.2). A `target` is the
    force's own date beside the limit, never later than it; it alerts earlier and moves neither limit nor breach (H2.6).
    """

    rule: Rule
    started_at: datetime
    due_on: date
    due_at: datetime
    projected: bool = False
    target: "Target | None" = None


@dataclass(frozen=True, slots=True)
class Target:
    """A force's own date beside a limit: the last day, the instant it ends, and why it is that."""

    due_on: date
    due_at: datetime
    because: str

    @property
    def by_the_hour(self) -> bool:
        """Whether it falls within a London day, and not with the end of one."""
        return aware(self.due_at) != start_of(self.due_on + _DAY)


def target_of(
    edition: Edition, kind: ClockKind, facts: ClockFacts, risk: RiskLevel | None, since: datetime, calendar: Calendar
) -> Target | None:
    """The earliest target that the edition has for a clock at this risk, or None where none is before the limit.

    A projected clock has none: nobody knows yet from when it counts (H9.2).

    Counted from when the clock began or the risk was found, whichever is later: nobody could have hurried before.
    [ours] Raises CalendarNotPublished; ValueError where a moment has no offset.
    """
    if risk is None or facts.projected:
        return None
    start = max(aware(facts.started_at), aware(since))
    found: Target | None = None
    for one in edition.targets_for(kind, risk):
        worked = due(start, rule_of(one), calendar)
        if worked.due_at < min(aware(facts.due_at), aware(found.due_at) if found else worked.due_at + _DAY):
            why = f"{worked.rule} from {in_london(start)}, because the risk is {risk}: {one.source} ({one.mark})."
            found = Target(worked.due_on, worked.due_at, why)
    return found


def tighter(first: Target | None, second: Target | None) -> Target | None:
    """The earlier of two targets: one that was set is never loosened, whatever the grade does (H2.0)."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda target: aware(target.due_at))


@dataclass(frozen=True, slots=True)
class ClockPlan:
    """A clock to start: its limit with source and mark, its event, and when it is due and why."""

    kind: ClockKind
    limit: Limit
    starts_from: StartingEvent
    due: Due
    projected: bool = False

    @property
    def facts(self) -> ClockFacts:
        """The plan as alerts and state see it."""
        return ClockFacts(self.due.rule, self.due.started_at, self.due.due_on, self.due.due_at, self.projected)


def plan_clock(
    limit: Limit,
    started_at: datetime,
    calendar: Calendar,
    *,
    projected: bool = False,
    starts_from: StartingEvent | None = None,
) -> ClockPlan:
    """The clock of one limit from one moment. Raises CalendarNotPublished; ValueError if naive."""
    return ClockPlan(
        kind=limit.clock,
        limit=limit,
        starts_from=starts_from or limit.starts_from,
        due=due(started_at, rule_of(limit), calendar),
        projected=projected,
    )


def clocks_at_opening(
    edition: Edition,
    *,
    route: Route,
    first_contact_at: datetime | None = None,
    received_at: datetime | None = None,
    applicant_is_potential_victim: bool,
    prioritised: bool,
    calendar: Calendar,
) -> list[ClockPlan]:
    """The clocks that run from initial contact (right to ask) or receipt (right to know), H9.

    Limits that run from the meeting are projected from the last moment at which it can be held in
    time (H9.2); without a limit on the meeting there is nothing to project from. A right-to-know
    case that carries on a right to ask brings its first contact: the whole case runs from that
    (H8.4).

    In the order of ClockKind. Raises CalendarNotPublished, and ValueError where the moment that the
    route needs is missing, a right to ask comes with a receipt, or a moment has no offset.
    """
    if route is Route.RIGHT_TO_ASK:
        began_at, stray, wanted = first_contact_at, received_at, "first_contact_at alone"
    else:
        began_at, stray, wanted = received_at, None, "received_at"
    if began_at is None or stray is not None:
        raise ValueError(f"the clocks of {route} run from {wanted}")

    plans: dict[ClockKind, ClockPlan] = {}
    limits = _limits(
        edition,
        route=route,
        applicant_is_potential_victim=applicant_is_potential_victim,
        prioritised=prioritised,
    )
    for limit in limits:
        if limit.starts_from is not StartingEvent.COMPLETED_MEETING:
            started_at, starts_from = began_at, limit.starts_from
            if limit.clock is ClockKind.WHOLE_CASE and first_contact_at is not None:
                started_at, starts_from = first_contact_at, StartingEvent.INITIAL_CONTACT
            plans[limit.clock] = plan_clock(limit, started_at, calendar, starts_from=starts_from)
        elif (meeting := plans.get(ClockKind.FACE_TO_FACE)) is not None:
            plans[limit.clock] = plan_clock(limit, last_moment(meeting.due), calendar, projected=True)
    return list(plans.values())


def clocks_at_meeting(
    edition: Edition,
    *,
    route: Route,
    met_at: datetime,
    applicant_is_potential_victim: bool,
    prioritised: bool,
    calendar: Calendar,
) -> list[ClockPlan]:
    """The clocks that run from the actual completed meeting, however late (H9.2).

    They replace the projected ones, and run side by side. Raises CalendarNotPublished; ValueError
    where the moment has no offset.
    """
    limits = _limits(
        edition,
        route=route,
        applicant_is_potential_victim=applicant_is_potential_victim,
        prioritised=prioritised,
    )
    return [
        plan_clock(limit, met_at, calendar) for limit in limits if limit.starts_from is StartingEvent.COMPLETED_MEETING
    ]


def _limits(
    edition: Edition, *, route: Route, applicant_is_potential_victim: bool, prioritised: bool
) -> Iterator[Limit]:
    for clock in ClockKind:  # its order puts the meeting before what is projected from it
        limit = edition.limit(
            clock,
            route=route,
            applicant_is_potential_victim=applicant_is_potential_victim,
            prioritised=prioritised,
        )
        if limit is not None:
            yield limit


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder: a code unique to its clock and due date, when, and whom it tells.

    Codes: `due_soon-12h`, `due_soon-5d` (working days left), `due_today`, `breached`, `reminder-1`; of a target
    `target_soon-2d`, `target_today`, `target_missed`.
    """

    code: str
    kind: RungKind
    at: datetime
    levels: tuple[AlertLevel, ...]
    target: Target | None = None
    """The target that it speaks of, where it does not speak of the limit."""


def rungs(facts: ClockFacts, *, calendar: Calendar, alerts: AlertSteps) -> tuple[Rung, ...]:
    """Every rung up to the breach, by time; those that fall before the clock started are dropped.

    Hours have no `due_today`; a projected clock has no `breached` (H9.2). Days alert as the London
    day begins. A target adds its own rungs before those of the limit; whom one rung told every later one tells.
    Raises CalendarNotPublished.
    """
    ladder = list(_due_soon(facts, calendar, alerts))
    if facts.target is not None:
        ladder += _of_target(facts, facts.target, calendar, alerts)
    if not isinstance(facts.rule, Hours):
        today = start_of(facts.due_on)
        ladder.append(Rung("due_today", RungKind.DUE_TODAY, today, alerts.due_today))
    if not facts.projected:
        at = aware(facts.due_at)
        ladder.append(Rung("breached", RungKind.BREACHED, at, alerts.breached))
    started_at = aware(facts.started_at)
    return tuple(_climbing(sorted((r for r in ladder if r.at >= started_at), key=lambda rung: rung.at)))


def _climbing(ladder: Iterable[Rung]) -> Iterator[Rung]:
    """After an outage only the highest missed rung is sent: it must tell all whom an earlier one would have told."""
    told: set[AlertLevel] = set()
    for rung in ladder:
        told |= set(rung.levels)
        yield replace(rung, levels=tuple(level for level in AlertLevel if level in told))


def _of_target(facts: ClockFacts, target: Target, calendar: Calendar, alerts: AlertSteps) -> Iterator[Rung]:
    """The rungs of a target, thresholds as for a limit; none falls after it."""
    if target.by_the_hour:
        for left in alerts.hours_left:
            at = aware(target.due_at) - timedelta(hours=left)
            yield Rung(f"target_soon-{left}h", RungKind.TARGET_SOON, at, alerts.due_soon, target)
    else:
        since = london_day(facts.started_at)
        for left in alerts.working_days_left:
            day = day_with_left(left, target.due_on, calendar, since=since)
            if day is not None:
                yield Rung(f"target_soon-{left}d", RungKind.TARGET_SOON, start_of(day), alerts.due_soon, target)
        yield Rung("target_today", RungKind.TARGET_TODAY, start_of(target.due_on), alerts.due_today, target)
    told = alerts.target_missed or alerts.due_today
    yield Rung("target_missed", RungKind.TARGET_MISSED, aware(target.due_at), told, target)


def _due_soon(facts: ClockFacts, calendar: Calendar, alerts: AlertSteps) -> Iterator[Rung]:
    if isinstance(facts.rule, Hours):
        for left in alerts.hours_left:
            at = aware(facts.due_at) - timedelta(hours=left)
            yield Rung(f"due_soon-{left}h", RungKind.DUE_SOON, at, alerts.due_soon)
        return
    since = london_day(facts.started_at)
    for left in alerts.working_days_left:
        day = day_with_left(left, facts.due_on, calendar, since=since)
        if day is not None:
            yield Rung(f"due_soon-{left}d", RungKind.DUE_SOON, start_of(day), alerts.due_soon)


def _reminders(facts: ClockFacts, alerts: AlertSteps, *, first: int = 1) -> Iterator[Rung]:
    if facts.projected:
        return
    for number in count(first):
        days = number * alerts.reminder_every_days
        if isinstance(facts.rule, Hours):
            at = aware(facts.due_at) + days * _DAY
        else:
            at = start_of(facts.due_on + (days + 1) * _DAY)
        levels = alerts.reminder_levels(days)
        yield Rung(f"reminder-{number}", RungKind.REMINDER, at, levels)


def next_rung(facts: ClockFacts, *, calendar: Calendar, alerts: AlertSteps, after: datetime | None) -> Rung | None:
    """The first rung later than `after`, or the first of all where it is None.

    None only for a projected clock that has no rung left: reminders of a breach have no end.
    Raises CalendarNotPublished; ValueError if `after` has no offset.
    """
    first = 1
    if after is not None and (late := aware(after) - aware(facts.due_at)) > timedelta():
        # Whole periods less two stay short of `after`, whatever the clock change.
        first = max(1, late // (alerts.reminder_every_days * _DAY) - 1)
    ladder = chain(rungs(facts, calendar=calendar, alerts=alerts), _reminders(facts, alerts, first=first))
    return next((rung for rung in ladder if after is None or rung.at > aware(after)), None)


def missed(
    facts: ClockFacts,
    *,
    calendar: Calendar,
    alerts: AlertSteps,
    after: datetime | None,
    now: datetime,
) -> list[Rung]:
    """The rungs later than `after` and not later than `now`, in order; `superseded` says which are not sent.

    Raises CalendarNotPublished; ValueError where a moment has no offset.
    """
    ladder = chain(rungs(facts, calendar=calendar, alerts=alerts), _reminders(facts, alerts))
    fallen = takewhile(lambda rung: rung.at <= aware(now), ladder)
    return [rung for rung in fallen if after is None or rung.at > aware(after)]


def superseded(rung: Rung, fallen: Sequence[Rung]) -> bool:
    """Whether a fallen rung is only recorded, because a later one that has fallen says more (H11).

    A target and the limit are two series: what is said of the one tells nobody how the other stands. Once the limit
    itself has passed, nothing is said of the target any more.
    """
    return any(
        later.at > rung.at
        and ((later.target is None) == (rung.target is None) or later.kind.state is RungKind.BREACHED)
        for later in reversed(fallen)  # the newest tell it at once
    )


class ClockState(StrEnum):
    """How a clock stands; derived from its times, never stored (H10.7)."""

    RUNNING = "running"
    PROJECTED = "projected"
    MET_IN_TIME = "met_in_time"
    MET_LATE = "met_late"
    BREACHED = "breached"
    ENDED = "ended"
    ENDED_BREACHED = "ended_breached"


def state(facts: ClockFacts, *, met_at: datetime | None, ended_at: datetime | None, now: datetime) -> ClockState:
    """How the clock stands at `now`.

    What counts is when the duty was done, not when that was typed (H10.7). A clock that ended unmet
    keeps its breach (H9.3). A projected clock never breaches (H9.2). ValueError for a naive moment.
    """
    until = met_at or ended_at or now
    late = not in_time(until, facts) and not facts.projected
    if met_at is not None:
        return ClockState.MET_LATE if late else ClockState.MET_IN_TIME
    if ended_at is not None:
        return ClockState.ENDED_BREACHED if late else ClockState.ENDED
    if facts.projected:
        return ClockState.PROJECTED
    return ClockState.BREACHED if late else ClockState.RUNNING


def time_left(facts: ClockFacts, *, now: datetime) -> timedelta:
    """Elapsed time until the duty is due; below zero once it is past. ValueError if naive."""
    return aware(facts.due_at) - aware(now)
