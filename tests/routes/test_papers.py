"""The papers of an agenda item: what the forum decides on, for as long as the item stands, and no more (H2.7, H6.3)."""

from typing import Any

import pytest

from tests.arrange import emergency_authority, version_of
from tests.steps import categorisation, disclosure, forum, intake, risk_assessment
from tests.steps.forum import Item
from tests.world import STAFF, World

AS_TYPED = "And once more: Zoë Ó Briain, زينب, 李 🏠.\n\tA second line."
SITS = ("chair", "police_member", "probation", "idva")
NOT_BEFORE_THE_FORUM = ("Askwhy", "Maureen", "Asked at the desk", "Quarry Lane", "Workplace", "Mobile", "Answermark")


def codes(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def laid(world: World) -> Item:
    """A third party asks, the case is worked, and it stands on the agenda of a sitting forum."""
    case = await forum.waiting(world, intake.third_party_asks(world, why="Askwhy", taken_by="Asked at the desk"))
    [she] = intake.parties(world, case)["potential_victim"]
    await risk_assessment.assess(world, case, she, answers={"1": "Answermark"})
    await disclosure.plan(world, case, she)
    own = await disclosure.prepare(world, case)
    others = await disclosure.prepare(
        world, case, disclosure.behaviour(text="Theirs.", owner="Probation", handling="C")
    )
    await disclosure.agree(world, case, others)
    spent = disclosure.conviction("2004-06-03", {"type": "fine"}, text="Fined in 2004.")
    await disclosure.prepare(world, case, spent)
    again = disclosure.behaviour(text="Police were called in 2024.", supersedes_id=own)
    await disclosure.prepare(world, case, again)
    named = disclosure.behaviour(text="A neighbour told us.", identifies_earlier_victim_or_source=True)
    await disclosure.prepare(world, case, named)
    return await forum.sitting(world, case)


async def read(world: World, item: Item, key: str) -> Any:
    return await world.as_(key).must_get(f"{item.path}/papers")


@pytest.mark.parametrize("key", SITS)
async def test_whoever_sits_reads_what_is_decided_on_and_nothing_of_who_asked(world: World, key: str) -> None:
    item = await laid(world)
    answer = await world.as_(key).get(f"{item.path}/papers")
    papers = answer.json()
    [she] = papers["potential_victims"]
    assert (she["categorisation"]["category"], she["categorisation"]["factors"][0]["answer"]) == (
        "concern",
        "Assault, 2023 and 2024.",
    )
    assert she["categorisation"]["reasons"] == categorisation.concern("")["reasons"]
    assert she["risk_assessment"]["grade"] == "medium"
    assert she["risk_assessment"]["reason"] == "Escalating control; no recent violence."
    assert she["safety_plan"]["plan"] == "Locks changed; code word agreed."
    assert she["emergency_authority"] is None
    assert {
        one["text"]: (one["owner"], one["owner_agreed"], one["spent_today"]) for one in papers["prepared_items"]
    } == {
        "Theirs.": ("Probation", True, False),
        "Fined in 2004.": ("Own force", False, True),
        "Police were called in 2024.": ("Own force", False, False),
    }
    assert papers["prepared_items_kept_back"] == 1
    assert papers["referral"]["note"] == "Categorised; for the next meeting."
    assert [one["choice"] for one in papers["representations"]] == ["not_sought"]
    assert (papers["representations_answers"], papers["representations_awaited"]) == ([], False)
    assert "Not to be revealed" in papers["not_to_be_revealed"]
    assert not [one for one in (*NOT_BEFORE_THE_FORUM, "neighbour") if one in answer.text]
    assert answer.headers["ETag"] == version_of(world, item.case_id)["If-Match"]


async def test_the_newest_of_each_is_read_for_each_potential_victim(world: World) -> None:
    case = await forum.waiting(world, forum.two_victims(world))
    first, second = intake.parties(world, case)["potential_victim"]
    for reasons in ("Looked at again.", AS_TYPED):  # at one instant: the order of writing decides
        await categorisation.categorised(world, case, categorisation.no_concern(first, reasons=reasons))
    await risk_assessment.assess(world, case, second)
    world.forward(minutes=5)
    await risk_assessment.assess(world, case, second, signed_off=False, tool_grade="high", override_reason="Not yet.")
    item = await forum.sitting(world, case)
    papers = {one["potential_victim_id"]: one for one in (await read(world, item, "probation"))["potential_victims"]}
    assert {one: papers[one]["categorisation"]["reasons"] for one in papers} == {
        first: AS_TYPED,
        second: categorisation.concern("")["reasons"],
    }
    assert papers[first]["risk_assessment"] is papers[first]["safety_plan"] is None
    assert papers[second]["risk_assessment"]["tool_grade"] == "medium"


async def test_an_emergency_that_told_a_third_party_who_asked_is_reviewed_without_naming_her(world: World) -> None:
    case = await intake.opened(world, intake.third_party_asks(world))
    parts = intake.parties(world, case)
    [she], [mother] = parts["potential_victim"], parts["applicant"]
    authority = emergency_authority(world, case, she, recipient=mother)
    item = await forum.sitting(world, case)
    for key, shown in (("probation", None), ("chair", None), ("police_member", mother), ("supervisor", mother)):
        answer = await world.as_(key).get(f"{item.path}/papers")
        [papers] = answer.json()["potential_victims"]
        told = papers["emergency_authority"]
        assert (told["id"], told["why_it_cannot_wait"]) == (authority, "He is released today."), key
        assert told["recipient_id"] == shown, key
        assert told["withheld"] == ([] if shown else ["recipient_id"]), key
        assert "delivery" not in told and "Surgery" not in answer.text, key
        assert (mother in answer.text) is (shown is not None), key


async def test_representations_that_were_sought_are_awaited_until_there_is_an_answer(world: World) -> None:
    case = await forum.waiting(world)
    words = {"choice": "sought", "reason": "There is time.", "words": "We look into something."}
    world.forward(minutes=5)
    asked = await categorisation.considered(world, case, by="supervisor", **words)
    item = await forum.sitting(world, case)
    papers = await read(world, item, "idva")
    assert (papers["representations_awaited"], papers["representations_answers"]) == (True, [])
    assert [one["words"] for one in papers["representations"]] == [None, "We look into something."]
    said = {"representations_id": asked["id"], "outcome": "given", "answer": "He denies it."}
    await world.as_("officer").must_post(f"/v1/applications/{case}/representations/answers", said)
    papers = await read(world, item, "idva")
    assert papers["representations_awaited"] is False
    assert [one["answer"] for one in papers["representations_answers"]] == ["He denies it."]


async def test_reading_the_papers_is_logged_with_whom_they_are_about(world: World) -> None:
    item = await laid(world)
    await read(world, item, "probation")
    query = (
        "SELECT l.*, ARRAY(SELECT p.surname FROM access_log_individual i JOIN person p ON p.id = i.person_id "
        "WHERE i.log_id = l.id ORDER BY p.surname) people FROM access_log l WHERE staff_id = %s ORDER BY logged_at"
    )
    row = world.rows(query, STAFF["probation"].id)[-1]
    assert (row["action"], row["category"], str(row["case_id"])) == ("read_papers", "consultation", item.case_id)
    assert row["people"] == ["Merrick", "Tarrant"]
    assert {"potential_victims", "prepared_items", "referral", "representations"} <= set(row["fields"])


async def test_off_the_agenda_there_are_no_papers(world: World) -> None:
    item = await laid(world)
    papers = f"{item.path}/papers"
    await forum.conflicted(world, item, "social_care")
    with world.unchanged(refusals=6):
        assert codes(await world.as_("social_care").get(papers))[0] == 404
        assert codes(await world.as_("partner_chair").get(papers))[0] == 404
        assert codes(await world.as_("other_officer").get(papers))[0] == 404
        for key in ("intelligence", "auditor", "administrator"):
            assert codes(await world.as_(key).get(papers)) == (403, "role_may_not"), key
    await forum.taken_off(world, item)
    with world.unchanged(refusals=4):
        for key in ("probation", "chair", "officer", "supervisor"):
            answer = await world.as_(key).get(papers)
            assert answer.status_code == 404, (key, answer.text)
    assert (await world.as_("officer").must_get(item.path))["ended_because"] == "taken_off"


async def test_once_it_is_decided_the_papers_are_withdrawn(world: World) -> None:
    item = await laid(world)
    [she] = intake.parties(world, item.case_id)["potential_victim"]
    await forum.disclosing(world, item, she)
    with world.unchanged(refusals=3):
        assert codes(await world.as_("probation").get(f"{item.path}/papers"))[0] == 404
        for key in ("chair", "supervisor"):
            assert codes(await world.as_(key).get(f"{item.path}/papers")) == (404, "papers_withdrawn")


async def test_an_officer_of_another_case_says_why_the_papers_are_read_and_who_sits_need_not(world: World) -> None:
    item = await laid(world)
    world.execute("UPDATE application SET assigned_to = NULL, created_by = %s", STAFF["control_room"].id)
    for key, status in (("officer", 428), ("police_member", 200), ("probation", 200), ("supervisor", 200)):
        token = {"Authorization": f"Bearer {world.as_(key).token}"}
        answer = await world.http.get(f"{item.path}/papers", headers=token)
        assert answer.status_code == status, (key, answer.text)
    await read(world, item, "officer")
    said = world.rows("SELECT reason FROM access_log WHERE staff_id = %s ORDER BY logged_at", STAFF["officer"].id)
    assert said[-1]["reason"] == "cover"
