"""The worker: sweeps clocks into alerts every few seconds and says that it lives.

Rows are the schedule. The scheduler holds this one job, in memory, and no deadline: a worker may be killed, late or
one of many, and what it missed is still there to be swept.
"""

import asyncio
import signal
from uuid import UUID, uuid4

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.deadlines.alerts import BATCH, sweep
from app.deadlines.service import beat
from app.storage.engine import DatabaseRole, engine_for, sessions

_log = structlog.get_logger()


class Worker:
    """One worker among any number. It stops between two batches, never within one."""

    def __init__(self, opened: async_sessionmaker[AsyncSession]) -> None:
        self.id: UUID = uuid4()
        self._sessions = opened
        self._sweeping = asyncio.Lock()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the worker to end after the batch in hand."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Return when stopping was asked for and no sweep is in hand."""
        await self._stopping.wait()
        async with self._sweeping:
            return

    async def sweep(self) -> None:
        """Sweep all that has fallen due; whatever interrupts it is logged, and the rest is swept the next time."""
        async with self._sweeping:
            try:
                await self._sweep_all()
            except Exception as error:
                # The class alone: a message may quote the row.
                _log.error("sweep_failed", error=type(error).__name__)

    async def _sweep_all(self) -> None:
        now = clock.now()
        swept = BATCH
        while swept >= BATCH:
            if self._stopping.is_set():
                return
            async with self._sessions() as session, session.begin():
                swept = await sweep(session, now=now)
        async with self._sessions() as session, session.begin():
            await beat(session, self.id, beat_at=clock.real_now(), swept_through=now)


async def work(database_url: str, *, every: float) -> None:
    """Sweep `every` so many seconds until SIGTERM or SIGINT, then finish the batch in hand and return."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=2)
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
    scheduler.add_job(worker.sweep, "interval", seconds=every, next_run_time=clock.real_now())
    scheduler.start()
    _log.info("worker_started", worker=str(worker.id), every=every)
    await worker.stopped()
    scheduler.shutdown(wait=False)
    await engine.dispose()
    _log.info("worker_stopped", worker=str(worker.id))
