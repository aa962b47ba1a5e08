"""A case goes from one force to another: one case, counted once, its clocks running on (H8.5)."""

from typing import Any

import pytest

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import final_report as steps
from tests.steps import intake
from tests.world import OTHER, OWN, World

OFFER = {"to_force_id": OTHER, "reason": "The potential victim has moved to Southvale."}


async def _offered(world: World, **changed: Any) -> tuple[str, str]:
    case = await intake.opened(world, intake.right_to_ask(world, **changed))
    place_at(world, case, Stage.FACE_TO_FACE)
    made = await world.as_("supervisor").must_post(steps.path(case, "transfer"), OFFER, headers=version_of(world, case))
    return case, str(made["id"])


def _refusals(answer: Any) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [one["code"] for one in answer.json()["obstacles"]]


async def test_until_acceptance_the_first_force_owns_it_and_then_the_other(world: World) -> None:
    case, offer = await _offered(world, children=[intake.CHILD])
    before = world.rows("SELECT kind, due_at, met_at, ended_at FROM clock WHERE case_id = %s ORDER BY kind", case)
    with world.unchanged():
        assert (await world.as_("other_supervisor").get(f"/v1/applications/{case}")).status_code == 404
    listed = await world.as_("other_supervisor").must_get("/v1/transfers")
    assert [(one["id"], one["from_force"], one["accepted_at"]) for one in listed] == [(offer, "Northmoor Police", None)]
    world.forward(hours=2)
    note = {"note": "Her officer here is told."}
    taken = await world.as_("other_supervisor").must_post(f"/v1/transfers/{offer}/acceptance", note)
    assert (taken["case_id"], taken["stage"]) == (case, "face_to_face")
    for who in ("supervisor", "other_supervisor"):
        assert [one["note"] for one in await world.as_(who).must_get("/v1/transfers")] == [note["note"]]

    found = await world.as_("other_officer").must_get(f"/v1/applications/{case}/clocks")
    assert len(found) == len(before)
    assert (
        world.rows("SELECT kind, due_at, met_at, ended_at FROM clock WHERE case_id = %s ORDER BY kind", case) == before
    )
    for table in ("party", "person", "clock", "duty", "event", "case_pointer", "initial_contact", "transfer_offer"):
        owners = world.rows(f"SELECT DISTINCT force_id FROM {table} WHERE case_id = %s", case)
        assert owners == [{"force_id": OTHER}], table
    assert world.rows("SELECT count(*) AS n FROM application") == [{"n": 1}]
    with world.unchanged():
        assert (await world.as_("supervisor").get(f"/v1/applications/{case}")).status_code == 404
    seen = await world.as_("supervisor").must_get("/v1/transfers")
    assert seen[0]["accepted_at"] is not None

    with world.unchanged():
        again = await world.as_("other_supervisor").post(f"/v1/transfers/{offer}/acceptance", {})
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:already_decided")


async def test_a_repeated_acceptance_is_answered_as_before(world: World) -> None:
    case, offer = await _offered(world)
    key = {"Idempotency-Key": "acceptance-0001"}
    first = await world.as_("other_supervisor").must_post(f"/v1/transfers/{offer}/acceptance", {}, headers=key)
    again = await world.as_("other_supervisor").must_post(f"/v1/transfers/{offer}/acceptance", {}, headers=key)
    assert (again["id"], again["case_id"]) == (first["id"], case)


async def test_only_the_force_it_is_offered_to_accepts(world: World) -> None:
    _, offer = await _offered(world)
    for who, status in (("supervisor", 404), ("other_officer", 403), ("head", 404)):
        with world.unchanged():
            refused = await world.as_(who).post(f"/v1/transfers/{offer}/acceptance", {})
        assert refused.status_code == status, who


async def test_a_newer_offer_replaces_the_older(world: World) -> None:
    case, first = await _offered(world)
    made = await world.as_("supervisor").must_post(
        steps.path(case, "transfer"), {**OFFER, "reason": "With her new address."}, headers=version_of(world, case)
    )
    with world.unchanged():
        refused = await world.as_("other_supervisor").post(f"/v1/transfers/{first}/acceptance", {})
    assert refused.status_code == 409
    await world.as_("other_supervisor").must_post(f"/v1/transfers/{made['id']}/acceptance", {})
    history = await world.as_("other_officer").must_get(steps.path(case, "transfer"))
    assert {one["replaces_id"] for one in history} == {None, first}


async def test_a_case_can_come_back(world: World) -> None:
    case, offer = await _offered(world)
    await world.as_("other_supervisor").must_post(f"/v1/transfers/{offer}/acceptance", {})
    back = await world.as_("other_supervisor").must_post(
        steps.path(case, "transfer"), {"to_force_id": OWN, "reason": "She came back."}, headers=version_of(world, case)
    )
    await world.as_("supervisor").must_post(f"/v1/transfers/{back['id']}/acceptance", {})
    assert (await world.as_("officer").get(f"/v1/applications/{case}/clocks")).status_code == 200


@pytest.mark.parametrize(
    ("stage", "changed", "code"),
    [
        (Stage.INITIAL_CHECKS, {}, "checks_first"),
        (Stage.FINAL_REPORT, {}, "has_ended"),
        (
            Stage.FACE_TO_FACE,
            {"risk": {"grade": "high", "immediate": True, "reason": "He is at the door."}},
            "immediate_safety_first",
        ),
    ],
)
async def test_checks_and_immediate_safety_come_first(
    world: World, stage: Stage, changed: dict[str, Any], code: str
) -> None:
    case = await intake.opened(world, intake.right_to_ask(world, **changed))
    place_at(world, case, stage)
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "transfer"), OFFER, headers=version_of(world, case)
        )
    assert _refusals(refused) == [code]


@pytest.mark.parametrize("to", [OWN, "nowhere"])
async def test_another_force_must_be_named(world: World, to: str) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    with world.unchanged():
        refused = await world.as_("supervisor").post(
            steps.path(case, "transfer"), {**OFFER, "to_force_id": to}, headers=version_of(world, case)
        )
    assert refused.status_code == 422
