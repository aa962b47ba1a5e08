"""Opening applications (H3)."""

from datetime import timedelta

from tests.steps import intake
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


async def test_a_partner_sends_information_and_only_that(world: World) -> None:
    idva = world.as_("idva")
    body = intake.right_to_know(world, channel="partner_agency")
    body["information"]["received_from"] = "partner_agency"
    with world.unchanged():
        asked = await idva.post("/v1/applications", intake.right_to_ask(world))
    assert asked.status_code == 403
    opened = await idva.must_post("/v1/applications", body)
    assert opened["stage"] == "initial_checks"
