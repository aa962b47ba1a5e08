"""Whoever waited for a case goes on only with what is still the own: it is asked anew with the lock in hand."""

import asyncio

import psycopg
import pytest

from app.storage.migrations import conninfo
from tests.routes.test_withheld_from import waits_for
from tests.steps import forum, intake
from tests.steps.final_report import path
from tests.world import World


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
