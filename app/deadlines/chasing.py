"""An alert that nobody acknowledged is raised to the level above (H11).

The rungs of the ladder chase by themselves: where a later one has been put before the same level, the earlier rests.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.deadlines.alerts import New, Told, record, told_of
from app.deadlines.claiming import with_their_cases
from app.deadlines.tables import Alert, Clock
from app.editions.terms import AlertLevel
from app.storage.base import columns_of

BATCH = 200
TRIED_AGAIN_AFTER = timedelta(hours=1)
"""How long an alert rests that could not be raised."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Raised:
    """What is put before the level above, and the alert that nobody acknowledged."""

    alert_id: UUID
    above: New


async def chase(session: AsyncSession, *, now: datetime) -> int:
    """Raise what has waited too long for somebody to acknowledge it, at most BATCH alerts; how many were looked at.

    Raised are alerts of clocks that are still open and due on the same day. An alert that the level above has of this
    rung already is not doubled: that one is chased in its turn. One that cannot be raised is logged, by its id alone,
    and rests: it stops no other. A database that cannot go on (OperationalError) ends the batch.
    """
    waiting, clocks = await _claim(session, now=now)
    if not waiting:
        return 0
    overtaken = await _overtaken(session, [alert.id for alert in waiting])
    told = await told_of(session, {alert.case_id: alert.force_id for alert in waiting}, now=now)
    raised, failed = [], []
    for alert in waiting:
        clock = clocks[alert.clock_id]
        if alert.id in overtaken or not _stands(alert, clock):
            continue
        try:
            raised.append(_raise(alert, clock))
        except Exception as error:
            failed.append(_not_chased(alert.id, error))
    failed += await _record_raised(session, raised, told, now=now)
    settled = {alert.id for alert in waiting} - set(failed)
    await _set_chase_at(session, settled, None)
    await _set_chase_at(session, failed, now + TRIED_AGAIN_AFTER)
    return len(waiting)


async def _claim(session: AsyncSession, *, now: datetime) -> tuple[list[Any], dict[UUID, Clock]]:
    """Alerts that nobody else holds, with their clocks as they stay until the transaction ends.

    Whose case is being moved to another force, or whose clock is being changed, is passed over and looked at the next
    time.
    """
    query = (
        select(*columns_of(Alert))
        .where(col(Alert.chase_at) <= now)
        .order_by(col(Alert.chase_at))
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    claimed = await with_their_cases(session, (await session.execute(query)).all())
    of_them = select(Clock).where(col(Clock.id).in_({alert.clock_id for alert in claimed}))
    clocks = {clock.id: clock for clock in await session.scalars(of_them.with_for_update(read=True, skip_locked=True))}
    return [alert for alert in claimed if alert.clock_id in clocks], clocks


async def _overtaken(session: AsyncSession, alert_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the alerts whose level has a later rung of the same date before it."""
    later = aliased(Alert)
    overtaken = exists().where(
        col(later.clock_id) == col(Alert.clock_id),
        col(later.level) == col(Alert.level),
        ~col(later.superseded),
        col(later.due_on) == col(Alert.due_on),
        col(later.fell_at) > col(Alert.fell_at),
    )
    return frozenset(await session.scalars(select(col(Alert.id)).where(col(Alert.id).in_(alert_ids), overtaken)))


def _stands(alert: Any, clock: Clock) -> bool:
    still_open = clock.met_at is None and clock.ended_at is None
    return alert.acknowledged_at is None and still_open and alert.due_on in (clock.due_on, clock.target_on)


def _raise(alert: Any, clock: Clock) -> _Raised:
    levels = list(AlertLevel)
    above = levels[levels.index(alert.level) + 1]
    return _Raised(
        alert.id, New(clock, alert.rung, above, alert.chase_at, alert.due_on, alert.due_at, chases_id=alert.id)
    )


async def _record_raised(session: AsyncSession, raised: Sequence[_Raised], told: Told, *, now: datetime) -> list[UUID]:
    """Write what is raised, all at once; the alerts at fault, found by halves, where that is refused."""
    if not raised:
        return []
    try:
        async with session.begin_nested():
            await record(session, [one.above for one in raised], told, now=now)
    except OperationalError:
        raise
    except Exception as error:
        if len(raised) == 1:
            return [_not_chased(raised[0].alert_id, error)]
        middle = len(raised) // 2
        refused = await _record_raised(session, raised[:middle], told, now=now)
        return refused + await _record_raised(session, raised[middle:], told, now=now)
    return []


async def _set_chase_at(session: AsyncSession, alert_ids: Collection[UUID], chase_at: datetime | None) -> None:
    if alert_ids:
        await session.execute(update(Alert).where(col(Alert.id).in_(alert_ids)).values(chase_at=chase_at))


def _not_chased(alert_id: UUID, error: Exception) -> UUID:
    # The class alone: a message may quote the row.
    _log.error("alert_not_chased", alert=str(alert_id), error=type(error).__name__)
    return alert_id
