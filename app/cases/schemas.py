"""What acts, decisions and cases look like at the door."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.access.tables import AccessKind
from app.cases.tables import Grade, LinkKind, PartyRole, RiskGrade
from app.editions.terms import Outcome, Route
from app.errors import Obstacle
from app.people.schemas import (
    Form,
    Line,
    MaskedView,
    Moment,
    Narrative,
    OfApplicant,
    PersonView,
    RowView,
    SaysWhoApplied,
    Sentence,
    TellsRoute,
    View,
)
from app.process import Stage


class ActIn(Form):
    """A fact that happened. Left out, `occurred_at` is now; it is never in the future (H10.7)."""

    occurred_at: Moment | None = Field(
        None,
        description="When it happened, with a UTC offset.",
        examples=["2026-05-04T16:40:00+01:00"],
    )


class GradeIn(Form):
    """A grade of risk, whether harm is immediate or imminent, and why (H2.6)."""

    grade: Grade
    immediate: StrictBool = False
    reason: Narrative


class AssignmentIn(Form):
    """Who is to hold the case, and why it goes to them."""

    staff_id: UUID
    reason: Narrative


@dataclass(frozen=True)
class Recorded:
    """What a service made: the row's id, what was flagged about it, the case that it opened.

    For a disclosure, `recipient` is the party told, or the record itself where that describes one who is no party.
    """

    id: UUID
    flags: tuple[Obstacle, ...] = ()
    recipient: UUID | None = None
    opened: UUID | None = None
    erased: bool = False
    """Whether it erased what the case held (H12.2)."""


@dataclass(frozen=True)
class Parties:
    """The parties of a case with their persons."""

    subject: "PartyView | None" = None
    potential_victims: tuple["PartyView", ...] = ()
    applicant: "PartyView | None" = None
    other_applicants: tuple["PartyView", ...] = ()
    """Third parties who asked after the first applicant did: their contacts joined the case (H3.5)."""
    children: tuple["PartyView", ...] = field(default=())

    @property
    def applicant_is_potential_victim(self) -> bool:
        """Whether the person who asks is a potential victim."""
        return self.applicant is not None and self.applicant.role is PartyRole.POTENTIAL_VICTIM

    @property
    def everyone(self) -> tuple["PartyView", ...]:
        """All parties once each."""
        third_party = () if self.applicant is None or self.applicant_is_potential_victim else (self.applicant,)
        subject = () if self.subject is None else (self.subject,)
        return (*subject, *self.potential_victims, *third_party, *self.other_applicants, *self.children)


class PartyView(View):
    """A person's part in a case."""

    id: UUID
    role: PartyRole
    is_applicant: Annotated[bool | None, OfApplicant]
    relationship: str | None
    relationship_ended: bool | None
    connection: str | None
    police_employment: str | None
    person: PersonView


class FlagView(View):
    """Something put before a supervisor: what rule was not met."""

    code: Annotated[str | None, SaysWhoApplied]
    says: Annotated[str | None, SaysWhoApplied]
    rule: str


class Receipt(MaskedView):
    """Answer to every act and decision: what was kept, where the case stands, what a supervisor will see."""

    id: UUID = Field(description="Of the row that was made.")
    case_id: UUID
    reference: str
    stage: Stage
    version: int = Field(description="Send it as If-Match with the next decision.")
    opened_case_id: UUID | None = Field(None, description="The linked case that this opened.")
    put_before_supervisor: list[FlagView] = []


class AssignmentView(View):
    """Who held the case from when."""

    id: UUID
    staff_id: UUID
    staff_name: str
    reason: str
    occurred_at: datetime


class AccessIn(Form):
    """One person who is allowed to see a restricted case, or is excluded from a case, and why (H2.8)."""

    staff_id: UUID
    kind: AccessKind
    reason: Narrative


class AccessEndIn(Form):
    """Why an entry ends."""

    reason: Narrative


class GlassIn(Form):
    """Which case, by its id or its reference, and why it cannot wait for somebody who may open it."""

    case_id: UUID | None = None
    reference: Line | None = None
    reason: Annotated[Sentence, Field(description="At least a sentence; others will read it.")]

    @model_validator(mode="after")
    def _names_one_case(self) -> Self:
        if (self.case_id is None) == (self.reference is None):
            raise ValueError("name the case by case_id or by reference")
        return self


class GlassEndIn(Form):
    """Why a broken glass ends before its time."""

    reason: Narrative


class GlassReceipt(View):
    """What is seen from now on, and until when by the clock on the wall."""

    id: UUID
    case_id: UUID
    reference: str
    until: datetime


class GlassView(GlassReceipt):
    """A broken glass, for those who oversee it."""

    staff_id: UUID
    staff_name: str
    staff_force_id: str
    reason: str
    since: datetime
    ended_since: datetime | None
    ended_by: UUID | None
    ended_because: str | None


class AccessView(View):
    """Who is or was allowed or excluded."""

    id: UUID
    staff_id: UUID
    staff_name: str
    kind: AccessKind
    reason: str
    recorded_at: datetime
    recorded_by: UUID
    ended_at: datetime | None
    ended_by: UUID | None
    ended_because: str | None


class GradeView(RowView):
    """A grade of risk as recorded."""

    of: ClassVar = RiskGrade

    id: UUID
    potential_victim_id: UUID | None
    grade: Grade
    immediate: bool
    reason: str
    recorded_by: UUID
    occurred_at: datetime
    recorded_at: datetime


class CaseHeader(MaskedView):
    """The case itself, without its parties."""

    id: UUID
    reference: str
    force_id: str
    route: Annotated[Route | None, TellsRoute]
    stage: Stage
    edition: str
    edition_version: str | None = Field(
        description="The content of the edition when the case was opened: its version and short digest.",
        examples=["1+0f343b093112"],
    )
    version: int
    first_contact_at: datetime | None
    first_contact_recorded_at: datetime | None
    prioritised: Annotated[bool | None, TellsRoute]
    urgent_since: datetime | None
    police_involved: bool
    subject_identified_at: datetime | None
    assigned_to: UUID | None
    outcome: Outcome | None
    closed_at: datetime | None
    follows_id: Annotated[UUID | None, TellsRoute]
    follows_because: Annotated[LinkKind | None, TellsRoute]
