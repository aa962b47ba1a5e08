"""The meeting with the applicant, and a finding of malice (H5.1)."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import face_to_face, initial_checks, intake, risk_assessment
from tests.world import World

AGREED = {
    "agrees": True,
    "reason": "The admission was read through.",
    "carry_on_as_right_to_know": False,
    "carry_on_reason": "Nothing in the checks bears on risk.",
}


def clocks(world: World, case_id: str) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in world.rows("SELECT * FROM clock WHERE case_id = %s", case_id)}


def case(world: World, case_id: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM application WHERE id = %s", case_id)[0]


def duties(world: World, case_id: str) -> list[str]:
    query = "SELECT kind FROM duty WHERE case_id = %s AND answered_at IS NULL ORDER BY kind"
    return [row["kind"] for row in world.rows(query, case_id)]


def flags(receipt: Any) -> list[str]:
    return sorted(flag["code"] for flag in receipt["put_before_supervisor"])


def obstacles(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [one["code"] for one in answer.json()["obstacles"]]


async def at_meeting(world: World, body: dict[str, Any] | None = None) -> str:
    case_id = await intake.opened(world, body)
    place_at(world, case_id, Stage.FACE_TO_FACE)
    return case_id


async def test_the_meeting_meets_its_clock_and_starts_the_next_two_from_itself(world: World) -> None:
    case_id = await at_meeting(world)
    met: datetime = world.forward(days=20)  # late: the projections gave 19 May as the last day to meet
    receipt = await face_to_face.meet(world, case_id)
    assert (receipt["stage"], receipt["put_before_supervisor"]) == ("risk_assessment", [])
    running = clocks(world, case_id)
    assert running["face_to_face"]["met_at"] == met
    for kind in ("risk_assessment", "categorise_and_refer"):
        assert (running[kind]["started_at"], running[kind]["projected"]) == (met, False)
        assert str(running[kind]["due_on"]) == "2026-06-01"  # met on Monday 25 May, a bank holiday; day 1 is Tuesday
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/face-to-face")
    body = face_to_face.meeting(face_to_face.applicant(world, case_id))
    assert {name: kept[name] for name in body} == body


async def test_a_third_party_is_met_and_only_the_referral_has_a_limit(world: World) -> None:
    case_id = await at_meeting(world, intake.third_party_asks(world))
    assert (await face_to_face.meet(world, case_id))["stage"] == "risk_assessment"
    running = clocks(world, case_id)
    assert "risk_assessment" not in running
    assert running["categorise_and_refer"]["projected"] is False


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"warnings_given": False}, "warnings_not_given"),
        ({"identity_verified_by": None}, "identity_not_verified"),
        ({"undertaking_explained": False}, "undertaking_not_explained"),
        ({"safeguarding_advice": None}, "no_safeguarding_advice"),
        ({"public_protection": False}, "no_public_protection_officer"),
        ({"pack": None}, "pack_not_offered"),
        ({"pack": "kept_by_police"}, "pack_details_not_given"),
        ({"written_material_left": "A copy of the undertaking"}, "written_material_left"),
        ({"occurred_at": "2026-05-05T08:59:00Z"}, "before_first_contact"),
    ],
)
async def test_a_meeting_that_went_wrong_is_kept_counted_and_flagged(
    world: World, changed: dict[str, Any], code: str
) -> None:
    case_id = await at_meeting(world)
    receipt = await face_to_face.meet(world, case_id, **changed)
    assert (flags(receipt), receipt["stage"]) == ([code], "risk_assessment")
    assert clocks(world, case_id)["face_to_face"]["met_at"] is not None
    assert duties(world, case_id) == ["supervisor_review"]


async def test_a_young_applicant_is_seen_with_a_suitable_adult(world: World) -> None:
    young = [{**intake.VICTIM, "born": "2008-05-06", "is_applicant": True}]  # eighteen tomorrow
    case_id = await at_meeting(world, intake.right_to_ask(world, potential_victims=young))
    assert flags(await face_to_face.meet(world, case_id)) == ["no_suitable_adult"]
    world.forward(days=1)
    assert flags(await face_to_face.meet(world, case_id)) == ["met_before"]

    other = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
    young[0]["born"] = "2009-01-01"
    case_id = await at_meeting(world, intake.right_to_ask(world, potential_victims=young, subject=other))
    assert flags(await face_to_face.meet(world, case_id, suitable_adult="Her aunt, not involved")) == []


async def test_a_second_meeting_moves_no_clock(world: World) -> None:
    case_id = await at_meeting(world)
    first = world.forward(days=1)
    await face_to_face.meet(world, case_id)
    world.forward(days=1)
    receipt = await face_to_face.meet(world, case_id)
    assert (flags(receipt), receipt["stage"]) == (["met_before"], "risk_assessment")
    assert clocks(world, case_id)["face_to_face"]["met_at"] == first
    assert clocks(world, case_id)["risk_assessment"]["started_at"] == first


async def test_an_earlier_meeting_typed_later_takes_its_place(world: World) -> None:
    case_id = await at_meeting(world)
    first: datetime = world.forward(days=2)
    late = world.forward(days=18)  # the last day to meet was 19 May
    await face_to_face.meet(world, case_id)
    assert clocks(world, case_id)["face_to_face"]["met_at"] == late
    world.forward(hours=1)
    receipt = await face_to_face.meet(world, case_id, occurred_at=first.isoformat())
    assert ("met_before", "H10.7") in [(one["code"], one["rule"]) for one in receipt["put_before_supervisor"]]
    running = clocks(world, case_id)
    met = running["face_to_face"]
    assert (met["met_at"], met["met_recorded_at"]) == (first, world.now)
    assert met["met_at"] < met["due_at"]  # no false breach
    for kind in ("risk_assessment", "categorise_and_refer"):
        assert (running[kind]["started_at"], str(running[kind]["due_on"])) == (first, "2026-05-14")
        assert running[kind]["next_alert_at"] is not None
    await world.sweep()
    rungs = world.rows("SELECT rung FROM alert WHERE case_id = %s AND clock_kind = 'risk_assessment'", case_id)
    assert "breached" in {row["rung"] for row in rungs}  # and no true one is hidden
    told = world.rows("SELECT sentence FROM event WHERE case_id = %s AND kind = 'clocks_counted_anew'", case_id)
    assert len(told) == 1


async def test_an_earlier_meeting_leaves_what_is_done_as_it_was(world: World) -> None:
    case_id = await at_meeting(world)
    first = world.forward(days=2)
    second = world.forward(days=7)
    await face_to_face.meet(world, case_id)
    await risk_assessment.assess_everyone(world, case_id)
    await face_to_face.meet(world, case_id, occurred_at=first.isoformat())
    running = clocks(world, case_id)
    assert (running["risk_assessment"]["started_at"], running["risk_assessment"]["met_at"]) == (second, second)
    assert running["categorise_and_refer"]["started_at"] == first


async def test_a_meeting_dated_before_the_case_moves_no_clock(world: World) -> None:
    case_id = await at_meeting(world)
    met = world.forward(days=1)
    await face_to_face.meet(world, case_id)
    receipt = await face_to_face.meet(world, case_id, occurred_at="2025-05-06T09:00:00Z")
    assert {"met_before", "before_first_contact"} <= set(flags(receipt))
    running = clocks(world, case_id)
    assert (running["face_to_face"]["met_at"], running["risk_assessment"]["started_at"]) == (met, met)
    third = await face_to_face.meet(world, case_id, occurred_at=(met - timedelta(hours=2)).isoformat())
    assert "met_before" in flags(third)
    assert clocks(world, case_id)["face_to_face"]["met_at"] == met - timedelta(hours=2)


async def test_meeting_somebody_else_is_kept_and_the_applicant_is_still_to_be_met(world: World) -> None:
    case_id = await at_meeting(world, intake.third_party_asks(world))
    victim = intake.parties(world, case_id)["potential_victim"][0]
    receipt = await face_to_face.meet(world, case_id, party_id=victim)
    assert (flags(receipt), receipt["stage"]) == (["not_the_applicant"], "face_to_face")
    assert clocks(world, case_id)["face_to_face"]["met_at"] is None
    assert (await face_to_face.meet(world, case_id))["stage"] == "risk_assessment"


async def test_a_meeting_on_a_right_to_know_is_kept_and_flagged(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world))
    victim = intake.parties(world, case_id)["potential_victim"][0]
    body = face_to_face.meeting(victim)
    receipt = await world.as_("officer").must_post(f"/v1/applications/{case_id}/face-to-face", body)
    assert (flags(receipt), receipt["stage"]) == (["meeting_on_right_to_know"], "initial_checks")


async def test_a_meeting_before_the_decision_is_flagged_and_its_clocks_run(world: World) -> None:
    case_id = await intake.opened(world)
    receipt = await face_to_face.meet(world, case_id)
    assert (flags(receipt), receipt["stage"]) == (["met_before_initial_decision"], "initial_checks")
    running = clocks(world, case_id)
    assert running["face_to_face"]["met_at"] == running["risk_assessment"]["started_at"] == world.now


async def test_a_meeting_after_the_end_is_kept_and_moves_nothing(world: World) -> None:
    case_id = await at_meeting(world)
    place_at(world, case_id, Stage.FINAL_REPORT)
    receipt = await face_to_face.meet(world, case_id)
    assert (flags(receipt), receipt["stage"]) == (["case_concluded"], "final_report")
    assert clocks(world, case_id)["risk_assessment"]["projected"] is True


async def test_a_meeting_after_an_emergency_authority_is_as_it_should_be(world: World) -> None:
    case_id = await intake.opened(world)
    place_at(world, case_id, Stage.FORUM)
    receipt = await face_to_face.meet(world, case_id)
    assert (flags(receipt), receipt["stage"]) == ([], "forum")
    assert clocks(world, case_id)["face_to_face"]["met_at"] == world.now


async def test_what_is_learned_at_the_meeting_is_kept_as_if_by_itself(world: World) -> None:
    case_id = await at_meeting(world)
    await initial_checks.identify(world, case_id, result="unidentified", record=None, how="No date of birth.")
    met = world.forward(hours=1)
    world.forward(hours=1)
    await face_to_face.meet(
        world,
        case_id,
        occurred_at=met.isoformat(),
        crime_alleged=True,
        risk={"grade": "high", "immediate": True, "reason": "He waits outside."},
        subject_identity={"result": "confirmed", "record": "Custody photograph", "how": "She recognised him."},
    )
    assert duties(world, case_id) == ["crime", "immediate_safeguarding"]
    assert (case(world, case_id)["subject_identified_at"], case(world, case_id)["urgent_since"]) == (met, met)
    found = await world.as_("officer").must_get(f"/v1/applications/{case_id}/identity")
    assert [one["result"] for one in found] == ["unidentified", "confirmed"]
    (grade,) = world.rows("SELECT * FROM risk_grade WHERE case_id = %s AND grade = 'high'", case_id)
    assert str(grade["potential_victim_id"]) == face_to_face.applicant(world, case_id)


@pytest.mark.parametrize(
    "changed",
    [
        {"party_id": "00000000-0000-4000-8000-000000000000"},
        {"occurred_at": "2026-05-05T09:00:01Z"},
        {"place": None},
        {"pack": "posted"},
        {"subject_identity": {"result": "confirmed", "how": "She knew him."}},
    ],
)
async def test_a_meeting_of_the_wrong_shape_is_refused(world: World, changed: dict[str, Any]) -> None:
    case_id = await at_meeting(world)
    body = face_to_face.meeting(face_to_face.applicant(world, case_id), **changed)
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/face-to-face", body)
    assert answer.status_code == 422


async def test_the_subject_is_nobody_to_meet(world: World) -> None:
    case_id = await at_meeting(world)
    body = face_to_face.meeting(intake.parties(world, case_id)["subject"][0])
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/face-to-face", body)
    assert answer.status_code == 422
    assert "a party of this case (applicant or potential_victim)" in answer.json()["detail"]


async def test_malice_ends_the_request_when_a_second_person_agrees(world: World) -> None:
    case_id = await at_meeting(world)
    await face_to_face.meet(world, case_id)
    receipt = await face_to_face.find_malicious(world, case_id)
    assert receipt["stage"] == "risk_assessment"
    with world.unchanged():
        again = await face_to_face.try_to_find_malicious(world, case_id)
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:finding_awaits_agreement")
    with world.unchanged():
        answer = await face_to_face.try_to_agree(world, case_id, by="officer")
    assert obstacles(answer) == ["same_person"]
    assert answer.json()["obstacles"][0]["rule"] == "H5.1a"

    agreed = world.forward(hours=1)
    receipt = await face_to_face.agree(world, case_id)
    assert (receipt["stage"], case(world, case_id)["outcome"]) == ("final_report", "malicious")
    ended = clocks(world, case_id)
    assert ended.pop("face_to_face")["met_at"] is not None
    assert {(one["ended_because"], one["ended_at"]) for one in ended.values()} == {("non_progression", agreed)}
    assert duties(world, case_id) == ["offender_management"]
    (finding,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/malicious-finding")
    (agreement,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/malicious-finding/agreement")
    assert (agreement["finding_id"], agreement["continued_as_id"]) == (finding["id"], None)
    assert agreement["carry_on_as_right_to_know"] is False


async def test_malice_does_not_end_the_question_of_risk(world: World) -> None:
    case_id = await at_meeting(world)
    await face_to_face.find_malicious(world, case_id)
    await face_to_face.agree(world, case_id, carry_on=True)
    assert {one["ended_because"] for one in clocks(world, case_id).values()} == {"conversion"}
    (linked,) = world.rows("SELECT * FROM application WHERE follows_id = %s", case_id)
    assert (linked["route"], linked["stage"]) == ("right_to_know", "initial_checks")
    (agreement,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/malicious-finding/agreement")
    assert agreement["continued_as_id"] == str(linked["id"])


async def test_a_refused_finding_leaves_the_request_as_it_was(world: World) -> None:
    case_id = await at_meeting(world)
    await face_to_face.find_malicious(world, case_id)
    answer = await face_to_face.try_to_agree(world, case_id, agrees=False)
    assert (answer.status_code, answer.json()["stage"]) == (201, "face_to_face")
    assert {one["ended_because"] for one in clocks(world, case_id).values()} == {None}
    with world.unchanged():
        again = await face_to_face.try_to_agree(world, case_id)
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:no_finding_to_agree")
    await face_to_face.find_malicious(world, case_id)


@pytest.mark.parametrize(
    "body",
    [
        {"agrees": True, "reason": "Read."},
        {**AGREED, "carry_on_reason": None},
        {**AGREED, "carry_on_as_right_to_know": None},
        {**AGREED, "agrees": False},
    ],
)
async def test_carrying_on_is_decided_with_the_agreement(world: World, body: dict[str, Any]) -> None:
    case_id = await at_meeting(world)
    await face_to_face.find_malicious(world, case_id)
    path = f"/v1/applications/{case_id}/malicious-finding/agreement"
    with world.unchanged():
        answer = await world.as_("supervisor").post(path, body, headers=version_of(world, case_id))
    assert answer.status_code == 422


async def test_immediate_risk_is_answered_before_a_request_ends_as_malicious(world: World) -> None:
    case_id = await at_meeting(world)
    risk = {"grade": "high", "immediate": True, "reason": "Whoever asked, she is in danger tonight."}
    await face_to_face.meet(world, case_id, risk=risk)
    await face_to_face.find_malicious(world, case_id)
    with world.unchanged():
        assert obstacles(await face_to_face.try_to_agree(world, case_id)) == ["immediate_safeguarding_first"]


@pytest.mark.parametrize("stage", [Stage.INITIAL_CHECKS, Stage.FORUM, Stage.DISCLOSURE, Stage.FINAL_REPORT])
async def test_malice_is_found_between_the_decision_and_the_forum(world: World, stage: Stage) -> None:
    case_id = await intake.opened(world)
    place_at(world, case_id, stage)
    for ask in (face_to_face.try_to_find_malicious, face_to_face.try_to_agree):
        with world.unchanged():
            answer = await ask(world, case_id)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_right_to_know_has_no_malicious_request(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world))
    place_at(world, case_id, Stage.RISK_ASSESSMENT)
    with world.unchanged():
        assert obstacles(await face_to_face.try_to_find_malicious(world, case_id)) == ["no_request"]


async def test_a_late_meeting_typed_late_keeps_both_times(world: World) -> None:
    case_id = await at_meeting(world)
    met = world.forward(days=2)
    world.forward(hours=30)
    receipt = await face_to_face.meet(world, case_id, occurred_at=met.isoformat())
    assert flags(receipt) == ["late_entry"]
    clock = clocks(world, case_id)["face_to_face"]
    assert (clock["met_at"], clock["met_recorded_at"]) == (met, met + timedelta(hours=30))


async def test_an_assessment_made_before_the_meeting_counts_once_it_is_held(world: World) -> None:
    case_id = await at_meeting(world)
    receipt = await risk_assessment.assess_everyone(world, case_id)
    assert (flags(receipt), receipt["stage"]) == (["assessed_early"], "face_to_face")
    assessed = world.now
    world.forward(hours=1)
    assert (await face_to_face.meet(world, case_id))["stage"] == "categorisation"
    assert clocks(world, case_id)["risk_assessment"]["met_at"] == assessed
