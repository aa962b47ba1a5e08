"""The worker: sweeps clocks into alerts every few seconds and says that it lives, and does what else is done in turn.

Rows are the schedule. The scheduler holds one entry for each kind of work, in memory, and no deadline: a worker may be
killed, late or one of many, and what it missed is still there to be done.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.deadlines.alerts import BATCH, sweep
from app.deadlines.chasing import BATCH as CHASED_AT_ONCE
from app.deadlines.chasing import chase
from app.deadlines.delivery import deliver, senders
from app.deadlines.digest import BATCH as DIGESTS_AT_ONCE
from app.deadlines.digest import write_digests
from app.deadlines.service import beat
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions

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


class Worker:
    """One worker among any number. It stops between two batches, never within one."""

    def __init__(self, opened: Sessions) -> None:
        self.id: UUID = uuid4()
        self.sessions = opened
        self._at_work: dict[str, asyncio.Lock] = {}
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

    async def do(self, job: Job) -> None:
        """Do all that waits of one kind; whatever interrupts it is logged, and the rest is done the next time."""
        async with self._at_work.setdefault(job.name, asyncio.Lock()):
            now = clock.now()
            try:
                while not self._stopping.is_set() and await job.batch(self, now):
                    continue
            except Exception as error:
                # The class alone: a message may quote the row.
                _log.error(f"{job.name}_failed", error=type(error).__name__)


async def sweep_clocks(worker: Worker, now: datetime) -> bool:
    """Turn what has fallen due into alerts and raise those that nobody acknowledged.

    When nothing is left, say that the worker lives and how far it came. Rungs first: a later one chases by itself.
    """
    async with worker.sessions() as session, session.begin():
        swept = await sweep(session, now=now)
    if swept >= BATCH:
        return True
    async with worker.sessions() as session, session.begin():
        chased = await chase(session, now=now)
    if chased >= CHASED_AT_ONCE:
        return True
    async with worker.sessions() as session, session.begin():
        await beat(session, worker.id, beat_at=clock.real_now(), swept_through=now)
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
        Job("digest", sweep_every, write_mails_of_the_day),
        Job("deliver", sweep_every, deliver_messages),
    ]


async def work(database_url: str, *, every: float) -> None:
    """Sweep `every` so many seconds until SIGTERM or SIGINT, then finish the batches in hand and return."""
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
        scheduler.add_job(worker.do, "interval", [job], seconds=job.every, next_run_time=clock.real_now())
    scheduler.start()
    _log.info("worker_started", worker=str(worker.id), every=every)
    await worker.stopped()
    scheduler.shutdown(wait=False)
    await engine.dispose()
    _log.info("worker_stopped", worker=str(worker.id))
