"""Deviations from the limits as they are shown: beside the clock, never in it (H10.6)."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.deadlines.schemas import DeviationView
from app.deadlines.tables import Deviation, DeviationAnswer
from app.storage.base import columns_of


async def deviations_of(session: AsyncSession, case_id: UUID) -> list[DeviationView]:
    """The deviations of a case, the oldest first, each with what a supervisor answered."""
    answered: dict[str, Any] = {
        "authorised": DeviationAnswer.authorises,
        "answered_at": DeviationAnswer.recorded_at,
        "answered_by": DeviationAnswer.recorded_by,
        "answer": DeviationAnswer.reason,
    }
    query = (
        select(*columns_of(Deviation), *(col(one).label(name) for name, one in answered.items()))
        .outerjoin(DeviationAnswer, col(DeviationAnswer.deviation_id) == col(Deviation.id))
        .where(col(Deviation.case_id) == case_id)
        .order_by(col(Deviation.recorded_at), col(Deviation.id))
    )
    return [DeviationView.model_validate(row) for row in await session.execute(query)]
