"""Finding other cases about the same person, here and in other forces, by keys that carry no name (H3.5)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.tables import Force
from app.cases.rules import CONCLUDED
from app.cases.tables import Case, CasePointer, PartyRole
from app.cases.withholding import is_restricted
from app.people.rules import match_keys
from app.people.schemas import PersonIn, PersonView
from app.people.service import described
from app.process import Stage
from app.storage.base import columns_of

Keys = list[tuple[PartyRole, str]]


POINTED_AT = (PartyRole.SUBJECT, PartyRole.POTENTIAL_VICTIM)
"""The parts by which a case is found again (H3.5): never who asked (H2.7)."""


def keys_of(person: PersonIn | PersonView, role: PartyRole) -> Keys:
    """The match keys of a person as described or recorded, each with the part played; none of other parts."""
    if role not in POINTED_AT:
        return []
    known = described(person)
    found = match_keys(pnc_id=known.pnc_id, surnames=known.surnames, given_names=known.given_names, born=known.born)
    return [(role, key) for key in sorted(found)]


async def one_opening_at_a_time(session: AsyncSession, keys: Keys) -> None:
    """Two applications about one subject, typed in the same second, are opened one after the other."""
    for key in sorted({key for role, key in keys if role is PartyRole.SUBJECT}):
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def point(session: AsyncSession, case: Case, keys: Keys) -> None:
    """Leave pointers to a case."""
    withheld = await is_restricted(session, case.id)
    shared = {"case_id": case.id, "force_id": case.force_id, "reference": case.reference, "withheld": withheld}
    rows = [{**shared, "role": role, "match_key": key} for role, key in dict.fromkeys(keys)]
    if rows:
        await session.execute(insert(CasePointer).on_conflict_do_nothing(), rows)


async def point_anew(session: AsyncSession, case: Case, role: PartyRole, people: Iterable[PersonView]) -> None:
    """Replace the pointers to a case in one part by those of the people who play it: a corrected key points no more."""
    of_part = (col(CasePointer.case_id) == case.id, col(CasePointer.role) == role)
    await session.execute(delete(CasePointer).where(*of_part))
    await point(session, case, [key for person in people for key in keys_of(person, role)])


async def open_cases_of_pair(session: AsyncSession, keys: Keys, *, force_id: str) -> list[UUID]:
    """Open cases of a force with the same subject as the subject and one of the same potential victims as such.

    Each in the part played: an application by the subject about the victim is another case, and is never told of this
    one (H2.7).
    """
    subject, victim = aliased(CasePointer), aliased(CasePointer)
    query = (
        select(col(Case.id))
        .distinct()
        .join(subject, col(subject.case_id) == col(Case.id))
        .join(victim, col(victim.case_id) == col(Case.id))
        .where(
            col(Case.force_id) == force_id,
            col(Case.stage).not_in((Stage.INTAKE, *CONCLUDED)),
            col(subject.role) == PartyRole.SUBJECT,
            col(subject.match_key).in_([key for role, key in keys if role is PartyRole.SUBJECT]),
            col(victim.role) == PartyRole.POTENTIAL_VICTIM,
            col(victim.match_key).in_([key for role, key in keys if role is PartyRole.POTENTIAL_VICTIM]),
        )
        .order_by(col(Case.id))
    )
    return list(await session.scalars(query))


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
