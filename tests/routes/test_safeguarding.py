"""What may have to happen at any step: immediate safeguarding, contact, grades, who answers a duty (H2)."""

from datetime import datetime
from typing import Any

import pytest

from tests.arrange import insert, version_of
from tests.steps import disclosure, face_to_face, final_report, intake, risk_assessment
from tests.world import STAFF, World

DANGER = {"grade": "high", "immediate": True, "reason": "He has said that he will hurt her tonight."}


def path(case: str, resource: str) -> str:
    return f"/v1/applications/{case}/{resource}"


def flags(receipt: Any) -> list[tuple[str, str]]:
    return [(flag["code"], flag["rule"]) for flag in receipt["put_before_supervisor"]]


def endangered(world: World, case: str) -> list[str | None]:
    """The potential victims to whom immediate safeguarding is still owed; None stands for the whole case."""
    query = (
        "SELECT potential_victim_id FROM duty WHERE case_id = %s AND kind = 'immediate_safeguarding' "
        "AND answered_at IS NULL ORDER BY opened_at"
    )
    found = [row["potential_victim_id"] for row in world.rows(query, case)]
    return [one and str(one) for one in found]


async def two_victims(world: World) -> tuple[str, str, str]:
    case = await intake.opened(
        world, intake.right_to_know(world, potential_victims=[intake.VICTIM, intake.SECOND_VICTIM])
    )
    one, other = intake.parties(world, case)["potential_victim"]
    return case, one, other


async def graded(world: World, case: str, **changed: Any) -> Any:
    world.forward(minutes=5)
    return await world.as_("officer").must_post(path(case, "risk-grades"), {**DANGER, **changed})


async def acted(world: World, case: str, party: str | None = None) -> None:
    world.forward(minutes=5)
    body = {"party_id": party, "action": "Response officers are there.", "done_by": "Response"}
    await world.as_("officer").must_post(path(case, "safeguarding-actions"), body)


async def planned(world: World, case: str, victim: str) -> None:
    world.forward(minutes=5)
    await disclosure.plan(world, case, victim)


async def test_somebody_elses_plan_does_not_settle_immediate_safeguarding(world: World) -> None:
    case, one, other = await two_victims(world)
    await graded(world, case, potential_victim_id=one)
    assert endangered(world, case) == [one]
    await acted(world, case)
    await planned(world, case, other)
    assert endangered(world, case) == [one]
    await planned(world, case, one)
    assert endangered(world, case) == []


async def test_an_action_for_somebody_else_does_not_settle_it_and_one_about_the_subject_does(world: World) -> None:
    case, one, other = await two_victims(world)
    await graded(world, case, potential_victim_id=one)
    await planned(world, case, one)
    await acted(world, case, other)
    assert endangered(world, case) == [one]
    await acted(world, case, intake.parties(world, case)["subject"][0])  # arrested
    assert endangered(world, case) == []


async def test_risk_to_the_whole_case_needs_a_plan_for_each(world: World) -> None:
    case, one, other = await two_victims(world)
    await graded(world, case)
    await acted(world, case)
    await planned(world, case, one)
    assert endangered(world, case) == [None]
    await planned(world, case, other)
    assert endangered(world, case) == []


async def test_a_later_finding_is_not_answered_by_what_was_done_before_it(world: World) -> None:
    case, one, _ = await two_victims(world)
    await graded(world, case, potential_victim_id=one)
    await acted(world, case)
    await graded(world, case, potential_victim_id=one)
    await planned(world, case, one)
    assert endangered(world, case) == [one]
    await acted(world, case)
    assert endangered(world, case) == []
    await graded(world, case, potential_victim_id=one)
    assert endangered(world, case) == [one]


async def test_a_meeting_and_an_assessment_say_whom_the_risk_is_to(world: World) -> None:
    case = await intake.opened(world)
    she = face_to_face.applicant(world, case)
    await face_to_face.meet(world, case, risk=DANGER)
    world.forward(minutes=5)
    await risk_assessment.assess(world, case, she, risk=DANGER, tool_grade="high")
    assert endangered(world, case) == [she, she]


async def test_a_grade_typed_late_is_flagged_and_keeps_both_times(world: World) -> None:
    case = await intake.opened(world)
    found: datetime = world.forward(hours=1)
    world.forward(hours=30)
    body = {"grade": "medium", "reason": "He has found work near her.", "occurred_at": found.isoformat()}
    receipt = await world.as_("officer").must_post(path(case, "risk-grades"), body)
    assert flags(receipt) == [("late_entry", "H10.7")]
    query = "SELECT occurred_at, recorded_at FROM event WHERE case_id = %s AND kind = 'risk_graded'"
    [told] = world.rows(query, case)
    assert (told["occurred_at"], told["recorded_at"]) == (found, world.now)


async def tried(world: World, case: str, party: str, **changed: Any) -> Any:
    body = {"party_id": party, "means": "Telephone", "outcome": "no_answer", **changed}
    return await world.as_("officer").must_post(path(case, "contact-attempts"), body)


async def test_trying_somebody_without_a_safe_contact_is_flagged(world: World) -> None:
    unsafe = {name: value for name, value in intake.VICTIM.items() if name != "safe_contact"}
    case = await intake.opened(world, intake.right_to_know(world, potential_victims=[unsafe]))
    she = intake.parties(world, case)["potential_victim"][0]
    assert flags(await tried(world, case, she)) == [("no_safe_contact", "H2.1")]
    person = world.rows("SELECT person_id, force_id FROM party WHERE id = %s", she)[0]
    insert(
        world,
        "safe_contact",
        case_id=case,
        force_id=person["force_id"],
        person_id=person["person_id"],
        part="potential_victim",
        approach_plan="At her workplace, by a health visitor.",
        recorded_at=world.now,
        recorded_by=STAFF["officer"].id,
    )
    assert flags(await tried(world, case, she)) == []


async def test_the_subject_is_contacted_only_where_representations_are_sought(world: World) -> None:
    case = await intake.opened(world)
    he = intake.parties(world, case)["subject"][0]
    assert flags(await tried(world, case, he)) == [("subject_contacted", "H2.7")]
    await considered(world, case, "not_sought")
    assert flags(await tried(world, case, he)) == [("subject_contacted", "H2.7")]
    before: datetime = world.now
    await considered(world, case, "sought", words="The police have a general question for you.")
    assert flags(await tried(world, case, he)) == []
    early = await tried(world, case, he, occurred_at=before.isoformat())
    assert flags(early) == [("subject_contacted", "H2.7")]
    await considered(world, case, "not_sought")
    assert flags(await tried(world, case, he)) == [("subject_contacted", "H2.7")]


async def considered(world: World, case: str, choice: str, **more: str) -> None:
    world.forward(minutes=5)
    body = {"choice": choice, "reason": "Weighed against her danger.", **more}
    headers = version_of(world, case)
    await world.as_("supervisor").must_post(path(case, "representations"), body, headers=headers)


@pytest.mark.parametrize(
    ("rank", "status"), [("sergeant", 403), (None, 403), ("inspector", 201), ("superintendent", 201)]
)
async def test_the_notices_about_police_are_answered_from_the_rank_that_the_edition_names(
    world: World, rank: str | None, status: int
) -> None:
    police = {**intake.SUBJECT, "police_employment": "Northmoor Police"}
    case = await intake.opened(world, intake.right_to_ask(world, subject=police))
    world.execute("UPDATE staff_member SET rank = %s WHERE id = %s", rank, STAFF["supervisor"].id)
    intake.let_in(world, case, "supervisor")  # who does not lead by rank sees it by permission alone
    duty = world.rows("SELECT id FROM duty WHERE case_id = %s AND kind = 'police_involvement'", case)[0]["id"]
    answer = await world.as_("supervisor").post(path(case, f"duties/{duty}/answer"), {"answer": "Told by telephone."})
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["type"] == "urn:clares-law:problem:rank_too_low"


async def test_offender_management_is_owed_in_the_same_words_however_a_case_ends(world: World) -> None:
    withdrawn = await intake.opened(world)
    await final_report.withdraw(world, withdrawn)
    await final_report.decide_withdrawal(world, withdrawn)
    other = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
    malicious = await intake.opened(world, intake.right_to_ask(world, subject=other))
    world.execute("UPDATE application SET stage = 'face_to_face' WHERE id = %s", malicious)
    await face_to_face.find_malicious(world, malicious)
    await face_to_face.agree(world, malicious)
    owed = world.rows("SELECT code, says, rule FROM duty WHERE kind = 'offender_management'")
    assert len(owed) == 2
    assert owed[0] == owed[1]
