"""Opening applications (H3)."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from app.process import Stage
from app.storage.migrations import conninfo
from tests.arrange import place_at
from tests.steps import face_to_face, initial_checks, intake
from tests.world import World


async def test_a_right_to_ask_starts_its_clocks_at_initial_contact(world: World) -> None:
    at = world.now - timedelta(hours=3)
    opened = await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world, at))
    clocks = {one["kind"]: one for one in opened["clocks"]}
    assert list(clocks) == ["initial_checks", "face_to_face", "risk_assessment", "categorise_and_refer", "whole_case"]
    assert clocks["initial_checks"]["due_at"] == "2026-05-06T06:00:00Z"
    assert clocks["face_to_face"]["due_on"] == "2026-05-19"
    assert clocks["risk_assessment"]["state"] == "projected"
    assert clocks["whole_case"]["due_on"] == "2026-06-02"


async def test_a_future_contact_is_refused_and_nothing_changes(world: World) -> None:
    body = intake.right_to_ask(world, world.now + timedelta(minutes=1))
    with world.unchanged():
        answer = await world.as_("control_room").post("/v1/applications", body)
    assert answer.status_code == 422
    assert answer.json()["fields"] == [{"field": "first_contact_at", "says": answer.json()["detail"]}]
    assert "has not come yet" in answer.json()["detail"]


async def test_a_second_request_about_the_same_pair_joins_the_open_case(world: World) -> None:
    first = await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world))
    world.forward(hours=5)
    second = await world.as_("control_room").must_post("/v1/applications", intake.third_party_asks(world))
    assert second["joined"] is True
    assert second["id"] == first["id"]
    assert second["clocks"] == [{**one, "seconds_left": one["seconds_left"] - 5 * 3600} for one in first["clocks"]]


async def test_another_forces_case_is_a_pointer_only(world: World) -> None:
    await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    opened = await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world))
    assert opened["joined"] is False
    pointers = opened["earlier_applications"]
    assert {one["force"] for one in pointers} == {"Southvale Police"}
    assert all(one["case_id"] is None and one["stage"] is None and one["route"] is None for one in pointers)


async def test_control_bytes_in_text_are_refused(world: World) -> None:
    for text in ("nul \u0000", "escape \u001b[31m"):
        with world.unchanged(refusals=0 if "\u0000" in text else 1):
            answer = await world.as_("control_room").post("/v1/applications", intake.right_to_ask(world, why=text))
        assert answer.status_code == 422, answer.text
        assert text not in answer.text


async def test_the_same_key_answers_the_same_and_another_body_is_refused(world: World) -> None:
    clerk, key = world.as_("control_room"), {"Idempotency-Key": "first-call-0001"}
    body = intake.right_to_ask(world)
    first = await clerk.must_post("/v1/applications", body, headers=key)
    again = await clerk.post("/v1/applications", body, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, first["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    with world.unchanged():
        other = await clerk.post("/v1/applications", {**body, "why": "Something else."}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:clares-law:problem:idempotency_key_reused"


async def test_a_draft_becomes_the_case_it_was_begun_for(world: World) -> None:
    clerk = world.as_("control_room")
    draft = await clerk.must_post("/v1/drafts", {"route": "right_to_ask", "typed": {"why": "half a"}})
    await clerk.put(
        f"/v1/drafts/{draft['id']}",
        {"route": "right_to_ask", "typed": {"why": "half a sentence"}},
        headers={"If-Match": f'"{draft["version"]}"'},
    )
    kept = await clerk.must_get(f"/v1/drafts/{draft['id']}")
    assert kept["typed"] == {"why": "half a sentence"}
    opened = await clerk.must_post("/v1/applications", intake.right_to_ask(world, from_draft=draft["id"]))
    assert opened["id"] == draft["id"]


def sent_by_partner(world: World, **changed: Any) -> dict[str, Any]:
    """What a partner agency sends."""
    body = intake.right_to_know(world, channel="partner_agency", **changed)
    body["information"]["received_from"] = "partner_agency"
    return body


async def test_a_partner_sends_information_and_hears_only_that_it_is_received(world: World) -> None:
    idva = world.as_("idva")
    held = await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world))
    with world.unchanged():
        asked = await idva.post("/v1/applications", intake.right_to_ask(world))
    assert asked.status_code == 403
    joined = await idva.post("/v1/applications", sent_by_partner(world))
    assert (joined.status_code, joined.json()) == (201, {"reference": held["reference"], "stage": "received"})
    assert "ETag" not in joined.headers
    new = await idva.post("/v1/applications", sent_by_partner(world, potential_victims=[intake.SECOND_VICTIM]))
    assert set(new.json()) == {"reference", "stage"}
    assert new.json()["reference"] != held["reference"]


async def test_a_partners_repeated_request_is_answered_again(world: World) -> None:
    idva, key = world.as_("idva"), {"Idempotency-Key": "partner-call-01"}
    first = await idva.must_post("/v1/applications", sent_by_partner(world), headers=key)
    again = await idva.post("/v1/applications", sent_by_partner(world), headers=key)
    assert (again.status_code, again.json()) == (201, first)
    assert len(world.rows("SELECT id FROM application")) == 1


@pytest.mark.parametrize("named", ["follows", "from_draft"])
async def test_a_partner_names_no_case(world: World, named: str) -> None:
    case = await intake.opened(world)
    with world.unchanged():
        answer = await world.as_("idva").post("/v1/applications", sent_by_partner(world, **{named: case}))
    assert answer.status_code == 403
    assert case not in answer.text


async def test_an_application_by_the_subject_about_the_victim_is_another_case(world: World) -> None:
    clerk = world.as_("control_room")
    hers = await clerk.must_post("/v1/applications", intake.right_to_ask(world))
    about_her = {name: value for name, value in intake.VICTIM.items() if name != "relationship"}
    himself = {**intake.SUBJECT, "relationship": "partner", "is_applicant": True}
    his = await clerk.must_post(
        "/v1/applications", intake.right_to_ask(world, subject=about_her, potential_victims=[himself])
    )
    assert his["joined"] is False
    assert his["reference"] != hers["reference"]


async def test_the_pair_is_found_among_any_number_of_cases_about_the_subject(world: World) -> None:
    clerk = world.as_("control_room")
    first = await clerk.must_post("/v1/applications", intake.right_to_ask(world))
    keys = world.rows("SELECT * FROM case_pointer WHERE role = 'subject'")
    kept = "route, stage, edition, version, police_involved, created_at, created_by, first_contact_at"
    world.execute(
        f"INSERT INTO application (id, force_id, reference, first_contact_recorded_at, {kept}) "
        f"SELECT gen_random_uuid(), force_id, 'AAAA-' || n, first_contact_recorded_at, {kept} "
        "FROM application, generate_series(1, 120) AS n"
    )
    world.execute(
        "INSERT INTO case_pointer (case_id, role, match_key, force_id, reference, withheld) "
        "SELECT id, 'subject', %s, force_id, reference, false FROM application WHERE reference LIKE 'AAAA-%%'",
        keys[0]["match_key"],
    )
    second = await clerk.must_post("/v1/applications", intake.third_party_asks(world))
    assert (second["joined"], second["id"]) == (True, first["id"])
    assert len(second["earlier_applications"]) == 100


async def test_what_is_typed_in_a_joined_application_is_kept(world: World) -> None:
    case = await intake.opened(world)
    aliases = [{"given_names": "Lee", "surname": "Stone"}]
    subject = {
        **intake.SUBJECT,
        "police_employment": "Northmoor Police",
        "aliases": aliases,
        "addresses": [*intake.SUBJECT["addresses"], {"address": "9 Mill Row, Southvale"}],
        "telephone": "01632 960111",
    }
    victim = {**intake.VICTIM, "telephone": "01632 960222", "safe_contact": {**intake.SAFE, "place": "At home"}}
    body = intake.third_party_asks(
        world, subject=subject, potential_victims=[victim, intake.SECOND_VICTIM], children=[intake.CHILD]
    )
    world.forward(hours=1)
    joined = await world.as_("control_room").must_post("/v1/applications", body)
    assert (joined["joined"], joined["id"]) == (True, case)
    intake.let_in(world, case, "officer")
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    known = file["parties"]
    assert known["applicant"]["person"]["surname"] == "Tarrant"
    assert known["applicant"]["role"] == "potential_victim"
    [mother] = known["other_applicants"]
    assert (mother["role"], mother["is_applicant"], mother["person"]["safe_contact"]) == (
        "applicant",
        False,
        {**intake.SAFE, "approach_plan": None},
    )
    assert [one["person"]["surname"] for one in known["potential_victims"]].count("Lindqvist") == 1
    assert len(known["potential_victims"]) == 2
    assert [one["person"]["given_names"] for one in known["children"]] == ["Ellis"]
    assert known["subject"]["person"]["aliases"] == aliases
    assert len(known["subject"]["person"]["addresses"]) == 2
    assert known["subject"]["person"]["telephone"] == "01632 960111"
    assert known["subject"]["police_employment"] == "Northmoor Police"
    assert file["police_involved"] is True
    owed = [one["kind"] for one in file["duties"]]
    assert owed.count("childrens_social_care") == 1
    assert "police_involvement" in owed
    assert {one["code"] for one in file["duties"]} >= {"further_applicant", "described_differently"}
    she = next(one["person"] for one in known["potential_victims"] if one["person"]["surname"] == "Tarrant")
    assert she["safe_contact"]["place"] == intake.SAFE["place"]  # agreed with her; her mother says otherwise
    told = await world.as_("officer").must_get(f"/v1/applications/{case}/persons")
    otherwise = [one for one in told if one["because"] == "told_otherwise"]
    assert [one["said"]["safe_contact"]["place"] for one in otherwise] == ["At home"]


async def test_a_second_call_of_the_same_people_doubles_nobody_and_no_duty(world: World) -> None:
    body = intake.third_party_asks(
        world, children=[intake.CHILD], subject={**intake.SUBJECT, "police_employment": "Northmoor Police"}
    )
    case = await intake.opened(world, body)
    before = intake.parties(world, case)
    owed = world.rows("SELECT kind FROM duty WHERE case_id = %s ORDER BY kind", case)
    joined = await world.as_("control_room").must_post("/v1/applications", body)
    assert joined["joined"] is True
    assert intake.parties(world, case) == before
    assert world.rows("SELECT kind FROM duty WHERE case_id = %s ORDER BY kind", case) == owed
    assert world.rows("SELECT id FROM person_version") == []


async def test_twins_are_two_persons(world: World) -> None:
    case = await intake.opened(world)
    twin = {**intake.VICTIM, "given_names": "Judith"}
    await world.as_("control_room").must_post(
        "/v1/applications", intake.third_party_asks(world, potential_victims=[twin])
    )
    assert len(intake.parties(world, case)["potential_victim"]) == 2


async def test_a_draft_completed_while_the_pair_is_held_is_open_no_longer(world: World) -> None:
    clerk = world.as_("control_room")
    case = await intake.opened(world)
    draft = await clerk.must_post("/v1/drafts", {"route": "right_to_ask", "typed": {"why": "half"}})
    joined = await clerk.must_post("/v1/applications", intake.third_party_asks(world, from_draft=draft["id"]))
    assert joined["id"] == case
    for again in (
        await clerk.get(f"/v1/drafts/{draft['id']}"),
        await clerk.post("/v1/applications", intake.third_party_asks(world, from_draft=draft["id"])),
    ):
        assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:draft_completed")


async def test_a_joined_application_follows_the_case_that_it_names(world: World) -> None:
    ended = await intake.opened(
        world, intake.right_to_ask(world, potential_victims=[{**intake.SECOND_VICTIM, "is_applicant": True}])
    )
    place_at(world, ended, Stage.CLOSED)
    case = await intake.opened(world)
    await world.as_("control_room").must_post("/v1/applications", intake.third_party_asks(world, follows=ended))
    followed = world.rows("SELECT follows_id, follows_because FROM application WHERE id = %s", case)[0]
    assert (str(followed["follows_id"]), followed["follows_because"]) == (ended, "new_information")


async def test_what_was_said_at_each_contact_is_read_by_who_works_the_case_and_may_know_who_asked(world: World) -> None:
    case = await intake.opened(world)
    world.forward(hours=1)
    further = {
        **intake.contact(world),
        "why": "He has come back.",
        "consent_to_share": False,
        "consent_reason": "Harm.",
    }
    await world.as_("control_room").must_post(f"/v1/applications/{case}/initial-contacts", further)
    address = f"/v1/applications/{case}/initial-contacts"
    first, second = await world.as_("officer").must_get(address)
    assert first["why"] == intake.right_to_ask(world)["why"] and first["withheld"] == []
    assert (second["why"], second["consent_to_share"], second["consent_reason"]) == (
        "He has come back.",
        False,
        "Harm.",
    )
    place_at(world, case, Stage.CLOSED)
    assert await world.as_("auditor").must_get(address) == []
    for key in ("probation", "chair", "administrator"):
        assert (await world.as_(key).get(address)).status_code == 403


async def test_a_contact_that_joins_without_a_grade_owes_one(world: World) -> None:
    case = await intake.opened(world)
    contact = {name: value for name, value in intake.contact(world).items() if name != "risk"}
    joined = await world.as_("control_room").must_post(f"/v1/applications/{case}/initial-contacts", contact)
    assert [one["code"] for one in joined["put_before_supervisor"]] == ["risk_not_graded_again"]
    assert joined["version"] == 2
    await world.as_("control_room").must_post("/v1/applications", intake.third_party_asks(world, risk=None))
    owed = world.rows("SELECT code FROM duty WHERE case_id = %s AND code = 'risk_not_graded_again'", case)
    assert len(owed) == 2


@pytest.mark.parametrize("stage", [Stage.INTAKE, Stage.FINAL_REPORT, Stage.CLOSED])
async def test_no_contact_joins_a_draft_or_a_case_that_has_ended(world: World, stage: Stage) -> None:
    clerk = world.as_("control_room")
    if stage is Stage.INTAKE:
        draft = await clerk.must_post("/v1/drafts", {"route": "right_to_ask", "typed": {}})
        case, says = draft["id"], "open the application"
    else:
        case, says = await intake.opened(world), "open a new application that follows it"
        place_at(world, case, stage)
    with world.unchanged():
        answer = await clerk.post(f"/v1/applications/{case}/initial-contacts", intake.contact(world))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")
    assert says in answer.json()["detail"]


async def test_a_case_that_ends_while_a_contact_waits_for_it_is_not_joined(world: World) -> None:
    case = await intake.opened(world)
    async with await psycopg.AsyncConnection.connect(conninfo(world.url)) as other:
        await other.execute(
            "UPDATE application SET stage = 'final_report', outcome = 'withdrawn' WHERE id = %s", [case]
        )
        waiting = asyncio.create_task(
            world.as_("control_room").must_post("/v1/applications", intake.third_party_asks(world))
        )
        blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        for _ in range(1000):
            if world.rows(blocked):
                break
            await asyncio.sleep(0.01)
        await other.commit()
    opened = await waiting
    assert opened["joined"] is False
    assert opened["id"] != case


async def test_an_earlier_contact_moves_the_start_and_is_seen(world: World) -> None:
    case = await intake.opened(world)
    before = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    world.forward(hours=1)
    earlier = world.now - timedelta(hours=20)
    joined = await world.as_("control_room").must_post(
        f"/v1/applications/{case}/initial-contacts", intake.contact(world, earlier)
    )
    assert [one["code"] for one in joined["put_before_supervisor"]] == ["earlier_first_contact"]
    after = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    moved = {kind for kind in before if before[kind]["due_at"] != after[kind]["due_at"]}
    assert moved == {"initial_checks", "face_to_face", "risk_assessment", "categorise_and_refer", "whole_case"}
    assert after["initial_checks"]["due_at"] == "2026-05-05T14:00:00Z"
    assert after["risk_assessment"]["state"] == "projected"
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    assert datetime.fromisoformat(file["first_contact_at"]) == earlier
    told = await world.as_("officer").must_get(f"/v1/applications/{case}/timeline")
    sentences = [one["sentence"] for one in told["items"] if one["kind"] == "clock_moved"]
    assert len(sentences) == 5
    assert sentences[0] == (
        "Initial checks: was due Wed 6 May 2026 10:00, now due Tue 5 May 2026 15:00, because the first contact was "
        "Mon 4 May 2026 15:00, not Tue 5 May 2026 10:00."
    )


async def test_a_start_that_moves_back_shows_that_the_checks_were_late(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.progressed(world, case)
    joined = await world.as_("control_room").must_post(
        f"/v1/applications/{case}/initial-contacts", intake.contact(world, world.now - timedelta(hours=30))
    )
    assert [one["code"] for one in joined["put_before_supervisor"]] == ["earlier_first_contact", "late_entry"]
    clocks = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    assert clocks["initial_checks"]["state"] == "met_late"
    assert clocks["face_to_face"]["state"] == "running"


async def test_a_meeting_that_was_held_keeps_the_clocks_that_count_from_it(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.progressed(world, case)
    await face_to_face.meet(world, case)
    before = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    await world.as_("control_room").must_post(
        f"/v1/applications/{case}/initial-contacts", intake.contact(world, world.now - timedelta(days=3))
    )
    after = {one["kind"]: one for one in await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")}
    for kind in ("risk_assessment", "categorise_and_refer"):
        assert after[kind]["due_at"] == before[kind]["due_at"]
    assert after["whole_case"]["due_at"] < before["whole_case"]["due_at"]


@pytest.mark.parametrize(("hours", "flagged"), [(24, []), (25, ["late_entry"])])
async def test_a_first_contact_typed_late_is_seen(world: World, hours: int, flagged: list[str]) -> None:
    case = await intake.opened(world, intake.right_to_ask(world, world.now - timedelta(hours=hours)))
    assert [row["code"] for row in world.rows("SELECT code FROM duty WHERE case_id = %s", case)] == flagged


async def test_a_relationship_out_of_scope_is_kept_and_put_before_a_supervisor(world: World) -> None:
    body = intake.right_to_ask(
        world, potential_victims=[{**intake.VICTIM, "relationship": "penfriend", "is_applicant": True}]
    )
    answer = await world.as_("control_room").post("/v1/applications", body)
    assert answer.status_code == 201
    assert "penfriend" not in answer.text
    case = answer.json()["id"]
    [owed] = world.rows("SELECT kind, code, rule, says FROM duty WHERE case_id = %s", case)
    assert (owed["kind"], owed["code"], owed["rule"]) == ("supervisor_review", "relationship_out_of_scope", "H1.5")
    assert "penfriend" not in owed["says"]
    [kept] = world.rows("SELECT relationship FROM party WHERE case_id = %s AND role = 'potential_victim'", case)
    assert kept["relationship"] == "penfriend"
    clocks = await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")
    assert len(clocks) == 5
