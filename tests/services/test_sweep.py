"""The sweep beside its neighbours: a clock that cannot be worked out, a clock that is planned anew (H11)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from structlog.testing import capture_logs

from app.cases.tables import Case
from app.deadlines.alerts import BATCH, due_by
from app.deadlines.calendar import Calendar
from app.deadlines.policy import ClockPlan, plan_clock
from app.deadlines.service import end, start
from app.deadlines.tables import Clock, EndedBecause
from app.editions import edition
from app.editions.terms import ClockKind
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions, set_context
from app.storage.migrations import conninfo
from tests.arrange import multiply, place_at
from tests.steps import face_to_face, intake
from tests.world import OWN, World

OTHER_SUBJECT = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}


@asynccontextmanager
async def session(world: World) -> AsyncIterator[AsyncSession]:
    """A session of the API's role."""
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    async with sessions(engine)() as opened:
        await set_context(opened, force_id=OWN)
        yield opened
    await engine.dispose()


def alerts(world: World, case: str, kind: str = "initial_checks") -> list[str]:
    query = "SELECT rung FROM alert WHERE case_id = %s AND clock_kind = %s AND level = 'officer' ORDER BY fell_at"
    return [row["rung"] for row in world.rows(query, case, kind)]


def clock(world: World, case: str, kind: str = "initial_checks") -> dict[str, Any]:
    return world.rows("SELECT * FROM clock WHERE case_id = %s AND kind = %s", case, kind)[0]


async def test_a_clock_that_the_database_refuses_undoes_no_other(world: World) -> None:
    cases = [
        await intake.opened(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": name}))
        for name in ("Aske", "Bree", "Corr")
    ]
    world.execute(f"ALTER TABLE alert ADD CONSTRAINT refused CHECK (case_id <> '{cases[1]}')")
    world.forward(hours=13)
    with capture_logs() as logged:
        assert await world.sweep() == 3
    assert [alerts(world, case) for case in cases] == [["due_soon-12h"], [], ["due_soon-12h"]]
    assert [one["error"] for one in logged if one["event"] == "clock_not_swept"] == ["IntegrityError"]
    assert clock(world, cases[1])["next_alert_at"] == world.now + timedelta(hours=1)


async def test_of_many_clocks_those_that_the_database_refuses_are_found_and_no_other(world: World) -> None:
    case = await intake.opened(world)
    many = 37
    multiply(world, case, many)
    clocks = world.rows("SELECT id FROM clock WHERE kind = 'initial_checks' ORDER BY md5(id::text)")
    refused = {str(row["id"]) for row in clocks[:5]}
    world.execute(f"ALTER TABLE alert ADD CONSTRAINT refused CHECK (clock_id NOT IN ({str(refused)[1:-1]}))")
    world.forward(hours=13)
    with capture_logs() as logged:
        assert await world.sweep() == many
    assert {one["clock"] for one in logged if one["event"] == "clock_not_swept"} == refused
    told = {str(row["clock_id"]) for row in world.rows("SELECT clock_id FROM alert")}
    assert told == {str(row["id"]) for row in clocks[5:]}


async def test_a_case_that_is_about_to_move_is_left_to_the_next_sweep_and_waits_for_nobody(world: World) -> None:
    case = await intake.opened(world)
    await intake.opened(world, intake.right_to_ask(world, subject=OTHER_SUBJECT))
    world.forward(hours=13)
    with psycopg.connect(conninfo(world.url)) as moving:
        moving.execute("SELECT FROM application WHERE id = %s FOR UPDATE", [case])
        assert await world.sweep() == 1
        # Nothing of the case is held by the sweep, so that whoever moves it gets its clocks.
        moving.execute("SELECT FROM clock WHERE case_id = %s FOR UPDATE NOWAIT", [case])
    assert alerts(world, case) == []
    assert await world.sweep() == 1
    assert alerts(world, case) == ["due_soon-12h"]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_is_due_is_found_by_its_index_among_many_open_clocks(world: World, mode: str) -> None:
    case = await intake.opened(world)
    multiply(world, case, 4_000)
    world.execute("UPDATE clock SET next_alert_at = next_alert_at + interval '1 year' WHERE random() > 0.01")
    world.execute("ANALYZE")
    claim = due_by(world.now + timedelta(days=20)).with_for_update(skip_locked=True)
    asked = str(claim.compile(dialect=PGDialect(paramstyle="numeric_dollar")))  # type: ignore[no-untyped-call]
    beaten = "SELECT min(next_alert_at) FROM clock WHERE next_alert_at <= $1"
    with psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.WORKER.value}") as connection:
        connection.execute(f"SET plan_cache_mode = {mode}".encode())
        for name, query, values in (("claim", asked, f"'{world.now}', {BATCH}"), ("beat", beaten, f"'{world.now}'")):
            connection.execute(f"PREPARE {name} AS {query}".encode())
            rows = connection.execute(f"EXPLAIN EXECUTE {name} ({values})".encode()).fetchall()
            plan = "\n".join(row[0] for row in rows)
            assert "using ix_clock_next_alert_at on clock" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan


async def test_one_bad_clock_does_not_stop_the_others(world: World) -> None:
    bad = await intake.opened(world)
    good = await intake.opened(world, intake.right_to_ask(world, subject=OTHER_SUBJECT))
    world.execute("UPDATE clock SET edition = 'never-published' WHERE case_id = %s", bad)
    world.forward(hours=13)
    with capture_logs() as logged:
        assert await world.sweep() == 2
    assert (alerts(world, good), alerts(world, bad)) == (["due_soon-12h"], [])
    [line] = [one for one in logged if one["event"] == "clock_not_swept"]
    assert line.pop("clock") == str(clock(world, bad)["id"])
    assert set(line) == {"event", "log_level", "error"}
    assert "never-published" not in line["error"]
    assert clock(world, bad)["next_alert_at"] == world.now + timedelta(hours=1)

    world.execute("UPDATE clock SET edition = 'statutory-2023' WHERE case_id = %s", bad)
    assert await world.sweep() == 0
    world.forward(hours=1)
    assert await world.sweep() == 1
    assert alerts(world, bad) == ["due_soon-12h"]


async def test_a_worker_in_between_costs_a_clock_that_is_planned_anew_no_rung(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    earlier: datetime = world.forward(days=1)
    world.forward(days=8)
    await face_to_face.meet(world, case)
    world.forward(days=6)  # two working days are left
    async with session(world) as opened:
        held = await opened.get_one(Case, UUID(case))
        read = (await opened.scalars(select(Clock).where(col(Clock.case_id) == held.id))).all()
        await world.sweep()  # a worker writes what this session has read already
        assert {one.swept_to for one in read} == {None}
        assert clock(world, case, "risk_assessment")["swept_to"] == world.now
        limit = edition(held.edition).limit(
            ClockKind.RISK_ASSESSMENT, route=held.route, applicant_is_potential_victim=True, prioritised=False
        )
        assert limit is not None

        def plans(calendar: Calendar) -> list[ClockPlan]:
            return [plan_clock(limit, earlier, calendar)]

        await start(opened, held, plans, anew=True)
        await opened.commit()
    await world.sweep()
    assert "breached" in alerts(world, case, "risk_assessment")


async def test_a_clock_that_is_being_changed_is_left_to_the_next_sweep(world: World) -> None:
    case = await intake.opened(world)
    world.forward(hours=13)
    async with session(world) as opened:
        await end(opened, UUID(case), EndedBecause.WITHDRAWAL, ClockKind.WHOLE_CASE, ended_at=world.now)
        assert await world.sweep() == 1  # another clock of the case
        await opened.rollback()
    assert alerts(world, case) == ["due_soon-12h"]
    async with session(world) as opened:
        world.forward(hours=9)
        await end(opened, UUID(case), EndedBecause.WITHDRAWAL, ClockKind.INITIAL_CHECKS, ended_at=world.now)
        assert await world.sweep() == 0
        await opened.rollback()
    assert await world.sweep() == 1
