"""Right to ask, to its end: disclosed and signed; asked by a third party; no concern (H3 to H8)."""

from datetime import date
from typing import Any

from app.editions import edition
from tests.journeys.journey import Journey
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    forum,
    initial_checks,
    intake,
    risk_assessment,
)

STANDARD: dict[str, Any] = {"risk": {"grade": "standard", "reason": "Nothing is reported but worry."}}


async def test_disclosed_and_signed(journey: Journey) -> None:
    """The potential victim asks, is met, and is told in the words that the record keeps."""
    case = await intake.opened(journey, journey.asks_herself())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 6 May",
        face_to_face="running Tue 19 May",
        risk_assessment="projected Wed 27 May",  # 25 May is a bank holiday
        categorise_and_refer="projected Wed 27 May",
        whole_case="running Tue 2 Jun",
    )
    await journey.come_to(date(2026, 5, 5), 21)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-12h"])
    await journey.come_to(date(2026, 5, 6), 8)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-4h"])
    await initial_checks.progressed(journey, case)
    await initial_checks.identify(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 6 May",
        face_to_face="running Tue 19 May",
        risk_assessment="projected Wed 27 May",
        categorise_and_refer="projected Wed 27 May",
        whole_case="running Tue 2 Jun",
    )

    await journey.come_to(date(2026, 5, 13), 14)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await face_to_face.meet(journey, case)
    await journey.expect_clocks(  # from the actual meeting, no longer from its limit (H9.2)
        case,
        initial_checks="met_in_time Wed 6 May",
        face_to_face="met_in_time Tue 19 May",
        risk_assessment="running Wed 20 May",
        categorise_and_refer="running Wed 20 May",
        whole_case="running Tue 2 Jun",
    )

    await journey.come_to(date(2026, 5, 18), 10)
    await journey.expect_alerts(case, officer=["risk_assessment due_soon-2d", "categorise_and_refer due_soon-2d"])
    await risk_assessment.assess(journey, case, she)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 6 May",
        face_to_face="met_in_time Tue 19 May",
        risk_assessment="met_in_time Wed 20 May",
        categorise_and_refer="running Wed 20 May",
        whole_case="running Tue 2 Jun",
    )

    await journey.come_to(date(2026, 5, 19), 15)
    await journey.expect_alerts(case, officer=["categorise_and_refer due_soon-1d"])
    await categorisation.to_forum(journey, case)
    met = {
        "initial_checks": "met_in_time Wed 6 May",
        "face_to_face": "met_in_time Tue 19 May",
        "risk_assessment": "met_in_time Wed 20 May",
        "categorise_and_refer": "met_in_time Wed 20 May",
    }
    await journey.expect_clocks(case, **met, whole_case="running Tue 2 Jun")

    await journey.come_to(date(2026, 5, 26), 14)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)
    await journey.expect_clocks(case, **met, whole_case="running Tue 2 Jun")

    await journey.come_to(date(2026, 5, 28), 18)
    await journey.expect_alerts(case)
    told = await disclosure.deliver(journey, case, she, decision)
    assert (told["stage"], told["put_before_supervisor"]) == ("final_report", [])
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 2 Jun")
    kept = await journey.as_("officer").must_get(disclosure.path(case, f"disclosures/{told['id']}"))
    assert (kept["words"], kept["undertaking"], kept["recipient_signature"]) == (disclosure.WORDS, "signed", "signed")

    await journey.come_to(date(2026, 5, 29), 11)
    report = await journey.report_and_close(case, "disclosed")
    assert report["dates"]["delivered_at"] == "2026-05-28T17:00:00Z"
    assert [one["verbatim_sha256"] for one in report["conclusions"]] == [kept["sha256"]]
    await journey.expect_alerts(case)


async def test_third_party_asks(journey: Journey) -> None:
    """A mother asks; her daughter is told and will not sign; the mother hears words that confirm nothing (H7.4a)."""
    case = await intake.opened(journey, journey.mother_asks())
    parties = intake.parties(journey, case)
    she, mother = parties["potential_victim"][0], parties["applicant"][0]
    await journey.expect_clocks(  # no limit on the assessment where a third party asks (H5.2)
        case,
        initial_checks="running Wed 3 Jun",
        face_to_face="running Tue 16 Jun",
        categorise_and_refer="projected Tue 23 Jun",
        whole_case="running Tue 30 Jun",
    )
    await journey.come_to(date(2026, 6, 2), 16)
    await initial_checks.progressed(journey, case)
    await initial_checks.identify(journey, case)

    await journey.come_to(date(2026, 6, 10), 11)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await face_to_face.meet(journey, case)
    met = {"initial_checks": "met_in_time Wed 3 Jun", "face_to_face": "met_in_time Tue 16 Jun"}
    await journey.expect_clocks(case, **met, categorise_and_refer="running Wed 17 Jun", whole_case="running Tue 30 Jun")

    await journey.come_to(date(2026, 6, 15), 9)
    await journey.expect_alerts(case, officer=["categorise_and_refer due_soon-2d"])
    await risk_assessment.assess(journey, case, she)
    await journey.come_to(date(2026, 6, 16), 12)
    await journey.expect_alerts(case, officer=["categorise_and_refer due_soon-1d"])
    await categorisation.to_forum(journey, case)
    met["categorise_and_refer"] = "met_in_time Wed 17 Jun"
    await journey.expect_clocks(case, **met, whole_case="running Tue 30 Jun")

    await journey.come_to(date(2026, 6, 24), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    item = await forum.sitting(journey, case)
    shown = (await journey.case_file(case, by="idva"))["parties"]
    assert shown["applicant"] is None and "applicant" in shown["withheld"]  # the forum decides without knowing (H2.7)
    decision = await forum.disclosing(journey, item, she)

    await journey.come_to(date(2026, 6, 25), 18)
    told = await _told_unsigned(journey, case, she, decision)
    assert (told["stage"], told["put_before_supervisor"]) == ("disclosure", [])
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 30 Jun")  # not waiting for the neutral words
    assert await journey.what_next(case) == ["record_notice"]  # the mother waits for an answer

    await journey.come_to(date(2026, 6, 26), 10)
    notice = await disclosure.notice(journey, case, [she], kind="neutral", told_id=mother)
    assert (notice["stage"], notice["put_before_supervisor"]) == ("final_report", [])
    [kept] = await journey.as_("officer").must_get(disclosure.path(case, "non-disclosure-notices"))
    assert kept["words"] == edition("statutory-2023").words("neutral")
    assert "no information" not in kept["words"]
    report = await journey.report_and_close(case, "disclosed")
    [applied] = [one for one in report["parties"] if one["applied"]]
    assert applied["not_to_be_revealed_to"] == ["subject", "potential_victim"]
    await journey.expect_alerts(case)


async def _told_unsigned(journey: Journey, case: str, she: str, decision: str) -> dict[str, object]:
    """She refuses the undertaking; that is reconsidered, and she is told because her safety needs it (H7.1)."""
    await disclosure.plan(journey, case, she)
    item = await disclosure.prepare(journey, case)
    refused: dict[str, Any] = {"undertaking": "refused", "reconsideration": disclosure.NEEDED}
    body = disclosure.clearance(journey, she, decision, [item], **refused)
    answer = await journey.as_("officer2").post(
        disclosure.path(case, "delivery-clearance"),
        {**body, "reconsideration": None},
        headers=await journey.if_match(case),
    )
    assert [one["code"] for one in answer.json()["obstacles"]] == ["refusal_not_reconsidered"], answer.text
    cleared = await disclosure.clear(journey, case, body)
    given: dict[str, Any] = {
        "decision_id": decision,
        "clearance_id": cleared,
        "item_ids": [item],
        "recipient_signature": "refused",
    }
    return await disclosure.disclose(journey, case, disclosure.told(she, **given, **refused))


async def test_no_concern(journey: Journey) -> None:
    """Nothing suggests harm: a second person confirms it, and the applicant is told in person (H6.4, H7.4)."""
    case = await intake.opened(journey, journey.asks_herself(**STANDARD))
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 8 Jul",
        face_to_face="running Tue 21 Jul",
        risk_assessment="projected Tue 28 Jul",
        categorise_and_refer="projected Tue 28 Jul",
        whole_case="running Tue 4 Aug",
    )
    await journey.come_to(date(2026, 7, 7), 17)
    await initial_checks.progressed(journey, case, **STANDARD)

    await journey.come_to(date(2026, 7, 15), 10)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await face_to_face.meet(journey, case)
    met = {"initial_checks": "met_in_time Wed 8 Jul", "face_to_face": "met_in_time Tue 21 Jul"}
    await journey.expect_clocks(
        case,
        **met,
        risk_assessment="running Wed 22 Jul",
        categorise_and_refer="running Wed 22 Jul",
        whole_case="running Tue 4 Aug",
    )

    await journey.come_to(date(2026, 7, 17), 10)
    await risk_assessment.assess(journey, case, she, tool_grade="standard", **STANDARD)
    await categorisation.to_forum(journey, case, without_concern=True)
    met |= {"risk_assessment": "met_in_time Wed 22 Jul", "categorise_and_refer": "met_in_time Wed 22 Jul"}
    await journey.expect_clocks(case, **met, whole_case="running Tue 4 Aug")

    await journey.come_to(date(2026, 7, 29), 10)
    await journey.expect_alerts(case, officer=["whole_case due_soon-5d"])
    item = await forum.sitting(journey, case)
    decision = await forum.withholding(journey, item, she, confirmed_by=None)
    assert (await journey.case_file(case))["stage"] == "forum"
    await forum.confirm(journey, item, decision)
    await journey.expect_clocks(case, **met, whole_case="running Tue 4 Aug")  # until the applicant is told (H9.1)

    await journey.come_to(date(2026, 7, 31), 15)
    await journey.expect_alerts(case, officer=["whole_case due_soon-2d"])
    notice = await disclosure.notice(journey, case, [she], told_id=she)
    assert (notice["stage"], notice["put_before_supervisor"]) == ("final_report", [])
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 4 Aug")
    report = await journey.report_and_close(case, "no_disclosure")
    assert [one["how"] for one in report["conclusions"]] == ["told"]
    await journey.expect_alerts(case)
