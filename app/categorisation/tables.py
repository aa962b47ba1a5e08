"""Representations considered and answered, categories, referrals. Each row is kept as written; the newest holds."""

from uuid import UUID

from sqlalchemy import BigInteger, Identity
from sqlmodel import Field

from app.categorisation.terms import Category, RepresentationsChoice, RepresentationsOutcome
from app.evidence.sealed import sealed
from app.storage.base import Act, case_constraints, check, text_enum


class Representations(Act, table=True):
    """That it was considered whether to ask the subject, of one potential victim or of the whole case (H5.5)."""

    __tablename__ = "representations"
    __table_args__ = case_constraints(
        "representations",
        check("choice <> 'sought' OR words IS NOT NULL", "words_settled_before_asking"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID | None = None
    choice: RepresentationsChoice = Field(sa_type=text_enum(RepresentationsChoice, "choice"))
    reason: str
    words: str | None = None
    """What the subject is told; it identifies no applicant (H2.7)."""


class RepresentationsAnswer(Act, table=True):
    """What the subject answered, asked with authority or without."""

    __tablename__ = "representations_answer"
    __table_args__ = case_constraints(
        "representations_answer", check("outcome <> 'given' OR answer IS NOT NULL", "given_is_written")
    )

    representations_id: UUID | None = Field(default=None, foreign_key="representations.id")
    """Empty where nothing had been considered."""
    outcome: RepresentationsOutcome = Field(sa_type=text_enum(RepresentationsOutcome, "outcome"))
    answer: str | None = None


class Categorisation(Act, table=True):
    """The police category of one potential victim, with its reasons (H5.4). Provisional (H5.6); the newest holds.

    `position` orders rows recorded at one instant; it is never shown.
    """

    __tablename__ = "categorisation"
    __table_args__ = case_constraints(
        "categorisation",
        check("category <> 'concern' OR risk_of_harm_sealed IS NOT NULL", "concern_is_a_finding_of_harm"),
        check("category <> 'no_concern' OR other_information_sealed IS NOT NULL", "never_convictions_alone"),
        party="potential_victim_id",
    )

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    potential_victim_id: UUID
    category: Category = Field(sa_type=text_enum(Category, "category"))
    reasons: str = sealed("categorisation.reasons")
    risk_of_harm: str | None = sealed("categorisation.risk_of_harm", default=None)
    factors: list[dict[str, object]] = sealed("categorisation.factors", as_json=True)
    other_information: str | None = sealed("categorisation.other_information", default=None)


class Referral(Act, table=True):
    """The case goes to the forum (H5.3)."""

    __tablename__ = "referral"
    __table_args__ = case_constraints("referral")

    note: str
