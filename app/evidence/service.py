"""Writing the log and reading it. Core inserts, because what writes a row may not read it back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, cast, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.evidence.owing import Individual, Touch, write_row
from app.evidence.schemas import LogView
from app.evidence.tables import LoggedCase, LoggedIndividual, LogRow
from app.evidence.terms import Category
from app.storage.base import columns_of


async def log(
    session: AsyncSession,
    category: Category,
    action: str,
    *,
    request_id: str,
    staff_id: UUID | None,
    organisation: str | None,
    individuals: Iterable[Individual] = (),
    listed: Iterable[UUID] = (),
    **more: Any,
) -> None:
    """One row now, in the transaction of what it records; `more` is what else a `Touch` holds (H12.1).

    For what has no door: a refusal, a stream, a feed, the worker. A door owes its row until its transaction commits.
    Raises LogUnwritten where the row cannot be written, for which nothing may then be answered.
    """
    row = Touch(
        category=category, action=action, request_id=request_id, staff_id=staff_id, organisation=organisation, **more
    )
    await session.run_sync(lambda held: write_row(held.connection(), row, individuals, frozenset(), listed))


_individual = columns_of(LoggedIndividual)
_INDIVIDUALS = (
    select(func.coalesce(func.array_agg(_individual.person_id), cast([], ARRAY(Uuid))))
    .where(_individual.log_id == col(LogRow.id))
    .scalar_subquery()
    .label("individuals")
)


_listed = columns_of(LoggedCase)
_CASES = (
    select(func.coalesce(func.array_agg(_listed.case_id), cast([], ARRAY(Uuid))))
    .where(_listed.log_id == col(LogRow.id))
    .scalar_subquery()
    .label("cases_shown")
)


async def read_log(
    session: AsyncSession,
    *,
    case_id: UUID | None,
    staff_id: UUID | None,
    person_id: UUID | None,
    reader: UUID,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[LogView]:
    """Who of the own force touched what, and who touched its cases, newest first.

    Row-level security shows it to nobody who has not asked so.

    Without the reader's own refusals: one on a case withheld from the reader is hidden, and must not be missed (H2.8).
    """
    await session.execute(text("SELECT set_config('app.reads_log', 'on', true)"))
    query = (
        select(*columns_of(LogRow), _INDIVIDUALS, _CASES)
        .order_by(col(LogRow.logged_at).desc(), col(LogRow.id).desc())
        .limit(limit)
    )
    query = query.where(or_(~col(LogRow.refused), col(LogRow.staff_id).is_distinct_from(reader)))
    if case_id:
        listed = select(col(LoggedCase.log_id)).where(col(LoggedCase.case_id) == case_id)
        asked_about = and_(col(LogRow.case_id).is_(None), col(LogRow.event_id) == case_id)  # who read this log of it
        query = query.where(or_(col(LogRow.case_id) == case_id, col(LogRow.id).in_(listed), asked_about))
    if staff_id:
        query = query.where(col(LogRow.staff_id) == staff_id)
    if person_id:
        query = query.where(
            col(LogRow.id).in_(select(col(LoggedIndividual.log_id)).where(col(LoggedIndividual.person_id) == person_id))
        )
    if after:
        moment, row = after
        same = (col(LogRow.logged_at) == moment) & (col(LogRow.id) < row)
        query = query.where(or_(col(LogRow.logged_at) < moment, same))
    return [LogView.model_validate(found) for found in (await session.execute(query)).all()]
