"""Bank holidays, clocks, alerts and the worker's heartbeat. Rows are the schedule: no deadline is a scheduler's job."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.editions.terms import AlertLevel, ClockKind, Mark, RiskLevel, StartingEvent
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


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
        check("num_nulls(risk, risk_since) IN (0, 2)", "risk_has_time"),
        check("num_nulls(target_on, target_at, target_because) IN (0, 3)", "target_is_whole"),
        check("next_alert_at IS NULL OR (met_at IS NULL AND ended_at IS NULL)", "alerts_while_open"),
    )

    kind: ClockKind = Field(sa_type=text_enum(ClockKind, "kind"))
    reference: str
    edition: str
    edition_version: str | None = None
    """The content of the edition that the limit was taken from; empty where that was not kept yet."""
    starts_from: StartingEvent = Field(sa_type=text_enum(StartingEvent, "starts_from"))
    hours: int | None = None
    working_days: int | None = None
    calendar_days: int | None = None
    mark: Mark = Field(sa_type=text_enum(Mark, "mark"))
    source: str | None = None
    """Where the limit stands, as the edition said; empty where that was not kept yet."""
    division: str
    calendar_version: str | None = None
    started_at: datetime
    projected: bool = False
    due_on: date
    due_at: datetime
    risk: RiskLevel | None = Field(default=None, sa_type=text_enum(RiskLevel, "risk"))
    """The gravest risk found in the case while the clock was open: it settles target and ladder."""
    risk_since: datetime | None = None
    target_on: date | None = None
    target_at: datetime | None = None
    """A date of the force's own beside the limit, and always before it (H2.6)."""
    target_because: str | None = None
    deviates: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether any deviation from the limit is recorded (H10.6)."""
    met_at: datetime | None = None
    met_recorded_at: datetime | None = None
    ended_at: datetime | None = None
    ended_because: EndedBecause | None = Field(default=None, sa_type=text_enum(EndedBecause, "ended_because"))
    next_alert_at: datetime | None = None
    swept_to: datetime | None = None
    """Alerts up to this instant are recorded."""


class Deviation(Act, table=True):
    """Why a limit is not kept, put down to exceptional circumstances: shown beside the clock, and moving none."""

    __tablename__ = "deviation"
    __table_args__ = case_constraints("deviation")

    clock: ClockKind = Field(sa_type=text_enum(ClockKind, "clock"))
    reason: str
    circumstances: str


class DeviationAnswer(Act, table=True):
    """Whether a supervisor authorises a deviation (H10.6)."""

    __tablename__ = "deviation_answer"
    __table_args__ = case_constraints("deviation_answer", UniqueConstraint("deviation_id"))

    deviation_id: UUID = Field(foreign_key="deviation.id")
    authorises: bool
    reason: str


class Alert(CaseRow, table=True):
    """An alert to one level of staff: reference, clock and time, nothing else (H11). Recorded exactly once."""

    __tablename__ = "alert"
    __table_args__ = case_constraints(
        "alert",
        UniqueConstraint("clock_id", "rung", "due_on", "level"),
        Index("ix_alert_inbox", "force_id", "level", "recorded_at"),
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


class Heartbeat(SQLModel, table=True):
    """What a worker last did: a silent worker is itself an alarm."""

    __tablename__ = "worker_heartbeat"

    worker_id: UUID = Field(default_factory=uuid4, primary_key=True)
    beat_at: datetime
    swept_through: datetime
