"""Conflicts of interest at the forum: a conflicted member leaves the case (H6.2)."""

import httpx

from tests.steps import forum, intake
from tests.steps.forum import staff, waiting
from tests.world import World

ALL = forum.QUORUM


def victims(world: World, case: str) -> list[str]:
    return intake.parties(world, case)["potential_victim"]


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [obstacle["code"] for obstacle in answer.json()["obstacles"]]


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_conflicted_member_leaves_the_item_and_does_not_count(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    idva, conflict = world.as_("idva"), {"staff_id": staff("idva"), "reason": "A relative of the subject."}
    await idva.must_get(item.path)
    await idva.must_post(f"{item.path}/conflicts", conflict)
    with world.unchanged(refusals=2):
        assert codes(await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))) == ["quorum_idva"]
        assert (await idva.get(item.path)).status_code == 404
    [shown] = await world.as_("chair").must_get(f"{item.path}/conflicts")
    assert shown["staff_id"] == staff("idva")
    with world.unchanged():
        other = await world.as_("probation").post(f"{item.path}/conflicts", conflict)
    assert kind(other) == (403, "own_conflict_only")


async def test_a_conflicted_chair_cannot_decide_and_another_chair_neither(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case, *ALL, "partner_chair")
    body = forum.not_to_disclose(victims(world, case)[0])
    with world.unchanged():
        assert codes(await forum.decide(world, item, body, by="partner_chair")) == ["not_the_chair"]
    conflict = {"staff_id": staff("chair"), "reason": "Investigated the subject's family."}
    await world.as_("chair").must_post(f"{item.path}/conflicts", conflict)
    with world.unchanged():
        assert (await forum.decide(world, item, body)).status_code == 404  # the chair has left the item, and sees none
    also = "UPDATE staff_member SET roles = roles || '{public_protection_officer}' WHERE id = %s"
    world.execute(also, staff("chair"))
    with world.unchanged():
        assert codes(await forum.decide(world, item, body)) == ["chair_conflicted"]


async def test_a_conflict_stays_when_the_case_is_taken_off_and_put_on_again(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    await forum.conflicted(world, item, "idva", by="idva")
    await forum.taken_off(world, item)
    again = await forum.on_agenda(world, case, item.meeting_id)
    elsewhere = await forum.meeting(world, "chair")
    with world.unchanged(refusals=2):
        assert codes(await forum.decide(world, again, forum.not_to_disclose(victims(world, case)[0]))) == [
            "quorum_idva"
        ]
        assert (await world.as_("idva").get(again.path)).status_code == 404
    await forum.taken_off(world, again)
    third = await forum.on_agenda(world, case, elsewhere)
    await forum.attended(world, elsewhere)
    await world.as_("probation").must_get(third.path)
    with world.unchanged():
        assert (await world.as_("idva").get(third.path)).status_code == 404


async def test_a_conflict_after_the_decision_goes_before_a_supervisor(world: World) -> None:
    case = await waiting(world)
    meeting = await forum.meeting(world, *ALL, "head")
    await forum.attended(world, meeting)
    item = await forum.on_agenda(world, case, meeting)
    await forum.disclosing(world, item, victims(world, case)[0])
    took_part = await forum.conflicted(world, item, "idva")
    assert [one["code"] for one in took_part["put_before_supervisor"]] == ["decided_with_conflicted_member"]
    absent = await forum.conflicted(world, item, "head")
    assert absent["put_before_supervisor"] == []
