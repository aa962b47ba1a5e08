"""Courses that bend and hold: an emergency, two potential victims, a subject identified only at the meeting."""

from datetime import date
from typing import Any

from tests.journeys.journey import Journey
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    risk_assessment,
)


async def test_emergency(journey: Journey) -> None:
    """She is told on the day under the head's authority; the forum reviews it at its next meeting (H6.8)."""
    threat = {"grade": "high", "immediate": True, "reason": "He has told a friend that he will hurt her tonight."}
    case = await intake.opened(journey, journey.asks_herself(risk=threat))
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 5 May",
        face_to_face="running Tue 18 May",
        risk_assessment="projected Tue 25 May",
        categorise_and_refer="projected Tue 25 May",
        whole_case="running Tue 1 Jun",
    )
    await journey.come_to(date(2027, 5, 4), 10)
    await initial_checks.all_checks(journey, case)
    high: dict[str, Any] = {"risk": {"grade": "high", "reason": "The threat stands; officers are with her."}}
    early = await initial_checks.try_to_decide(journey, case, initial_checks.decision(journey, case, **high))
    assert [one["code"] for one in early.json()["obstacles"]] == ["immediate_safeguarding_first"], early.text
    action = {"party_id": she, "action": "Response officers are with her.", "done_by": "Response"}
    await journey.as_("officer").must_post(final_report.path(case, "safeguarding-actions"), action)
    await disclosure.plan(journey, case, she)
    await initial_checks.decide(journey, case, **high)
    await initial_checks.identify(journey, case)

    await journey.come_to(date(2027, 5, 4), 13)
    authority = await forum.authorise(journey, case, forum.emergency(she))
    assert (authority.status_code, authority.json()["stage"]) == (201, "forum"), authority.text
    waived = {
        "initial_checks": "met_in_time Wed 5 May",
        "face_to_face": "ended Tue 18 May",
        "risk_assessment": "ended Tue 25 May",
        "categorise_and_refer": "ended Tue 25 May",
    }
    await journey.expect_clocks(case, **waived, whole_case="running Tue 1 Jun")
    clocks = await journey.clocks(case)
    assert clocks["face_to_face"]["ended_because"] == "emergency_waiver"
    await journey.come_to(date(2027, 5, 4), 15)
    told = await disclosure.deliver(journey, case, she, authority.json()["id"])
    assert (told["stage"], told["put_before_supervisor"]) == ("forum", [])
    await journey.expect_clocks(case, **waived, whole_case="met_in_time Tue 1 Jun")
    assert [one["kind"] for one in (await journey.case_file(case))["duties"]] == ["emergency_review"]

    await journey.come_to(date(2027, 5, 12), 10)
    await categorisation.considered(journey, case)
    await forum.disclosing(journey, await forum.sitting(journey, case), she)
    assert (await journey.case_file(case))["duties"] == []
    assert await journey.what_next(case) == ["write_final_report"]  # nothing is left to be told
    await journey.come_to(date(2027, 5, 13), 10)
    report = await journey.report_and_close(case, "disclosed")
    assert [one["source"] for one in report["decisions"]] == ["forum"]
    assert report["dates"]["delivered_at"] < report["dates"]["decided_at"]
    await journey.expect_clocks(case, **waived, whole_case="met_in_time Tue 1 Jun")
    await journey.expect_alerts(case)


async def test_two_potential_victims(journey: Journey) -> None:
    """One is told and the other is not: each has her own category, decision and end, and the case one clock (H1.1)."""
    victims = [journey.person(intake.VICTIM), journey.person(intake.SECOND_VICTIM)]
    case = await intake.opened(journey, journey.police_learn(potential_victims=victims))
    one, other = intake.parties(journey, case)["potential_victim"]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 26 May",
        categorise_and_refer="running Wed 2 Jun",  # 31 May is a bank holiday
        whole_case="running Tue 22 Jun",
    )
    await journey.come_to(date(2027, 5, 25), 14)
    await initial_checks.progressed(journey, case)
    await initial_checks.identify(journey, case)
    met = {"initial_checks": "met_in_time Wed 26 May"}
    await journey.expect_clocks(
        case,
        **met,
        risk_assessment="running Wed 2 Jun",
        categorise_and_refer="running Wed 2 Jun",
        whole_case="running Tue 22 Jun",
    )
    await journey.come_to(date(2027, 5, 28), 10)
    await journey.expect_alerts(case, officer=["risk_assessment due_soon-2d", "categorise_and_refer due_soon-2d"])
    await risk_assessment.assess(journey, case, one)
    assert (await journey.clocks(case))["risk_assessment"]["state"] == "running"  # the other is not assessed yet
    await journey.come_to(date(2027, 6, 1), 10)
    await journey.expect_alerts(case, officer=["risk_assessment due_soon-1d", "categorise_and_refer due_soon-1d"])
    standard: dict[str, Any] = {
        "risk": {"grade": "standard", "reason": "She ended it before it began."},
        "tool_grade": "standard",
    }
    await risk_assessment.assess(journey, case, other, **standard)
    await categorisation.considered(journey, case)
    await categorisation.categorised(journey, case, categorisation.concern(one))
    await categorisation.categorised(journey, case, categorisation.no_concern(other))
    await categorisation.referred(journey, case)
    met |= {"risk_assessment": "met_in_time Wed 2 Jun", "categorise_and_refer": "met_in_time Wed 2 Jun"}
    await journey.expect_clocks(case, **met, whole_case="running Tue 22 Jun")

    await journey.come_to(date(2027, 6, 16), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    item = await forum.sitting(journey, case)
    decision = await forum.disclosing(journey, item, one)
    assert (await journey.case_file(case))["stage"] == "forum"
    await forum.withholding(journey, item, other)
    await journey.expect_clocks(case, **met, whole_case="running Tue 22 Jun")

    await journey.come_to(date(2027, 6, 17), 18)
    told = await disclosure.deliver(journey, case, one, decision)
    assert told["stage"] == "disclosure"
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 22 Jun")
    notice = await disclosure.notice(journey, case, [other], kind="recorded")
    assert (notice["stage"], notice["put_before_supervisor"]) == ("final_report", [])
    standing = {one["potential_victim_id"]: one for one in (await journey.case_file(case))["victims"]}
    assert [standing[who]["police_category"] for who in (one, other)] == ["concern", "no_concern"]
    assert [standing[who]["decision"]["disclose"] for who in (one, other)] == [True, False]
    assert [standing[who]["concluded_as"] for who in (one, other)] == ["delivered", "recorded"]
    report = await journey.report_and_close(case, "disclosed")
    assert {who["how"] for who in report["conclusions"]} == {"delivered", "recorded"}
    await journey.expect_alerts(case)


async def test_identified_at_the_meeting(journey: Journey) -> None:
    """She knows him by a first name; at the meeting he is found on the record, and searched again (H4.5)."""
    case = await intake.opened(journey, journey.asks_herself(subject={"given_names": "Alan", "gender": "male"}))
    parties = intake.parties(journey, case)
    she, he = parties["potential_victim"][0], parties["subject"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 30 Jun",
        face_to_face="running Tue 13 Jul",
        risk_assessment="projected Tue 20 Jul",
        categorise_and_refer="projected Tue 20 Jul",
        whole_case="running Tue 27 Jul",
    )
    await journey.come_to(date(2027, 6, 29), 17)
    await initial_checks.all_checks(journey, case)
    unknown: dict[str, Any] = {
        "result": "unidentified",
        "record": None,
        "how": "A first name alone fits too many records.",
    }
    await initial_checks.identify(journey, case, **unknown)
    not_so = initial_checks.decision(journey, case, "do_not_progress")
    refused = await initial_checks.try_to_decide(journey, case, not_so)
    assert [one["code"] for one in refused.json()["obstacles"]] == ["subject_unidentified"], refused.text
    await initial_checks.decide(journey, case)

    await journey.come_to(date(2027, 7, 7), 10)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    assert (await journey.case_file(case))["subject_identified_at"] is None
    found = {"result": "confirmed", "record": "Custody photograph", "how": "She picked him out of twelve."}
    await face_to_face.meet(journey, case, subject_identity=found)
    assert (await journey.case_file(case))["subject_identified_at"] == "2027-07-07T09:00:00Z"
    await _searched_again(journey, case, he)
    met = {"initial_checks": "met_in_time Wed 30 Jun", "face_to_face": "met_in_time Tue 13 Jul"}
    await journey.expect_clocks(
        case,
        **met,
        risk_assessment="running Wed 14 Jul",
        categorise_and_refer="running Wed 14 Jul",
        whole_case="running Tue 27 Jul",
    )

    await journey.come_to(date(2027, 7, 8), 10)
    await risk_assessment.assess(journey, case, she)
    await categorisation.to_forum(journey, case)
    met |= {"risk_assessment": "met_in_time Wed 14 Jul", "categorise_and_refer": "met_in_time Wed 14 Jul"}
    await journey.come_to(date(2027, 7, 21), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)
    await journey.come_to(date(2027, 7, 22), 10)
    await disclosure.deliver(journey, case, she, decision)
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 27 Jul")
    report = await journey.report_and_close(case, "disclosed")
    [subject] = [one for one in report["parties"] if one["role"] == "subject"]
    assert subject["surname"] == journey.person(intake.SUBJECT)["surname"]
    await journey.expect_alerts(case)


async def _searched_again(journey: Journey, case: str, he: str) -> None:
    """His full name is recorded in place of the first name alone, and every system is asked for him."""
    person: dict[str, Any] = {"party_id": he, "person": journey.person(intake.SUBJECT)}
    await journey.as_("officer").must_post(final_report.path(case, "persons"), person)
    await initial_checks.all_checks(journey, case)
    answers = await journey.as_("officer").must_get(final_report.path(case, "checks"))
    assert len([one for one in answers if (one["system"], one["party_id"]) == ("pnc", he)]) == 2
