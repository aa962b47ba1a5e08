"""Clocks and alerts as they go out."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.access.rules import Role
from app.channels.terms import ToldBecause
from app.deadlines.policy import ClockState
from app.deadlines.tables import EndedBecause, TaskKind
from app.editions.terms import AlertLevel, ClockKind, Mark, StartingEvent
from app.people.schemas import Form, Narrative, View


class DayView(View):
    """One London day of a count: its number where it counts, and why it does or does not."""

    date: date
    counted: bool
    number: int | None
    why: str


class ClockView(View):
    """One limit at work. `due_on` is the last day; `due_at` the instant it ends; `seconds_left` below zero is late."""

    id: UUID
    kind: ClockKind
    limit: str = Field(examples=["10 working days"])
    mark: Mark
    state: ClockState
    started_at: datetime
    starts_from: StartingEvent
    due_on: date
    due_at: datetime
    seconds_left: int | None
    met_at: datetime | None
    met_recorded_at: datetime | None
    ended_at: datetime | None
    ended_because: EndedBecause | None


class ClockWorking(ClockView):
    """A clock with its working, day by day (H10.5)."""

    division: str
    calendar_version: str | None
    working: list[DayView]


class AlertView(View):
    """An alert: the case's reference, the clock and the time, nothing else (H11)."""

    id: UUID
    case_id: UUID
    reference: str
    clock: ClockKind
    rung: str = Field(examples=["due_soon-12h", "due_today", "breached", "reminder-3"])
    level: AlertLevel
    due_on: date
    due_at: datetime
    recorded_at: datetime
    superseded: bool
    acknowledged_at: datetime | None
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
