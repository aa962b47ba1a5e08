"""The worklist and the search: Core selects that return rows, because they are read all day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.names import normalise_name
from app.access.tables import StaffMember
from app.cases.tables import Case, Grade, Party, PartyRole
from app.deadlines.tables import Clock
from app.editions.terms import ClockKind, Outcome, Route
from app.errors import Unprocessable
from app.people.schemas import Day, Form, Line, PncId, View
from app.people.tables import Person, PersonAlias
from app.process import Stage
from app.storage.base import columns_of


class Position(NamedTuple):
    """Where a row stands in the list. Nothing of it passes with time: only what happens to a case moves it."""

    rank: int
    at: datetime | None
    id: UUID


class WorklistRow(View):
    """One case on the worklist, with the clock that is due next."""

    id: UUID
    reference: str
    route: Route
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


class SearchHit(View):
    """A person found in a case."""

    case_id: UUID
    reference: str
    route: Route
    stage: Stage
    outcome: Outcome | None
    role: PartyRole
    given_names: str | None
    surname: str | None
    born: date | None


_NEXT = {"next_clock": Clock.kind, "next_due_at": Clock.due_at, "next_target_at": Clock.target_at}
_open_clock = (
    col(Clock.case_id) == col(Case.id),
    col(Clock.met_at).is_(None),
    col(Clock.ended_at).is_(None),
)


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
    next_clock = (
        select(*(col(one).label(name) for name, one in _NEXT.items()))
        .where(*_open_clock)
        .order_by(func.least(col(Clock.due_at), col(Clock.target_at)))
        .limit(1)
        .lateral()
    )
    # What is only projected alerts and cannot breach (H9.2).
    late = exists().where(*_open_clock, col(Clock.due_at) < now, ~col(Clock.projected))
    also_shown = [col(StaffMember.name).label("assigned_name"), late.label("overdue")]
    query = (
        select(*columns_of(Case), *next_clock.c, *also_shown)
        .select_from(Case)
        .outerjoin(next_clock, true())
        .outerjoin(StaffMember, col(StaffMember.id) == col(Case.assigned_to))
        .where(col(Case.stage) == stage if stage else col(Case.stage).not_in((Stage.INTAKE, Stage.CLOSED)))
        .where(col(Case.force_id) == force_id, col(Case.first_contact_at).is_not(None))
        .order_by(*_order(stage))
        .limit(limit + 1)
    )
    if route:
        query = query.where(col(Case.route) == route)
    if assignee:
        query = query.where(col(Case.assigned_to) == assignee)
    if urgent is not None:
        calm = col(Case.urgent_since).is_(None)
        query = query.where(~calm if urgent else calm)
    if unassigned:
        query = query.where(col(Case.assigned_to).is_(None))
    if due_before:
        query = query.where(exists().where(*_open_clock, col(Clock.due_at) < due_before))
    if overdue is not None:
        query = query.where(late if overdue else ~late)
    if after:
        query = query.where(_beyond(after, stage))
    return [_row(found, stage, now=now) for found in (await session.execute(query)).all()]


def _order(stage: Stage | None) -> tuple[Any, ...]:
    """As the indexes stand; PostgreSQL puts what is empty last."""
    if stage is Stage.CLOSED:
        return col(Case.first_contact_at), col(Case.id)
    return col(Case.risk_rank), col(Case.pressing_at), col(Case.id)


def _beyond(after: Position, stage: Stage | None) -> ColumnElement[bool]:
    """What stands after a position in that order."""
    if stage is Stage.CLOSED:
        return tuple_(col(Case.first_contact_at), col(Case.id)) > (after.at, after.id)
    later = and_(col(Case.pressing_at).is_(None), col(Case.id) > after.id)
    if after.at is not None:
        beside = tuple_(col(Case.pressing_at), col(Case.id)) > (after.at, after.id)
        later = or_(beside, col(Case.pressing_at).is_(None))
    rank = col(Case.risk_rank)
    # The first comparison follows from the rest; it is what lets the index begin at the rank.
    return and_(rank >= after.rank, or_(rank > after.rank, later))


def _row(found: Any, stage: Stage | None, *, now: datetime) -> WorklistRow:
    moment = found.first_contact_at if stage is Stage.CLOSED else found.pressing_at
    left = None if found.next_due_at is None else int((found.next_due_at - now).total_seconds())
    return WorklistRow(
        id=found.id,
        reference=found.reference,
        route=found.route,
        stage=found.stage,
        urgent=found.urgent_since is not None,
        current_grade=found.current_grade,
        assigned_to=found.assigned_to,
        assigned_name=found.assigned_name,
        first_contact_at=found.first_contact_at,
        next_clock=found.next_clock,
        next_due_at=found.next_due_at,
        next_target_at=found.next_target_at,
        seconds_left=left,
        overdue=found.overdue,
        sorted_by=Position(found.risk_rank, moment, found.id),
    )


async def search(session: AsyncSession, wanted: SearchIn, *, limit: int = 100) -> Sequence[SearchHit]:
    """Persons in cases of the own force who fit what is known, by name or any alias (H12.6)."""
    if not (wanted.reference or wanted.pnc_id or wanted.surname):
        raise Unprocessable("Give a reference, a PNC identifier or a surname to search for.", field="surname")
    shown = [
        *(col(one) for one in (Case.reference, Case.route, Case.stage, Case.outcome)),
        *(col(one) for one in (Person.given_names, Person.surname, Person.born)),
        col(Party.role),
        col(Case.id).label("case_id"),
    ]
    query = (
        select(*shown)
        .select_from(Case)
        .join(Party, col(Party.case_id) == col(Case.id))
        .join(Person, col(Person.id) == col(Party.person_id))
        .order_by(col(Case.first_contact_at).desc(), col(Case.id), col(Party.role))
        .limit(limit)
    )
    if wanted.reference:
        query = query.where(col(Case.reference) == wanted.reference.strip().upper())
    if wanted.pnc_id:
        query = query.where(col(Person.pnc_id) == wanted.pnc_id)
    if wanted.surname:
        key = normalise_name(wanted.surname)
        alias = exists().where(col(PersonAlias.person_id) == col(Person.id), col(PersonAlias.surname_key) == key)
        query = query.where(or_(col(Person.surname_key) == key, alias))
    if wanted.given_names:
        query = query.where(col(Person.given_key).startswith(normalise_name(wanted.given_names), autoescape=True))
    if wanted.born:
        query = query.where(col(Person.born) == wanted.born)
    if wanted.role:
        query = query.where(col(Party.role) == wanted.role)
    return [SearchHit.model_validate(row) for row in (await session.execute(query)).all()]
