"""Finding other cases about the same person, here and in other forces, by keys that carry no name (H3.5)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force
from app.cases.tables import Case, CasePointer, PartyRole
from app.people.rules import match_keys
from app.people.schemas import AliasIn, PersonIn
from app.storage.base import columns_of

Keys = list[tuple[PartyRole, str]]


def keys_of(person: PersonIn, role: PartyRole) -> Keys:
    """The match keys of a person as described, each with the part played."""
    named: list[PersonIn | AliasIn] = [person, *person.aliases]
    found = match_keys(
        pnc_id=person.pnc_id,
        surnames=[one.surname for one in named if one.surname],
        given_names=[one.given_names for one in named if one.given_names],
        born=person.born,
    )
    return [(role, key) for key in sorted(found)]


async def one_opening_at_a_time(session: AsyncSession, keys: Keys) -> None:
    """Two applications about one subject, typed in the same second, are opened one after the other."""
    for key in sorted({key for role, key in keys if role is PartyRole.SUBJECT}):
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def point(session: AsyncSession, case: Case, keys: Keys) -> None:
    """Leave pointers to a case."""
    rows = [
        {"case_id": case.id, "role": role, "match_key": key, "force_id": case.force_id, "reference": case.reference}
        for role, key in dict.fromkeys(keys)
    ]
    if rows:
        await session.execute(insert(CasePointer).on_conflict_do_nothing(), rows)


async def pointed_at(
    session: AsyncSession, keys: Iterable[tuple[PartyRole, str]], *, but: UUID | None = None
) -> Sequence[Row[Any]]:
    """Cases that any of the keys points at, and in what part; stage and route of the own force's only."""
    wanted = {key for _, key in keys}
    if not wanted:
        return []
    shown = [
        *(column for column in columns_of(CasePointer) if column.name != "match_key"),
        col(Force.name).label("force"),
        col(Case.id).label("own_case_id"),
        col(Case.stage),
        col(Case.route),
    ]
    query = (
        select(*shown)
        .distinct()
        .join(Force, col(Force.id) == col(CasePointer.force_id))
        .outerjoin(Case, col(Case.id) == col(CasePointer.case_id))
        .where(col(CasePointer.match_key).in_(wanted))
        .order_by(col(CasePointer.reference))
        .limit(100)
    )
    if but is not None:
        query = query.where(col(CasePointer.case_id) != but)
    return (await session.execute(query)).all()
