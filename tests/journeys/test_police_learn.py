"""Right to know, to its end: disclosed; not disclosed, and found again when the subject returns (H7.5)."""

from datetime import date
from typing import Any

from tests.journeys.journey import Journey
from tests.steps import (
    categorisation,
    disclosure,
    final_report,
    forum,
    initial_checks,
    intake,
    risk_assessment,
)

STANDARD: dict[str, Any] = {"risk": {"grade": "standard", "reason": "Nothing but the rumour itself."}}


async def test_right_to_know_disclosed(journey: Journey) -> None:
    """A partner agency sends information in; the case is prioritised, and the potential victim is told."""
    information = {
        "received_from": "partner_agency",
        "detail": "Independent domestic violence adviser service",
        "grading": "1BP",
        "veracity": "First hand, corroborated.",
    }
    body = journey.police_learn(channel="partner_agency", information=information)
    case = await intake.opened(journey, body, by="idva")
    she = intake.parties(journey, case)["potential_victim"][0]
    assert (await journey.as_("idva").get(f"/v1/applications/{case}")).status_code == 404  # sent in, not theirs to see
    await journey.expect_clocks(  # no meeting and, until prioritised, no limit on the assessment
        case,
        initial_checks="running Wed 24 Feb",
        categorise_and_refer="running Tue 2 Mar",
        whole_case="running Tue 23 Mar",
    )
    await journey.come_to(date(2027, 2, 23), 21)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-12h"])
    await initial_checks.progressed(journey, case, prioritised=True)
    await initial_checks.identify(journey, case)
    met = {"initial_checks": "met_in_time Wed 24 Feb"}
    await journey.expect_clocks(
        case,
        **met,
        risk_assessment="running Tue 2 Mar",
        categorise_and_refer="running Tue 2 Mar",
        whole_case="running Tue 23 Mar",
    )

    await journey.come_to(date(2027, 2, 26), 10)
    await journey.expect_alerts(case, officer=["risk_assessment due_soon-2d", "categorise_and_refer due_soon-2d"])
    await risk_assessment.assess(journey, case, she)
    met["risk_assessment"] = "met_in_time Tue 2 Mar"
    await journey.expect_clocks(case, **met, categorise_and_refer="running Tue 2 Mar", whole_case="running Tue 23 Mar")
    await journey.come_to(date(2027, 3, 2), 16)
    await journey.expect_alerts(case, officer=["categorise_and_refer due_today"])
    await categorisation.to_forum(journey, case)
    met["categorise_and_refer"] = "met_in_time Tue 2 Mar"
    await journey.expect_clocks(case, **met, whole_case="running Tue 23 Mar")

    await journey.come_to(date(2027, 3, 17), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)
    await journey.come_to(date(2027, 3, 18), 18)
    await disclosure.deliver(journey, case, she, decision)
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 23 Mar")
    report = await journey.report_and_close(case, "disclosed")
    assert not any(one["applied"] for one in report["parties"])
    await journey.expect_alerts(case)


async def test_found_again(journey: Journey) -> None:
    """Nothing is disclosed, with the reasons kept; when he returns with another, her application shows it at once."""
    case = await intake.opened(journey, journey.police_learn(**STANDARD))
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(  # Good Friday is 26 March, Easter Monday the 29th
        case,
        initial_checks="running Wed 24 Mar",
        categorise_and_refer="running Thu 1 Apr",
        whole_case="running Tue 20 Apr",
    )
    await journey.come_to(date(2027, 3, 23), 16)
    no_priority: dict[str, Any] = {"prioritised": False, "priority_reason": "Standard risk; no other victim is known."}
    await initial_checks.progressed(journey, case, **STANDARD, **no_priority)
    met = {"initial_checks": "met_in_time Wed 24 Mar"}
    await journey.expect_clocks(case, **met, categorise_and_refer="running Thu 1 Apr", whole_case="running Tue 20 Apr")
    await journey.come_to(date(2027, 3, 30), 10)
    await journey.expect_alerts(case, officer=["categorise_and_refer due_soon-2d"])
    await categorisation.to_forum(journey, case, without_concern=True)
    met["categorise_and_refer"] = "met_in_time Thu 1 Apr"

    await journey.come_to(date(2027, 4, 14), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    item = await forum.sitting(journey, case)
    decision = await forum.withholding(journey, item, she, confirmed_by=None)
    await journey.expect_clocks(case, **met, whole_case="running Tue 20 Apr")
    await journey.come_to(date(2027, 4, 14), 16)
    await forum.confirm(journey, item, decision)
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 20 Apr")  # by the confirmation (H9.1)
    await journey.come_to(date(2027, 4, 15), 10)
    notice = await disclosure.notice(journey, case, [she], kind="recorded")
    assert notice["stage"] == "final_report"
    report = await journey.report_and_close(case, "no_disclosure")
    await journey.expect_alerts(case)

    await journey.come_to(date(2027, 4, 27), 9)
    another = journey.person(intake.SECOND_VICTIM, is_applicant=True)
    answer = await journey.as_("control_room").must_post(
        "/v1/applications", journey.asks_herself(potential_victims=[another])
    )
    [earlier] = answer["earlier_applications"]
    assert (earlier["reference"], earlier["about"], earlier["own_force"]) == (report["reference"], "subject", True)
    await _looked_up(journey, answer["id"], report["reference"])
    await final_report.withdraw(journey, answer["id"])
    await final_report.decide_withdrawal(journey, answer["id"])
    await final_report.settle_and_close(
        journey, answer["id"], intake.parties(journey, answer["id"])["potential_victim"]
    )
    ended = await journey.expect_closed(answer["id"], "withdrawn")
    assert [one["reference"] for one in ended["earlier_applications"]] == [report["reference"]]


async def _looked_up(journey: Journey, case: str, reference: str) -> None:
    """What came of the earlier case stands in the new one, and another force's intelligence unit finds its report."""
    [earlier] = await journey.as_("officer").must_get(final_report.path(case, "earlier-applications"))
    assert (earlier["outcome"], earlier["disclosure_asked_for"], earlier["disclosure_made"]) == (
        "no_disclosure",
        False,
        False,
    )
    kept = await journey.as_("officer").must_get(disclosure.path(earlier["case_id"], "non-disclosure-notices"))
    assert kept[0]["rationale"].startswith("Nothing suggests harm")
    subject = journey.person(intake.SUBJECT)
    asked = {"surname": subject["surname"], "born": subject["born"]}
    found = await journey.as_("other_intelligence").must_post("/v1/final-reports/search", asked)
    assert [one["reference"] for one in found["reports"]] == [reference]
