"""Clocks and alerts as they go out."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.deadlines.policy import ClockState
from app.deadlines.tables import EndedBecause
from app.editions.terms import AlertLevel, ClockKind, Mark, StartingEvent
from app.people.schemas import View


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
    target_on: date | None = Field(None, description="The force's own date beside the limit, which it does not move.")
    target_at: datetime | None = None
    target_because: str | None = None
    met_at: datetime | None
    met_recorded_at: datetime | None
    ended_at: datetime | None
    ended_because: EndedBecause | None
    deviations: list[DeviationView] = Field([], description="Why it was not kept; they move no clock.")


class ClockWorking(ClockView):
    """A clock with its working: where its limit stands, on which calendar it counts, and day by day (H10.5)."""

    projected: bool = Field(description="Counted from when the meeting is due, until there is one (H9.2).")
    source: str | None = Field(description="Where the limit stands; `mark` says how well it is known.")
    edition: str
    edition_version: str | None = Field(examples=["1+0f343b093112"])
    division: str
    calendar_version: str | None = Field(description="Empty for hours, which need no calendar.")
    calendar_source: str | None
    working: list[DayView]


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
