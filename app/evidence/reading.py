"""Records as they are now, each as its leaf would be. One that cannot be told is named, and hides no other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, LargeBinary, bindparam, select, type_coerce
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from app.evidence.leaves import Columns, Row, Salts, UntoldColumn, leaf_of
from app.evidence.records import LEAVES, LOG, LOG_CHILDREN
from app.evidence.sealed import Sealed


@dataclass(frozen=True)
class Told:
    """A record, and the leaf that it would be."""

    kind: str
    id: UUID
    case_id: UUID | None
    told: bytes | None
    """None where it stands there and no leaf can be made of it: a value that canonical JSON or this process refuses."""
    why_not: str = ""
    """The class of the error that says so."""


_UNTOLD = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, DataError, UntoldColumn)
"""What one row's values may come to, when they are read or told; whatever the database itself answers is none of it."""


async def leaves_of(session: AsyncSession, wanted: Mapping[UUID, str], salts: Mapping[UUID, Salts]) -> list[Told]:
    """The records that are there of those wanted (by id, with their kind), with the salts of their leaves."""
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for record, kind in wanted.items():
        by_kind[kind].append(record)
    found: list[Told] = []
    for kind, ids in by_kind.items():
        if kind in LEAVES:  # only somebody who tampers names another
            found += await _each(session, kind, ids, salts)
    return found


async def _each(session: AsyncSession, kind: str, ids: Sequence[UUID], salts: Mapping[UUID, Salts]) -> list[Told]:
    """Records of one kind together; where that fails, by halves, so that whichever is at fault is alone at last."""
    try:
        async with session.begin_nested():
            return await _together(session, kind, ids, salts)
    except _UNTOLD as error:
        if len(ids) == 1:
            return [Told(kind, ids[0], None, None, type(error).__name__)]
    half = len(ids) // 2
    return [*await _each(session, kind, ids[:half], salts), *await _each(session, kind, ids[half:], salts)]


async def _together(session: AsyncSession, kind: str, ids: Sequence[UUID], salts: Mapping[UUID, Salts]) -> list[Told]:
    table = SQLModel.metadata.tables[kind]  # by name: the tables of the stages stand above this package
    query = select(*map(_as_kept, table.c)).where(table.c.id.in_(bindparam("ids", expanding=True)))
    read = [one._asdict() for one in (await session.execute(query, {"ids": ids})).all()]
    children = await _children(session, ids) if kind == LOG else {}
    found: list[Told] = []
    for one in read:
        own = {name: (columns, of_row[one["id"]]) for name, (columns, of_row) in children.items()}
        told = leaf_of(kind, table.c, one, salts=salts[one["id"]], children=own)
        found.append(Told(kind, one["id"], one.get("case_id"), told))
    return found


def _as_kept(column: Column[Any]) -> ColumnElement[Any]:
    """A sealed column is read as its envelope: numbering opens nothing and asks nobody for a key."""
    if isinstance(column.type, Sealed):
        return type_coerce(column, LargeBinary).label(column.name)
    return column


async def _children(
    session: AsyncSession, ids: Iterable[UUID]
) -> dict[str, tuple[Columns, Mapping[UUID, Sequence[Row]]]]:
    """Rows that belong to rows of the log, by table and by the row that they belong to."""
    found: dict[str, tuple[Columns, Mapping[UUID, Sequence[Row]]]] = {}
    for name, parent in LOG_CHILDREN.items():
        table = SQLModel.metadata.tables[name]
        query = select(*table.c).where(table.c[parent].in_(bindparam("ids", expanding=True)))
        of_row: dict[UUID, list[Any]] = defaultdict(list)
        for one in (await session.execute(query, {"ids": list(ids)})).all():
            of_row[one._mapping[parent]].append(one._mapping)
        found[name] = (table.c, of_row)
    return found
