"""The case, its parties, its risk grades, who holds it, and pointers that carry no name."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Computed, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.editions.terms import Outcome, RiskLevel, Route
from app.process import Stage
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class PartyRole(StrEnum):
    """The part a person plays (H1.1). An applicant who is a potential victim is one row, with `is_applicant` set."""

    SUBJECT = "subject"
    POTENTIAL_VICTIM = "potential_victim"
    APPLICANT = "applicant"
    CHILD = "child"


class Grade(StrEnum):
    """A grade of risk of harm."""

    STANDARD = "standard"
    MEDIUM = "medium"
    HIGH = "high"


class LinkKind(StrEnum):
    """Why a case follows another (H8.3, H8.4)."""

    CONTINUES_AS_RIGHT_TO_KNOW = "continues_as_right_to_know"
    NEW_INFORMATION = "new_information"


_RISK_RANK = Computed(
    "CASE WHEN urgent_since IS NOT NULL THEN 0 WHEN current_grade = 'high' THEN 1 WHEN current_grade IS NULL THEN 2 "
    "WHEN current_grade = 'medium' THEN 3 ELSE 4 END",
    persisted=True,
)
"""The order of work: urgent, high, ungraded, medium, standard. Nobody knows that an ungraded case is safe (H2.0)."""


class Case(SQLModel, table=True):
    """One application under the scheme, whichever route it came by. A draft has no first contact yet."""

    __tablename__ = "application"
    __table_args__ = (
        UniqueConstraint("id", "force_id"),
        UniqueConstraint("reference"),
        Index("ix_application_worklist", "force_id", "stage", "first_contact_at", "id"),
        Index(
            "ix_application_by_risk",
            "force_id",
            "risk_rank",
            "pressing_at",
            "id",
            postgresql_where=text("stage NOT IN ('intake', 'closed')"),
        ),
        Index("ix_application_assigned_to", "assigned_to"),
        Index("ix_application_follows_id", "follows_id", postgresql_where=text("follows_id IS NOT NULL")),
        check("stage = 'intake' OR first_contact_at IS NOT NULL", "open_has_first_contact"),
        check("first_contact_at <= first_contact_recorded_at", "contact_not_in_future"),
        check("(stage = 'closed') = (closed_at IS NOT NULL)", "closed_has_time"),
        check("erased_at IS NULL OR stage = 'closed'", "erased_when_closed"),
        check(
            "(stage IN ('final_report', 'closed')) = (outcome IS NOT NULL)",
            "outcome_when_concluded",
        ),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    reference: str
    route: Route = Field(sa_type=text_enum(Route, "route"))
    stage: Stage = Field(default=Stage.INTAKE, sa_type=text_enum(Stage, "stage"))
    edition: str
    edition_version: str | None = None
    """The content of the edition that the case was opened under (H9); empty where that was not kept yet."""
    version: int = 1
    first_contact_at: datetime | None = None
    first_contact_recorded_at: datetime | None = None
    whole_case_from: datetime | None = None
    """Where another case's first contact counts for the whole-case clock (H8.4); else empty."""
    prioritised: bool | None = None
    urgent_since: datetime | None = None
    current_grade: Grade | None = Field(default=None, sa_type=text_enum(Grade, "current_grade"))
    """The highest grade that holds for any potential victim; empty while one is ungraded and none is high."""
    graded_at: datetime | None = None
    """When the current grade was given."""
    risk_rank: int | None = Field(default=None, sa_type=SmallInteger, sa_column_args=[_RISK_RANK])
    pressing_at: datetime | None = None
    """When the most pressing open clock is due, or its target where that is earlier. A trigger keeps it: read it in
    queries, never from a case that is held."""
    police_involved: bool = False
    subject_identified_at: datetime | None = None
    assigned_to: UUID | None = Field(default=None, foreign_key="staff_member.id")
    created_at: datetime
    created_by: UUID = Field(foreign_key="staff_member.id")
    outcome: Outcome | None = Field(default=None, sa_type=text_enum(Outcome, "outcome"))
    closed_at: datetime | None = None
    erased_at: datetime | None = None
    """When what was recorded was erased (H12.2): the case is then only proof that it was. The database sets it."""
    follows_id: UUID | None = Field(default=None, foreign_key="application.id")
    follows_because: LinkKind | None = Field(default=None, sa_type=text_enum(LinkKind, "follows_because"))

    @property
    def risk(self) -> tuple[RiskLevel, datetime] | None:
        """How grave the risk in the case is and since when; None where nobody has graded it whole."""
        if self.urgent_since is not None:
            return RiskLevel.URGENT, self.urgent_since
        if self.current_grade is None or self.graded_at is None:
            return None
        return RiskLevel(self.current_grade.value), self.graded_at


class Party(CaseRow, table=True):
    """A person's part in a case, and for a potential victim the relationship to the subject."""

    __tablename__ = "party"
    __table_args__ = case_constraints(
        "party",
        UniqueConstraint("id", "case_id"),
        ForeignKeyConstraint(["person_id", "role"], ["person.id", "person.part"], name="fk_party_part"),
        Index(
            "uq_party_one_subject",
            "case_id",
            unique=True,
            postgresql_where=text("role = 'subject'"),
        ),
        Index("uq_party_one_applicant", "case_id", unique=True, postgresql_where=text("is_applicant")),
        check("NOT is_applicant OR role IN ('applicant', 'potential_victim')", "who_applies"),
    )

    person_id: UUID = Field(foreign_key="person.id")
    role: PartyRole = Field(sa_type=text_enum(PartyRole, "role"))
    is_applicant: bool = False
    relationship: str | None = None
    relationship_ended: bool | None = None
    connection: str | None = None
    """How a third-party applicant knows the potential victim, or whose child a child is."""
    police_employment: str | None = None
    """The force that employs a party who is police (H2.8)."""


class Assignment(Act, table=True):
    """Who held the case, and since when."""

    __tablename__ = "assignment"
    __table_args__ = case_constraints("assignment")

    staff_id: UUID = Field(foreign_key="staff_member.id")
    reason: str


class RiskGrade(Act, table=True):
    """A grade of risk with who, when and why; every one is kept (H2.6)."""

    __tablename__ = "risk_grade"
    __table_args__ = case_constraints("risk_grade", party="potential_victim_id")

    potential_victim_id: UUID | None = None
    grade: Grade = Field(sa_type=text_enum(Grade, "grade"))
    immediate: bool
    reason: str


class CasePointer(SQLModel, table=True):
    """That some case is about a person with this match key: a force and a reference, never a name (H3.5).

    Every force may read it; whoever finds one learns whom to ask.
    """

    __tablename__ = "case_pointer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_pointer_case",
            onupdate="CASCADE",
        ),
        Index("ix_case_pointer_match_key", "match_key"),
    )

    case_id: UUID = Field(primary_key=True)
    role: PartyRole = Field(primary_key=True, sa_type=text_enum(PartyRole, "role"))
    match_key: str = Field(primary_key=True)
    force_id: str
    reference: str
    withheld: bool = False
    """Of a restricted case: no other force sees the pointer, and of the own force only who sees the case (H2.8)."""
