"""The one way into a case (`access_case`) and the one door by which it moves (`advance`)."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Uuid, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
from app.access.deciding import CaseFacts, Decision, Rule, glass_holds, may
from app.access.rules import Actor, Permission
from app.access.service import reach_by_now
from app.access.tables import AccessKind, CaseAccess, CaseRestriction
from app.cases.schemas import Parties, PartyView
from app.cases.tables import Case, Party, PartyRole
from app.clock import in_london
from app.editions.terms import Outcome
from app.errors import Gone, NotFound, NotPermitted, Unprocessable, WrongStage
from app.evidence.owing import touch
from app.people.service import persons
from app.process import IllegalMove, Move, Stage, require
from app.storage.base import columns_of
from app.storage.engine import withheld_by_now
from app.storage.statements import rows
from app.timeline.service import tell

_REFERENCE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_CASE = select(Case).where(col(Case.id) == bindparam("case_id"))
_CASE_TO_CHANGE = _CASE.with_for_update(key_share=True)  # a worker that holds a clock may still point at the case


def _entered(kind: AccessKind) -> ColumnElement[bool]:
    return (
        select(col(CaseAccess.id))
        .where(
            col(CaseAccess.case_id) == col(Case.id),
            col(CaseAccess.staff_id) == bindparam("asks", type_=Uuid),
            col(CaseAccess.kind) == kind,
            col(CaseAccess.ended_at).is_(None),
        )
        .exists()
    )


_restricted = col(CaseRestriction.id).is_not(None)
_leading = select(func.leaders_of(col(Case.id), col(Case.force_id), col(CaseRestriction.leading_ranks))).correlate(
    Case, CaseRestriction
)
_ASKED = (
    select(
        Case,
        _restricted.label("restricted"),
        _entered(AccessKind.ALLOWED).label("allowed"),
        _entered(AccessKind.EXCLUDED).label("excluded"),
        case((_restricted, bindparam("asks", type_=Uuid).in_(_leading)), else_=False).label("leads"),
    )
    .outerjoin(CaseRestriction, col(CaseRestriction.case_id) == col(Case.id))
    .where(col(Case.id) == bindparam("case_id"))
)
"""The case with what is true of it for one person: one statement, the same whatever is asked for."""
_ASKED_TO_CHANGE = _ASKED.with_for_update(key_share=True, of=Case)
_party = columns_of(Party)
_PARTIES = select(*_party).where(_party.case_id == bindparam("case_id"))


class CaseNotFound(NotFound):
    """No such case, or somebody else's: the two answer alike."""

    code = "case_not_found"

    def __init__(self) -> None:
        super().__init__("No case is held under that address, or it is not yours to see.")


class CaseErased(Gone):
    """The case was erased under the retention schedule; whoever could not see it gets CaseNotFound."""

    code = "case_erased"

    def __init__(self, erased_at: datetime) -> None:
        super().__init__(
            f"What was recorded in this case was erased {in_london(erased_at)} under the retention schedule (H12.2). "
            "Proof that it was recorded, and who erased it, is kept: read its 'erasure'."
        )


class ThroughGlassOnly(NotPermitted):
    """The case is seen through a broken glass, which lets one read and make safe, and no more."""

    code = "through_glass_only"


class NoSuchParty(Unprocessable):
    """The person named is not a party of this case in that part."""

    code = "no_such_party"


def known_id(text: str, missing: NotFound) -> UUID:
    """The id in a path; one that is no id names nothing, so `missing` is raised."""
    try:
        return UUID(text)
    except ValueError:
        raise missing from None


def new_reference() -> str:
    """A reference that tells nothing: random, without letters that are misheard on the telephone."""
    return "DVDS-" + "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(8))


@dataclass(frozen=True)
class Admitted:
    """A case that somebody was let in to, with what decided it; the person, with what rights were left."""

    case: Case
    person: Actor
    facts: CaseFacts
    decision: Decision


async def access_case(
    session: AsyncSession,
    case_id: UUID,
    *,
    actor: Actor,
    permission: Permission,
    for_change: bool,
    owes_action: bool = False,
    though_erased: bool = False,
) -> Admitted:
    """The way into a case for a person: row-level security shows it, and `may` says yes; held where it is to change.

    Whoever waited for it is asked for anew: a place at the forum, a role, a glass may have ended meanwhile.

    Raises CaseNotFound where either says no, as if there were none; ThroughGlassOnly where the person does see the
    case, and wants more of it than a broken glass gives; CaseErased where there is nothing left of it to show, but not
    to whoever asks for what is left `though_erased`.
    """
    query = _ASKED_TO_CHANGE if for_change else _ASKED
    found = (await session.execute(query, {"case_id": case_id, "asks": actor.staff_id})).one_or_none()
    person: Actor | None = actor
    if found is not None and for_change:
        person = await reach_by_now(session, actor, case_id)
    if found is None or person is None:
        raise CaseNotFound
    facts = _facts(found, person, owes_action=owes_action)
    decision = may(person, permission, facts)
    if decision.allowed:
        if not though_erased:
            _must_be_there(found.Case)
        return Admitted(found.Case, person, facts, decision)
    if decision.rule is Rule.BREAK_GLASS:
        raise ThroughGlassOnly("You see this case by breaking the glass: read it, make safe, record who was reached.")
    raise CaseNotFound


def _facts(found: Row[Any], actor: Actor, *, owes_action: bool) -> CaseFacts:
    case: Case = found.Case
    until = actor.glass.get(case.id)
    return CaseFacts(
        force_id=case.force_id,
        closed=case.stage is Stage.CLOSED,
        own=actor.staff_id in (case.assigned_to, case.created_by),
        on_agenda=case.id in actor.agenda,
        owes_action=owes_action,
        restricted=found.restricted,
        allowed=found.allowed,
        leads=found.leads,
        excluded=found.excluded,
        glass=until is not None and glass_holds(until, ended=False, now=clock.real_now()),
        in_first_hands=case.stage in (Stage.INTAKE, Stage.INITIAL_CHECKS),
        in_last_hands=case.stage in (Stage.FINAL_REPORT, Stage.CLOSED),
    )


async def case_in_reach(session: AsyncSession, case_id: UUID, *, for_change: bool) -> Case:
    """A case that an act already permitted leads to, if row-level security shows it to this transaction."""
    query = _CASE_TO_CHANGE if for_change else _CASE
    case = (await session.scalars(query, {"case_id": case_id})).one_or_none()
    if case is None or (for_change and await withheld_by_now(session, case_id)):
        raise CaseNotFound
    _must_be_there(case)
    return case


async def case_still_in_reach(
    session: AsyncSession, case_id: UUID, *, actor: Actor, permission: Permission
) -> tuple[Case, Actor]:
    """The same for a change that a role alone permits, such as taking a case over: whoever waited must still have it.

    The case, held, and the person as of then.
    """
    case = (await session.scalars(_CASE_TO_CHANGE, {"case_id": case_id})).one_or_none()
    person = None if case is None else await reach_by_now(session, actor, case_id)
    if case is None or person is None or not may(person, permission, None).allowed:
        raise CaseNotFound
    _must_be_there(case)
    return case, person


def _must_be_there(case: Case) -> None:
    if case.erased_at is not None:
        raise CaseErased(case.erased_at)


async def advance(
    session: AsyncSession,
    case: Case,
    move: Move,
    *,
    by: Actor,
    now: datetime,
    sentence: str,
    about_id: UUID | None = None,
    outcome: Outcome | None = None,
) -> None:
    """Move the case along the transition table, or raise WrongStage and change nothing."""
    try:
        case.stage = require(case.stage, move)
    except IllegalMove as illegal:
        raise WrongStage(str(illegal)) from None
    if outcome is not None:
        case.outcome = outcome
    if case.stage is Stage.CLOSED:
        case.closed_at = now
    await note(session, case, move.value, sentence, by=by, now=now, about_id=about_id)


async def note(
    session: AsyncSession,
    case: Case,
    kind: str,
    sentence: str,
    *,
    by: Actor,
    now: datetime,
    occurred_at: datetime | None = None,
    about_id: UUID | None = None,
) -> None:
    """Tell the case's timeline."""
    await tell(
        session,
        case_id=case.id,
        force_id=case.force_id,
        kind=kind,
        sentence=sentence,
        by=by.staff_id,
        now=now,
        occurred_at=occurred_at,
        about_id=about_id,
    )


def must_be_at(case: Case, *stages: Stage) -> None:
    """Refuse a decision that is out of order."""
    if case.stage not in stages:
        wanted = " or ".join(stage.value for stage in stages)
        raise WrongStage(f"The case is at {case.stage.value}; this is decided at {wanted}.")


async def parties(session: AsyncSession, case_id: UUID) -> Parties:
    """Who is in the case."""
    people = await persons(session, case_id)
    found = await rows(session, _PARTIES, case_id=case_id)
    views = [PartyView.model_validate({**one._mapping, "person": people[one.person_id]}) for one in found]
    return Parties(
        subject=next((view for view in views if view.role is PartyRole.SUBJECT), None),
        potential_victims=tuple(view for view in views if view.role is PartyRole.POTENTIAL_VICTIM),
        applicant=next((view for view in views if view.is_applicant), None),
        other_applicants=tuple(view for view in views if view.role is PartyRole.APPLICANT and not view.is_applicant),
        children=tuple(view for view in views if view.role is PartyRole.CHILD),
    )


async def party_ids(session: AsyncSession, case_id: UUID, role: PartyRole) -> list[UUID]:
    """The ids of the parties that play one part."""
    query = select(col(Party.id)).where(col(Party.case_id) == case_id, col(Party.role) == role).order_by(col(Party.id))
    return list(await session.scalars(query))


async def must_be_party(session: AsyncSession, case: Case, party_id: UUID, *roles: PartyRole, field: str) -> Party:
    """The party named, if it plays one of the parts in this case."""
    party = await session.get(Party, party_id)
    if party is None or party.case_id != case.id or (roles and party.role not in roles):
        part = f" ({' or '.join(role.value for role in roles)})" if roles else ""
        says = f"{field} must name a party of this case{part}; its case file lists them."
        raise NoSuchParty(says, field=field)
    touch(session, case.id, party.person_id)
    return party
