"""An alert that nobody acknowledged is raised to the level above (H11).

The rungs of the ladder chase by themselves: where a later one has been put before the same level, the earlier rests.
"""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.deadlines.alerts import New, record, told_of
from app.deadlines.tables import Alert, Clock
from app.editions.terms import AlertLevel

BATCH = 200


async def chase(session: AsyncSession, *, now: datetime) -> int:
    """Raise what has waited too long for somebody to acknowledge it, at most BATCH alerts; how many were looked at.

    Raised are alerts of clocks that are still open and due on the same day. An alert that the level above has of this
    rung already is not doubled: that one is chased in its turn.
    """
    query = (
        select(Alert)
        .where(col(Alert.chase_at) <= now)
        .order_by(col(Alert.chase_at))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    waiting = list(await session.scalars(query))
    if not waiting:
        return 0
    later = aliased(Alert)
    overtaken = exists().where(
        col(later.clock_id) == col(Alert.clock_id),
        col(later.level) == col(Alert.level),
        ~col(later.superseded),
        col(later.due_on) == col(Alert.due_on),
        col(later.fell_at) > col(Alert.fell_at),
    )
    stands = (
        select(col(Alert.id), Clock)
        .join(Clock, col(Clock.id) == col(Alert.clock_id))
        .where(
            col(Alert.id).in_([alert.id for alert in waiting]),
            col(Alert.acknowledged_at).is_(None),
            col(Alert.due_on).in_((col(Clock.due_on), col(Clock.target_on))),
            col(Clock.met_at).is_(None),
            col(Clock.ended_at).is_(None),
            ~overtaken,
        )
    )
    clocks = {row.id: row.Clock for row in await session.execute(stands)}
    told = await told_of(session, {alert.case_id: alert.force_id for alert in waiting}, now=now)
    levels = list(AlertLevel)
    raised = []
    for alert in waiting:
        fell_at, alert.chase_at = alert.chase_at, None
        if alert.id not in clocks or fell_at is None:
            continue
        above = levels[levels.index(alert.level) + 1]
        clock = clocks[alert.id]
        raised.append(New(clock, alert.rung, above, fell_at, alert.due_on, alert.due_at, chases_id=alert.id))
    await record(session, raised, told, now=now)
    return len(waiting)
