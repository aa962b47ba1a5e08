"""What goes wrong is kept and seen: late at every step (H9.2, H11), and delivered without clearance (H2.10)."""

import hashlib
from datetime import date

from tests.journeys.journey import Journey
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    lateness,
    risk_assessment,
)
from tests.world import STAFF


async def test_late_at_every_step(journey: Journey) -> None:
    """Every limit passes undone; later limits count from the actual meeting; alerts climb to the head."""
    case = await intake.opened(journey, journey.asks_herself())
    order = {"staff_id": str(STAFF["officer"].id), "reason": "On duty this week."}
    await journey.as_("supervisor").must_post(
        final_report.path(case, "assignment"), order, headers=await journey.if_match(case)
    )
    await journey.expect_clocks(
        case,
        initial_checks="running Wed 21 Oct",
        face_to_face="running Tue 3 Nov",
        risk_assessment="projected Tue 10 Nov",
        categorise_and_refer="projected Tue 10 Nov",
        whole_case="running Tue 17 Nov",
    )
    await _late_checks(journey, case)
    await _late_meeting(journey, case)
    await _late_assessment_and_referral(journey, case)
    await _late_delivery(journey, case)


async def _late_checks(journey: Journey, case: str) -> None:
    """Due on Wednesday 21 October at nine; done on the Monday after, the clocks having gone back in between."""
    await journey.come_to(date(2026, 10, 20), 21)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-12h"])
    await journey.come_to(date(2026, 10, 21), 5)
    await journey.expect_alerts(case, officer=["initial_checks due_soon-4h"])
    await journey.come_to(date(2026, 10, 21), 9)
    assert (await journey.clocks(case))["initial_checks"]["state"] == "running"  # the last moment is still in time
    await journey.expect_alerts(case, supervisor=["initial_checks breached"])
    await journey.come_to(date(2026, 10, 22), 9)
    await journey.expect_alerts(case, supervisor=["initial_checks reminder-1"])
    await journey.come_to(date(2026, 10, 24), 9)  # a Saturday; nobody swept on Friday
    await journey.expect_alerts(case, head=["initial_checks reminder-3"])
    await journey.come_to(date(2026, 10, 25), 7, 59)
    await journey.expect_alerts(case)
    await journey.come_to(date(2026, 10, 25), 8)  # elapsed hours: nine in summer is eight in winter
    await journey.expect_alerts(case, head=["initial_checks reminder-4"])
    await journey.come_to(date(2026, 10, 26), 10)
    await journey.expect_alerts(case, head=["initial_checks reminder-5"])
    superseded = {one["rung"] for one in await journey.alerts(case) if one["superseded"]}
    assert superseded == {"reminder-2"}

    await initial_checks.all_checks(journey, case)
    refused = await initial_checks.try_to_decide(journey, case, initial_checks.decision(journey, case))
    assert [one["code"] for one in refused.json()["obstacles"]] == ["late_without_interim_plan"]  # not silently
    assert (await journey.what_next(case))[0] == "plan_meanwhile"
    await lateness.plan_meanwhile(journey, case)
    await initial_checks.decide(journey, case)
    await initial_checks.identify(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_late Wed 21 Oct",
        face_to_face="running Tue 3 Nov",
        risk_assessment="projected Tue 10 Nov",
        categorise_and_refer="projected Tue 10 Nov",
        whole_case="running Tue 17 Nov",
    )


async def _late_meeting(journey: Journey, case: str) -> None:
    """Due on 3 November; held on the 11th. What is only projected alerts and cannot breach (H9.2)."""
    await journey.come_to(date(2026, 10, 27), 9)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-5d"])
    await journey.come_to(date(2026, 10, 30), 9)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-2d"])
    she = intake.parties(journey, case)["potential_victim"][0]
    await final_report.attempt(journey, she, case, "missed_appointment")  # an attempt, and no meeting (H5.1)
    await journey.come_to(date(2026, 11, 2), 9)
    await journey.expect_alerts(case, officer=["face_to_face due_soon-1d"])
    await journey.come_to(date(2026, 11, 3), 9)
    await journey.expect_alerts(case, officer=["face_to_face due_today"])
    await journey.come_to(date(2026, 11, 4), 9)
    await journey.expect_alerts(case, supervisor=["face_to_face breached"])
    await journey.come_to(date(2026, 11, 11), 9)
    await journey.expect_alerts(
        case,
        officer=["risk_assessment due_today", "categorise_and_refer due_today", "whole_case due_soon-5d"],
        head=["face_to_face reminder-7"],
    )
    checks = {"initial_checks": "met_late Wed 21 Oct"}
    await journey.expect_clocks(
        case,
        **checks,
        face_to_face="breached Tue 3 Nov",
        risk_assessment="projected Tue 10 Nov",
        categorise_and_refer="projected Tue 10 Nov",
        whole_case="running Tue 17 Nov",
    )
    overdue = await journey.as_("supervisor").must_get("/v1/applications", params={"overdue": True})
    assert case in [one["id"] for one in overdue["items"]]

    held = await face_to_face.meet(journey, case)
    assert held["put_before_supervisor"] == []  # late, and typed at once: nothing is hidden
    await journey.expect_clocks(
        case,
        **checks,
        face_to_face="met_late Tue 3 Nov",
        risk_assessment="running Wed 18 Nov",
        categorise_and_refer="running Wed 18 Nov",
        whole_case="running Tue 17 Nov",
    )


async def _late_assessment_and_referral(journey: Journey, case: str) -> None:
    """Both due on 18 November, side by side; done on the 20th and the 24th. The whole case passes its day as well."""
    await journey.come_to(date(2026, 11, 19), 9)
    await journey.expect_alerts(
        case,
        supervisor=["risk_assessment breached", "categorise_and_refer breached", "whole_case reminder-1"],
    )
    late = {"initial_checks": "met_late Wed 21 Oct", "face_to_face": "met_late Tue 3 Nov"}
    await journey.expect_clocks(
        case,
        **late,
        risk_assessment="breached Wed 18 Nov",
        categorise_and_refer="breached Wed 18 Nov",
        whole_case="breached Tue 17 Nov",
    )
    await journey.come_to(date(2026, 11, 20), 10)
    await journey.expect_alerts(
        case,
        supervisor=["risk_assessment reminder-1", "categorise_and_refer reminder-1", "whole_case reminder-2"],
    )
    await risk_assessment.assess_everyone(journey, case)
    late["risk_assessment"] = "met_late Wed 18 Nov"
    await journey.expect_clocks(
        case, **late, categorise_and_refer="breached Wed 18 Nov", whole_case="breached Tue 17 Nov"
    )
    await journey.come_to(date(2026, 11, 24), 11)
    await journey.expect_alerts(case, head=["categorise_and_refer reminder-5", "whole_case reminder-6"])
    await lateness.plan_meanwhile(journey, case)  # more is late, and the first plan is past its review
    await categorisation.to_forum(journey, case)
    late["categorise_and_refer"] = "met_late Wed 18 Nov"
    await journey.expect_clocks(case, **late, whole_case="breached Tue 17 Nov")


async def _late_delivery(journey: Journey, case: str) -> None:
    """Told sixteen days late. Each level reads its own alerts; one that is acknowledged stops no clock."""
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.come_to(date(2026, 12, 1), 10)
    await journey.expect_alerts(case, head=["whole_case reminder-13"])
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)
    for reader, levels in (
        ("officer", {"officer"}),
        ("officer2", set()),  # the case is held by another
        ("supervisor", {"officer", "supervisor"}),
        ("head", {"officer", "supervisor", "head_of_public_protection"}),
    ):
        assert {one["level"] for one in await journey.alerts(case, by=reader)} == levels
    [newest] = [
        one
        for one in await journey.alerts(case)
        if one["rung"] == "reminder-13" and one["level"] == "head_of_public_protection"
    ]
    assert journey.name not in str(await journey.alerts(case))  # no name of any person (H2.2)
    seen = await journey.as_("head").must_post(f"/v1/alerts/{newest['id']}/acknowledgement")
    assert seen["acknowledged_at"] is not None

    await journey.come_to(date(2026, 12, 3), 12)
    await journey.expect_alerts(case, head=["whole_case reminder-15"])
    await disclosure.deliver(journey, case, she, decision)
    await journey.expect_clocks(
        case,
        initial_checks="met_late Wed 21 Oct",
        face_to_face="met_late Tue 3 Nov",
        risk_assessment="met_late Wed 18 Nov",
        categorise_and_refer="met_late Wed 18 Nov",
        whole_case="met_late Tue 17 Nov",
    )
    await journey.come_to(date(2026, 12, 7), 12)
    await journey.expect_alerts(case)  # met, so that nobody is reminded any more
    report = await journey.report_and_close(case, "disclosed")
    assert all(one["late"] for one in report["clocks"])


async def test_delivered_without_clearance(journey: Journey) -> None:
    """An officer tells her without clearance: kept byte for byte, before a supervisor, and not closed over (H2.10)."""
    case = await intake.opened(journey, journey.asks_herself())
    she = intake.parties(journey, case)["potential_victim"][0]
    await journey.come_to(date(2027, 1, 12), 15)
    await initial_checks.progressed(journey, case)
    await initial_checks.identify(journey, case)
    await journey.expect_clocks(
        case,
        initial_checks="met_in_time Wed 13 Jan",
        face_to_face="running Tue 26 Jan",
        risk_assessment="projected Tue 2 Feb",
        categorise_and_refer="projected Tue 2 Feb",
        whole_case="running Tue 9 Feb",
    )
    await journey.come_to(date(2027, 1, 18), 10)
    await face_to_face.meet(journey, case)
    await risk_assessment.assess(journey, case, she)
    await categorisation.to_forum(journey, case)
    met = {
        "initial_checks": "met_in_time Wed 13 Jan",
        "face_to_face": "met_in_time Tue 26 Jan",
        "risk_assessment": "met_in_time Mon 25 Jan",
        "categorise_and_refer": "met_in_time Mon 25 Jan",
    }
    await journey.expect_clocks(case, **met, whole_case="running Tue 9 Feb")
    await journey.come_to(date(2027, 1, 27), 10)
    await journey.expect_alerts(case)
    decision = await forum.disclosing(journey, await forum.sitting(journey, case), she)

    await journey.come_to(date(2027, 1, 28), 17)
    words = "She asked: “Has he hurt anybody?”\r\n\tI said: Yes — in 2025 he was convicted.  \n"
    await disclosure.plan(journey, case, she)
    item = await disclosure.prepare(journey, case)
    body = disclosure.told(she, words=words, decision_id=decision, item_ids=[item])
    told = await disclosure.disclose(journey, case, body)
    assert [one["code"] for one in told["put_before_supervisor"]] == ["not_cleared"]
    kept = await journey.as_("officer").must_get(disclosure.path(case, f"disclosures/{told['id']}"))
    assert kept["words"] == words
    assert kept["sha256"] == hashlib.sha256(words.encode()).hexdigest()
    await journey.expect_clocks(case, **met, whole_case="met_in_time Tue 9 Feb")  # she was told: that counts (H9.1)

    await journey.come_to(date(2027, 1, 29), 10)
    await final_report.report(journey, case)
    headers = await journey.if_match(case)
    refused = await journey.as_("officer").post(final_report.path(case, "closing"), {}, headers=headers)
    assert refused.status_code == 409, refused.text
    assert [one["code"] for one in refused.json()["obstacles"]] == ["supervisor_review"]
    [duty] = (await journey.case_file(case))["duties"]
    answer = {"answer": "Reviewed with the officer: decision, plan and recipient were right; clearance was forgotten."}
    path = final_report.path(case, f"duties/{duty['id']}/answer")
    assert (await journey.as_("officer").post(path, answer)).status_code == 403
    await journey.as_("supervisor").must_post(path, answer)
    await final_report.close(journey, case)
    await journey.expect_closed(case, "disclosed")
    await journey.expect_alerts(case)
