"""Representations, categories and referrals as they come in and go out."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.cases.schemas import ActIn
from app.categorisation.tables import Categorisation, Referral, Representations, RepresentationsAnswer
from app.categorisation.terms import Category, Factor, RepresentationsChoice, RepresentationsOutcome
from app.people.schemas import Form, Narrative, View
from app.safeguarding.schemas import ActView


class RepresentationsIn(Form):
    """Whether the subject is asked for representations, and why or why not (H5.5)."""

    potential_victim_id: UUID | None = Field(None, description="Left out: for every potential victim of the case.")
    choice: RepresentationsChoice
    reason: Narrative = Field(examples=["Not sought: asking would put her in danger before the plan is in place."])
    words: Narrative | None = Field(
        None, description="What the subject is told, settled beforehand; it identifies no applicant (H2.7)."
    )


class RepresentationsAnswerIn(ActIn):
    """What the subject answered."""

    representations_id: UUID | None = Field(
        None, description="What was considered before. Left out where nothing was: the answer is kept, and flagged."
    )
    outcome: RepresentationsOutcome
    answer: Narrative | None = None

    @model_validator(mode="after")
    def _given_is_written(self) -> Self:
        if self.outcome is RepresentationsOutcome.GIVEN and self.answer is None:
            raise ValueError("Representations were given: write them in answer.")
        return self


class FactorIn(Form):
    """One factor of H5.4: present or not, and how the reasons answer it."""

    factor: Factor
    present: StrictBool
    answer: Narrative | None = None


class CategorisationIn(Form):
    """The police category of one potential victim. Factors inform the finding and never compute it (H5.4)."""

    potential_victim_id: UUID
    category: Category
    reasons: Narrative
    risk_of_harm: Narrative | None = Field(
        None, description="For concern: the finding that the potential victim is at risk of harm from the subject."
    )
    factors: list[FactorIn] = Field([], max_length=len(Factor))
    other_information: Narrative | None = Field(
        None, description="For no concern: what else was looked for; no convictions alone never suffices."
    )

    @model_validator(mode="after")
    def _each_factor_once(self) -> Self:
        if len({one.factor for one in self.factors}) != len(self.factors):
            raise ValueError("Give each factor once.")
        return self


class ReferralIn(Form):
    """Why the case goes to the forum now and what the forum should know (H5.3)."""

    note: Narrative


class RepresentationsView(ActView):
    """A consideration of representations."""

    of: ClassVar = Representations

    potential_victim_id: UUID | None
    choice: RepresentationsChoice
    reason: str
    words: str | None


class RepresentationsAnswerView(ActView):
    """The subject's answer."""

    of: ClassVar = RepresentationsAnswer

    representations_id: UUID | None
    outcome: RepresentationsOutcome
    answer: str | None


class FactorView(View):
    """A factor as considered."""

    factor: Factor
    present: bool
    answer: str | None


class CategorisationView(ActView):
    """A police category."""

    of: ClassVar = Categorisation

    potential_victim_id: UUID
    category: Category
    reasons: str
    risk_of_harm: str | None
    factors: list[FactorView]
    other_information: str | None


class ReferralView(ActView):
    """A referral."""

    of: ClassVar = Referral

    note: str
