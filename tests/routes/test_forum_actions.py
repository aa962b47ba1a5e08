"""Actions of the forum, chased until done, and their owners' when the item has ended (H6.2)."""

import httpx

from tests.steps import forum, intake
from tests.steps.forum import staff, waiting
from tests.world import World


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def given_to(world: World, item: forum.Item, owner: str) -> str:
    due = {"owner_staff_id": staff(owner), "what": "Check the licence conditions.", "due_on": "2026-05-12"}
    return str((await world.as_("chair").must_post(f"{item.path}/actions", due))["id"])


async def test_actions_are_chased_until_done(world: World) -> None:
    item = await forum.sitting(world, await waiting(world))
    chair, probation = world.as_("chair"), world.as_("probation")
    due = {"owner_staff_id": staff("probation"), "what": "Check the licence conditions.", "due_on": "2026-05-12"}
    action = (await chair.must_post(f"{item.path}/actions", due))["id"]
    assert [one["overdue"] for one in await probation.must_get("/v1/forum/actions")] == [False]
    world.forward(days=9)
    undone = {"outcome": "agency_did_not_do_it", "note": "No time."}
    await probation.must_post(f"/v1/forum/actions/{action}/answers", undone)
    assert [one["overdue"] for one in await chair.must_get("/v1/forum/actions")] == [True]
    await probation.must_post(f"/v1/forum/actions/{action}/answers", {"outcome": "done", "note": "Checked."})
    assert await chair.must_get("/v1/forum/actions") == []
    assert len(await chair.must_get(f"/v1/forum/actions/{action}/answers")) == 2
    assert len(await chair.must_get(f"{item.path}/actions")) == 1
    again = await probation.must_post(f"/v1/forum/actions/{action}/answers", undone)
    assert [one["code"] for one in again["put_before_supervisor"]] == ["action_answered_already"]
    with world.unchanged():
        other = await world.as_("other_officer").get(f"/v1/forum/actions/{action}/answers")
    assert kind(other) == (404, "action_not_found")


async def test_an_action_stays_its_owners_when_the_item_has_ended(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    action = await given_to(world, item, "probation")
    await forum.disclosing(world, item, intake.parties(world, case)["potential_victim"][0])
    probation, path = world.as_("probation"), f"/v1/forum/actions/{action}/answers"
    undone = {"outcome": "agency_did_not_do_it", "note": "No time."}
    assert [one["id"] for one in await probation.must_get("/v1/forum/actions")] == [action]
    assert await world.as_("idva").must_get("/v1/forum/actions") == []
    await probation.must_post(path, undone)
    await probation.must_post(path, {"outcome": "done", "note": "Checked."})
    assert len(await probation.must_get(path)) == 2
    assert await probation.must_get("/v1/forum/actions") == []
    with world.unchanged(refusals=4):
        assert kind(await world.as_("idva").post(path, undone)) == (404, "action_not_found")
        assert kind(await world.as_("idva").get(path)) == (404, "action_not_found")
        assert (await probation.get(item.path)).status_code == 404
        assert (await probation.get(f"/v1/applications/{case}")).status_code == 404


async def test_an_owner_with_a_conflict_loses_the_action(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    action = await given_to(world, item, "probation")
    await forum.conflicted(world, item, "probation", by="probation")
    assert await world.as_("probation").must_get("/v1/forum/actions") == []
    with world.unchanged():
        answer = await world.as_("probation").get(f"/v1/forum/actions/{action}/answers")
    assert kind(answer) == (404, "action_not_found")
