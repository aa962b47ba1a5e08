"""Clocks whose start turns out to have been earlier (H3.4): each move is given back to be told, was and now (H10.4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.deadlines.calendar import Calendar
from app.deadlines.policy import ClockPlan
from app.deadlines.service import count_from
from app.deadlines.tables import Clock
from app.editions.terms import ClockKind, StartingEvent


@dataclass(frozen=True)
class Move:
    """A clock that moved: when it was due and when it is due now."""

    kind: ClockKind
    was_due_at: datetime
    due_at: datetime


async def move_start(
    session: AsyncSession, plans: Iterable[ClockPlan], *, case_id: UUID, calendar: Calendar
) -> list[Move]:
    """Count the clocks of a case anew as `plans` say; only those that it has, whatever became of them.

    A clock that was met or ended keeps when, and may turn out breached: the limit ran out earlier (H10.7). One that
    counts from the meeting held does not move (H9.2).
    """
    held = select(Clock).where(col(Clock.case_id) == case_id).order_by(col(Clock.id)).with_for_update()
    found = await session.scalars(held.execution_options(populate_existing=True))  # as the sweep left them
    clocks = {clock.kind: clock for clock in found}
    moves = []
    for plan in plans:
        clock = clocks.get(plan.kind)
        if clock is None or (clock.starts_from is StartingEvent.COMPLETED_MEETING and not clock.projected):
            continue
        was = clock.due_at
        count_from(clock, plan, calendar)
        if clock.due_at != was:
            moves.append(Move(plan.kind, was, clock.due_at))
    return moves
