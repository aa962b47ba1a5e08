"""Early ends: withdrawn, the subject has died, not completed before a decision (H8.4, H4.5, H7.6)."""

from datetime import timedelta
from typing import Any

import pytest

from app.process import Stage
from tests.arrange import emergency_authority, forum_decision, place_at, version_of
from tests.ready import identified
from tests.steps import disclosure, intake, lateness
from tests.steps import final_report as steps
from tests.world import World


def _clocks(world: World, case_id: str) -> dict[str, dict[str, Any]]:
    return {row["kind"]: row for row in world.rows("SELECT * FROM clock WHERE case_id = %s", case_id)}


def _case(world: World, case_id: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM application WHERE id = %s", case_id)[0]


async def test_a_withdrawal_ends_nothing_until_another_has_decided(world: World) -> None:
    case = await intake.opened(world)
    await steps.withdraw(world, case, by="supervisor")
    assert _case(world, case)["stage"] == "initial_checks"
    body = {"carry_on": False, "reason": "She has left him."}
    with world.unchanged():
        same = await world.as_("supervisor").post(
            steps.path(case, "withdrawal/decision"), body, headers=version_of(world, case)
        )
    assert same.status_code == 409
    assert [one["code"] for one in same.json()["obstacles"]] == ["same_person"]
    decision = await steps.decide_withdrawal(world, case, by="supervisor2")
    assert decision["continued_as"] is None
    ended = _case(world, case)
    assert (ended["stage"], ended["outcome"]) == ("final_report", "withdrawn")
    assert {clock["ended_because"] for clock in _clocks(world, case).values()} == {"withdrawal"}
    owed = world.rows("SELECT kind FROM duty WHERE case_id = %s AND answered_at IS NULL", case)
    assert [row["kind"] for row in owed] == ["offender_management"]


async def test_no_withdrawal_no_decision(world: World) -> None:
    case = await intake.opened(world)
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "withdrawal/decision"),
            {"carry_on": True, "reason": "Risk remains."},
            headers=version_of(world, case),
        )
    assert refused.status_code == 409
    assert [one["code"] for one in refused.json()["obstacles"]] == ["no_withdrawal"]


async def test_only_a_supervisor_decides_on_a_withdrawal(world: World) -> None:
    case = await intake.opened(world)
    await steps.withdraw(world, case)
    with world.unchanged():
        refused = await world.as_("officer2").post(
            steps.path(case, "withdrawal/decision"),
            {"carry_on": False, "reason": "Hers to say."},
            headers=version_of(world, case),
        )
    assert refused.status_code == 403


async def test_a_withdrawal_taken_wrongly_is_kept_and_flagged(world: World) -> None:
    case = await intake.opened(world)
    kept = await steps.withdraw(world, case, by_safe_means=False)
    assert [flag["code"] for flag in kept["put_before_supervisor"]] == ["not_by_safe_means"]
    known = await intake.opened(world, intake.right_to_know(world, subject={"given_names": "Ivo", "surname": "Kell"}))
    kept = await steps.withdraw(world, known)
    assert [flag["code"] for flag in kept["put_before_supervisor"]] == ["no_applicant"]
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(known, "withdrawal/decision"),
            {"carry_on": False, "reason": "Nobody asked."},
            headers=version_of(world, known),
        )
    assert [one["code"] for one in refused.json()["obstacles"]] == ["no_applicant"]


async def test_nothing_is_decided_on_a_withdrawal_by_unsafe_means(world: World) -> None:
    case = await intake.opened(world)
    await steps.withdraw(world, case, by_safe_means=False)
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "withdrawal/decision"),
            {"carry_on": False, "reason": "As she wishes."},
            headers=version_of(world, case),
        )
    assert [one["code"] for one in refused.json()["obstacles"]] == ["not_by_safe_means"]
    world.forward(minutes=30)
    await steps.withdraw(world, case)
    await steps.decide_withdrawal(world, case)


async def _refused_to_drop(world: World, case: str) -> list[str]:
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "withdrawal/decision"),
            {"carry_on": False, "reason": "As she wishes."},
            headers=version_of(world, case),
        )
    assert refused.status_code == 409
    return [one["code"] for one in refused.json()["obstacles"]]


async def test_a_withdrawal_does_not_undo_a_decision_to_disclose(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    forum_decision(world, case, victim, disclose=True, recipient=victim)
    await steps.withdraw(world, case)
    assert await _refused_to_drop(world, case) == ["decided_to_disclose"]
    await steps.decide_withdrawal(world, case, carry_on=True)
    assert _case(world, case)["outcome"] == "withdrawn"


async def test_a_withdrawal_waits_for_the_review_of_an_emergency(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    emergency_authority(world, case, victim, recipient=victim)
    world.execute(
        "INSERT INTO duty (id, case_id, force_id, kind, code, says, rule, opened_at, opened_by) SELECT "
        "gen_random_uuid(), id, force_id, 'emergency_review', 'emergency_review', 'x', 'H6.8', %s, created_by "
        "FROM application",
        world.now,
    )
    await steps.withdraw(world, case)
    assert await _refused_to_drop(world, case) == ["decided_to_disclose", "emergency_review"]


async def test_a_third_party_who_withdraws_is_still_owed_the_neutral_words(world: World) -> None:
    case = await intake.opened(world, intake.third_party_asks(world))
    victim = intake.parties(world, case)["potential_victim"][0]
    identified(world, case)
    decision = forum_decision(world, case, victim, disclose=True, recipient=victim)
    await disclosure.deliver(world, case, victim, decision)
    await steps.withdraw(world, case)
    assert await _refused_to_drop(world, case) == ["neutral_words_owed"]


async def test_a_withdrawal_under_suspected_duress_is_carried_on_or_not_decided(world: World) -> None:
    case = await intake.opened(world)
    await steps.withdraw(world, case, duress_suspected=True)
    assert await _refused_to_drop(world, case) == ["duress_suspected"]
    assert (await steps.decide_withdrawal(world, case, carry_on=True))["continued_as"] is not None


async def test_carried_on_as_right_to_know_under_the_first_contact(world: World) -> None:
    asked_at = world.now
    body = intake.third_party_asks(world, children=[intake.CHILD], crime_alleged=True)
    case = await intake.opened(world, body)
    world.forward(days=3)
    await steps.withdraw(world, case)
    await lateness.plan_meanwhile(world, case)
    decision = await steps.decide_withdrawal(world, case, carry_on=True, grading="2BC")
    linked = decision["continued_as"]

    new = _case(world, linked)
    assert (new["route"], new["stage"], str(new["follows_id"])) == ("right_to_know", "initial_checks", case)
    assert new["follows_because"] == "continues_as_right_to_know"
    assert new["first_contact_at"] == world.now
    clocks = _clocks(world, linked)
    assert clocks["whole_case"]["started_at"] == asked_at
    assert clocks["whole_case"]["starts_from"] == "initial_contact"
    assert clocks["initial_checks"]["started_at"] == world.now
    assert "face_to_face" not in clocks
    assert {clock["ended_because"] for clock in _clocks(world, case).values()} == {"conversion"}

    parties = world.rows(
        "SELECT party.role, party.is_applicant, party.relationship, person.surname, person.born FROM party "
        "JOIN person ON person.id = party.person_id WHERE party.case_id = %s ORDER BY role",
        linked,
    )
    assert [row["role"] for row in parties] == ["child", "potential_victim", "subject"]
    assert not any(row["is_applicant"] for row in parties)
    assert parties[1]["relationship"] == "cohabiting_partner"
    assert world.rows("SELECT place FROM safe_contact WHERE case_id = %s", linked) == [{"place": intake.SAFE["place"]}]
    contact = world.rows("SELECT * FROM initial_contact WHERE case_id = %s", linked)[0]
    assert (contact["received_from"], contact["source_grading"]) == ("application_withdrawn", "2BC")

    def owed(of: str) -> set[str]:
        rows = world.rows("SELECT kind FROM duty WHERE case_id = %s AND answered_at IS NULL", of)
        return {row["kind"] for row in rows}

    assert owed(linked) == {"childrens_social_care", "crime"}
    assert owed(case) == {"crime", "offender_management"}

    pointed = world.rows("SELECT DISTINCT role FROM case_pointer WHERE case_id = %s ORDER BY role", linked)
    assert [row["role"] for row in pointed] == ["potential_victim", "subject"]
    told = world.rows("SELECT kind FROM event WHERE case_id = %s ORDER BY position", case)
    assert [row["kind"] for row in told][-2:] == ["continued_as_right_to_know", "withdrawn"]


async def test_an_applicant_who_withdraws_stays_a_potential_victim(world: World) -> None:
    case = await intake.opened(world)
    await steps.withdraw(world, case)
    linked = (await steps.decide_withdrawal(world, case, carry_on=True))["continued_as"]
    rows = world.rows("SELECT role, is_applicant FROM party WHERE case_id = %s ORDER BY role", linked)
    assert [(row["role"], row["is_applicant"]) for row in rows] == [("potential_victim", False), ("subject", False)]


async def test_the_death_of_the_subject_ends_the_case(world: World) -> None:
    case = await intake.opened(world)
    with world.unchanged():
        ahead = await world.as_("supervisor").post(
            steps.path(case, "subject-deceased"),
            {"verified_by": "Registrar", "verified_how": "Register", "died_on": "2027-01-01"},
            headers=version_of(world, case),
        )
    assert ahead.status_code == 422
    await steps.subject_deceased(world, case, died_on="2026-05-01")
    ended = _case(world, case)
    assert (ended["stage"], ended["outcome"]) == ("final_report", "subject_deceased")
    assert {clock["ended_because"] for clock in _clocks(world, case).values()} == {"non_progression"}
    assert world.rows("SELECT 1 FROM duty WHERE case_id = %s", case) == []
    with world.unchanged():
        again = await world.as_("supervisor").post(
            steps.path(case, "subject-deceased"),
            {"verified_by": "Registrar", "verified_how": "Register"},
            headers=version_of(world, case),
        )
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_death_is_the_finding_on_the_subjects_identity(world: World) -> None:
    query = "SELECT result, how FROM subject_identity WHERE case_id = %s"
    case = await intake.opened(world)
    await steps.subject_deceased(world, case)
    assert world.rows(query, case) == [{"result": "deceased", "how": "Entry of death seen in the register."}]
    known = await intake.opened(world, intake.right_to_know(world, subject={"given_names": "Ivo", "surname": "Kell"}))
    found = {"result": "deceased", "record": "Register of deaths", "how": "Read by the officer."}
    await world.as_("officer").must_post(steps.path(known, "identity"), found)
    await steps.subject_deceased(world, known)
    assert [row["how"] for row in world.rows(query, known)] == ["Read by the officer."]


async def test_not_reached_needs_spaced_attempts_since_the_last_talk(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    person = intake.parties(world, case)["potential_victim"][0]
    for hours in (1, 1, 24):
        await steps.attempt(world, person, case)
        world.forward(hours=hours)
    await lateness.plan_meanwhile(world, case)
    body = {"party_id": person, "because": "not_reached", "reason": "Every agreed way was tried."}
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "not-completed"), body, headers=version_of(world, case)
        )
    assert refused.status_code == 409
    assert refused.json()["obstacles"][0]["code"] == "too_few_attempts"
    assert refused.json()["obstacles"][0]["says"].startswith("Attempts that count: 1 of 3")

    await steps.attempt(world, person, case, outcome="spoke")
    for _ in range(3):
        world.forward(hours=24)
        await steps.attempt(world, person, case)
    await steps.not_completed(world, case, person)
    ended = _case(world, case)
    assert (ended["stage"], ended["outcome"]) == ("final_report", "not_completed")
    assert {clock["ended_because"] for clock in _clocks(world, case).values()} == {"non_completion"}
    kept = await world.as_("officer").must_get(steps.path(case, "not-completed"))
    assert [one["attempts"] for one in kept] == [3]


@pytest.mark.parametrize("because", ["declined_to_hear", "unsafe_to_reach"])
async def test_other_reasons_need_no_attempts(world: World, because: str) -> None:
    case = await intake.opened(world)
    person = intake.parties(world, case)["potential_victim"][0]
    await steps.not_completed(world, case, person, because=because)
    assert _case(world, case)["outcome"] == "not_completed"


async def test_the_subject_is_nobody_who_was_not_reached(world: World) -> None:
    case = await intake.opened(world)
    subject = intake.parties(world, case)["subject"][0]
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "not-completed"),
            {"party_id": subject, "because": "declined_to_hear", "reason": "x"},
            headers=version_of(world, case),
        )
    assert refused.status_code == 422
    victim = intake.parties(world, case)["potential_victim"][0]
    with world.unchanged():
        withdrawn = await world.as_("supervisor").post(
            steps.path(case, "not-completed"),
            {"party_id": victim, "because": "withdrew", "reason": "x"},
            headers=version_of(world, case),
        )
    assert withdrawn.status_code == 422


async def test_early_ends_keep_a_breach(world: World) -> None:
    case = await intake.opened(world)
    world.set_time(world.now + timedelta(days=40))
    await steps.withdraw(world, case)
    await lateness.plan_meanwhile(world, case)
    await steps.decide_withdrawal(world, case)
    clocks = await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")
    states = {clock["kind"]: clock["state"] for clock in clocks}
    assert states["initial_checks"] == states["whole_case"] == "ended_breached"
