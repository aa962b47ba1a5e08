"""The log (H12.1)."""

from app.process import Stage
from tests.arrange import place_at
from tests.steps import intake
from tests.world import STAFF, World


async def test_the_auditor_reads_who_touched_a_case_and_is_logged_too(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    auditor = world.as_("auditor")
    rows = (await auditor.must_get("/v1/access-log", params={"case_id": case}))["items"]
    assert [(row["category"], row["action"], row["staff_id"]) for row in rows] == [
        ("consultation", "read_log", str(STAFF["auditor"].id)),
        ("consultation", "read_case", str(STAFF["officer"].id)),
        ("collection", "send_information", str(STAFF["control_room"].id)),
    ]
    page = await auditor.must_get("/v1/access-log", params={"case_id": case, "limit": 1})
    assert page["next_cursor"]


async def test_another_forces_log_is_out_of_reach(world: World) -> None:
    await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    rows = (await world.as_("auditor").must_get("/v1/access-log"))["items"]
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
