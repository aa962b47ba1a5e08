"""The worklist and the search: Core selects that return rows, because they are read all day."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, Row, Select, Text, and_, bindparam, exists, func, or_, select, true, tuple_, union
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.names import normalise_name
from app.access.tables import StaffMember
from app.cases.tables import Case, Grade, Party, PartyRole
from app.deadlines.tables import Clock
from app.editions.terms import ClockKind, Outcome, Route
from app.errors import Unprocessable
from app.evidence.owing import touch
from app.people.schemas import Day, Form, Line, MaskedView, PncId, TellsRoute
from app.people.tables import Person, PersonAlias
from app.process import Stage
from app.storage.base import columns_of, table_of
from app.storage.statements import rows


class Position(NamedTuple):
    """Where a row stands in the list. Nothing of it passes with time: only what happens to a case moves it."""

    rank: int
    at: datetime | None
    id: UUID


class WorklistRow(MaskedView):
    """One case on the worklist, with the clock that is due next."""

    id: UUID
    reference: str
    route: Annotated[Route | None, TellsRoute]
    stage: Stage
    urgent: bool
    current_grade: Grade | None = Field(description="Empty while somebody is ungraded and nobody at high risk.")
    assigned_to: UUID | None
    assigned_name: str | None
    first_contact_at: datetime
    next_clock: ClockKind | None
    next_due_at: datetime | None
    next_target_at: datetime | None = Field(description="The force's own date beside the limit, where there is one.")
    seconds_left: int | None
    overdue: bool
    sorted_by: Position = Field(exclude=True)


class SearchIn(Form):
    """What is known; at least a reference, a PNC identifier, or a surname. Case, accents and hyphens do not matter."""

    reference: Line | None = None
    pnc_id: PncId | None = None
    surname: Line | None = None
    given_names: Line | None = None
    born: Day | None = None
    role: PartyRole | None = Field(None, description="Only persons who play this part.")


class SearchHit(MaskedView):
    """A person found in a case."""

    case_id: UUID
    reference: str
    route: Annotated[Route | None, TellsRoute]
    stage: Stage
    outcome: Outcome | None
    role: PartyRole
    given_names: str | None
    surname: str | None
    born: date | None


_case, _clock, _staff = columns_of(Case), columns_of(Clock), columns_of(StaffMember)
_open = (_clock.case_id == _case.id, _clock.met_at.is_(None), _clock.ended_at.is_(None))
# What is only projected alerts and cannot breach (H9.2).
_late = exists().where(*_open, _clock.due_at < bindparam("now"), ~_clock.projected)
_next = (
    select(
        _clock.kind.label("next_clock"), _clock.due_at.label("next_due_at"), _clock.target_at.label("next_target_at")
    )
    .where(*_open)
    .order_by(func.least(_clock.due_at, _clock.target_at))
    .limit(1)
    .lateral()
)
_SHOWN = ("id", "reference", "route", "stage", "current_grade", "assigned_to", "first_contact_at")
_WORKLIST = (
    select(
        *(_case[name] for name in (*_SHOWN, "risk_rank", "pressing_at")),
        _case.urgent_since.is_not(None).label("urgent"),
        _staff.name.label("assigned_name"),
        *_next.c,
        _late.label("overdue"),
    )
    .select_from(
        table_of(Case).outerjoin(_next, true()).outerjoin(table_of(StaffMember), _staff.id == _case.assigned_to)
    )
    .where(_case.force_id == bindparam("force_id"), _case.first_contact_at.is_not(None), _case.erased_at.is_(None))
    .limit(bindparam("limit"))
)
# As the indexes stand; PostgreSQL puts what is empty last.
_BY_RISK = (_case.risk_rank, _case.pressing_at, _case.id)
_BY_CONTACT = (_case.first_contact_at, _case.id)
_OPEN_CASES = _case.stage.not_in((Stage.INTAKE, Stage.CLOSED))
_after_id = bindparam("after_id", type_=_case.id.type)
_after = tuple_(bindparam("after_at", type_=_case.first_contact_at.type), _after_id)


def _further(within: ColumnElement[bool]) -> ColumnElement[bool]:
    rank, after = _case.risk_rank, bindparam("after_rank", type_=_case.risk_rank.type)
    # The first comparison follows from the rest; it is what lets the index begin at the rank.
    return and_(rank >= after, or_(rank > after, within))


_NARROWED: dict[str, ColumnElement[bool]] = {
    "stage": _case.stage == bindparam("stage"),
    "route": _case.route == bindparam("route"),
    "assignee": _case.assigned_to == bindparam("assignee"),
    "unassigned": _case.assigned_to.is_(None),
    "urgent": _case.urgent_since.is_not(None) == bindparam("urgent"),
    "overdue": _late == bindparam("overdue"),
    "due_before": exists().where(*_open, _clock.due_at < bindparam("due_before")),
    "after_contact": tuple_(*_BY_CONTACT) > _after,
    "after_pressed": _further(or_(tuple_(_case.pressing_at, _case.id) > _after, _case.pressing_at.is_(None))),
    "after_unpressed": _further(and_(_case.pressing_at.is_(None), _case.id > _after_id)),
}


@cache
def _worklist(closed: bool, *narrowed: str) -> Select[Any]:
    """The worklist of closed or of other cases, narrowed in some ways: built once for each choice of them."""
    only_open = () if "stage" in narrowed else (_OPEN_CASES,)
    order = _BY_CONTACT if closed else _BY_RISK
    return _WORKLIST.where(*only_open, *(_NARROWED[name] for name in narrowed)).order_by(*order)


async def worklist(
    session: AsyncSession,
    *,
    force_id: str,
    now: datetime,
    stage: Stage | None,
    route: Route | None,
    assignee: UUID | None,
    unassigned: bool,
    urgent: bool | None,
    overdue: bool | None,
    due_before: datetime | None,
    after: Position | None,
    limit: int,
) -> list[WorklistRow]:
    """Cases of the force by risk, then by the time left of the most pressing open clock, or its target (H2.6).

    Urgent, high, ungraded, medium, standard: nobody knows that an ungraded case is safe (H2.0). Within a rank, what no
    clock presses comes last. Closed cases stand by their first contact, the oldest first.
    The force is named for the index: row-level security also lets through what stands on an agenda.

    Closed cases are shown only when their stage is asked for; drafts never. One more than `limit` is read.
    """
    closed = stage is Stage.CLOSED
    asked = {
        "stage": stage,
        "route": route,
        "assignee": assignee,
        "unassigned": unassigned or None,
        "urgent": urgent,
        "overdue": overdue,
        "due_before": due_before,
    }
    narrowed = {name: value for name, value in asked.items() if value is not None}
    always = {"force_id": force_id, "now": now, "limit": limit + 1}
    beyond = {} if after is None else {"after_rank": after.rank, "after_at": after.at, "after_id": after.id}
    ways = [*narrowed, *_beyond(after, closed=closed)]
    found = await rows(session, _worklist(closed, *ways), **always, **narrowed, **beyond)
    return [_row(one, closed=closed, now=now) for one in found]


def _beyond(after: Position | None, *, closed: bool) -> Sequence[str]:
    """The narrowing to what stands after a position."""
    if after is None:
        return ()
    if closed:
        return ("after_contact",)
    return ("after_unpressed",) if after.at is None else ("after_pressed",)


def _row(found: Row[Any], *, closed: bool, now: datetime) -> WorklistRow:
    left = None if found.next_due_at is None else int((found.next_due_at - now).total_seconds())
    position = Position(found.risk_rank, found.first_contact_at if closed else found.pressing_at, found.id)
    return WorklistRow(**found._mapping, seconds_left=left, sorted_by=position)


_party, _person, _alias = columns_of(Party), columns_of(Person), columns_of(PersonAlias)
_PERSONS_FOUND = (
    select(
        *(_case[name] for name in ("reference", "route", "stage", "outcome")),
        *(_person[name] for name in ("given_names", "surname", "born")),
        _party.role,
        _case.id.label("case_id"),
        _person.id.label("person_id"),
    )
    .select_from(
        table_of(Case)
        .join(table_of(Party), _party.case_id == _case.id)
        # The case once more: a party is indexed by its case and not by its person.
        .join(table_of(Person), and_(_person.id == _party.person_id, _person.case_id == _party.case_id))
    )
    .where(_case.erased_at.is_(None))
    .order_by(_case.first_contact_at.desc(), _case.id, _party.role)
    .limit(bindparam("limit"))
)
_named = table_of(Person).alias("named")
_surname = bindparam("surname", type_=Text)
# Two ways to a person as a union and not as an OR, under which everybody in the force would be read.
_by_name = union(
    select(_named.c.id).where(_named.c.surname_key == _surname),
    select(_alias.person_id).where(_alias.surname_key == _surname),
)
_SOUGHT: dict[str, ColumnElement[bool]] = {
    "reference": _case.reference == bindparam("reference"),
    "pnc_id": _person.pnc_id == bindparam("pnc_id"),
    "surname": _person.id.in_(_by_name),
    "given_names": _person.given_key.startswith(bindparam("given_names")),
    "born": _person.born == bindparam("born"),
    "role": _party.role == bindparam("role"),
}


@cache
def _search(*sought: str) -> Select[Any]:
    """The search by some of what may be known: built once for each choice of it."""
    return _PERSONS_FOUND.where(*(_SOUGHT[name] for name in sought))


async def search(session: AsyncSession, wanted: SearchIn, *, limit: int = 100) -> Sequence[SearchHit]:
    """Persons in cases of the own force who fit what is known, by name or any alias (H12.6).

    Where more than `limit` fit, none is shown: a list that ends silently would be taken for the whole.
    """
    if not (wanted.reference or wanted.pnc_id or wanted.surname):
        raise Unprocessable("Give a reference, a PNC identifier or a surname to search for.", field="surname")
    given = {
        "reference": wanted.reference and wanted.reference.strip().upper(),
        "pnc_id": wanted.pnc_id,
        "surname": wanted.surname and normalise_name(wanted.surname),
        "given_names": wanted.given_names and normalise_name(wanted.given_names),  # of letters: no wildcard is left
        "born": wanted.born,
        "role": wanted.role,
    }
    sought = {name: value for name, value in given.items() if getattr(wanted, name)}
    found = await rows(session, _search(*sought), **sought, limit=limit + 1)
    if len(found) > limit:
        raise Unprocessable(f"More than {limit} fit. Add a given name, a date of birth or a part.", field="surname")
    for row in found:
        touch(session, row.case_id, row.person_id)
    return [SearchHit.model_validate(row) for row in found]
