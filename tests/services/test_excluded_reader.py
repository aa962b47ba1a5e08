"""A supervisor and a head who are excluded from a case hear nothing of it by any channel, tasks among them (H2.8)."""

from uuid import UUID

import pytest

from tests.arrange import insert
from tests.services.test_digest_and_feed import digested
from tests.steps.channels import Outside, chased, held_case, mail_on, outbox
from tests.world import OWN, STAFF, World

EXCLUDED = ("supervisor2", "head")
NOBODY = UUID(int=0)


def exclude(world: World, case: str, *keys: str) -> None:
    for key in keys:
        insert(
            world,
            "case_access",
            case_id=case,
            force_id=OWN,
            staff_id=STAFF[key].id,
            kind="excluded",
            reason="A relative.",
            recorded_at=world.now,
            recorded_by=STAFF["standards"].id,
        )


async def read_by(world: World, key: str) -> bytes:
    """All that a person can read of alerts and tasks without asking for a case."""
    person = world.as_(key)
    feed = (await person.must_post("/v1/calendar-feeds"))["path"]
    seen = [(await person.get(one)).content for one in ("/v1/tasks", "/v1/alerts?superseded=true")]
    seen.append((await person.get("/v1/alerts/stream", headers={"Last-Event-ID": f"0-{NOBODY}"})).content)
    seen.append((await world.nobody().get(feed)).content)
    return b"\n".join(seen)


async def tasks_of(world: World, key: str) -> list[dict[str, str]]:
    return list((await world.as_(key).must_get("/v1/tasks"))["items"])


async def alone(world: World, *keys: str) -> None:
    """Only these members of staff are left."""
    left = [STAFF[key].id for key in keys]
    world.execute("UPDATE staff_member SET active = false WHERE NOT id = ANY(%s)", left)


async def test_no_channel_tells_an_excluded_reader_of_the_case(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mail_on(monkeypatch, world, "officer", "supervisor", *EXCLUDED, DELIVERY_TRIES="1")
    await world.as_("supervisor2").put("/v1/staff/me/alert-preferences", {"digest": True, "digest_at": "00:00"})
    case = await held_case(world)
    exclude(world, case, *EXCLUDED)
    reference = world.rows("SELECT reference FROM application WHERE id = %s", case)[0]["reference"]
    outside = Outside(world)
    outside.mail.failures = [TimeoutError(), TimeoutError()]
    for _ in range(5):
        world.forward(hours=13)
        await world.sweep()
        await chased(world)
        await digested(world)
        await outside.deliver()
    assert [row for row in outbox(world) if row["given_up_at"]]
    assert world.rows("SELECT 1 FROM alert WHERE level = 'head_of_public_protection'")
    told = {row["staff_id"] for row in outbox(world)} | {
        row["staff_id"] for row in world.rows("SELECT staff_id FROM alert_route")
    }
    assert STAFF["officer"].id in told and not told & {STAFF[key].id for key in EXCLUDED}
    assert not set(outside.mailed_to()) & set(EXCLUDED)
    for key in EXCLUDED:
        seen = await read_by(world, key)
        assert case.encode() not in seen and reference.encode() not in seen, key
    assert reference.encode() in await read_by(world, "supervisor")


async def test_what_reached_nobody_of_a_withheld_case_is_put_before_professional_standards(world: World) -> None:
    case = await held_case(world, by=None)
    exclude(world, case, *EXCLUDED)
    await alone(world, "standards", *EXCLUDED)
    world.forward(hours=13)
    await world.sweep()
    reference = world.rows("SELECT reference FROM application WHERE id = %s", case)[0]["reference"]
    assert await tasks_of(world, "head") == await tasks_of(world, "supervisor2") == []
    [task] = await tasks_of(world, "standards")
    assert reference in task["says"]

    exclude(world, case, "standards")
    assert await tasks_of(world, "standards") == []
    with world.unchanged():
        answer = await world.as_("standards").post(f"/v1/tasks/{task['id']}/answer", {"answer": "Given to another."})
        assert answer.status_code == 404


async def test_a_task_of_a_case_is_withheld_with_it_later_and_moves_with_it(world: World) -> None:
    case = await held_case(world, by=None)
    await alone(world, "standards", "administrator")
    world.forward(hours=13)
    await world.sweep()
    world.execute("UPDATE staff_member SET active = true")
    assert len(await tasks_of(world, "head")) == 1
    exclude(world, case, "head")
    assert await tasks_of(world, "head") == []

    world.execute(
        "UPDATE case_access SET ended_at = now(), ended_by = recorded_by, ended_because = 'No.', ended_since = now()"
    )
    assert len(await tasks_of(world, "head")) == 1
    world.execute("UPDATE application SET force_id = 'southvale' WHERE id = %s", case)
    assert await tasks_of(world, "head") == []
    assert world.rows("SELECT force_id FROM task") == [{"force_id": "southvale"}]
