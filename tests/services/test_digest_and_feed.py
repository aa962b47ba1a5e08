"""One mail a working day for those who want it; one's own clocks under an address (H11)."""

from datetime import datetime

import pytest
from structlog.testing import capture_logs

from app.clock import LONDON
from app.deadlines.digest import write_digests
from tests.steps import initial_checks
from tests.steps.channels import Outside, as_worker, held_case, mail_on, outbox
from tests.world import STAFF, World

PATH = "/v1/calendar-feeds"


async def digested(world: World) -> None:
    async with as_worker(world) as opened, opened.begin() as session:
        await write_digests(session, now=world.now)


async def wants_digest(world: World, who: str) -> None:
    await world.as_(who).put("/v1/staff/me/alert-preferences", {"digest": True, "digest_at": "07:30"})


def london(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=LONDON)


async def test_a_digest_comes_once_a_working_day_instead_of_single_mails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await wants_digest(world, "officer")
    first, second = await held_case(world), await held_case(world, subject={"surname": "Other"})
    outside = Outside(world)
    world.set_time(london(6, 5))  # Wednesday: less than twelve hours are left
    await world.sweep()
    await digested(world)
    await outside.deliver()
    assert outbox(world) == []  # too early, and no single mails
    world.set_time(london(6, 7, 31))
    for _ in range(2):
        await digested(world)
        await outside.deliver()
    [letter] = outside.letters()
    references = sorted(row["reference"] for row in world.rows("SELECT reference FROM application"))
    assert letter["Subject"] == "Alerts not acknowledged: 2 cases"
    assert letter.get_content().splitlines() == [f"initial checks, due soon: 2 ({', '.join(references)})"]

    for alert in (await world.as_("officer").must_get("/v1/alerts"))["items"]:
        await world.as_("officer").must_post(f"/v1/alerts/{alert['id']}/acknowledgement")
    world.set_time(london(7, 8))
    await digested(world)
    await outside.deliver()
    assert len(outside.mail.sent) == 1  # nothing to say

    await world.sweep()
    world.set_time(london(9, 8))  # Saturday
    await digested(world)
    assert len(outbox(world)) == 1
    world.set_time(london(11, 8))
    await digested(world)
    await outside.deliver()
    said = outside.letters()[-1].get_content()
    assert "initial checks, breached: 2" in said
    assert first != second


async def test_a_digest_says_how_a_target_stands_beside_how_the_limit_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await wants_digest(world, "officer")
    case = await held_case(world)
    await initial_checks.progressed(world, case, risk={"grade": "high", "reason": "On what is known."})
    outside = Outside(world)
    [row] = world.rows("SELECT reference FROM application")
    said = []
    for day in (11, 12, 13):  # the meeting's target is Tuesday the 12th, its limit the 19th
        world.set_time(london(day, 8))
        await world.sweep()
        await digested(world)
        await outside.deliver()
        said.append(outside.letters()[-1].get_content().splitlines())
    meeting = f"face-to-face meeting, %s: 1 ({row['reference']})"
    assert [[line for line in one if not line.startswith("whole case")] for one in said] == [
        [meeting % "target soon"],
        [meeting % "due soon", meeting % "target today"],
        [meeting % "due soon", meeting % "target missed"],
    ]


async def test_a_day_that_a_wrong_clock_settled_ahead_settles_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await wants_digest(world, "officer")
    await held_case(world)
    world.set_time(london(6, 8))
    await world.sweep()
    world.set_time(london(31, 8))  # Sunday: settled by silence
    await digested(world)
    assert outbox(world) == []
    world.set_time(london(6, 9))
    for _ in range(2):
        await digested(world)
    assert len(outbox(world)) == 1


async def test_a_feed_shows_the_clocks_of_the_cases_that_one_holds_and_says_references_alone(world: World) -> None:
    case = await held_case(world)
    await held_case(world, by="officer2", subject={"surname": "Other"})
    made = await world.as_("officer").must_post(PATH)
    token = made["path"].removeprefix(f"{PATH}/").removesuffix(".ics")
    assert len(token) == 43  # 256 bits
    answer = await world.nobody().get(made["path"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    clocks = world.rows("SELECT id, reference FROM clock WHERE case_id = %s", case)
    assert answer.text.count("BEGIN:VEVENT") == len(clocks) == 5
    for row in clocks:
        assert f"UID:{row['id']}@" in answer.text
    references = {row["reference"] for row in world.rows("SELECT reference FROM application")}
    assert {one for one in references if one in answer.text} == {clocks[0]["reference"]}
    assert "DTSTART:20260506T090000Z" in answer.text  # initial checks: an instant
    assert "DTSTART;VALUE=DATE:20260602" in answer.text  # whole case: a day
    assert "(projected)" in answer.text
    again = await world.nobody().get(made["path"])
    uids = [line for line in answer.text.splitlines() if line.startswith("UID")]
    assert uids == [line for line in again.text.splitlines() if line.startswith("UID")]


async def test_every_fetch_is_logged_and_the_address_stands_nowhere(world: World) -> None:
    with capture_logs() as logged:
        made = await world.as_("officer").must_post(PATH)
        token = made["path"].removeprefix(f"{PATH}/").removesuffix(".ics")
        for _ in range(2):
            await world.nobody().get(made["path"])
        await world.nobody().get(made["path"].removesuffix(".ics"))
        unknown = await world.nobody().get(f"{PATH}/{token}x.ics")
    assert token not in str(logged) + unknown.text
    fetched = world.rows("SELECT staff_id, category FROM access_log WHERE action = 'read_calendar_feed'")
    assert fetched == [{"staff_id": STAFF["officer"].id, "category": "consultation"}] * 2
    assert token not in str(world.snapshot()) + str(world.rows("SELECT * FROM access_log"))
    assert token not in (await world.http.get("/metrics")).text


async def test_a_revoked_feed_and_an_ended_account_answer_like_one_that_never_was(world: World) -> None:
    made = await world.as_("officer").must_post(PATH)
    other = await world.as_("officer").must_post(PATH)
    never = await world.nobody().get(f"{PATH}/{'x' * 43}.ics")
    with world.unchanged():
        answer = await world.http.delete(
            f"{PATH}/{made['id']}", headers={"Authorization": f"Bearer {world.as_('officer2').token}"}
        )
    assert answer.status_code == 404
    answer = await world.http.delete(
        f"{PATH}/{made['id']}", headers={"Authorization": f"Bearer {world.as_('officer').token}"}
    )
    assert answer.status_code == 200
    listed = await world.as_("officer").must_get(PATH)
    assert {one["id"]: one["revoked_at"] is None for one in listed} == {made["id"]: False, other["id"]: True}
    world.execute("UPDATE staff_member SET active = false WHERE id = %s", STAFF["officer"].id)
    for path in (made["path"], other["path"]):
        gone = await world.nobody().get(path)
        assert (gone.status_code, gone.json()["type"]) == (404, never.json()["type"])
