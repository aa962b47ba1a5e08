"""How long a case is kept, what its reviews decided, what freezes it, and the proof that it was erased."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.editions.terms import Mark
from app.retention.terms import Becomes, FrozenBecause, Verdict
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class Retention(CaseRow, table=True):
    """The group of a closed case and its dates, as the schedule said when it closed; only the review moves."""

    __tablename__ = "retention"
    __table_args__ = case_constraints(
        "retention",
        UniqueConstraint("case_id"),
        Index("ix_retention_review_on", "review_on"),
        check("keep_until >= closed_on + make_interval(years => 6)", "kept_six_years"),
        check("review_on >= keep_until", "reviewed_no_sooner"),
    )

    schedule: str
    group_code: str
    title: str
    source: str
    mark: Mark = Field(sa_type=text_enum(Mark, "mark"))
    closed_on: date
    keep_years: int
    review_again_years: int
    keep_until: date
    """Nothing is erased before; never changed."""
    review_on: date


class RetentionDecision(Act, table=True):
    """What a review came to: kept until another day, or to be erased once a second person agrees (H12.2)."""

    __tablename__ = "retention_decision"
    __table_args__ = case_constraints(
        "retention_decision",
        UniqueConstraint("id", "case_id"),
        check("(verdict = 'keep') = (review_on IS NOT NULL)", "kept_until_a_day"),
    )

    verdict: Verdict = Field(sa_type=text_enum(Verdict, "verdict"))
    ground: str
    reason: str
    review_on: date | None = None


class RetentionAgreement(Act, table=True):
    """A second person's answer to a decision to erase."""

    __tablename__ = "retention_agreement"
    __table_args__ = case_constraints("retention_agreement", UniqueConstraint("decision_id"))

    decision_id: UUID = Field(foreign_key="retention_decision.id")
    agrees: bool
    reason: str


class CaseFreeze(Act, table=True):
    """The case may not be erased: somebody died or was gravely hurt, or proceedings need it (H12.5)."""

    __tablename__ = "case_freeze"
    __table_args__ = case_constraints(
        "case_freeze",
        check("because = 'legal_proceedings' OR potential_victim_id IS NOT NULL", "harm_came_to_somebody"),
        party="potential_victim_id",
    )

    because: FrozenBecause = Field(sa_type=text_enum(FrozenBecause, "because"))
    potential_victim_id: UUID | None = None
    reason: str


class FreezeLifting(Act, table=True):
    """Somebody asks that a freeze be lifted."""

    __tablename__ = "freeze_lifting"
    __table_args__ = case_constraints("freeze_lifting")

    freeze_id: UUID = Field(foreign_key="case_freeze.id", index=True)
    reason: str


class FreezeLiftingAnswer(Act, table=True):
    """A second person's answer to that: only with it is the freeze lifted."""

    __tablename__ = "freeze_lifting_answer"
    __table_args__ = case_constraints("freeze_lifting_answer", UniqueConstraint("lifting_id"))

    lifting_id: UUID = Field(foreign_key="freeze_lifting.id")
    agrees: bool
    reason: str


class Erasure(CaseRow, table=True):
    """That a case was erased: when, in which group, by whose decision and agreement. Every force may read it."""

    __tablename__ = "erasure"
    __table_args__ = case_constraints("erasure", UniqueConstraint("case_id"))

    group_code: str
    keep_until: date
    decision_id: UUID = Field(foreign_key="retention_decision.id")
    decided_by: UUID = Field(foreign_key="staff_member.id")
    agreement_id: UUID = Field(foreign_key="retention_agreement.id")
    agreed_by: UUID = Field(foreign_key="staff_member.id")
    erased_at: datetime


class ErasureRule(SQLModel, table=True):
    """What becomes of each column that could tell of a person, or (`*`) of each row, when its case is erased.

    Migrations alone write it. The erasing function refuses to run while such a column of a case has no rule.
    """

    __tablename__ = "erasure_rule"

    table_name: str = Field(primary_key=True)
    column_name: str = Field(primary_key=True)
    becomes: Becomes = Field(sa_type=text_enum(Becomes, "becomes"))
