"""The case file: one read that answers who, where, how urgent, how long, what next, who may, what blocks."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.access.rules import Permission, Role
from app.access.subject_access import NOT_TO_BE_RELEASED
from app.cases.schemas import CaseHeader, FlagView, GradeView, PartyView
from app.cases.tables import Grade
from app.categorisation.schemas import (
    CategorisationView,
    ReferralView,
    RepresentationsAnswerView,
    RepresentationsView,
)
from app.categorisation.terms import Category
from app.deadlines.schemas import ClockView
from app.disclosure.terms import ConcludedAs, Handling, ItemKind
from app.forum.views import EmergencyGrounds
from app.people.schemas import MaskedView, OfApplicant, SaysWhoApplied, TellsRoute, View
from app.safeguarding.schemas import DutyView, SafetyPlanView


class NextStep(View):
    """Something that may or must happen next, who may do it, and what stands against it."""

    action: str = Field(examples=["decide_initially"])
    does: str = Field(examples=["Decide whether the application is progressed."])
    kind: Literal["act", "decision"]
    method: Literal["POST"] = "POST"
    path: str
    permission: Permission
    who: list[Role]
    you_may: bool
    due_at: datetime | None = None
    blocked_by: list[FlagView] = Field([], description="Empty: it can be done now.")


class PartiesView(MaskedView):
    """Who is in the case, as far as the reader may know (H2.7)."""

    subject: PartyView | None
    potential_victims: list[PartyView]
    applicant: Annotated[PartyView | None, OfApplicant]
    other_applicants: Annotated[list[PartyView], OfApplicant] = Field(
        description="Who asked later about the same people (H3.5)."
    )
    children: list[PartyView]


class DecisionView(View):
    """The decision that stands for a potential victim: the forum's, or an emergency authority until it decides."""

    id: UUID
    source: Literal["forum", "emergency"]
    disclose: bool
    category: Category
    decided_at: datetime
    confirmed_at: datetime | None


class VictimStanding(View):
    """Where the case stands for one potential victim: category, decision and delivery are kept for each (H1.1)."""

    potential_victim_id: UUID
    police_category: Category | None
    decision: DecisionView | None
    concluded_as: Annotated[ConcludedAs | None, TellsRoute]
    concluded_at: Annotated[datetime | None, TellsRoute]


class FollowedBy(View):
    """A later case that follows this one."""

    id: UUID
    reference: str
    because: str


class CaseFile(CaseHeader):
    """Everything that decides what happens next, in one read."""

    handling: str = f"Who applied, or that anybody did, is never revealed to the subject. {NOT_TO_BE_RELEASED}."
    urgent: bool
    assigned_name: str | None
    parties: PartiesView
    victims: list[VictimStanding]
    clocks: list[ClockView]
    late: bool = Field(description="Some clock is or was breached.")
    risk: list[GradeView] = Field(description="The newest grade for the case and for each potential victim.")
    duties: Annotated[list[DutyView], TellsRoute] = Field(description="What is owed and not answered yet.")
    what_next: Annotated[list[NextStep], TellsRoute]
    blocks_closing: Annotated[list[FlagView], TellsRoute]
    followed_by: Annotated[list[FollowedBy], TellsRoute]


class EventView(MaskedView):
    """One thing that happened."""

    position: int = Field(exclude=True)
    id: UUID
    occurred_at: datetime
    recorded_at: datetime
    recorded_by: str
    kind: str
    sentence: Annotated[str | None, SaysWhoApplied]
    about_id: UUID | None


class Colleague(View):
    """A member of staff of the own force, or of an agency that sits with it."""

    id: UUID
    name: str
    agency_id: str | None
    rank: str | None
    roles: list[str]


class AssessmentAtItem(View):
    """What the newest assessment that is signed off found, and why; not the answers that somebody gave to it."""

    id: UUID
    occurred_at: datetime
    recorded_by: UUID
    tool: str
    tool_version: str
    score: int | None
    tool_grade: Grade
    grade: Grade
    reason: str
    override_reason: str | None
    options_considered: str
    agency_checks_considered: str


class EmergencyAtItem(MaskedView, EmergencyGrounds):
    """An emergency authority as the forum reviews it (H6.8). Where and how it is told is not among it."""

    recipient_id: Annotated[UUID | None, OfApplicant] = Field(description="It may be a third party who asked.")


class PreparedItem(View):
    """Something that may be told, as it stands today (H7.3, H7.8)."""

    id: UUID
    kind: ItemKind
    text: str
    owner: str
    owned_elsewhere: bool
    handling: Handling
    owner_agreed: bool
    spent_today: bool
    becomes_spent_on: date | None
    spent_authorised: bool


class VictimPapers(View):
    """What is decided on for one potential victim: the newest of each, or nothing where there is none."""

    potential_victim_id: UUID
    categorisation: CategorisationView | None
    risk_assessment: AssessmentAtItem | None
    safety_plan: SafetyPlanView | None
    emergency_authority: EmergencyAtItem | None


class ItemPapers(View):
    """The papers of an item: what the forum decides on (H6.3). The item says who it is about and what is missing, the
    case file the newest grades of risk.
    """

    not_to_be_revealed: str
    referral: ReferralView | None
    potential_victims: list[VictimPapers]
    representations: list[RepresentationsView] = Field(description="Without a potential victim: for each of them.")
    representations_answers: list[RepresentationsAnswerView]
    representations_awaited: bool = Field(description="The subject was asked, and no answer is recorded yet (H5.5).")
    prepared_items: list[PreparedItem] = Field(description="What may be told; the newest wording of each.")
    prepared_items_kept_back: int = Field(
        description="As they are worded, these identify an earlier victim or a source, and cannot be told (H7.8)."
    )
