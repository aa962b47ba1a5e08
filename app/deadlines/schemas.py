"""Clocks and alerts as they go out."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.access.rules import Role
from app.channels.terms import ToldBecause
from app.deadlines.policy import ClockState
from app.deadlines.tables import DaySource, EndedBecause, TaskKind
from app.editions.terms import AlertLevel, ClockKind, Mark, StartingEvent
from app.people.schemas import Day, Form, Line, MaskedView, Narrative, TellsRoute, View


class DayView(View):
    """One London day of a count: its number where it counts, and why it does or does not."""

    date: date
    counted: bool
    number: int | None
    why: str


class DeviationView(View):
    """A deviation from a limit; `authorised` is empty until a supervisor has answered (H10.6)."""

    id: UUID
    clock: ClockKind
    reason: str
    circumstances: str
    recorded_at: datetime
    recorded_by: UUID
    authorised: bool | None
    answered_at: datetime | None
    answered_by: UUID | None
    answer: str | None


class ClockView(MaskedView):
    """One limit at work. `due_on` is the last day; `due_at` the instant it ends; `seconds_left` below zero is late."""

    id: UUID
    kind: ClockKind
    limit: str = Field(examples=["10 working days"])
    mark: Mark
    state: ClockState
    started_at: datetime
    starts_from: Annotated[StartingEvent | None, TellsRoute]
    due_on: date
    due_at: datetime
    seconds_left: int | None
    target_on: date | None = Field(None, description="The force's own date beside the limit, which it does not move.")
    target_at: datetime | None = None
    target_because: str | None = None
    met_at: datetime | None
    met_recorded_at: datetime | None
    ended_at: datetime | None
    ended_because: EndedBecause | None
    deviations: list[DeviationView] = Field([], description="Why it was not kept; they move no clock.")


class ClockMoveView(View):
    """A clock that a changed calendar moved: was, now and why (H10.4)."""

    was_calendar_version: str
    calendar_version: str
    was_due_on: date
    was_due_at: datetime
    due_on: date
    due_at: datetime
    why: str
    moved_at: datetime


class ClockWorking(ClockView):
    """A clock with its working: where its limit stands, on which calendar it counts, day by day (H10.5), its moves."""

    projected: bool = Field(description="Counted from when the meeting is due, until there is one (H9.2).")
    source: str | None = Field(description="Where the limit stands; `mark` says how well it is known.")
    edition: str
    edition_version: str | None = Field(examples=["1+0f343b093112"])
    division: str
    calendar_version: str | None = Field(description="Empty for hours, which need no calendar.")
    calendar_source: str | None
    working: list[DayView]
    moves: list[ClockMoveView] = []


class AlertView(View):
    """An alert: the case's reference, the clock and the time, nothing else (H11).

    One of a target gives the target as what is due.
    """

    id: UUID
    case_id: UUID
    reference: str
    clock: ClockKind
    rung: str = Field(examples=["due_soon-12h", "due_today", "breached", "reminder-3", "target_soon-2d"])
    level: AlertLevel
    due_on: date
    due_at: datetime
    recorded_at: datetime
    superseded: bool
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    rerouted_because: ToldBecause | None = Field(
        description="Why it was put before others than those of its level; empty where it took its plain course."
    )
    chases_id: UUID | None = Field(description="The alert of the level below that nobody acknowledged in time.")


class TaskView(View):
    """Something that only a person can put right; of no case, and without a name."""

    id: UUID
    kind: TaskKind
    says: str = Field(examples=["The published bank holidays were refused, and those held are kept."])
    for_role: Role
    force_id: str | None = Field(description="Empty where it concerns every force.")
    about: str = Field(description="What the trouble is with: an id or a code.", examples=["england-and-wales"])
    opened_at: datetime
    closed_at: datetime | None
    closed_by: UUID | None
    answer: str | None


class TaskAnswerIn(Form):
    """How a task was dealt with."""

    answer: Narrative


class ProclaimedDayIn(Form):
    """A bank holiday proclaimed and not yet in the published list, with the authority that it rests on."""

    day: Day = Field(examples=["2022-09-19"])
    title: Line = Field(examples=["Bank Holiday for the State Funeral of Queen Elizabeth II"])
    authority: Line = Field(examples=["Royal Proclamation of 10 September 2022"])


class WithdrawnDayIn(Form):
    """Why a proclaimed day was none."""

    reason: Line


class CalendarView(View):
    """The bank holidays of a division as they are held: which list, from where, for which years."""

    division: str
    version: str
    source: str
    first_published_year: int
    last_published_year: int = Field(description="Beyond it nothing is computed (H10.3).")
    changed_at: datetime | None = Field(description="Empty: as it came with the release.")
    checked_at: datetime | None = Field(description="When it was last compared with the published list.")
    etag: str | None


class HolidayView(View):
    """A bank holiday and where it came from; a proclaimed one with authority, who and when."""

    day: date
    title: str
    source: DaySource
    authority: str | None
    recorded_at: datetime | None
    recorded_by: str | None


class CalendarChangeView(View):
    """A day that was added, taken away or renamed: was, now and why."""

    change: int
    day: date
    was: str | None
    now: str | None
    was_version: str
    now_version: str
    source: DaySource
    why: str
    authority: str | None
    changed_at: datetime
    changed_by: str | None


class CalendarDays(CalendarView):
    """A division's list, day by day, with its history."""

    days: list[HolidayView]
    changes: list[CalendarChangeView]
