"""What the case file says comes next where somebody else must answer first, and what the worklist calls overdue."""

from typing import Any

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import categorisation, face_to_face, final_report, forum, initial_checks, intake
from tests.world import World


async def steps(world: World, case: str, by: str = "supervisor") -> dict[str, dict[str, Any]]:
    file = await world.as_(by).must_get(f"/v1/applications/{case}")
    return {step["action"]: step for step in file["what_next"]}


async def test_a_finding_of_malice_waits_for_its_second_person_and_keeps_the_case_from_the_forum(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    await face_to_face.find_malicious(world, case)
    waiting = (await steps(world, case))["agree_malicious_finding"]
    assert (waiting["you_may"], waiting["path"]) == (True, f"/v1/applications/{case}/malicious-finding/agreement")

    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.considered(world, case)
    for victim in intake.parties(world, case)["potential_victim"]:
        await categorisation.categorised(world, case, categorisation.concern(victim))
    shown = await steps(world, case)
    assert [one["code"] for one in shown["refer_to_forum"]["blocked_by"]] == ["malice_awaits_agreement"]
    assert "agree_malicious_finding" in shown
    with world.unchanged():
        refused = await world.as_("officer").post(
            f"/v1/applications/{case}/referral", {"note": "To the forum."}, headers=version_of(world, case)
        )
    assert [(one["code"], one["rule"]) for one in refused.json()["obstacles"]] == [("malice_awaits_agreement", "H5.1a")]
    await face_to_face.try_to_agree(world, case, agrees=False)
    await categorisation.referred(world, case)
    assert "agree_malicious_finding" not in await steps(world, case)


async def test_a_withdrawal_waits_for_a_supervisor(world: World) -> None:
    case = await intake.opened(world)
    assert "decide_withdrawal" not in await steps(world, case)
    await final_report.withdraw(world, case)
    assert (await steps(world, case))["decide_withdrawal"]["you_may"] is True
    assert (await steps(world, case, "officer"))["decide_withdrawal"]["you_may"] is False
    await final_report.decide_withdrawal(world, case)
    assert "decide_withdrawal" not in await steps(world, case)


async def test_a_decision_to_confirm_is_named_by_its_own_address(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.to_forum(world, case, without_concern=True)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(
        world, item, intake.parties(world, case)["potential_victim"][0], confirmed_by=None
    )
    found = (await steps(world, case))["confirm_no_disclosure"]
    assert (found["path"], found["you_may"]) == (f"{item.path}/decisions/{decision}/confirmation", True)
    body = {"verdict": "confirm", "reasons": "Read with the checks and the minutes."}
    await world.as_("supervisor").must_post(found["path"], body, headers=version_of(world, case))
    assert "confirm_no_disclosure" not in await steps(world, case)


async def test_what_is_only_projected_is_never_overdue(world: World) -> None:
    case = await intake.opened(world)
    for kind in ("initial_checks", "face_to_face"):
        world.execute(
            "UPDATE clock SET met_at = %s, met_recorded_at = %s, next_alert_at = NULL WHERE case_id = %s AND kind = %s",
            world.now,
            world.now,
            case,
            kind,
        )
    world.forward(days=23)  # past the projected dates, within the 28 days of the whole case
    for overdue, seen in ((False, [case]), (True, [])):
        page = await world.as_("officer").must_get("/v1/applications", params={"overdue": overdue})
        assert [one["id"] for one in page["items"]] == seen
        assert [one["overdue"] for one in page["items"]] == [overdue] * len(seen)
