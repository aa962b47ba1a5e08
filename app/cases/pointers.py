"""Finding other cases about the same person, here and in other forces, by keys that carry no name (H3.5)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force
from app.cases.rules import CONCLUDED
from app.cases.tables import Case, CasePointer, PartyRole
from app.cases.withholding import is_restricted
from app.people.rules import match_keys
from app.people.schemas import PersonIn, PersonView
from app.people.service import described
from app.process import Stage
from app.storage.base import columns_of, table_of
from app.storage.statements import rows, write

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


_case, _pointer, _force = columns_of(Case), columns_of(CasePointer), columns_of(Force)
_subject, _victim = table_of(CasePointer).alias("subject"), table_of(CasePointer).alias("victim")
_OF_PAIR = (
    select(_case.id)
    .distinct()
    .select_from(
        table_of(Case).join(_subject, _subject.c.case_id == _case.id).join(_victim, _victim.c.case_id == _case.id)
    )
    .where(
        _case.force_id == bindparam("force_id"),
        _case.stage.not_in((Stage.INTAKE, *CONCLUDED)),
        _subject.c.role == PartyRole.SUBJECT,
        _subject.c.match_key.in_(bindparam("subjects", expanding=True)),
        _victim.c.role == PartyRole.POTENTIAL_VICTIM,
        _victim.c.match_key.in_(bindparam("victims", expanding=True)),
    )
    .order_by(_case.id)
)
_POINTED_AT = (
    select(
        *(column for column in _pointer if column.name != "match_key"),
        _force.name.label("force"),
        _case.id.label("own_case_id"),
        _case.stage,
        _case.route,
    )
    .distinct()
    .select_from(
        table_of(CasePointer)
        .join(table_of(Force), _force.id == _pointer.force_id)
        .outerjoin(table_of(Case), _case.id == _pointer.case_id)
    )
    .where(
        _pointer.match_key.in_(bindparam("keys", expanding=True)),
        _pointer.case_id.is_distinct_from(bindparam("but")),
    )
    .order_by(_pointer.reference)
    .limit(100)
)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
_POINT = insert(table_of(CasePointer)).on_conflict_do_nothing()


async def one_opening_at_a_time(session: AsyncSession, keys: Keys) -> None:
    """Two applications about one subject, typed in the same second, are opened one after the other."""
    for key in sorted({key for role, key in keys if role is PartyRole.SUBJECT}):
        await session.execute(_LOCK, {"key": key})


async def point(session: AsyncSession, case: Case, keys: Keys) -> None:
    """Leave pointers to a case."""
    withheld = await is_restricted(session, case.id)
    shared = {"case_id": case.id, "force_id": case.force_id, "reference": case.reference, "withheld": withheld}
    pointers = [{**shared, "role": role, "match_key": key} for role, key in dict.fromkeys(keys)]
    if pointers:
        await write(session, _POINT, pointers)


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

    def of(part: PartyRole) -> list[str]:
        return [key for role, key in keys if role is part]

    subjects, victims = of(PartyRole.SUBJECT), of(PartyRole.POTENTIAL_VICTIM)
    found = await rows(session, _OF_PAIR, force_id=force_id, subjects=subjects, victims=victims)
    return [one.id for one in found]


async def pointed_at(
    session: AsyncSession, keys: Iterable[tuple[PartyRole, str]], *, but: UUID | None = None
) -> Sequence[Row[Any]]:
    """Cases that any of the keys points at, and in what part; stage and route of the own force's only."""
    wanted = {key for _, key in keys}
    if not wanted:
        return []
    return await rows(session, _POINTED_AT, keys=wanted, but=but)
