"""H10: how hours and days are counted, over the bank holidays of all three divisions."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import LONDON
from app.deadlines.bank_holidays import FIRST_PUBLISHED, LAST_PUBLISHED, published
from app.deadlines.calendar import (
    Calendar,
    CalendarDays,
    CalendarNotPublished,
    Division,
    Due,
    Hours,
    Rule,
    WorkingDays,
    day_with_left,
    due,
    in_time,
    last_moment,
    rule_of,
)
from app.editions.rules import Limit
from app.editions.terms import ClockKind, Mark, Route, StartingEvent
from tests.shared import needs_shared, shared

ENGLAND = published(Division.ENGLAND_AND_WALES)

divisions = st.sampled_from(list(Division))
days = st.dates(date(FIRST_PUBLISHED, 1, 1), date(LAST_PUBLISHED - 1, 6, 30))
numbers = st.integers(1, 60)
moments = st.datetimes(
    datetime(FIRST_PUBLISHED, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(LAST_PUBLISHED - 1, 6, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


def on(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=LONDON)


def by_hand(start: date, number: int, calendar: Calendar) -> date:
    """The oracle: write every following day down, strike out, read off the N-th that is left."""
    following = [start + timedelta(days=n) for n in range(1, number * 2 + 60)]
    left = [d for d in following if d.isoweekday() < 6 and d not in calendar.holidays]
    return left[number - 1]


# --- working days -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "number", "due_on"),
    [
        ("2026-05-04T00:00", 5, "2026-05-11"),  # begun on a bank holiday; its hour is nothing
        ("2026-05-05T23:59", 5, "2026-05-12"),
        ("2026-05-01T09:00", 1, "2026-05-05"),  # over a weekend and the early May bank holiday
        ("2026-12-24T12:00", 5, "2027-01-05"),  # Christmas, a substitute day, the year's end
        ("2024-02-28T12:00", 1, "2024-02-29"),  # a leap day is a day
        ("2023-04-27T12:00", 10, "2023-05-15"),  # two bank holidays, one for the coronation
        ("2022-09-09T12:00", 10, "2022-09-26"),  # the day of the state funeral
    ],
)
def test_working_days_in_england(start: str, number: int, due_on: str) -> None:
    assert due(london(start), WorkingDays(number), ENGLAND).due_on == date.fromisoformat(due_on)


@pytest.mark.parametrize(
    ("division", "due_on"),
    [
        (Division.ENGLAND_AND_WALES, "2026-01-02"),
        (Division.SCOTLAND, "2026-01-05"),  # 2 January
        (Division.NORTHERN_IRELAND, "2026-01-02"),
    ],
)
def test_each_nation_has_its_own_days(division: Division, due_on: str) -> None:
    counted = due(london("2025-12-31T12:00"), WorkingDays(1), published(division))
    assert counted.due_on == date.fromisoformat(due_on)


@needs_shared
def test_other_public_services_agree() -> None:
    cases = shared("working-days.json")["cases"]
    assert cases
    for case in cases:
        calendar = Calendar(
            division=Division.ENGLAND_AND_WALES,
            holidays={date.fromisoformat(day): "Bank holiday" for day in case["holidays"]},
            version="as given",
            last_published_year=2030,
        )
        start = date.fromisoformat(case["start"])
        counted = due(on(start), WorkingDays(case["working_days"]), calendar)
        assert counted.due_on == date.fromisoformat(case["due_on"]), case["source"]


@given(divisions, moments, numbers)
def test_working_days_agree_with_counting_by_hand(division: Division, start: datetime, number: int) -> None:
    calendar = published(division)
    counted = due(start, WorkingDays(number), calendar)
    assert counted.due_on == by_hand(start.astimezone(LONDON).date(), number, calendar)
    assert calendar.is_working_day(counted.due_on)


@given(divisions, moments, moments, numbers)
def test_who_starts_later_is_not_due_earlier(division: Division, one: datetime, other: datetime, number: int) -> None:
    calendar = published(division)
    for rule in (WorkingDays(number), CalendarDays(number), Hours(number)):
        early, late = (due(start, rule, calendar) for start in sorted((one, other)))
        assert early.due_at <= late.due_at
        assert early.due_on <= late.due_on


@given(divisions, moments, numbers)
def test_a_longer_limit_is_due_later(division: Division, start: datetime, number: int) -> None:
    calendar = published(division)
    for kind in (WorkingDays, CalendarDays, Hours):
        shorter, longer = (due(start, kind(n), calendar) for n in (number, number + 1))
        assert shorter.due_at < longer.due_at


def left_by_hand(day: date, due_on: date, calendar: Calendar) -> int:
    """Working days after `day`, the due day included."""
    between = (day + timedelta(days=n) for n in range(1, (due_on - day).days + 1))
    return sum(calendar.is_working_day(one) for one in between)


@given(divisions, days, st.integers(1, 40), st.integers(0, 10))
def test_the_day_with_so_many_left_is_the_first_such_day(division: Division, start: date, span: int, left: int) -> None:
    calendar = published(division)
    due_on = start + timedelta(days=span)
    since = max(start - timedelta(days=30), date(FIRST_PUBLISHED, 1, 2))
    ahead = [since + timedelta(days=n) for n in range((due_on - since).days + 1)]
    wanted = next(
        (day for day in ahead if left_by_hand(day, due_on, calendar) == left and calendar.is_working_day(day)),
        None,
    )
    found = day_with_left(left, due_on, calendar, since=since)
    assert found == wanted
    if found is not None:
        before = found - timedelta(days=1)
        assert left_by_hand(before, due_on, calendar) > left


# --- calendar days and hours --------------------------------------------------------------------


@given(divisions, moments, numbers)
def test_calendar_days_skip_nothing(division: Division, start: datetime, number: int) -> None:
    counted = due(start, CalendarDays(number), published(division))
    assert counted.due_on - start.astimezone(LONDON).date() == timedelta(days=number)


@given(moments, st.integers(1, 200))
def test_hours_are_elapsed_and_need_no_calendar(start: datetime, number: int) -> None:
    counted = due(start, Hours(number), None)
    assert counted.due_at - start == timedelta(hours=number)
    assert counted.due_on == counted.due_at.astimezone(LONDON).date()
    assert counted.calendar_version is None


@pytest.mark.parametrize(
    ("start", "due_at"),
    [
        ("2026-10-24T16:00", "2026-10-25T15:00"),  # the clocks go back: 24 hours end an hour sooner
        ("2026-03-28T16:00", "2026-03-29T17:00"),  # they go forward: an hour later on the dial
        ("2026-05-02T02:00", "2026-05-03T02:00"),  # nights and weekends count
        ("2026-12-31T23:30", "2027-01-01T23:30"),
    ],
)
def test_24_hours_across_clock_changes(start: str, due_at: str) -> None:
    assert due(london(start), Hours(24), None).due_at == london(due_at)


def test_24_hours_from_the_hour_that_comes_twice() -> None:
    first, second = (datetime(2026, 10, 25, 1, 30, tzinfo=LONDON, fold=fold) for fold in (0, 1))
    assert due(second, Hours(24), None).due_at - due(first, Hours(24), None).due_at == timedelta(hours=1)


# --- the instant the day ends -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "due_at"),
    [
        ("2026-10-23T12:00", "2026-10-27T00:00+00:00"),  # begun in summer time, ended in winter's
        ("2026-03-27T12:00", "2026-03-30T23:00+00:00"),  # and the reverse
        ("2026-07-01T12:00", "2026-07-02T23:00+00:00"),
    ],
)
def test_the_day_ends_at_midnight_in_london(start: str, due_at: str) -> None:
    counted = due(london(start), WorkingDays(1), ENGLAND)
    assert counted.due_at == datetime.fromisoformat(due_at)
    assert counted.due_at.utcoffset() == timedelta()


def test_a_late_evening_in_summer_belongs_to_the_london_day() -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # half past midnight on 1 July in London
    assert due(late, WorkingDays(1), ENGLAND).due_on == date(2026, 7, 2)
    assert due(late, CalendarDays(1), ENGLAND).due_on == date(2026, 7, 2)


def test_where_the_start_was_written_is_nothing() -> None:
    start = london("2026-07-01T00:30")
    elsewhere = start.astimezone(ZoneInfo("America/New_York"))
    assert due(start, WorkingDays(3), ENGLAND) == due(elsewhere, WorkingDays(3), ENGLAND)


def test_in_time_is_before_the_day_ends_and_with_the_last_hour() -> None:
    tick = timedelta(microseconds=1)
    by_days = due(london("2026-05-05T12:00"), WorkingDays(1), ENGLAND)
    assert in_time(by_days.due_at - tick, by_days)
    assert not in_time(by_days.due_at, by_days)
    by_hours = due(london("2026-05-05T12:00"), Hours(24), None)
    assert in_time(by_hours.due_at, by_hours)
    assert not in_time(by_hours.due_at + tick, by_hours)


@given(divisions, moments, st.sampled_from([Hours(24), WorkingDays(5), CalendarDays(28)]))
def test_the_last_moment_is_the_last_in_time(division: Division, start: datetime, rule: Rule) -> None:
    counted = due(start, rule, published(division))
    assert in_time(last_moment(counted), counted)
    assert not in_time(last_moment(counted) + timedelta(microseconds=1), counted)
    assert last_moment(counted).astimezone(LONDON).date() == counted.due_on


# --- the working ----------------------------------------------------------------------------------


def test_the_working_names_every_day_and_why() -> None:
    counted = due(london("2026-04-30T12:00"), WorkingDays(2), ENGLAND)
    assert [(d.date.day, d.number, d.why) for d in counted.working] == [
        (1, 1, "working day"),
        (2, None, "Saturday"),
        (3, None, "Sunday"),
        (4, None, "Early May bank holiday"),
        (5, 2, "working day"),
    ]
    assert counted.calendar_version == ENGLAND.version
    assert str(counted.rule) == "2 working days"


@given(divisions, moments, numbers, st.sampled_from([WorkingDays, CalendarDays]))
def test_the_working_accounts_for_the_due_date(
    division: Division, start: datetime, number: int, kind: type[WorkingDays] | type[CalendarDays]
) -> None:
    counted = due(start, kind(number), published(division))
    first = start.astimezone(LONDON).date() + timedelta(days=1)
    assert [d.date for d in counted.working] == [
        first + timedelta(days=n) for n in range((counted.due_on - first).days + 1)
    ]
    assert [d.number for d in counted.working if d.counted] == list(range(1, number + 1))
    assert all(d.number is None and d.why for d in counted.working if not d.counted)


def test_the_working_of_hours_names_the_days_they_run_through() -> None:
    counted: Due = due(london("2026-05-02T16:00"), Hours(24), None)
    assert [(d.date.day, d.counted) for d in counted.working] == [(2, True), (3, True)]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [WorkingDays(10), CalendarDays(28)])
def test_past_the_last_published_year_nothing_is_computed(rule: Rule) -> None:
    with pytest.raises(CalendarNotPublished, match=str(LAST_PUBLISHED)) as refusal:
        due(datetime(LAST_PUBLISHED, 12, 20, tzinfo=UTC), rule, ENGLAND)
    assert refusal.value.day == date(LAST_PUBLISHED + 1, 1, 1)
    assert due(datetime(LAST_PUBLISHED, 12, 31, tzinfo=UTC), Hours(24), None).due_on == date(LAST_PUBLISHED + 1, 1, 1)


def test_the_last_published_day_can_still_be_due() -> None:
    counted = due(datetime(LAST_PUBLISHED, 12, 28, 12, tzinfo=UTC), WorkingDays(1), ENGLAND)
    assert counted.due_on == date(LAST_PUBLISHED, 12, 29)
    last = due(datetime(LAST_PUBLISHED, 12, 30, 12, tzinfo=UTC), CalendarDays(1), ENGLAND)
    assert last.due_on == date(LAST_PUBLISHED, 12, 31)


def test_before_the_first_published_year_nothing_is_computed() -> None:
    with pytest.raises(CalendarNotPublished):
        due(datetime(FIRST_PUBLISHED - 1, 12, 1, tzinfo=UTC), WorkingDays(1), ENGLAND)


def test_a_time_without_an_offset_is_refused() -> None:
    naive = datetime(2026, 5, 5, 12)  # noqa: DTZ001 - the fault under test
    for rule in (Hours(24), WorkingDays(1), CalendarDays(1)):
        with pytest.raises(ValueError, match="offset"):
            due(naive, rule, ENGLAND)
    counted = due(london("2026-05-05T12:00"), WorkingDays(1), ENGLAND)
    with pytest.raises(ValueError, match="offset"):
        in_time(naive, counted)


def test_days_need_a_calendar() -> None:
    with pytest.raises(ValueError, match="calendar"):
        due(london("2026-05-05T12:00"), WorkingDays(1), None)


@pytest.mark.parametrize("kind", [Hours, WorkingDays, CalendarDays])
def test_a_limit_counts_at_least_one(
    kind: type[Hours] | type[WorkingDays] | type[CalendarDays],
) -> None:
    with pytest.raises(ValueError, match="at least one"):
        kind(0)


def test_the_rule_of_a_limit() -> None:
    limit = Limit(
        clock=ClockKind.WHOLE_CASE,
        route=Route.RIGHT_TO_ASK,
        calendar_days=28,
        starts_from=StartingEvent.INITIAL_CONTACT,
        source="a test",
        mark=Mark.ASSUMED,
    )
    assert rule_of(limit) == CalendarDays(28)
    assert str(rule_of(limit)) == "28 calendar days"
    assert str(Hours(1)) == "1 hour"
    with pytest.raises(ValueError, match="exactly one"):
        rule_of(limit.model_copy(update={"hours": 24}))


def test_a_calendar_does_not_change_under_the_reader() -> None:
    holidays = {date(2026, 5, 4): "Early May bank holiday"}
    calendar = Calendar(Division.SCOTLAND, holidays, "1", 2026)
    holidays.clear()
    assert not calendar.is_working_day(date(2026, 5, 4))
