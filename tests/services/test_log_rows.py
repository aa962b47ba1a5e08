"""What stands in a row of the log: who, in which part, whom it touched, what was shown, what was decided (H12.1)."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import disclosure as deliveries
from tests.steps import face_to_face, final_report, forum, initial_checks, intake
from tests.world import OTHER, OWN, STAFF, World

NOBODY = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"


def rows_of(world: World, key: str, **wanted: Any) -> list[dict[str, Any]]:
    """The rows of an account in the order of time, each with the surnames of whom it touched."""
    query = (
        "SELECT l.*, ARRAY(SELECT coalesce(p.surname, p.given_names) AS name "
        "FROM access_log_individual i JOIN person p ON p.id = i.person_id WHERE i.log_id = l.id ORDER BY name) people "
        "FROM access_log l WHERE staff_id = %s ORDER BY logged_at"
    )
    found = world.rows(query, STAFF[key].id)
    return [row for row in found if all(row[name] == value for name, value in wanted.items())]


def newest(world: World, key: str) -> dict[str, Any]:
    return rows_of(world, key)[-1]


async def test_a_case_file_touches_whom_it_shows_and_a_partner_is_not_shown_who_applied(world: World) -> None:
    case = await intake.opened(world, intake.third_party_asks(world, children=[intake.CHILD]))
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    row = newest(world, "officer")
    assert row["people"] == ["Ellis", "Merrick", "Tarrant", "Tarrant"]
    assert {"parties.applicant", "person.telephone", "person.surname", "reference"} <= set(row["fields"])
    assert (row["role"], row["organisation"], row["decision"], row["reason"]) == (
        "public_protection_officer",
        "northmoor",
        "allowed",
        "cover",
    )
    place_at(world, case, Stage.FORUM)
    await forum.sitting(world, case)
    shown = await world.as_("idva").must_get(f"/v1/applications/{case}")
    row = newest(world, "idva")
    assert row["people"] == ["Ellis", "Merrick", "Tarrant"]
    assert not {"parties.applicant", "person.telephone", "person.safe_contact"} & set(row["fields"])
    assert shown["parties"]["applicant"] is None
    assert (row["role"], row["organisation"]) == ("forum_member", "northmoor-idva")


async def test_of_several_roles_the_first_that_carries_the_permission_is_named(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("police_member").must_get(f"/v1/applications/{case}")
    assert newest(world, "police_member")["role"] == "public_protection_officer"


async def test_a_search_touches_whom_it_found_and_nobody_else(world: World) -> None:
    await intake.opened(world)
    officer = world.as_("officer")
    await officer.must_post("/v1/applications/search", {"surname": "Merrick"})
    row = newest(world, "officer")
    assert (row["category"], row["people"], row["case_id"]) == ("consultation", ["Merrick"], None)
    assert {"given_names", "surname", "born"} <= set(row["fields"])
    await officer.must_post("/v1/applications/search", {"surname": "Nobody"})
    assert newest(world, "officer")["people"] == []


async def test_an_act_and_the_reading_of_it_touch_whom_it_is_about(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    await final_report.attempt(world, victim, case)
    row = newest(world, "officer")
    assert (row["category"], row["people"], str(row["case_id"])) == ("alteration", ["Tarrant"], case)
    assert row["event_id"] == world.rows("SELECT id FROM contact_attempt")[0]["id"]
    await world.as_("officer").must_get(f"/v1/applications/{case}/contact-attempts")
    assert newest(world, "officer")["people"] == ["Tarrant"]
    read = {
        "purpose": "integrity",
        "person_id": str(world.rows("SELECT person_id FROM party WHERE id = %s", victim)[0]["person_id"]),
    }
    found = (await world.as_("standards").must_get("/v1/access-log", params=read))["items"]
    assert [(one["action"], one["individuals"]) for one in found][:2] == [
        ("read_records", [read["person_id"]]),
        ("record_contact", [read["person_id"]]),
    ]


async def test_joining_records_is_a_combination(world: World) -> None:
    case = await intake.opened(world)
    again = await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world))
    assert again["joined"]
    assert [row["category"] for row in rows_of(world, "control_room")] == ["collection", "collection", "combination"]
    joined = newest(world, "control_room")
    assert (str(joined["case_id"]), joined["people"], joined["fields"]) == (case, ["Merrick", "Tarrant"], [])
    await initial_checks.identify(world, case)
    assert [row["category"] for row in rows_of(world, "officer")][-2:] == ["alteration", "combination"]
    await initial_checks.identify(world, case, result="unidentified", record=None)
    assert newest(world, "officer")["category"] == "alteration"
    place_at(world, case, Stage.CLOSED)
    linked = await intake.opened(world, intake.right_to_ask(world, follows=case))
    both = {str(row["case_id"]) for row in rows_of(world, "control_room", category="combination")[-2:]}
    assert both == {case, linked}


async def test_only_a_disclosure_names_a_recipient_and_every_disclosure_does(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    await deliveries.disclose(world, case, deliveries.told(victim))
    row = newest(world, "officer")
    assert (row["category"], str(row["recipient"]), row["people"]) == ("disclosure", victim, ["Tarrant"])
    bad = (
        "INSERT INTO access_log (id, category, action, refused, recipient, request_id) "
        "VALUES (%s, %s, 'x', false, %s, 'x')"
    )
    for category, recipient in (("disclosure", None), ("alteration", NOBODY)):
        with pytest.raises(psycopg.errors.CheckViolation, match="recipient_of_a_disclosure"):
            world.execute(bad, UUID(NOBODY), category, recipient)


async def test_every_refusal_is_logged_with_what_was_decided(world: World) -> None:
    case = await intake.opened(world)
    officer, path = world.as_("officer"), f"/v1/applications/{case}"
    decide = initial_checks.decision(world, case)
    stale = {"If-Match": '"99"'}
    with world.unchanged(refusals=6):
        answers = [
            await officer.get(f"/v1/applications/{NOBODY}"),
            await officer.get("/v1/access-log", params={"purpose": "lawfulness"}),
            await officer.post(f"{path}/contact-attempts", {"means": "telephone"}),
            await officer.post(f"{path}/initial-decision", decide),
            await officer.post(f"{path}/initial-decision", decide, headers=stale),
            await officer.post(f"{path}/initial-decision", decide, headers=version_of(world, case)),
        ]
    assert [one.status_code for one in answers] == [404, 403, 422, 428, 412, 409]
    refused = rows_of(world, "officer", refused=True)
    assert [(row["decision"], row["role"]) for row in refused] == [
        ("case_not_found", "public_protection_officer"),
        ("role_may_not", None),
        ("unprocessable", "public_protection_officer"),
        ("version_required", "public_protection_officer"),
        ("stale_version", "public_protection_officer"),
        ("refused", "public_protection_officer"),
    ]
    assert refused[-1]["rule"] == answers[-1].json()["obstacles"][0]["rule"]
    assert all((row["fields"], row["people"]) == ([], []) for row in refused)


async def test_an_account_that_has_ended_is_logged_when_it_tries(world: World) -> None:
    case = await intake.opened(world)
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["officer"].id)
    with world.unchanged():
        assert (await world.as_("officer").get(f"/v1/applications/{case}")).status_code == 401
    row = newest(world, "officer")
    assert (row["refused"], row["decision"], row["role"], row["action"]) == (True, "unknown_staff", None, "unknown")
    with world.unchanged(refusals=0):
        assert (await world.nobody().get(f"/v1/applications/{case}")).status_code == 401


async def test_a_row_of_an_earlier_release_is_read_as_it_was_written(world: World) -> None:
    world.execute(
        "INSERT INTO access_log (id, category, action, refused, force_id, request_id, recorded_in) "
        "VALUES (%s, 'consultation', 'read_case', false, 'northmoor', 'before', NULL)",
        UUID(NOBODY),
    )
    (old,) = (await world.as_("auditor").must_get("/v1/access-log", params={"purpose": "lawfulness"}))["items"]
    assert (old["id"], old["fields"], old["decision"], old["role"], old["individuals"]) == (
        NOBODY,
        None,
        None,
        None,
        [],
    )


async def test_a_meeting_touches_whom_it_was_held_with(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.progressed(world, case)
    await face_to_face.meet(world, case)
    assert newest(world, "officer")["people"] == ["Tarrant"]


async def test_a_list_names_the_cases_that_it_showed(world: World) -> None:
    cases = {await intake.opened(world), await intake.opened(world, intake.right_to_know(world))}
    listed = (await world.as_("supervisor").must_get("/v1/applications"))["items"]
    assert {one["id"] for one in listed} == cases
    row = newest(world, "supervisor")
    named = world.rows("SELECT case_id FROM access_log_case WHERE log_id = %s", row["id"])
    assert {str(one["case_id"]) for one in named} == cases
    asked = {"purpose": "lawfulness", "case_id": min(cases)}
    found = (await world.as_("standards").must_get("/v1/access-log", params=asked))["items"]
    assert "list_cases" in {one["action"] for one in found}, "who saw a case on a list is found by the case"


async def test_agendas_actions_offers_tasks_and_earlier_applications_name_their_cases_too(world: World) -> None:
    case = await intake.opened(world)

    def shown(key: str) -> set[str]:
        query = (
            "SELECT shown.case_id FROM access_log_case shown JOIN access_log l ON l.id = log_id WHERE request_id = %s"
        )
        return {str(one["case_id"]) for one in world.rows(query, newest(world, key)["request_id"])}

    other = intake.right_to_know(world, potential_victims=[intake.SECOND_VICTIM])
    again = await world.as_("control_room").must_post("/v1/applications", other)
    named = {str(one["case_id"]) for one in again["earlier_applications"]}
    assert named == {case} == shown("control_room")
    await world.as_("officer").must_get(f"/v1/applications/{again['id']}/earlier-applications")
    assert shown("officer") == {case}
    place_at(world, case, Stage.FORUM)
    item = await forum.sitting(world, case)
    for path in (f"/v1/forum/meetings/{item.meeting_id}", f"/v1/forum/meetings/{item.meeting_id}/agenda"):
        await world.as_("idva").must_get(path)
        assert shown("idva") == {case}
    await world.as_("idva").must_get(f"/v1/forum/meetings/{item.meeting_id}/attendance")
    assert shown("idva") == set(), "who sits there names no case"
    action = {"owner_staff_id": str(STAFF["idva"].id), "what": "Call her.", "due_on": world.now.date().isoformat()}
    await world.as_("chair").must_post(f"{item.path}/actions", action)
    await world.as_("idva").must_get("/v1/forum/actions")
    assert shown("idva") == {case}
    world.execute(
        "INSERT INTO task (id, kind, says, for_role, case_id, force_id, about, opened_at) VALUES "
        "(gen_random_uuid(), 'misuse', 'Look.', 'professional_standards', %s, 'northmoor', 'x', now())",
        case,
    )
    await world.as_("standards").must_get("/v1/tasks")
    assert shown("standards") == {case}
    given, offer = again["id"], {"to_force_id": OTHER, "reason": "She lives there."}
    place_at(world, given, Stage.FACE_TO_FACE)
    path = f"/v1/applications/{given}/transfer"
    await world.as_("supervisor").must_post(path, offer, headers=version_of(world, given))
    await world.as_("other_supervisor").must_get("/v1/transfers")
    assert shown("other_supervisor") == {given}


async def test_what_another_force_read_stands_in_the_log_of_both(world: World) -> None:
    case = await intake.opened(world)
    glass = {"case_id": case, "reason": "She rang from their area in danger."}
    await world.as_("other_officer").must_post("/v1/break-glass", glass)
    await world.as_("other_officer").must_get(f"/v1/applications/{case}")
    row = newest(world, "other_officer")
    assert (row["force_id"], row["reader_force_id"]) == (OWN, OTHER)
    asked = {"purpose": "lawfulness", "staff_id": str(STAFF["other_officer"].id)}
    world.execute("UPDATE staff_member SET roles = '{auditor}' WHERE id = %s", STAFF["other_intelligence"].id)
    for reader in ("standards", "other_intelligence"):
        found = (await world.as_(reader).must_get("/v1/access-log", params=asked))["items"]
        assert "read_case" in {one["action"] for one in found}, reader
