"""A record as the bytes that the tree covers: canonical JSON (RFC 8785), the same from the same row for ever.

A leaf holds no text that a person wrote: of what is sealed the SHA-256 of the sealed bytes, of any other text or JSON a
SHA-256 salted by bytes that stand beside the leaf. What is left in clear are ids, times, numbers and the words of a
list. The rule goes by a column's type, so that a new column is told rightly or not at all. A column that is null is
left out, so that one added later accuses no record of before it.
Whoever may have a receipt may not see every case, so a leaf names none but its record's own: an id that may be of
another case is told by a salted digest, and the persons and cases of a row of the log, however many, by one (H2.8).
What erasing a case takes out of a record (H12.2) is told, whatever its type, by a SHA-256 under a second salt, which
goes with it: a date, a name or a number could be guessed from its digest by whoever held the salt. A record without
that salt is told as erased: of each such column, whether it holds what erasing leaves and nothing else.
Of a record of a case `force_id` stays out: it changes when the case goes to another force (H8.5). The log never moves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

import rfc8785
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    String,
    Uuid,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.errors import ClaresLawError
from app.evidence.records import DELETED, EMPTIED, FILLED_LATER, LOG, MARK, MARKED, OF_OTHER_CASES, YEAR

FORM = 1
"""The version of this form, in every leaf; another form is another number, and old leaves keep theirs."""
SALT_BYTES = 32
MOVES = "force_id"
TOUCHED = "touched"
"""What stands in the leaf of a row of the log for whom it touched and what it showed, also where that is nothing."""

Row = Mapping[str, Any]
Columns = Iterable[Column[Any]]


_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Salts:
    """What a leaf is salted with; `erasable` is None where nothing is erased of the record, or where it has been."""

    kept: bytes
    erasable: bytes | None = None


class UntoldColumn(ClaresLawError):
    """A column of a kind that this form does not know."""

    code: ClassVar[str] = "untold_column"


def leaf_of(
    kind: str,
    columns: Columns,
    row: Row,
    *,
    salts: Salts,
    children: Mapping[str, tuple[Columns, Sequence[Row]]] | None = None,
) -> bytes:
    """The leaf of one row.

    `children` are the columns and rows of what belongs to it, by table; their order is not kept, and one digest tells
    them all, so that neither one of them nor how many there are is seen.
    """
    told: dict[str, Any] = {"v": FORM, "kind": kind, "row": _row(kind, columns, row, salts)}
    if children:
        touched = {
            table: sorted((_told(of_child, one, salts.kept) for one in rows), key=rfc8785.dumps)
            for table, (of_child, rows) in children.items()
        }
        told[TOUCHED] = _salted(TOUCHED, rfc8785.dumps(touched), salts.kept)
    return rfc8785.dumps(told)


def missing_leaf(kind: str, record_id: UUID) -> bytes:
    """The leaf of a record that was gone before it could be numbered: that it was there is kept."""
    return rfc8785.dumps({"v": FORM, "kind": kind, "row": {"id": str(record_id)}, "missing": True})


def _row(kind: str, columns: Columns, row: Row, salts: Salts) -> dict[str, Any]:
    later = FILLED_LATER.get(kind, _NONE)
    kept = [one for one in columns if one.name not in later and (kind == LOG or one.name != MOVES)]
    erased = [one for one in kept if goes(kind, one)]
    told = _told([one for one in kept if one not in erased], row, salts.kept, OF_OTHER_CASES.get(kind, _NONE))
    for column in erased:
        value = row[column.name]
        one = None if value is None else _erasable(kind, column, value, salts.erasable)
        if one is not None:
            told[column.name] = one
    return told


def goes(kind: str, column: Column[Any]) -> bool:
    """Whether erasing a case takes a column out of a record, or the whole of it: ids and times tell of nobody."""
    if kind in DELETED:
        return not isinstance(_within(column.type), Uuid | DateTime)
    return any(column.name in by_table.get(kind, _NONE) for by_table in (MARKED, EMPTIED, YEAR))


def _erasable(kind: str, column: Column[Any], value: Any, salt: bytes | None) -> dict[str, Any] | None:
    """What may be erased, or without its salt what erasing left of it; None where it is to leave nothing."""
    year = {"year": value.year} if column.name in YEAR.get(kind, _NONE) else {}
    if salt is not None:
        digest = _digest(column.name, rfc8785.dumps(_plain(column.type, value)), salt)
        return {"erasable": digest, **year}
    if column.name in EMPTIED.get(kind, _NONE) and value in ([], {}):
        return None
    if year:
        return {"erased": (value.month, value.day) == (1, 1), **year}
    return {"erased": column.name in MARKED.get(kind, _NONE) and value == MARK}


def _plain(kind: TypeEngine[Any], value: Any) -> Any:
    return next((tell(value) for known, tell in _CLEAR if isinstance(_within(kind), known)), value)


def _within(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return _within(kind.impl_instance) if isinstance(kind, TypeDecorator) else kind


def _told(columns: Columns, row: Row, salt: bytes, of_others: frozenset[str] = _NONE) -> dict[str, Any]:
    return {
        column.name: _salted(column.name, str(value).encode(), salt)
        if column.name in of_others
        else _value(column.type, value, column.name, salt)
        for column in columns
        if (value := row[column.name]) is not None
    }


def _value(kind: TypeEngine[Any], value: Any, name: str, salt: bytes) -> Any:
    """One value by the type of its column; the first that fits, so the narrower stand first."""
    kind = _within(kind)
    if isinstance(kind, ARRAY):
        if isinstance(kind.item_type, String) and not isinstance(kind.item_type, Enum):
            return _salted(name, rfc8785.dumps(value), salt)
        return [_value(kind.item_type, one, name, salt) for one in value]
    for known, tell in _CLEAR:
        if isinstance(kind, known):
            return tell(value)
    if isinstance(kind, String):
        return _salted(name, value.encode(), salt)
    if isinstance(kind, JSON):
        return _salted(name, rfc8785.dumps(value), salt)
    raise UntoldColumn(f"The column {name} is of a kind that a leaf does not tell: {type(kind).__name__}.")


def _salted(name: str, value: bytes, salt: bytes) -> dict[str, str]:
    return {"salted": _digest(name, value, salt)}


def _digest(name: str, value: bytes, salt: bytes) -> str:
    return sha256(salt + name.encode() + b"\x00" + value).hexdigest()


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(value: UUID) -> str:
    return str(value)


def _day(value: date) -> str:
    return value.isoformat()


def _sealed(value: bytes) -> dict[str, str]:
    return {"sha256": sha256(value).hexdigest()}


_CLEAR: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Any]], ...] = (
    (Uuid, _id),
    (Boolean, bool),
    (BigInteger, str),  # canonical JSON keeps integers up to 2 to the power of 53
    (Integer, int),
    (DateTime, _moment),
    (Date, _day),
    (Enum, str),
    (LargeBinary, _sealed),
)
