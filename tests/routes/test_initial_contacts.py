"""What was said at intake and at every further contact is read again by whoever decides on it (H3.2, H3.3, H3.5)."""

from datetime import timedelta
from typing import Any

import pytest

from app.process import Stage
from tests.arrange import place_at
from tests.steps import forum, intake
from tests.world import STAFF, World

TOLD = {"channel", "taken_by", "why", "risk_indicators", "consent_to_share", "consent_reason"}
INFORMATION = {"received_from", "received_from_detail", "source_grading", "veracity"}


def path(case: str) -> str:
    return f"/v1/applications/{case}/initial-contacts"


def newest_row(world: World, key: str) -> dict[str, Any]:
    query = (
        "SELECT l.*, ARRAY(SELECT p.surname FROM access_log_individual i JOIN person p ON p.id = i.person_id "
        "WHERE i.log_id = l.id ORDER BY p.surname, p.given_names) people "
        "FROM access_log l WHERE staff_id = %s ORDER BY logged_at DESC LIMIT 1"
    )
    return world.rows(query, STAFF[key].id)[0]


async def test_the_account_of_the_applicant_is_read_again_as_it_was_typed(world: World) -> None:
    refused = {"consent_to_share": False, "consent_reason": "To prevent an assault."}
    body = intake.right_to_ask(world, world.now - timedelta(hours=2), **refused)
    case = await intake.opened(world, body)
    [told] = await world.as_("officer").must_get(path(case))
    assert {name: told[name] for name in TOLD} == {name: body[name] for name in TOLD}
    assert {told[name] for name in INFORMATION} == {None}
    assert told["occurred_at"] == "2026-05-05T07:00:00Z"
    assert told["recorded_by"] == str(STAFF["control_room"].id)
    assert told["withheld"] == []


async def test_a_further_contact_is_read_with_its_content_after_the_first(world: World) -> None:
    case = await intake.opened(world)
    world.forward(hours=1)
    again = {**intake.contact(world), "why": "He was at her door.", "channel": "in_person", "risk_indicators": []}
    made = await world.as_("control_room").must_post(path(case), again)
    world.forward(hours=1)
    joined = intake.third_party_asks(world, why="Her daughter told her of a bruise.")
    assert (await world.as_("control_room").must_post("/v1/applications", joined))["joined"]
    told = await world.as_("officer").must_get(path(case))
    assert [one["why"] for one in told] == [intake.contact(world)["why"], again["why"], joined["why"]]
    assert (told[1]["id"], told[1]["channel"], told[1]["risk_indicators"]) == (made["id"], "in_person", [])


async def test_the_information_received_is_read_with_its_grading(world: World) -> None:
    body = intake.right_to_know(world)
    case = await intake.opened(world, body)
    [told] = await world.as_("supervisor").must_get(path(case))
    given = body["information"]
    assert {name: told[name] for name in INFORMATION} == {
        "received_from": given["received_from"],
        "received_from_detail": given["detail"],
        "source_grading": given["grading"],
        "veracity": given["veracity"],
    }
    again = {**intake.contact(world), "information": {**given, "received_from": "intelligence", "grading": "3DC"}}
    world.forward(hours=1)
    await world.as_("officer").must_post(path(case), again)
    told = await world.as_("supervisor").must_get(path(case))
    assert [one["source_grading"] for one in told] == ["1BP", "3DC"]


@pytest.mark.parametrize("key", ["control_room", "officer", "supervisor", "head", "standards"])
async def test_whoever_sees_the_applicant_reads_it_and_everybody_in_the_case_is_logged(world: World, key: str) -> None:
    case = await intake.opened(world, intake.third_party_asks(world))
    [told] = await world.as_(key).must_get(path(case))
    assert told["why"] == intake.contact(world)["why"]
    row = newest_row(world, key)
    assert (row["action"], row["category"], str(row["case_id"])) == ("read_records", "consultation", case)
    assert row["people"] == ["Merrick", "Tarrant", "Tarrant"]
    assert set(row["fields"]) >= TOLD | INFORMATION


@pytest.mark.parametrize("key", ["intelligence", "auditor"])
@pytest.mark.parametrize("route", [intake.third_party_asks, intake.right_to_know])
async def test_whoever_may_not_see_what_was_said_is_not_shown_that_anything_was(
    world: World, key: str, route: Any
) -> None:
    case = await intake.opened(world, route(world))
    place_at(world, case, Stage.CLOSED)
    assert await world.as_(key).must_get(path(case)) == []
    row = newest_row(world, key)
    assert (row["people"], row["decision"]) == ([], "allowed")
    assert not (TOLD | INFORMATION) & set(row["fields"])


async def test_the_forum_another_force_and_an_officer_without_a_reason_read_nothing_of_it(world: World) -> None:
    case = await forum.waiting(world)
    await forum.sitting(world, case)
    with world.unchanged(refusals=5):
        for key, status in (("chair", 403), ("probation", 403), ("administrator", 403), ("other_officer", 404)):
            answer = await world.as_(key).get(path(case))
            assert answer.status_code == status, (key, answer.text)
            assert intake.contact(world)["why"] not in answer.text
        token = {"Authorization": f"Bearer {world.as_('officer').token}"}
        assert (await world.http.get(path(case), headers=token)).status_code == 428
