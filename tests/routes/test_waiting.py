"""Whoever waited for a case goes on only with what is still the own: it is asked anew with the lock in hand."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import psycopg
import pytest

from app.process import Stage
from app.storage.migrations import conninfo
from tests.arrange import place_at, version_of
from tests.routes.test_withheld_from import waits_for
from tests.steps import forum, initial_checks, intake
from tests.steps.final_report import path
from tests.world import OTHER, STAFF, World


async def answered_after(
    world: World, case: str, asked: Coroutine[Any, Any, httpx.Response], meanwhile: str, *values: Any
) -> httpx.Response:
    """What somebody is answered who waits for the case while a statement takes effect."""
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        waits = asyncio.create_task(asked)
        await waits_for(held, "transactionid")
        held.execute(meanwhile.encode(), values)
        held.commit()
    return await waits


def keeping(key: str, *roles: str) -> tuple[str, list[str], str]:
    """The statement that leaves an account these roles, and its values."""
    return "UPDATE staff_member SET roles = %s::text[] WHERE subject = %s", list(roles), key


async def test_who_waits_for_a_case_that_is_restricted_meanwhile_changes_nothing_in_it(world: World) -> None:
    case = await intake.opened(world)
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        given = {"child": intake.CHILD}
        waits = asyncio.create_task(world.as_("officer").post(path(case, "parties"), given))
        await waits_for(held, "transactionid")
        held.execute(
            "INSERT INTO case_restriction (id, case_id, force_id, reason, restricted_at, restricted_by, leading_ranks) "
            "SELECT gen_random_uuid(), id, force_id, 'Police.', now(), created_by, '{}' FROM application"
        )
        held.commit()
    assert (await waits).status_code == 404


@pytest.mark.parametrize("lost", ["role", "glass"])
async def test_who_waits_for_a_case_and_has_lost_the_right_meanwhile_changes_nothing_in_it(
    world: World, lost: str
) -> None:
    key = "other_officer" if lost == "glass" else "officer"
    case = await intake.opened(world)
    if lost == "glass":
        why = {"case_id": case, "reason": "She rang in danger and nobody else can be reached."}
        await world.as_(key).must_post("/v1/break-glass", why)
    attempt = {"party_id": intake.parties(world, case)["potential_victim"][0], "means": "Voice", "outcome": "no_answer"}
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        waits = asyncio.create_task(world.as_(key).post(path(case, "contact-attempts"), attempt))
        await waits_for(held, "transactionid")
        if lost == "glass":
            held.execute("UPDATE broken_glass SET ended_since = now(), ended_by = staff_id, ended_because = 'x'")
        else:
            held.execute("UPDATE staff_member SET roles = '{forum_member}' WHERE subject = 'officer'")
        held.commit()
    assert (await waits).status_code == 404
    assert world.rows("SELECT id FROM contact_attempt") == []


async def test_a_partner_whose_item_ended_while_waiting_changes_nothing(world: World) -> None:
    case = await forum.waiting(world)
    item = await forum.sitting(world, case, *forum.QUORUM)
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        world.execute("UPDATE staff_member SET roles = '{forum_chair}' WHERE subject = 'probation'")
        waits = asyncio.create_task(world.as_("probation").post(f"{item.path}/removal", {"reason": "Postponed."}))
        await waits_for(held, "transactionid")
        held.execute("UPDATE case_grant SET ended_at = now()")
        held.commit()
    assert (await waits).status_code == 404
    assert world.rows("SELECT id FROM agenda_item WHERE ended_at IS NULL")


async def test_whose_rank_was_lowered_while_waiting_authorises_no_emergency(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    she = intake.parties(world, case)["potential_victim"][0]
    plan = {"potential_victim_id": she, "plan": "She stays with her sister.", "review_on": "2026-06-30"}
    await world.as_("officer").must_post(path(case, "safety-plans"), plan)
    place_at(world, case, Stage.FACE_TO_FACE)
    asked = forum.authorise(world, case, forum.emergency(she))
    lowered = "UPDATE staff_member SET rank = 'inspector' WHERE id = %s"
    answer = await answered_after(world, case, asked, lowered, STAFF["head"].id)
    assert answer.status_code == 409, answer.text
    assert [one["code"] for one in answer.json()["obstacles"]] == ["rank_too_low"]
    assert world.rows("SELECT id FROM emergency_authority") == []
    assert (await forum.authorise(world, case, forum.emergency(she))).status_code == 409
    world.execute("UPDATE staff_member SET rank = 'superintendent' WHERE id = %s", STAFF["head"].id)
    assert (await forum.authorise(world, case, forum.emergency(she))).status_code == 201


async def test_who_lost_one_of_two_roles_while_waiting_decides_nothing_by_it(world: World) -> None:
    """The other role carries the permission too, and does not suffice for who sees a case."""
    case = await intake.opened(world)
    both = ("public_protection_supervisor", "professional_standards")
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject = 'supervisor2'")
    world.execute(*keeping("supervisor2", *both))
    body = {"staff_id": str(STAFF["officer2"].id), "kind": "excluded", "reason": "A friend of his."}
    asked = world.as_("supervisor2").post(path(case, "access"), body, headers=version_of(world, case))
    answer = await answered_after(world, case, asked, *keeping("supervisor2", "public_protection_supervisor"))
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "urn:clares-law:problem:rank_too_low"
    assert world.rows("SELECT id FROM case_access") == []
    refused = world.rows("SELECT role FROM access_log WHERE refused")
    assert refused == [{"role": "public_protection_supervisor"}], "the log names the role that was left"
    world.execute(*keeping("supervisor2", *both))
    await world.as_("supervisor2").must_post(path(case, "access"), body, headers=version_of(world, case))


async def test_who_lost_the_role_while_waiting_takes_no_case_over(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    offer = {"to_force_id": OTHER, "reason": "The potential victim has moved to Southvale."}
    made = await world.as_("supervisor").must_post(path(case, "transfer"), offer, headers=version_of(world, case))
    world.execute(*keeping("other_supervisor", "public_protection_supervisor", "public_protection_officer"))
    asked = world.as_("other_supervisor").post(f"/v1/transfers/{made['id']}/acceptance", {})
    answer = await answered_after(world, case, asked, *keeping("other_supervisor", "public_protection_officer"))
    assert answer.status_code == 404
    assert world.rows("SELECT id FROM transfer_acceptance") == []


@pytest.mark.parametrize("does", ["breaks", "ends"])
async def test_who_lost_the_role_while_waiting_neither_breaks_a_glass_nor_ends_one(world: World, does: str) -> None:
    case = await intake.opened(world)
    world.execute(*keeping("other_officer", "public_protection_officer", "intelligence_officer"))
    world.execute(*keeping("standards", "professional_standards", "intelligence_officer"))
    why = {"case_id": case, "reason": "She rang in danger and nobody else can be reached."}
    if does == "breaks":
        asked, key = world.as_("other_officer").post("/v1/break-glass", why), "other_officer"
    else:
        glass = (await world.as_("other_officer").must_post("/v1/break-glass", why))["id"]
        end = {"reason": "A colleague who may was on duty."}
        asked, key = world.as_("standards").post(f"/v1/break-glass/{glass}/end", end), "standards"
    assert (await answered_after(world, case, asked, *keeping(key, "intelligence_officer"))).status_code == 404
    held = world.rows("SELECT ended_since FROM broken_glass")
    assert held == ([] if does == "breaks" else [{"ended_since": None}])
