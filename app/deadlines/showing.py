"""Clocks as they are shown: where each stands, what is recorded beside it, and its working (H10.5, H10.6)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.deadlines.calendar import due, rule_of
from app.deadlines.deviations import deviations_of
from app.deadlines.known_calendars import calendar_at
from app.deadlines.policy import ClockState, state, time_left
from app.deadlines.schemas import ClockMoveView, ClockView, ClockWorking, DayView, DeviationView
from app.deadlines.service import ClockRow, facts_of, in_order
from app.deadlines.tables import Clock, ClockMove, HolidayCalendar
from app.errors import NotFound
from app.storage.base import columns_of
from app.storage.statements import rows

_clock, _move = columns_of(Clock), columns_of(ClockMove)
_CLOCKS = select(*_clock).where(_clock.case_id == bindparam("case_id"))
_MOVES = select(*_move).where(_move.case_id == bindparam("case_id")).order_by(_move.moved_at)


class ClockNotFound(NotFound):
    """No such clock of this case."""

    code = "clock_not_found"

    def __init__(self) -> None:
        super().__init__("This case has no such clock.")


def view(clock: ClockRow, *, now: datetime, deviations: Iterable[DeviationView] = ()) -> ClockView:
    """A clock as it stands now, and what is recorded of why it was not kept."""
    facts = facts_of(clock)
    done = clock.met_at or clock.ended_at
    return ClockView(
        **_shown(clock),
        deviations=[one for one in deviations if one.clock is clock.kind],
        limit=str(facts.rule),
        state=state(facts, met_at=clock.met_at, ended_at=clock.ended_at, now=now),
        seconds_left=None if done else int(time_left(facts, now=now).total_seconds()),
    )


def _shown(clock: ClockRow) -> dict[str, Any]:
    derived = {"limit", "state", "seconds_left", "deviations", "withheld"}
    return {name: getattr(clock, name) for name in ClockView.model_fields if name not in derived}


def is_late(clock: ClockView) -> bool:
    """Whether the clock is or was breached."""
    return clock.state in (ClockState.BREACHED, ClockState.MET_LATE, ClockState.ENDED_BREACHED)


async def _clocks(session: AsyncSession, case_id: UUID) -> list[Row[Any]]:
    return in_order(await rows(session, _CLOCKS, case_id=case_id))


async def clocks_of(session: AsyncSession, case_id: UUID, *, now: datetime) -> list[ClockView]:
    """The clocks of a case, in the order of the process."""
    clocks = await _clocks(session, case_id)
    beside = await deviations_of(session, case_id) if any(clock.deviates for clock in clocks) else []
    return [view(clock, now=now, deviations=beside) for clock in clocks]


async def clocks_with_working(session: AsyncSession, case_id: UUID, *, now: datetime) -> list[ClockWorking]:
    """The clocks of a case, each with its days counted and skipped and why (H10.5)."""
    clocks = await _clocks(session, case_id)
    beside = await deviations_of(session, case_id) if any(clock.deviates for clock in clocks) else []
    moves = await _moves(session, case_id)
    return [await _with_working(session, clock, beside, moves, now=now) for clock in clocks]


async def working_of(session: AsyncSession, case_id: UUID, clock_id: UUID, *, now: datetime) -> ClockWorking:
    """One clock of a case with its working (H10.5). Raises ClockNotFound, for a clock of another case alike."""
    clock = next((one for one in await _clocks(session, case_id) if one.id == clock_id), None)
    if clock is None:
        raise ClockNotFound
    beside, moves = await deviations_of(session, case_id), await _moves(session, case_id)
    return await _with_working(session, clock, beside, moves, now=now)


async def _with_working(
    session: AsyncSession, clock: ClockRow, deviations: Sequence[DeviationView], moves: Sequence[Any], *, now: datetime
) -> ClockWorking:
    calendar = await calendar_at(session, clock.division, clock.calendar_version)
    worked = due(clock.started_at, rule_of(clock), calendar)
    listed = await session.get_one(HolidayCalendar, clock.division)
    return ClockWorking(
        **view(clock, now=now, deviations=deviations).model_dump(),
        projected=clock.projected,
        source=clock.source,
        edition=clock.edition,
        edition_version=clock.edition_version,
        division=clock.division,
        calendar_version=clock.calendar_version,
        calendar_source=listed.source if clock.calendar_version else None,
        working=[DayView.model_validate(day) for day in worked.working],
        moves=[ClockMoveView.model_validate(move) for move in moves if move.clock_id == clock.id],
    )


async def _moves(session: AsyncSession, case_id: UUID) -> Sequence[Any]:
    return await rows(session, _MOVES, case_id=case_id)
