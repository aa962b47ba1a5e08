"""The full risk assessment of each potential victim (H5.2)."""

from typing import Any

import pytest

from app.process import Stage
from tests.arrange import place_at
from tests.steps import face_to_face, intake, risk_assessment
from tests.world import World


def clock(world: World, case_id: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM clock WHERE case_id = %s AND kind = 'risk_assessment'", case_id)[0]


def flags(receipt: Any) -> list[str]:
    return sorted(flag["code"] for flag in receipt["put_before_supervisor"])


def victims(world: World, case_id: str) -> list[str]:
    return intake.parties(world, case_id)["potential_victim"]


async def met(world: World, body: dict[str, Any] | None = None) -> str:
    case_id = await intake.opened(world, body)
    place_at(world, case_id, Stage.FACE_TO_FACE)
    await face_to_face.meet(world, case_id)
    return case_id


async def test_a_signed_assessment_takes_the_case_on_and_meets_its_clock(world: World) -> None:
    case_id = await met(world)
    signed = world.forward(days=3)
    (victim,) = victims(world, case_id)
    receipt = await risk_assessment.assess(world, case_id, victim)
    assert (receipt["stage"], receipt["put_before_supervisor"]) == ("categorisation", [])
    assert clock(world, case_id)["met_at"] == signed
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/risk-assessments")
    body = risk_assessment.assessment(victim)
    risk = body.pop("risk")
    assert {name: kept[name] for name in body} == body
    assert kept["grade"] == risk["grade"]
    (grade,) = world.rows("SELECT * FROM risk_grade WHERE id = %s", kept["risk_grade_id"])
    assert (str(grade["potential_victim_id"]), grade["reason"]) == (victim, risk["reason"])


@pytest.mark.parametrize("answer", [1e18, 2.0**53, 1.0, 0.0, 0.5, [True], {"a": 1}])
@pytest.mark.parametrize("key", [None, "5f0c6f5e-0f6c-4c55-9d2a-7e1f00000001"])
async def test_an_answer_is_kept_as_typed_or_refused_by_name(world: World, answer: Any, key: str | None) -> None:
    case_id = await met(world)
    (victim,) = victims(world, case_id)
    body = risk_assessment.assessment(victim, answers={"1": answer})
    headers = {"Idempotency-Key": key} if key else {}
    with world.unchanged(refusals=int(answer not in (1e18, 2.0**53))):
        refused = await world.as_("officer").post(f"/v1/applications/{case_id}/risk-assessments", body, headers=headers)
    assert refused.status_code == 422, refused.text
    assert refused.json()["fields"][0]["field"].startswith("body.answers.1")


async def test_answers_of_every_kind_come_back_as_they_were_typed(world: World) -> None:
    case_id = await met(world)
    (victim,) = victims(world, case_id)
    answers = {"1": True, "2": 1, "3": 0, "4": False, "5": "1", "6": None, "7": 2**53 - 1, "8": -(2**53) + 1}
    await risk_assessment.assess(world, case_id, victim, answers=answers)
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/risk-assessments")
    assert [(name, type(one), one) for name, one in sorted(kept["answers"].items())] == [
        (name, type(one), one) for name, one in answers.items()
    ]


async def test_every_potential_victim_is_assessed_before_the_case_goes_on(world: World) -> None:
    both = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
    case_id = await met(world, intake.right_to_ask(world, potential_victims=both))
    first, second = victims(world, case_id)
    assert (await risk_assessment.assess(world, case_id, first))["stage"] == "risk_assessment"
    world.forward(hours=1)
    assert (await risk_assessment.assess(world, case_id, first))["stage"] == "risk_assessment"
    assert clock(world, case_id)["met_at"] is None
    last = world.forward(hours=1)
    assert (await risk_assessment.assess(world, case_id, second))["stage"] == "categorisation"
    assert clock(world, case_id)["met_at"] == last


async def test_only_an_assessment_that_is_signed_off_counts(world: World) -> None:
    case_id = await met(world)
    assert (await risk_assessment.assess_everyone(world, case_id, signed_off=False))["stage"] == "risk_assessment"
    assert clock(world, case_id)["met_at"] is None
    assert (await risk_assessment.assess_everyone(world, case_id))["stage"] == "categorisation"
    assert len(await world.as_("officer").must_get(f"/v1/applications/{case_id}/risk-assessments")) == 2


async def test_judgement_overrides_the_tool_with_its_reason(world: World) -> None:
    case_id = await met(world)
    (victim,) = victims(world, case_id)
    risk = {"grade": "high", "immediate": True, "reason": "Strangulation reported."}
    changed: dict[str, Any] = {"risk": risk, "override_reason": "The score misses the strangulation."}
    await risk_assessment.assess(world, case_id, victim, **changed)
    (kept,) = await world.as_("officer").must_get(f"/v1/applications/{case_id}/risk-assessments")
    assert (kept["tool_grade"], kept["grade"]) == ("medium", "high")
    (case,) = world.rows("SELECT urgent_since FROM application WHERE id = %s", case_id)
    assert case["urgent_since"] == world.now
    (duty,) = world.rows("SELECT kind FROM duty WHERE case_id = %s", case_id)
    assert duty["kind"] == "immediate_safeguarding"


@pytest.mark.parametrize(
    "changed",
    [
        {"tool_grade": "standard"},
        {"override_reason": "No need of one."},
        {"answers": {str(number): True for number in range(201)}},
        {"answers": {"x" * 101: True}},
        {"answers": {"1": "y" * 2_001}},
        {"answers": {"1": {"nested": True}}},
        {"answers": {"1": "escape \u001b[31m"}},
        {"score": -1},
        {"occurred_at": "2026-05-05T09:00:01Z"},
        {"potential_victim_id": "00000000-0000-4000-8000-000000000000"},
    ],
)
async def test_an_assessment_of_the_wrong_shape_is_refused(world: World, changed: dict[str, Any]) -> None:
    case_id = await met(world)
    body = risk_assessment.assessment(victims(world, case_id)[0], **changed)
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/risk-assessments", body)
    assert answer.status_code == 422


async def test_only_a_potential_victim_is_assessed(world: World) -> None:
    case_id = await met(world)
    body = risk_assessment.assessment(intake.parties(world, case_id)["subject"][0])
    with world.unchanged():
        answer = await world.as_("officer").post(f"/v1/applications/{case_id}/risk-assessments", body)
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "potential_victim_id")


async def test_the_control_room_assesses_nobody(world: World) -> None:
    case_id = await met(world)
    body = risk_assessment.assessment(victims(world, case_id)[0])
    with world.unchanged():
        answer = await world.as_("control_room").post(f"/v1/applications/{case_id}/risk-assessments", body)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage.INITIAL_CHECKS, ["assessed_early"]),
        (Stage.FACE_TO_FACE, ["assessed_early"]),
        (Stage.FORUM, []),
        (Stage.DISCLOSURE, []),
        (Stage.CLOSED, ["case_concluded"]),
    ],
)
async def test_an_assessment_is_kept_at_any_stage_and_flagged_where_it_is_out_of_order(
    world: World, stage: Stage, expected: list[str]
) -> None:
    case_id = await intake.opened(world)
    place_at(world, case_id, stage)
    receipt = await risk_assessment.assess_everyone(world, case_id)
    assert (flags(receipt), receipt["stage"]) == (expected, stage.value)
    assert clock(world, case_id)["met_at"] is None  # projected: nobody has met the applicant


async def test_an_assessment_dated_inside_its_limit_and_typed_after_it_goes_before_a_supervisor(world: World) -> None:
    case_id = await met(world)
    inside = world.forward(days=1)
    world.forward(days=10)
    receipt = await risk_assessment.assess_everyone(world, case_id, occurred_at=inside.isoformat())
    assert flags(receipt) == ["dated_before_limit", "late_entry"]
    assert clock(world, case_id)["met_at"] == inside
