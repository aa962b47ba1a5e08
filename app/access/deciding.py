"""Who may do what with which case: the law of access, read from the top (H1.3, H2.7, H2.8, H6.2). Pure.

`may` is the specification. The service asks it at every door; the database decides the same by row-level security,
without asking it; a test compares the two, and both with what the doors answer. The first line that speaks decides:

1.  exclusion H2.8          Whoever is excluded from the case: no, whatever the role, whatever else is said.
2.  likely_party H2.8       An account like a party of the case, not compared yet: no.
3.  role H1.3               No role of the person carries the permission, or none reads cases: no. For what has no
                            case, that is all.
4.  closed_cases_only H1.3  What an auditor's role alone allows, it allows of what is closed, and of nothing open.
5.  action H6.2             Whoever owes an answer to the forum gives it, and does nothing else in that case.
6.  agenda H6.2             A partner, or police who only sit at the forum, see what is on their agenda, while it is;
                            somebody who audits besides, what is closed too.
7.  force_boundary          What belongs to another force: no, unless the glass is broken.
8.  restriction H2.8        A restricted case: professional standards, who leads it, and who is allowed by name; for
                            others no, unless the glass is broken.
9.  break_glass             Where 7 or 8 say no, a glass broken in time lets the person alone read and safeguard.
10. force                   What belongs to the own force: yes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.access.rules import FORUM_ROLES, PERMISSIONS, Actor, Permission, Role

P = Permission


class Rule(StrEnum):
    """What decided, as the log keeps it."""

    EXCLUSION = "exclusion H2.8"
    LIKELY_PARTY = "likely_party H2.8"
    ROLE = "role H1.3"
    CLOSED_CASES_ONLY = "closed_cases_only H1.3"
    ACTION = "action H6.2"
    AGENDA = "agenda H6.2"
    FORCE_BOUNDARY = "force_boundary"
    STANDARDS = "professional_standards H2.8"
    LEADS = "leads H2.8"
    ALLOWED = "allowed H2.8"
    RESTRICTION = "restriction H2.8"
    BREAK_GLASS = "break_glass"
    FORCE = "force"


THROUGH_GLASS = frozenset({P.READ_CASE, P.READ_RECORDS, P.SAFEGUARD, P.RECORD_CONTACT})
"""What a broken glass lets a person do: read, make safe, record who was reached. It decides nothing."""

OF_AN_ACTION = frozenset({P.READ_FORUM, P.UNDERTAKE_FORUM_ACTION})
"""What the owner of an action does with it, on whatever agenda its case stands by then."""


class AccessReason(StrEnum):
    """Why somebody reads a case that is not the own: a code, never a narrative (H12.1)."""

    COVER = "cover"
    HANDOVER = "handover"
    NEW_INFORMATION = "new_information"
    INTELLIGENCE = "intelligence"
    SUPERVISION = "supervision"
    REVIEW = "review"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What is true of one case for one person at one moment; nothing of what the case says."""

    force_id: str
    closed: bool = False
    own: bool = False
    """Assigned to the person, or opened by the person."""
    on_agenda: bool = False
    """On the agenda of a partner; before a police chair or member of the forum."""
    owes_action: bool = False
    """The forum gave the person something to do in the case, and this is about that alone."""
    restricted: bool = False
    allowed: bool = False
    leads: bool = False
    """One of those who lead it; it lets in by a supervising role alone."""
    excluded: bool = False
    likely_party: bool = False
    """Like a party, and not compared yet. The service does not ask it beside the case: names are the database's to
    compare, and it shows such an account no row of the case."""
    glass: bool = False
    """A glass that the person broke holds: see `glass_holds`."""
    in_first_hands: bool = False
    """Still with whoever takes calls and does the first checks."""
    in_last_hands: bool = False
    """With whoever submits its closing report, or behind them."""


@dataclass(frozen=True)
class Decision:
    """Yes or no, and the line that said so."""

    allowed: bool
    rule: Rule


def may(actor: Actor, permission: Permission, facts: CaseFacts | None) -> Decision:
    """Whether this person may do this with this case; `facts` None: with what has no case. The order is the law."""
    if facts is None:
        return Decision(actor.may(permission), Rule.ROLE)
    if facts.excluded:
        return Decision(False, Rule.EXCLUSION)
    if facts.likely_party:
        return Decision(False, Rule.LIKELY_PARTY)
    if not (actor.may(permission) and actor.may(P.READ_CASE)):
        return Decision(False, Rule.ROLE)
    if actor.carrying(permission) == {Role.AUDITOR} and not facts.closed:
        return Decision(False, Rule.CLOSED_CASES_ONLY)
    if facts.owes_action:
        return Decision(permission in OF_AN_ACTION, Rule.ACTION)
    if actor.is_partner:
        return Decision(facts.on_agenda, Rule.AGENDA)
    no = _stands_in_the_way(actor, permission, facts)
    if no is not None:
        if facts.glass and may_break_glass(actor.roles):
            return Decision(permission in THROUGH_GLASS, Rule.BREAK_GLASS)
        return Decision(False, no)
    if facts.restricted:
        return Decision(True, _lets_in(actor, facts) or Rule.RESTRICTION)
    return Decision(True, Rule.AGENDA if _by_agenda(actor, permission, facts) else Rule.FORCE)


def _by_agenda(actor: Actor, permission: Permission, facts: CaseFacts) -> bool:
    """Whether only the agenda lets police in: no role of theirs works cases, and none audits this one."""
    return actor.looks_in and not (facts.closed and Role.AUDITOR in actor.carrying(permission))


def _stands_in_the_way(actor: Actor, permission: Permission, facts: CaseFacts) -> Rule | None:
    if facts.force_id != actor.force_id:
        return Rule.FORCE_BOUNDARY
    if _by_agenda(actor, permission, facts) and not facts.on_agenda:
        return Rule.AGENDA
    if facts.restricted and _lets_in(actor, facts) is None:
        return Rule.RESTRICTION
    return None


def _lets_in(actor: Actor, facts: CaseFacts) -> Rule | None:
    """What lets a person of the force into a restricted case."""
    if actor.sees_restricted_cases:
        return Rule.STANDARDS
    if facts.leads and actor.is_supervisor:
        return Rule.LEADS
    return Rule.ALLOWED if facts.allowed else None


def may_break_glass(roles: Collection[Role]) -> bool:
    """Whether a glass broken by somebody with these roles holds: it falls with the role."""
    return any(P.BREAK_GLASS in PERMISSIONS[role] for role in roles)


def glass_holds(until: datetime, *, ended: bool, now: datetime) -> bool:
    """Whether a broken glass still lets through: until its time is up or somebody ends it. Real time."""
    return not ended and now < until


_STANDING = frozenset(
    {
        Role.PUBLIC_PROTECTION_SUPERVISOR,
        Role.HEAD_OF_PUBLIC_PROTECTION,
        Role.PROFESSIONAL_STANDARDS,
        Role.AUDITOR,
    }
)
"""Roles whose office is the reason: they supervise or oversee what they read."""


def needs_reason(actor: Actor, facts: CaseFacts) -> bool:
    """Whether a reader says why: an officer, an operator or intelligence, of a case that is not theirs (H12.1).

    Whatever of the case is read, by whichever permission: what is asked is why, not through which door. Not of one that
    is assigned to them, that they opened, into which they were let by name, or by breaking the glass (whose reason is
    on record); nor one on the agenda of a forum at which they sit; nor an operator while the first checks run, or
    intelligence once the report is due; nor whoever owes the forum an answer, of that alone.
    """
    if actor.is_partner or actor.roles & _STANDING or facts.owes_action:
        return False
    if facts.on_agenda and actor.roles & FORUM_ROLES:
        return False
    if facts.own or facts.glass or (facts.restricted and facts.allowed):
        return False
    if Role.CONTROL_ROOM in actor.roles and facts.in_first_hands:
        return False
    return not (Role.INTELLIGENCE_OFFICER in actor.roles and facts.in_last_hands)
