"""The worker: sweeps clocks into alerts every few seconds and says that it lives, and does what else is done in turn.

Rows are the schedule. The scheduler holds one entry for each kind of work, in memory, and no deadline: a worker may be
killed, late or one of many, and what it missed is still there to be done.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.deadlines import following, refreshing
from app.deadlines.alerts import BATCH, sweep
from app.deadlines.calendars import checked_against
from app.deadlines.chasing import BATCH as CHASED_AT_ONCE
from app.deadlines.chasing import chase
from app.deadlines.delivery import deliver, senders
from app.deadlines.digest import BATCH as DIGESTS_AT_ONCE
from app.deadlines.digest import write_digests
from app.deadlines.published_file import FileRefused
from app.deadlines.watch import beat, forget_dead_workers, tally, watched
from app.editions import all_editions
from app.intake.accounts import compare_accounts
from app.intake.watching import watch_attempts
from app.outside.bank_holidays import BankHolidaySource, GovUk, SourceRefused, SourceUnreachable
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions

FOLLOW_EVERY = 10.0
"""Seconds, as below."""
ATTEMPT_EVERY = 300.0
"""How often a worker looks whether the published bank holidays are to be asked for; its row says when."""
WATCH_EVERY = 3600.0
COUNT_EVERY = 15.0  # seconds
STOPS_WITHIN = 6.0
"""Seconds that a batch in hand is given when the worker is asked to end; whoever asked may kill it after ten."""
RESTS_AT_MOST = 10.0
"""Seconds between tries of work that goes on failing."""
STEP = 1.0
"""Seconds by which the machine's clock must jump to be minded; slower corrections are let pass."""

_log = structlog.get_logger()

Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True)
class Job:
    """One kind of work: a batch at a time, begun every so many seconds.

    `batch` opens and ends its own transactions, takes the hour of the scheme, and says whether more waits.
    """

    name: str
    every: float
    batch: Callable[["Worker", datetime], Awaitable[bool]]


@dataclass(frozen=True)
class _Rest:
    """Work that failed so many times on end, and when (of `time.monotonic`) it is tried again."""

    failures: int
    until: float


class Worker:
    """One worker among any number. It stops between two batches, never within one that ends in good time."""

    def __init__(self, opened: Sessions) -> None:
        self.id: UUID = uuid4()
        self.sessions = opened
        self._at_work: dict[str, asyncio.Lock] = {}
        self._rests: dict[str, _Rest] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the worker to end after the batches in hand."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Return when stopping was asked for and no batch is in hand."""
        await self._stopping.wait()
        for at_work in list(self._at_work.values()):
            async with at_work:
                continue

    async def ended(self) -> bool:
        """As `stopped`, but whether the batches in hand ended in the seconds that they are given."""
        await self._stopping.wait()
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                await self.stopped()
        except TimeoutError:
            return False
        return True

    async def do(self, job: Job) -> None:
        """Do all that waits of one kind; whatever interrupts it is logged, and the rest is done the next time.

        What fails again and again is tried more and more seldom, every worker at moments of its own.
        """
        async with self._at_work.setdefault(job.name, asyncio.Lock()):
            rest = self._rests.get(job.name, _Rest(0, 0.0))
            if time.monotonic() < rest.until:
                return
            try:
                now = clock.now()
                while not self._stopping.is_set() and await job.batch(self, now):
                    continue
            except asyncio.CancelledError:
                # Only the end of the worker cancels work; the transaction is undone, and with it the claim.
                _log.warning(f"{job.name}_given_up", worker=str(self.id))
            except Exception as error:
                failures = rest.failures + 1
                seconds = min(2.0 ** (failures - 2), RESTS_AT_MOST) * random.uniform(0.5, 1) if failures > 1 else 0
                self._rests[job.name] = _Rest(failures, time.monotonic() + seconds)
                # The class alone: a message may quote the row.
                _log.error(f"{job.name}_failed", error=type(error).__name__)
            else:
                if self._rests.pop(job.name, None):
                    _log.info(f"{job.name}_resumed", failures=rest.failures)


async def sweep_clocks(worker: Worker, now: datetime) -> bool:
    """Turn what has fallen due into alerts and raise those that nobody acknowledged.

    Then say that the worker lives and how far the sweep came. Rungs first: a later one chases by itself.
    """
    async with worker.sessions() as session, session.begin():
        swept = await sweep(session, now=now)
    chased = 0
    if swept < BATCH:
        async with worker.sessions() as session, session.begin():
            chased = await chase(session, now=now)
    async with worker.sessions() as session, session.begin():
        await beat(session, worker.id, beat_at=clock.real_now(), now=now)
    return swept >= BATCH or chased >= CHASED_AT_ONCE


async def count_for_metrics(worker: Worker, now: datetime) -> bool:
    """Count what the metrics show, where no other worker has, and forget workers that ended long ago."""
    real_now = clock.real_now()
    async with worker.sessions() as session, session.begin():
        await tally(session, now=now, counted_at=real_now, every=COUNT_EVERY / 2)
        await forget_dead_workers(session, now=real_now)
    return False


async def keep_withheld(worker: Worker, now: datetime) -> bool:
    """Compare new accounts with the parties of cases, and tell of attempts on cases that are withheld (H2.8)."""
    async with worker.sessions() as session, session.begin():
        compared = await compare_accounts(session, now=now)
    async with worker.sessions() as session, session.begin():
        seen = await watch_attempts(session, now=now)
    return bool(compared or seen)


async def follow_calendars(worker: Worker, now: datetime) -> bool:
    """Move open clocks whose calendar has changed."""
    async with worker.sessions() as session, session.begin():
        return await following.follow_calendars(session, now=now) >= following.BATCH


async def refresh_calendars(worker: Worker, now: datetime) -> bool:
    """Ask for the published bank holidays where it is time, one worker for all."""
    url = settings().bank_holidays_url
    if url == "off":
        return False
    async with worker.sessions() as session, session.begin():
        claimed = await refreshing.claim_attempt(session, at=clock.real_now())
    if claimed:
        await ask_for_calendars(worker.sessions, GovUk(url), now=now)
    return False


async def ask_for_calendars(opened: Sessions, source: BankHolidaySource, *, now: datetime) -> None:
    """Take in what is published, or put its refusal before a person. No transaction waits for the network."""
    async with opened() as session, session.begin():
        etag = await checked_against(session)
    try:
        fetched = await source.fetch(etag)
        async with opened() as session, session.begin():
            await refreshing.take_in_fetched(session, fetched, now=now)
    except SourceUnreachable as unreachable:
        _log.warning("calendar_unreachable", error=type(unreachable.__cause__ or unreachable).__name__)
    except (SourceRefused, FileRefused) as refused:
        async with opened() as session, session.begin():
            await refreshing.refuse(session, str(refused), now=now)


async def watch_calendars(worker: Worker, now: datetime) -> bool:
    """Tell the administrators in good time where a list of bank holidays ends (H10.3)."""
    reach = refreshing.longest_reach(all_editions().values())
    notice = max(reach, timedelta(days=settings().calendar_notice_days))
    async with worker.sessions() as session, session.begin():
        await refreshing.watch_ends(session, now=now, notice=notice)
    return False


async def write_mails_of_the_day(worker: Worker, now: datetime) -> bool:
    """Put the digests whose hour has come in the outbox."""
    async with worker.sessions() as session, session.begin():
        return await write_digests(session, now=now) >= DIGESTS_AT_ONCE


async def deliver_messages(worker: Worker, now: datetime) -> bool:
    """Send what waits in the outbox."""
    return await deliver(worker.sessions, senders(settings()), now=now)


def jobs(*, sweep_every: float) -> list[Job]:
    """Everything that a worker does in turn."""
    return [
        Job("sweep", sweep_every, sweep_clocks),
        Job("withholding", sweep_every, keep_withheld),
        Job("follow_calendars", FOLLOW_EVERY, follow_calendars),
        Job("refresh_calendars", ATTEMPT_EVERY, refresh_calendars),
        Job("watch_calendars", WATCH_EVERY, watch_calendars),
        Job("count", COUNT_EVERY, count_for_metrics),
        Job("digest", sweep_every, write_mails_of_the_day),
        Job("deliver", sweep_every, deliver_messages),
    ]


async def last_sweep(database_url: str) -> float | None:
    """Seconds since any worker last swept; None where none ever has."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine)() as session:
        stale = settings().heartbeat_stale_seconds
        found = await watched(session, now=clock.now(), real_now=clock.real_now(), stale_seconds=stale)
    await engine.dispose()
    return found.sweep_age


class Every(BaseTrigger):  # type: ignore[misc] # APScheduler brings no types
    """So many seconds after the last time it was looked at.

    APScheduler's own counts from the last time it was due, one turn after another: a clock stepped on by a month
    would be caught up with by a million turns.
    """

    def __init__(self, seconds: float) -> None:
        self._apart = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """At once, then each time so much later than now."""
        return now if previous_fire_time is None else now + self._apart


async def mind_steps(scheduler: Any, *, look_every: float = STEP) -> None:
    """Begin everything at once where the machine's clock was stepped.

    The scheduler knows the hour of each job's next turn: after a step back by a day it would wait for a day.
    """
    ahead = _ahead()
    while True:
        await asyncio.sleep(look_every)
        was, ahead = ahead, _ahead()
        if abs(ahead - was) > STEP:
            _log.warning("clock_stepped", seconds=round(ahead - was))
            for job in scheduler.get_jobs():
                job.modify(next_run_time=clock.real_now())


def _ahead() -> float:
    return clock.real_now().timestamp() - time.monotonic()


async def work(database_url: str, *, every: float) -> None:
    """Sweep `every` so many seconds until SIGTERM or SIGINT; then finish the batches in hand or return their claims."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=4)
    worker = Worker(sessions(engine))
    loop = asyncio.get_running_loop()
    for asked in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(asked, worker.stop)
    # The defaults drop a job that is a second late, and let a long one run beside itself.
    scheduler = AsyncIOScheduler(
        jobstores={"default": MemoryJobStore()},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone="UTC",
    )
    for job in jobs(sweep_every=every):
        scheduler.add_job(worker.do, Every(job.every), [job])
    scheduler.start()
    minding = asyncio.create_task(mind_steps(scheduler))
    _log.info("worker_started", worker=str(worker.id), every=every)
    finished = await worker.ended()
    minding.cancel()
    scheduler.shutdown(wait=False)  # cancels what has not ended
    if not finished:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPS_WITHIN / 2):
                await worker.stopped()
    await engine.dispose()
    _log.info("worker_stopped", worker=str(worker.id))
