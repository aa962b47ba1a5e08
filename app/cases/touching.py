"""Whom the rows of a case name: whatever shows them tells the log, and the watch for misuse reads it there (H12.1).

Asked of the database with the rows, under the reader's own sight: whoever is not shown who applied did not touch the
applicant.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.service import seeing_whole
from app.cases.tables import Party
from app.evidence.owing import touch
from app.storage.base import CaseRow, columns_of
from app.storage.statements import rows

_party = columns_of(Party)
_OF_PARTIES = select(_party.person_id).where(
    _party.case_id == bindparam("case_id"), _party.id == any_(bindparam("parties", type_=ARRAY(Uuid)))
)


@cache
def people_of(table: type[CaseRow]) -> dict[str, ColumnElement[Any]]:
    """Whom a row is about: the person that it names, or those of the parties that it does. Select them with the row."""
    columns = columns_of(table)
    found: dict[str, ColumnElement[Any]] = {"person_id": columns.person_id} if "person_id" in columns else {}
    for column in columns:
        if any(key.column.table.name == "party" for key in column.foreign_keys):
            name = f"person_of_{column.name}"
            found[name] = select(_party.person_id).where(_party.id == column).scalar_subquery().label(name)
        elif column.name == "potential_victim_ids":
            several = select(func.array_agg(_party.person_id)).where(_party.id == any_(column))
            found["people"] = several.scalar_subquery().label("people")
    return found


def touch_people(session: AsyncSession, case_id: UUID, table: type[CaseRow], found: Iterable[Any]) -> None:
    """Tell the log of whom rows are about that were read with `people_of` their table."""
    for one in found:
        for name in people_of(table):
            about = one._mapping[name]
            touch(session, case_id, *(about if isinstance(about, list) else [about]))


async def touch_parties(session: AsyncSession, case_id: UUID, parties: Iterable[UUID]) -> None:
    """Tell the log of parties that a document names, to whomever it does: of all of them, seen in the case or not."""
    async with seeing_whole(session):
        found = await rows(session, _OF_PARTIES, case_id=case_id, parties=list(parties))
    touch(session, case_id, *(one.person_id for one in found))
