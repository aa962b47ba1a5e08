"""Workers as processes of their own over one database, an hour that they read, and what they should have recorded."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select

from app import clock
from app.cases.tables import Case
from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Division
from app.deadlines.policy import clocks_at_opening, missed
from app.deadlines.service import facts_of, start
from app.deadlines.tables import Clock
from app.editions import edition
from app.editions.terms import Route
from app.process import Stage
from app.storage.engine import sessions
from app.storage.migrations import conninfo
from tests.journeys.running import PATIENCE, Process, environment_of
from tests.world import OWN, STAFF

CALENDAR = published(Division.ENGLAND_AND_WALES)
_EDITION = edition("statutory-2023")
_WITHIN = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND xact_start IS NOT NULL"
_STARTED = '"event": "worker_started"'

Told = tuple[UUID, str, str]
"""An alert as it is unique: its clock, its rung, whom it tells."""


def eventually(holds: Callable[[], Any], what: str, *, patience: float = PATIENCE) -> None:
    """Wait until something holds; what is asserted is that it happens, not how soon."""
    limit = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < limit, f"after {patience:.0f} seconds still not: {what}"
        time.sleep(0.03)


def put_in(url: str, number: int, *, first: datetime, last: datetime) -> list[Clock]:
    """Open as many cases as have `number` clocks, their first contacts spread over a time; the clocks as they start."""
    return asyncio.run(_put_in(url, number, first=first, last=last))


async def _put_in(url: str, number: int, *, first: datetime, last: datetime) -> list[Clock]:
    engine = create_async_engine(url)  # the superuser, whom no row security binds
    by = STAFF["officer"].id
    async with sessions(engine).begin() as session:
        before = set(await session.scalars(select(Clock.id)))
        made, opened = 0, 0
        while made < number:
            at = first + (last - first) * (made / number)
            case = Case(
                force_id=OWN,
                reference=f"DVDS-F{len(before):06}{opened:06}",
                route=Route.RIGHT_TO_ASK,
                stage=Stage.INITIAL_CHECKS,
                edition=_EDITION.name,
                first_contact_at=at,
                first_contact_recorded_at=at,
                created_at=at,
                created_by=by,
            )
            session.add(case)
            await session.flush()
            plans = partial(
                clocks_at_opening,
                _EDITION,
                route=Route.RIGHT_TO_ASK,
                first_contact_at=at,
                applicant_is_potential_victim=True,
                prioritised=False,
            )
            planned = plans(calendar=CALENDAR)[: number - made]
            await start(session, case, lambda calendar, planned=planned: planned)  # type: ignore[misc]  # mypy infers no lambda with a default
            made, opened = made + len(planned), opened + 1
        await session.flush()
        clocks = list(await session.scalars(select(Clock).where(col(Clock.id).not_in(before))))
    await engine.dispose()
    assert len(clocks) == number
    return clocks


def expected(clocks: Sequence[Clock], *, now: datetime, after: datetime | None = None) -> set[Told]:
    """Every alert of these clocks that has fallen by `now` and had not by `after`, as the policy alone says."""
    ladder = _EDITION.alerts
    return {
        (one.id, rung.code, level.value)
        for one in clocks
        for rung in missed(facts_of(one), calendar=CALENDAR, alerts=ladder, after=after, now=now)
        for level in rung.levels
    }


def rows(url: str, query: LiteralString, *values: Any) -> list[dict[str, Any]]:
    """Rows as the superuser sees them."""
    with psycopg.connect(conninfo(url), row_factory=dict_row) as connection:
        return connection.execute(query, values).fetchall()


def told(url: str) -> Counter[Told]:
    """How often each alert is recorded."""
    query = "SELECT clock_id, rung, level FROM alert WHERE chases_id IS NULL"
    return Counter((row["clock_id"], row["rung"], row["level"]) for row in rows(url, query))


def sent(url: str) -> set[Told]:
    """The alerts that no later one of the same sweep superseded."""
    query = "SELECT clock_id, rung, level FROM alert WHERE NOT superseded AND chases_id IS NULL"
    return {(row["clock_id"], row["rung"], row["level"]) for row in rows(url, query)}


def each_once(url: str, wanted: set[Told]) -> None:
    """What is recorded is what was wanted, each exactly once, none before it fell."""
    found = told(url)
    assert found.keys() == wanted, f"{len(wanted - found.keys())} lost, {len(found.keys() - wanted)} too many"
    assert set(found.values()) <= {1}
    assert rows(url, "SELECT 1 FROM alert WHERE recorded_at < fell_at") == []


@dataclass
class Fleet:
    """Workers over one database; `environment` says how they tell the time."""

    url: str
    folder: Path
    environment: dict[str, str]
    module: str = "app.cli"
    workers: list[Process] = field(default_factory=list)
    started: int = 0

    def start(self, number: int = 1) -> None:
        """Start so many more."""
        for _ in range(number):
            self.started += 1
            name = f"worker-{self.started}"
            given = environment_of(self.url) | self.environment | {"PGAPPNAME": name}
            self.workers.append(Process.start("worker", given, self.folder, name=name, module=self.module))

    def at_work(self) -> list[Process]:
        """Those that have begun to sweep."""
        return [one for one in self.workers if _STARTED in one.log.read_text()]

    def await_work(self) -> None:
        """Wait until all have begun to sweep."""
        eventually(lambda: len(self.at_work()) == len(self.workers), "every worker begins")
        self.must_run()

    def must_run(self) -> None:
        """Fail with the end of its log where a worker has ended by itself."""
        for one in self.workers:
            assert one.child.poll() is None, f"a worker ended by itself:\n{one.tail()}"

    def kill_one(self, chance: random.Random) -> bool:
        """SIGKILL to one that has begun to sweep, and another in its place; whether it was within a transaction."""
        victim = chance.choice(self.at_work())
        victim.child.send_signal(signal.SIGSTOP)  # so that what is seen of it is what is killed
        within = bool(rows(self.url, _WITHIN, victim.log.stem))
        victim.child.kill()
        victim.child.wait()
        self.workers.remove(victim)
        self.start()
        return within

    def stop(self) -> list[int]:
        """SIGTERM to all, and wait; how each of them ended."""
        ended = list(self.workers)
        for one in ended:
            one.child.terminate()
        self.workers.clear()
        return [one.child.wait(PATIENCE) for one in ended]

    def logged(self, event: str) -> int:
        """How often an event stands in all logs."""
        return sum(log.read_text().count(f'"event": "{event}"') for log in self.folder.glob("worker-*.log"))

    def swept(self, hour: datetime, *, since: datetime | None = None) -> None:
        """Wait until every worker says that nothing waits up to an hour, and says it after a moment of its machine."""
        since = since or clock.real_now()
        query = "SELECT 1 FROM worker_heartbeat WHERE swept_through >= %s AND beat_at >= %s AND beat_at < %s"

        def holds() -> bool:
            self.must_run()
            with contextlib.suppress(psycopg.OperationalError):
                return len(rows(self.url, query, hour, since, since + timedelta(hours=12))) >= len(self.workers)
            return False

        eventually(holds, f"swept up to {hour}")


@contextlib.contextmanager
def fleet(url: str, folder: Path, environment: dict[str, str], *, module: str = "app.cli") -> Iterator[Fleet]:
    """Workers that end with the block, however it ends."""
    workers = Fleet(url, folder, environment, module)
    try:
        yield workers
    finally:
        for one in workers.workers:
            one.child.kill()
            one.child.wait()


@dataclass
class Hour:
    """The hour of the scheme in a file, and when in real time it came to each."""

    file: Path
    now: datetime
    came: list[tuple[datetime, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.set(self.now)

    @property
    def environment(self) -> dict[str, str]:
        """How a process reads it."""
        return {"CLARES_LAW_CLOCK": str(self.file)}

    def set(self, now: datetime) -> None:
        """Move the hour."""
        fresh = self.file.with_suffix(".next")
        fresh.write_text(now.isoformat())
        fresh.replace(self.file)
        self.now = now
        self.came.append((now, clock.real_now()))

    def real(self, moment: datetime) -> datetime:
        """When, in real time, an hour of the scheme had come."""
        return next(real for hour, real in self.came if hour >= moment)
