"""Another scheme as data alone: other limits, systems, agencies, ages and words over the same stages (H9)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from app.clock import LONDON
from app.editions import edition
from tests.editions import further_editions
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
from tests.world import OWN, World

NAME = "scotland-45"
ANOTHER = {"given_names": "Gordon", "surname": "Inkster", "born": "1979-01-20"}


@pytest.fixture
def scotland(world: World) -> Iterator[World]:
    """The world's force in Scotland, with the agencies that sit there."""
    world.execute("UPDATE force SET division = 'scotland' WHERE id = %s", OWN)
    for agency, kind in (
        ("northmoor-probation", "social_work"),
        ("northmoor-idva", "womens_aid"),
        ("northmoor-social-care", "childrens_social_work"),
    ):
        world.execute("UPDATE agency SET kind = %s WHERE id = %s", kind, agency)
    with further_editions():
        yield world


def at(world: World, text: str) -> None:
    world.set_time(datetime.fromisoformat(text).replace(tzinfo=LONDON))


async def clocks(world: World, case: str) -> dict[str, str]:
    """Each clock: its state and its last day; its working agrees."""
    shown = await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")
    for one in shown:
        path = f"/v1/applications/{case}/clocks/{one['id']}/working"
        alone = await world.as_("officer").must_get(path)
        assert alone == one
        assert (one["edition"], one["edition_version"]) == (NAME, edition(NAME).content_version)
        if one["calendar_version"]:
            assert one["division"] == "scotland"
            assert [day["date"] for day in one["working"] if day["counted"]][-1] == one["due_on"]
    return {one["kind"]: f"{one['state']} {one['due_on']} {one['limit']}" for one in shown}


async def closed(world: World, case: str, outcome: str) -> None:
    """Write and submit the report, and close with nothing owed."""
    await final_report.report(world, case)
    await final_report.close(world, case)
    found = await world.as_("officer").must_get(f"/v1/applications/{case}")
    assert (found["stage"], found["outcome"], found["edition"]) == ("closed", outcome, NAME)
    assert found["edition_version"] == edition(NAME).content_version


async def test_right_to_ask_under_a_third_edition(scotland: World) -> None:
    """She asks, is met, and is told that there is nothing to disclose, in the words of that scheme."""
    case = await intake.opened(scotland, intake.right_to_ask(scotland, edition=NAME))
    she = intake.parties(scotland, case)["potential_victim"][0]
    assert await clocks(scotland, case) == {  # Monday 25 May is a bank holiday; no limit on the assessment is stated
        "initial_checks": "running 2026-05-07 48 hours",
        "face_to_face": "running 2026-05-27 15 working days",
        "categorise_and_refer": "projected 2026-06-05 7 working days",
        "whole_case": "running 2026-06-19 45 calendar days",
    }
    scotland.forward(hours=24)
    await scotland.sweep()
    rungs = [one["rung"] for one in (await scotland.as_("officer").must_get("/v1/alerts"))["items"]]
    assert rungs == ["due_soon-24h"]

    answer = await initial_checks.try_to_decide(scotland, case, initial_checks.decision(scotland, case))
    assert [one["says"].split(" is not done")[0] for one in answer.json()["obstacles"]] == [
        "Criminal History System on the subject",
        "Scottish Intelligence Database on the subject",
        "Scottish Intelligence Database on the potential victim",
        "Vulnerable Persons Database on the potential victim",
    ]
    await initial_checks.all_checks(scotland, case, visor_marker=True)  # shown by their system, not by the PNC
    await initial_checks.identify(scotland, case)
    await initial_checks.decide(scotland, case)

    at(scotland, "2026-05-20T14:00")
    await face_to_face.meet(scotland, case)
    await risk_assessment.assess(scotland, case, she)
    await categorisation.to_forum(scotland, case, without_concern=True)
    at(scotland, "2026-06-18T14:00")
    assert await clocks(scotland, case) == {
        "initial_checks": "met_in_time 2026-05-07 48 hours",
        "face_to_face": "met_in_time 2026-05-27 15 working days",
        "categorise_and_refer": "met_in_time 2026-06-01 7 working days",
        "whole_case": "running 2026-06-19 45 calendar days",
    }

    item = await forum.sitting(scotland, case, "chair", "police_member", "probation")
    assert await missing(scotland, item) == ["Women's Aid"]
    refused = await forum.decide(scotland, item, forum.not_to_disclose(she))
    assert refused.status_code == 409
    assert "Women's Aid" in refused.text
    await forum.taken_off(scotland, item)
    item = await forum.sitting(scotland, case)
    assert await missing(scotland, item) == []
    await forum.withholding(scotland, item, she)
    told = await disclosure.notice(scotland, case, [she], told_id=face_to_face.applicant(scotland, case))
    assert told["put_before_supervisor"] == []
    kept = await scotland.as_("officer").must_get(disclosure.path(case, "non-disclosure-notices"))
    assert "Forced Marriage Helpline is free, day and night, on 0800 027 1234" in kept[0]["words"]
    assert (await clocks(scotland, case))["whole_case"] == "met_in_time 2026-06-19 45 calendar days"
    await disclosure.plan(scotland, case, she)
    await closed(scotland, case, "no_disclosure")


async def missing(world: World, item: forum.Item) -> list[str]:
    """The agencies without which the forum decides nothing."""
    shown: dict[str, Any] = await world.as_("chair").must_get(item.path)
    return [str(one) for one in shown["agencies_missing"]]


async def test_right_to_know_under_a_third_edition(scotland: World) -> None:
    """The police learn of him, and she is told; the days are those of Scotland."""
    at(scotland, "2026-07-28T10:00")
    case = await intake.opened(scotland, intake.right_to_know(scotland, edition=NAME))
    she = intake.parties(scotland, case)["potential_victim"][0]
    expected = {  # no limit on the checks; Monday 3 August is a bank holiday there and nowhere else
        "categorise_and_refer": "running 2026-08-12 10 working days",
        "whole_case": "running 2026-09-11 45 calendar days",
    }
    assert await clocks(scotland, case) == expected
    await initial_checks.all_checks(scotland, case)
    await initial_checks.identify(scotland, case)
    await initial_checks.decide(scotland, case)
    assert await clocks(scotland, case) == expected
    await risk_assessment.assess(scotland, case, she)
    at(scotland, "2026-08-13T09:00")
    await lateness.plan_meanwhile(scotland, case)
    await categorisation.to_forum(scotland, case)
    decision = await forum.disclosing(scotland, await forum.sitting(scotland, case), she)
    at(scotland, "2026-09-11T23:30")
    await lateness.plan_meanwhile(scotland, case)
    await disclosure.deliver(scotland, case, she, decision)
    assert await clocks(scotland, case) == {
        "categorise_and_refer": "met_late 2026-08-12 10 working days",
        "whole_case": "met_in_time 2026-09-11 45 calendar days",
    }
    await closed(scotland, case, "disclosed")


async def test_one_clocks_working_is_of_its_case(scotland: World) -> None:
    case = await intake.opened(scotland, intake.right_to_ask(scotland, edition=NAME))
    other = await intake.opened(scotland, intake.right_to_ask(scotland, subject=ANOTHER))
    shown = {one["kind"]: one for one in await scotland.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    clock = shown["face_to_face"]
    assert (clock["starts_from"], clock["mark"], clock["source"]) == ("initial_contact", "assumed", "Assumed for tests")
    assert clock["calendar_source"] and clock["calendar_version"]
    assert {"date": "2026-05-25", "counted": False, "number": None, "why": "Spring bank holiday"} in clock["working"]
    assert shown["initial_checks"]["calendar_source"] is None
    for wrong in (f"{other}/clocks/{clock['id']}", f"{case}/clocks/{other}", f"{case}/clocks/none"):
        answer = await scotland.as_("officer").get(f"/v1/applications/{wrong}/working")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:clares-law:problem:clock_not_found")
