"""The worker: sweeps clocks into alerts every few seconds and says that it lives, and does what else is done in turn.

Rows are the schedule. The scheduler holds one entry for each kind of work, in memory, and no deadline: a worker may be
killed, late or one of many, and what it missed is still there to be done.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
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
from app.storage.engine import DatabaseRole, engine_for, sessions

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
                # The hour is asked for each batch: a backlog may take hours.
                while not self._stopping.is_set() and await job.batch(self, clock.now()):
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


async def work(database_url: str, jobs: Sequence[Job]) -> None:
    """Do the jobs in turn until SIGTERM or SIGINT, then finish the batches in hand or return their claims."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=8)
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
    for job in jobs:
        scheduler.add_job(worker.do, Every(job.every), [job])
    scheduler.start()
    minding = asyncio.create_task(mind_steps(scheduler))
    _log.info("worker_started", worker=str(worker.id))
    finished = await worker.ended()
    minding.cancel()
    scheduler.shutdown(wait=False)  # cancels what has not ended
    if not finished:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPS_WITHIN / 2):
                await worker.stopped()
    await engine.dispose()
    _log.info("worker_stopped", worker=str(worker.id))
