"""The subject's convictions and cautions, each with its sentences, as the record shows them (H7.3)."""

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field

from app.convictions.sentences import AgeAtConviction, SentenceType
from app.storage.base import CaseRow, case_constraints, check, text_enum


class RecordedProceeding(CaseRow, table=True):
    """A conviction with all the sentences for it, or one caution. Whether it is spent is worked out, never kept."""

    __tablename__ = "proceeding"
    __table_args__ = case_constraints("proceeding")

    conviction_date: date
    age_at_conviction: AgeAtConviction = Field(sa_type=text_enum(AgeAtConviction, "age_at_conviction"))
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")


class RecordedSentence(CaseRow, table=True):
    """One sentence or disposal; the four parts of its length are added together, and all empty where it has none."""

    __tablename__ = "sentence"
    __table_args__ = case_constraints(
        "sentence",
        check("NOT indefinite OR num_nonnulls(years, months, weeks, days) = 0", "length_or_indefinite"),
        check("num_nonnulls(years, months, weeks, days) IN (0, 4)", "length_is_whole"),
    )

    proceeding_id: UUID = Field(foreign_key="proceeding.id", index=True)
    type: SentenceType = Field(sa_type=text_enum(SentenceType, "type"))
    start: date
    years: int | None = None
    months: int | None = None
    weeks: int | None = None
    days: int | None = None
    indefinite: bool = False
    schedule_18: bool = False
    endorsed: bool = False
    conditions_end: date | None = None
    paid_on: date | None = None
