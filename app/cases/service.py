"""The one way into a case (`access_case`) and the one door by which it moves (`advance`)."""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Parties, PartyView
from app.cases.tables import Case, Party, PartyRole
from app.clock import in_london
from app.editions.terms import Outcome
from app.errors import Gone, NotFound, Unprocessable, WrongStage
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


async def access_case(session: AsyncSession, case_id: UUID, *, for_change: bool) -> Case:
    """The case, if row-level security shows it to this transaction; held against others where it is to change.

    CaseNotFound where it is not shown, CaseErased where there is nothing left of it to show.
    """
    query = _CASE_TO_CHANGE if for_change else _CASE
    case = (await session.scalars(query, {"case_id": case_id})).one_or_none()
    if case is None or (for_change and await withheld_by_now(session, case_id)):
        raise CaseNotFound
    if case.erased_at is not None:
        raise CaseErased(case.erased_at)
    return case


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
