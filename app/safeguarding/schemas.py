"""Safeguarding as it comes in and goes out."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt

from app.cases.schemas import ActIn, GradeIn
from app.editions.terms import ClockKind
from app.people.schemas import Day, Form, Line, MaskedView, Narrative, OfContact, RowView, SaysWhoApplied
from app.safeguarding.tables import ContactAttempt, CrimeReference, Duty, InterimPlan, SafeguardingAction, SafetyPlan
from app.safeguarding.terms import ContactOutcome, DutyKind


@dataclass(frozen=True)
class Plan:
    """What the rules ask of a safety plan."""

    occurred_at: datetime
    review_on: date


@dataclass(frozen=True)
class Meanwhile:
    """What the rules ask of an interim plan."""

    clocks: frozenset[ClockKind]
    review_on: date


class ContactAttemptIn(ActIn):
    """Somebody was tried, reached or not. Use the safe means and times of the case file (H2.1)."""

    party_id: UUID
    means: Line = Field(examples=["Telephone, agreed number"])
    outcome: ContactOutcome
    note: Narrative | None = None
    crime_alleged: StrictBool = Field(False, description="A crime was alleged in it: opens the crime duty (H2.3).")


class SafeguardingActionIn(ActIn):
    """Something done at once to make a person safe (H2.4)."""

    party_id: UUID | None = None
    action: Narrative
    done_by: Line = Field(examples=["Response officer, own force"])


class SafetyPlanIn(ActIn):
    """A safety plan for one potential victim, or its review: the newest holds."""

    potential_victim_id: UUID
    plan: Narrative
    review_on: Day


class InterimPlanIn(ActIn):
    """The interim safeguarding and communication plan for one potential victim of a late case (H2.6, H10.6)."""

    potential_victim_id: UUID
    clocks: list[ClockKind] = Field(
        min_length=1,
        max_length=len(ClockKind),
        description="The limits that it answers: past, or about to be.",
    )
    keeps_safe: Narrative = Field(description="What keeps her safe until the duty is done.")
    contact: Narrative = Field(description="How she is kept in touch with, by the safe means, and by whom.")
    contact_every_days: StrictInt = Field(ge=1, le=28, description="How often, at the least.")
    review_on: Day


class DeviationIn(ActIn):
    """A limit was not or will not be kept, because of exceptional circumstances; the clock does not move (H10.6)."""

    clock: ClockKind
    reason: Narrative
    circumstances: Narrative = Field(description="What is exceptional about them.")


class DeviationAnswerIn(Form):
    """Whether a supervisor authorises a deviation, and why."""

    authorises: StrictBool
    reason: Narrative


class CrimeReferenceIn(ActIn):
    """The crime record made; it answers every open crime duty of the case (H2.3)."""

    reference: Line = Field(examples=["42/123456/26"])
    note: Narrative | None = None


class DutyAnswerIn(Form):
    """How a duty was met, or why it need not be."""

    answer: Narrative


class RegradeIn(ActIn, GradeIn):
    """A new grade for the case, or for one potential victim."""

    potential_victim_id: UUID | None = None


class DutyView(MaskedView, RowView):
    """Something owed."""

    of: ClassVar = Duty

    id: UUID
    kind: DutyKind
    code: Annotated[str | None, SaysWhoApplied]
    says: Annotated[str | None, SaysWhoApplied]
    rule: str
    potential_victim_id: UUID | None
    about_id: UUID | None
    opened_at: datetime
    answered_at: datetime | None
    answered_by: UUID | None
    answer: Annotated[str | None, SaysWhoApplied]


class OwedView(DutyView):
    """A duty with the case that it is owed in."""

    case_id: UUID
    reference: str
    assigned_to: UUID | None


class ActView(RowView):
    """What every act shows: when it happened, when it was recorded, and by whom."""

    id: UUID
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: UUID


class ContactAttemptView(MaskedView, ActView):
    """An attempt to reach somebody."""

    of: ClassVar = ContactAttempt

    party_id: Annotated[UUID | None, OfContact]
    means: Annotated[str | None, OfContact]
    outcome: ContactOutcome
    note: Annotated[str | None, OfContact]


class SafeguardingActionView(ActView):
    """An action taken."""

    of: ClassVar = SafeguardingAction

    party_id: UUID | None
    action: str
    done_by: str


class SafetyPlanView(ActView):
    """A safety plan."""

    of: ClassVar = SafetyPlan

    potential_victim_id: UUID
    plan: str
    review_on: date


class InterimPlanView(MaskedView, ActView):
    """An interim safeguarding and communication plan."""

    of: ClassVar = InterimPlan

    potential_victim_id: UUID
    clocks: list[ClockKind]
    keeps_safe: str
    contact: Annotated[str | None, OfContact]
    contact_every_days: int
    review_on: date


class CrimeReferenceView(ActView):
    """A crime record."""

    of: ClassVar = CrimeReference

    reference: str
    note: str | None
