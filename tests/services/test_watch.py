"""What workers say of themselves and of the clocks: how far they came, how many stand how, and who is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app import clock
from app.deadlines.watch import beat, forget_dead_workers, hour_agrees, tally
from app.jobs import count_unusable_keys
from app.process import Stage
from app.scheduler import Worker
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.arrange import insert, place_at
from tests.services.test_excluded_reader import exclude
from tests.steps import disclosure, face_to_face, intake
from tests.world import OWN, STAFF, World

WORKER = uuid4()


@asynccontextmanager
async def as_worker(world: World) -> AsyncIterator[AsyncSession]:
    """A transaction of the worker's role, committed at the end of the block."""
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine).begin() as session:
        yield session
    await engine.dispose()


async def beats(world: World, worker: UUID = WORKER) -> dict[str, Any]:
    async with as_worker(world) as session:
        await beat(session, worker, beat_at=clock.real_now(), now=world.now)
    return world.rows("SELECT * FROM worker_heartbeat WHERE worker_id = %s", worker)[0]


async def counted(world: World) -> dict[tuple[str, str], int]:
    async with as_worker(world) as session:
        assert await tally(session, now=world.now, counted_at=clock.real_now(), every=0)
    return {(row["measure"], row["label"]): row["number"] for row in world.rows("SELECT * FROM tally")}


async def test_a_worker_has_come_as_far_as_nothing_waits_whoever_holds_it(world: World) -> None:
    await intake.opened(world)
    assert (await beats(world))["swept_through"] == world.now
    world.forward(hours=13)
    waits = world.rows("SELECT min(next_alert_at) AS at FROM clock")[0]["at"]
    assert waits < world.now
    assert (await beats(world))["swept_through"] == waits - timedelta(microseconds=1)
    await world.sweep()
    assert (await beats(world))["swept_through"] == world.now
    world.set_time(world.now - timedelta(days=1))
    assert (await beats(world))["swept_through"] == world.now


async def test_a_clock_that_cannot_be_swept_is_put_before_somebody_and_holds_what_is_swept_back(world: World) -> None:
    case = await intake.opened(world)
    world.execute("UPDATE clock SET edition = 'never-published' WHERE case_id = %s", case)
    failed_at = world.forward(hours=13)
    await world.sweep()
    [task] = (await world.as_("administrator").must_get("/v1/tasks"))["items"]
    [row] = world.rows("SELECT id, next_alert_at FROM clock WHERE kind = 'initial_checks'")
    assert (task["kind"], task["about"]) == ("clock_not_swept", str(row["id"]))
    assert row["next_alert_at"] > world.now
    assert (await beats(world))["swept_through"] == failed_at - timedelta(microseconds=1)
    world.forward(hours=1)
    await world.sweep()
    assert len((await world.as_("administrator").must_get("/v1/tasks"))["items"]) == 1
    assert (await beats(world))["swept_through"] == failed_at - timedelta(microseconds=1)

    world.execute("UPDATE clock SET edition = 'statutory-2023' WHERE case_id = %s", case)
    world.forward(hours=1)
    await world.sweep()
    assert (await world.as_("administrator").must_get("/v1/tasks"))["items"] == []
    assert (await beats(world))["swept_through"] == world.now


async def test_clocks_are_counted_by_step_open_due_today_and_past_due(world: World) -> None:
    case = await intake.opened(world)
    await intake.opened(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": "Other"}))
    first = await counted(world)
    assert first["clocks_open", "initial_checks"] == first["clocks_open", "whole_case"] == 2
    assert first["clocks_breached", "initial_checks"] == 0
    world.forward(hours=23)
    assert (await counted(world))["clocks_due_today", "initial_checks"] == 2
    world.forward(hours=1)
    late = await counted(world)
    assert (late["clocks_breached", "initial_checks"], late["clocks_breached", "face_to_face"]) == (2, 0)

    place_at(world, case, Stage.FACE_TO_FACE)
    await face_to_face.meet(world, case)
    assert (await counted(world))["clocks_open", "face_to_face"] == 1
    # A projection that nobody met never breaches, however long ago it was due.
    world.forward(days=300)
    late = await counted(world)
    assert (late["clocks_open", "risk_assessment"], late["clocks_breached", "risk_assessment"]) == (2, 1)
    ended = "ended_at = started_at, ended_because = 'withdrawal', next_alert_at = NULL"
    world.execute(f"UPDATE clock SET {ended} WHERE met_at IS NULL")
    assert await counted(world) == {}


async def test_messages_of_cases_that_are_withheld_from_somebody_are_not_among_those_counted(world: World) -> None:
    """Whoever a case is withheld from may read the metrics; what is of no case is counted all the same."""
    cases = [
        await intake.opened(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": surname}))
        for surname in ("Seen", "Barred", "Closed-Off")
    ]
    for number, case in enumerate((None, *cases)):
        for tries, (error, given_up) in enumerate(((None, None), ("TimeoutError", None), (None, world.now))):
            insert(
                world,
                "outbox",
                case_id=case,
                force_id=OWN,
                channel="mail",
                message="digest" if case is None else "glass",
                staff_id=STAFF["officer"].id,
                idempotency_key=f"{number}-{tries}",
                content={},
                created_at=world.now,
                next_try_at=world.now,
                tries=tries,
                last_error=error,
                given_up_at=given_up,
            )
    measures = ("outbox_waiting", "outbox_failing", "outbox_given_up")

    async def mail() -> list[int]:
        found = await counted(world)
        return [found[one, "mail"] for one in measures]

    assert await mail() == [8, 4, 4]
    exclude(world, cases[1], "supervisor")
    assert await mail() == [6, 3, 3]
    restricted = {"restricted_at": world.now, "restricted_by": STAFF["standards"].id, "leading_ranks": ["inspector"]}
    insert(world, "case_restriction", case_id=cases[2], force_id=OWN, reason="Staff.", **restricted)
    assert await mail() == [4, 2, 2]


async def test_one_count_serves_all_workers_for_a_while_and_a_stepped_clock_does_not_stop_it(world: World) -> None:
    await intake.opened(world)
    now = clock.real_now()
    moments = [
        (now, True),
        (now + timedelta(seconds=9), False),
        (now + timedelta(seconds=10), True),
        (now - timedelta(days=1), True),
        (now - timedelta(days=1, seconds=-9), False),
    ]
    for counted_at, expected in moments:
        async with as_worker(world) as session:
            assert await tally(session, now=world.now, counted_at=counted_at, every=10) is expected
    assert {row["counted_at"] for row in world.rows("SELECT counted_at FROM tally")} == {now - timedelta(days=1)}


async def test_keys_of_cases_that_are_gone_or_changed_are_counted_seldom_and_shown(world: World) -> None:
    kept, gone, changed, unused = [
        await intake.opened(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": surname}))
        for surname in ("Kept", "Gone", "Changed", "Unused")
    ]
    for case in (kept, gone, changed):
        await disclosure.tell_subject(world, case, "He was told to keep away.")

    async def said() -> tuple[int, str, float, float]:
        engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
        await count_unusable_keys(Worker(sessions(engine)), world.now)
        await engine.dispose()
        await counted(world)  # which leaves it there
        ready, found = await world.http.get("/health/ready"), (await world.http.get("/metrics")).text
        numbers = [
            float(line.split()[-1]) for line in found.splitlines() if line.startswith("clares_law_case_keys_unusable{")
        ]
        return ready.status_code, ready.json()["keys"], *numbers

    await beats(world)
    assert (await world.http.get("/health/ready")).json()["keys"] == "not counted"
    assert await said() == (200, "held", 0, 0)
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM case_key WHERE case_id = ANY (%s::uuid[])", [[gone, unused]])
        connection.execute("UPDATE case_key SET wrapped = 'x' WHERE case_id = %s", [changed])
        # Nor does a row of `erasure` excuse it that rests on nothing.
        connection.execute(
            "INSERT INTO erasure SELECT gen_random_uuid(), id, force_id, 'other', '2020-01-01', gen_random_uuid(), "
            "created_by, gen_random_uuid(), created_by, now() FROM application WHERE id = %s",
            [gone],
        )
    assert await said() == (200, "held", 0, 0)  # not looked at again so soon
    world.execute("UPDATE tally SET counted_at = counted_at - interval '10 minutes'")
    with capture_logs() as logged:
        assert await said() == (200, "unusable", 1, 1)
    told = {(one["case_id"], one["because"]) for one in logged if one["event"] == "case_key_unusable"}
    assert told == {(gone, "gone"), (changed, "changed")}


async def test_workers_long_gone_are_forgotten_and_those_of_an_undone_future_too(world: World) -> None:
    now = clock.real_now()
    apart = [timedelta(hours=-2), timedelta(minutes=-30), timedelta(), timedelta(days=1)]
    for by in apart:
        world.execute("INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), %s, %s)", now + by, world.now)
    async with as_worker(world) as session:
        await forget_dead_workers(session, now=now)
    kept = world.rows("SELECT beat_at FROM worker_heartbeat ORDER BY beat_at")
    assert [row["beat_at"] - now for row in kept] == apart[1:3]


@pytest.mark.parametrize(("off_by", "agrees"), [(-28, False), (-0.001, True), (0.001, True), (1, False), (28, False)])
async def test_a_machine_whose_clock_is_off_from_the_databases_may_not_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch, off_by: float, agrees: bool
) -> None:
    machine = clock.real_now() + timedelta(days=off_by)
    async with as_worker(world) as session:
        assert clock.is_moved()  # the scheme's hour stands in a file that all read
        assert await hour_agrees(session, real_now=machine)
        monkeypatch.delenv(clock.CLOCK_SWITCH)
        assert await hour_agrees(session, real_now=machine) is agrees
    assert timedelta(minutes=1) < clock.AGREES_WITHIN < timedelta(hours=1)
