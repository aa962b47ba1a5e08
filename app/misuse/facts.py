"""What the log's touches are judged by: accounts with their hours, persons as they are compared, whose a case is."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, time
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.addresses import address_key
from app.access.names import account_keys, surnames_of
from app.access.rules import known_roles
from app.access.tables import StaffMember
from app.cases.tables import Case
from app.channels.tables import Absence
from app.misuse.rules import Account, CaseTouched, Individual, Shift
from app.misuse.tables import CaseOfNote
from app.people.rules import Described
from app.people.tables import Person, PersonAddress, PersonAlias
from app.settings import settings
from app.storage.keyfile import service_key


async def accounts(session: AsyncSession, staff_ids: Iterable[UUID]) -> dict[UUID, Account]:
    """The accounts by id, with their recorded absences."""
    away: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    ids = list(staff_ids)
    absent = select(
        col(Absence.staff_id),
        col(Absence.absent_from),
        func.least(col(Absence.absent_until), col(Absence.ended_at)).label("until"),
    ).where(col(Absence.staff_id).in_(ids))
    for one in (await session.execute(absent)).all():
        away[one.staff_id].append((one.absent_from, one.until))
    member = (
        col(StaffMember.id),
        col(StaffMember.name),
        col(StaffMember.roles),
        col(StaffMember.force_id),
        col(StaffMember.name_keys),
        col(StaffMember.former_surnames),
        col(StaffMember.born),
        col(StaffMember.address_key),
        col(StaffMember.shifts),
    )
    found = (await session.execute(select(*member).where(col(StaffMember.id).in_(ids)))).all()
    return {
        one.id: Account(
            staff_id=one.id,
            roles=known_roles(one.roles),
            force_id=one.force_id,
            keys=frozenset(one.name_keys or ()) | frozenset(account_keys(one.name)),
            surnames=surnames_of(one.name) | frozenset(one.former_surnames or ()),
            born=one.born,
            address_key=one.address_key,
            shifts=[
                Shift(each["weekday"], time.fromisoformat(each["begins"]), time.fromisoformat(each["ends"]))
                for each in one.shifts or ()
            ],
            absences=away[one.id],
        )
        for one in found
    }


async def individuals(
    session: AsyncSession, person_ids: Collection[UUID], *, account: Account
) -> dict[UUID, Individual]:
    """The persons by id as they are compared; their addresses only where the account's own is known."""
    ids = list(person_ids)
    if not ids:
        return {}
    name = (col(PersonAlias.person_id), col(PersonAlias.given_names), col(PersonAlias.surname))
    also = defaultdict(list)
    for alias in (await session.execute(select(*name).where(col(PersonAlias.person_id).in_(ids)))).all():
        also[alias.person_id].append(alias)
    houses: dict[UUID, set[str]] = defaultdict(set)
    if account.address_key is not None:
        secret = service_key(settings())
        lived = select(col(PersonAddress.person_id), col(PersonAddress.address))
        for one in (await session.execute(lived.where(col(PersonAddress.person_id).in_(ids)))).all():
            houses[one.person_id].add(address_key(one.address, secret))
    person = (
        col(Person.id),
        col(Person.case_id),
        col(Person.given_names),
        col(Person.surname),
        col(Person.born),
        col(Person.born_estimated),
    )
    found = (await session.execute(select(*person).where(col(Person.id).in_(ids)))).all()
    return {
        one.id: Individual(
            one.id,
            one.case_id,
            Described(
                pnc_id=None,
                surnames=tuple(each.surname for each in (one, *also[one.id]) if each.surname),
                given_names=tuple(each.given_names for each in (one, *also[one.id]) if each.given_names),
                born=None if one.born_estimated else one.born,
            ),
            frozenset(houses[one.id]),
        )
        for one in found
    }


async def cases(session: AsyncSession, case_ids: Collection[UUID]) -> dict[UUID, CaseTouched]:
    """The cases by id: whose, held by whom, marked when."""
    ids = list(case_ids)
    marks: dict[UUID, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    marked = select(col(CaseOfNote.case_id), col(CaseOfNote.since), col(CaseOfNote.ended_since))
    for mark in (await session.execute(marked.where(col(CaseOfNote.case_id).in_(ids)))).all():
        marks[mark.case_id].append((mark.since, mark.ended_since))
    query = select(col(Case.id), col(Case.force_id), col(Case.assigned_to)).where(col(Case.id).in_(ids))
    return {
        one.id: CaseTouched(one.id, one.force_id, one.assigned_to, marks[one.id])
        for one in (await session.execute(query)).all()
    }
