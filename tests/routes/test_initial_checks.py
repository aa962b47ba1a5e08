"""Checks, the subject's identity and the initial decision (H4)."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import face_to_face, final_report, initial_checks, intake, lateness, risk_assessment
from tests.world import STAFF, World


def clocks(world: World, case_id: str) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in world.rows("SELECT * FROM clock WHERE case_id = %s", case_id)}


def duties(world: World, case_id: str) -> list[tuple[str, str]]:
    query = "SELECT kind, code FROM duty WHERE case_id = %s AND answered_at IS NULL ORDER BY kind, code"
    return [(row["kind"], row["code"]) for row in world.rows(query, case_id)]


def case(world: World, case_id: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM application WHERE id = %s", case_id)[0]


def flags(receipt: Any) -> list[str]:
    return sorted(flag["code"] for flag in receipt["put_before_supervisor"])


def obstacles(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [one["code"] for one in answer.json()["obstacles"]]


def subject(world: World, case_id: str) -> str:
    return intake.parties(world, case_id)["subject"][0]


async def safeguarded(world: World, case_id: str) -> None:
    victim = intake.parties(world, case_id)["potential_victim"][0]
    path, officer = f"/v1/applications/{case_id}", world.as_("officer")
    await officer.must_post(f"{path}/safeguarding-actions", {"action": "Moved to a refuge.", "done_by": "Response"})
    plan = {"potential_victim_id": victim, "plan": "Alarm and escort.", "review_on": "2026-06-30"}
    await officer.must_post(f"{path}/safety-plans", plan)


async def test_checks_are_kept_and_read_back(world: World) -> None:
    case_id = await intake.opened(world)
    body = initial_checks.check("pnc", subject(world, case_id), result="hit", text="Two assaults.", visor_marker=True)
    receipt = await initial_checks.record(world, case_id, body, by="control_room")
    assert (receipt["stage"], receipt["put_before_supervisor"]) == ("initial_checks", [])
    world.forward(minutes=1)
    await initial_checks.record(world, case_id, initial_checks.check("social_services", subject(world, case_id)))
    first, second = await world.as_("officer").must_get(f"/v1/applications/{case_id}/checks")
    assert {name: first[name] for name in body} == body
    assert (first["id"], second["system"], second["visor_marker"]) == (receipt["id"], "social_services", None)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"result": "hit"}, "Say in text what the hit was."),
        ({"result": "unavailable"}, "Say in text what the unavailable was."),
        ({"visor_marker": None}, "Say in visor_marker whether"),
        ({"system": "pnd"}, "leave visor_marker out"),
        ({"result": "unavailable", "text": "Down."}, "leave visor_marker out"),
        ({"system": "P N C"}, "pattern"),
        ({"occurred_at": "2026-05-05T09:00:01Z"}, "has not come yet"),
        ({"party_id": "00000000-0000-4000-8000-000000000000"}, "party_id must name a party of this case"),
    ],
)
async def test_a_check_of_the_wrong_shape_is_refused(world: World, changed: dict[str, Any], says: str) -> None:
    case_id = await intake.opened(world)
    body = {**initial_checks.check("pnc", subject(world, case_id)), "visor_marker": False, **changed}
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/checks", body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


async def test_a_check_outside_the_case_is_kept_and_flagged(world: World) -> None:
    case_id = await intake.opened(world)
    early = (world.now - timedelta(hours=1)).isoformat()
    body = initial_checks.check("pnd", subject(world, case_id), occurred_at=early)
    assert flags(await initial_checks.record(world, case_id, body)) == ["before_first_contact"]
    place_at(world, case_id, Stage.FINAL_REPORT)
    body = initial_checks.check("pnd", subject(world, case_id))
    assert flags(await initial_checks.record(world, case_id, body)) == ["case_concluded"]
    assert len(await world.as_("officer").must_get(f"/v1/applications/{case_id}/checks")) == 2


async def test_a_check_dated_inside_the_limit_and_typed_after_it_goes_before_a_supervisor(world: World) -> None:
    case_id = await intake.opened(world)
    inside = world.forward(hours=23)
    world.forward(hours=2)
    body = initial_checks.check("pnd", subject(world, case_id), occurred_at=inside.isoformat())
    assert flags(await initial_checks.record(world, case_id, body)) == ["dated_before_limit"]


async def test_identity_is_confirmed_and_can_be_taken_back(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.identify(world, case_id)
    assert case(world, case_id)["subject_identified_at"] == world.now
    world.forward(hours=1)
    await initial_checks.identify(world, case_id, result="unidentified", record=None, how="It was his brother.")
    assert case(world, case_id)["subject_identified_at"] is None
    world.forward(hours=1)
    await initial_checks.identify(world, case_id, result="deceased", record="Entry of death", how="Registrar asked.")
    found = await world.as_("officer").must_get(f"/v1/applications/{case_id}/identity")
    assert [one["result"] for one in found] == ["confirmed", "unidentified", "deceased"]
    assert case(world, case_id)["stage"] == "initial_checks"


@pytest.mark.parametrize(
    "changed", [{"record": None}, {"result": "unidentified"}, {"result": "deceased", "record": None}]
)
async def test_an_identity_rests_on_a_record(world: World, changed: dict[str, Any]) -> None:
    case_id = await intake.opened(world)
    body = {"result": "confirmed", "record": "PNC record", "how": "Compared.", **changed}
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/identity", body)
    assert answer.status_code == 422
    assert "name the record they rest on" in answer.json()["detail"]


async def test_the_control_room_searches_and_does_not_confirm_identity(world: World) -> None:
    case_id = await intake.opened(world)
    body = {"result": "confirmed", "record": "PNC record", "how": "Compared."}
    with world.unchanged():
        answer = await world.as_("control_room").post(f"/v1/applications/{case_id}/identity", body)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:clares-law:problem:role_may_not")


async def test_an_identity_confirmed_after_the_end_is_kept_and_flagged(world: World) -> None:
    case_id = await intake.opened(world)
    place_at(world, case_id, Stage.FINAL_REPORT)
    assert flags(await initial_checks.identify(world, case_id)) == ["case_concluded"]


async def test_a_right_to_ask_progresses_to_its_meeting_and_meets_the_24_hours(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    world.forward(hours=5)
    receipt = await initial_checks.decide(world, case_id)
    assert receipt["stage"] == "face_to_face"
    running = clocks(world, case_id)
    assert (running["initial_checks"]["met_at"], running["face_to_face"]["met_at"]) == (world.now, None)
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/initial-decision")
    assert (kept["id"], kept["decision"], kept["prioritised"]) == (receipt["id"], "progress", None)
    (grade,) = world.rows("SELECT grade FROM risk_grade WHERE id = %s", kept["risk_grade_id"])
    assert grade["grade"] == "medium"


@pytest.mark.parametrize("course", ["progress", "do_not_progress"])
async def test_no_decision_while_a_check_is_not_done(world: World, course: str) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id, but=["pnd", "custody"])
    with world.unchanged():
        answer = await initial_checks.try_to_decide(world, case_id, initial_checks.decision(world, case_id, course))
    assert obstacles(answer) == ["check_not_done", "check_not_done"]
    assert "Police National Database on the subject is not done" in answer.json()["detail"]
    assert "Custody on the subject is not done" in answer.json()["detail"]


async def test_visor_is_needed_where_the_pnc_shows_its_marker(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id, visor_marker=True, but=["visor"])
    with world.unchanged():
        answer = await initial_checks.try_to_decide(world, case_id, initial_checks.decision(world, case_id))
    assert obstacles(answer) == ["check_not_done"]
    assert "Violent and Sex Offenders Register" in answer.json()["detail"]
    await initial_checks.record(world, case_id, initial_checks.check("visor", subject(world, case_id)))
    await initial_checks.decide(world, case_id)


async def test_do_not_progress_is_refused_with_a_check_unavailable(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id, down=["pnd"])
    for by in ("officer", "supervisor"):
        body = initial_checks.decision(world, case_id, "do_not_progress")
        with world.unchanged():
            answer = await initial_checks.try_to_decide(world, case_id, body, by=by)
        assert obstacles(answer) == ["check_unavailable"]
        assert "Police National Database on the subject is unavailable so far" in answer.json()["detail"]


async def test_a_supervisor_progresses_with_a_check_open_and_its_answer_meets_the_clock(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id, down=["pnd"])
    with world.unchanged():
        answer = await initial_checks.try_to_decide(world, case_id, initial_checks.decision(world, case_id))
    assert obstacles(answer) == ["supervisor_progresses_with_check_open"]
    await initial_checks.decide(world, case_id, by="supervisor")
    assert clocks(world, case_id)["initial_checks"]["met_at"] is None
    answered: datetime = world.forward(hours=3)
    world.forward(hours=1)
    body = initial_checks.check("pnd", subject(world, case_id), occurred_at=answered.isoformat())
    await initial_checks.record(world, case_id, body)
    clock = clocks(world, case_id)["initial_checks"]
    assert (clock["met_at"], clock["met_recorded_at"]) == (answered, world.now)


async def test_an_answer_dated_before_the_decision_does_not_date_the_clock_before_it(world: World) -> None:
    case_id = await intake.opened(world)
    before = world.forward(minutes=10)
    await initial_checks.all_checks(world, case_id, down=["pnd"])
    decided = world.forward(hours=1)
    await initial_checks.decide(world, case_id, by="supervisor")
    world.forward(hours=1)
    body = initial_checks.check("pnd", subject(world, case_id), occurred_at=before.isoformat())
    await initial_checks.record(world, case_id, body)
    assert clocks(world, case_id)["initial_checks"]["met_at"] == decided


async def test_do_not_progress_waits_for_a_second_person(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    decided = world.forward(hours=2)
    receipt = await initial_checks.decide(world, case_id, "do_not_progress")
    assert receipt["stage"] == "initial_checks"
    assert clocks(world, case_id)["initial_checks"]["met_at"] is None

    with world.unchanged():
        answer = await initial_checks.try_to_decide(world, case_id, initial_checks.decision(world, case_id))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:agreement_awaited")
    with world.unchanged():
        answer = await initial_checks.try_to_agree(world, case_id, by="officer")
    assert obstacles(answer) == ["same_person"]
    assert answer.json()["obstacles"][0]["rule"] == "H4.4"

    agreed = world.forward(hours=30)
    await lateness.plan_meanwhile(world, case_id)
    receipt = await initial_checks.agree(world, case_id)
    assert (receipt["stage"], case(world, case_id)["outcome"]) == ("final_report", "not_progressed")
    ended = clocks(world, case_id)
    assert ended.pop("initial_checks")["met_at"] == decided
    assert {(one["ended_because"], one["ended_at"], one["met_at"]) for one in ended.values()} == {
        ("non_progression", agreed, None)
    }
    assert duties(world, case_id) == [
        ("offender_management", "offender_management"),
        ("support_by_word", "support_by_word"),
    ]
    (says,) = world.rows("SELECT says FROM duty WHERE case_id = %s AND kind = 'support_by_word'", case_id)
    assert "0808 2000 247" in says["says"]
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/initial-decision/agreement")
    assert (kept["agrees"], kept["recorded_by"]) == (True, str(STAFF["supervisor"].id))


async def test_a_right_to_know_that_does_not_progress_has_nobody_to_give_support_to(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world))
    await initial_checks.all_checks(world, case_id)
    await initial_checks.decide(world, case_id, "do_not_progress")
    await initial_checks.agree(world, case_id, by="officer2")
    assert duties(world, case_id) == [("offender_management", "offender_management")]


async def test_a_refused_agreement_has_the_decision_taken_anew(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    await initial_checks.decide(world, case_id, "do_not_progress")
    answer = await initial_checks.try_to_agree(world, case_id, agrees=False, reason="The intelligence is recent.")
    assert (answer.status_code, answer.json()["stage"]) == (201, "initial_checks")
    with world.unchanged():
        again = await initial_checks.try_to_agree(world, case_id)
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:nothing_to_agree")
    assert (await initial_checks.decide(world, case_id))["stage"] == "face_to_face"


async def test_what_came_since_stands_against_the_agreement(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    await initial_checks.decide(world, case_id, "do_not_progress")
    world.forward(minutes=5)
    marked = initial_checks.check("pnc", subject(world, case_id), visor_marker=True)
    await initial_checks.record(world, case_id, marked)
    with world.unchanged():
        assert obstacles(await initial_checks.try_to_agree(world, case_id)) == ["check_not_done"]


async def test_a_check_answered_after_the_decision_dates_its_clock(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    await initial_checks.decide(world, case_id, "do_not_progress")
    world.forward(hours=1)
    await initial_checks.record(world, case_id, initial_checks.check("pnc", subject(world, case_id), visor_marker=True))
    answered = world.forward(hours=1)
    await initial_checks.record(world, case_id, initial_checks.check("visor", subject(world, case_id)))
    world.forward(hours=1)
    await initial_checks.agree(world, case_id)
    assert clocks(world, case_id)["initial_checks"]["met_at"] == answered


async def test_a_case_does_not_close_over_a_check_it_went_on_without(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id, down=["pnd"])
    await initial_checks.decide(world, case_id, by="supervisor")
    place_at(world, case_id, Stage.FINAL_REPORT)
    path = f"/v1/applications/{case_id}/closing"
    with world.unchanged():
        refused = await world.as_("officer").post(path, {}, headers=version_of(world, case_id))
    owed = [one for one in refused.json()["obstacles"] if one["code"] == "check_unanswered"]
    assert [one["rule"] for one in owed] == ["H4.1"]
    assert "Police National Database on the subject is still unanswered" in owed[0]["says"]
    file = await world.as_("officer").must_get(f"/v1/applications/{case_id}")
    assert "record_check" in [step["action"] for step in file["what_next"]]

    await initial_checks.record(world, case_id, initial_checks.check("pnd", subject(world, case_id)))
    assert clocks(world, case_id)["initial_checks"]["met_at"] == world.now
    with world.unchanged():
        assert "check_unanswered" not in obstacles(
            await world.as_("officer").post(path, {}, headers=version_of(world, case_id))
        )


async def test_a_case_that_ended_early_closes_with_its_checks_unanswered(world: World) -> None:
    case_id = await intake.opened(world)
    await final_report.withdraw(world, case_id)
    await final_report.decide_withdrawal(world, case_id)
    with world.unchanged():
        answer = await world.as_("officer").post(
            f"/v1/applications/{case_id}/closing", {}, headers=version_of(world, case_id)
        )
    assert "check_unanswered" not in obstacles(answer)


async def test_an_unidentified_subject_is_not_a_nil(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    await initial_checks.identify(world, case_id, result="unidentified", record=None, how="Three people fit.")
    body = initial_checks.decision(world, case_id, "do_not_progress")
    with world.unchanged():
        assert obstacles(await initial_checks.try_to_decide(world, case_id, body)) == ["subject_unidentified"]
    await initial_checks.decide(world, case_id)


async def test_immediate_risk_is_answered_before_the_decision(world: World) -> None:
    immediate = {"grade": "high", "immediate": True, "reason": "He has said tonight."}
    case_id = await intake.opened(world, intake.right_to_ask(world, risk=immediate))
    await initial_checks.all_checks(world, case_id)
    with world.unchanged():
        answer = await initial_checks.try_to_decide(world, case_id, initial_checks.decision(world, case_id))
    assert obstacles(answer) == ["immediate_safeguarding_first"]
    await safeguarded(world, case_id)
    await initial_checks.decide(world, case_id)


async def test_immediate_risk_found_by_the_decision_makes_the_case_urgent_and_owes_safeguarding(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    risk = {"grade": "high", "immediate": True, "reason": "Released today."}
    assert (await initial_checks.decide(world, case_id, risk=risk))["stage"] == "face_to_face"
    assert case(world, case_id)["urgent_since"] == world.now
    assert duties(world, case_id) == [("immediate_safeguarding", "immediate_risk")]


async def test_the_applicants_contact_is_planned(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    body = initial_checks.decision(world, case_id, applicant_contact=None)
    with world.unchanged():
        assert obstacles(await initial_checks.try_to_decide(world, case_id, body)) == ["applicant_contact_not_planned"]


async def test_a_prioritised_right_to_know_is_assessed_within_its_limit_from_receipt(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world))
    received = world.now
    world.forward(hours=20)
    receipt = await initial_checks.progressed(world, case_id)
    assert receipt["stage"] == "risk_assessment"
    assert case(world, case_id)["prioritised"] is True
    clock = clocks(world, case_id)["risk_assessment"]
    assert (clock["started_at"], clock["working_days"], clock["projected"]) == (received, 5, False)


async def test_a_right_to_know_that_is_not_prioritised_says_why_and_has_no_such_limit(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world))
    await initial_checks.all_checks(world, case_id)
    for changed in ({"prioritised": False}, {"decision": "do_not_progress", "prioritised": True}):
        body = initial_checks.decision(world, case_id, **changed)
        with world.unchanged():
            answer = await initial_checks.try_to_decide(world, case_id, body)
        assert answer.status_code == 422
    with world.unchanged():
        answer = await initial_checks.try_to_decide(
            world, case_id, initial_checks.decision(world, case_id, prioritised=None)
        )
    assert obstacles(answer) == ["priority_not_considered"]
    receipt = await initial_checks.decide(
        world, case_id, prioritised=False, priority_reason="Standard risk, no earlier partner harmed."
    )
    assert receipt["stage"] == "categorisation"
    assert "risk_assessment" not in clocks(world, case_id)


async def test_an_edition_without_those_limits_has_no_such_clocks(world: World) -> None:
    case_id = await intake.opened(world, intake.right_to_know(world, edition="app-2013"))
    receipt = await initial_checks.progressed(world, case_id)
    assert receipt["stage"] == "risk_assessment"
    assert set(clocks(world, case_id)) == {"categorise_and_refer"}


async def test_a_decision_out_of_order_or_on_a_stale_version_is_refused(world: World) -> None:
    case_id = await intake.opened(world)
    before = version_of(world, case_id)
    await initial_checks.all_checks(world, case_id)
    body, path = initial_checks.decision(world, case_id), f"/v1/applications/{case_id}/initial-decision"
    officer = world.as_("officer")
    with world.unchanged():
        stale = await officer.post(path, body, headers=before)
    with world.unchanged():
        unread = await officer.post(path, body)
    assert (stale.status_code, unread.status_code) == (412, 428)
    await initial_checks.decide(world, case_id)
    for ask in (
        initial_checks.try_to_decide(world, case_id, body),
        initial_checks.try_to_agree(world, case_id),
    ):
        with world.unchanged():
            again = await ask
        assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_what_was_done_early_counts_when_the_decision_comes(world: World) -> None:
    case_id = await intake.opened(world)
    await initial_checks.all_checks(world, case_id)
    assert flags(await face_to_face.meet(world, case_id)) == ["met_before_initial_decision"]
    assert (await initial_checks.decide(world, case_id))["stage"] == "risk_assessment"

    world.forward(days=1)
    second = await intake.opened(
        world, intake.third_party_asks(world, subject={**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"})
    )
    await face_to_face.meet(world, second)
    await risk_assessment.assess_everyone(world, second)
    assert (await initial_checks.progressed(world, second))["stage"] == "categorisation"
