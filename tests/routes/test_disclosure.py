"""Stage 7 at the door: clearance refused for each reason alone, and the whole way to the final report (H7)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.ready import Ready, made_ready
from tests.steps import disclosure as steps
from tests.steps import intake, lateness
from tests.world import STAFF, World


@pytest.fixture
async def ready(world: World) -> AsyncIterator[Ready]:
    yield await made_ready(world)


async def test_cleared_told_and_concluded(ready: Ready) -> None:
    cleared = await steps.clear(ready.world, ready.case, ready.body())
    receipt = await steps.disclose(ready.world, ready.case, ready.told(clearance_id=cleared))
    assert receipt["put_before_supervisor"] == []
    assert ready.state() == ("final_report", "disclosed")
    assert ready.whole_case()["met_at"] == ready.world.now
    shown = (await ready.world.as_("officer").must_get(steps.path(ready.case, "delivery-clearance")))[0]
    assert (shown["id"], shown["recorded_by"]) == (cleared, str(STAFF["officer2"].id))
    logged = ready.world.rows("SELECT recipient FROM access_log WHERE category = 'disclosure'")
    assert [str(row["recipient"]) for row in logged] == [ready.victim]


@pytest.mark.parametrize(
    ("decided", "code", "says"),
    [
        ({"category": "no_concern"}, "no_concern", "no finding of concern"),
        ({"police_conclude_necessary": False}, "police_have_not_concluded", "without that nobody discloses"),
        ({"pressing_need": None}, "no_pressing_need", "No pressing need"),
        ({"proportionate": None}, "not_proportionate", "proportionate"),
    ],
)
async def test_no_clearance_without_concern_and_every_limb(
    world: World, decided: dict[str, Any], code: str, says: str
) -> None:
    assert says in await (await made_ready(world, **decided)).refused(code)


async def test_no_clearance_where_the_decision_is_not_to_disclose(world: World) -> None:
    ready = await made_ready(world, disclose=False, recipient=None)
    assert "not to disclose" in await ready.refused("decision_is_not_to_disclose")


async def test_no_clearance_without_a_decision_that_stands(world: World) -> None:
    ready = await made_ready(world, disclose=False, recipient=None, confirmed=False)
    assert "No decision stands" in await ready.refused("no_standing_decision")


async def test_no_clearance_by_another_decision_than_the_one_that_stands(ready: Ready) -> None:
    says = await ready.refused("decision_does_not_stand", decision_id=ready.case)
    assert "not the one that stands" in says


async def test_no_clearance_without_a_current_safety_plan(ready: Ready) -> None:
    ready.world.forward(days=31)
    await lateness.plan_meanwhile(ready.world, ready.case)
    await steps.plan(ready.world, ready.case, ready.victim, days=-1)
    assert "safety plan" in await ready.refused("no_current_safety_plan")


async def test_no_clearance_of_an_unidentified_subject(ready: Ready) -> None:
    ready.world.execute("UPDATE application SET subject_identified_at = NULL WHERE id = %s", ready.case)
    assert "identity" in await ready.refused("subject_not_identified")


async def test_no_clearance_before_immediate_safeguarding(ready: Ready) -> None:
    ready.world.execute(
        "INSERT INTO duty (id, case_id, force_id, kind, code, says, rule, opened_at, opened_by) SELECT "
        "gen_random_uuid(), id, force_id, 'immediate_safeguarding', 'immediate_risk', 'x', 'H2.4', %s, created_by "
        "FROM application",
        ready.world.now,
    )
    assert "safety plan first" in await ready.refused("immediate_safeguarding_open")


async def test_no_clearance_while_postponed_until_ended_or_reviewed(ready: Ready) -> None:
    await steps.postpone(ready.world, ready.case, "2026-05-20")
    assert "postponed" in await ready.refused("postponed")
    address = steps.path(ready.case, "postponement/end")
    supervisor = ready.world.as_("supervisor")
    await supervisor.must_post(address, {"reason": "Arrested."}, headers=version_of(ready.world, ready.case))
    with ready.world.unchanged():
        again = await supervisor.post(address, {"reason": "x"}, headers=version_of(ready.world, ready.case))
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:not_postponed")
    shown = await ready.world.as_("officer").must_get(steps.path(ready.case, "postponement"))
    assert [one["end_reason"] for one in shown] == ["Arrested."]
    await steps.postpone(ready.world, ready.case, "2026-05-20")
    ready.world.forward(days=15)
    assert "interim" in await ready.refused("late_without_interim_plan")  # H10.6
    await lateness.plan_meanwhile(ready.world, ready.case)
    assert (await ready.ask(ready.body())).status_code == 201


async def test_no_clearance_without_items_or_with_a_superseded_one(ready: Ready) -> None:
    assert "No item" in await ready.refused("no_items", item_ids=[])
    newer = await steps.prepare(ready.world, ready.case, steps.behaviour(supersedes_id=ready.item))
    assert "replaced" in await ready.refused("item_superseded")
    assert (await ready.ask(ready.body(item_ids=[newer]))).status_code == 201


@pytest.mark.parametrize("coded", [{"owned_elsewhere": True, "owner": "Probation"}, {"handling": "C"}])
async def test_no_clearance_without_the_owners_agreement(ready: Ready, coded: dict[str, Any]) -> None:
    item = await steps.prepare(ready.world, ready.case, steps.behaviour(**coded))
    assert "owner's agreement" in await ready.refused("owner_has_not_agreed", item_ids=[item])
    await steps.agree(ready.world, ready.case, item)
    assert (await ready.ask(ready.body(item_ids=[item]))).status_code == 201
    kept = await ready.world.as_("officer").must_get(steps.path(ready.case, f"items/{item}/agreements"))
    assert [one["reference"] for one in kept] == ["AG/26/114"]


async def test_no_clearance_of_what_identifies_an_earlier_victim(ready: Ready) -> None:
    item = await steps.prepare(ready.world, ready.case, steps.behaviour(identifies_earlier_victim_or_source=True))
    assert "reword" in await ready.refused("identifies_victim_or_source", item_ids=[item])


async def test_spent_items_are_worked_out_on_the_day_and_with_what_lies_behind_them(ready: Ready) -> None:
    spent = await steps.prepare(ready.world, ready.case, steps.conviction("2019-06-03"))
    behind = await steps.prepare(ready.world, ready.case, steps.behaviour(concerns_item=spent))
    unspent = await steps.prepare(ready.world, ready.case, steps.conviction("2025-06-02"))
    for item in (spent, behind):
        assert "spent" in await ready.refused("item_spent", item_ids=[item])
    assert (await ready.ask(ready.body(item_ids=[unspent]))).status_code == 201
    shown = {one["id"]: one for one in await ready.world.as_("officer").must_get(steps.path(ready.case, "items"))}
    assert [shown[item]["spent_today"] for item in (spent, behind, unspent)] == [True, True, False]
    assert [shown[item]["becomes_spent_on"] for item in (behind, unspent)] == ["2021-06-03", "2027-06-02"]


async def test_a_conviction_within_the_period_holds_the_earlier_one(ready: Ready) -> None:
    old = await steps.prepare(ready.world, ready.case, steps.conviction("2023-06-01"))
    assert await ready.refused("item_spent", item_ids=[old])
    await steps.prepare(ready.world, ready.case, steps.conviction("2025-05-30"))
    assert (await ready.ask(ready.body(item_ids=[old]))).status_code == 201


async def test_a_corrected_conviction_carries_what_lies_behind_it(ready: Ready) -> None:
    wrong = await steps.prepare(ready.world, ready.case, steps.conviction("2025-06-02"))
    behind = await steps.prepare(ready.world, ready.case, steps.behaviour(concerns_item=wrong))
    await steps.prepare(ready.world, ready.case, steps.conviction("2015-06-02", supersedes_id=wrong))
    assert await ready.refused("item_spent", item_ids=[behind])


async def test_no_conviction_is_hidden_behind_newer_behaviour(ready: Ready) -> None:
    spent = await steps.prepare(ready.world, ready.case, steps.conviction("2019-06-03"))
    with ready.world.unchanged():
        answer = await ready.world.as_("officer").post(
            steps.path(ready.case, "items"), steps.behaviour(supersedes_id=spent)
        )
    assert answer.status_code == 422
    assert "an item of its own" in answer.json()["detail"]
    behind = await steps.prepare(ready.world, ready.case, steps.behaviour(concerns_item=spent))
    newer = await steps.prepare(ready.world, ready.case, steps.behaviour(supersedes_id=behind))
    assert await ready.refused("item_spent", item_ids=[newer])
    unspent = await steps.prepare(ready.world, ready.case, steps.conviction("2025-06-02"))
    named = await steps.prepare(ready.world, ready.case, steps.behaviour(supersedes_id=newer, concerns_item=unspent))
    assert (await ready.ask(ready.body(item_ids=[named]))).status_code == 201


ADVICE = {"advice_reference": "LEG/26/9", "advice": "May be told in these terms.", "reason": "Nothing else warns her."}


async def test_a_spent_item_is_told_on_authority_of_another_person(ready: Ready) -> None:
    spent = await steps.prepare(ready.world, ready.case, steps.conviction("2019-06-03"), by="supervisor")
    address = steps.path(ready.case, f"items/{spent}/spent-authorisations")
    with ready.world.unchanged():
        same = await ready.world.as_("supervisor").post(address, ADVICE, headers=version_of(ready.world, ready.case))
    assert [one["code"] for one in same.json()["obstacles"]] == ["same_person"]
    await ready.world.as_("supervisor2").must_post(address, ADVICE, headers=version_of(ready.world, ready.case))
    assert (await ready.ask(ready.body(item_ids=[spent]))).status_code == 201
    assert len(await ready.world.as_("officer").must_get(address)) == 1


async def test_where_the_edition_blocks_spent_items_nobody_authorises_one(ready: Ready) -> None:
    ready.world.execute("UPDATE application SET edition = 'app-2013' WHERE id = %s", ready.case)
    spent = await steps.prepare(ready.world, ready.case, steps.conviction("2019-06-03"))
    address = steps.path(ready.case, f"items/{spent}/spent-authorisations")
    with ready.world.unchanged():
        blocked = await ready.world.as_("supervisor").post(address, ADVICE, headers=version_of(ready.world, ready.case))
    assert (blocked.status_code, blocked.json()["obstacles"][0]["code"]) == (409, "spent_items_blocked")
    assert "may not be told" in await ready.refused("item_spent", item_ids=[spent])


async def test_no_clearance_to_another_recipient_than_was_decided(ready: Ready) -> None:
    said = await ready.refused(
        "recipient_not_decided",
        recipient_id=None,
        recipient_described="Her neighbour",
        recipient_safe_contact="At her door",
    )
    assert "not the one" in said
    # The subject has a safe contact too, so that only the one reason is left.
    ready.world.execute(
        "INSERT INTO safe_contact (id, case_id, force_id, person_id, part, approach_plan, recorded_at, recorded_by) "
        "SELECT gen_random_uuid(), party.case_id, party.force_id, person_id, 'subject', 'plan', %s, %s "
        "FROM party WHERE id = %s",
        ready.world.now,
        STAFF["officer"].id,
        ready.subject,
    )
    assert "nobody tells the subject" in await ready.refused("recipient_is_subject", recipient_id=ready.subject)


async def test_no_clearance_without_the_recipients_safe_contact(ready: Ready) -> None:
    ready.world.execute("DELETE FROM safe_contact")
    assert "safe contact" in await ready.refused("no_safe_contact")


async def test_no_clearance_before_the_offender_manager_is_consulted(world: World) -> None:
    ready = await made_ready(world, offender_management={"already_managed": {"category": "1"}})
    assert "offender manager" in await ready.refused("offender_manager_not_consulted")
    consulted = {
        "consulted": "MAPPA co-ordinator",
        "consulted_at": world.now.isoformat(),
        "words": "A disclosure is planned under the scheme.",
        "reveals_no_applicant": False,
    }
    said = await ready.refused("consultation_reveals_applicant", offender_manager_consultation=consulted)
    assert "applicant" in said
    consulted["reveals_no_applicant"] = True
    named = {**consulted, "words": "Ms Tarrant asked us about him."}
    assert await ready.refused("consultation_reveals_applicant", offender_manager_consultation=named)
    assert (await ready.ask(ready.body(offender_manager_consultation=consulted))).status_code == 201


async def test_no_clearance_without_warnings_and_the_undertaking_answered(ready: Ready) -> None:
    assert "three warnings" in await ready.refused("warnings_not_given", warnings_given=steps.WARNINGS[:2])
    assert "not answered" in await ready.refused("undertaking_not_answered", undertaking=None)
    assert "reconsideration" in await ready.refused("refusal_not_reconsidered", undertaking="refused")
    again = {**steps.NEEDED, "disclosure_needed_for_safety": False}
    said = await ready.refused("not_needed_for_safety", undertaking="refused", reconsideration=again)
    assert "does not go ahead" in said
    granted = await ready.ask(ready.body(undertaking="refused", reconsideration=steps.NEEDED))
    assert granted.status_code == 201


async def test_whoever_clears_does_not_deliver(ready: Ready) -> None:
    assert "different person" in await ready.refused("same_person", by="officer")


async def test_every_obstacle_is_said_at_once(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    place_at(world, case, Stage.DISCLOSURE)
    with world.unchanged():
        body = steps.clearance(world, victim, case, [], undertaking=None, warnings_given=[])
        answer = await world.as_("officer").post(
            steps.path(case, "delivery-clearance"), body, headers=version_of(world, case)
        )
    assert {one["code"] for one in answer.json()["obstacles"]} == {
        "no_standing_decision",
        "no_current_safety_plan",
        "subject_not_identified",
        "no_items",
        "warnings_not_given",
        "undertaking_not_answered",
        "same_person",
    }


async def test_clearance_out_of_order_or_on_an_old_version(ready: Ready) -> None:
    place_at(ready.world, ready.case, Stage.CATEGORISATION)
    with ready.world.unchanged():
        early = await ready.ask(ready.body())
    assert (early.status_code, early.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")
    with ready.world.unchanged():
        address = steps.path(ready.case, "delivery-clearance")
        stale = await ready.world.as_("officer2").post(address, ready.body(), headers={"If-Match": '"0"'})
    assert stale.status_code == 412


async def test_shapes_are_refused(ready: Ready) -> None:
    for body in (
        ready.body(item_ids=[ready.case]),
        ready.body(recipient_described="Somebody"),
        ready.body(delivered_by=None),
        ready.body(delivered_by=ready.case),
        ready.body(potential_victim_id=ready.subject),
    ):
        with ready.world.unchanged():
            answer = await ready.ask(body)
        assert answer.status_code == 422, answer.text
    for item in (
        steps.behaviour(kind="conviction"),
        steps.conviction("2027-01-01"),
        steps.conviction("2020-01-01", {"type": "prison"}),
        steps.behaviour(concerns_item=ready.item),
        steps.behaviour(supersedes_id=ready.case),
        {key: value for key, value in steps.behaviour().items() if key != "identifies_earlier_victim_or_source"},
    ):
        with ready.world.unchanged():
            answer = await ready.world.as_("officer").post(steps.path(ready.case, "items"), item)
        assert answer.status_code == 422, answer.text
    for address in ("items/nothing/agreements", f"items/{ready.case}/agreements", f"disclosures/{ready.case}"):
        with ready.world.unchanged():
            answer = await ready.world.as_("officer").get(steps.path(ready.case, address))
        assert answer.status_code == 404
