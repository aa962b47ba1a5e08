"""Append-only events of a case."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity
from sqlmodel import Field

from app.storage.base import CaseRow, case_constraints


class Event(CaseRow, table=True):
    """One thing that happened; `about_id` is the row it tells of. No name stands in a sentence, only parts played.

    `position` orders what one transaction recorded; it is never shown. Nobody recorded what the service did by
    itself.
    """

    __tablename__ = "event"
    __table_args__ = case_constraints("event")

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    kind: str
    sentence: str
    about_id: UUID | None = None
