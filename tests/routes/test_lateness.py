"""A late case goes on by no decision without its interim plan; deviations are answered for (H2.6, H2.10, H10.6)."""

from typing import Any

from tests.arrange import version_of
from tests.steps import face_to_face, initial_checks, intake, lateness
from tests.world import STAFF, World

WITHOUT = [("late_without_interim_plan", "H10.6")]


def told(answer: Any) -> list[tuple[str, str]]:
    return [(one["code"], one["rule"]) for one in answer.json()["obstacles"]]


async def late(world: World, body: dict[str, Any] | None = None) -> str:
    """A case whose checks are answered and whose initial decision is a day late."""
    case = await intake.opened(world, body)
    await initial_checks.all_checks(world, case)
    world.forward(hours=30)
    return case


async def test_a_late_case_is_decided_on_only_with_its_interim_plan(world: World) -> None:
    case = await late(world)
    with world.unchanged():
        refused = await initial_checks.try_to_decide(world, case, initial_checks.decision(world, case))
    assert (refused.status_code, told(refused)) == (409, WITHOUT)
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    first, *others = file["what_next"]
    assert (first["action"], first["path"], first["you_may"]) == (
        "plan_meanwhile", f"/v1/applications/{case}/interim-plans", True,
    )  # fmt: skip
    blocked = {one["action"]: [flag["code"] for flag in one["blocked_by"]] for one in others}
    assert "late_without_interim_plan" in blocked["decide_initially"]

    await lateness.plan_meanwhile(world, case)
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    assert "plan_meanwhile" not in [one["action"] for one in file["what_next"]]
    await initial_checks.decide(world, case)
    [kept] = await world.as_("officer").must_get(f"/v1/applications/{case}/interim-plans")
    assert (kept["clocks"], kept["contact_every_days"]) == (["initial_checks"], 3)


async def test_what_is_met_late_stays_late_and_a_plan_past_its_review_is_none(world: World) -> None:
    case = await late(world)
    await lateness.plan_meanwhile(world, case)
    await initial_checks.decide(world, case)
    await face_to_face.meet(world, case)
    world.forward(days=15)  # past the plan's review
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    assert file["what_next"][0]["action"] == "plan_meanwhile"


async def test_each_potential_victim_has_her_own_plan(world: World) -> None:
    victims = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
    case = await late(world, intake.right_to_ask(world, potential_victims=victims))
    one = intake.parties(world, case)["potential_victim"][0]
    body = lateness.plan(one, "initial_checks", on=world.now.date())
    await world.as_("officer").must_post(f"/v1/applications/{case}/interim-plans", body)
    with world.unchanged():
        refused = await initial_checks.try_to_decide(world, case, initial_checks.decision(world, case))
    assert told(refused) == WITHOUT


async def test_acts_and_what_protects_at_once_are_never_held_up(world: World) -> None:
    case = await late(world)
    officer, victim = world.as_("officer"), intake.parties(world, case)["potential_victim"][0]
    await initial_checks.record(world, case, initial_checks.check("pnd", intake.parties(world, case)["subject"][0]))
    met = await face_to_face.meet(world, case)
    assert met["case_id"] == case
    action = {"action": "Taken to her sister's.", "done_by": "Response officer", "party_id": victim}
    await officer.must_post(f"/v1/applications/{case}/safeguarding-actions", action)
    order = {"staff_id": str(STAFF["officer"].id), "reason": "On duty."}
    await world.as_("supervisor").must_post(
        f"/v1/applications/{case}/assignment", order, headers=version_of(world, case)
    )
    emergency = await world.as_("head").post(
        f"/v1/applications/{case}/emergency-authority", {}, headers=version_of(world, case)
    )
    assert emergency.status_code == 422  # what is asked of it, and not the interim plan


async def test_a_decision_repeated_under_its_key_is_answered_as_before(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    body = initial_checks.decision(world, case)
    headers = {**version_of(world, case), "Idempotency-Key": "decide-0001"}
    path = f"/v1/applications/{case}/initial-decision"
    first = await world.as_("officer").must_post(path, body, headers=headers)
    world.forward(days=20)  # late by now
    again = await world.as_("officer").must_post(path, body, headers=headers)
    assert again["id"] == first["id"]


async def test_a_plan_names_clocks_and_a_potential_victim_of_the_case(world: World) -> None:
    case = await late(world)
    parties = intake.parties(world, case)
    right = lateness.plan(parties["potential_victim"][0], "initial_checks", on=world.now.date())
    for wrong, code in (
        ({"clocks": []}, "unprocessable"),
        ({"contact_every_days": 0}, "unprocessable"),
        ({"potential_victim_id": parties["subject"][0]}, "no_such_party"),
    ):
        with world.unchanged():
            answer = await world.as_("officer").post(f"/v1/applications/{case}/interim-plans", {**right, **wrong})
        assert answer.status_code == 422, wrong
        assert code in answer.json()["type"] or code == "unprocessable"
    world.execute("DELETE FROM clock WHERE case_id = %s AND kind = 'whole_case'", case)
    with world.unchanged():
        answer = await world.as_("officer").post(
            f"/v1/applications/{case}/interim-plans", {**right, "clocks": ["whole_case"]}
        )
    assert answer.json()["type"] == "urn:clares-law:problem:no_such_clock"


async def test_a_deviation_is_shown_beside_the_clock_which_it_does_not_move(world: World) -> None:
    case = await late(world)
    before = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    await lateness.deviate(world, case, "initial_checks", by="supervisor")
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    [step] = [one for one in file["what_next"] if one["action"] == "answer_deviation"]
    agrees = {"authorises": True, "reason": "Nobody could have reached her."}
    with world.unchanged():
        assert (await world.as_("officer").post(step["path"], agrees)).status_code == 403
    with world.unchanged():
        same = await world.as_("supervisor").post(step["path"], agrees, headers=version_of(world, case))
    assert told(same) == [("same_person", "H10.6"), *WITHOUT]  # the plan stands beside it
    await lateness.plan_meanwhile(world, case)
    await world.as_("supervisor2").must_post(step["path"], agrees, headers=version_of(world, case))
    with world.unchanged():
        twice = await world.as_("supervisor2").post(step["path"], agrees, headers=version_of(world, case))
    assert twice.json()["type"] == "urn:clares-law:problem:already_decided"

    after = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    [beside] = after["initial_checks"].pop("deviations")
    assert (beside["authorised"], beside["answered_by"]) == (True, str(STAFF["supervisor2"].id))
    assert before["initial_checks"].pop("deviations") == []
    assert after == before  # still breached, and due when it was
    assert await world.as_("officer").must_get(f"/v1/applications/{case}/deviations") == [beside]


async def test_a_deviation_under_an_edition_that_knows_none_is_kept_flagged_and_not_authorised(world: World) -> None:
    case = await late(world, intake.right_to_ask(world, edition="app-2013"))
    kept = await lateness.deviate(world, case, "initial_checks")
    assert [one["code"] for one in kept["put_before_supervisor"]] == ["no_exceptional_circumstances"]
    await lateness.plan_meanwhile(world, case)
    path = f"/v1/applications/{case}/deviations/{kept['id']}/authorisation"
    for authorises, status in ((True, 409), (False, 201)):
        body = {"authorises": authorises, "reason": "The edition knows no such thing."}
        answer = await world.as_("supervisor").post(path, body, headers=version_of(world, case))
        assert answer.status_code == status, answer.text
    missing = await world.as_("supervisor").post(
        f"/v1/applications/{case}/deviations/nothing/authorisation",
        {"authorises": False, "reason": "None."},
        headers=version_of(world, case),
    )
    assert missing.status_code == 404
