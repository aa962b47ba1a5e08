"""Cases that are marked, what was found in the log, and how far it was read."""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, UniqueConstraint, func, text
from sqlmodel import Field, SQLModel

from app.misuse.terms import Misuse
from app.storage.base import CaseRow, case_constraints, check, text_enum


class CaseOfNote(CaseRow, table=True):
    """A case that professional standards have marked: whoever touches it and does not hold it is looked at."""

    __tablename__ = "case_of_note"
    __table_args__ = case_constraints(
        "case_of_note",
        Index("uq_case_of_note_in_force", "case_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        check("num_nulls(ended_at, ended_by, ended_because, ended_since) IN (0, 4)", "ended_whole_or_not_at_all"),
    )

    reason: str
    marked_at: datetime
    marked_by: UUID = Field(foreign_key="staff_member.id")
    ended_at: datetime | None = None
    ended_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    ended_because: str | None = None
    since: datetime | None = Field(
        default=None, nullable=False, sa_column_kwargs={"server_default": func.clock_timestamp()}
    )
    """Real time, as the log is dated; so is `ended_since`."""
    ended_since: datetime | None = None


class MisuseFinding(SQLModel, table=True):
    """What one row of the log showed of an account: ids only. Found once for each kind, account, matter and day."""

    __tablename__ = "misuse_finding"
    __table_args__ = (UniqueConstraint("staff_id", "kind", "about", "day"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    staff_id: UUID = Field(foreign_key="staff_member.id")
    kind: Misuse = Field(sa_type=text_enum(Misuse, "kind"))
    about: str
    day: date
    log_id: UUID
    found_at: datetime


class MisuseWatch(SQLModel, table=True):
    """How far the log was read: one row, which one worker of all holds while it reads."""

    __tablename__ = "misuse_watch"
    __table_args__ = (check("only_row", "only_row"),)

    only_row: bool = Field(default=True, primary_key=True)
    read_in: int = Field(sa_type=BigInteger)
    """Every row of a transaction before this one was read, and of it those up to `read_log_id`."""
    read_log_id: UUID
