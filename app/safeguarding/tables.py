"""Duties, contact attempts, safeguarding actions, safety plans, crime references."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.safeguarding.terms import ContactOutcome, DutyKind
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class Duty(CaseRow, table=True):
    """A duty of a case. Open until answered; a case does not close over one (H8.2)."""

    __tablename__ = "duty"
    __table_args__ = case_constraints(
        "duty",
        Index("ix_duty_open", "force_id", "kind", postgresql_where=text("answered_at IS NULL")),
        check("num_nulls(answered_at, answered_by, answer) IN (0, 3)", "answered_whole_or_not_at_all"),
        party="potential_victim_id",
    )

    kind: DutyKind = Field(sa_type=text_enum(DutyKind, "kind"))
    code: str
    says: str
    rule: str
    potential_victim_id: UUID | None = None
    about_id: UUID | None = None
    opened_at: datetime
    opened_by: UUID = Field(foreign_key="staff_member.id")
    answered_at: datetime | None = None
    answered_by: UUID | None = Field(default=None, foreign_key="staff_member.id")
    answer: str | None = None


class ContactAttempt(Act, table=True):
    """Somebody was tried: who, when, by what means, with what outcome."""

    __tablename__ = "contact_attempt"
    __table_args__ = case_constraints("contact_attempt", party="party_id")

    party_id: UUID
    means: str
    outcome: ContactOutcome = Field(sa_type=text_enum(ContactOutcome, "outcome"))
    note: str | None = None


class SafeguardingAction(Act, table=True):
    """Something done at once to make a person safe."""

    __tablename__ = "safeguarding_action"
    __table_args__ = case_constraints("safeguarding_action", party="party_id")

    party_id: UUID | None = None
    action: str
    done_by: str


class SafetyPlan(Act, table=True):
    """The plan that keeps one potential victim safe; the newest holds."""

    __tablename__ = "safety_plan"
    __table_args__ = case_constraints("safety_plan", party="potential_victim_id")

    potential_victim_id: UUID
    plan: str
    review_on: date


class InterimPlan(Act, table=True):
    """What keeps one potential victim safe, and in touch, while a duty towards her is late (H2.6, H10.6)."""

    __tablename__ = "interim_plan"
    __table_args__ = case_constraints(
        "interim_plan",
        check("jsonb_array_length(clocks) > 0", "answers_a_clock"),
        check("contact_every_days > 0", "contact_is_kept"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID
    clocks: list[str] = Field(sa_type=JSONB)
    keeps_safe: str
    contact: str
    contact_every_days: int
    review_on: date


class CrimeReference(Act, table=True):
    """The crime record that answers an allegation."""

    __tablename__ = "crime_reference"
    __table_args__ = case_constraints("crime_reference", check("reference <> ''", "named"))

    reference: str
    note: str | None = None
