"""Who touched what: ids only, INSERT only, dated by the database itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, func, text
from sqlmodel import Field, SQLModel

from app.evidence.terms import Category
from app.storage.base import check, text_enum


class LogRow(SQLModel, table=True):
    """One request's touch. `case_id` has no foreign key: the proof outlives the case (H12.2)."""

    __tablename__ = "access_log"
    __table_args__ = (
        Index("ix_access_log_case_id", "case_id"),
        Index("ix_access_log_staff_id", "staff_id"),
        Index("ix_access_log_refused", "case_id", postgresql_where=text("refused")),
    )

    id: UUID = Field(primary_key=True)
    logged_at: datetime = Field(sa_column_kwargs={"server_default": func.clock_timestamp()})
    category: Category = Field(sa_type=text_enum(Category, "category"))
    action: str
    refused: bool = False
    staff_id: UUID | None = None
    organisation: str | None = None
    force_id: str | None = None
    case_id: UUID | None = None
    event_id: UUID | None = None
    recipient: UUID | None = None
    request_id: str


class CaseKey(SQLModel, table=True):
    """The data key of a case, wrapped by a key-encryption key: who destroys the row erases every text of the case.

    Rewrapping changes this row and no record. `public_half` seals to the key and opens nothing.
    """

    __tablename__ = "case_key"
    __table_args__ = (
        ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_key_case",
            onupdate="CASCADE",
        ),
        Index("ix_case_key_key_version", "key_version", "case_id"),
        check("octet_length(public_half) = 32", "public_half_is_a_key"),
    )

    case_id: UUID = Field(primary_key=True)
    force_id: str
    wrapped: bytes = Field(sa_type=LargeBinary)
    key_version: int
    public_half: bytes = Field(sa_type=LargeBinary)
    made_at: datetime
