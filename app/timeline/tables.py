"""Append-only events of a case."""

from uuid import UUID

from sqlalchemy import BigInteger, Identity
from sqlmodel import Field

from app.storage.base import Act, case_constraints


class Event(Act, table=True):
    """One thing that happened; `about_id` is the row it tells of. No name stands in a sentence, only parts played.

    `position` orders what one transaction recorded; it is never shown.
    """

    __tablename__ = "event"
    __table_args__ = case_constraints("event")

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    kind: str
    sentence: str
    about_id: UUID | None = None
