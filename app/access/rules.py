"""Roles and what each may do (H1.3). Pure. A permission is named in the signature of every handler."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Role(StrEnum):
    """The staff of H1.3; the head of public protection stands at the top of the alert ladder (H11)."""

    CONTROL_ROOM = "control_room"
    PUBLIC_PROTECTION_OFFICER = "public_protection_officer"
    PUBLIC_PROTECTION_SUPERVISOR = "public_protection_supervisor"
    HEAD_OF_PUBLIC_PROTECTION = "head_of_public_protection"
    FORUM_MEMBER = "forum_member"
    FORUM_CHAIR = "forum_chair"
    INTELLIGENCE_OFFICER = "intelligence_officer"
    PROFESSIONAL_STANDARDS = "professional_standards"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What one handler lets a person do, in the trade's verbs."""

    OPEN_APPLICATION = "open_application"
    SEND_INFORMATION = "send_information"
    READ_CASE = "read_case"
    READ_RECORDS = "read_records"
    LIST_CASES = "list_cases"
    SEARCH_CASES = "search_cases"
    ASSIGN_CASE = "assign_case"
    LIST_STAFF = "list_staff"
    DECIDE_ACCESS = "decide_access"
    BREAK_GLASS = "break_glass"
    OVERSEE_GLASS = "oversee_glass"
    RECORD_CONTACT = "record_contact"
    RECORD_CHECK = "record_check"
    IDENTIFY_SUBJECT = "identify_subject"
    DECIDE_INITIALLY = "decide_initially"
    RECORD_MEETING = "record_meeting"
    FIND_MALICIOUS = "find_malicious"
    ASSESS_RISK = "assess_risk"
    SAFEGUARD = "safeguard"
    CATEGORISE = "categorise"
    CONSIDER_REPRESENTATIONS = "consider_representations"
    REFER_TO_FORUM = "refer_to_forum"
    WITHDRAW = "withdraw"
    SUPERVISE = "supervise"
    ARRANGE_FORUM = "arrange_forum"
    READ_FORUM = "read_forum"
    READ_PAPERS = "read_papers"
    DECIDE_AT_FORUM = "decide_at_forum"
    RECORD_POLICE_CONCLUSION = "record_police_conclusion"
    UNDERTAKE_FORUM_ACTION = "undertake_forum_action"
    AUTHORISE_EMERGENCY = "authorise_emergency"
    PREPARE_ITEMS = "prepare_items"
    CLEAR_DELIVERY = "clear_delivery"
    RECORD_DELIVERY = "record_delivery"
    READ_VERBATIM = "read_verbatim"
    READ_RECEIPT = "read_receipt"
    OPEN_FOR_COURT = "open_for_court"
    POSTPONE = "postpone"
    WRITE_FINAL_REPORT = "write_final_report"
    RECORD_SUBMISSION = "record_submission"
    CLOSE_CASE = "close_case"
    RETRIEVE_FINAL_REPORTS = "retrieve_final_reports"
    READ_ALERTS = "read_alerts"
    READ_LOG = "read_log"
    READ_CHECKPOINTS = "read_checkpoints"
    ADMINISTER = "administer"
    READ_ACCOUNT_CHANGES = "read_account_changes"
    READ_EDITIONS = "read_editions"
    READ_TASKS = "read_tasks"
    ANSWER_TASK = "answer_task"
    READ_CALENDARS = "read_calendars"
    PROCLAIM_DAY = "proclaim_day"
    FREEZE_CASE = "freeze_case"
    REVIEW_RETENTION = "review_retention"
    ANSWER_SUBJECT_ACCESS = "answer_subject_access"
    SEE_APPLICANT = "see_applicant"
    """Who applied, that somebody other than a potential victim did, and what the applicant said."""
    SEE_ROUTE = "see_route"
    """By which route a case came, and so what is owed in it: that anybody applied at all."""
    SEE_CONTACT = "see_contact"
    """Telephone, email, addresses and safe contact of anybody but the subject, and how people were reached."""
    SEE_SUBJECT_RECORD = "see_subject_record"
    """PNC identifiers, and the subject's addresses, telephone and email."""
    MARK_OF_NOTE = "mark_of_note"


FORUM_ROLES = frozenset({Role.FORUM_MEMBER, Role.FORUM_CHAIR})

P = Permission

STEP_UP = frozenset(
    {P.CLEAR_DELIVERY, P.AUTHORISE_EMERGENCY, P.DECIDE_ACCESS, P.BREAK_GLASS, P.OVERSEE_GLASS, P.REVIEW_RETENTION}
    | {P.ADMINISTER, P.OPEN_FOR_COURT}
)
"""What is gravest to have done in another's name: whoever changes anything by one of these has signed in lately.

Acts in a case are never held up by it (H2.10), nor is reading but for what follows. [ours]
"""

STEP_UP_TO_READ = frozenset({P.OPEN_FOR_COURT})
"""What hands out more than it shows: an opening opens the words for whoever holds it, even once they are erased."""

VIEW_PERMISSIONS = frozenset({P.SEE_APPLICANT, P.SEE_ROUTE, P.SEE_CONTACT, P.SEE_SUBJECT_RECORD})
"""What lets nobody in anywhere and decides what is blank in what is read (H2.7)."""

_EVERY_OFFICER = VIEW_PERMISSIONS | {
    P.READ_CASE,
    P.READ_RECORDS,
    P.SEND_INFORMATION,
    P.LIST_CASES,
    P.SEARCH_CASES,
    P.READ_ALERTS,
    P.RECORD_CONTACT,
    P.SAFEGUARD,
    P.FREEZE_CASE,
    P.BREAK_GLASS,
}
_OFFICER = _EVERY_OFFICER | {
    P.OPEN_APPLICATION,
    P.RECORD_CHECK,
    P.IDENTIFY_SUBJECT,
    P.DECIDE_INITIALLY,
    P.RECORD_MEETING,
    P.FIND_MALICIOUS,
    P.ASSESS_RISK,
    P.CATEGORISE,
    P.CONSIDER_REPRESENTATIONS,
    P.REFER_TO_FORUM,
    P.WITHDRAW,
    P.READ_FORUM,
    P.READ_PAPERS,
    P.RECORD_POLICE_CONCLUSION,
    P.UNDERTAKE_FORUM_ACTION,
    P.PREPARE_ITEMS,
    P.CLEAR_DELIVERY,
    P.RECORD_DELIVERY,
    P.READ_VERBATIM,
    P.READ_RECEIPT,
    P.WRITE_FINAL_REPORT,
    P.RECORD_SUBMISSION,
    P.CLOSE_CASE,
}
_SUPERVISOR = _OFFICER | {
    P.ASSIGN_CASE,
    P.DECIDE_ACCESS,
    P.LIST_STAFF,
    P.SUPERVISE,
    P.ARRANGE_FORUM,
    P.AUTHORISE_EMERGENCY,
    P.OPEN_FOR_COURT,
    P.POSTPONE,
}
_FORUM = {P.READ_CASE, P.READ_FORUM, P.READ_PAPERS, P.UNDERTAKE_FORUM_ACTION, P.SEND_INFORMATION}

_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.CONTROL_ROOM: frozenset(_EVERY_OFFICER | {P.OPEN_APPLICATION, P.RECORD_CHECK}),
    Role.PUBLIC_PROTECTION_OFFICER: frozenset(_OFFICER),
    Role.PUBLIC_PROTECTION_SUPERVISOR: frozenset(_SUPERVISOR),
    Role.HEAD_OF_PUBLIC_PROTECTION: frozenset(
        _SUPERVISOR | {P.PROCLAIM_DAY, P.REVIEW_RETENTION, P.ANSWER_SUBJECT_ACCESS, P.OVERSEE_GLASS}
    ),
    Role.FORUM_MEMBER: frozenset(_FORUM),
    Role.FORUM_CHAIR: frozenset(_FORUM | {P.ARRANGE_FORUM, P.DECIDE_AT_FORUM, P.POSTPONE, P.LIST_STAFF}),
    Role.INTELLIGENCE_OFFICER: frozenset(
        {P.READ_CASE, P.READ_RECORDS, P.LIST_CASES, P.SEARCH_CASES, P.RETRIEVE_FINAL_REPORTS, P.RECORD_SUBMISSION}
        | {P.SEE_ROUTE, P.SEE_SUBJECT_RECORD}
    ),
    Role.PROFESSIONAL_STANDARDS: frozenset(
        VIEW_PERMISSIONS
        | {
            P.READ_CASE,
            P.READ_RECORDS,
            P.LIST_CASES,
            P.SEARCH_CASES,
            P.READ_VERBATIM,
            P.READ_RECEIPT,
            P.OPEN_FOR_COURT,
            P.READ_LOG,
            P.READ_CHECKPOINTS,
            P.LIST_STAFF,
            P.ANSWER_SUBJECT_ACCESS,
            P.DECIDE_ACCESS,
            P.FREEZE_CASE,
            P.REVIEW_RETENTION,
            P.OVERSEE_GLASS,
            P.MARK_OF_NOTE,
            P.READ_ACCOUNT_CHANGES,
        }
    ),
    Role.AUDITOR: frozenset(
        {P.READ_LOG, P.READ_CHECKPOINTS, P.READ_RECEIPT, P.READ_CASE, P.READ_RECORDS, P.SEE_ROUTE}
        | {P.READ_ACCOUNT_CHANGES}
    ),
    Role.ADMINISTRATOR: frozenset({P.ADMINISTER, P.LIST_STAFF, P.PROCLAIM_DAY, P.READ_ACCOUNT_CHANGES}),
}

_OF_ALL = {P.READ_EDITIONS, P.READ_TASKS, P.READ_CALENDARS}

PERMISSIONS = {
    role: own | _OF_ALL | ({P.ANSWER_TASK} if role is not Role.AUDITOR else set()) for role, own in _OF_ROLE.items()
}
"""What each role may do; editions and calendars are open to all, and tasks to those they are put before."""


@dataclass(frozen=True)
class Actor:
    """The person asking, with the rights of this moment.

    `force_id` is the own force, or for a partner none; `serves_force_id` the force that a partner's agency sits with.
    `agenda` are the cases that a partner, or police who only sit at the forum, see because they stand before it;
    `glass` the cases that the person sees through a broken glass alone, each with the real time at which that ends.
    `name_keys` and `former_surnames` are every name of the account as it is compared, with those that it had (H2.8).
    """

    staff_id: UUID
    name: str
    roles: frozenset[Role]
    force_id: str | None
    agency_id: str | None
    serves_force_id: str
    rank: str | None = None
    agenda: frozenset[UUID] = frozenset()
    glass: Mapping[UUID, datetime] = field(default_factory=dict, hash=False)
    name_keys: tuple[str, ...] = ()
    former_surnames: tuple[str, ...] = ()

    @property
    def organisation(self) -> str:
        """The force or agency, as the log names it."""
        return self.force_id or self.agency_id or ""

    @property
    def is_partner(self) -> bool:
        """From a partner agency, whose sight ends with the agenda."""
        return self.force_id is None

    @property
    def sees_agenda_only(self) -> bool:
        """A partner, or police whose only roles are the forum's: nothing else of the force is theirs (H6.2)."""
        return self.is_partner or self.roles <= FORUM_ROLES

    @property
    def looks_in(self) -> bool:
        """Works no cases: samples what is closed, sits at the forum, or both. Each role lets in by itself (H1.3)."""
        return self.roles <= FORUM_ROLES | {Role.AUDITOR}

    @property
    def is_supervisor(self) -> bool:
        """May do what a public protection supervisor does."""
        return self.may(Permission.SUPERVISE)

    @property
    def sees_restricted_cases(self) -> bool:
        """Professional standards, from whom a restricted case is withheld only by name (H1.3, H2.8)."""
        return Role.PROFESSIONAL_STANDARDS in self.roles

    def carrying(self, permission: Permission) -> frozenset[Role]:
        """The roles of this person that carry a permission."""
        return frozenset(role for role in self.roles if permission in PERMISSIONS[role])

    def acts_as(self, permission: str) -> Role | None:
        """The role that carries a permission, first in the order of H1.3: the one that the log names (H12.1)."""
        return next((role for role in Role if role in self.roles and permission in PERMISSIONS[role]), None)

    def as_logged(self, action: str) -> dict[str, Any]:
        """What every row of the log says of whoever acts: account, organisation, force, and the part (H12.1)."""
        return {
            "staff_id": self.staff_id,
            "organisation": self.organisation,
            "force_id": self.serves_force_id,
            "role": self.acts_as(action),
        }

    @property
    def sees(self) -> frozenset[Permission]:
        """What is not blank in what this person reads (H2.7)."""
        return frozenset(one for one in VIEW_PERMISSIONS if self.may(one))

    def may(self, permission: Permission) -> bool:
        """Whether any of the roles carries the permission."""
        return any(permission in PERMISSIONS[role] for role in self.roles)


FAR_SEEING = frozenset({Role.PROFESSIONAL_STANDARDS, Role.AUDITOR, Role.HEAD_OF_PUBLIC_PROTECTION})
"""Roles that see restricted cases at any rank, or read the log: whoever gives one is looked at (H1.3). [ours]

So is what lets a supervisor lead restricted cases, which the database decides from role, rank and who else does.
"""


def roles_that_may(permission: Permission) -> list[Role]:
    """The roles that carry a permission, in the order of H1.3."""
    return [role for role in Role if permission in PERMISSIONS[role]]


def role_problem(roles: Iterable[Role], *, partner: bool) -> str | None:
    """Why nobody may hold these roles together, else None (H1.3)."""
    held = set(roles)
    if partner and not held <= FORUM_ROLES:
        return "A partner agency's staff are forum members or forum chairs."
    if Role.ADMINISTRATOR in held and len(held) > 1:
        return "An administrator sees no case, so holds no other role."
    return None


def may_hold_cases(roles: Iterable[Role]) -> bool:
    """Whether somebody with these roles works cases, and so may be given one."""
    return any(Permission.DECIDE_INITIALLY in PERMISSIONS[role] for role in roles)


def known_roles(names: Iterable[str]) -> frozenset[Role]:
    """The roles that this version knows among `names`; an unknown name grants nothing."""
    values = {role.value for role in Role}
    return frozenset(Role(name) for name in names if name in values)
