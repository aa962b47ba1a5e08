"""Telling and reading the timeline."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import StaffMember
from app.storage.base import columns_of, table_of
from app.storage.statements import write
from app.timeline.tables import Event

BY_ITSELF = "The service"
"""Who is shown to have recorded what the service did by itself."""

_TELL = insert(table_of(Event))


async def tell(
    session: AsyncSession,
    *,
    case_id: UUID,
    force_id: str,
    kind: str,
    sentence: str,
    by: UUID,
    now: datetime,
    occurred_at: datetime | None = None,
    about_id: UUID | None = None,
) -> None:
    """Append one event. `occurred_at` where it differs from the moment of recording."""
    await write(
        session,
        _TELL,
        {
            "case_id": case_id,
            "force_id": force_id,
            "kind": kind,
            "sentence": sentence,
            "recorded_by": by,
            "recorded_at": now,
            "occurred_at": occurred_at or now,
            "about_id": about_id,
        },
    )


async def tell_all(session: AsyncSession, events: Sequence[dict[str, Any]], *, now: datetime) -> None:
    """Append what the service did by itself in many cases: case_id, force_id, kind, sentence and about_id of each."""
    at = {"recorded_by": None, "recorded_at": now, "occurred_at": now}
    await write(session, _TELL, [{**event, **at} for event in events])


async def events(session: AsyncSession, case_id: UUID, *, after: int, limit: int) -> Sequence[RowMapping]:
    """The events of a case in the order they were recorded, a page at a time, each with who recorded it."""
    shown = [
        *(column for column in columns_of(Event) if column.name != "recorded_by"),
        func.coalesce(col(StaffMember.name), BY_ITSELF).label("recorded_by"),
    ]
    query = (
        select(*shown)
        .outerjoin(StaffMember, col(StaffMember.id) == col(Event.recorded_by))
        .where(col(Event.case_id) == case_id, col(Event.position) > after)
        .order_by(col(Event.position))
        .limit(limit)
    )
    return (await session.execute(query)).mappings().all()
