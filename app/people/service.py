"""Recording persons and reading them back with their names, addresses and safe contact."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.people.schemas import (
    AddressView,
    AliasView,
    PersonIn,
    PersonView,
    SafeContactIn,
    SafeContactView,
)
from app.people.tables import Person, PersonAddress, PersonAlias, SafeContact
from app.storage.base import columns_of

V = TypeVar("V", AliasView, AddressView, SafeContactView)
_MANY = {"aliases", "addresses", "safe_contact"}


async def record_person(
    session: AsyncSession,
    described: PersonIn,
    *,
    case_id: UUID,
    force_id: str,
    by: UUID,
    now: datetime,
) -> Person:
    """Keep a person of a case as described."""
    keys: dict[str, Any] = {"case_id": case_id, "force_id": force_id}
    person = Person(**keys, **described.model_dump(exclude=_MANY))
    session.add(person)
    await session.flush()
    for alias in described.aliases:
        session.add(PersonAlias(**keys, person_id=person.id, recorded_at=now, **alias.model_dump()))
    for address in described.addresses:
        session.add(PersonAddress(**keys, person_id=person.id, recorded_at=now, **address.model_dump()))
    if described.safe_contact:
        agree_safe_contact(session, person, described.safe_contact, by=by, now=now)
    return person


def agree_safe_contact(
    session: AsyncSession, person: Person, agreed: SafeContactIn, *, by: UUID, now: datetime
) -> SafeContact:
    """Keep how a person may be reached; the newest holds, earlier ones stay (H2.1)."""
    row = SafeContact(
        case_id=person.case_id,
        force_id=person.force_id,
        person_id=person.id,
        recorded_at=now,
        recorded_by=by,
        **agreed.model_dump(),
    )
    session.add(row)
    return row


async def persons(session: AsyncSession, case_id: UUID) -> dict[UUID, PersonView]:
    """Every person of a case, by id."""
    found = (await session.execute(select(*columns_of(Person)).where(col(Person.case_id) == case_id))).mappings()
    aliases = _by_person(
        (await session.execute(select(*columns_of(PersonAlias)).where(col(PersonAlias.case_id) == case_id))).all(),
        AliasView,
    )
    addresses = _by_person(
        (await session.execute(select(*columns_of(PersonAddress)).where(col(PersonAddress.case_id) == case_id))).all(),
        AddressView,
    )
    newest = (
        select(*columns_of(SafeContact))
        .where(col(SafeContact.case_id) == case_id)
        .order_by(col(SafeContact.recorded_at))
    )
    contacts = _by_person((await session.execute(newest)).all(), SafeContactView)
    return {
        row["id"]: PersonView(
            **{name: row[name] for name in PersonView.model_fields if name not in _MANY},
            aliases=aliases.get(row["id"], []),
            addresses=addresses.get(row["id"], []),
            safe_contact=contacts[row["id"]][-1] if row["id"] in contacts else None,
        )
        for row in found
    }


def _by_person(rows: Iterable[Any], view: type[V]) -> dict[UUID, list[V]]:
    grouped: dict[UUID, list[V]] = {}
    for row in rows:
        grouped.setdefault(row.person_id, []).append(view.model_validate(row))
    return grouped
