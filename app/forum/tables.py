"""Meetings, members, agenda, conflicts, conclusions, decisions, confirmations, actions, emergency authorities.

A meeting belongs to a force and names no case; whatever tells of a case is a row of that case. Where "the newest
holds", `position` orders rows recorded at one instant; it is never shown.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.categorisation.terms import Category
from app.evidence.sealed import sealed
from app.forum.terms import ActionOutcome, Attendance, ItemEnd, MeetingKind, Verdict
from app.storage.base import Act, CaseRow, case_constraints, check, text_enum


class ForumMeeting(SQLModel, table=True):
    """A meeting of the forum, scheduled or between meetings (H6.2, H6.7)."""

    __tablename__ = "forum_meeting"
    __table_args__ = (Index("ix_forum_meeting_force", "force_id", "held_on"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    force_id: str = Field(foreign_key="force.id")
    held_on: date
    kind: MeetingKind = Field(sa_type=text_enum(MeetingKind, "kind"))
    is_marac: bool
    chair_id: UUID = Field(foreign_key="staff_member.id")
    arranged_at: datetime
    arranged_by: UUID = Field(foreign_key="staff_member.id")


class ForumMember(SQLModel, table=True):
    """Who sits at a meeting, and from which agency: the agency is the account's own, never typed."""

    __tablename__ = "forum_member"

    meeting_id: UUID = Field(primary_key=True, foreign_key="forum_meeting.id")
    staff_id: UUID = Field(primary_key=True, foreign_key="staff_member.id", index=True)
    agency: str
    listed_at: datetime
    listed_by: UUID = Field(foreign_key="staff_member.id")


class ForumAttendance(SQLModel, table=True):
    """Whether a member was there; the newest holds."""

    __tablename__ = "forum_attendance"
    __table_args__ = (
        ForeignKeyConstraint(
            ["meeting_id", "staff_id"],
            ["forum_member.meeting_id", "forum_member.staff_id"],
            name="fk_forum_attendance_member",
        ),
        Index("ix_forum_attendance_meeting", "meeting_id"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    meeting_id: UUID
    staff_id: UUID
    attendance: Attendance = Field(sa_type=text_enum(Attendance, "attendance"))
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")


class AgendaItem(CaseRow, table=True):
    """A case on the agenda of a meeting, on one at a time."""

    __tablename__ = "agenda_item"
    __table_args__ = case_constraints(
        "agenda_item",
        Index("ix_agenda_item_meeting", "meeting_id"),
        Index("uq_agenda_item_open", "case_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        check("(ended_at IS NULL) = (ended_because IS NULL)", "ended_has_reason"),
    )

    meeting_id: UUID = Field(foreign_key="forum_meeting.id")
    opened_at: datetime
    opened_by: UUID = Field(foreign_key="staff_member.id")
    ended_at: datetime | None = None
    ended_because: ItemEnd | None = Field(default=None, sa_type=text_enum(ItemEnd, "ended_because"))
    ended_reason: str | None = None
    """Why it was taken off."""


class ForumMinutes(Act, table=True):
    """The minutes of one item. What was said of a case is the case's own, and goes where it goes."""

    __tablename__ = "forum_minutes"
    __table_args__ = case_constraints("forum_minutes")

    item_id: UUID = Field(foreign_key="agenda_item.id", index=True)
    minutes: str


class ConflictOfInterest(Act, table=True):
    """A member is conflicted on an item and leaves it (H6.2)."""

    __tablename__ = "conflict_of_interest"
    __table_args__ = case_constraints("conflict_of_interest")

    item_id: UUID = Field(foreign_key="agenda_item.id", index=True)
    staff_id: UUID = Field(foreign_key="staff_member.id")
    reason: str


class PoliceConclusion(Act, table=True):
    """What the police member, `recorded_by`, says that the police conclude of one potential victim (H6.3)."""

    __tablename__ = "police_conclusion"
    __table_args__ = case_constraints("police_conclusion", party="potential_victim_id")

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    item_id: UUID = Field(foreign_key="agenda_item.id", index=True)
    potential_victim_id: UUID
    necessary: bool
    reasons: str = sealed("police_conclusion.reasons")


def _recipient(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["recipient_id", "case_id"], ["party.id", "party.case_id"], name=f"fk_{table}_recipient_id"
    )


_WHOLE_DISCLOSURE = (
    "pressing_need_sealed IS NOT NULL AND proportionate_sealed IS NOT NULL AND what_sealed IS NOT NULL "
    "AND delivery_sealed IS NOT NULL "
    "AND num_nonnulls(recipient_id, recipient_described_sealed) = 1"
)


class ForumDecision(Act, table=True):
    """What the forum decided for one potential victim (H6.3). It stands unless refused or returned."""

    __tablename__ = "forum_decision"
    __table_args__ = case_constraints(
        "forum_decision",
        _recipient("forum_decision"),
        check(
            f"NOT disclose OR (category = 'concern' AND police_conclude_necessary AND {_WHOLE_DISCLOSURE})",
            "disclosure_is_whole",
        ),
        check("NOT police_conclude_necessary OR police_conclusion_id IS NOT NULL", "conclusion_by_name"),
        check("NOT subject_to_be_told OR words_for_subject_sealed IS NOT NULL", "words_settled"),
        check("NOT subject_to_be_told OR disclose", "subject_told_of_disclosure_only"),
        party="potential_victim_id",
    )

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    item_id: UUID = Field(foreign_key="agenda_item.id", index=True)
    potential_victim_id: UUID
    category: Category = Field(sa_type=text_enum(Category, "category"))
    police_conclusion_id: UUID | None = Field(default=None, foreign_key="police_conclusion.id")
    police_conclude_necessary: bool
    pressing_need: str | None = sealed("forum_decision.pressing_need", default=None)
    proportionate: str | None = sealed("forum_decision.proportionate", default=None)
    disclose: bool
    reasons: str = sealed("forum_decision.reasons")
    what: str | None = sealed("forum_decision.what", default=None)
    recipient_id: UUID | None = None
    recipient_described: str | None = sealed("forum_decision.recipient_described", default=None)
    delivery: dict[str, Any] | None = sealed("forum_decision.delivery", as_json=True, default=None)
    subject_to_be_told: bool
    words_for_subject: str | None = sealed("forum_decision.words_for_subject", default=None)
    further_safeguarding: str = sealed("forum_decision.further_safeguarding")
    consult_offender_manager: bool
    """The subject is managed already: the manager is consulted before delivery (H6.5)."""
    offender_management: dict[str, Any] = sealed("forum_decision.offender_management", as_json=True)
    dissent: str | None = sealed("forum_decision.dissent", default=None)


class DecisionConfirmation(Act, table=True):
    """The second person on a decision not to disclose (H6.4)."""

    __tablename__ = "decision_confirmation"
    __table_args__ = case_constraints("decision_confirmation", UniqueConstraint("decision_id"))

    decision_id: UUID = Field(foreign_key="forum_decision.id")
    verdict: Verdict = Field(sa_type=text_enum(Verdict, "verdict"))
    reasons: str = sealed("decision_confirmation.reasons")


class DecisionReturn(Act, table=True):
    """A potential victim on whom the forum decides again; the decision that stood, if one did, no longer stands."""

    __tablename__ = "decision_return"
    __table_args__ = case_constraints("decision_return", UniqueConstraint("decision_id"), party="potential_victim_id")

    decision_id: UUID | None = Field(default=None, foreign_key="forum_decision.id")
    """Empty for somebody on whom the forum had decided nothing yet."""
    potential_victim_id: UUID
    reason: str = sealed("decision_return.reason")


class EmergencyAuthority(Act, table=True):
    """Leave to disclose before the forum can sit (H6.8). `rank` is the authoriser's on that day."""

    __tablename__ = "emergency_authority"
    __table_args__ = case_constraints(
        "emergency_authority",
        _recipient("emergency_authority"),
        check("num_nonnulls(recipient_id, recipient_described_sealed) = 1", "has_recipient"),
        party="potential_victim_id",
    )

    position: int = Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], nullable=False)
    potential_victim_id: UUID
    rank: str
    concern: str = sealed("emergency_authority.concern")
    police_conclude_necessary: str = sealed("emergency_authority.police_conclude_necessary")
    pressing_need: str = sealed("emergency_authority.pressing_need")
    proportionate: str = sealed("emergency_authority.proportionate")
    representations: str = sealed("emergency_authority.representations")
    open_checks_accepted: list[str] = sealed("emergency_authority.open_checks_accepted", as_json=True)
    why_it_cannot_wait: str = sealed("emergency_authority.why_it_cannot_wait")
    what: str = sealed("emergency_authority.what")
    recipient_id: UUID | None = None
    recipient_described: str | None = sealed("emergency_authority.recipient_described", default=None)
    delivery: dict[str, Any] = sealed("emergency_authority.delivery", as_json=True)
    already_managed: dict[str, Any] | None = sealed("emergency_authority.already_managed", as_json=True, default=None)


class ForumAction(Act, table=True):
    """Something that a member or an agency is to do by a day (H6.2)."""

    __tablename__ = "forum_action"
    __table_args__ = case_constraints(
        "forum_action",
        check("num_nonnulls(owner_staff_id, owner_agency) > 0", "has_owner"),
    )

    item_id: UUID = Field(foreign_key="agenda_item.id", index=True)
    owner_staff_id: UUID | None = Field(default=None, foreign_key="staff_member.id")
    owner_agency: str | None = None
    what: str
    due_on: date


class ForumActionAnswer(Act, table=True):
    """What became of an action; one that an agency did not do stays owed."""

    __tablename__ = "forum_action_answer"
    __table_args__ = case_constraints("forum_action_answer")

    action_id: UUID = Field(foreign_key="forum_action.id", index=True)
    owner_staff_id: UUID | None = Field(default=None, foreign_key="staff_member.id")
    """The action's owner, who goes on reading it (row-level security compares it where it stands)."""
    outcome: ActionOutcome = Field(sa_type=text_enum(ActionOutcome, "outcome"))
    note: str
