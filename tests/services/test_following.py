"""A changed calendar moves the open clocks that span it, each with was, now and why; alerts follow (H10.4, H11)."""

import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Division, WorkingDays, due, end_of
from app.deadlines.following import BATCH, follow_calendars, to_count_anew
from app.deadlines.known_calendars import calendar_of
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo, downgrade, upgrade
from tests.steps import face_to_face, intake
from tests.steps.channels import chased
from tests.world import OWN, STAFF, World

ENGLAND = "/v1/calendars/england-and-wales"
OTHER = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
JUBILEE = "Bank holiday for the jubilee"
"""The world begins on Tuesday 5 May 2026, so that the meeting is due on Tuesday 19 May."""


@asynccontextmanager
async def worker(world: World) -> AsyncIterator[AsyncSession]:
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine).begin() as opened:
        yield opened
    await engine.dispose()


async def follow(world: World) -> int:
    """Batches until nothing is left; how many clocks were taken in hand."""
    taken = 0
    while True:
        async with worker(world) as session:
            batch = await follow_calendars(session, now=world.now)
        taken += batch
        if batch < BATCH:
            return taken


async def proclaim(world: World, day: str, *, division: str = "england-and-wales") -> Any:
    body = {"day": day, "title": JUBILEE, "authority": "Royal Proclamation of 4 May 2026"}
    return await world.as_("administrator").must_post(f"/v1/calendars/{division}/days", body)


async def clocks(world: World, case: str) -> dict[str, dict[str, Any]]:
    shown = await world.as_("officer").must_get(f"/v1/applications/{case}/clocks")
    return {clock["kind"]: clock for clock in shown}


async def moves_told(world: World, case: str) -> list[str]:
    told = await world.as_("officer").must_get(f"/v1/applications/{case}/timeline")
    return [one["sentence"] for one in told["items"] if one["kind"] == "clock_moved"]


def alerts(world: World, case: str, kind: str) -> list[tuple[str, str]]:
    query = (
        "SELECT rung, due_on::text FROM alert WHERE case_id = %s AND clock_kind = %s AND level = 'officer' "
        "AND NOT superseded ORDER BY recorded_at, fell_at"
    )
    return [(row["rung"], row["due_on"]) for row in world.rows(query, case, kind)]


async def test_a_proclaimed_day_moves_what_spans_it_and_says_why(world: World) -> None:
    case = await intake.opened(world)
    before = await clocks(world, case)
    assert await follow(world) == 0
    await proclaim(world, "2026-05-14")
    assert await follow(world) == 4  # not the 24 hours

    after = await clocks(world, case)
    due_on = {kind: (before[kind]["due_on"], clock["due_on"]) for kind, clock in after.items()}
    assert due_on == {
        "initial_checks": ("2026-05-06", "2026-05-06"),
        "face_to_face": ("2026-05-19", "2026-05-20"),
        "risk_assessment": ("2026-05-27", "2026-05-28"),  # projected from the meeting, which moved
        "categorise_and_refer": ("2026-05-27", "2026-05-28"),
        "whole_case": ("2026-06-02", "2026-06-02"),
    }
    because = f"because Thu 14 May 2026 was proclaimed a bank holiday ({JUBILEE})."
    assert sorted(await moves_told(world, case)) == [
        f"Categorise and refer (projected): was due Wed 27 May 2026, now due Thu 28 May 2026, {because}",
        f"Face to face: was due Tue 19 May 2026, now due Wed 20 May 2026, {because}",
        f"Risk assessment (projected): was due Wed 27 May 2026, now due Thu 28 May 2026, {because}",
    ]
    [move] = after["face_to_face"]["moves"]
    assert (move["was_due_on"], move["due_on"]) == ("2026-05-19", "2026-05-20")
    assert (move["was_calendar_version"], move["calendar_version"]) == (
        before["face_to_face"]["calendar_version"],
        after["face_to_face"]["calendar_version"],
    )
    assert "Thu 14 May 2026 was proclaimed" in move["why"]
    assert (after["whole_case"]["moves"], after["initial_checks"]["moves"]) == ([], [])
    skipped = {day["date"]: day["why"] for day in after["face_to_face"]["working"] if not day["counted"]}
    assert skipped["2026-05-14"] == JUBILEE
    told = await world.as_("officer").must_get(f"/v1/applications/{case}/timeline")
    assert {one["recorded_by"] for one in told["items"] if one["kind"] == "clock_moved"} == {"The service"}


async def test_a_second_run_moves_nothing_and_writes_nothing(world: World) -> None:
    case = await intake.opened(world)
    await proclaim(world, "2026-05-14")
    assert await follow(world) == 4
    before = world.snapshot()
    assert await follow(world) == 0
    world.forward(days=1)
    assert await follow(world) == 0
    assert world.snapshot() == before
    assert len(await moves_told(world, case)) == 3


@pytest.mark.parametrize(
    ("day", "due_on"),
    [
        ("2026-05-05", "2026-05-19"),  # the day of the contact is not counted anyway
        ("2026-05-06", "2026-05-20"),  # day 1
        ("2026-05-07", "2026-05-20"),
        ("2026-05-19", "2026-05-20"),  # the due day itself
        ("2026-05-20", "2026-05-19"),  # the day after
    ],
)
async def test_a_day_counts_from_day_1_to_the_due_day(world: World, day: str, due_on: str) -> None:
    case = await intake.opened(world)
    await proclaim(world, day)
    await follow(world)
    clock = (await clocks(world, case))["face_to_face"]
    assert clock["due_on"] == due_on
    assert len(clock["moves"]) == (due_on != "2026-05-19")
    assert clock["due_at"] == end_of(date.fromisoformat(due_on)).isoformat().replace("+00:00", "Z")


async def test_what_was_met_or_has_ended_keeps_the_calendar_it_was_counted_on(world: World) -> None:
    case = await intake.opened(world)
    world.forward(days=3)
    world.execute("UPDATE application SET stage = 'face_to_face' WHERE id = %s", case)
    await face_to_face.meet(world, case)
    before = (await clocks(world, case))["face_to_face"]
    await proclaim(world, "2026-05-14")
    await follow(world)
    after = await clocks(world, case)
    assert (after["face_to_face"]["due_on"], after["face_to_face"]["moves"]) == ("2026-05-19", [])
    assert after["face_to_face"]["working"] == before["working"]  # as counted then, without the day proclaimed since
    assert after["face_to_face"]["calendar_version"] == before["calendar_version"]
    # What counts from the meeting held on 8 May was due on the 15th and is open.
    assert after["risk_assessment"]["due_on"] == "2026-05-18"
    assert len(after["risk_assessment"]["moves"]) == 1


async def test_a_breach_ends_where_the_new_day_is_later_and_the_ladder_starts_anew(world: World) -> None:
    case = await intake.opened(world)
    world.set_time(datetime(2026, 5, 19, 23, 30, tzinfo=UTC))  # 00:30 on the 20th in London
    await world.sweep()
    assert (await clocks(world, case))["face_to_face"]["state"] == "breached"
    # Published late, so not by anybody's entry but by the list: the day lies in the past.
    world.execute("INSERT INTO bank_holiday (division, day, title) VALUES ('england-and-wales', '2026-05-14', 'Late')")
    world.execute("UPDATE holiday_calendar SET version = 'late' WHERE division = 'england-and-wales'")
    await follow(world)
    clock = (await clocks(world, case))["face_to_face"]
    assert (clock["due_on"], clock["state"]) == ("2026-05-20", "running")
    assert clock["moves"][0]["why"] == "the bank holidays of england-and-wales changed"
    await world.sweep()
    assert alerts(world, case, "face_to_face") == [("breached", "2026-05-19"), ("due_today", "2026-05-20")]
    world.set_time(datetime(2026, 5, 20, 23, 0, tzinfo=UTC))
    await world.sweep()
    assert alerts(world, case, "face_to_face")[-1] == ("breached", "2026-05-20")


async def test_calendar_days_stay_and_alert_by_the_working_days_of_the_new_calendar(world: World) -> None:
    case = await intake.opened(world)
    world.set_time(datetime(2026, 5, 25, 0, 0, tzinfo=UTC))
    await world.sweep()
    five_left = world.rows("SELECT next_alert_at FROM clock WHERE case_id = %s AND kind = 'whole_case'", case)
    assert five_left[0]["next_alert_at"] == datetime(2026, 5, 25, 23, 0, tzinfo=UTC)  # Tuesday 26 May begins
    await proclaim(world, "2026-05-28")
    await follow(world)
    clock = (await clocks(world, case))["whole_case"]
    assert (clock["due_on"], clock["moves"]) == ("2026-06-02", [])
    await world.sweep()  # five working days were left on Friday 22 May, which is over
    assert alerts(world, case, "whole_case") == [("due_soon-5d", "2026-06-02")]
    before = world.snapshot()
    await world.sweep()
    assert world.snapshot() == before


async def test_a_day_withdrawn_moves_them_back_and_one_proclaimed_again_moves_them_again(world: World) -> None:
    case = await intake.opened(world)
    for _ in range(2):
        await proclaim(world, "2026-05-14")
        await follow(world)
        assert (await clocks(world, case))["face_to_face"]["due_on"] == "2026-05-20"
        body = {"reason": "Proclaimed for Scotland alone"}
        await world.as_("head").must_post(f"{ENGLAND}/days/2026-05-14/withdrawal", body)
        await follow(world)
        assert (await clocks(world, case))["face_to_face"]["due_on"] == "2026-05-19"
    clock = (await clocks(world, case))["face_to_face"]
    assert [move["due_on"] for move in clock["moves"]] == ["2026-05-20", "2026-05-19"] * 2
    assert clock["moves"][1]["why"] == f"Thu 14 May 2026 is no bank holiday any more ({JUBILEE})"


async def test_an_alert_whose_date_comes_back_is_chased_again_and_put_before_nobody_twice(world: World) -> None:
    case = await intake.opened(world)
    world.set_time(datetime(2026, 5, 18, 23, 30, tzinfo=UTC))  # 00:30 on the 19th in London: due today
    await world.sweep()
    put = alerts(world, case, "face_to_face")
    world.execute(
        "UPDATE alert SET acknowledged_at = %s, acknowledged_by = %s, chase_at = NULL "
        "WHERE clock_kind <> 'face_to_face'",
        world.now,
        STAFF["officer"].id,
    )
    world.execute("INSERT INTO bank_holiday (division, day, title) VALUES ('england-and-wales', '2026-05-14', 'Late')")
    world.execute("UPDATE holiday_calendar SET version = 'late' WHERE division = 'england-and-wales'")
    await follow(world)
    world.forward(days=2)
    await chased(world)  # the alert of the 19th is no longer of the clock's date
    waits = "SELECT level FROM alert WHERE due_on = '2026-05-19' AND chase_at IS NOT NULL"
    assert world.rows(waits) == []
    world.execute("DELETE FROM bank_holiday WHERE day = '2026-05-14'")
    world.execute("UPDATE holiday_calendar SET version = 'mended' WHERE division = 'england-and-wales'")
    await follow(world)
    assert world.rows(waits) == [{"level": "officer"}]
    assert alerts(world, case, "face_to_face") == put
    await chased(world)
    assert world.rows("SELECT level, rung FROM alert WHERE chases_id IS NOT NULL") == [
        {"level": "supervisor", "rung": "due_today"}
    ]


async def test_a_day_that_came_and_went_before_the_worker_looked_moves_nothing(world: World) -> None:
    case = await intake.opened(world)
    await proclaim(world, "2026-05-14")
    await world.as_("head").must_post(f"{ENGLAND}/days/2026-05-14/withdrawal", {"reason": "Typed by mistake"})
    assert await follow(world) == 4
    assert await moves_told(world, case) == []
    assert await follow(world) == 0


async def test_the_schema_before_takes_back_the_moves_that_nobody_recorded_and_leaves_the_rest(world: World) -> None:
    case = await intake.opened(world)
    await proclaim(world, "2026-05-14")
    await follow(world)
    told = world.rows("SELECT id FROM event WHERE recorded_by IS NOT NULL")
    downgrade(world.url, "0002")
    assert world.rows("SELECT id FROM event") == told
    upgrade(world.url)
    shown = await world.as_("officer").must_get(f"/v1/applications/{case}/timeline")
    assert len(shown["items"]) == len(told)


async def test_another_nations_day_moves_nothing(world: World) -> None:
    await intake.opened(world)
    await proclaim(world, "2026-05-14", division="scotland")
    assert await follow(world) == 0


async def test_a_clock_that_cannot_be_counted_rests_and_stops_no_other(world: World) -> None:
    bad, good = await intake.opened(world), await intake.opened(world, intake.right_to_ask(world, subject=OTHER))
    world.execute("UPDATE clock SET edition = 'never-published' WHERE case_id = %s", bad)
    await proclaim(world, "2026-05-14")
    with capture_logs() as logged:
        assert await follow(world) == 8
        assert await follow(world) == 0
    lines = [one for one in logged if one["event"] == "clock_not_moved"]
    assert len(lines) == 4
    assert all(set(one) == {"event", "log_level", "clock", "error"} for one in lines)
    assert (await clocks(world, good))["face_to_face"]["due_on"] == "2026-05-20"
    world.execute("UPDATE clock SET edition = 'statutory-2023' WHERE case_id = %s", bad)
    world.forward(hours=1)
    assert await follow(world) == 4
    assert (await clocks(world, bad))["face_to_face"]["due_on"] == "2026-05-20"


async def test_a_move_that_the_database_refuses_stops_no_other(world: World) -> None:
    bad, good = await intake.opened(world), await intake.opened(world, intake.right_to_ask(world, subject=OTHER))
    world.execute(f"ALTER TABLE clock_move ADD CONSTRAINT refused CHECK (case_id <> '{bad}')")
    await proclaim(world, "2026-05-14")
    await follow(world)
    assert len(await moves_told(world, good)) == 3
    assert await moves_told(world, bad) == []
    assert {row["due_on"] for row in world.rows("SELECT due_on FROM clock WHERE kind = 'face_to_face'")} == {
        date(2026, 5, 19),
        date(2026, 5, 20),
    }


async def test_a_clock_that_is_being_changed_is_left_to_the_next_run(world: World) -> None:
    await intake.opened(world)
    await proclaim(world, "2026-05-14")
    async with worker(world) as session:
        await follow_calendars(session, now=world.now)
        assert await follow(world) == 0  # another worker waits for nobody
    assert len(world.rows("SELECT id FROM clock_move")) == 3


async def test_a_case_that_somebody_works_on_is_left_to_the_next_run_and_not_waited_for(world: World) -> None:
    case = await intake.opened(world)
    await proclaim(world, "2026-05-14")
    with psycopg.connect(conninfo(world.url)) as request:
        request.execute("SELECT id FROM application WHERE id = %s FOR NO KEY UPDATE", [case])
        async with worker(world) as session:
            await session.execute(text("SET LOCAL lock_timeout = '5s'"))
            assert await follow_calendars(session, now=world.now) == 0
    assert await follow(world) == 4
    assert (await clocks(world, case))["face_to_face"]["due_on"] == "2026-05-20"


def until_it_waits(world: World, other: Future[None]) -> None:
    """Until another connection waits for a lock, or has ended without."""
    while not other.done() and not world.rows("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        time.sleep(0.01)


def _apart(url: str, statement: LiteralString, *values: Any) -> None:
    """Over a connection of its own: the world's is asked meanwhile."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(statement, values)


async def test_two_who_change_clocks_of_one_case_leave_what_presses_it_true(world: World) -> None:
    case = await intake.opened(world)
    later = world.now + timedelta(days=90)
    met = "UPDATE clock SET met_at = %s, met_recorded_at = %s, next_alert_at = NULL WHERE case_id = %s AND kind = %s"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(conninfo(world.url)) as mover:
        mover.execute("UPDATE clock SET due_at = %s WHERE case_id = %s AND kind = 'initial_checks'", [later, case])
        request = pool.submit(_apart, world.url, met, world.now, world.now, case, "face_to_face")
        until_it_waits(world, request)
        mover.commit()
        request.result()
    [kept] = world.rows("SELECT pressing_at FROM application WHERE id = %s", case)
    [true] = world.rows(
        "SELECT min(least(due_at, target_at)) AS pressing_at FROM clock "
        "WHERE case_id = %s AND met_at IS NULL AND ended_at IS NULL",
        case,
    )
    assert kept == true


async def test_a_clock_started_on_the_new_calendar_needs_no_move(world: World) -> None:
    await proclaim(world, "2026-05-14")
    case = await intake.opened(world)
    assert (await clocks(world, case))["face_to_face"]["due_on"] == "2026-05-20"
    assert await follow(world) == 0


def open_clocks(world: World, number: int, *, started: datetime, days: int = 1) -> None:
    """Cases with one clock each of ten working days, begun on each of the `days` up to `started` in turn."""
    world.execute(
        """
        INSERT INTO application (id, force_id, reference, route, stage, edition, version, first_contact_at,
            first_contact_recorded_at, police_involved, created_at, created_by)
        SELECT gen_random_uuid(), %s, 'NM-' || n, 'right_to_ask', 'face_to_face', 'statutory-2023', 1, t, t, false, t,
            %s
        FROM generate_series(1, %s) n CROSS JOIN LATERAL (SELECT %s - (n %% %s) * interval '1 day' AS t) began
        """,
        *(OWN, STAFF["officer"].id, number, started, days),
    )
    version = world.rows("SELECT version FROM holiday_calendar WHERE division = 'england-and-wales'")[0]["version"]
    begun = {row["t"] for row in world.rows("SELECT DISTINCT first_contact_at AS t FROM application")}
    for began in begun:
        on = ten_days_from(began)
        world.execute(
            """
            INSERT INTO clock (id, case_id, force_id, kind, reference, edition, starts_from, working_days, mark,
                division, calendar_version, started_at, projected, due_on, due_at, next_alert_at)
            SELECT gen_random_uuid(), id, force_id, 'face_to_face', reference, edition, 'initial_contact', 10,
                'assumed', 'england-and-wales', %s, first_contact_at, false, %s, %s, %s
            FROM application WHERE first_contact_at = %s
            """,
            *(version, on, end_of(on), end_of(on) - timedelta(days=1), began),
        )
    world.execute("ANALYZE")


def ten_days_from(began: datetime) -> date:
    return due(began, WorkingDays(10), published(Division.ENGLAND_AND_WALES)).due_on


@pytest.mark.parametrize(
    ("started", "day", "due_on", "due_at"),
    [
        ("2026-10-09", "2026-10-16", "2026-10-26", "2026-10-27T00:00"),  # from the 23rd, over the autumn's 25 hours
        ("2027-03-11", "2027-03-18", "2027-03-30", "2027-03-30T23:00"),  # from the 25th, over Easter and the 23 hours
        ("2028-02-15", "2028-02-29", "2028-03-01", "2028-03-02T00:00"),  # the leap day is the due day
        ("2028-02-15", "2028-02-16", "2028-03-01", "2028-03-02T00:00"),
        ("2026-12-15", "2026-12-22", "2027-01-04", "2027-01-05T00:00"),  # from the 31st, over the year's end
    ],
)
async def test_moves_over_clock_changes_the_leap_day_and_the_year_s_end(
    world: World, started: str, day: str, due_on: str, due_at: str
) -> None:
    open_clocks(world, 2, started=datetime.fromisoformat(f"{started}T22:59+00:00"))
    await proclaim(world, day)
    assert await follow(world) == 2
    [clock] = world.rows("SELECT DISTINCT due_on::text, due_at FROM clock")
    assert clock == {"due_on": due_on, "due_at": datetime.fromisoformat(f"{due_at}+00:00")}


async def test_a_clock_that_would_pass_the_last_published_year_keeps_its_day_until_the_list_is_longer(
    world: World,
) -> None:
    open_clocks(world, 1, started=datetime(2028, 12, 13, 12, 0, tzinfo=UTC))
    assert world.rows("SELECT due_on::text FROM clock") == [{"due_on": "2028-12-29"}]
    await proclaim(world, "2028-12-20")
    with capture_logs() as logged:
        assert await follow(world) == 1
    assert [one["error"] for one in logged if one["event"] == "clock_not_moved"] == ["CalendarNotPublished"]
    assert world.rows("SELECT due_on::text FROM clock") == [{"due_on": "2028-12-29"}]
    assert world.rows("SELECT id FROM clock_move") == []

    world.execute("INSERT INTO bank_holiday (division, day, title) VALUES ('england-and-wales', '2029-01-01', 'New')")
    world.execute("UPDATE holiday_calendar SET version = 'longer', last_published_year = 2029")
    world.forward(hours=1)
    assert await follow(world) == 1
    assert world.rows("SELECT due_on::text FROM clock_move") == [{"due_on": "2029-01-02"}]


async def test_finding_the_clocks_to_move_costs_what_is_to_be_done_and_not_what_is_open(world: World) -> None:
    open_clocks(world, 5_000, started=world.now)
    in_force = world.rows("SELECT version FROM holiday_calendar WHERE division = 'england-and-wales'")[0]["version"]
    world.execute("UPDATE clock SET calendar_version = 'earlier' WHERE reference IN ('NM-1', 'NM-2')")
    world.execute("ANALYZE clock")
    query = to_count_anew("england-and-wales", in_force, now=world.now)
    sql = str(query.compile(dialect=make_url(world.url).get_dialect()(), compile_kwargs={"literal_binds": True}))
    plan = "\n".join(str(row["QUERY PLAN"]) for row in world.rows(f"EXPLAIN {sql}".replace("%", "%%")))
    assert "ix_clock_open_calendar_version" in plan
    assert "Seq Scan" not in plan


async def _a_holiday_proclaimed_nine_days_ahead(world: World, number: int) -> None:
    """19 September 2022 was proclaimed on the 10th: here a Monday nine days ahead of a Saturday (H10.4)."""
    world.set_time(datetime(2026, 9, 12, 11, 0, tzinfo=UTC))
    open_clocks(world, number, started=world.now, days=10)
    was = {row["id"]: row for row in world.rows("SELECT id, started_at, due_on FROM clock")}
    await proclaim(world, "2026-09-21")
    assert await follow(world) == number

    now_due = {row["id"]: row for row in world.rows("SELECT id, due_on, next_alert_at, calendar_version FROM clock")}
    async with worker(world) as session:
        calendar = await calendar_of(session, "england-and-wales")
    moved = {row["clock_id"]: row for row in world.rows("SELECT * FROM clock_move")}
    for clock, before in was.items():
        counted = due(before["started_at"], WorkingDays(10), calendar)
        assert now_due[clock]["due_on"] == counted.due_on
        assert now_due[clock]["calendar_version"] == calendar.version
        spans = before["due_on"] >= date(2026, 9, 21)
        assert (counted.due_on > before["due_on"]) is spans is (clock in moved)
        if spans:
            assert (moved[clock]["was_due_on"], moved[clock]["due_on"]) == (before["due_on"], counted.due_on)
            assert "Mon 21 Sep 2026 was proclaimed a bank holiday" in moved[clock]["why"]
    assert len(moved) > number / 2
    told = world.rows("SELECT about_id FROM event WHERE kind = 'clock_moved'")
    assert {row["about_id"] for row in told} == {row["id"] for row in moved.values()}
    assert len(told) == len(moved)

    before_second = world.snapshot()
    assert await follow(world) == 0
    assert world.snapshot() == before_second


async def test_a_holiday_proclaimed_nine_days_ahead_moves_every_open_clock_that_spans_it(world: World) -> None:
    await _a_holiday_proclaimed_nine_days_ahead(world, BATCH + 100)


@pytest.mark.long
async def test_a_holiday_proclaimed_nine_days_ahead_moves_ten_thousand_clocks(world: World) -> None:
    await _a_holiday_proclaimed_nine_days_ahead(world, 10_000)
