"""Bank holidays, clocks, alerts and the worker's heartbeat. Rows are the schedule: no deadline is a scheduler's job."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.access.rules import Role
from app.channels.terms import ToldBecause
from app.editions.terms import AlertLevel, ClockKind, Mark, StartingEvent
from app.storage.base import CaseRow, case_constraints, check, text_enum


class HolidayCalendar(SQLModel, table=True):
    """Which list of a division's bank holidays is in force, and up to which year it is published (H10.3)."""

    __tablename__ = "holiday_calendar"

    division: str = Field(primary_key=True)
    version: str
    source: str
    first_published_year: int
    last_published_year: int


class BankHoliday(SQLModel, table=True):
    """A published bank holiday of one division (H10.1)."""

    __tablename__ = "bank_holiday"

    division: str = Field(primary_key=True, foreign_key="holiday_calendar.division")
    day: date = Field(primary_key=True)
    title: str


class EndedBecause(StrEnum):
    """Why a clock ended unmet (H9.3). Nothing else ends one."""

    WITHDRAWAL = "withdrawal"
    NON_PROGRESSION = "non_progression"
    NON_COMPLETION = "non_completion"
    CONVERSION = "conversion"
    EMERGENCY_WAIVER = "emergency_waiver"


class Clock(CaseRow, table=True):
    """One statutory limit at work. Breach is derived from `due_at`, `met_at` and `ended_at`, never stored (H10.7)."""

    __tablename__ = "clock"
    __table_args__ = case_constraints(
        "clock",
        UniqueConstraint("case_id", "kind"),
        Index(
            "ix_clock_next_alert_at",
            "next_alert_at",
            postgresql_where=text("next_alert_at IS NOT NULL"),
        ),
        check("num_nonnulls(hours, working_days, calendar_days) = 1", "one_limit"),
        check("met_at IS NULL OR ended_at IS NULL", "met_or_ended"),
        check("(ended_at IS NULL) = (ended_because IS NULL)", "ended_has_reason"),
        check("(met_at IS NULL) = (met_recorded_at IS NULL)", "met_is_recorded"),
        check("NOT (projected AND met_at IS NOT NULL)", "projection_is_not_met"),
        check("next_alert_at IS NULL OR (met_at IS NULL AND ended_at IS NULL)", "alerts_while_open"),
    )

    kind: ClockKind = Field(sa_type=text_enum(ClockKind, "kind"))
    reference: str
    edition: str
    starts_from: StartingEvent = Field(sa_type=text_enum(StartingEvent, "starts_from"))
    hours: int | None = None
    working_days: int | None = None
    calendar_days: int | None = None
    mark: Mark = Field(sa_type=text_enum(Mark, "mark"))
    division: str
    calendar_version: str | None = None
    started_at: datetime
    projected: bool = False
    due_on: date
    due_at: datetime
    met_at: datetime | None = None
    met_recorded_at: datetime | None = None
    ended_at: datetime | None = None
    ended_because: EndedBecause | None = Field(default=None, sa_type=text_enum(EndedBecause, "ended_because"))
    next_alert_at: datetime | None = None
    swept_to: datetime | None = None
    """Alerts up to this instant are recorded."""


RECORDED_IN = "(pg_current_xact_id()::text)::bigint"


class Alert(CaseRow, table=True):
    """An alert to one level of staff: reference, clock and time, nothing else (H11). Recorded exactly once."""

    __tablename__ = "alert"
    __table_args__ = case_constraints(
        "alert",
        UniqueConstraint("clock_id", "rung", "due_on", "level"),
        Index("ix_alert_inbox", "force_id", "level", "recorded_at"),
        Index("ix_alert_stream", "force_id", "recorded_in", "id"),
        Index("ix_alert_chase_at", "chase_at", postgresql_where=text("chase_at IS NOT NULL")),
        check("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", "acknowledged_by_someone"),
    )

    clock_id: UUID = Field(foreign_key="clock.id")
    clock_kind: ClockKind = Field(sa_type=text_enum(ClockKind, "clock_kind"))
    reference: str
    rung: str
    level: AlertLevel = Field(sa_type=text_enum(AlertLevel, "level"))
    due_on: date
    due_at: datetime
    fell_at: datetime
    recorded_at: datetime
    superseded: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    rerouted_because: ToldBecause | None = Field(default=None, sa_type=text_enum(ToldBecause, "rerouted_because"))
    """Why it was put before others than those of its level; empty where it took its plain course."""
    chases_id: UUID | None = Field(default=None, foreign_key="alert.id")
    """The alert of the level below that nobody acknowledged."""
    chase_at: datetime | None = None
    """When it is raised a level unless somebody acknowledges it; empty once that is settled."""
    recorded_in: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": text(RECORDED_IN)})
    """The transaction that recorded it: transactions, unlike moments, tell what a reader may have missed."""


class Heartbeat(SQLModel, table=True):
    """What a worker last did: a silent worker is itself an alarm."""

    __tablename__ = "worker_heartbeat"

    worker_id: UUID = Field(default_factory=uuid4, primary_key=True)
    beat_at: datetime
    swept_through: datetime


class TaskKind(StrEnum):
    """The kinds of trouble around the scheme that only a person can end."""

    CALENDAR_REFUSED = "calendar_refused"
    CALENDAR_ENDS_SOON = "calendar_ends_soon"
    DELIVERY_GIVEN_UP = "delivery_given_up"
    WEBHOOK_FAILING = "webhook_failing"


class Task(SQLModel, table=True):
    """Something for staff to do that belongs to no case; `force_id` empty: of every force. It carries no name."""

    __tablename__ = "task"
    __table_args__ = (
        Index(
            "uq_task_one_open",
            "kind",
            "about",
            "force_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
        check("(closed_at IS NULL) = (answer IS NULL)", "closed_says_why"),
        check("closed_by IS NULL OR closed_at IS NOT NULL", "closed_by_someone"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    kind: TaskKind = Field(sa_type=text_enum(TaskKind, "kind"))
    says: str
    for_role: Role = Field(sa_type=text_enum(Role, "for_role"))
    force_id: str | None = Field(default=None, foreign_key="force.id")
    about: str
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    """Empty where the trouble ended by itself."""
    answer: str | None = None
