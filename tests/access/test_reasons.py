"""Why somebody reads a case that is not the own: a code, asked for where no office gives the reason (H12.1)."""

import itertools
from uuid import uuid4

import httpx
import pytest

from app.access.deciding import CaseFacts, needs_reason
from app.access.rules import FORUM_ROLES, Actor, Role
from app.process import Stage
from tests.arrange import place_at
from tests.naughty.courses import GRADE
from tests.steps import forum, intake
from tests.world import OWN, STAFF, World


async def _read(world: World, key: str, case: str, said: str | None = None, resource: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {world.as_(key).token}"} | ({"Access-Reason": said} if said else {})
    return await world.http.get(f"/v1/applications/{case}{resource}", headers=headers)


@pytest.mark.parametrize("resource", ["", "/timeline"])
async def test_an_officer_says_why_a_colleagues_case_is_read(world: World, resource: str) -> None:
    case = await intake.opened(world)
    with world.unchanged(refusals=2):
        asked = await _read(world, "officer", case, resource=resource)
        assert (asked.status_code, asked.json()["type"].rpartition(":")[2]) == (428, "reason_required")
        assert "cover" in asked.json()["detail"]
        assert (await _read(world, "officer", case, "curious about Alan", resource)).status_code == 422
    assert (await _read(world, "officer", case, "cover", resource)).status_code == 200
    world.execute("UPDATE application SET assigned_to = %s", STAFF["officer"].id)
    assert (await _read(world, "officer", case, resource=resource)).status_code == 200


async def test_the_control_room_reads_on_while_the_first_checks_run_and_intelligence_once_the_report_is_due(
    world: World,
) -> None:
    case = await intake.opened(world)
    world.execute("UPDATE application SET created_by = %s", STAFF["officer2"].id)
    answers = {}
    for stage in (Stage.INITIAL_CHECKS, Stage.RISK_ASSESSMENT, Stage.FINAL_REPORT):
        place_at(world, case, stage)
        for key in ("control_room", "intelligence", "supervisor", "standards"):
            answers[stage, key] = (await _read(world, key, case)).status_code
    asked = {where for where, status in answers.items() if status == 428}
    assert asked == {
        (Stage.RISK_ASSESSMENT, "control_room"),
        (Stage.FINAL_REPORT, "control_room"),
        (Stage.INITIAL_CHECKS, "intelligence"),
        (Stage.RISK_ASSESSMENT, "intelligence"),
    }
    assert set(answers.values()) == {200, 428}


async def test_it_is_asked_by_what_is_read_and_not_by_which_door(world: World) -> None:
    case = await forum.waiting(world)
    item = await forum.sitting(world, case)
    whole = f"/v1/applications/{case}"
    paths = [f"{item.path}{one}" for one in ("", "/minutes", "/conflicts", "/police-conclusions", "/decisions")]
    paths += [f"{whole}/{one}" for one in ("earlier-applications", "final-report", "intelligence-submissions")]
    token = {"Authorization": f"Bearer {world.as_('officer').token}"}
    for path in paths:
        with world.unchanged():
            asked = await world.http.get(path, headers=token)
        assert (asked.status_code, asked.json()["type"].rpartition(":")[2]) == (428, "reason_required"), path
        assert (await world.http.get(path, headers=token | {"Access-Reason": "intelligence"})).status_code == 200, path
    said = "SELECT count(*) AS n FROM access_log WHERE staff_id = %s AND NOT refused AND reason = 'intelligence'"
    assert world.rows(said, STAFF["officer"].id)[0]["n"] == len(paths)
    sits = {"Authorization": f"Bearer {world.as_('idva').token}"}
    assert (await world.http.get(item.path, headers=sits)).status_code == 200, "a seat is the reason"


async def test_an_act_waits_for_no_reason(world: World) -> None:
    case = await intake.opened(world)
    token = {"Authorization": f"Bearer {world.as_('officer').token}"}
    kept = await world.http.post(f"/v1/applications/{case}/risk-grades", json=GRADE, headers=token)
    assert kept.status_code == 201, kept.text


async def test_a_hidden_case_asks_for_no_reason(world: World) -> None:
    case = await intake.opened(world)
    assert (await _read(world, "other_officer", case)).status_code == 404


def test_nobody_is_asked_whose_office_or_part_in_the_case_is_the_reason() -> None:
    plain, asking = (
        CaseFacts(force_id=OWN),
        {Role.CONTROL_ROOM, Role.PUBLIC_PROTECTION_OFFICER, Role.INTELLIGENCE_OFFICER},
    )
    for held in itertools.combinations(Role, 2):
        actor = Actor(uuid4(), "Somebody", frozenset(held), OWN, None, OWN)
        administers = Role.ADMINISTRATOR in held
        if not administers:
            asks = set(held) <= asking | FORUM_ROLES
            assert needs_reason(actor, plain) is asks, held
            sits = not FORUM_ROLES.isdisjoint(held)
            agenda = CaseFacts(force_id=OWN, on_agenda=True)
            assert needs_reason(actor, agenda) is (asks and not sits), held
        for own in (CaseFacts(force_id=OWN, own=True), CaseFacts(force_id=OWN, restricted=True, allowed=True)):
            assert not needs_reason(actor, own)
        assert not needs_reason(actor, CaseFacts(force_id=OWN, owes_action=True))


async def test_a_seat_at_the_forum_is_the_reason_for_what_is_on_its_agenda_and_for_nothing_else(world: World) -> None:
    case = await forum.waiting(world)
    body = intake.right_to_ask(
        world,
        subject={"surname": "Otherwise"},
        potential_victims=[{"surname": "Elsewhere", "is_applicant": True}],
    )
    other = await intake.opened(world, body)
    item = await forum.sitting(world, case)
    answers = [(await _read(world, "police_member", one)).status_code for one in (case, other)]
    assert answers == [200, 428]
    await forum.taken_off(world, item)
    assert (await _read(world, "police_member", case)).status_code == 428
