"""The sweep: what it costs where a hundred clocks are due, among few and among very many that are not.

Two databases of one server hold the same but for their number of open clocks, and are swept in turn, so that what else
the machine does weighs on both alike. A sweep here is one transaction of the worker's, from its claim to its commit.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app import clock, starting
from app.cases.tables import Case
from app.deadlines.alerts import due_by, sweep
from app.deadlines.policy import clocks_at_opening
from app.deadlines.service import start
from app.editions import edition
from app.editions.terms import Route
from app.process import Stage
from app.settings import settings
from app.storage.embedded import SUPERUSER
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo

FEW, MANY = 10_000, 1_000_000
DUE = 100
ROUNDS = 15
BUSY = 2_000
"""Clocks due at once where alerts a second are counted."""
_FORCE = "northmoor"

_COPIED = (
    "SELECT column_name FROM information_schema.columns "
    "WHERE table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position"
)
_OF_ITS_OWN = {
    "id": "md5(id::text || n)::uuid",
    "case_id": "md5(case_id::text || n)::uuid",
    "reference": "'DVDS-B' || n",
}
_FALL_DUE = """
    UPDATE clock SET started_at = %(now)s - interval '13 hours', due_at = %(now)s + interval '11 hours',
        due_on = (%(now)s + interval '11 hours')::date + %(turn)s,
        next_alert_at = %(now)s - interval '1 hour', swept_to = NULL
    WHERE id IN (
        SELECT id FROM clock WHERE kind = 'initial_checks' ORDER BY md5(id::text || %(turn)s) LIMIT %(number)s
    )
"""


@dataclass
class Swept:
    """One database and how long each of its sweeps took."""

    clocks: int
    superuser: str
    worker: async_sessionmaker[AsyncSession]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    turns: Iterator[int] = field(default_factory=count)
    """Each makes the day of a clock another, so that its alert is a new one."""

    def fall_due(self, number: int, now: datetime) -> None:
        """Let one alert of so many clocks have come, spread over all of them."""
        with psycopg.connect(self.superuser) as connection:
            connection.execute(_FALL_DUE, {"now": now, "number": number, "turn": next(self.turns)})

    async def sweep(self, now: datetime) -> int:
        """Sweep once; how many clocks."""
        async with self.worker.begin() as session:
            return await sweep(session, now=now)

    async def measure(self, now: datetime) -> None:
        """Sweep what is due, and note how long it took and what it took of the processors, here and in the server."""
        async with self.worker() as session:  # the pool has one connection, and the server one process for it
            server = Path(f"/proc/{await session.scalar(text('SELECT pg_backend_pid()'))}/stat")
        used, begun = _processor(server), time.perf_counter()
        swept = await self.sweep(now)
        self.seconds.append(time.perf_counter() - begun)
        self.processor.append(_processor(server) - used)
        if swept != DUE:
            raise RuntimeError(f"{swept} clocks were swept, and {DUE} were due")


def _processor(server: Path) -> float:
    ticks = server.read_text().rpartition(")")[2].split()[11:13]
    return time.process_time() + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure(say: starting.Say, console: Console) -> None:
    """Put in the clocks, sweep them in turn, and print what it took."""
    settings().data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings().data_dir) as name:
        chosen = settings().model_copy(update={"data_dir": Path(name), "database_url": None, "clock": None})
        with starting.database(chosen, say) as where:
            starting.prepare(where.owner, "demonstration", say)
            first = make_url(where.owner).set(username=SUPERUSER).render_as_string(hide_password=False)
            now = clock.real_now()
            asyncio.run(_open_case(first, now))
            places = []
            for number in (FEW, MANY):
                say(f"Putting in {number:,} open clocks")
                places.append(_place(first, f"open_{number}", number))
            asyncio.run(_measure(places, now, say, console))


async def _open_case(url: str, now: datetime) -> None:
    """One case with clocks that fall due long from now."""
    engine = create_async_engine(url)
    rules = edition("statutory-2023")
    at = now + timedelta(days=30)
    with psycopg.connect(conninfo(url)) as connection:
        staff = uuid4()
        connection.execute("INSERT INTO force VALUES (%s, 'Northmoor Police', 'england-and-wales')", [_FORCE])
        connection.execute(
            "INSERT INTO staff_member (id, subject, name, force_id, roles, active, name_keys, compared) VALUES "
            "(%s, 'officer', 'Officer', %s, '{public_protection_officer}', true, '{}', true), "
            "(gen_random_uuid(), 'supervisor', 'Supervisor', %s, '{public_protection_supervisor}', true, '{}', true)",
            [staff, _FORCE, _FORCE],
        )
    async with sessions(engine).begin() as session:
        case = Case(
            force_id=_FORCE,
            reference="DVDS-B",
            route=Route.RIGHT_TO_ASK,
            stage=Stage.INITIAL_CHECKS,
            edition=rules.name,
            first_contact_at=at,
            first_contact_recorded_at=at,
            created_at=at,
            created_by=staff,
            assigned_to=staff,
        )
        session.add(case)
        await session.flush()
        plans = partial(
            clocks_at_opening,
            rules,
            route=Route.RIGHT_TO_ASK,
            first_contact_at=at,
            applicant_is_potential_victim=True,
            prioritised=False,
        )
        await start(session, case, lambda calendar: plans(calendar=calendar))
    await engine.dispose()


def _place(url: str, name: str, number: int) -> Swept:
    """A database like the first with `number` open clocks: the one case there is, copied."""
    own = make_url(url).set(database=name).render_as_string(hide_password=False)
    database, first = sql.Identifier(name), sql.Identifier(make_url(url).database or "")
    with psycopg.connect(conninfo(url), dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, first))
    with psycopg.connect(conninfo(own), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # keys agree by construction
        row = connection.execute("SELECT count(*) FROM clock").fetchone()
        each = row[0] if row else 1
        for table in ("application", "clock"):
            columns = [column for (column,) in connection.execute(_COPIED, [table])]
            values = [sql.SQL(_OF_ITS_OWN[one]) if one in _OF_ITS_OWN else sql.Identifier(one) for one in columns]
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}, generate_series(2, %s) AS n").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, columns)),
                    sql.SQL(", ").join(values),
                    sql.Identifier(table),
                ),
                [number // each],
            )
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    return Swept(number, conninfo(own), sessions(engine_for(own, DatabaseRole.WORKER, pool_size=1)))


async def _measure(places: Sequence[Swept], now: datetime, say: starting.Say, console: Console) -> None:
    for place in places:  # caches, plans and pools are warm before anything counts
        place.fall_due(DUE, now)
        await place.sweep(now)
    say(f"Sweeping {DUE} due clocks, {ROUNDS} times each")
    order = list(places)
    for _ in range(ROUNDS):
        for place in order:
            place.fall_due(DUE, now)
            await place.measure(now)
        order.reverse()  # A B, B A: a drift of the machine weighs on both alike
    say(f"Sweeping {BUSY:,} due clocks")
    rates = []
    for place in places:
        place.fall_due(BUSY, now)
        begun, swept = time.perf_counter(), 0
        while found := await place.sweep(now):
            swept += found
        rates.append(swept / (time.perf_counter() - begun))
    _report(places, rates, console)
    places[-1].fall_due(DUE, now)
    console.print(_plan(places[-1].superuser, now), markup=False, highlight=False)


def _report(places: Sequence[Swept], rates: Sequence[float], console: Console) -> None:
    table = Table(title=f"One sweep with {DUE} clocks due")
    for name in ("open clocks", "median ms", "least ms", "CPU ms", "alerts a second,\none worker"):
        table.add_column(name, justify="right")
    for place, rate in zip(places, rates, strict=True):
        taken = (statistics.median(place.seconds), min(place.seconds), statistics.mean(place.processor))
        table.add_row(f"{place.clocks:,}", *(f"{seconds * 1e3:.1f}" for seconds in taken), f"{rate:,.0f}")
    console.print(table)
    few, many = places
    each = [theirs / ours for ours, theirs in zip(few.seconds, many.seconds, strict=True)]
    console.print(
        f"{many.clocks:,} open clocks against {few.clocks:,}: [bold]{statistics.median(each):.2f}[/] times as long "
        f"(median of each round's own ratio), [bold]{sum(many.processor) / sum(few.processor):.2f}[/] times the CPU. "
        "CPU is of the worker and of the server's process for it: it stays true when other work holds them back."
    )


def _plan(superuser: str, now: datetime) -> str:
    """How PostgreSQL finds what is due, as the worker's role."""
    claim = due_by(now).with_for_update(skip_locked=True)
    asked = claim.compile(
        dialect=PGDialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True},
    )
    with psycopg.connect(superuser) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(DatabaseRole.WORKER.value)))
        rows = connection.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {asked}".encode()).fetchall()
    return "\n".join(row[0] for row in rows)
