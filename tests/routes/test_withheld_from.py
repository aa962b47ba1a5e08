"""From whom a withheld case is withheld, worked out anew at every request, and what nobody can undo alone (H2.8)."""

import asyncio
from typing import Any

import psycopg
import pytest
from alembic import command

from app.process import Stage
from app.storage.migrations import config, conninfo
from tests.arrange import place_at, version_of
from tests.routes.test_withholding import POLICE, called, decide, opened, seen_by, worker
from tests.steps import forum, intake
from tests.steps.final_report import path
from tests.world import STAFF, World

BORN = intake.SUBJECT["born"]


async def seeing(world: World, case: str, *but: str) -> set[str]:
    return {key for key in STAFF if key not in but and await seen_by(world, case, key)}


def ranks(world: World, **of: str | None) -> None:
    for key, rank in of.items():
        world.execute("UPDATE staff_member SET rank = %s WHERE id = %s", rank, STAFF[key].id)


async def test_an_estimated_date_of_birth_lets_nobody_in(world: World) -> None:
    called(world, "officer", "PC Alan Merrick", BORN)
    await worker(world)
    estimated = {**intake.SUBJECT, "born": "1984-01-01", "born_estimated": True}
    case = await intake.opened(world, intake.right_to_ask(world, subject=estimated))
    assert not await seen_by(world, case, "officer")


@pytest.mark.parametrize("first", ["account", "case"])
async def test_whoever_has_another_surname_since_is_found_by_the_date_of_birth(world: World, first: str) -> None:
    if first == "account":
        called(world, "officer", "PC Alan Vane", BORN)
        await worker(world)
    case = await intake.opened(world)
    if first == "case":
        called(world, "officer", "PC Alan Vane", BORN)
        await worker(world)
    assert not await seen_by(world, case, "officer")


async def test_what_was_possible_and_becomes_certain_flags_the_case(world: World) -> None:
    called(world, "officer", "PC Alan Merrick")
    await worker(world)
    case = await intake.opened(world)
    body = {"roles": ["public_protection_officer"], "rank": "constable", "born": BORN}
    assert (await world.as_("administrator").put(f"/v1/staff/{STAFF['officer'].id}", body)).status_code == 200
    await worker(world)
    assert (await world.as_("supervisor").must_get(f"/v1/applications/{case}"))["police_involved"] is True
    assert not await seen_by(world, case, "officer")
    assert not await seen_by(world, case, "officer2")


async def test_only_professional_standards_end_a_certain_exclusion_and_it_stays_ended(world: World) -> None:
    called(world, "officer", "PC Alan Merrick", BORN)
    await worker(world)
    case = await intake.opened(world)
    kept = await world.as_("supervisor").must_get(path(case, "access"))
    [entry] = [one for one in kept if one["kind"] == "excluded"]
    end = path(case, f"access/{entry['id']}/end")
    with world.unchanged():
        answer = await world.as_("supervisor").post(end, {"reason": "A friend."}, headers=version_of(world, case))
        assert answer.json()["type"].endswith("rank_too_low")
    await world.as_("standards").must_post(end, {"reason": "Twins."}, headers=version_of(world, case))
    await world.as_("control_room").must_post(path(case, "parties"), {"child": intake.CHILD})
    world.execute("UPDATE staff_member SET compared = false")
    await worker(world)
    assert (await decide(world, case, "supervisor", "officer", "allowed")).status_code == 201
    assert await seen_by(world, case, "officer")


async def test_an_account_not_compared_yet_sees_nothing_that_may_be_about_it(world: World) -> None:
    case = await intake.opened(world)
    other = await intake.opened(
        world, intake.right_to_ask(world, subject={**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"})
    )
    called(world, "officer", "PC Paula Merrick", "1999-09-09")
    assert [await seen_by(world, one, "officer") for one in (case, other)] == [False, True]
    await worker(world)
    assert await seen_by(world, case, "officer")  # compared: another person


async def test_one_account_that_cannot_be_compared_keeps_no_otherwaits_for(world: World) -> None:
    case = await intake.opened(world)
    called(world, "officer", "PC Alan Merrick", BORN)
    called(world, "officer2", "PC Paula Merrick", "1999-09-09")
    world.execute("ALTER TABLE case_access ADD CONSTRAINT failing CHECK (kind <> 'excluded')")
    await worker(world)
    assert [await seen_by(world, case, key) for key in ("officer", "officer2")] == [False, True]
    left = world.rows("SELECT id FROM staff_member WHERE NOT compared")
    assert [row["id"] for row in left] == [STAFF["officer"].id]


async def test_who_opens_at_the_same_moment_hears_nothing_of_a_case_restricted_meanwhile(world: World) -> None:
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("LOCK TABLE case_restriction IN EXCLUSIVE MODE")
        body = intake.right_to_ask(world, subject=POLICE)
        first = asyncio.create_task(world.as_("control_room").post("/v1/applications", body))
        await waits_for(held, "relation")
        second = asyncio.create_task(world.as_("officer").post("/v1/applications", intake.right_to_ask(world)))
        await waits_for(held, "advisory")
        held.rollback()
    one, two = (await first).json(), (await second).json()
    assert (two["joined"], two["earlier_applications"]) == (False, [])
    assert one["id"] != two["id"]


async def waits_for(connection: psycopg.Connection[Any], kind: str) -> None:
    """Until some transaction waits for a lock of that kind."""
    for _ in range(3000):
        found = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s", [kind])
        if found.fetchone() != (0,):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody waits for a {kind} lock")


async def test_an_application_that_follows_a_restricted_case_is_withheld_from_the_same_people(world: World) -> None:
    case = await opened(world)
    assert (await decide(world, case, "standards", "head", "excluded")).status_code == 201
    place_at(world, case, Stage.CLOSED)
    new = await intake.opened(world, intake.right_to_ask(world, follows=case))
    assert await seeing(world, new) == {"control_room", "supervisor", "supervisor2", "standards"}
    file = await world.as_("supervisor").must_get(f"/v1/applications/{new}")
    assert file["police_involved"] is True


async def test_the_same_people_typed_again_by_somebody_else_are_told_in_the_restricted_case(world: World) -> None:
    case = await opened(world)
    again = await world.as_("officer").must_post("/v1/applications", intake.right_to_ask(world))
    assert (again["joined"], again["earlier_applications"]) == (False, [])
    await worker(world)
    await worker(world)
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    [owed] = [one for one in file["duties"] if one["code"] == "open_elsewhere"]
    assert again["reference"] in owed["says"]
    assert world.rows("SELECT id FROM duty WHERE case_id = %s AND code = 'open_elsewhere'", again["id"]) == []


async def test_heads_always_lead_and_where_no_rank_is_recorded_every_supervisor_does(world: World) -> None:
    ranks(world, supervisor=None, supervisor2=None, head=None)
    case = await opened(world)
    assert await seeing(world, case) == {"control_room", "head", "standards"}
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["head"].id)
    assert await seeing(world, case, "head") == {"control_room", "supervisor", "supervisor2", "standards"}
    assert (await decide(world, case, "supervisor", "officer", "allowed")).status_code == 201
    ranks(world, supervisor2="inspector")
    assert await seeing(world, case, "head") == {"control_room", "officer", "supervisor2", "standards"}


async def test_where_the_only_leader_is_the_subject_the_next_ones_lead(world: World) -> None:
    ranks(world, supervisor2=None, head=None)
    called(world, "supervisor", "DI Alan Merrick", BORN)
    await worker(world)
    case = await intake.opened(world)
    assert await seeing(world, case) == {"control_room", "head", "standards"}
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["head"].id)
    assert await seeing(world, case, "head") == {"control_room", "supervisor2", "standards"}


async def test_no_supervisor_makes_a_case_vanish(world: World) -> None:
    case = await opened(world)
    for key in ("standards", "head"):
        with world.unchanged():
            answer = await decide(world, case, "supervisor", key, "excluded")
            assert answer.json()["type"] == "urn:clares-law:problem:rank_too_low"
    assert (await decide(world, case, "supervisor", "supervisor2", "excluded")).status_code == 201
    assert (await decide(world, case, "supervisor", "control_room", "excluded")).status_code == 201
    assert await seeing(world, case) == {"supervisor", "head", "standards"}


async def test_the_last_who_could_lead_is_not_excluded(world: World) -> None:
    world.execute("UPDATE staff_member SET active = false WHERE roles && ARRAY['professional_standards']")
    ranks(world, supervisor2="sergeant")
    case = await opened(world)
    assert (await decide(world, case, "head", "supervisor", "excluded")).status_code == 201
    assert (await decide(world, case, "head", "supervisor2", "excluded")).status_code == 201
    world.execute("UPDATE staff_member SET rank = 'inspector' WHERE id = %s", STAFF["supervisor2"].id)
    with world.unchanged():
        answer = await decide(world, case, "head", "head", "excluded")
        assert answer.status_code == 422


async def test_a_transfer_is_offered_to_those_who_would_lead_the_case_alone(world: World) -> None:
    world.execute(
        "INSERT INTO staff_member (id, subject, name, force_id, roles, rank, active, name_keys) "
        "SELECT gen_random_uuid(), 'other-di', 'Other', 'southvale', roles, 'inspector', true, '{}' "
        "FROM staff_member WHERE id = %s",
        STAFF["other_supervisor"].id,
    )
    ranks(world, other_supervisor="sergeant")
    case = await opened(world)
    place_at(world, case, Stage.CATEGORISATION)
    offer = {"to_force_id": "southvale", "reason": "She moved."}
    supervisor, other = world.as_("supervisor"), world.as_("other_supervisor")
    await supervisor.must_post(path(case, "transfer"), offer, headers=version_of(world, case))
    assert await other.must_get("/v1/transfers") == []
    [shown] = await supervisor.must_get("/v1/transfers")
    with world.unchanged(refusals=1):
        answer = await other.post(f"/v1/transfers/{shown['id']}/acceptance", {"note": "Ours."})
        assert answer.status_code == 404
    ranks(world, other_supervisor="inspector")
    await other.must_post(f"/v1/transfers/{shown['id']}/acceptance", {"note": "Ours."})
    assert await seeing(world, case) == {"other_supervisor"}


async def test_cases_flagged_before_are_withheld_as_one_flagged_today(world: World) -> None:
    case = await opened(world)
    ranks(world, supervisor="detective_sergeant", supervisor2=None, head=None)
    await asyncio.to_thread(command.downgrade, config(world.url), "0002")
    await asyncio.to_thread(command.upgrade, config(world.url), "head")
    assert await seeing(world, case) == {"control_room", "head", "standards"}


async def test_what_was_refused_before_the_case_was_restricted_is_no_attempt(world: World) -> None:
    case = await intake.opened(world)
    assert (await world.as_("officer").post(path(case, "parties"), {})).status_code == 422
    party = intake.parties(world, case)["subject"][0]
    amended = {"party_id": party, "person": {"police_employment": "Northmoor Police"}}
    await world.as_("supervisor").must_post(path(case, "persons"), amended)
    await worker(world)
    assert world.rows("SELECT id FROM duty WHERE code = 'attempted_access'") == []
    assert not await seen_by(world, case, "officer")
    assert (await decide(world, case, "supervisor", "officer", "allowed")).status_code == 201
    await worker(world)  # a late sweep: it was refused all the same
    [duty] = world.rows("SELECT about_id FROM duty WHERE code = 'attempted_access'")
    assert duty["about_id"] == STAFF["officer"].id


async def test_whoever_tries_holds_no_case_open(world: World) -> None:
    case = await opened(world)
    assert not await seen_by(world, case, "officer")
    await worker(world)
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    [tried] = [one for one in file["duties"] if one["code"] == "attempted_access"]
    place_at(world, case, Stage.FINAL_REPORT)
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    assert all(tried["says"] not in one["says"] for one in file["blocks_closing"])


async def test_a_holder_who_is_excluded_holds_it_no_more(world: World) -> None:
    case = await intake.opened(world)
    order = {"staff_id": str(STAFF["officer"].id), "reason": "On the rota."}
    await world.as_("supervisor").must_post(path(case, "assignment"), order, headers=version_of(world, case))
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["officer"].id)
    assert (await decide(world, case, "supervisor", "officer", "excluded")).status_code == 201
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    assert file["assigned_to"] is None


async def test_adding_a_party_does_not_block_the_comparing_of_accounts(world: World) -> None:
    case = await intake.opened(world)
    called(world, "officer", "PC Alan Merrick", BORN)
    with psycopg.connect(conninfo(world.url)) as held:
        held.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('clares-law.accounts', 0))")
        comparing = asyncio.create_task(worker(world))
        await waits_for(held, "advisory")
        adding = asyncio.create_task(world.as_("control_room").post(path(case, "parties"), {"child": intake.CHILD}))
        held.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        held.rollback()
    await comparing
    assert (await adding).status_code == 201
    assert not await seen_by(world, case, "officer")


async def withheld_at_forum(world: World) -> tuple[str, str]:
    """A restricted case that waits for the forum, and a meeting of today."""
    case = await opened(world)
    place_at(world, case, Stage.FORUM)
    meeting = await forum.meeting(world, "chair", "police_member", "probation", "idva", by="supervisor2")
    return case, meeting


async def test_the_police_who_sit_see_the_case_and_an_excluded_member_counts_for_nothing(world: World) -> None:
    case, meeting = await withheld_at_forum(world)
    assert (await decide(world, case, "supervisor", "probation", "excluded")).status_code == 201
    await forum.attended(world, meeting, "chair", "police_member", "probation", "idva", by="supervisor2")
    item = await forum.on_agenda(world, case, meeting)
    sees = {key: (await world.as_(key).get(item.path)).status_code for key in ("chair", "police_member", "probation")}
    assert sees == {"chair": 200, "police_member": 200, "probation": 404}
    assert "Probation Service" in (await world.as_("supervisor2").must_get(item.path))["agencies_missing"]
    assert world.rows("SELECT item_id FROM case_grant WHERE staff_id = %s", STAFF["probation"].id) == []


async def test_listing_a_partner_again_lets_in_whom_a_list_by_somebody_else_did_not(world: World) -> None:
    case, meeting = await withheld_at_forum(world)
    item = await forum.on_agenda(world, case, meeting)
    await world.as_("supervisor2").must_get(item.path)
    world.execute("UPDATE case_access SET kind = 'excluded' WHERE staff_id = %s", STAFF["chair"].id)
    await forum.attended(world, meeting, "social_care", by="chair")
    assert (await world.as_("social_care").get(item.path)).status_code == 404
    await forum.attended(world, meeting, "social_care", by="supervisor2")
    assert (await world.as_("social_care").get(item.path)).status_code == 200


async def test_an_action_is_given_to_nobody_who_may_not_see_the_case(world: World) -> None:
    case, meeting = await withheld_at_forum(world)
    item = await forum.on_agenda(world, case, meeting)
    action = {"what": "Visit.", "owner_staff_id": str(STAFF["officer2"].id), "due_on": "2026-06-01"}
    with world.unchanged():
        answer = await world.as_("supervisor2").post(f"{item.path}/actions", action)
        assert answer.json()["fields"][0]["field"] == "owner_staff_id"
    assert (await decide(world, case, "supervisor", "officer2", "allowed")).status_code == 201
    await world.as_("supervisor2").must_post(f"{item.path}/actions", action)
    assert len(await world.as_("officer2").must_get("/v1/forum/actions")) == 1


async def test_a_meeting_called_for_a_withheld_case_is_no_hint(world: World) -> None:
    case = await opened(world)
    place_at(world, case, Stage.FORUM)
    meeting = await forum.meeting(world, "chair", "probation", by="supervisor2", kind="extraordinary")
    await forum.on_agenda(world, case, meeting)
    assert await world.as_("officer").must_get("/v1/forum/meetings") == []
    for key in ("chair", "probation", "supervisor"):
        assert len(await world.as_(key).must_get("/v1/forum/meetings")) == 1


@pytest.mark.parametrize("by_way_of", ["follows", "item", "replay"])
async def test_every_way_to_a_withheld_case_is_watched(world: World, by_way_of: str) -> None:
    key = {"Idempotency-Key": "abcdefgh1"}
    body = intake.right_to_ask(world, subject=POLICE)
    case = str((await world.as_("control_room").must_post("/v1/applications", body, headers=key))["id"])
    if by_way_of == "replay":
        assert (await decide(world, case, "supervisor", "control_room", "excluded")).status_code == 201
        answer = await world.as_("control_room").post("/v1/applications", body, headers=key)
    elif by_way_of == "follows":
        other = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
        follows = intake.right_to_ask(world, follows=case, subject=other)
        answer = await world.as_("officer").post("/v1/applications", follows)
    else:
        place_at(world, case, Stage.FORUM)
        meeting = await forum.meeting(world, "chair", "probation", by="supervisor2")
        item = await forum.on_agenda(world, case, meeting)
        answer = await world.as_("officer").get(item.path)
    assert answer.status_code == 404
    await worker(world)
    [owed] = world.rows("SELECT about_id FROM duty WHERE code = 'attempted_access'")
    assert owed["about_id"] == STAFF["control_room" if by_way_of == "replay" else "officer"].id


async def test_a_draft_that_joined_a_withheld_case_tells_nobody_else_of_it(world: World) -> None:
    await opened(world)
    draft = await world.as_("officer").must_post("/v1/drafts", {"route": "right_to_ask", "typed": {}})
    again = intake.right_to_ask(world, subject=POLICE, from_draft=draft["id"])
    assert (await world.as_("control_room").must_post("/v1/applications", again))["joined"] is True
    assert (await world.as_("officer").get(f"/v1/drafts/{draft['id']}")).status_code == 404
    assert (await world.as_("control_room").get(f"/v1/drafts/{draft['id']}")).status_code == 409


async def test_an_excluded_reader_of_the_log_does_not_miss_the_own_refusal(world: World) -> None:
    case = await opened(world)
    assert (await decide(world, case, "head", "standards", "excluded")).status_code == 201
    for one in (case, "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"):
        assert not await seen_by(world, one, "standards")
    assert all(
        not one["refused"]
        for one in (await world.as_("standards").must_get("/v1/access-log", params={"purpose": "lawfulness"}))["items"]
    )
