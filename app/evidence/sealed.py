"""Columns that hold envelopes: sealed as a row is written, opened as it is read, so that no service sees an envelope.

A table declares such a field by `sealed("table.column")`. In the database it is `<column>_sealed`, BYTEA. A statement
that reads it brings along the case, the row and the case's wrapped key, and the text is opened where the row is made;
a text that was not sealed cannot be sent at all. Rows are sealed by the ORM's insert alone.

Opening may ask the key service. So whoever reads such columns does it inside the session's own greenlet: by
`storage.statements.rows`, `session.get`, `session.scalar`; rows of `session.execute` are made outside of it.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    Connection,
    Dialect,
    LargeBinary,
    bindparam,
    event,
    func,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util.concurrency import await_only, in_greenlet
from sqlmodel import Field, SQLModel

from app import clock
from app.errors import Unavailable, Unreadable
from app.evidence.keys import KeyRefused, KeyServiceDown, key_ring
from app.evidence.sealing import DataKey, Place, SealBroken, seal_to
from app.evidence.tables import CaseKey
from app.evidence.vouching import is_vouched_for, voucher
from app.storage.base import columns_of, table_of
from app.storage.statements import rows

_ID_BYTES = 16
_LENGTH_BYTES = 4
_key = columns_of(CaseKey)
_HELD = select(_key.wrapped, _key.public_half, _key.vouched).where(_key.case_id == bindparam("case_id"))
_HELD_OF_MANY = select(_key.case_id, _key.wrapped).where(_key.case_id.in_(bindparam("case_ids", expanding=True)))
_IS_SEALED = select(func.case_is_sealed(bindparam("case_id")))
_HOLD = text("LOCK TABLE case_key IN ROW EXCLUSIVE MODE")
_MAKE = insert(table_of(CaseKey))
_log = structlog.get_logger()


class KeyErased(Unreadable):
    """The key of the case is gone, and with it every text of its records."""

    code = "key_erased"

    def __init__(self) -> None:
        super().__init__("The texts of this case were erased: its key was destroyed. That they existed can be proved.")


class KeyUnusable(Unavailable):
    """The key of a case is gone, does not open, or is none that the service made: nothing can be sealed under it.

    No rule of the scheme refuses this (H2.10). Sealed regardless, the words could be read by whoever changed the key,
    or by nobody ever again.
    """

    code = "case_key_unusable"

    def __init__(self) -> None:
        super().__init__(
            "The key of this case is gone or is not the one that this service made, so nothing was recorded. Keep your "
            "words where they are safe, and quote the request id to support at once: they put the key back."
        )


class ReadOutside(RuntimeError):
    """A sealed column was read where the key service cannot be asked: a mistake in the code, never in the data."""


@dataclass
class Unread:
    """Whether anything was left unread."""

    any: bool = False


_leaving: ContextVar[Unread | None] = ContextVar("leaving", default=None)


@contextmanager
def rather_unread() -> Iterator[Unread]:
    """Inside, a text that does not open is read as None, and the caller is told so: for want of the key service, of its
    case's key, or because it was changed where it is kept.

    For recording an act: what happened is kept also where nobody can compare it with what was written before (H2.10).
    """
    left = Unread()
    token = _leaving.set(left)
    try:
        yield left
    finally:
        _leaving.reset(token)


@dataclass(frozen=True)
class _Enclosed:
    """A value on its way to the database: the envelope is sent, the value itself stays with the row in memory."""

    value: Any
    envelope: bytes


class Sealed(TypeDecorator[Any]):
    """The type of a sealed column: text, or JSON as text."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, where: str, *, as_json: bool = False) -> None:
        """`where` is `table.column`, as envelopes are bound to it."""
        super().__init__()
        self.where, self.as_json = where, as_json

    def column_expression(self, column: Any) -> Any:
        """Read the case, the row, the envelope and the wrapped key as one value; null stays null."""
        of = getattr(column, "element", column).table
        wrapped = select(_key.wrapped).where(_key.case_id == of.c.case_id).correlate(of).scalar_subquery()
        envelope = type_coerce(getattr(column, "element", column), LargeBinary)
        there = func.coalesce(wrapped, literal_column("''::bytea"))
        parts = (func.uuid_send(of.c.id), func.int4send(func.octet_length(envelope)), envelope, there)
        found: Any = func.uuid_send(of.c.case_id)
        for part in parts:
            found = found.op("||")(part)
        return type_coerce(found, self)

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        """Only what is sealed is sent."""
        if value is None:
            return None
        if not isinstance(value, _Enclosed):
            raise TypeError(f"{self.where} is sealed: it is written by the ORM's insert alone")
        return value.envelope

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> Any:
        """The text, or what its JSON says. Raises SealBroken, KeyErased, KeyRefused, KeyServiceDown."""
        if value is None:
            return None
        if not in_greenlet():
            raise ReadOutside(f"{self.where} is read outside of its session")
        case_id, row_id = UUID(bytes=value[:_ID_BYTES]), UUID(bytes=value[_ID_BYTES : 2 * _ID_BYTES])
        start = 2 * _ID_BYTES + _LENGTH_BYTES
        end = start + int.from_bytes(value[start - _LENGTH_BYTES : start], "big")
        return self._opened(value[start:end], Place(case_id, row_id, self.where), value[end:])

    def _opened(self, envelope: bytes, place: Place, wrapped: bytes) -> Any:
        left = _leaving.get()
        try:
            if not wrapped:
                raise KeyErased
            text = await_only(key_ring().data_key(place.case_id, wrapped)).open(envelope, place)
        except (KeyServiceDown, Unreadable) as error:
            tell_unread(error, place)
            if left is None:
                raise
            left.any = True
            return None
        return json.loads(text) if self.as_json else text

    def enclose(self, value: Any, seal: Any, *, case_id: UUID, row_id: UUID) -> _Enclosed:
        """The value with its envelope."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False) if self.as_json else value
        return _Enclosed(value, seal(text, Place(case_id, row_id, self.where)))


def tell_unread(error: Exception, place: Place) -> None:
    """Log by ids alone what did not open."""
    where = {"case_id": str(place.case_id), "row_id": str(place.row_id), "column": place.column}
    if isinstance(error, Unavailable):
        _log.warning("key_service_down", case_id=where["case_id"])
    else:
        _log.error("sealed_text_unreadable", error=type(error).__name__, **where)


def sealed(where: str, *, as_json: bool = False, **more: Any) -> Any:
    """A field that is sealed: `where` is `table.column`; `default=None` where it may be left out."""
    name = where.rpartition(".")[2]
    return Field(
        sa_type=Sealed(where, as_json=as_json),
        sa_column_kwargs={"name": f"{name}_sealed", "key": name},
        **more,
    )


def sealed_columns(table: type[SQLModel]) -> tuple[str, ...]:
    """The names of a table's sealed fields."""
    return tuple(column.key for column in columns_of(table) if isinstance(column.type, Sealed))


def plain_columns(table: type[SQLModel]) -> list[Any]:
    """Every column that is not sealed, for whoever needs none of the texts: reading them asks nobody for a key."""
    return [column for column in columns_of(table) if not isinstance(column.type, Sealed)]


@event.listens_for(Mapper, "before_insert")
def _seal_row(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    texts = _sealed_in(mapper)
    if not texts:
        return
    seal = _sealing(connection, row.case_id, row.force_id)
    for name, kind in texts.items():
        value = getattr(row, name)
        if value is not None:
            setattr(row, name, kind.enclose(value, seal, case_id=row.case_id, row_id=row.id))


@event.listens_for(Mapper, "after_insert")
def _show_row(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    for name in _sealed_in(mapper):
        value = getattr(row, name)
        if isinstance(value, _Enclosed):
            set_committed_value(row, name, value.value)


def _sealed_in(mapper: Mapper[Any]) -> Mapping[str, Sealed]:
    found: dict[str, Sealed] | None = mapper.class_.__dict__.get("_sealed_fields")
    if found is None:
        columns = mapper.local_table.c
        found = {column.key: column.type for column in columns if isinstance(column.type, Sealed)}
        type.__setattr__(mapper.class_, "_sealed_fields", found)
    return found


def _sealing(connection: Connection, case_id: UUID, force_id: str) -> Any:
    """What seals for a case: its data key; its public half where nobody can be asked for the key (H2.10).

    Raises KeyUnusable where either was changed: an outage is got over, a forged key is not sealed to.
    """
    held = connection.execute(_HELD, {"case_id": case_id}).first()
    if held is None:
        return _given(connection, case_id, force_id)
    try:
        return await_only(key_ring().data_key(case_id, held.wrapped)).seal
    except (KeyRefused, SealBroken) as error:
        raise _unusable(case_id, type(error).__name__) from None
    except KeyServiceDown:
        if not is_vouched_for(case_id, held.public_half, held.wrapped, held.vouched):
            raise _unusable(case_id, "NotVouchedFor") from None
    _log.warning("sealed_without_key_service", case_id=str(case_id))
    return lambda text, place: seal_to(held.public_half, text, place)


def _unusable(case_id: UUID, error: str) -> KeyUnusable:
    _log.error("case_key_unusable", case_id=str(case_id), error=error)
    return KeyUnusable()


def _given(connection: Connection, case_id: UUID, force_id: str) -> Any:
    """Make the key of a case that has none.

    Never a second one: under it nothing that was sealed before would open, and that the first is gone would be hidden.
    """
    if connection.execute(_IS_SEALED, {"case_id": case_id}).scalar_one():
        raise _unusable(case_id, "KeyGone")
    key, row = _made(connection, case_id, force_id)
    connection.execute(_MAKE, row)
    return key.seal


def _made(connection: Connection, case_id: UUID, force_id: str) -> tuple[DataKey, dict[str, Any]]:
    # Before it is wrapped: no version is withdrawn between that and the commit.
    connection.execute(_HOLD)
    key, wrapped = await_only(key_ring().made(case_id))
    return key, {
        "case_id": case_id,
        "force_id": force_id,
        "made_at": clock.real_now(),
        "wrapped": wrapped.key,
        "public_half": key.public_half,
        "vouched": voucher(case_id, key.public_half, wrapped.key),
    }


async def have_keys(session: AsyncSession, case_ids: Collection[UUID]) -> None:
    """Ask for the keys of many cases at once, before their texts are read one by one."""
    held = await rows(session, _HELD_OF_MANY, case_ids=list(case_ids))
    await key_ring().data_keys({row.case_id: row.wrapped for row in held})


async def give_key(session: AsyncSession, case_id: UUID, force_id: str) -> None:
    """Give a new case its key; while the key service is down, its first sealed record does so later."""

    def give(held: Any) -> None:
        held.flush()
        try:
            # One that a record of its draft brought along stays.
            connection = held.connection()
            connection.execute(_MAKE.on_conflict_do_nothing(), _made(connection, case_id, force_id)[1])
        except (KeyServiceDown, KeyRefused) as error:
            _log.warning("case_without_key", case_id=str(case_id), error=type(error).__name__)

    await session.run_sync(give)
