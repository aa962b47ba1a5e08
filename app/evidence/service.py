"""Writing the log and reading it. Core inserts, because what writes a row may not read it back."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.evidence.schemas import LogView
from app.evidence.tables import LogRow
from app.evidence.terms import Category
from app.storage.base import columns_of, table_of
from app.storage.statements import write

_LOG = insert(table_of(LogRow))


async def log(
    session: AsyncSession,
    category: Category,
    action: str,
    *,
    request_id: str,
    staff_id: UUID | None,
    organisation: str | None,
    force_id: str | None = None,
    case_id: UUID | None = None,
    event_id: UUID | None = None,
    recipient: UUID | None = None,
    refused: bool = False,
) -> None:
    """One row for one request and category, in the transaction of what it records (H12.1)."""
    await write(
        session,
        _LOG,
        {
            "id": uuid4(),
            "category": category,
            "action": action,
            "refused": refused,
            "staff_id": staff_id,
            "organisation": organisation,
            "force_id": force_id,
            "case_id": case_id,
            "event_id": event_id,
            "recipient": recipient,
            "request_id": request_id,
        },
    )


async def read_log(
    session: AsyncSession,
    *,
    case_id: UUID | None,
    staff_id: UUID | None,
    reader: UUID,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[LogView]:
    """Who touched what in the own force, newest first. Row-level security shows it to nobody who has not asked so.

    Without the reader's own refusals: one on a case withheld from the reader is hidden, and must not be missed (H2.8).
    """
    await session.execute(text("SELECT set_config('app.reads_log', 'on', true)"))
    query = select(*columns_of(LogRow)).order_by(col(LogRow.logged_at).desc(), col(LogRow.id).desc()).limit(limit)
    query = query.where(or_(~col(LogRow.refused), col(LogRow.staff_id).is_distinct_from(reader)))
    if case_id:
        query = query.where(col(LogRow.case_id) == case_id)
    if staff_id:
        query = query.where(col(LogRow.staff_id) == staff_id)
    if after:
        moment, row = after
        same = (col(LogRow.logged_at) == moment) & (col(LogRow.id) < row)
        query = query.where(or_(col(LogRow.logged_at) < moment, same))
    return [LogView.model_validate(found) for found in (await session.execute(query)).all()]
