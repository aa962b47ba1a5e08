"""Representations, categories and the referral at the door (H5.3 to H5.6)."""

from typing import Any

import httpx
import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import categorisation as steps
from tests.steps import intake
from tests.world import World


@pytest.fixture
async def case(world: World) -> str:
    """A right to ask that waits to be categorised."""
    opened = await intake.opened(world)
    place_at(world, opened, Stage.CATEGORISATION)
    return opened


def victim(world: World, case: str) -> str:
    return intake.parties(world, case)["potential_victim"][0]


async def decide(world: World, case: str, path: str, body: Any, *, by: str = "officer") -> httpx.Response:
    return await world.as_(by).post(f"/v1/applications/{case}/{path}", body, headers=version_of(world, case))


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [obstacle["code"] for obstacle in answer.json()["obstacles"]]


async def test_from_categorisation_to_the_forum(world: World, case: str) -> None:
    await steps.considered(world, case)
    await steps.categorised(world, case, steps.concern(victim(world, case)))
    receipt = await steps.referred(world, case)
    assert receipt["stage"] == "forum"
    officer = world.as_("officer")
    [category] = await officer.must_get(f"/v1/applications/{case}/categorisation")
    assert category["category"] == "concern"
    assert category["factors"] == [
        {"factor": "unspent_convictions", "present": True, "answer": "Assault, 2023 and 2024."}
    ]
    [considered] = await officer.must_get(f"/v1/applications/{case}/representations")
    assert (considered["choice"], considered["potential_victim_id"]) == ("not_sought", None)
    assert len(await officer.must_get(f"/v1/applications/{case}/referral")) == 1


async def test_the_referral_meets_its_clock(world: World) -> None:
    opened = await intake.opened(world, intake.right_to_know(world))
    place_at(world, opened, Stage.CATEGORISATION)
    world.forward(days=1)
    await steps.to_forum(world, opened, without_concern=True)
    query = "SELECT met_at FROM clock WHERE case_id = %s AND kind = 'categorise_and_refer'"
    assert [row["met_at"] for row in world.rows(query, opened)] == [world.now]


async def test_the_newest_category_holds(world: World, case: str) -> None:
    await steps.categorised(world, case, steps.concern(victim(world, case)))
    await steps.categorised(world, case, steps.no_concern(victim(world, case)))
    shown = world.rows("SELECT category FROM categorisation WHERE case_id = %s ORDER BY position", case)
    assert [row["category"] for row in shown] == ["concern", "no_concern"]


async def test_no_concern_is_refused_with_every_obstacle(world: World, case: str) -> None:
    body = steps.no_concern(victim(world, case), other_information=None)
    body["factors"] = [{"factor": "serial_perpetrator", "present": True}]
    with world.unchanged():
        answer = await decide(world, case, "categorisation", body)
    assert codes(answer) == ["factor_not_considered"] * 3 + ["factor_unanswered", "absence_of_convictions_alone"]
    assert "convictions alone never suffices" in answer.json()["detail"]


async def test_concern_is_a_finding_of_harm(world: World, case: str) -> None:
    with world.unchanged():
        answer = await decide(world, case, "categorisation", steps.concern(victim(world, case), risk_of_harm=None))
    assert codes(answer) == ["no_finding_of_harm"]


async def test_a_factor_twice_and_somebody_who_is_no_potential_victim_are_misfits(world: World, case: str) -> None:
    body = steps.concern(victim(world, case))
    with world.unchanged():
        answer = await decide(world, case, "categorisation", {**body, "factors": body["factors"] * 2})
    assert answer.status_code == 422
    with world.unchanged():
        answer = await decide(world, case, "categorisation", steps.concern(intake.parties(world, case)["subject"][0]))
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"] == "potential_victim_id"


@pytest.mark.parametrize("path", ["categorisation", "referral"])
async def test_out_of_order(world: World, case: str, path: str) -> None:
    place_at(world, case, Stage.RISK_ASSESSMENT)
    body = steps.concern(victim(world, case)) if path == "categorisation" else {"note": "Now."}
    with world.unchanged():
        answer = await decide(world, case, path, body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_stale_version_and_none_at_all(world: World, case: str) -> None:
    body = steps.concern(victim(world, case))
    with world.unchanged(refusals=2):
        path = f"/v1/applications/{case}/categorisation"
        stale = await world.as_("officer").post(path, body, headers={"If-Match": '"99"'})
        missing = await world.as_("officer").post(path, body)
    assert (stale.status_code, missing.status_code) == (412, 428)


async def test_the_referral_waits_for_categories_and_for_immediate_safeguarding(world: World) -> None:
    risk = {"grade": "high", "immediate": True, "reason": "He has threatened her today."}
    opened = await intake.opened(world, intake.right_to_ask(world, risk=risk))
    place_at(world, opened, Stage.CATEGORISATION)
    with world.unchanged():
        answer = await decide(world, opened, "referral", {"note": "Now."})
    assert codes(answer) == ["immediate_safeguarding_first", "not_categorised"]


async def test_each_potential_victim_is_categorised(world: World) -> None:
    victims = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
    opened = await intake.opened(world, intake.right_to_ask(world, potential_victims=victims))
    place_at(world, opened, Stage.CATEGORISATION)
    await steps.categorised(world, opened, steps.concern(victim(world, opened)))
    with world.unchanged():
        answer = await decide(world, opened, "referral", {"note": "Now."})
    assert codes(answer) == ["not_categorised"]


WORDS = "The police are considering whether information about you should be given to somebody, to keep them safe."


async def test_seeking_representations_is_a_supervisors(world: World, case: str) -> None:
    body = {"choice": "sought", "reason": "There is time, and no danger in asking.", "words": WORDS}
    with world.unchanged():
        answer = await decide(world, case, "representations", body)
    assert codes(answer) == ["representations_need_supervisor"]
    assert (await decide(world, case, "representations", body, by="supervisor")).status_code == 201


async def test_words_for_the_subject_never_name_the_applicant(world: World, case: str) -> None:
    body = {"choice": "sought", "reason": "There is time."}
    for words, code in ((None, "words_not_settled"), ("Ms Tarrant has asked us.", "words_identify_applicant")):
        with world.unchanged():
            answer = await decide(world, case, "representations", {**body, "words": words}, by="supervisor")
        assert codes(answer) == [code]
        assert "Tarrant" not in answer.text


async def test_the_subjects_answer_is_kept_and_an_unauthorised_one_flagged(world: World, case: str) -> None:
    sought = {"choice": "sought", "reason": "There is time.", "words": WORDS}
    asked = (await decide(world, case, "representations", sought, by="supervisor")).json()["id"]
    unasked = (await steps.considered(world, case))["id"]
    officer, path = world.as_("officer"), f"/v1/applications/{case}/representations/answers"
    said = {"outcome": "given", "answer": "He denies everything."}
    kept = await officer.must_post(path, {"representations_id": asked, **said})
    assert kept["put_before_supervisor"] == []
    flagged = await officer.must_post(path, {"representations_id": unasked, **said})
    assert [one["code"] for one in flagged["put_before_supervisor"]] == ["representations_not_authorised"]
    assert len(await officer.must_get(path)) == 2


async def test_an_answer_where_nothing_was_considered_is_kept_and_flagged(world: World, case: str) -> None:
    path = f"/v1/applications/{case}/representations/answers"
    said = {"outcome": "given", "answer": "He denies everything."}
    kept = await world.as_("officer").must_post(path, said)
    assert [one["code"] for one in kept["put_before_supervisor"]] == ["representations_not_authorised"]
    [shown] = await world.as_("officer").must_get(path)
    assert (shown["representations_id"], shown["answer"]) == (None, "He denies everything.")


async def test_an_answer_to_another_cases_representations_is_a_misfit(world: World, case: str) -> None:
    other = await intake.opened(world, intake.right_to_know(world, potential_victims=[intake.SECOND_VICTIM]))
    asked = (await steps.considered(world, other))["id"]
    body = {"representations_id": asked, "outcome": "declined"}
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case}/representations/answers", body)
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"] == "representations_id"


async def test_representations_are_considered_before_the_final_decision(world: World, case: str) -> None:
    place_at(world, case, Stage.DISCLOSURE)
    with world.unchanged():
        answer = await decide(world, case, "representations", steps.not_sought())
    assert answer.status_code == 409


async def test_the_control_room_may_not_and_another_force_finds_nothing(world: World, case: str) -> None:
    body = steps.concern(victim(world, case))
    with world.unchanged(refusals=2):
        barred = await decide(world, case, "categorisation", body, by="control_room")
        elsewhere = await decide(world, case, "categorisation", body, by="other_officer")
    assert (barred.status_code, elsewhere.status_code) == (403, 404)
