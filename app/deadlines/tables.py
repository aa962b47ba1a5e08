"""Bank holidays, clocks, alerts and the worker's heartbeat. Rows are the schedule: no deadline is a scheduler's job."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.access.rules import Role
from app.channels.terms import ToldBecause
from app.editions.terms import AlertLevel, ClockKind, Mark, RiskLevel, StartingEvent
from app.storage.base import RECORDED_IN, Act, CaseRow, case_constraints, check, text_enum


class HolidayCalendar(SQLModel, table=True):
    """Which list of a division's bank holidays is in force, and up to which year it is published (H10.3)."""

    __tablename__ = "holiday_calendar"

    division: str = Field(primary_key=True)
    version: str
    source: str
    first_published_year: int
    last_published_year: int
    change: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """How many times the list has changed since it was seeded."""
    changed_at: datetime | None = None
    checked_at: datetime | None = None
    """When it was last compared with the published list, and below with which one."""
    etag: str | None = None


class DaySource(StrEnum):
    """Where a bank holiday came from."""

    RELEASE = "release"
    GOV_UK = "gov_uk"
    FILE = "file"
    PROCLAIMED = "proclaimed"


class BankHoliday(SQLModel, table=True):
    """A bank holiday of one division (H10.1), and where it came from; a proclaimed one with authority, who and when."""

    __tablename__ = "bank_holiday"
    __table_args__ = (
        check(
            "source <> 'proclaimed' OR num_nulls(authority, recorded_at, recorded_by) = 0",
            "proclaimed_by_authority",
        ),
    )

    division: str = Field(primary_key=True, foreign_key="holiday_calendar.division")
    day: date = Field(primary_key=True)
    title: str
    source: DaySource = Field(
        default=DaySource.RELEASE,
        sa_type=text_enum(DaySource, "source"),
        sa_column_kwargs={"server_default": DaySource.RELEASE.value},
    )
    authority: str | None = None
    recorded_at: datetime | None = None
    """Empty for a day that came with the release."""
    recorded_by: UUID | None = Field(default=None, foreign_key="staff_member.id")


class CalendarChange(SQLModel, table=True):
    """One day that a change of a division's list added, took away or renamed. Rows are never changed."""

    __tablename__ = "calendar_change"
    __table_args__ = (
        UniqueConstraint("division", "change", "day"),
        check("was IS DISTINCT FROM now", "changes_something"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    division: str = Field(foreign_key="holiday_calendar.division")
    change: int
    day: date
    was: str | None = None
    """The title until then; empty: no bank holiday."""
    now: str | None = None
    was_version: str
    now_version: str
    source: DaySource = Field(sa_type=text_enum(DaySource, "source"))
    why: str
    authority: str | None = None
    changed_at: datetime
    changed_by: UUID | None = Field(default=None, foreign_key="staff_member.id")


class CalendarRefresh(SQLModel, table=True):
    """When the published list is next asked for: one row, which one worker of all claims for each attempt."""

    __tablename__ = "calendar_refresh"
    __table_args__ = (check("only_row", "only_row"),)

    only_row: bool = Field(default=True, primary_key=True)
    next_attempt_at: datetime
    attempted_at: datetime | None = None


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
        Index(
            "ix_clock_open_calendar_version",
            "division",
            "calendar_version",
            postgresql_where=text("met_at IS NULL AND ended_at IS NULL AND calendar_version IS NOT NULL"),
        ),
        Index(
            "ix_clock_open",
            "kind",
            "due_at",
            postgresql_include=["due_on", "projected"],
            postgresql_where=text("met_at IS NULL AND ended_at IS NULL"),
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
    move_again_at: datetime | None = None
    """Where the clock could not be counted on a changed calendar: when that is tried again."""


class ClockMove(CaseRow, table=True):
    """An open clock that a changed calendar moved: was, now and why (H10.4). Once for each clock and calendar."""

    __tablename__ = "clock_move"
    __table_args__ = case_constraints("clock_move", UniqueConstraint("clock_id", "calendar_version"))

    clock_id: UUID = Field(foreign_key="clock.id")
    was_calendar_version: str
    calendar_version: str
    was_due_on: date
    was_due_at: datetime
    due_on: date
    due_at: datetime
    why: str
    moved_at: datetime


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
    CLOCK_NOT_SWEPT = "clock_not_swept"
    REVIEW_DUE = "review_due"
    CASE_FROZEN = "case_frozen"
    GLASS_BROKEN = "glass_broken"
    MISUSE = "misuse"
    RIGHTS_GIVEN = "rights_given"


class Task(SQLModel, table=True):
    """Something for staff to do beside the cases; `force_id` empty: of every force. It carries no name.

    One that names a case says so in `case_id`: it moves with the case, and is withheld from whoever the case is
    withheld from (H2.8).
    """

    __tablename__ = "task"
    __table_args__ = (
        ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_task_case",
            onupdate="CASCADE",
        ),
        Index("ix_task_case_id", "case_id"),
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
        check("case_id IS NULL OR force_id IS NOT NULL", "case_has_a_force"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    kind: TaskKind = Field(sa_type=text_enum(TaskKind, "kind"))
    says: str
    for_role: Role = Field(sa_type=text_enum(Role, "for_role"))
    case_id: UUID | None = None
    force_id: str | None = Field(default=None, foreign_key="force.id")
    about: str
    kept_from: UUID | None = Field(default=None, foreign_key="staff_member.id")
    """The account that it is about: it is not put before that one, and the database shows it nothing of it."""
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    """Empty where the trouble ended by itself."""
    answer: str | None = None


class Tally(SQLModel, table=True):
    """How many there are of something, over all forces: what the metrics show, counted by a worker now and then.

    Rows of cases are out of the API's reach but for one force at a time; a count carries nothing of a case.
    """

    __tablename__ = "tally"

    measure: str = Field(primary_key=True)
    label: str = Field(primary_key=True)
    number: int = Field(sa_type=BigInteger)
    counted_at: datetime
