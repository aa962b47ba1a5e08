"""Meetings, decisions, authorities and actions as they come in, and what other stages ask of the forum."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.cases.schemas import ActIn
from app.categorisation.terms import Category
from app.forum.terms import (
    ActionOutcome,
    Attendance,
    MeetingKind,
    Monitoring,
    OffenderScheme,
    Verdict,
)
from app.people.schemas import Day, Form, Line, Narrative

_ONE_RECIPIENT = "Give recipient_id, or recipient_described for one who is no party: one of the two."


@dataclass(frozen=True)
class StandingDecision:
    """What holds for one potential victim: the forum's decision, or until it the emergency authority (H6.8).

    `pressing_need` and `proportionate`: whether the limb is found, with reasons. A decision not to disclose stands
    from its confirmation; any other has `confirmed_at` equal to `decided_at`.
    """

    id: UUID
    potential_victim_id: UUID
    source: Literal["forum", "emergency"]
    disclose: bool
    category: Category
    police_conclude_necessary: bool
    pressing_need: bool
    proportionate: bool
    recipient_id: UUID | None
    recipient_described: str | None
    subject_to_be_told: bool
    consult_offender_manager: bool
    decided_at: datetime
    confirmed_at: datetime | None


@dataclass(frozen=True)
class ForumFacts:
    """What the forum still owes a case: `undecided` counts potential victims without a standing forum decision.

    `uncategorised` counts those of them that have neither a police category nor an emergency authority.
    """

    on_agenda_of: date | None
    undecided: int
    awaiting_confirmation: int
    representations_not_considered: int
    uncategorised: int


class MeetingIn(Form):
    """A meeting, its chair and its members. Between meetings: extraordinary or virtual, with the same quorum (H6.7)."""

    held_on: Day
    kind: MeetingKind = MeetingKind.SCHEDULED
    is_marac: StrictBool = False
    chair_id: UUID
    members: list[UUID] = Field([], max_length=60, description="Staff ids; the chair is a member without being named.")


class MemberAttendanceIn(Form):
    """One member's attendance; somebody not listed yet is listed by it."""

    staff_id: UUID
    attendance: Attendance


class AttendanceIn(Form):
    """Who is there. It may be sent again: the newest holds."""

    members: list[MemberAttendanceIn] = Field(min_length=1, max_length=60)


class AgendaIn(Form):
    """A case for the agenda."""

    case_id: UUID


class TakenOffIn(Form):
    """Why the case leaves the agenda undecided."""

    reason: Narrative


class MinutesIn(ActIn):
    """The minutes of an item."""

    minutes: Narrative


class ConflictIn(ActIn):
    """A member's conflict of interest; the member leaves the item."""

    staff_id: UUID
    reason: Narrative


class PoliceConclusionIn(Form):
    """Whether the police conclude disclosure to be necessary to protect this potential victim from crime (H6.3)."""

    potential_victim_id: UUID
    necessary: StrictBool
    reasons: Narrative


class DeliveryIn(Form):
    """How it is told: agency and person, preferably in person, at a safe place and time (H6.3)."""

    agency: Line = Field(examples=["police", "idva"])
    person: Line = Field(examples=["Public protection officer with the IDVA"])
    in_person: StrictBool = True
    not_in_person_because: Narrative | None = None
    place: Line
    time: Line

    @model_validator(mode="after")
    def _in_person_or_why_not(self) -> Self:
        if not self.in_person and self.not_in_person_because is None:
            raise ValueError("It is told in person, or not_in_person_because says why not.")
        return self


class AlreadyManagedIn(Form):
    """The management that the subject is already under (H6.5)."""

    scheme: OffenderScheme
    category: Line
    level: Line
    lead_agency: Line


class OffenderManagementIn(Form):
    """Offender management as considered, whatever the decision (H6.5)."""

    considered: Narrative = Field(description="MAPPA, IOM and MATAC: referred to or not, and why.")
    referred_to: list[OffenderScheme] = Field([], max_length=len(OffenderScheme))
    monitoring: Monitoring
    follow_up: Narrative
    already_managed: AlreadyManagedIn | None = None
    words_for_manager: Narrative | None = Field(
        None, description="Where the subject is managed: what the manager is asked, without revealing an applicant."
    )


class DecisionIn(Form):
    """What the forum decides for one potential victim, in the order of H6.3."""

    potential_victim_id: UUID
    category: Category
    pressing_need: Narrative | None = None
    proportionate: Narrative | None = Field(
        None, description="Why the interference is necessary and proportionate, weighing the consequences of either."
    )
    disclose: StrictBool
    reasons: Narrative
    what: Narrative | None = None
    recipient_id: UUID | None = Field(None, description="A party of the case.")
    recipient_described: Line | None = Field(None, description="Whoever is best placed and is no party of the case.")
    delivery: DeliveryIn | None = None
    subject_to_be_told: StrictBool = False
    words_for_subject: Narrative | None = None
    further_safeguarding: Narrative
    offender_management: OffenderManagementIn
    dissent: Narrative | None = Field(None, description="Minuted where a member disagrees.")

    @model_validator(mode="after")
    def _to_one(self) -> Self:
        if self.recipient_id is not None and self.recipient_described is not None:
            raise ValueError(_ONE_RECIPIENT)
        return self


class ConfirmationIn(Form):
    """The second person's answer to a decision not to disclose (H6.4)."""

    verdict: Verdict
    reasons: Narrative


class ReturnIn(Form):
    """Whose decisions go back to the forum, and why."""

    potential_victim_ids: list[UUID] = Field(min_length=1, max_length=20)
    reason: Narrative


class EmergencyAuthorityIn(Form):
    """An emergency authority for one potential victim (H6.8)."""

    potential_victim_id: UUID
    concern: Narrative = Field(description="The finding that the potential victim is at risk of harm.")
    police_conclude_necessary: Narrative = Field(description="Why the police conclude that it is necessary.")
    pressing_need: Narrative
    proportionate: Narrative
    representations: Narrative = Field(description="Representations as considered, and why not sought.")
    open_checks_accepted: list[Line] = Field([], max_length=40, description="Systems whose answer is still open.")
    why_it_cannot_wait: Narrative
    what: Narrative
    recipient_id: UUID | None = None
    recipient_described: Line | None = None
    delivery: DeliveryIn
    already_managed: AlreadyManagedIn | None = None

    @model_validator(mode="after")
    def _to_one(self) -> Self:
        if (self.recipient_id is None) == (self.recipient_described is None):
            raise ValueError(_ONE_RECIPIENT)
        return self


class ActionIn(ActIn):
    """An action with its owner and due date (H6.2)."""

    owner_staff_id: UUID | None = None
    owner_agency: Line | None = Field(None, examples=["probation"])
    what: Narrative
    due_on: Day

    @model_validator(mode="after")
    def _owned(self) -> Self:
        if self.owner_staff_id is None and self.owner_agency is None:
            raise ValueError("An action has an owner: give owner_staff_id or owner_agency.")
        return self


class ActionAnswerIn(ActIn):
    """What became of an action: done, or why not (H6.2)."""

    outcome: ActionOutcome
    note: Narrative
