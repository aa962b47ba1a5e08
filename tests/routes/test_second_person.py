"""The second person on a decision not to disclose, and the way back to the forum (H6.4)."""

import httpx
import pytest

from tests.arrange import version_of
from tests.steps import categorisation, forum, initial_checks, intake
from tests.steps.forum import staff, two_victims, waiting
from tests.world import OTHER, World

ALL = forum.QUORUM


def victims(world: World, case: str) -> list[str]:
    return intake.parties(world, case)["potential_victim"]


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [obstacle["code"] for obstacle in answer.json()["obstacles"]]


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def stage(world: World, case: str) -> str:
    return str(world.rows("SELECT stage FROM application WHERE id = %s", case)[0]["stage"])


async def test_no_disclosure_waits_for_a_second_person_who_is_somebody_else(world: World) -> None:
    case = await waiting(world)
    holder = {"staff_id": staff("supervisor"), "reason": "Holds it."}
    await world.as_("supervisor").must_post(
        f"/v1/applications/{case}/assignment", holder, headers=version_of(world, case)
    )
    item = await forum.sitting(world, case, *ALL, "head")
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    assert stage(world, case) == "forum"
    with world.unchanged(refusals=3):
        assert codes(await forum.confirm(world, item, decision, by="supervisor")) == ["same_person"]
        assert codes(await forum.confirm(world, item, decision, by="head")) == ["same_person"]
        assert (await forum.confirm(world, item, decision, by="officer")).status_code == 403
    assert (await forum.confirm(world, item, decision, by="supervisor2")).status_code == 201
    assert stage(world, case) == "disclosure"
    [shown] = await world.as_("chair").must_get(f"{item.path}/decisions/{decision}/confirmation")
    assert (shown["verdict"], shown["recorded_by"]) == ("confirm", staff("supervisor2"))
    with world.unchanged():
        assert (await forum.confirm(world, item, decision)).status_code == 409


async def test_a_refused_no_disclosure_goes_back_and_is_decided_again(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    refused = await forum.withholding(world, item, she, confirmed_by=None)
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(she))
        assert kind(answer) == (409, "already_decided")
    assert (await forum.confirm(world, item, refused, verdict="refuse")).status_code == 201
    with world.unchanged():
        assert kind(await forum.confirm(world, item, refused)) == (409, "already_decided")
    await forum.disclosing(world, item, she)
    assert stage(world, case) == "disclosure"


async def assigned(world: World, case: str, *holders: str) -> None:
    for holder in holders:
        order = {"staff_id": staff(holder), "reason": "The rota."}
        path = f"/v1/applications/{case}/assignment"
        await world.as_("supervisor").must_post(path, order, headers=version_of(world, case))


async def refused_as_the_same(world: World, item: forum.Item, decision: str, by: str) -> None:
    for verdict in ("confirm", "refuse"):
        with world.unchanged():
            answer = await forum.confirm(world, item, decision, by=by, verdict=verdict)
        assert "same_person" in codes(answer)


async def test_whoever_held_the_case_once_is_no_second_person(world: World) -> None:
    case = await waiting(world)
    await assigned(world, case, "supervisor", "officer")
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    await refused_as_the_same(world, item, decision, "supervisor")


async def test_whoever_categorised_is_no_second_person(world: World) -> None:
    case = await waiting(world)
    await categorisation.categorised(world, case, categorisation.no_concern(victims(world, case)[0]), by="supervisor")
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    await refused_as_the_same(world, item, decision, "supervisor")


async def test_whoever_sat_and_was_struck_off_afterwards_is_no_second_person(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case, *ALL, "head")
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    await forum.attended(world, item.meeting_id, "chair", head="absent")
    await refused_as_the_same(world, item, decision, "head")


async def test_whoever_is_conflicted_is_no_second_person(world: World) -> None:
    case = await waiting(world)
    meeting = await forum.meeting(world, *ALL, "head")
    await forum.attended(world, meeting)
    item = await forum.on_agenda(world, case, meeting)
    await forum.conflicted(world, item, "head")
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    with world.unchanged():
        assert codes(await forum.confirm(world, item, decision, by="head")) == ["confirmer_conflicted"]


@pytest.mark.parametrize("again", [False, True])
async def test_a_decision_that_waits_is_confirmed_though_its_item_was_taken_off(world: World, again: bool) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    await forum.taken_off(world, item)
    if again:
        await forum.sitting(world, case)
    answer = await forum.confirm(world, item, decision)
    assert answer.status_code == 201, answer.text
    assert stage(world, case) == "disclosure"
    assert world.rows("SELECT 1 FROM agenda_item WHERE case_id = %s AND ended_at IS NULL", case) == []


async def test_a_decision_refused_after_its_item_was_taken_off_is_made_anew(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    decision = await forum.withholding(world, item, she, confirmed_by=None)
    await forum.taken_off(world, item)
    assert (await forum.confirm(world, item, decision, verdict="refuse")).status_code == 201
    await forum.disclosing(world, await forum.sitting(world, case), she)
    assert stage(world, case) == "disclosure"


async def test_a_decision_that_waits_goes_with_the_case_to_another_force(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    await forum.taken_off(world, item)
    world.execute("UPDATE application SET force_id = %s WHERE id = %s", OTHER, case)
    assert (await forum.confirm(world, item, decision, by="other_supervisor")).status_code == 201


async def test_to_confirm_the_quorum_holds_without_those_conflicted_since(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    kept = await forum.conflicted(world, item, "idva")
    assert [one["code"] for one in kept["put_before_supervisor"]] == ["decided_with_conflicted_member"]
    with world.unchanged():
        assert codes(await forum.confirm(world, item, decision)) == ["quorum_idva"]
    await forum.conflicted(world, item, "chair")
    with world.unchanged():
        assert codes(await forum.confirm(world, item, decision)) == ["chair_conflicted", "quorum_idva"]
    assert (await forum.confirm(world, item, decision, verdict="refuse")).status_code == 201


async def test_immediate_risk_is_answered_before_a_decision_is_confirmed(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    risk = {"grade": "high", "immediate": True, "reason": "He is outside her door."}
    await world.as_("officer").must_post(f"/v1/applications/{case}/risk-grades", risk)
    with world.unchanged():
        assert codes(await forum.confirm(world, item, decision)) == ["immediate_safeguarding_first"]


async def test_a_case_returns_to_the_forum_for_those_named(world: World) -> None:
    case = await waiting(world, two_victims(world))
    item = await forum.sitting(world, case)
    first, second = victims(world, case)
    await forum.disclosing(world, item, first)
    await forum.withholding(world, item, second)
    path, body = f"/v1/applications/{case}/return-to-forum", {"potential_victim_ids": [second], "reason": "New facts."}
    await world.as_("supervisor").must_post(path, body, headers=version_of(world, case))
    assert stage(world, case) == "forum"
    assert len(await world.as_("supervisor").must_get(path)) == 1
    again = await forum.sitting(world, case)
    with world.unchanged():
        assert kind(await forum.decide(world, again, forum.to_disclose(first))) == (409, "already_decided")
    await forum.disclosing(world, again, second)
    assert stage(world, case) == "disclosure"


async def test_the_case_returns_for_somebody_found_after_the_decision(world: World) -> None:
    case = await waiting(world)
    [first] = victims(world, case)
    await forum.disclosing(world, await forum.sitting(world, case), first)
    found = {"potential_victim": intake.SECOND_VICTIM}
    second = (await world.as_("officer").must_post(f"/v1/applications/{case}/parties", found))["id"]
    await forum.returned(world, case, second)
    assert stage(world, case) == "forum"
    [shown] = await world.as_("supervisor").must_get(f"/v1/applications/{case}/return-to-forum")
    assert (shown["potential_victim_id"], shown["decision_id"]) == (second, None)

    item = await forum.sitting(world, case)
    await forum.concluded(world, item, second)
    with world.unchanged():
        found_missing = codes(await forum.decide(world, item, forum.to_disclose(second)))
    assert set(found_missing) == {"not_categorised", "check_not_done"}
    await categorisation.categorised(world, case, categorisation.concern(second))
    await initial_checks.all_checks(world, case)
    await forum.disclosing(world, item, second)
    assert stage(world, case) == "disclosure"
