"""Decisions that are overtaken, made afterwards, returned or meant for somebody else; corrections (H7.0, H7.2)."""

from typing import Any

import pytest

from app.process import Stage
from tests.arrange import emergency_authority, forum_decision, place_at, version_of
from tests.ready import Ready, flags, identified, made_ready
from tests.steps import disclosure as steps
from tests.steps import final_report, intake
from tests.world import STAFF, World


async def returned(ready: Ready) -> None:
    """The case goes back to the forum, half an hour later."""
    ready.world.forward(minutes=30)
    body = {"potential_victim_ids": [ready.victim], "reason": "New facts."}
    address = steps.path(ready.case, "return-to-forum")
    await ready.world.as_("supervisor").must_post(address, body, headers=version_of(ready.world, ready.case))
    ready.world.forward(minutes=30)


async def two_victims(world: World, body: dict[str, Any] | None = None) -> tuple[str, str, str]:
    """A case with two potential victims; where one of them asks, that one comes first."""
    body = body or intake.right_to_ask(world)
    body["potential_victims"].append(intake.SECOND_VICTIM)
    case = await intake.opened(world, body)
    identified(world, case)
    query = "SELECT id FROM party WHERE case_id = %s AND role = 'potential_victim' ORDER BY NOT is_applicant, id"
    first, second = (str(row["id"]) for row in world.rows(query, case))
    return case, first, second


async def test_a_delivery_after_the_decision_was_returned_is_flagged_and_concludes_nothing(world: World) -> None:
    ready = await made_ready(world)
    cleared = await steps.clear(world, ready.case, ready.body())
    await returned(ready)
    receipt = await steps.disclose(world, ready.case, ready.told(clearance_id=cleared))
    assert flags(receipt) == {"no_standing_decision"}
    assert ready.whole_case()["met_at"] is None
    forum_decision(world, ready.case, ready.victim, disclose=True, recipient=ready.victim)
    with world.unchanged():
        answer = await world.as_("officer").post(
            steps.path(ready.case, "final-report"), final_report.REPORT, headers=version_of(world, ready.case)
        )
    assert [one["code"] for one in answer.json()["obstacles"]] == ["not_concluded"]


async def test_a_delivery_typed_after_its_decision_was_overtaken_is_judged_by_when_it_happened(world: World) -> None:
    ready = await made_ready(world)
    cleared = await steps.clear(world, ready.case, ready.body())
    told_at = world.now
    await returned(ready)
    late = ready.told(clearance_id=cleared, occurred_at=told_at.isoformat())
    receipt = await steps.disclose(world, ready.case, late)
    assert flags(receipt) == set()
    assert ready.whole_case()["met_at"] is None, "the forum decides again"


@pytest.mark.parametrize(
    ("resource", "body", "wrong"),
    [
        ("identity", {"result": "unidentified", "how": "Two of that name."}, {"subject_not_identified"}),
        (
            "risk-grades",
            {"grade": "high", "immediate": True, "reason": "He waits outside."},
            {"immediate_safeguarding_open", "no_current_safety_plan"},
        ),
    ],
)
async def test_readiness_is_looked_at_although_it_was_cleared(
    world: World, resource: str, body: dict[str, Any], wrong: set[str]
) -> None:
    ready = await made_ready(world)
    cleared = await steps.clear(world, ready.case, ready.body())
    world.forward(minutes=30)
    await world.as_("officer").must_post(steps.path(ready.case, resource), body)
    world.forward(minutes=30)
    receipt = await steps.disclose(world, ready.case, ready.told(clearance_id=cleared))
    assert flags(receipt) == wrong


async def test_a_delivery_names_the_decision_that_was_cleared(world: World) -> None:
    ready = await made_ready(world)
    cleared = await steps.clear(world, ready.case, ready.body())
    body = ready.told(clearance_id=cleared) | {"decision_id": ready.case}
    assert flags(await steps.disclose(world, ready.case, body)) == {"other_decision_cleared"}


async def test_a_delivery_before_the_decision_does_not_carry_it_out(world: World) -> None:
    told_at = world.now
    world.forward(hours=1)
    ready = await made_ready(world)
    world.forward(hours=1)
    receipt = await steps.disclose(world, ready.case, ready.told(occurred_at=told_at.isoformat()))
    assert "decided_afterwards" in flags(receipt)
    assert ready.state() == ("disclosure", None)
    assert ready.whole_case()["met_at"] is None


async def test_a_delivery_before_its_clearance_does_not_conclude(world: World) -> None:
    ready = await made_ready(world)
    told_at = world.now
    world.forward(hours=1)
    cleared = await steps.clear(world, ready.case, ready.body())
    body = ready.told(clearance_id=cleared, occurred_at=told_at.isoformat())
    assert flags(await steps.disclose(world, ready.case, body)) == {"cleared_afterwards"}
    assert ready.state() == ("disclosure", None)


async def test_a_described_recipient_is_the_one_decided_and_the_one_cleared(world: World) -> None:
    mother = "Her mother, Mrs O'Hara"
    ready = await made_ready(world, recipient=None, recipient_described=mother)
    described: dict[str, Any] = {"recipient_id": None, "recipient_safe_contact": "At her home"}
    said = await ready.refused("recipient_not_decided", **described, recipient_described="Her neighbour")
    assert "described as the decision does" in said
    cleared = await steps.clear(world, ready.case, ready.body(**described, recipient_described="her mother Mrs O’HARA"))
    told = ready.told(clearance_id=cleared) | {"recipient_id": None}
    wrong = await steps.disclose(world, ready.case, told | {"recipient_described": "Her neighbour"})
    assert flags(wrong) == {"recipient_not_cleared", "recipient_not_decided"}
    assert ready.state() == ("disclosure", None)
    again = await steps.clear(world, ready.case, ready.body(**described, recipient_described=mother))
    right = await steps.disclose(world, ready.case, told | {"clearance_id": again, "recipient_described": mother})
    assert (flags(right), ready.state()) == (set(), ("final_report", "disclosed"))


async def test_one_potential_victims_delivery_waits_for_nobody_elses_decision(world: World) -> None:
    case, first, second = await two_victims(world)
    decision = forum_decision(world, case, first, disclose=True, recipient=first)
    place_at(world, case, Stage.FORUM)
    receipt = await steps.deliver(world, case, first, decision)
    assert (flags(receipt), receipt["stage"]) == (set(), "forum")
    met = "SELECT met_at FROM clock WHERE case_id = %s AND kind = 'whole_case'"
    assert world.rows(met, case)[0]["met_at"] is None
    world.forward(hours=2)
    forum_decision(world, case, second, disclose=False)
    world.forward(hours=2)
    closed = await steps.notice(world, case, [second], told_id=first)
    assert (flags(closed), closed["stage"]) == (set(), "final_report")
    assert world.rows(met, case)[0]["met_at"] == world.now


async def test_nothing_is_delivered_at_the_forum_that_is_not_decided(world: World) -> None:
    case, first, second = await two_victims(world)
    forum_decision(world, case, first, disclose=False, confirmed=False)
    place_at(world, case, Stage.FORUM)
    for victim in (first, second):
        with world.unchanged():
            answer = await world.as_("officer2").post(
                steps.path(case, "delivery-clearance"),
                steps.clearance(world, victim, case, []),
                headers=version_of(world, case),
            )
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_right_to_know_with_one_told_at_the_forum_ends_with_the_other_recorded(world: World) -> None:
    case, first, second = await two_victims(world, intake.right_to_know(world))
    decision = forum_decision(world, case, first, disclose=True, recipient=first)
    place_at(world, case, Stage.FORUM)
    receipt = await steps.disclose(world, case, steps.told(first, decision_id=decision))
    assert {"not_cleared"} <= flags(receipt)
    world.forward(hours=2)
    forum_decision(world, case, second, disclose=False)
    confirmed = world.now
    world.forward(hours=2)
    closed = await steps.notice(world, case, [second], kind="recorded")
    assert closed["stage"] == "final_report"
    query = "SELECT met_at FROM clock WHERE case_id = %s AND kind = 'whole_case'"
    assert world.rows(query, case)[0]["met_at"] == confirmed


async def test_after_a_return_what_went_before_concludes_nothing(world: World) -> None:
    case, first, second = await two_victims(world)
    forum_decision(world, case, second, disclose=True, recipient=second)
    decision = forum_decision(world, case, first, disclose=True, recipient=first)
    ready = Ready(world, case, first, "", decision, "")
    await steps.plan(world, case, second)
    await steps.not_completed(world, case, second)
    await steps.deliver(world, case, first, decision)
    assert ready.state() == ("final_report", "disclosed")
    place_at_disclosure(world, case)
    ended = ready.whole_case()
    assert ended["ended_because"] == "non_completion"

    body = {"potential_victim_ids": [first, second], "reason": "New facts."}
    world.forward(minutes=30)
    address = steps.path(case, "return-to-forum")
    await world.as_("supervisor").must_post(address, body, headers=version_of(world, case))
    assert ready.whole_case()["ended_at"] is None, "the clock runs on, to the day it was always due"
    assert ready.whole_case()["due_at"] == ended["due_at"]
    assert ready.whole_case()["next_alert_at"] is not None
    world.forward(minutes=30)
    forum_decision(world, case, second, disclose=True, recipient=second)
    forum_decision(world, case, first, disclose=False)
    await steps.plan(world, case, second)
    await steps.not_completed(world, case, second, "withdrew")
    assert ready.state() == ("disclosure", None)
    world.forward(hours=1)
    closed = await steps.notice(world, case, [first], told_id=first)
    assert closed["stage"] == "final_report"
    assert ready.state() == ("final_report", "disclosed"), "something was disclosed in this case"
    assert [one["decision_id"] for one in await kept(world, case, "non-completion")].count(None) == 0


def place_at_disclosure(world: World, case: str) -> None:
    world.execute("UPDATE application SET stage = 'disclosure', outcome = NULL WHERE id = %s", case)


async def kept(world: World, case: str, resource: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = await world.as_("officer").must_get(steps.path(case, resource))
    return shown


async def test_a_right_to_know_met_by_a_confirmation_runs_on_when_that_is_returned(world: World) -> None:
    case = await intake.opened(world, intake.right_to_know(world))
    victim = intake.parties(world, case)["potential_victim"][0]
    identified(world, case)
    decision = forum_decision(world, case, victim, disclose=False)
    ready = Ready(world, case, victim, "", decision, "")
    world.execute("UPDATE clock SET met_at = %s, met_recorded_at = %s, next_alert_at = NULL", world.now, world.now)
    await returned(ready)
    assert (ready.whole_case()["met_at"], ready.whole_case()["met_recorded_at"]) == (None, None)
    assert ready.whole_case()["next_alert_at"] is not None
    recorded = await steps.notice(world, case, [victim], kind="recorded")
    assert flags(recorded) == {"no_confirmed_decision"}
    assert ready.whole_case()["met_at"] is None


async def test_of_each_telling_the_newest_record_counts(world: World) -> None:
    case, first, second = await two_victims(world)
    one = forum_decision(world, case, first, disclose=True, recipient=first)
    two = forum_decision(world, case, second, disclose=True, recipient=second)
    item = await steps.prepare(world, case)
    for victim in (first, second):
        await steps.plan(world, case, victim)
    mistaken = steps.told(first, decision_id=one, item_ids=[item])
    record = await steps.disclose(world, case, mistaken)
    told_at = world.now
    world.forward(hours=1)
    corrected = steps.told(second, decision_id=two, item_ids=[item], supersedes_id=record["id"])
    receipt = await steps.disclose(world, case, corrected)
    assert flags(receipt) == {"corrects_another_potential_victim", "not_cleared"}
    assert [row["occurred_at"] for row in await kept(world, case, "disclosures")][1] == told_at.isoformat().replace(
        "+00:00", "Z"
    ), "the hour is that of the record corrected"
    with world.unchanged():
        twice = await world.as_("officer").post(steps.path(case, "disclosures"), corrected)
    assert (twice.status_code, "name the newest" in twice.json()["detail"]) == (422, True)
    world.forward(hours=1)
    concluded = await steps.deliver(world, case, first, one)
    assert (flags(concluded), concluded["stage"]) == (set(), "final_report")


async def test_a_correction_that_undoes_a_delivery_leaves_it_to_be_done(world: World) -> None:
    body = intake.third_party_asks(world)
    case = await intake.opened(world, body)
    victim = intake.parties(world, case)["potential_victim"][0]
    identified(world, case)
    decision = forum_decision(world, case, victim, disclose=True, recipient=victim)
    ready = Ready(world, case, victim, "", decision, "")
    record = await steps.deliver(world, case, victim, decision)
    assert ready.whole_case()["met_at"] is not None, "only the neutral words are owed"
    other = {"recipient_id": None, "recipient_described": "Her neighbour, who opened"}
    body = steps.told(victim, decision_id=decision, supersedes_id=record["id"]) | other
    receipt = await steps.disclose(world, case, body)
    assert {"no_longer_carried_out", "recipient_not_decided"} <= flags(receipt)
    assert ready.whole_case()["met_at"] is None
    again = await steps.deliver(world, case, victim, decision)
    assert flags(again) == set()
    assert ready.whole_case()["met_at"] == world.now


async def test_an_emergency_given_up_is_decided_by_the_forum_all_the_same(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    identified(world, case)
    authority = emergency_authority(world, case, victim, recipient=victim)
    ready = Ready(world, case, victim, "", authority, "")
    await steps.plan(world, case, victim)
    await steps.not_completed(world, case, victim, "unsafe_to_reach")
    assert ready.whole_case()["ended_at"] is None
    world.forward(hours=2)
    decision = forum_decision(world, case, victim, disclose=True, recipient=victim)
    receipt = await steps.deliver(world, case, victim, decision)
    assert (flags(receipt), ready.state()) == (set(), ("final_report", "disclosed"))
    assert ready.whole_case()["met_at"] == world.now


async def test_who_delivers_is_active_staff_of_the_force(world: World) -> None:
    ready = await made_ready(world)
    elsewhere = str(STAFF["other_officer"].id)
    for who in (elsewhere, str(STAFF["idva"].id)):
        with world.unchanged():
            answer = await ready.ask(ready.body(delivered_by=who))
        assert answer.status_code == 422
        assert "describe a partner" in answer.json()["detail"]
    receipt = await steps.disclose(world, ready.case, ready.told(delivered_by=elsewhere))
    assert flags(receipt) == {"not_cleared", "deliverer_not_of_force"}
    world.execute("UPDATE staff_member SET active = false WHERE subject = 'officer2'")
    again = await steps.disclose(world, ready.case, ready.told(delivered_by=str(STAFF["officer2"].id)))
    assert "deliverer_not_of_force" in flags(again)


async def test_one_potential_victims_delivery_is_postponed_alone(world: World) -> None:
    case, first, second = await two_victims(world)
    decision = forum_decision(world, case, first, disclose=True, recipient=first)
    forum_decision(world, case, second, disclose=True, recipient=second)
    await steps.plan(world, case, second)
    await steps.postpone(world, case, "2026-05-20", potential_victim_id=second)
    told = await steps.disclose(world, case, steps.told(second))
    assert "postponed" in flags(told)
    receipt = await steps.deliver(world, case, first, decision)
    assert flags(receipt) == set()
    address = steps.path(case, "postponement/end")
    with world.unchanged():
        everybody = await world.as_("supervisor").post(address, {"reason": "x"}, headers=version_of(world, case))
    assert everybody.status_code == 409
    hers = {"potential_victim_id": second, "reason": "Arrested."}
    await world.as_("supervisor").must_post(address, hers, headers=version_of(world, case))
    assert [one["end_reason"] for one in await kept(world, case, "postponement")] == ["Arrested."]
