"""Calendars as staff read them, and days proclaimed by those who may, with the authority they rest on (H10.4)."""

from typing import Any

import pytest
from psycopg import errors

from app.deadlines.calendar import Division
from tests.steps import intake
from tests.world import World

ENGLAND = "/v1/calendars/england-and-wales"
PROCLAIMED: dict[str, Any] = {
    "day": "2026-05-14",
    "title": "Bank holiday for the jubilee",
    "authority": "Royal Proclamation of 4 May 2026",
}


async def test_everybody_reads_which_list_is_in_force_and_where_each_day_came_from(world: World) -> None:
    for key in ("officer", "probation", "auditor", "administrator"):
        listed = await world.as_(key).must_get("/v1/calendars")
        assert {one["division"] for one in listed} == set(Division)
    read = await world.as_("officer").must_get(ENGLAND)
    assert (read["first_published_year"], read["last_published_year"], read["changes"]) == (2012, 2028, [])
    assert {day["source"] for day in read["days"]} == {"release"}
    assert read["days"][0] == {
        "day": "2012-01-02",
        "title": "New Year’s Day",
        "source": "release",
        "authority": None,
        "recorded_at": None,
        "recorded_by": None,
    }
    with world.unchanged():
        assert (await world.as_("officer").get("/v1/calendars/jersey")).status_code == 404


@pytest.mark.parametrize("by", ["administrator", "head"])
async def test_a_proclaimed_day_is_held_with_its_authority_and_who_and_when(world: World, by: str) -> None:
    before = await world.as_(by).must_get(ENGLAND)
    made = await world.as_(by).must_post(f"{ENGLAND}/days", PROCLAIMED)
    who_and_when = {"recorded_at": world.now.isoformat().replace("+00:00", "Z"), "recorded_by": f"Staff {by}"}
    assert made == {**PROCLAIMED, "source": "proclaimed", **who_and_when}
    after = await world.as_("officer").must_get(ENGLAND)
    assert made in after["days"]
    assert after["version"] != before["version"]
    [change] = after["changes"]
    assert (change["day"], change["was"], change["now"]) == ("2026-05-14", None, PROCLAIMED["title"])
    assert (change["was_version"], change["now_version"]) == (before["version"], after["version"])
    assert (change["authority"], change["changed_by"]) == (PROCLAIMED["authority"], f"Staff {by}")
    case = await intake.opened(world)  # the process that served all this counts on it at once
    clocks = await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")
    assert {"2026-05-20"} == {clock["due_on"] for clock in clocks if clock["kind"] == "face_to_face"}


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"day": "2026-05-04"}, 422, "past"),
        ({"day": "2026-05-16"}, 422, "Saturday"),
        ({"day": "2026-05-25"}, 409, "already"),
        ({"day": "2029-05-14"}, 422, "2028"),
        ({"authority": " "}, 422, ""),
        ({"day": 20260514}, 422, ""),
    ],
)
async def test_a_day_that_cannot_be_is_refused(world: World, changed: dict[str, Any], status: int, says: str) -> None:
    with world.unchanged():
        answer = await world.as_("administrator").post(f"{ENGLAND}/days", {**PROCLAIMED, **changed})
    assert answer.status_code == status
    assert says in answer.text


async def test_others_proclaim_nothing(world: World) -> None:
    for key in ("officer", "supervisor", "probation", "auditor"):
        with world.unchanged():
            assert (await world.as_(key).post(f"{ENGLAND}/days", PROCLAIMED)).status_code == 403


async def test_a_day_proclaimed_by_mistake_is_withdrawn_with_the_reason(world: World) -> None:
    head = world.as_("head")
    before = await head.must_get(ENGLAND)
    withdrawal, body = f"{ENGLAND}/days/2026-05-14/withdrawal", {"reason": "Proclaimed for Scotland alone"}
    with world.unchanged():
        assert (await head.post(withdrawal, body)).status_code == 404
    with world.unchanged():
        answer = await head.post(f"{ENGLAND}/days/2026-05-25/withdrawal", body)
        assert (answer.status_code, answer.json()["type"].rsplit(":", 1)[-1]) == (409, "day_published")
    await head.must_post(f"{ENGLAND}/days", PROCLAIMED)
    with world.unchanged():
        assert (await head.post(withdrawal, {"reason": ""})).status_code == 422
    after = await head.must_post(withdrawal, body)
    assert after["days"] == before["days"]
    assert [(one["change"], one["was"], one["now"], one["why"]) for one in after["changes"]] == [
        (1, None, PROCLAIMED["title"], "Proclaimed"),
        (2, PROCLAIMED["title"], None, body["reason"]),
    ]
    digest = before["version"].rsplit(", ", 1)[-1]
    assert after["version"] == f"GOV.UK 2012-2028, change 2, {digest}"  # the same days, and told apart


async def test_the_history_is_kept_as_it_was_written(world: World) -> None:
    await world.as_("head").must_post(f"{ENGLAND}/days", PROCLAIMED)
    for statement in ("UPDATE calendar_change SET why = 'x'", "DELETE FROM calendar_change", "TRUNCATE clock_move"):
        with pytest.raises(errors.RestrictViolation):
            world.execute(statement)
    with pytest.raises(errors.CheckViolation):
        world.execute("UPDATE bank_holiday SET authority = NULL WHERE source = 'proclaimed'")
