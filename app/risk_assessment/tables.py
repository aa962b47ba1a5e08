"""Risk assessments, each kept as it was signed off or left. Append-only."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.cases.tables import Grade
from app.storage.base import Act, case_constraints, check, text_enum


class RiskAssessment(Act, table=True):
    """One assessment of the risk to one potential victim. Only one that is signed off counts (H5.2).

    `tool_grade` is what the tool gives; `grade` what the assessor finds, who may override with reason.
    """

    __tablename__ = "risk_assessment"
    __table_args__ = case_constraints(
        "risk_assessment",
        check("(grade <> tool_grade) = (override_reason IS NOT NULL)", "override_has_reason"),
        party="potential_victim_id",
    )

    potential_victim_id: UUID
    tool: str
    tool_version: str
    answers: dict[str, object] = Field(sa_type=JSONB)
    score: int | None = None
    tool_grade: Grade = Field(sa_type=text_enum(Grade, "tool_grade"))
    grade: Grade = Field(sa_type=text_enum(Grade, "grade"))
    override_reason: str | None = None
    options_considered: str
    agency_checks_considered: str
    signed_off: bool
    risk_grade_id: UUID = Field(foreign_key="risk_grade.id")
