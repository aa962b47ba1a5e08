"""Who touched what: ids only, INSERT only, dated by the database itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlmodel import Field, SQLModel

from app.evidence.terms import Category
from app.storage.base import text_enum


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
