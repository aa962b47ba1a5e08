"""Parties of cases compared with the accounts of this service: whoever has one sees nothing of a case about him (H2.8).

An application compares its parties with every account at once; a new or changed account is compared by the worker with
the parties of every case. Until that is done the database withholds from the account whatever it may be about.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.names import normalise_name
from app.access.rules import Actor
from app.access.tables import StaffMember
from app.cases.tables import Case, Party, PartyRole
from app.cases.withholding import exclude, restrict
from app.editions import edition
from app.intake.rules import may_have_account, police_notice
from app.people.rules import Described, Likeness, likeness
from app.people.tables import Person, PersonAlias
from app.safeguarding.service import open_duties, owe, owe_once
from app.safeguarding.terms import DutyKind
from app.storage.base import shares_any

BATCH = 50
_COMPARING = func.hashtextextended("clares-law.accounts", 0)
"""Shared by whoever writes parties, until it is committed; taken alone, and let go, before accounts are compared."""
Account = Row[UUID, list[str] | None, date | None]
_ACCOUNT = (col(StaffMember.id), col(StaffMember.name_keys), col(StaffMember.born))


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
        alike = [shares_any(StaffMember.name_keys, surnames)]
        if party.described.born:
            alike.append(col(StaffMember.born) == party.described.born)
        for account in (await session.execute(select(*_ACCOUNT).where(or_(*alike)))).all():
            certain |= await _keep_out(session, case, party, account, actor=actor, now=now)
    return certain


async def _compared(session: AsyncSession, case_id: UUID) -> list[Compared]:
    """The parties of a case, with the names and dates alone: the worker may read no more of a person."""
    names = (col(Person.id), col(Person.given_names), col(Person.surname), col(Person.born))
    query = (
        select(*names, col(Person.born_estimated), col(Party.role))
        # The case of both: a party is indexed by its case and not by its person.
        .join(Party, and_(col(Party.person_id) == col(Person.id), col(Party.case_id) == col(Person.case_id)))
        .where(col(Person.case_id) == case_id)
    )
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
            born=None if one.born_estimated else one.born,
        )
        found.append(Compared(one.role, person))
    return found


async def _keep_out(
    session: AsyncSession, case: Case, party: Compared, account: Account, *, actor: Actor, now: datetime
) -> bool:
    """Exclude the account if it may be the party's; whether it certainly is and the case does not say so yet."""
    like = likeness(party.described, keys=account.name_keys or (), born=account.born)
    if like is None:
        return False
    certain = like is Likeness.CERTAIN
    reason = f"The account may be the {party.role.replace('_', ' ')}'s: likeness {like.value}."
    new = await exclude(session, case, account.id, reason, certain=certain, by=actor.staff_id, now=now)
    if certain:
        return new or not case.police_involved
    if new:
        await owe_once(session, case, DutyKind.POLICE_INVOLVEMENT, may_have_account(), actor=actor, now=now)
    return False


async def flag(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """A party is police, or has an account here: notices are owed, and the case is withheld from others (H2.8)."""
    case.police_involved = True
    await restrict(session, case, "A party is police or has an account here.", by=actor.staff_id, now=now)
    owed = {duty.says for duty in await open_duties(session, case.id, DutyKind.POLICE_INVOLVEMENT)}
    for why in map(police_notice, edition(case.edition).police_involvement_notices):
        if why.says not in owed:
            owe(session, case, DutyKind.POLICE_INVOLVEMENT, why, actor=actor, now=now)


async def accounts_to_compare(session: AsyncSession) -> list[UUID]:
    """New and changed accounts, at most BATCH and in no order, so that one that fails keeps no other waiting.

    Whoever began to write parties before is waited for, since they did not know these accounts; the lock is let go
    with this transaction and no other row is held with it.
    """
    waiting = select(col(StaffMember.id)).where(~col(StaffMember.compared)).order_by(func.random()).limit(BATCH)
    found = list(await session.scalars(waiting))
    if found:
        await session.execute(select(func.pg_advisory_xact_lock(_COMPARING)))
    return found


async def compare_account(session: AsyncSession, staff_id: UUID, *, now: datetime) -> None:
    """Compare one account with the parties of every case; nothing where another worker is at it."""
    waiting = select(*_ACCOUNT).where(col(StaffMember.id) == staff_id, ~col(StaffMember.compared))
    account = (await session.execute(waiting.with_for_update(skip_locked=True))).one_or_none()
    if account is None:
        return
    for case in await _cases_about(session, account):
        opener = acting(case.created_by, case)
        certain = False
        for party in await _compared(session, case.id):
            certain |= await _keep_out(session, case, party, account, actor=opener, now=now)
        if certain:
            await flag(session, case, actor=opener, now=now)
            case.version += 1
    await session.execute(update(StaffMember).where(col(StaffMember.id) == staff_id).values(compared=True))


async def _cases_about(session: AsyncSession, account: Account) -> list[Case]:
    """Cases with a party of one of the surnames, or of the date of birth."""
    aliased = select(col(PersonAlias.person_id)).where(col(PersonAlias.surname_key).in_(account.name_keys or ()))
    alike = [col(Person.surname_key).in_(account.name_keys or ()), col(Person.id).in_(aliased)]
    if account.born:
        alike.append(col(Person.born) == account.born)
    query = (
        select(Case)
        .join(Person, col(Person.case_id) == col(Case.id))
        .where(or_(*alike))
        .order_by(col(Case.id))
        .with_for_update(of=Case, key_share=True)
    )
    return list((await session.scalars(query)).unique())


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
