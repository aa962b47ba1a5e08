"""Meetings, decisions, authorities and actions as they go out."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from app.categorisation.terms import Category
from app.forum.tables import (
    ConflictOfInterest,
    DecisionReturn,
    EmergencyAuthority,
    ForumAction,
    ForumDecision,
    ForumMinutes,
    PoliceConclusion,
)
from app.forum.terms import ActionOutcome, Attendance, ItemEnd, MeetingKind, Monitoring, OffenderScheme, Verdict
from app.people.schemas import View
from app.process import Stage
from app.safeguarding.schemas import ActView


class MemberView(View):
    """A member of a meeting."""

    staff_id: UUID
    name: str
    agency: str
    attendance: Attendance | None


class AgendaItemView(View):
    """A case on an agenda."""

    id: UUID
    case_id: UUID
    reference: str
    opened_at: datetime
    ended_at: datetime | None
    ended_because: ItemEnd | None
    ended_reason: str | None


class MeetingSummary(View):
    """A meeting."""

    id: UUID
    held_on: date
    kind: MeetingKind
    is_marac: bool
    chair_id: UUID


class MeetingView(MeetingSummary):
    """A meeting with its members and the items that the reader may see."""

    members: list[MemberView]
    agenda: list[AgendaItemView]


class PersonAtItem(View):
    """A person as far as the item needs it."""

    is_a_person: ClassVar = True

    party_id: UUID
    given_names: str | None
    surname: str | None
    born: date | None


class PotentialVictimAtItem(PersonAtItem):
    """A potential victim with what the decision rests on."""

    relationship: str | None
    police_category: Category | None
    representations_considered: bool
    safety_plan_current: bool
    police_conclude_necessary: bool | None


class ItemView(AgendaItemView):
    """What members need to decide, and no more: nobody is shown as having asked (H2.7)."""

    not_to_be_revealed: str
    stage: Stage
    subject: PersonAtItem | None
    potential_victims: list[PotentialVictimAtItem]
    children: list[PersonAtItem]
    agencies_missing: list[str]


class MinutesView(ActView):
    """Minutes."""

    of: ClassVar = ForumMinutes

    minutes: str


class ConflictView(ActView):
    """A conflict of interest."""

    of: ClassVar = ConflictOfInterest

    staff_id: UUID
    reason: str


class PoliceConclusionView(ActView):
    """What the police conclude, by whom."""

    of: ClassVar = PoliceConclusion

    potential_victim_id: UUID
    necessary: bool
    reasons: str


class DeliveryView(View):
    """How it is told."""

    agency: str
    person: str
    in_person: bool
    not_in_person_because: str | None
    place: str
    time: str


class AlreadyManagedView(View):
    """Management that the subject is under."""

    scheme: OffenderScheme
    category: str
    level: str
    lead_agency: str


class OffenderManagementView(View):
    """Offender management as considered."""

    considered: str
    referred_to: list[OffenderScheme]
    monitoring: Monitoring
    follow_up: str
    already_managed: AlreadyManagedView | None
    words_for_manager: str | None


class DecisionView(ActView):
    """A decision of the forum."""

    of: ClassVar = ForumDecision

    item_id: UUID
    potential_victim_id: UUID
    category: Category
    police_conclude_necessary: bool
    pressing_need: str | None
    proportionate: str | None
    disclose: bool
    reasons: str
    what: str | None
    recipient_id: UUID | None
    recipient_described: str | None
    delivery: DeliveryView | None
    subject_to_be_told: bool
    words_for_subject: str | None
    further_safeguarding: str
    offender_management: OffenderManagementView
    dissent: str | None


class ConfirmationView(ActView):
    """The second person's answer."""

    decision_id: UUID
    verdict: Verdict
    reasons: str


class ReturnView(ActView):
    """A potential victim who went back to the forum, with the decision that stood, if one did."""

    of: ClassVar = DecisionReturn

    decision_id: UUID | None
    potential_victim_id: UUID
    reason: str


class EmergencyGrounds(ActView):
    """What an emergency authority rests on, and what it lets be told (H6.8)."""

    of: ClassVar = EmergencyAuthority

    potential_victim_id: UUID
    rank: str
    concern: str
    police_conclude_necessary: str
    pressing_need: str
    proportionate: str
    representations: str
    open_checks_accepted: list[str]
    why_it_cannot_wait: str
    what: str
    recipient_described: str | None
    already_managed: AlreadyManagedView | None


class EmergencyAuthorityView(EmergencyGrounds):
    """An emergency authority."""

    recipient_id: UUID | None
    delivery: DeliveryView


class ActionView(ActView):
    """An action."""

    of: ClassVar = ForumAction

    item_id: UUID
    case_id: UUID
    owner_staff_id: UUID | None
    owner_agency: str | None
    what: str
    due_on: date


class OpenActionView(ActionView):
    """An action still owed."""

    overdue: bool


class ActionAnswerView(ActView):
    """What became of an action."""

    action_id: UUID
    outcome: ActionOutcome
    note: str
