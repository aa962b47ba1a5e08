"""Applications that end before a disclosure is decided: each ends in its closing report all the same (H8.1)."""

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


async def test_not_progressed(journey: Journey) -> None:
    """The checks give no ground to look further, a second person agrees, and help is given by word (H4.4)."""
    case = await intake.opened(journey, journey.asks_herself())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 5 Aug",
        face_to_face="running Tue 18 Aug",
        risk_assessment="projected Tue 25 Aug",
        categorise_and_refer="projected Tue 25 Aug",
        whole_case="running Tue 1 Sep",
    )
    await journey.come_to(date(2026, 8, 4), 15)
    await initial_checks.all_checks(journey, case)
    await initial_checks.decide(journey, case, "do_not_progress")
    assert _codes(await initial_checks.try_to_agree(journey, case, by="officer")) == ["same_person"]
    assert (await journey.clocks(case))["initial_checks"]["state"] == "running"  # until a second person agrees

    await journey.come_to(date(2026, 8, 4), 22)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-12h"])
    await initial_checks.agree(journey, case)
    ended = {
        "initial_checks": "met_in_time Wed 5 Aug",
        "face_to_face": "ended Tue 18 Aug",
        "risk_assessment": "ended Tue 25 Aug",
        "categorise_and_refer": "ended Tue 25 Aug",
        "whole_case": "ended Tue 1 Sep",
    }
    await journey.expect_clocks(case, **ended)
    assert await _why_ended(journey, case) == {"non_progression"}

    await journey.come_to(date(2026, 8, 6), 10)
    await final_report.report(journey, case)
    blocked = {one["code"] for one in (await journey.case_file(case))["blocks_closing"]}
    assert blocked == {"services_given", "safety_plan_where_risk", "offender_management"}
    await final_report.support_given(journey, case, she)
    await final_report.settle_and_close(journey, case, [she])
    await journey.expect_closed(case, "not_progressed")
    await journey.expect_clocks(case, **ended)
    await journey.expect_alerts(case)


async def test_withdrawn_and_carried_on(journey: Journey) -> None:
    """She withdraws, the risk does not: the police carry on, the whole case counted from her first contact (H8.4)."""
    case = await intake.opened(journey, journey.asks_herself())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 12 Aug",
        face_to_face="running Tue 25 Aug",
        risk_assessment="projected Wed 2 Sep",  # 31 August is a bank holiday
        categorise_and_refer="projected Wed 2 Sep",
        whole_case="running Tue 8 Sep",
    )
    await journey.come_to(date(2026, 8, 11), 12)
    await initial_checks.progressed(journey, case)
    await journey.come_to(date(2026, 8, 13), 10)
    await final_report.withdraw(journey, case)
    await journey.come_to(date(2026, 8, 14), 9)
    decided = await final_report.decide_withdrawal(journey, case, carry_on=True)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 12 Aug",
        face_to_face="ended Tue 25 Aug",
        risk_assessment="ended Wed 2 Sep",
        categorise_and_refer="ended Wed 2 Sep",
        whole_case="ended Tue 8 Sep",
    )
    assert await _why_ended(journey, case) == {"conversion"}
    await final_report.settle_and_close(journey, case, [she])
    await journey.expect_closed(case, "withdrawn")
    await journey.expect_alerts(case)
    await _carried_on(journey, str(decided["continued_as"]), follows=case)


async def _carried_on(journey: Journey, case: str, *, follows: str) -> None:
    """The linked right to know, received on Friday 14 August, to its disclosure."""
    she = intake.parties(journey, case)["potential_victim"][0]
    shown = await journey.case_file(case)
    assert (shown["follows_id"], shown["follows_because"]) == (follows, "continues_as_right_to_know")
    assert shown["parties"]["applicant"] is None
    await journey.expect_clocks(  # the first contact still counts for the whole case, and for nothing else
        case,
        initial_checks="running Sat 15 Aug",
        categorise_and_refer="running Fri 21 Aug",
        whole_case="running Tue 8 Sep",
    )
    assert (await journey.clocks(case))["whole_case"]["starts_from"] == "initial_contact"

    await journey.come_to(date(2026, 8, 14), 17)
    await initial_checks.progressed(journey, case)
    await initial_checks.identify(journey, case)
    met = {"initial_checks": "met_in_time Sat 15 Aug"}
    await journey.expect_clocks(
        case,
        **met,
        risk_assessment="running Fri 21 Aug",  # prioritised, and counted from receipt
        categorise_and_refer="running Fri 21 Aug",
        whole_case="running Tue 8 Sep",
    )
    await journey.come_to(date(2026, 8, 19), 10)
    await journey.expect_alerts(case, officer=["risk_assessment due_soon-2d", "categorise_and_refer due_soon-2d"])
    await risk_assessment.assess(journey, case, she)
    await categorisation.to_forum(journey, case)
    met |= {"risk_assessment": "met_in_time Fri 21 Aug", "categorise_and_refer": "met_in_time Fri 21 Aug"}
    await journey.expect_clocks(case, **met, whole_case="running Tue 8 Sep")

    await journey.come_to(date(2026, 9, 2), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)
    await journey.come_to(date(2026, 9, 4), 12)
    await journey.expect_alerts(case, officer=["whole_case due_soon-2d"])
    await disclosure.deliver(journey, case, she, decision)
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 8 Sep")
    report = await journey.report_and_close(case, "disclosed")
    assert report["dates"]["first_contact_at"] == "2026-08-11T08:00:00Z"
    await journey.expect_alerts(case)


async def test_malicious(journey: Journey) -> None:
    """A third party made it up: two persons find so, and the request ends (H5.1a)."""
    case = await intake.opened(journey, journey.mother_asks())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 16 Sep",
        face_to_face="running Tue 29 Sep",
        categorise_and_refer="projected Tue 6 Oct",
        whole_case="running Tue 13 Oct",
    )
    await journey.come_to(date(2026, 9, 15), 14)
    await initial_checks.progressed(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 16 Sep",
        face_to_face="running Tue 29 Sep",
        categorise_and_refer="projected Tue 6 Oct",
        whole_case="running Tue 13 Oct",
    )
    await journey.come_to(date(2026, 9, 22), 10)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await face_to_face.meet(journey, case)
    await face_to_face.find_malicious(journey, case)
    assert _codes(await face_to_face.try_to_agree(journey, case, by="officer")) == ["same_person"]
    met = {"initial_checks": "met_in_time Wed 16 Sep", "face_to_face": "met_in_time Tue 29 Sep"}
    await journey.expect_clocks(case, **met, categorise_and_refer="running Tue 29 Sep", whole_case="running Tue 13 Oct")

    await journey.come_to(date(2026, 9, 23), 10)
    await face_to_face.agree(journey, case)
    await journey.expect_clocks(case, **met, categorise_and_refer="ended Tue 29 Sep", whole_case="ended Tue 13 Oct")
    assert await _why_ended(journey, case) == {"non_progression"}
    await final_report.settle_and_close(journey, case, [she])
    await journey.expect_closed(case, "malicious")
    await journey.expect_alerts(case)


async def test_subject_deceased(journey: Journey) -> None:
    """The subject's death is verified while the meeting is being arranged (H4.5)."""
    case = await intake.opened(journey, journey.asks_herself())
    await journey.come_to(date(2026, 9, 29), 15)
    await initial_checks.progressed(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 30 Sep",
        face_to_face="running Tue 13 Oct",
        risk_assessment="projected Tue 20 Oct",
        categorise_and_refer="projected Tue 20 Oct",
        whole_case="running Tue 27 Oct",
    )
    await journey.come_to(date(2026, 10, 1), 11)
    await final_report.subject_deceased(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 30 Sep",
        face_to_face="ended Tue 13 Oct",
        risk_assessment="ended Tue 20 Oct",
        categorise_and_refer="ended Tue 20 Oct",
        whole_case="ended Tue 27 Oct",
    )
    await journey.report_and_close(case, "subject_deceased")
    await journey.expect_alerts(case)


async def test_not_completed(journey: Journey) -> None:
    """The applicant is tried as often and as far apart as the edition says, and not reached (H7.6)."""
    case = await intake.opened(journey, journey.asks_herself())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.come_to(date(2026, 10, 6), 11)
    await initial_checks.progressed(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 7 Oct",
        face_to_face="running Tue 20 Oct",
        risk_assessment="projected Tue 27 Oct",
        categorise_and_refer="projected Tue 27 Oct",
        whole_case="running Tue 3 Nov",
    )
    for day in (7, 8):
        await journey.come_to(date(2026, 10, day), 12)
        await final_report.attempt(journey, she, case)
    early = {"party_id": she, "because": "not_reached", "reason": "Tried twice."}
    answer = await journey.as_("supervisor").post(
        final_report.path(case, "not-completed"), early, headers=await journey.if_match(case)
    )
    assert _codes(answer) == ["too_few_attempts"]
    await journey.come_to(date(2026, 10, 13), 12)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await final_report.attempt(journey, she, case)
    await final_report.not_completed(journey, case, she)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 7 Oct",
        face_to_face="ended Tue 20 Oct",
        risk_assessment="ended Tue 27 Oct",
        categorise_and_refer="ended Tue 27 Oct",
        whole_case="ended Tue 3 Nov",
    )
    assert await _why_ended(journey, case) == {"non_completion"}
    await final_report.settle_and_close(journey, case, [she])
    await journey.expect_closed(case, "not_completed")
    await journey.expect_alerts(case)


async def _why_ended(journey: Journey, case: str) -> set[str]:
    clocks = await journey.clocks(case)
    return {one["ended_because"] for one in clocks.values() if one["ended_at"] is not None}


def _codes(answer: Any) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [one["code"] for one in answer.json()["obstacles"]]
