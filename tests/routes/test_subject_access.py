"""Asking what is held of oneself tells nobody whether there is an application (H12.3)."""

import pytest

from app.access.rules import PERMISSIONS, Permission, Role
from app.access.subject_access import NOT_TO_BE_RELEASED
from app.settings import settings
from tests.steps import final_report, intake, sides
from tests.world import STAFF, World

REQUEST = {"request_number": "SAR/2026/1182"}
VARYING = {"x-request-id", "date"}


async def test_the_answer_is_the_same_whether_anything_is_held_or_not(world: World) -> None:
    before = await world.as_("standards").post("/v1/subject-access", REQUEST)
    await intake.opened(world)
    after = await world.as_("standards").post("/v1/subject-access", REQUEST)
    assert before.status_code == after.status_code == 200
    assert before.content == after.content
    told = [{name: value for name, value in one.headers.items() if name not in VARYING} for one in (before, after)]
    assert told[0] == told[1]
    assert "Tarrant" not in after.text and "neither" in after.text
    logged = world.rows("SELECT case_id, refused, staff_id FROM access_log WHERE action = 'answer_subject_access'")
    assert logged == [{"case_id": None, "refused": False, "staff_id": STAFF["standards"].id}] * 2


@pytest.mark.parametrize(
    "typed", [{"surname": "Tarrant"}, {**REQUEST, "surname": "Tarrant"}, {"request_number": "Tarrant"}]
)
async def test_no_name_is_taken(world: World, typed: dict[str, str]) -> None:
    with world.unchanged():
        answer = await world.as_("head").post("/v1/subject-access", typed)
    assert answer.status_code == 422 and "Tarrant" not in answer.text


async def test_the_words_are_the_forces_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARES_LAW_SUBJECT_ACCESS_ANSWER", "We can neither confirm nor deny it.")
    settings.cache_clear()
    answer = await world.as_("head").must_post("/v1/subject-access", REQUEST)
    assert answer == {"answer": "We can neither confirm nor deny it."}


def test_whoever_answers_is_not_by_that_let_into_any_case() -> None:
    answering = {role for role in Role if Permission.ANSWER_SUBJECT_ACCESS in PERMISSIONS[role]}
    assert answering == {Role.HEAD_OF_PUBLIC_PROTECTION, Role.PROFESSIONAL_STANDARDS}


async def test_whatever_is_taken_out_is_marked(world: World) -> None:
    found = await sides.three_sides(world)
    await found.close()
    address = f"/v1/applications/{found.case}"
    for path in (address, final_report.path(found.case, "final-report"), f"{address}/timeline", "/v1/applications"):
        answer = await world.as_("officer").get(path)
        assert answer.status_code == 200 and answer.headers["X-Handling"] == NOT_TO_BE_RELEASED, path
    report = world.rows("SELECT id FROM final_report")[0]["id"]
    for answer in (
        await world.as_("officer").get(address),
        await world.as_("officer").get(f"{address}/final-report"),
        await world.as_("intelligence").get(f"/v1/final-reports/{report}"),
        await world.as_("supervisor").get(found.item.path),
    ):
        assert NOT_TO_BE_RELEASED in answer.text
    feed = (await world.as_("officer").must_post("/v1/calendar-feeds"))["path"]
    calendar = (await world.nobody().get(feed)).text
    assert "subject access request" in calendar.replace("\r\n ", "")
