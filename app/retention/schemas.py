"""Retention as it comes in and goes out."""

from datetime import date, datetime
from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.cases.schemas import ActIn
from app.editions.terms import Mark, Outcome
from app.people.schemas import Day, Form, Line, Narrative, RowView, View
from app.retention.tables import CaseFreeze, Erasure, FreezeLifting, RetentionDecision
from app.retention.terms import FrozenBecause, Verdict


class RetentionDecisionIn(Form):
    """What a review comes to. To erase needs a second person, who agrees or refuses."""

    verdict: Verdict
    ground: Line = Field(description="A code of the schedule that goes with the verdict.", examples=["serious_harm"])
    reason: Narrative
    review_on: Day | None = Field(None, description="The day of the next review, where it is kept.")

    @model_validator(mode="after")
    def _kept_until_a_day(self) -> Self:
        if (self.verdict is Verdict.KEEP) != (self.review_on is not None):
            raise ValueError("Give review_on where the case is kept, and only there.")
        return self


class AgreementIn(Form):
    """The answer of a second person."""

    agrees: StrictBool
    reason: Narrative


class FreezeIn(ActIn):
    """A potential victim died or was gravely hurt, or proceedings need the case: nothing erases it (H12.5)."""

    because: FrozenBecause
    potential_victim_id: UUID | None = Field(None, description="Whom it happened to; needed for death and grave harm.")
    reason: Narrative

    @model_validator(mode="after")
    def _harm_came_to_somebody(self) -> Self:
        if self.because is not FrozenBecause.LEGAL_PROCEEDINGS and self.potential_victim_id is None:
            raise ValueError("Give potential_victim_id: whom it happened to.")
        return self


class LiftingIn(Form):
    """Why a freeze should be lifted; a second person answers."""

    reason: Narrative


class DecisionView(RowView):
    """A decision of a review, and what a second person answered."""

    of: ClassVar = RetentionDecision

    id: UUID
    verdict: Verdict
    ground: str
    reason: str
    review_on: date | None
    recorded_at: datetime
    recorded_by: UUID
    agreed: bool | None = Field(None, description="Empty until a second person answered, and where none is asked.")
    answered_by: UUID | None = None
    answered_at: datetime | None = None
    answer: str | None = None


class LiftingView(RowView):
    """That a freeze be lifted: why it was asked, and what a second person answered."""

    of: ClassVar = FreezeLifting

    id: UUID
    reason: str
    recorded_at: datetime
    recorded_by: UUID
    agreed: bool | None = Field(description="Empty until a second person answered.")
    answered_by: UUID | None
    answered_at: datetime | None
    answer: str | None


class FreezeView(RowView):
    """A freeze, in force until it is lifted by two people."""

    of: ClassVar = CaseFreeze

    id: UUID
    because: FrozenBecause
    potential_victim_id: UUID | None
    reason: str
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: UUID
    lifted_at: datetime | None = None
    lifting_asked_by: UUID | None = Field(None, description="Who asked that it be lifted, where a second is awaited.")
    liftings: list[LiftingView] = Field([], description="Each time that it was asked, oldest first.")


class RetentionDates(View):
    """The group of a closed case and its dates."""

    group_code: str = Field(serialization_alias="group")
    title: str
    source: str
    mark: Mark
    closed_on: date
    keep_years: int
    keep_until: date = Field(description="Nothing is erased before.")
    review_on: date


class RetentionView(View):
    """How long a case is kept and why, its reviews, and what freezes it."""

    case_id: UUID
    dates: RetentionDates | None = Field(description="Empty until the case closes.")
    working: list[str] = Field(description="How the date of the review came about.")
    decisions: list[DecisionView]
    freezes: list[FreezeView]
    frozen: bool


class ReviewDue(View):
    """A case whose review is due. It carries no name."""

    case_id: UUID
    reference: str
    group_code: str = Field(serialization_alias="group")
    outcome: Outcome
    closed_on: date
    review_on: date
    frozen: bool
    awaits_second_person: bool = Field(description="It was decided to erase it, and a second person is to answer.")


class ErasureView(RowView):
    """Proof that a case was recorded, and by whose decision and agreement it was erased (H12.2)."""

    of: ClassVar = Erasure

    case_id: UUID
    reference: str
    outcome: Outcome
    first_contact_at: datetime
    closed_at: datetime
    group_code: str = Field(serialization_alias="group")
    keep_until: date
    decided_by: UUID
    agreed_by: UUID
    erased_at: datetime
