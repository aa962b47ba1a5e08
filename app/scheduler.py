"""The worker: sweeps clocks into alerts every few seconds and says that it lives, and does what else is done in turn.

Rows are the schedule. The scheduler holds one entry for each kind of work, in memory, and no deadline: a worker may be
killed, late or one of many, and what it missed is still there to be done.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.deadlines import following, refreshing
from app.deadlines.alerts import BATCH, sweep
from app.deadlines.calendars import checked_against
from app.deadlines.published_file import FileRefused
from app.deadlines.service import beat, sweep_age_seconds
from app.editions import all_editions
from app.intake.accounts import accounts_to_compare, compare_account
from app.intake.watching import watch_attempts, watch_pointers
from app.outside.bank_holidays import BankHolidaySource, GovUk, SourceRefused, SourceUnreachable
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions

FOLLOW_EVERY = 10.0
"""Seconds, as below."""
ATTEMPT_EVERY = 300.0
"""How often a worker looks whether the published bank holidays are to be asked for; its row says when."""
WATCH_EVERY = 3600.0

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
    """Turn what has fallen due into alerts; when nothing is left, say that the worker lives and how far it came."""
    async with worker.sessions() as session, session.begin():
        swept = await sweep(session, now=now)
    if swept >= BATCH:
        return True
    async with worker.sessions() as session, session.begin():
        await beat(session, worker.id, beat_at=clock.real_now(), swept_through=now)
    return False


async def keep_withheld(worker: Worker, now: datetime) -> bool:
    """Compare new accounts with the parties of cases, and tell of attempts on cases that are withheld (H2.8)."""
    compared = await compare_accounts(worker.sessions, now)
    async with worker.sessions() as session, session.begin():
        seen = await watch_attempts(session, now=now)
    async with worker.sessions() as session, session.begin():
        found = await watch_pointers(session, now=now)
    return bool(compared or seen or found)


async def compare_accounts(opened: Sessions, now: datetime) -> int:
    """Compare accounts that wait, each in its own transaction; one that fails is logged and waits on."""
    async with opened() as session, session.begin():
        waiting = await accounts_to_compare(session)
    compared = 0
    for staff_id in waiting:
        try:
            async with opened() as session, session.begin():
                await compare_account(session, staff_id, now=now)
            compared += 1
        except SQLAlchemyError as error:
            _log.error("comparing_failed", staff_id=str(staff_id), error=type(error).__name__)
    return compared


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


def jobs(*, sweep_every: float) -> list[Job]:
    """Everything that a worker does in turn."""
    return [
        Job("sweep", sweep_every, sweep_clocks),
        Job("withholding", sweep_every, keep_withheld),
        Job("follow_calendars", FOLLOW_EVERY, follow_calendars),
        Job("refresh_calendars", ATTEMPT_EVERY, refresh_calendars),
        Job("watch_calendars", WATCH_EVERY, watch_calendars),
    ]


async def last_sweep(database_url: str) -> float | None:
    """Seconds since any worker last swept; None where none ever has."""
    engine = engine_for(database_url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine)() as session:
        age = await sweep_age_seconds(session, now=clock.real_now())
    await engine.dispose()
    return age


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
