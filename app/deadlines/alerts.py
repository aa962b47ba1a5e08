"""The sweep that turns fallen rungs into alerts, and the inbox that staff read them from (H11).

Rows are the schedule: the sweep asks for clocks whose `next_alert_at` has come, never for a window of time, so an
outage delays an alert and cannot lose it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, column, or_, select, table, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Role
from app.deadlines.calendar import Calendar
from app.deadlines.known_calendars import calendar_of
from app.deadlines.policy import missed, next_rung
from app.deadlines.schemas import AlertView
from app.deadlines.service import facts_of, steps_of
from app.deadlines.tables import Alert, Clock
from app.editions.terms import AlertLevel
from app.errors import NotFound
from app.storage.base import columns_of

BATCH = 200
TRIED_AGAIN_AFTER = timedelta(hours=1)
"""How long a clock rests whose alerts could not be worked out."""

_log = structlog.get_logger()

_case = table("application", column("id"), column("assigned_to"))
"""Who holds the case decides whose inbox an alert is in; the case's own package lies above this one."""

_MOVE_ON = text(
    "UPDATE clock SET swept_to = :now, next_alert_at = moved.at "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[])) AS moved (id, at) WHERE clock.id = moved.id"
)

LEVELS_READ: dict[Role, frozenset[AlertLevel]] = {
    Role.CONTROL_ROOM: frozenset({AlertLevel.OFFICER}),
    Role.PUBLIC_PROTECTION_OFFICER: frozenset({AlertLevel.OFFICER}),
    Role.PUBLIC_PROTECTION_SUPERVISOR: frozenset({AlertLevel.OFFICER, AlertLevel.SUPERVISOR}),
    Role.HEAD_OF_PUBLIC_PROTECTION: frozenset(AlertLevel),
}


class AlertNotFound(NotFound):
    """No such alert in this inbox."""

    code = "alert_not_found"

    def __init__(self) -> None:
        super().__init__("No such alert is in your inbox.")


@dataclass(frozen=True, slots=True)
class _Swept:
    """What a sweep makes of one clock: the alerts that have fallen, and when it is looked at next."""

    clock_id: UUID
    alerts: list[dict[str, Any]]
    next_alert_at: datetime | None


async def sweep(session: AsyncSession, *, now: datetime) -> int:
    """Record every alert that has fallen due, at most BATCH clocks; how many clocks were swept.

    Any number of workers: each claims other rows, and the unique key of an alert records it once at most. A clock
    that cannot be worked out is logged, by its id alone, and tried again an hour on: it stops no other. A database
    that cannot go on (OperationalError) ends the batch, which is swept again the next time.
    """
    claimed = await _claim(session, now=now)
    calendars: dict[str, Calendar] = {}
    worked_out, failed = [], []
    for clock in claimed:
        try:
            if clock.division not in calendars:
                calendars[clock.division] = await calendar_of(session, clock.division)
            worked_out.append(_work_out(clock, calendars[clock.division], now=now))
        except OperationalError:
            raise
        except Exception as error:
            failed.append(_not_swept(clock.id, error))
    failed += await _record(session, worked_out, now=now)
    if failed:
        again = update(Clock).where(col(Clock.id).in_(failed)).values(next_alert_at=now + TRIED_AGAIN_AFTER)
        await session.execute(again)
    return len(claimed)


def due_by(now: datetime) -> Select[Clock]:
    """The clocks whose alert has come and is not recorded yet, the longest waiting first, a batch of them."""
    query = select(Clock).where(col(Clock.next_alert_at) <= now)
    return query.order_by(col(Clock.next_alert_at)).limit(BATCH)


async def _claim(session: AsyncSession, *, now: datetime) -> list[Clock]:
    """Clocks that nobody else holds, and whose case nobody is about to move.

    An alert points at its case, and a transfer (H8.5) holds the case while it moves the clocks: whoever held the
    clock and then waited for the case would wait for ever. What is passed over is swept the next time.
    """
    claimed = list(await session.scalars(due_by(now).with_for_update(skip_locked=True)))
    if not claimed:
        return []
    still = select(_case.c.id).where(_case.c.id.in_({clock.case_id for clock in claimed}))
    held = set(await session.scalars(still.with_for_update(read=True, key_share=True, skip_locked=True)))
    return [clock for clock in claimed if clock.case_id in held]


def _work_out(clock: Clock, calendar: Calendar, *, now: datetime) -> _Swept:
    ladder = steps_of(clock)
    facts = facts_of(clock)
    fallen = missed(facts, calendar=calendar, alerts=ladder, after=clock.swept_to, now=now)
    alerts = [
        {
            "case_id": clock.case_id,
            "force_id": clock.force_id,
            "clock_id": clock.id,
            "clock_kind": clock.kind,
            "reference": clock.reference,
            "rung": rung.code,
            "level": level,
            "due_on": rung.target.due_on if rung.target else clock.due_on,
            "due_at": rung.target.due_at if rung.target else clock.due_at,
            "fell_at": rung.at,
            "recorded_at": now,
            "superseded": rung is not fallen[-1],
        }
        for rung in fallen
        for level in rung.levels
    ]
    following = next_rung(facts, calendar=calendar, alerts=ladder, after=now)
    return _Swept(clock.id, alerts, following.at if following else None)


async def _record(session: AsyncSession, swept: Sequence[_Swept], *, now: datetime) -> list[UUID]:
    """Write the alerts and move their clocks on, all at once; the clocks that the database refuses.

    Where it refuses, each half is tried by itself, and so on down to the clock at fault.
    """
    if not swept:
        return []
    try:
        async with session.begin_nested():
            alerts = [alert for one in swept for alert in one.alerts]
            if alerts:
                await session.execute(insert(Alert).on_conflict_do_nothing().returning(col(Alert.id)), alerts)
            await session.execute(
                _MOVE_ON,
                {"ids": [one.clock_id for one in swept], "at": [one.next_alert_at for one in swept], "now": now},
            )
    except OperationalError:
        raise
    except Exception as error:
        if len(swept) == 1:
            return [_not_swept(swept[0].clock_id, error)]
        middle = len(swept) // 2
        refused = await _record(session, swept[:middle], now=now)
        return refused + await _record(session, swept[middle:], now=now)
    return []


def _not_swept(clock_id: UUID, error: Exception) -> UUID:
    # The class alone: a message may quote the row.
    _log.error("clock_not_swept", clock=str(clock_id), error=type(error).__name__)
    return clock_id


def _of_inbox(actor: Actor) -> list[ColumnElement[bool]]:
    """What is in a person's inbox: the own level's, and for whoever supervises nobody, of own and unheld cases only."""
    levels = sorted({level for role in actor.roles for level in LEVELS_READ.get(role, ())})
    found: list[ColumnElement[bool]] = [col(Alert.level).in_(levels)]
    if not actor.is_supervisor:
        found.append(or_(_case.c.assigned_to == actor.staff_id, _case.c.assigned_to.is_(None)))
    return found


async def alerts_for(
    session: AsyncSession,
    actor: Actor,
    *,
    acknowledged: bool | None,
    superseded: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[AlertView]:
    """The alerts of a person's levels, newest first: an officer's own cases and unheld ones; a supervisor's all."""
    query = (
        select(*columns_of(Alert), col(Alert.clock_kind).label("clock"))
        .join(_case, _case.c.id == col(Alert.case_id))
        .where(*_of_inbox(actor))
        .order_by(col(Alert.recorded_at).desc(), col(Alert.id).desc())
        .limit(limit)
    )
    if not superseded:
        query = query.where(~col(Alert.superseded))
    if acknowledged is not None:
        unread = col(Alert.acknowledged_at).is_(None)
        query = query.where(~unread if acknowledged else unread)
    if after is not None:
        moment, alert_id = after
        query = query.where(
            or_(
                col(Alert.recorded_at) < moment,
                (col(Alert.recorded_at) == moment) & (col(Alert.id) < alert_id),
            )
        )
    return [AlertView.model_validate(row) for row in (await session.execute(query)).all()]


async def acknowledge(session: AsyncSession, actor: Actor, alert_id: UUID, *, now: datetime) -> Alert:
    """A person has seen the alert; the first acknowledgement stands."""
    query = (
        select(Alert)
        .join(_case, _case.c.id == col(Alert.case_id))
        .where(col(Alert.id) == alert_id, *_of_inbox(actor))
        .with_for_update(of=Alert)
    )
    alert = (await session.scalars(query)).one_or_none()
    if alert is None:
        raise AlertNotFound
    if alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by = now, actor.staff_id
    return alert
