"""The log (H12.1)."""

import json
from uuid import uuid4

import pytest

from app.process import Stage
from tests.arrange import place_at
from tests.services.test_excluded_reader import exclude
from tests.steps import forum, intake
from tests.world import STAFF, World

READ = {"purpose": "lawfulness"}


async def test_the_auditor_reads_who_touched_a_case_and_is_logged_with_the_purpose(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    auditor = world.as_("auditor")
    for _ in range(2):
        rows = (await auditor.must_get("/v1/access-log", params={**READ, "case_id": case}))["items"]
    assert [(row["category"], row["action"], row["staff_id"], row["role"], row["reason"]) for row in rows] == [
        ("consultation", "read_log", str(STAFF["auditor"].id), "auditor", "lawfulness"),
        ("consultation", "read_case", str(STAFF["officer"].id), "public_protection_officer", "cover"),
        ("collection", "send_information", str(STAFF["control_room"].id), "control_room", None),
    ]
    page = await auditor.must_get("/v1/access-log", params={**READ, "case_id": case, "limit": 1})
    assert page["next_cursor"]


@pytest.mark.parametrize("purpose", [None, "", "curiosity"])
async def test_the_log_is_read_for_a_purpose_that_the_law_names_or_not_at_all(
    world: World, purpose: str | None
) -> None:
    with world.unchanged():
        answer = await world.as_("standards").get(
            "/v1/access-log", params={} if purpose is None else {"purpose": purpose}
        )
    assert answer.status_code == 422


async def test_asking_twice_tells_a_case_that_is_withheld_from_no_other_id(world: World) -> None:
    withheld = await intake.opened(world)
    foreign = await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    exclude(world, withheld, "auditor")
    answers = []
    for asked in (str(uuid4()), withheld, foreign["id"]):
        for _ in range(2):
            rows = (await world.as_("auditor").must_get("/v1/access-log", params={**READ, "case_id": asked}))["items"]
        told = [{name: one[name] for name in one if name not in ("id", "logged_at", "request_id")} for one in rows]
        answers.append(json.dumps(told).replace(asked, "the id"))
    assert len(rows) == 1
    assert answers[0] == answers[1] == answers[2]


async def test_another_forces_log_is_out_of_reach(world: World) -> None:
    await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    for _ in range(2):
        rows = (await world.as_("auditor").must_get("/v1/access-log", params=READ))["items"]
    assert [row["action"] for row in rows] == ["read_log"]


async def test_the_auditor_reads_closed_cases_and_no_open_one(world: World) -> None:
    case = await intake.opened(world)
    auditor = world.as_("auditor")
    for path in (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline"):
        with world.unchanged():
            assert (await auditor.get(path)).status_code == 404
    place_at(world, case, Stage.CLOSED)
    for path in (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline"):
        assert (await auditor.get(path)).status_code == 200


async def test_an_auditor_who_sits_at_the_forum_sees_what_is_closed_and_what_is_on_the_agenda(world: World) -> None:
    world.execute("UPDATE staff_member SET roles = '{auditor,forum_member}' WHERE subject = 'auditor'")
    hidden = await intake.opened(world)
    other = {"surname": "Otherwise"}
    body = intake.right_to_ask(world, subject=other, potential_victims=[{"surname": "Elsewhere", "is_applicant": True}])
    sat = await intake.opened(world, body)
    place_at(world, sat, Stage.FORUM)
    await forum.on_agenda(world, sat, await forum.meeting(world, "chair", "auditor"))
    auditor = world.as_("auditor")

    async def answers(case: str) -> list[int]:
        paths = (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline")
        return [(await auditor.get(path)).status_code for path in paths]

    assert await answers(hidden) == [404, 404]
    assert (await answers(sat))[0] == 200
    place_at(world, hidden, Stage.CLOSED)
    assert await answers(hidden) == [200, 200]
