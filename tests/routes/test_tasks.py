"""Tasks of no case: opened once by whoever meets the trouble, seen by those they are for, closed with an answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Role
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import close_tasks_about, open_task
from app.storage.engine import DatabaseRole, engine_for, sessions, set_context
from tests.world import OTHER, OWN, STAFF, World


@asynccontextmanager
async def session(world: World, role: DatabaseRole) -> AsyncIterator[AsyncSession]:
    engine = engine_for(world.url, role, pool_size=1)
    async with sessions(engine).begin() as opened:
        if role is DatabaseRole.APP:  # the worker has no context
            await set_context(opened, force_id=OWN)
        yield opened
    await engine.dispose()


async def opened(
    world: World,
    about: str = "england-and-wales",
    *,
    by: DatabaseRole = DatabaseRole.WORKER,
    for_role: Role = Role.ADMINISTRATOR,
    force_id: str | None = None,
) -> None:
    async with session(world, by) as opened:
        await open_task(
            opened,
            kind=TaskKind.CALENDAR_REFUSED,
            says="The published bank holidays were refused.",
            for_role=for_role,
            force_id=force_id,
            about=about,
            now=world.now,
        )


@pytest.mark.parametrize("by", [DatabaseRole.WORKER, DatabaseRole.APP])
async def test_the_same_trouble_is_one_open_task_and_once_closed_may_be_another(world: World, by: DatabaseRole) -> None:
    for about, force in (("a", None), ("a", None), ("a", OWN), ("a", OWN), ("b", None)):
        await opened(world, about, by=by, force_id=force)
    listed = await world.as_("administrator").must_get("/v1/tasks")
    assert sorted((one["about"], one["force_id"]) for one in listed["items"] if one["force_id"]) == [("a", OWN)]
    assert sorted(one["about"] for one in listed["items"] if one["force_id"] is None) == ["a", "b"]

    async with session(world, by) as db:
        says = "The file is as it should be again."
        await close_tasks_about(db, kind=TaskKind.CALENDAR_REFUSED, about="a", says=says, now=world.now)
    left = await world.as_("administrator").must_get("/v1/tasks")
    assert [one["about"] for one in left["items"]] == ["b"]
    closed = world.rows("SELECT closed_by, answer FROM task WHERE closed_at IS NOT NULL")
    assert closed == [{"closed_by": None, "answer": says}] * 2
    await opened(world, "a", by=by)
    assert len((await world.as_("administrator").must_get("/v1/tasks"))["items"]) == 2


async def test_a_task_is_seen_and_answered_by_its_role_in_its_force(world: World) -> None:
    await opened(world, "own", for_role=Role.PUBLIC_PROTECTION_SUPERVISOR, force_id=OWN)
    await opened(world, "other", for_role=Role.PUBLIC_PROTECTION_SUPERVISOR, force_id=OTHER)

    async def seen(key: str) -> list[str]:
        return [one["about"] for one in (await world.as_(key).must_get("/v1/tasks"))["items"]]

    assert (await seen("supervisor"), await seen("other_supervisor")) == (["own"], ["other"])
    assert await seen("administrator") == await seen("officer") == await seen("probation") == []

    task = world.rows("SELECT id FROM task WHERE about = 'own'")[0]["id"]
    body = {"answer": "The receiver has a new certificate."}
    for key in ("administrator", "officer", "other_supervisor"):
        with world.unchanged():
            assert (await world.as_(key).post(f"/v1/tasks/{task}/answer", body)).status_code == 404
    with world.unchanged():
        assert (await world.as_("supervisor").post(f"/v1/tasks/{uuid4()}/answer", body)).status_code == 404
    with world.unchanged():
        assert (await world.as_("supervisor").post(f"/v1/tasks/{task}/answer", {"answer": " "})).status_code == 422
    answered = await world.as_("supervisor").must_post(f"/v1/tasks/{task}/answer", body)
    assert (answered["answer"], answered["closed_by"]) == (body["answer"], str(STAFF["supervisor"].id))
    assert await seen("supervisor") == []
    with world.unchanged():
        again = await world.as_("supervisor2").post(f"/v1/tasks/{task}/answer", body)
    assert (again.status_code, again.json()["type"].rsplit(":", 1)[-1]) == (409, "task_closed")


async def test_tasks_come_a_page_at_a_time_the_oldest_first(world: World) -> None:
    for number in range(5):
        await opened(world, f"trouble-{number}")
        world.forward(minutes=1)
    administrator, cursor, found = world.as_("administrator"), "", []
    while True:
        page = await administrator.must_get(f"/v1/tasks?limit=2{cursor}")
        found += [one["about"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [f"trouble-{number}" for number in range(5)]


async def test_what_was_answered_stays_to_be_read_by_those_whom_the_task_was_for(world: World) -> None:
    await opened(world, by=DatabaseRole.APP)
    (task,) = (await world.as_("administrator").must_get("/v1/tasks"))["items"]
    assert (await world.as_("administrator").must_get("/v1/tasks?closed=true"))["items"] == []
    await world.as_("administrator").must_post(f"/v1/tasks/{task['id']}/answer", {"answer": "Put right."})
    (closed,) = (await world.as_("administrator").must_get("/v1/tasks?closed=true"))["items"]
    assert (closed["id"], closed["answer"]) == (task["id"], "Put right.")
    assert (await world.as_("supervisor").must_get("/v1/tasks?closed=true"))["items"] == []
