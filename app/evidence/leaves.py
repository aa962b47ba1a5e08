"""A record as the bytes that the tree covers: canonical JSON (RFC 8785), the same from the same row for ever.

A leaf holds no text that a person wrote: of what is sealed the SHA-256 of the sealed bytes, of any other text or JSON a
SHA-256 salted by bytes that stand beside the leaf. What is left in clear are ids, times, numbers and the words of a
list. The rule goes by a column's type, so that a new column is told rightly or not at all. A column that is null is
left out, so that one added later accuses no record of before it.
Of a record of a case `force_id` stays out: it changes when the case goes to another force (H8.5). The log never moves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from app.evidence.records import LOG

FORM = 1
"""The version of this form, in every leaf; another form is another number, and old leaves keep theirs."""
SALT_BYTES = 32
MOVES = "force_id"

Row = Mapping[str, Any]
Columns = Iterable[Column[Any]]


class UntoldColumn(ClaresLawError):
    """A column of a kind that this form does not know."""

    code: ClassVar[str] = "untold_column"


def leaf_of(
    kind: str,
    columns: Columns,
    row: Row,
    *,
    salt: bytes,
    children: Mapping[str, tuple[Columns, Sequence[Row]]] | None = None,
) -> bytes:
    """The leaf of one row.

    `children` are the columns and rows of what belongs to it, by table; their order is not kept.
    """
    told: dict[str, Any] = {"v": FORM, "kind": kind, "row": _told(columns, row, salt, moves=kind != LOG)}
    for table, (of_child, rows) in (children or {}).items():
        told[table] = sorted((_told(of_child, one, salt, moves=False) for one in rows), key=rfc8785.dumps)
    return rfc8785.dumps(told)


def missing_leaf(kind: str, record_id: UUID) -> bytes:
    """The leaf of a record that was gone before it could be numbered: that it was there is kept."""
    return rfc8785.dumps({"v": FORM, "kind": kind, "row": {"id": str(record_id)}, "missing": True})


def _told(columns: Columns, row: Row, salt: bytes, *, moves: bool) -> dict[str, Any]:
    return {
        column.name: _value(column.type, value, column.name, salt)
        for column in columns
        if (value := row[column.name]) is not None and not (moves and column.name == MOVES)
    }


def _value(kind: TypeEngine[Any], value: Any, name: str, salt: bytes) -> Any:
    """One value by the type of its column; the first that fits, so the narrower stand first."""
    if isinstance(kind, TypeDecorator):
        return _value(kind.impl_instance, value, name, salt)
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
    return {"salted": sha256(salt + name.encode() + b"\x00" + value).hexdigest()}


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
