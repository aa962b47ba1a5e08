"""What is watched: whether workers live, how far they came, and how many clocks stand how.

A silent worker is itself an alarm. Beats and counts carry real time and may come from a machine whose clock was
stepped: one from the future says no more than an old one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Select,
    Uuid,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
from app.access.telling import withheld_from_somebody
from app.channels.tables import Outbox
from app.deadlines.calendar import london_day
from app.deadlines.tables import Clock, Heartbeat, Tally, Task, TaskKind

FORGOTTEN_AFTER = timedelta(hours=1)
"""How long a worker that ended is still listed."""

_TICK = timedelta(microseconds=1)

_log = structlog.get_logger()

Count = Callable[[datetime], Any]
"""A query for the hour of the scheme; its rows are (measure, label, number)."""


async def hour_agrees(session: AsyncSession, *, real_now: datetime) -> bool:
    """Whether this machine may sweep: its clock agrees with the database's, which all workers share.

    One machine a month ahead would record a month of alerts as superseded, for the whole fleet. Where the scheme's
    hour is moved on purpose (`clock.is_moved`), all processes read the same hour, and there is nothing to compare.
    """
    if clock.is_moved():
        return True
    database = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    agrees: bool = abs(real_now - database) <= clock.AGREES_WITHIN
    if not agrees:
        _log.error("clock_off", seconds=round((real_now - database).total_seconds()))
    return agrees


async def beat(session: AsyncSession, worker_id: UUID, *, beat_at: datetime, now: datetime) -> None:
    """A worker says that it lives and up to which moment of scheme time every alert is recorded, whoever recorded it.

    That is the hour at which it swept, `now`, or the moment before the oldest alert that still waits: another worker
    may hold it, or a person who changes the clock. A clock that rests because it could not be swept waits since that
    was put before somebody.
    """
    clock_id = case((col(Task.kind) == TaskKind.CLOCK_NOT_SWEPT, cast(col(Task.about), Uuid)))
    rests = (
        select(func.min(col(Task.opened_at)) - _TICK)
        .join(Clock, col(Clock.id) == clock_id)
        .where(
            col(Task.kind) == TaskKind.CLOCK_NOT_SWEPT,
            col(Task.closed_at).is_(None),
            col(Task.opened_at) <= now,
            col(Clock.next_alert_at).is_not(None),
        )
    )
    waits = select(func.min(col(Clock.next_alert_at)) - _TICK).where(col(Clock.next_alert_at) <= now)
    said = {
        "beat_at": beat_at,
        "swept_through": func.coalesce(func.least(waits.scalar_subquery(), rests.scalar_subquery()), now),
    }
    row = insert(Heartbeat).values(worker_id=worker_id, **said)
    await session.execute(
        row.on_conflict_do_update(index_elements=["worker_id"], set_={name: row.excluded[name] for name in said})
    )


async def forget_dead_workers(session: AsyncSession, *, now: datetime) -> None:
    """Remove workers that have not beaten for an hour of real time, or beat in a future that was stepped back from."""
    beat_at = col(Heartbeat.beat_at)
    gone = or_(beat_at < now - FORGOTTEN_AFTER, beat_at > now + FORGOTTEN_AFTER)
    await session.execute(delete(Heartbeat).where(gone))


def clocks_by_step(now: datetime) -> Select[Any]:
    """Open clocks, those due today and those past due, by step; a projection is never past due (H9.2).

    Anybody who reads the metrics reads these, so cases that are withheld from somebody are not among them (H2.8).
    """
    is_open = (
        col(Clock.met_at).is_(None),
        col(Clock.ended_at).is_(None),
        col(Clock.case_id).not_in(withheld_from_somebody()),
    )
    late = (col(Clock.due_at) <= now) & ~col(Clock.projected)
    counted = (
        select(
            col(Clock.kind).label("kind"),
            func.count().label("open"),
            func.count(case((col(Clock.due_on) == london_day(now), 1))).label("due_today"),
            func.count(case((late, 1))).label("breached"),
        )
        .where(*is_open)
        .group_by(col(Clock.kind))
        .cte("counted")
    )
    names = ("open", "due_today", "breached")
    rows = union_all(*(select(literal(f"clocks_{name}"), counted.c.kind, counted.c[name]) for name in names))
    return select(rows.subquery())


def outbox_by_channel(now: datetime) -> Select[Any]:
    """Messages that wait to be sent, those of them that were tried in vain, and those given up, by channel.

    Without those of cases that are withheld from somebody, as for clocks; one given up is a task for a person all the
    same.
    """
    of_case = col(Outbox.case_id)
    told_of = of_case.is_(None) | of_case.not_in(withheld_from_somebody())
    waits = col(Outbox.delivered_at).is_(None) & col(Outbox.given_up_at).is_(None)
    failing = waits & col(Outbox.last_error).is_not(None)
    counted = (
        select(
            col(Outbox.channel).label("channel"),
            func.count(case((waits, 1))).label("waiting"),
            func.count(case((failing, 1))).label("failing"),
            func.count(case((col(Outbox.given_up_at).is_not(None), 1))).label("given_up"),
        )
        .where(col(Outbox.delivered_at).is_(None), told_of)
        .group_by(col(Outbox.channel))
        .cte("messages")
    )
    names = ("waiting", "failing", "given_up")
    rows = union_all(*(select(literal(f"outbox_{name}"), counted.c.channel, counted.c[name]) for name in names))
    return select(rows.subquery())


COUNTS: tuple[Count, ...] = (clocks_by_step, outbox_by_channel)
"""What a worker counts for the metrics; each is one query over what an index covers."""

CASE_KEYS = "case_keys_unusable"
"""What is counted seldom, since it looks at every case; it stays while the others are counted anew."""
_OFTEN = col(Tally.measure) != CASE_KEYS


async def tally(session: AsyncSession, *, now: datetime, counted_at: datetime, every: float) -> bool:
    """Count anew what the metrics show, unless another worker has within `every` seconds; whether it was counted."""
    if not await _is_due(session, _OFTEN, counted_at, every):
        return False
    found = {(row[0], row[1]): row[2] for count in COUNTS for row in await session.execute(count(now))}
    rows = [
        {"measure": measure, "label": label, "number": number, "counted_at": counted_at}
        for (measure, label), number in sorted(
            found.items()
        )  # in one order, so that no two workers wait for each other
    ]
    await _keep(session, rows)
    await session.execute(delete(Tally).where(col(Tally.counted_at) != counted_at, _OFTEN))
    return True


async def case_keys_are_due(session: AsyncSession, *, counted_at: datetime, every: float) -> bool:
    """Whether no worker has counted the unusable keys of cases within `every` seconds."""
    return await _is_due(session, ~_OFTEN, counted_at, every)


async def keep_case_keys(session: AsyncSession, found: Mapping[str, int], *, counted_at: datetime) -> None:
    """Keep how many keys of cases are unusable, by what is wrong with them."""
    rows = [
        {"measure": CASE_KEYS, "label": label, "number": number, "counted_at": counted_at}
        for label, number in sorted(found.items())
    ]
    await _keep(session, rows)


async def _is_due(session: AsyncSession, measures: ColumnElement[bool], counted_at: datetime, every: float) -> bool:
    newest = await session.scalar(select(func.max(col(Tally.counted_at))).where(measures))
    return newest is None or abs((counted_at - newest).total_seconds()) >= every


async def _keep(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    if rows:
        row = insert(Tally)
        anew = {name: row.excluded[name] for name in ("number", "counted_at")}
        await session.execute(row.on_conflict_do_update(index_elements=["measure", "label"], set_=anew), rows)


@dataclass(frozen=True)
class Watched:
    """How the sweep stands: ages and lag in seconds, None where no worker lives that could say."""

    workers: int
    sweep_age: float | None
    sweep_lag: float | None
    tally_age: float | None
    tallies: list[tuple[str, str, int]]

    @property
    def is_silent(self) -> bool:
        """Whether no worker lives."""
        return self.workers == 0

    @property
    def unusable_keys(self) -> int | None:
        """Keys of cases that are gone without an erasure or changed; None before they were ever counted."""
        numbers = [number for measure, _, number in self.tallies if measure == CASE_KEYS]
        return sum(numbers) if numbers else None


async def watched(session: AsyncSession, *, now: datetime, real_now: datetime, stale_seconds: float) -> Watched:
    """What beats and counts say at an hour of the scheme and of the machine; a beat older than `stale_seconds` is none.

    The lag is how long the oldest alert that has come waits to be recorded; where none waits, how long ago that was
    last known.
    """
    beats = (await session.execute(select(col(Heartbeat.beat_at), col(Heartbeat.swept_through)))).all()
    ages = [((real_now - beat_at).total_seconds(), swept_through) for beat_at, swept_through in beats]
    past = [(age, swept_through) for age, swept_through in ages if age >= -stale_seconds]
    age, swept_through = min(past, default=(None, None))
    tallies = (await session.scalars(select(Tally).order_by(col(Tally.measure), col(Tally.label)))).all()
    return Watched(
        workers=sum(age <= stale_seconds for age, _ in past),
        sweep_age=None if age is None else max(age, 0.0),
        sweep_lag=None if swept_through is None else max((now - swept_through).total_seconds(), 0.0),
        tally_age=_age(real_now, (one.counted_at for one in tallies if one.measure != CASE_KEYS)),
        tallies=[(one.measure, one.label, one.number) for one in tallies],
    )


def _age(real_now: datetime, moments: Iterable[datetime]) -> float | None:
    newest = max(moments, default=None)
    return None if newest is None else abs((real_now - newest).total_seconds())
