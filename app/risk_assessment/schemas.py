"""Risk assessments as they come in and go out."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator

from app.cases.schemas import ActIn, GradeIn
from app.cases.tables import Grade
from app.people.schemas import Line, Narrative
from app.risk_assessment.tables import RiskAssessment
from app.safeguarding.schemas import ActView

Question = Annotated[Line, StringConstraints(max_length=100)]
Answer = StrictBool | StrictInt | Annotated[Narrative, StringConstraints(max_length=2_000)] | None
"""As it was typed: 1.0 is neither true nor 1."""


class RiskAssessmentIn(ActIn):
    """An assessment of the risk to one potential victim, by the tool in use (H5.2)."""

    potential_victim_id: UUID
    tool: Line = Field(examples=["DASH"])
    tool_version: Line = Field(examples=["2009"])
    answers: dict[Question, Answer] = Field(
        max_length=200, description="Question to answer, in the tool's own codes.", examples=[{"1": True, "27": "No"}]
    )
    score: StrictInt | None = Field(None, ge=0, le=1_000)
    tool_grade: Grade = Field(description="What the tool gives.")
    risk: GradeIn = Field(description="What the assessor finds, by professional judgement.")
    override_reason: Narrative | None = Field(None, description="Needed exactly where the two grades differ.")
    options_considered: Narrative = Field(description="Powers and options considered (national decision model, H2.6).")
    agency_checks_considered: Narrative
    signed_off: StrictBool = Field(
        description="Signed by the assessor, who is the person recording; only then it counts."
    )

    @model_validator(mode="after")
    def _override_has_its_reason(self) -> Self:
        if (self.risk.grade is not self.tool_grade) != (self.override_reason is not None):
            raise ValueError("Give override_reason where your grade differs from the tool's, and only there.")
        return self


class RiskAssessmentView(ActView):
    """An assessment of the risk to one potential victim."""

    of: ClassVar = RiskAssessment

    potential_victim_id: UUID
    tool: str
    tool_version: str
    answers: dict[str, Answer]
    score: int | None
    tool_grade: Grade
    grade: Grade
    override_reason: str | None
    options_considered: str
    agency_checks_considered: str
    signed_off: bool
    risk_grade_id: UUID
