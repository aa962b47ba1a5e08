"""Recording persons and reading them back with their names, addresses and safe contact."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.people.rules import normalise_name
from app.people.schemas import (
    AddressView,
    AliasIn,
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
    person = Person(**keys, **described.model_dump(exclude=_MANY), **search_keys(described))
    session.add(person)
    await session.flush()
    _add_names_and_addresses(session, person, described, now=now)
    if described.safe_contact:
        agree_safe_contact(session, person, described.safe_contact, by=by, now=now)
    return person


async def amend_person(session: AsyncSession, person: Person, known: PersonIn, *, by: UUID, now: datetime) -> None:
    """Replace what is known of a person. The name held until now stays as an alias, addresses and aliases are added."""
    was = AliasIn(given_names=person.given_names, surname=person.surname)
    if (was.given_names, was.surname) not in ((None, None), (known.given_names, known.surname)):
        known = known.model_copy(update={"aliases": [*known.aliases, was]})
    for name, value in (known.model_dump(exclude=_MANY) | search_keys(known)).items():
        setattr(person, name, value)
    _add_names_and_addresses(session, person, known, now=now)
    if known.safe_contact:
        agree_safe_contact(session, person, known.safe_contact, by=by, now=now)


def _add_names_and_addresses(session: AsyncSession, person: Person, described: PersonIn, *, now: datetime) -> None:
    keys: dict[str, Any] = {
        "case_id": person.case_id,
        "force_id": person.force_id,
        "person_id": person.id,
        "recorded_at": now,
    }
    for alias in described.aliases:
        surname_key = search_keys(alias)["surname_key"]
        session.add(PersonAlias(**keys, surname_key=surname_key, **alias.model_dump()))
    for address in described.addresses:
        session.add(PersonAddress(**keys, **address.model_dump()))


def search_keys(named: PersonIn | AliasIn) -> dict[str, Any]:
    """A name as it is searched for."""
    return {
        "given_key": normalise_name(named.given_names) if named.given_names else None,
        "surname_key": normalise_name(named.surname) if named.surname else None,
    }


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
