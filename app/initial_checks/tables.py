"""Checks, findings on the subject's identity, initial decisions and their agreement. All append-only."""

from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.evidence.sealed import sealed
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.storage.base import Act, case_constraints, check, text_enum


class SystemCheck(Act, table=True):
    """One search of one system on one party's name; an answer supersedes an earlier *unavailable* (H4.1)."""

    __tablename__ = "system_check"
    __table_args__ = case_constraints(
        "system_check",
        check("result = 'nil' OR text IS NOT NULL", "says_what_was_found"),
        check("visor_marker IS NULL OR result <> 'unavailable'", "marker_is_an_answer"),
        party="party_id",
    )

    system: str
    party_id: UUID
    terms: str
    searched_by: str
    result: CheckResult = Field(sa_type=text_enum(CheckResult, "result"))
    text: str | None = None
    visor_marker: bool | None = None


class SubjectIdentity(Act, table=True):
    """Who the subject is, against which record and how that was settled; the newest holds (H4.5)."""

    __tablename__ = "subject_identity"
    __table_args__ = case_constraints(
        "subject_identity",
        check("(result = 'unidentified') = (record IS NULL)", "against_a_record"),
    )

    result: IdentityResult = Field(sa_type=text_enum(IdentityResult, "result"))
    record: str | None = None
    how: str


class InitialDecision(Act, table=True):
    """Whether the case goes on, with the grade of risk that it was decided on (H4.3)."""

    __tablename__ = "initial_decision"
    __table_args__ = case_constraints(
        "initial_decision",
        check("prioritised IS NULL OR prioritised OR priority_reason_sealed IS NOT NULL", "not_prioritised_has_reason"),
        check("decision = 'progress' OR prioritised IS NULL", "priority_of_progress"),
    )

    decision: Course = Field(sa_type=text_enum(Course, "decision"))
    rationale: str = sealed("initial_decision.rationale")
    applicant_contact: str | None = sealed("initial_decision.applicant_contact", default=None)
    prioritised: bool | None = None
    priority_reason: str | None = sealed("initial_decision.priority_reason", default=None)
    risk_grade_id: UUID = Field(foreign_key="risk_grade.id")


class InitialDecisionAgreement(Act, table=True):
    """A second person's answer to a decision not to progress (H4.4)."""

    __tablename__ = "initial_decision_agreement"
    __table_args__ = case_constraints("initial_decision_agreement", UniqueConstraint("decision_id"))

    decision_id: UUID = Field(foreign_key="initial_decision.id")
    agrees: bool
    reason: str = sealed("initial_decision_agreement.reason")
