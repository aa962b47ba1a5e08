"""Parties of cases compared with the accounts of this service: whoever has one sees nothing of a case about him (H2.8).

An application compares its parties with every account at once; a new or changed account is compared by the worker with
the parties of every case. Both hold one lock, shared and alone, so that neither misses what the other is writing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import StaffMember
from app.cases.tables import Case, Party, PartyRole
from app.cases.withholding import exclude, restrict
from app.editions import edition
from app.intake.rules import may_have_account, police_notice
from app.people.rules import Described, Likeness, account_keys, likeness, normalise_name
from app.people.tables import Person, PersonAlias
from app.safeguarding.service import open_duties, owe, owe_once
from app.safeguarding.terms import DutyKind
from app.storage.base import shares_any

BATCH = 50
_COMPARING = func.hashtextextended("clares-law.accounts", 0)


@dataclass(frozen=True)
class Compared:
    """A party as accounts are compared with it: the part, the names with every alias, the date of birth."""

    role: PartyRole
    described: Described


async def compare_parties(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> bool:
    """Exclude from the case every account that may be a party's; whether one newly found certainly is."""
    await session.execute(select(func.pg_advisory_xact_lock_shared(_COMPARING)))
    certain = False
    for party in await _compared(session, case.id):
        surnames = {key for name in party.described.surnames if (key := normalise_name(name))}
        accounts = await session.scalars(select(StaffMember).where(shares_any(StaffMember.name_keys, surnames)))
        for account in accounts:
            certain |= await _keep_out(session, case, party, account, actor=actor, now=now)
    return certain


async def _compared(session: AsyncSession, case_id: UUID) -> list[Compared]:
    """The parties of a case, with the names and dates alone: the worker may read no more of a person."""
    names = (col(Person.id), col(Person.given_names), col(Person.surname), col(Person.born), col(Party.role))
    query = select(*names).join(Party, col(Party.person_id) == col(Person.id)).where(col(Person.case_id) == case_id)
    known = (await session.execute(query)).all()
    others = select(col(PersonAlias.person_id), col(PersonAlias.given_names), col(PersonAlias.surname))
    aliases = (await session.execute(others.where(col(PersonAlias.case_id) == case_id))).all()
    found = []
    for one in known:
        named = [one, *(alias for alias in aliases if alias.person_id == one.id)]
        person = Described(
            pnc_id=None,
            surnames=tuple(name.surname for name in named if name.surname),
            given_names=tuple(name.given_names for name in named if name.given_names),
            born=one.born,
        )
        found.append(Compared(one.role, person))
    return found


async def _keep_out(
    session: AsyncSession, case: Case, party: Compared, account: StaffMember, *, actor: Actor, now: datetime
) -> bool:
    like = likeness(party.described, keys=account.name_keys or (), born=account.born)
    if like is None:
        return False
    certain = like is Likeness.CERTAIN
    reason = f"The account may be the {party.role.replace('_', ' ')}'s: likeness {like.value}."
    if not await exclude(session, case, account.id, reason, anew=certain, by=actor.staff_id, now=now):
        return False
    if not certain:
        await owe_once(session, case, DutyKind.POLICE_INVOLVEMENT, may_have_account(), actor=actor, now=now)
    return certain


async def flag(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """A party is police, or has an account here: notices are owed, and the case is withheld from others (H2.8)."""
    case.police_involved = True
    await restrict(session, case, "A party is police or has an account here.", by=actor.staff_id, now=now)
    owed = {duty.says for duty in await open_duties(session, case.id, DutyKind.POLICE_INVOLVEMENT)}
    for why in map(police_notice, edition(case.edition).police_involvement_notices):
        if why.says not in owed:
            owe(session, case, DutyKind.POLICE_INVOLVEMENT, why, actor=actor, now=now)


async def compare_accounts(session: AsyncSession, *, now: datetime) -> int:
    """Compare new and changed accounts with the parties of every case, at most BATCH; how many were compared."""
    waiting = select(StaffMember).where(col(StaffMember.name_keys).is_(None)).order_by(col(StaffMember.id)).limit(BATCH)
    if not (await session.scalars(waiting.with_only_columns(col(StaffMember.id)))).first():
        return 0
    await session.execute(select(func.pg_advisory_xact_lock(_COMPARING)))
    accounts = list(await session.scalars(waiting.with_for_update(skip_locked=True)))
    for account in accounts:
        account.name_keys = list(account_keys(account.name))
        for case in await _cases_about(session, account.name_keys):
            await _compare_account(session, case, account, now=now)
    return len(accounts)


async def _cases_about(session: AsyncSession, keys: list[str]) -> list[Case]:
    """Cases with a party of one of the surnames."""
    aliased = select(col(PersonAlias.person_id)).where(col(PersonAlias.surname_key).in_(keys))
    query = (
        select(Case)
        .join(Party, col(Party.case_id) == col(Case.id))
        .join(Person, col(Person.id) == col(Party.person_id))
        .where(or_(col(Person.surname_key).in_(keys), col(Person.id).in_(aliased)))
        .order_by(col(Case.id))
        .with_for_update(of=Case, key_share=True)
    )
    return list((await session.scalars(query)).unique())


async def _compare_account(session: AsyncSession, case: Case, account: StaffMember, *, now: datetime) -> None:
    opener = acting(case.created_by, case)
    for party in await _compared(session, case.id):
        if await _keep_out(session, case, party, account, actor=opener, now=now):
            await flag(session, case, actor=opener, now=now)
            case.version += 1


def acting(staff_id: UUID, case: Case) -> Actor:
    """Somebody under whom the service keeps what it finds by itself; without any right."""
    return Actor(
        staff_id=staff_id,
        name="",
        roles=frozenset(),
        force_id=case.force_id,
        agency_id=None,
        serves_force_id=case.force_id,
    )
