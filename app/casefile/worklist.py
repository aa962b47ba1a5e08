"""The worklist and the search: Core selects that return rows, because they are read all day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import exists, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import StaffMember
from app.cases.tables import Case, Party, PartyRole
from app.deadlines.tables import Clock
from app.editions.terms import ClockKind, Outcome, Route
from app.errors import Unprocessable
from app.people.rules import normalise_name
from app.people.schemas import Day, Form, Line, PncId, View
from app.people.tables import Person, PersonAlias
from app.process import Stage
from app.storage.base import columns_of


class WorklistRow(View):
    """One case on the worklist, with the clock that is due next."""

    id: UUID
    reference: str
    route: Route
    stage: Stage
    urgent: bool
    assigned_to: UUID | None
    assigned_name: str | None
    first_contact_at: datetime
    next_clock: ClockKind | None
    next_due_at: datetime | None
    seconds_left: int | None
    overdue: bool


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


_open_clock = (
    col(Clock.case_id) == col(Case.id),
    col(Clock.met_at).is_(None),
    col(Clock.ended_at).is_(None),
)


async def worklist(
    session: AsyncSession,
    *,
    now: datetime,
    stage: Stage | None,
    route: Route | None,
    assignee: UUID | None,
    unassigned: bool,
    urgent: bool | None,
    overdue: bool | None,
    due_before: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[WorklistRow]:
    """Cases of the force, the oldest first contact first, which is the nearest to its whole-case limit.

    Closed cases are shown only when their stage is asked for; drafts never. One more than `limit` is read.
    """
    next_clock = (
        select(col(Clock.kind).label("next_clock"), col(Clock.due_at).label("next_due_at"))
        .where(*_open_clock)
        .order_by(col(Clock.due_at))
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
        .where(col(Case.first_contact_at).is_not(None))
        .order_by(col(Case.first_contact_at), col(Case.id))
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
        query = query.where(tuple_(col(Case.first_contact_at), col(Case.id)) > after)
    return [_row(found, now=now) for found in (await session.execute(query)).all()]


def _row(found: Any, *, now: datetime) -> WorklistRow:
    left = None if found.next_due_at is None else int((found.next_due_at - now).total_seconds())
    return WorklistRow(
        id=found.id,
        reference=found.reference,
        route=found.route,
        stage=found.stage,
        urgent=found.urgent_since is not None,
        assigned_to=found.assigned_to,
        assigned_name=found.assigned_name,
        first_contact_at=found.first_contact_at,
        next_clock=found.next_clock,
        next_due_at=found.next_due_at,
        seconds_left=left,
        overdue=found.overdue,
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
