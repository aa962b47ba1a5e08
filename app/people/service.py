"""Recording persons and reading them back with their names, addresses and safe contact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, MetaData, bindparam, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.names import normalise_name
from app.evidence.owing import touch
from app.people.rules import Described, taken_as_one
from app.people.schemas import (
    AddressIn,
    AliasIn,
    AliasView,
    PersonIn,
    PersonView,
    SafeContactIn,
)
from app.people.tables import Gender, KeptBecause, Person, PersonAddress, PersonAlias, PersonVersion, SafeContact
from app.storage.base import CaseRow, columns_of, table_of
from app.storage.statements import rows

_MANY = {"aliases", "addresses", "safe_contact"}
_ONE = tuple(name for name in PersonIn.model_fields if name not in _MANY)
_NAMES = {"given_names", "surname"}


async def record_person(
    session: AsyncSession,
    told: PersonIn,
    *,
    case_id: UUID,
    force_id: str,
    part: str,
    by: UUID,
    now: datetime,
) -> Person:
    """Keep a person of a case as described, and the part played there."""
    keys: dict[str, Any] = {"case_id": case_id, "force_id": force_id, "part": part}
    person = Person(**keys, **told.model_dump(exclude=_MANY), **search_keys(told))
    session.add(person)
    await session.flush()
    touch(session, case_id, person.id)
    _add_names_and_addresses(session, person, told.aliases, told.addresses, now=now)
    if told.safe_contact:
        agree_safe_contact(session, person, told.safe_contact, by=by, now=now)
    return person


def amend_person(
    session: AsyncSession,
    person: Person,
    known: PersonIn,
    *,
    held_too: Mapping[str, Any] | None = None,
    by: UUID,
    now: datetime,
) -> PersonVersion:
    """Change what was sent of a person and nothing else; what was held until now is kept as a version, which is given.

    The name held until now stays as an alias too, addresses and aliases are added, safe contact is agreed anew. A date
    of birth comes with its mark of an estimate. `held_too` is what the case held of the person's part.
    """
    version = keep_version(
        session, person, KeptBecause.HELD_BEFORE, {**_held(person), **(held_too or {})}, by=by, now=now
    )
    touch(session, person.case_id, person.id)
    was = AliasIn.model_construct(given_names=person.given_names, surname=person.surname)
    sent = {name for name in _ONE if name in known.model_fields_set}
    if "born" in sent:
        sent.add("born_estimated")
    for name in sent:
        setattr(person, name, getattr(known, name))
    _fit_for_search(person)
    renamed = (was.given_names, was.surname) not in ((None, None), (person.given_names, person.surname))
    _add_names_and_addresses(session, person, [*known.aliases, *([was] if renamed else [])], known.addresses, now=now)
    if known.safe_contact:
        agree_safe_contact(session, person, known.safe_contact, by=by, now=now)
    return version


@dataclass(frozen=True)
class Completed:
    """What a further description added to a person: the fields that were blank before, and those that differ."""

    filled: Mapping[str, Any] = field(default_factory=dict)
    differs: Mapping[str, Any] = field(default_factory=dict)


def complete_person(
    session: AsyncSession,
    person: Person,
    known: PersonView,
    told: PersonIn,
    *,
    speaks_for_self: bool,
    by: UUID,
    now: datetime,
) -> Completed:
    """Add to a person what a further contact tells: blanks are filled, names and addresses added, nothing replaced.

    What differs from the record is given back for a person to compare. A safe contact that is agreed already gives
    way only to the word of the person it is for (H2.1). The caller keeps the version.
    """
    touch(session, person.case_id, person.id)
    compared = {name: (getattr(person, name), getattr(told, name)) for name in _ONE if name not in _NAMES}
    estimated = compared.pop("born_estimated")[1]
    filled, differs = compare(compared)
    if "born" in filled:
        filled["born_estimated"] = estimated
    for name in _NAMES:
        if getattr(person, name) is None and getattr(told, name) is not None:
            filled[name] = getattr(told, name)
    if not taken_as_one(described(known), described(told)):
        differs |= {name: getattr(told, name) for name in _NAMES if getattr(told, name) != getattr(person, name)}
    contact = told.safe_contact
    if contact and known.safe_contact and not speaks_for_self:
        if contact.model_dump() != known.safe_contact.model_dump():
            differs["safe_contact"] = contact.model_dump()
    elif contact:
        agree_safe_contact(session, person, contact, by=by, now=now)
    _add_what_is_new(session, person, known, told, now=now)
    return Completed(filled, differs)


def fill(session: AsyncSession, person: Person, blanks: Mapping[str, Any]) -> None:
    """Write what was blank."""
    for name, value in blanks.items():
        setattr(person, name, value)
    _fit_for_search(person)
    session.add(person)


def compare(pairs: Mapping[str, tuple[Any, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of (recorded, told) pairs: what is told where nothing is recorded, and what is told otherwise."""
    filled: dict[str, Any] = {}
    differs: dict[str, Any] = {}
    for name, (recorded, told) in pairs.items():
        if told in _BLANK or told == recorded:
            continue
        (filled if recorded in _BLANK else differs)[name] = told
    return filled, differs


_BLANK = (None, False, Gender.NOT_STATED)


def _add_what_is_new(
    session: AsyncSession, person: Person, known: PersonView, told: PersonIn, *, now: datetime
) -> None:
    names = {(one.given_names, one.surname) for one in known.aliases}
    names.add((known.given_names or told.given_names, known.surname or told.surname))
    told_now = [AliasIn.model_construct(given_names=told.given_names, surname=told.surname), *told.aliases]
    new = {(one.given_names, one.surname): one for one in told_now}
    aliases = [one for name, one in new.items() if name not in names and name != (None, None)]
    lived = {(one.address, one.lived_from, one.lived_to) for one in known.addresses}
    addresses = [one for one in told.addresses if (one.address, one.lived_from, one.lived_to) not in lived]
    _add_names_and_addresses(session, person, aliases, addresses, now=now)


def described(person: PersonIn | PersonView) -> Described:
    """What a description of a person is compared by."""
    named: list[PersonIn | PersonView | AliasIn | AliasView] = [person, *person.aliases]
    return Described(
        pnc_id=person.pnc_id,
        surnames=tuple(one.surname for one in named if one.surname),
        given_names=tuple(one.given_names for one in named if one.given_names),
        born=person.born,
    )


def keep_version(
    session: AsyncSession, person: Person, because: KeptBecause, said: Mapping[str, Any], *, by: UUID, now: datetime
) -> PersonVersion:
    """Keep what was recorded, or was told otherwise."""
    version = PersonVersion(
        case_id=person.case_id,
        force_id=person.force_id,
        person_id=person.id,
        part=person.part,
        because=because,
        said=to_jsonable_python(dict(said)),
        recorded_at=now,
        recorded_by=by,
    )
    session.add(version)
    return version


def _held(person: Person) -> dict[str, Any]:
    return {name: getattr(person, name) for name in _ONE}


def _fit_for_search(person: Person) -> None:
    for name, key in search_keys(person).items():
        setattr(person, name, key)


def _add_names_and_addresses(
    session: AsyncSession, person: Person, aliases: Iterable[AliasIn], addresses: Iterable[AddressIn], *, now: datetime
) -> None:
    keys: dict[str, Any] = {
        "case_id": person.case_id,
        "force_id": person.force_id,
        "person_id": person.id,
        "part": person.part,
        "recorded_at": now,
    }
    for alias in aliases:
        surname_key = search_keys(alias)["surname_key"]
        session.add(PersonAlias(**keys, surname_key=surname_key, **alias.model_dump()))
    for address in addresses:
        session.add(PersonAddress(**keys, **address.model_dump()))


def search_keys(named: PersonIn | AliasIn | Person) -> dict[str, Any]:
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
        part=person.part,
        recorded_at=now,
        recorded_by=by,
        **agreed.model_dump(),
    )
    session.add(row)
    return row


def _of_person(table: type[CaseRow]) -> ColumnElement[Any]:
    """The rows of a person in another table, oldest first, as one value."""
    columns = columns_of(table)
    each = func.json_agg(table_of(table).table_valued()).aggregate_order_by(columns.recorded_at)
    return select(func.coalesce(each, literal_column("'[]'"))).where(columns.person_id == _person.id).scalar_subquery()


_person = table_of(Person).to_metadata(MetaData(), name="person_shown").c
"""The view of persons by which this transaction sees no more columns of one than its reader may (H2.7)."""
_PERSONS = select(
    *(_person[name] for name in PersonView.model_fields if name not in _MANY),
    _of_person(PersonAlias).label("aliases"),
    _of_person(PersonAddress).label("addresses"),
    _of_person(SafeContact).op("->")(-1).label("safe_contact"),  # the newest agreement holds (H2.1)
).where(_person.case_id == bindparam("case_id"))


async def persons(session: AsyncSession, case_id: UUID) -> dict[UUID, PersonView]:
    """Every person of a case, by id."""
    return {found.id: PersonView.model_validate(found) for found in await rows(session, _PERSONS, case_id=case_id)}
