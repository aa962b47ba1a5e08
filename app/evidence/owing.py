"""The rows of the log that a transaction owes: written by its own commit, so that none ends without them (H12.1).

A door says at once what kind of touch a request is; whom it touched and what was kept from the reader is known only
when everything is read. So the row is owed until the transaction commits, and that commit writes it or fails. Services
know no door: they tell the session whom they read (`touch`) and what they keep back (`withhold`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import ARRAY, Connection, Insert, Text, Uuid, bindparam, cast, event, func, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.errors import Unavailable
from app.evidence.fields import fields_of
from app.evidence.tables import LoggedCase, LoggedIndividual, LogRow
from app.evidence.terms import ALLOWED, Category
from app.storage.base import table_of
from app.storage.engine import has_context

_KEPT = "log"
_GIVEN = tuple(name for name in LogRow.model_fields if name not in ("id", "logged_at", "recorded_in", "fields"))
_FIELDS = cast(bindparam("fields", type_=Text), ARRAY(Text))
_ROW = insert(table_of(LogRow)).values(
    {"id": bindparam("id"), **{name: bindparam(name) for name in _GIVEN}, "fields": _FIELDS}
)
_touched = (
    func.unnest(bindparam("cases", type_=ARRAY(Uuid)), bindparam("persons", type_=ARRAY(Uuid)))
    .table_valued("case_id", "person_id")
    .render_derived()
)
_INDIVIDUALS = insert(table_of(LoggedIndividual)).from_select(
    ["log_id", "case_id", "person_id"],
    select(bindparam("log_id", type_=Uuid), _touched.c.case_id, _touched.c.person_id),
)
_CASES = insert(table_of(LoggedCase)).from_select(
    ["log_id", "case_id"],
    select(bindparam("log_id", type_=Uuid), func.unnest(bindparam("cases", type_=ARRAY(Uuid)))),
)
_log = structlog.get_logger()

Individual = tuple[UUID, UUID]
"""A case and a person of it."""


class LogUnwritten(Unavailable):
    """The log could not be written, so nothing is answered: what is not logged does not happen (H12.1)."""

    code = "log_unwritten"

    def __init__(self) -> None:
        super().__init__("The log could not be written.")


@dataclass(frozen=True, kw_only=True)
class Touch:
    """One row of the log, but for whom it touched: who did what, in which part, with what leave and why."""

    category: Category
    action: str
    request_id: str
    staff_id: UUID | None
    organisation: str | None
    force_id: str | None = None
    reader_force_id: str | None = None
    """That of whoever asked, where it is not the same."""
    role: str | None = None
    case_id: UUID | None = None
    event_id: UUID | None = None
    recipient: UUID | None = None
    decision: str = ALLOWED
    rule: str | None = None
    reason: str | None = None
    shown: Any = None
    """The view that was answered with, or a list, page or union of views; None where nothing was shown."""

    @property
    def refused(self) -> bool:
        """Whether what was asked was refused: whatever was decided but that it may be."""
        return self.decision != ALLOWED


@dataclass
class _Owed:
    rows: list[Touch] = field(default_factory=list)
    touched: set[Individual] = field(default_factory=set)
    listed: set[UUID] = field(default_factory=set)
    combined: set[UUID] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)


def owe_row(session: AsyncSession, touch: Touch) -> None:
    """Let the commit of this transaction write a row, with the individuals of its case that were touched by then.

    Where several rows are owed, those of a case that has no row of its own go with the first.
    """
    _owed(session).rows.append(touch)


def touch(session: AsyncSession, case_id: UUID, *persons: UUID | None) -> None:
    """Say that persons of a case were read or written for whoever asks."""
    _owed(session).touched.update((case_id, person) for person in persons if person is not None)


def show(session: AsyncSession, case_ids: Iterable[UUID | None]) -> None:
    """Say which cases a list showed: they stand beside the row of the list."""
    _owed(session).listed.update(case_id for case_id in case_ids if case_id is not None)


def combine(session: AsyncSession, *case_ids: UUID) -> None:
    """Say that the records of cases were joined, or that of one with a record held elsewhere: a combination (H12.1)."""
    _owed(session).combined.update(case_ids)


def withhold(session: AsyncSession, names: Iterable[str]) -> None:
    """Say which fields of the answer are kept from whoever asks: they are not logged as shown."""
    _owed(session).withheld.update(names)


def write_row(
    connection: Connection,
    row: Touch,
    individuals: Iterable[Individual],
    withheld: frozenset[str],
    listed: Iterable[UUID] = (),
) -> None:
    """Write one row with its individuals and the cases listed, in the transaction at hand.

    Raises LogUnwritten, whatever stood against it; also where the database says yes and keeps fewer rows.
    """
    known, shown = sorted(set(individuals)), sorted(set(listed))
    try:
        values = _values(row, withheld)
        _write(connection, _ROW, values, 1)
        if known:
            cases, persons = zip(*known, strict=True)
            touched = {"log_id": values["id"], "cases": list(cases), "persons": list(persons)}
            _write(connection, _INDIVIDUALS, touched, len(known))
        if shown:
            _write(connection, _CASES, {"log_id": values["id"], "cases": shown}, len(shown))
    except SQLAlchemyError as error:
        _log.error("log_unwritten", error=type(error.__cause__ or error).__name__)
        raise LogUnwritten from None


def _write(connection: Connection, statement: Insert, values: Mapping[str, Any], number: int) -> None:
    """A trigger that returns nothing drops a row without a word: so the rows are counted."""
    written = connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount
    if written != number:
        _log.error("log_unwritten", error="RowsDropped")
        raise LogUnwritten


def _values(row: Touch, withheld: frozenset[str]) -> Mapping[str, Any]:
    shown = fields_of(row.shown, withheld) if row.shown is not None else ()
    values = {name: getattr(row, name) for name in _GIVEN}
    values["reader_force_id"] = row.reader_force_id or row.force_id
    return {"id": uuid4(), **values, "fields": "{" + ",".join(shown) + "}"}


def _owed(session: AsyncSession) -> _Owed:
    owed: _Owed = session.info.setdefault(_KEPT, _Owed())
    return owed


async def settle(session: AsyncSession) -> None:
    """Write what is owed by now: for a transaction that holds the touches of several people, after each of them."""
    await session.run_sync(_write_what_is_owed)


@event.listens_for(Session, "before_commit")
def _before_commit(session: Session) -> None:
    if not session.in_nested_transaction():  # what follows a savepoint may still be read for the same answer
        _write_what_is_owed(session)


def _write_what_is_owed(session: Session) -> None:
    owed: _Owed | None = session.info.pop(_KEPT, None)
    if owed is None:
        return
    if not owed.rows:
        if has_context(session) and (owed.touched or owed.listed or owed.combined):
            _log.error("touch_without_row")
            raise LogUnwritten  # a door that reads for somebody and says nothing of it answers nothing
        return
    session.flush()
    connection, withheld = session.connection(), frozenset(owed.withheld)
    first = replace(owed.rows[0], category=Category.COMBINATION, recipient=None, shown=None)
    joined = [replace(first, case_id=case_id) for case_id in sorted(owed.combined)]
    rows = [*owed.rows, *joined]
    cases = {row.case_id for row in rows}
    stray = {one for one in owed.touched if one[0] not in cases}
    for number, row in enumerate(rows):
        own = {one for one in owed.touched if one[0] == row.case_id}
        first_of_all = number == 0
        write_row(connection, row, own | stray if first_of_all else own, withheld, owed.listed if first_of_all else ())


@event.listens_for(Session, "after_rollback")
def _owe_nothing(session: Session) -> None:
    if not session.in_nested_transaction():  # what was read before a savepoint was read, whatever became of that
        session.info.pop(_KEPT, None)
