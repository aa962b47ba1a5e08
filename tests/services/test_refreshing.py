"""The published bank holidays: asked for once a day by one worker, taken in or refused, their end told in time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Division
from app.deadlines.refreshing import EVERY, JITTER, claim_attempt, longest_reach, watch_ends
from app.editions import all_editions
from app.errors import ClaresLawError
from app.jobs import ask_for_calendars
from app.outside.bank_holidays import FakeBankHolidays, Fetched, SourceRefused, SourceUnreachable
from app.storage.engine import DatabaseRole, engine_for, sessions
from tests.rules.test_published_file import as_file
from tests.services.test_following import clocks, follow
from tests.steps import intake
from tests.world import OWN, World

ENGLAND = "/v1/calendars/england-and-wales"
AT = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)
FILE = json.dumps(as_file()).encode()


def file_of(*, without: str | None = None, extra: dict[str, str] | None = None, until: int = 2028) -> bytes:
    """The published file with a day less or more, or with the years after it as in the last one."""
    listed = as_file()
    for name, division in listed.items():
        events = [event for event in division["events"] if event["date"] != without]
        for year in range(2029, until + 1):
            events += [
                {"title": title, "date": day.replace(year=year).isoformat()}
                for day, title in published(Division(name)).holidays.items()
                if day.year == 2028
            ]
        division["events"] = events
    for day, title in (extra or {}).items():
        listed["england-and-wales"]["events"].append({"title": title, "date": day})
    return json.dumps(listed).encode()


@asynccontextmanager
async def workers(world: World) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=2)
    yield sessions(engine)
    await engine.dispose()


async def ask(world: World, *answers: bytes | ClaresLawError | None) -> FakeBankHolidays:
    """One attempt for each answer; None: unchanged."""
    given: list[Fetched | ClaresLawError] = [
        one if isinstance(one, ClaresLawError) else Fetched(one, '"a"') for one in answers
    ]
    source = FakeBankHolidays(given)
    async with workers(world) as opened:
        while source.answers:
            await ask_for_calendars(opened, source, now=world.now)
    return source


async def open_tasks(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.as_("administrator").must_get("/v1/tasks"))["items"]
    return items


async def test_one_worker_of_all_asks_at_the_start_and_then_once_a_day(world: World) -> None:
    async with workers(world) as opened:

        async def claim(at: datetime) -> bool:
            async with opened.begin() as session:
                return await claim_attempt(session, at=at)

        assert [await claim(AT) for _ in range(3)] == [True, False, False]
        [kept] = world.rows("SELECT next_attempt_at, attempted_at FROM calendar_refresh")
        assert kept["attempted_at"] == AT
        assert AT + EVERY < kept["next_attempt_at"] < AT + EVERY + JITTER
        assert not await claim(AT + EVERY)
        assert [await claim(AT + EVERY + JITTER) for _ in range(2)] == [True, False]

        later = AT + timedelta(days=9)
        async with opened.begin() as one, opened() as other:
            assert await claim_attempt(one, at=later)
            await one.commit()
            async with other.begin():
                assert not await claim_attempt(other, at=later)


async def test_the_same_list_is_noted_and_changes_nothing(world: World) -> None:
    before = await world.as_("officer").must_get(ENGLAND)
    source = await ask(world, FILE, None)
    assert source.asked == [None, '"a"']
    after = await world.as_("officer").must_get(ENGLAND)
    assert after["days"] == before["days"]
    assert (after["version"], after["changes"], after["etag"]) == (before["version"], [], '"a"')
    assert datetime.fromisoformat(after["checked_at"]) == world.now
    assert await open_tasks(world) == []


async def test_a_new_day_and_a_new_year_are_taken_in_and_move_what_spans_them(world: World) -> None:
    case = await intake.opened(world)
    await ask(world, file_of(extra={"2026-05-14": "Jubilee"}, until=2029))
    held = await world.as_("officer").must_get(ENGLAND)
    assert held["last_published_year"] == 2029
    [day] = [day for day in held["days"] if day["day"] == "2026-05-14"]
    assert (day["title"], day["source"], day["recorded_by"]) == ("Jubilee", "gov_uk", None)
    changes = {one["day"]: one for one in held["changes"]}
    assert len(changes) == 9  # the jubilee and the eight days of the new year
    assert (changes["2026-05-14"]["was"], changes["2026-05-14"]["now"]) == (None, "Jubilee")
    await follow(world)
    clock = (await clocks(world, case))["face_to_face"]
    assert (clock["due_on"], clock["moves"][0]["why"]) == (
        "2026-05-20",
        "Thu 14 May 2026 became a bank holiday (Jubilee)",
    )


async def test_a_day_proclaimed_before_stays_until_it_is_published_and_rests_on_that_from_then_on(world: World) -> None:
    body = {"day": "2026-05-14", "title": "Jubilee", "authority": "Royal Proclamation"}
    await world.as_("head").must_post(f"{ENGLAND}/days", body)

    async def proclaimed() -> list[tuple[str, str]]:
        days = (await world.as_("officer").must_get(ENGLAND))["days"]
        return [(day["source"], day["authority"]) for day in days if day["day"] == "2026-05-14"]

    await ask(world, FILE)
    assert await proclaimed() == [("proclaimed", "Royal Proclamation")]
    await ask(world, file_of(extra={"2026-05-14": "Jubilee"}))
    assert await proclaimed() == [("gov_uk", "Royal Proclamation")]
    with world.unchanged():
        answer = await world.as_("head").post(f"{ENGLAND}/days/2026-05-14/withdrawal", {"reason": "No"})
        assert answer.status_code == 409


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"<html>", "JSON"),
        (file_of(without="2026-12-25"), "2026-12-25"),
        (json.dumps({name: one for name, one in as_file().items() if name != "scotland"}).encode(), "scotland is miss"),
        (SourceRefused("The address answered 404."), "404"),
    ],
)
async def test_a_bad_or_shrunken_file_changes_nothing_and_is_put_before_the_administrators(
    world: World, answer: bytes | ClaresLawError, says: str
) -> None:
    before = world.snapshot()
    with capture_logs() as logged:
        await ask(world, answer, answer)
    assert [(line["event"], line["log_level"]) for line in logged] == [("calendar_refused", "error")] * 2
    [task] = await open_tasks(world)
    assert task["kind"] == "calendar_refused"
    assert says in task["says"]
    after = world.snapshot()
    assert [name for name in before if before[name] != after[name]] == ["task"]
    await ask(world, FILE)
    assert await open_tasks(world) == []
    assert world.rows("SELECT closed_by, answer FROM task") == [
        {"closed_by": None, "answer": "A published list was taken in."}
    ]


async def test_a_publisher_out_of_reach_is_logged_alone(world: World) -> None:
    before = world.snapshot()
    with capture_logs() as logged:
        await ask(world, SourceUnreachable("The publisher answered 503."))
    assert [(line["event"], line["error"]) for line in logged] == [("calendar_unreachable", "SourceUnreachable")]
    assert world.snapshot() == before


async def test_every_process_counts_on_the_new_list_at_once(world: World) -> None:
    first = await intake.opened(world)
    assert (await clocks(world, first))["face_to_face"]["due_on"] == "2026-05-19"
    await ask(world, file_of(extra={"2026-05-14": "Jubilee"}))
    subject = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
    second = await intake.opened(world, intake.right_to_ask(world, subject=subject))
    assert (await clocks(world, second))["face_to_face"]["due_on"] == "2026-05-20"


async def test_the_end_of_a_list_is_told_in_time_and_told_no_more_once_it_is_longer(world: World) -> None:
    async def watch(now: datetime) -> list[tuple[str, str, str | None]]:
        async with workers(world) as opened, opened.begin() as session:
            await watch_ends(session, now=now, notice=timedelta(days=300))
        return [(one["kind"], one["about"], one["force_id"]) for one in await open_tasks(world)]

    assert await watch(datetime(2028, 3, 6, tzinfo=UTC)) == []
    asked = [("calendar_ends_soon", "england-and-wales", OWN)]
    assert await watch(datetime(2028, 3, 7, tzinfo=UTC)) == asked
    assert await watch(datetime(2029, 2, 1, tzinfo=UTC)) == asked
    assert len(world.rows("SELECT id FROM task")) == 2  # each force has its own; nobody keeps Scotland's
    await ask(world, file_of(until=2029))
    assert await watch(datetime(2028, 3, 8, tzinfo=UTC)) == []


def test_no_clock_reaches_further_than_is_told_of() -> None:
    reach = longest_reach(all_editions().values())
    assert reach > timedelta(days=28 + 10)
    assert reach < timedelta(days=300)
