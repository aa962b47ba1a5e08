"""How applications end, the closing report and where it was sent. Nothing here is ever changed: SELECT and INSERT."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from app.disclosure.terms import NotCompletedReason
from app.editions.terms import Outcome
from app.evidence.sealed import sealed
from app.final_report.terms import IntelligenceSystem, SubmissionKind
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class Withdrawal(Act, table=True):
    """An applicant no longer asks: confirmed how, and whether under duress (H8.4)."""

    __tablename__ = "withdrawal"
    __table_args__ = case_constraints("withdrawal", UniqueConstraint("id", "case_id"))

    taken_by: str = sealed("withdrawal.taken_by")
    means: str = sealed("withdrawal.means")
    """How the applicant confirmed it."""
    by_safe_means: bool
    duress_suspected: bool
    duress_considered: str = sealed("withdrawal.duress_considered")
    reason: str | None = sealed("withdrawal.reason", default=None)


class WithdrawalDecision(Act, table=True):
    """A supervisor's decision on a withdrawal: whether the question of risk goes on as a right to know (H8.4)."""

    __tablename__ = "withdrawal_decision"
    __table_args__ = case_constraints(
        "withdrawal_decision",
        UniqueConstraint("withdrawal_id"),
        ForeignKeyConstraint(
            ["withdrawal_id", "case_id"],
            ["withdrawal.id", "withdrawal.case_id"],
            name="fk_withdrawal_decision_withdrawal",
        ),
        check("carried_on = (continued_as IS NOT NULL)", "carried_on_has_case"),
    )

    withdrawal_id: UUID
    carried_on: bool
    reason: str = sealed("withdrawal_decision.reason")
    continued_as: UUID | None = Field(default=None, foreign_key="application.id")


class SubjectDeceased(Act, table=True):
    """The subject has died, and who says so (H4.5)."""

    __tablename__ = "subject_deceased"
    __table_args__ = case_constraints("subject_deceased", UniqueConstraint("case_id"))

    died_on: date | None = None
    verified_by: str
    verified_how: str


class NotCompleted(Act, table=True):
    """The application ended before a decision: somebody was not reached, declined, or is unsafe to reach (H7.6)."""

    __tablename__ = "not_completed"
    __table_args__ = case_constraints(
        "not_completed",
        UniqueConstraint("case_id"),
        check("because <> 'withdrew'", "withdrawal_has_its_own_row"),
        party="party_id",
    )

    party_id: UUID
    because: NotCompletedReason = Field(sa_type=text_enum(NotCompletedReason, "because"))
    reason: str = sealed("not_completed.reason")
    attempts: int


class SupportGiven(Act, table=True):
    """Local services and the helpline given by word, to a request that was not progressed (H4.4)."""

    __tablename__ = "support_given"
    __table_args__ = case_constraints("support_given", party="party_id")

    party_id: UUID
    services: str
    helpline_given: bool
    left_in_writing: bool


class OffenderManagement(Act, table=True):
    """A supervisor considered the management of the subject where no forum sat (H8.2)."""

    __tablename__ = "offender_management"
    __table_args__ = case_constraints("offender_management")

    mappa: str
    integrated: str
    matac: str
    monitoring: str


class FinalReport(Act, table=True):
    """The closing report, whole in itself: intelligence units of other forces read it and nothing of the case (H8.1).

    A correction is a newer report that names the one it supersedes.
    """

    __tablename__ = "final_report"
    __table_args__ = case_constraints(
        "final_report",
        UniqueConstraint("id", "case_id"),
        UniqueConstraint("supersedes_id"),
        Index("uq_final_report_one_first", "case_id", unique=True, postgresql_where=text("supersedes_id IS NULL")),
        Index("ix_final_report_newest", "recorded_at", "id"),
        check("grading ~ '^[1-3][A-E][PC]$'", "graded"),
        ForeignKeyConstraint(
            ["supersedes_id", "case_id"],
            ["final_report.id", "final_report.case_id"],
            name="fk_final_report_supersedes",
        ),
    )

    reference: str
    force: str
    """Name of the force, as it was."""
    outcome: Outcome = Field(sa_type=text_enum(Outcome, "outcome"))
    asked_at: datetime
    grading: str
    narrative: str = sealed("final_report.narrative")
    document: dict[str, object] = sealed("final_report.document", as_json=True)
    supersedes_id: UUID | None = None


class FinalReportKey(CaseRow, table=True):
    """A match key of the subject of a report: no name, and as restricted as the report (H3.5)."""

    __tablename__ = "final_report_key"
    __table_args__ = case_constraints(
        "final_report_key",
        UniqueConstraint("report_id", "match_key"),
        Index("ix_final_report_key_match_key", "match_key"),
        ForeignKeyConstraint(
            ["report_id", "case_id"], ["final_report.id", "final_report.case_id"], name="fk_final_report_key_report"
        ),
    )

    report_id: UUID
    match_key: str


class IntelligenceSubmission(Act, table=True):
    """Intelligence sent on: to which system, under which reference, when, by whom (H8.1)."""

    __tablename__ = "intelligence_submission"
    __table_args__ = case_constraints(
        "intelligence_submission",
        ForeignKeyConstraint(
            ["report_id", "case_id"],
            ["final_report.id", "final_report.case_id"],
            name="fk_intelligence_submission_report",
        ),
    )

    kind: SubmissionKind = Field(sa_type=text_enum(SubmissionKind, "kind"))
    system: IntelligenceSystem = Field(sa_type=text_enum(IntelligenceSystem, "system"))
    system_named: str | None = None
    reference: str
    submitted_by: str
    what: str | None = None
    report_id: UUID | None = None


class Closing(Act, table=True):
    """The case was closed, with nothing owed (H8.2)."""

    __tablename__ = "closing"
    __table_args__ = case_constraints("closing", UniqueConstraint("case_id"))

    note: str | None = sealed("closing.note", default=None)


class TransferOffer(Act, table=True):
    """A case offered to another force; both see the offer, and the first owns the case until it is accepted (H8.5)."""

    __tablename__ = "transfer_offer"
    __table_args__ = case_constraints(
        "transfer_offer",
        UniqueConstraint("id", "case_id"),
        UniqueConstraint("replaces_id"),
        Index("ix_transfer_offer_to_force_id", "to_force_id"),
        check("from_force_id <> to_force_id", "to_another"),
        ForeignKeyConstraint(
            ["replaces_id", "case_id"],
            ["transfer_offer.id", "transfer_offer.case_id"],
            name="fk_transfer_offer_replaces",
        ),
    )

    reference: str
    from_force_id: str = Field(foreign_key="force.id")
    to_force_id: str = Field(foreign_key="force.id")
    reason: str
    replaces_id: UUID | None = None


class TransferAcceptance(Act, table=True):
    """A supervisor of the other force took the case over."""

    __tablename__ = "transfer_acceptance"
    __table_args__ = case_constraints(
        "transfer_acceptance",
        UniqueConstraint("offer_id"),
        ForeignKeyConstraint(
            ["offer_id", "case_id"],
            ["transfer_offer.id", "transfer_offer.case_id"],
            name="fk_transfer_acceptance_offer",
        ),
    )

    offer_id: UUID
    from_force_id: str = Field(foreign_key="force.id")
    to_force_id: str = Field(foreign_key="force.id")
    note: str | None = None
