"""Whoever is away, has left or was never named: the alert reaches somebody all the same, and says why (H11)."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.channels.recipients import directory
from app.deadlines.chasing import chase
from app.process import Stage
from app.storage.migrations import conninfo
from tests.arrange import place_at
from tests.steps.channels import Outside, as_worker, chased, held_case, mail_on, outbox, routes
from tests.world import OWN, STAFF, World


async def away(world: World, who: str, *, by: str | None = None, **more: Any) -> dict[str, Any]:
    """Somebody is away for a week."""
    body = {
        "absent_from": (world.now - timedelta(hours=1)).isoformat(),
        "absent_until": (world.now + timedelta(days=7)).isoformat(),
        **more,
    }
    made: dict[str, Any] = await world.as_(by or who).must_post(f"/v1/staff/{STAFF[who].id}/absences", body)
    return made


async def inbox(world: World, who: str) -> list[tuple[str, str, str | None]]:
    """What somebody's inbox shows: rung, level, why re-routed."""
    found = await world.as_(who).must_get("/v1/alerts")
    return sorted((one["rung"], one["level"], one["rerouted_because"]) for one in found["items"])


async def test_a_deputy_is_told_by_mail_and_in_the_inbox_and_may_acknowledge(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer", "officer2", "supervisor")
    await held_case(world)
    await away(world, "officer", by="supervisor", deputy_id=str(STAFF["officer2"].id))
    world.forward(hours=13)
    await world.sweep()
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["officer2"]
    assert await inbox(world, "officer2") == [("due_soon-12h", "officer", "holder_absent")]
    [route] = world.rows("SELECT staff_id, because, in_place_of FROM alert_route")
    assert route == {
        "staff_id": STAFF["officer2"].id,
        "because": "holder_absent",
        "in_place_of": STAFF["officer"].id,
    }
    [alert] = (await world.as_("officer2").must_get("/v1/alerts"))["items"]
    await world.as_("officer2").must_post(f"/v1/alerts/{alert['id']}/acknowledgement")
    assert world.rows("SELECT acknowledged_by FROM alert") == [{"acknowledged_by": STAFF["officer2"].id}]


async def test_without_a_deputy_or_a_holder_the_supervisors_are_told(world: World) -> None:
    await held_case(world)
    await away(world, "officer")
    world.forward(hours=13)
    await world.sweep()
    assert routes(world) == [
        ("officer", "supervisor", "holder_absent"),
        ("officer", "supervisor2", "holder_absent"),
    ]


async def test_who_is_back_earlier_is_told_again(world: World) -> None:
    await held_case(world)
    absence = await away(world, "officer")
    path = f"/v1/staff/{STAFF['officer'].id}/absences"
    await world.as_("officer").must_post(f"{path}/{absence['id']}/end")
    world.forward(hours=13)
    await world.sweep()
    assert routes(world) == [("officer", "officer", "holder")]
    [listed] = await world.as_("supervisor").must_get(path)
    assert listed["ended_at"] is not None


async def test_whoever_left_before_the_mail_went_is_not_written_to_and_others_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer", "supervisor")
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["officer"].id)
    outside = Outside(world)
    await outside.deliver()
    await outside.deliver()
    assert outside.mailed_to() == ["supervisor"]
    assert sorted(str(row["last_error"]) for row in outbox(world)) == ["None", "ReceiverGone"]
    assert await inbox(world, "supervisor") == [("due_soon-12h", "officer", "holder_left")]


async def test_a_case_that_went_to_another_force_is_told_of_there_and_no_longer_here(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer", "supervisor", "other_supervisor")
    case = await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    world.execute("UPDATE application SET force_id = 'southvale', assigned_to = NULL WHERE id = %s", case)
    outside = Outside(world)
    await outside.deliver()
    await outside.deliver()
    assert outside.mailed_to() == ["other_supervisor"]
    assert await inbox(world, "other_supervisor") == [("due_soon-12h", "officer", "not_held")]
    assert await inbox(world, "officer") == await inbox(world, "supervisor") == []


async def test_where_nobody_can_be_told_there_is_a_task(world: World) -> None:
    await held_case(world)
    world.execute("UPDATE staff_member SET active = false WHERE force_id = 'northmoor'")
    world.forward(hours=13)
    await world.sweep()
    alerts = world.rows("SELECT id FROM alert")
    tasks = world.rows("SELECT kind, for_role, about FROM task")
    assert tasks == [
        {"kind": "delivery_given_up", "for_role": "head_of_public_protection", "about": str(alerts[0]["id"])}
    ]


async def test_only_the_absences_of_the_forces_in_hand_are_read(world: World) -> None:
    for who in ("officer", "other_officer"):
        await away(world, who)
    async with as_worker(world) as opened, opened() as session:
        known = await directory(session, {OWN}, set(), now=world.now)
    assert known.away == {STAFF["officer"].id: None}


async def test_an_absence_is_ones_own_or_a_supervisors_to_record(world: World) -> None:
    body = {"absent_from": world.now.isoformat(), "absent_until": (world.now + timedelta(days=1)).isoformat()}
    officer, other = STAFF["officer"].id, STAFF["other_officer"].id
    for by, who, more, status in (
        ("officer2", officer, {}, 404),
        ("supervisor", other, {}, 404),
        ("officer", "none", {}, 404),
        ("officer", officer, {"deputy_id": str(other)}, 422),
        ("officer", officer, {"deputy_id": str(officer)}, 422),
        ("officer", officer, {"deputy_id": str(STAFF["administrator"].id)}, 422),
        ("officer", officer, {"absent_until": world.now.isoformat()}, 422),
    ):
        with world.unchanged():
            answer = await world.as_(by).post(f"/v1/staff/{who}/absences", {**body, **more})
        assert answer.status_code == status, (by, who, answer.text)


async def test_what_nobody_acknowledged_is_raised_level_by_level(world: World) -> None:
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    assert await chased(world) == 0
    world.forward(hours=4)
    await chased(world)
    assert await inbox(world, "supervisor") == [("due_soon-12h", "officer", None), ("due_soon-12h", "supervisor", None)]
    raised = world.rows("SELECT chases_id FROM alert WHERE level = 'supervisor'")
    assert raised == world.rows("SELECT id AS chases_id FROM alert WHERE level = 'officer'")
    world.forward(hours=4)
    await chased(world)
    await chased(world)
    assert world.rows("SELECT level FROM alert ORDER BY recorded_at")[-1]["level"] == "head_of_public_protection"
    world.forward(days=1)
    assert await chased(world) == 0


async def test_what_was_acknowledged_done_or_overtaken_is_not_raised(world: World) -> None:
    acknowledged = await held_case(world)
    done = await held_case(world, subject={"surname": "Other"})
    overtaken = await held_case(world, subject={"surname": "Third"})
    world.forward(hours=13)
    await world.sweep()
    for alert in (await world.as_("officer").must_get("/v1/alerts"))["items"]:
        if alert["case_id"] == acknowledged:
            await world.as_("officer").must_post(f"/v1/alerts/{alert['id']}/acknowledgement")
    place_at(world, done, Stage.FACE_TO_FACE)
    world.execute(
        "UPDATE clock SET met_at = %s, met_recorded_at = %s, next_alert_at = NULL WHERE NOT projected AND case_id = %s",
        world.now,
        world.now,
        done,
    )
    world.execute("UPDATE alert SET chase_at = %s", world.now)
    world.execute("UPDATE alert SET chase_at = NULL WHERE acknowledged_at IS NOT NULL")
    world.forward(hours=7)
    await world.sweep()  # four hours are left: the next rung is before the officer
    assert await chased(world) == 2
    assert world.rows("SELECT 1 FROM alert WHERE level <> 'officer'") == []
    assert world.rows("SELECT rung FROM alert WHERE case_id = %s ORDER BY fell_at", overtaken) == [
        {"rung": "due_soon-12h"},
        {"rung": "due_soon-4h"},
    ]


async def test_chasing_passes_over_a_case_that_is_being_moved_and_a_clock_that_is_being_changed(world: World) -> None:
    case = await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    world.forward(hours=4)
    holds = (
        "SELECT id FROM application WHERE id = %s FOR UPDATE",  # as a transfer does
        "SELECT id FROM clock WHERE case_id = %s FOR UPDATE",  # as whoever meets one
    )
    for held in holds:
        with psycopg.connect(conninfo(world.url)) as other:
            other.execute(held.encode(), [case])
            async with as_worker(world) as opened, opened.begin() as session:
                await session.execute(text("SET LOCAL lock_timeout = '5s'"))
                assert await chase(session, now=world.now) == 0
    assert await chased(world) == 1
    assert len(world.rows("SELECT id FROM alert WHERE level = 'supervisor'")) == 1


async def test_an_alert_that_cannot_be_raised_rests_and_stops_no_other(world: World) -> None:
    unknown = await held_case(world)
    refused = await held_case(world, subject={"surname": "Other"})
    good = await held_case(world, subject={"surname": "Third"})
    world.forward(hours=13)
    await world.sweep()
    world.execute("UPDATE clock SET edition = 'never-published' WHERE case_id = %s", unknown)
    world.execute(
        f"ALTER TABLE alert ADD CONSTRAINT refused CHECK (case_id <> '{refused}' OR level <> 'supervisor') NOT VALID"
    )
    world.forward(hours=4)
    with capture_logs() as logged:
        assert await chased(world) == 3
        assert await chased(world) == 0
    assert [set(one) for one in logged if one["event"] == "alert_not_chased"] == [
        {"event", "log_level", "alert", "error"}
    ] * 2
    raised = "SELECT case_id::text FROM alert WHERE level = 'supervisor'"
    assert world.rows(raised) == [{"case_id": good}]
    world.execute("UPDATE clock SET edition = 'statutory-2023' WHERE case_id = %s", unknown)
    world.execute("ALTER TABLE alert DROP CONSTRAINT refused")
    world.forward(hours=1)
    assert await chased(world) == 2
    assert {row["case_id"] for row in world.rows(raised)} == {unknown, refused, good}


async def test_preferences_are_ones_own(world: World) -> None:
    path = "/v1/staff/me/alert-preferences"
    plain = {"mail": True, "digest": False, "digest_at": "07:30", "mailed": False}
    assert await world.as_("officer").must_get(path) == plain
    answer = await world.as_("officer").put(path, {"digest": True, "digest_at": "06:45"})
    assert answer.json() == {**plain, "digest": True, "digest_at": "06:45"}
    assert await world.as_("officer2").must_get(path) == plain
    with world.unchanged():
        assert (await world.as_("officer").put(path, {"digest_at": "24:00"})).status_code == 422


async def test_a_work_address_is_the_administrators_to_set(world: World) -> None:
    administrator, path = world.as_("administrator"), f"/v1/staff/{STAFF['officer'].id}"
    roles = ["public_protection_officer"]
    for given, kept in (
        ({"email": "Nell@Northmoor.Police.Example"}, "nell@northmoor.police.example"),
        ({}, "nell@northmoor.police.example"),
        ({"email": None}, None),
    ):
        answer = await administrator.put(path, {"roles": roles, **given})
        assert answer.json()["email"] == kept
    with world.unchanged(refusals=4):
        for bad in ("nell", "nell@here", "a b@c.example", "nell@x.example\nBcc: all@x.example"):
            assert (await administrator.put(path, {"roles": roles, "email": bad})).status_code == 422
