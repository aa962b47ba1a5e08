"""The people whom an application or a further contact describes, and what is owed because of who they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.pointers import Keys, keys_of, point, point_anew
from app.cases.schemas import Parties, PartyView
from app.cases.service import note, parties
from app.cases.tables import Case, Party, PartyRole
from app.clock import LONDON
from app.editions import edition
from app.editions.terms import Route
from app.errors import Obstacle
from app.intake.accounts import compare_parties, flag
from app.intake.rules import (
    childrens_referral,
    described_differently,
    further_applicant,
    relationship_out_of_scope,
    under_age,
)
from app.intake.schemas import ApplicationIn
from app.people.rules import taken_as_one
from app.people.schemas import PersonIn
from app.people.service import Completed, compare, complete_person, described, fill, keep_version, record_person
from app.people.tables import KeptBecause, Person
from app.safeguarding.service import owe, owe_once
from app.safeguarding.terms import DutyKind

OF_THE_PART = ("relationship", "relationship_ended", "connection", "police_employment")
"""What is said of a person's part in the case, beside what is said of the person."""


@dataclass(frozen=True)
class InPart:
    """A person as described, in a part; `asks` is whether this person applies."""

    role: PartyRole
    person: PersonIn
    asks: bool = False


@dataclass(frozen=True)
class Revealed:
    """What has come to light of a party that brings a duty; what was known before is left out."""

    role: PartyRole
    party_id: UUID
    new: bool
    born: date | None = None
    police: bool = False
    relationship: str | None = None
    ended: bool = False


def described_in(application: ApplicationIn) -> list[InPart]:
    """Everybody whom an application describes."""
    found = [InPart(PartyRole.SUBJECT, application.subject)]
    found += [InPart(PartyRole.POTENTIAL_VICTIM, one, one.is_applicant) for one in application.potential_victims]
    found += [InPart(PartyRole.CHILD, one) for one in application.children]
    if application.third_party_applicant:
        found.append(InPart(PartyRole.APPLICANT, application.third_party_applicant, asks=True))
    return found


async def keep_people(
    session: AsyncSession, case: Case, told: Iterable[InPart], *, known: Parties, actor: Actor, now: datetime
) -> list[Obstacle]:
    """Keep everybody described: new parties are recorded, known ones completed; duties owed (H2.8, H2.9).

    `known` are the parties before; nobody for a case that opens. Gives what a supervisor should see of it.
    """
    flags: list[Obstacle] = []
    revealed: list[Revealed] = []
    keys: Keys = []
    applicant = known.applicant
    for one in told:
        held = _same(one, known)
        first = one.asks and applicant is None and case.route is Route.RIGHT_TO_ASK and held is None
        if held is None:
            party = await record_party(session, case, one.role, one.person, applies=first, actor=actor, now=now)
            keys += keys_of(one.person, one.role)
            revealed.append(all_of(party, one.person))
            if known.subject is not None:
                sentence = f"A further {one.role.replace('_', ' ')} was added."
                await note(session, case, "party_added", sentence, by=actor, now=now, about_id=party.id)
        else:
            completed = await _complete(session, case, held, one, actor=actor, now=now)
            flags += described_differently(one.role, completed.differs)
            revealed.append(_what_is_new(held, completed))
        if one.asks and not first and (held is None or applicant is None or held.id != applicant.id):
            flags.append(further_applicant())
    await session.flush()
    await point(session, case, keys)
    await owe_for_people(session, case, revealed, actor=actor, now=now)
    return flags


def _same(one: InPart, known: Parties) -> PartyView | None:
    """The party whom the description is of: the one subject, or somebody in the same part taken to be the same."""
    if one.role is PartyRole.SUBJECT:
        return known.subject
    likeness = described(one.person)
    in_part = (party for party in known.everyone if party.role is one.role)
    return next((party for party in in_part if taken_as_one(likeness, described(party.person))), None)


async def record_party(
    session: AsyncSession,
    case: Case,
    role: PartyRole,
    told: PersonIn,
    *,
    applies: bool = False,
    actor: Actor,
    now: datetime,
) -> Party:
    """Keep a person and the part played; one party of a case at most applies."""
    kept = PersonIn.model_construct(**{name: getattr(told, name) for name in PersonIn.model_fields})
    keys: dict[str, Any] = {"case_id": case.id, "force_id": case.force_id, "part": role.value}
    person = await record_person(session, kept, **keys, by=actor.staff_id, now=now)
    part: dict[str, Any] = {name: getattr(told, name) for name in OF_THE_PART if hasattr(told, name)}
    party = Party(case_id=case.id, force_id=case.force_id, person_id=person.id, role=role, is_applicant=applies, **part)
    session.add(party)
    return party


def all_of(party: Party, told: PersonIn) -> Revealed:
    """A party who was not in the case before."""
    return Revealed(
        party.role,
        party.id,
        new=True,
        born=told.born,
        police=party.police_employment is not None,
        relationship=party.relationship,
        ended=bool(party.relationship_ended),
    )


async def _complete(
    session: AsyncSession, case: Case, held: PartyView, one: InPart, *, actor: Actor, now: datetime
) -> Completed:
    """Add what is new of a known party; what differs is kept beside it, and so is what was held (H1.4)."""
    person = await session.get_one(Person, held.person.id)
    party = await session.get_one(Party, held.id)
    of_person = complete_person(
        session, person, held.person, one.person, speaks_for_self=one.asks, by=actor.staff_id, now=now
    )
    pairs = {name: (getattr(held, name), getattr(one.person, name, None)) for name in OF_THE_PART}
    filled, differs = compare(pairs)
    completed = Completed({**of_person.filled, **filled}, {**of_person.differs, **differs})
    if completed.filled:
        before = {name: getattr(held.person, name, getattr(held, name, None)) for name in completed.filled}
        keep_version(session, person, KeptBecause.HELD_BEFORE, before, by=actor.staff_id, now=now)
        fill(session, person, of_person.filled)
        for name, value in filled.items():
            setattr(party, name, value)
    if completed.differs:
        keep_version(session, person, KeptBecause.TOLD_OTHERWISE, completed.differs, by=actor.staff_id, now=now)
    await session.flush()
    await point_again(session, case, held.role)
    return completed


def _what_is_new(held: PartyView, completed: Completed) -> Revealed:
    new = completed.filled
    about_relation = bool({"relationship", "relationship_ended"} & set(new))
    return Revealed(
        held.role,
        held.id,
        new=False,
        born=new.get("born"),
        police="police_employment" in new,
        relationship=new.get("relationship", held.relationship) if about_relation else None,
        ended=bool(new.get("relationship_ended", held.relationship_ended)),
    )


async def point_again(session: AsyncSession, case: Case, role: PartyRole) -> None:
    """Let the pointers to a case in one part follow what is now known of those who play it (H3.5)."""
    known = await parties(session, case.id)
    await point_anew(session, case, role, [party.person for party in known.everyone if party.role is role])


async def owe_for_people(
    session: AsyncSession, case: Case, revealed: Iterable[Revealed], *, actor: Actor, now: datetime
) -> None:
    """Owe what follows from who the parties are: a referral for a child, notices about police, a look at the scope.

    Each duty once while it is open (H1.5, H2.8, H2.9).
    """
    found = list(revealed)
    scheme, today = edition(case.edition), now.astimezone(LONDON).date()
    new_child = any(one.new and one.role is PartyRole.CHILD for one in found)
    if new_child or under_age((one.born for one in found), edition=scheme, today=today):
        await owe_once(session, case, DutyKind.CHILDRENS_SOCIAL_CARE, childrens_referral(), actor=actor, now=now)
    if await compare_parties(session, case, actor=actor, now=now) or any(one.police for one in found):
        await flag(session, case, actor=actor, now=now)
    for one in found:
        for why in relationship_out_of_scope(one.relationship, ended=one.ended, edition=scheme):
            owe(
                session,
                case,
                DutyKind.SUPERVISOR_REVIEW,
                why,
                actor=actor,
                now=now,
                potential_victim_id=one.party_id,
                about_id=one.party_id,
            )
