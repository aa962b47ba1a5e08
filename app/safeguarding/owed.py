"""What is owed across the force: a supervisor's inbox of acts put before her, and everybody's list of open duties."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case
from app.safeguarding.schemas import OwedView
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of


async def owed(
    session: AsyncSession,
    *,
    kind: DutyKind | None,
    answered: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[OwedView]:
    """Duties of the own force's cases, the oldest first: what has waited longest is answered first."""
    shown = [*columns_of(Duty), col(Case.reference), col(Case.assigned_to)]
    open_ones = col(Duty.answered_at).is_(None)
    query = (
        select(*shown)
        .join(Case, col(Case.id) == col(Duty.case_id))
        .where(~open_ones if answered else open_ones)
        .order_by(col(Duty.opened_at), col(Duty.id))
        .limit(limit)
    )
    if kind:
        query = query.where(col(Duty.kind) == kind)
    if after:
        moment, duty = after
        same = (col(Duty.opened_at) == moment) & (col(Duty.id) > duty)
        query = query.where(or_(col(Duty.opened_at) > moment, same))
    return [OwedView.model_validate(row) for row in (await session.execute(query)).all()]
