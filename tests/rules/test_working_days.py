"""H10.1 at large: working days against a list of them written down, and what must hold whatever the start."""

import random
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import LONDON
from app.deadlines.bank_holidays import FIRST_PUBLISHED, LAST_PUBLISHED, published
from app.deadlines.calendar import Calendar, Division, WorkingDays, due
from tests.shared import needs_shared, shared

RANDOM_STARTS = 20_000
FIRST = datetime(FIRST_PUBLISHED, 1, 1, tzinfo=UTC)
SECONDS = int((datetime(LAST_PUBLISHED, 6, 30, tzinfo=UTC) - FIRST).total_seconds())

divisions = st.sampled_from(list(Division))
numbers = st.integers(1, 40)
starts = st.integers(0, SECONDS).map(lambda seconds: FIRST + timedelta(seconds=seconds))


def written_down(holidays: set[date]) -> list[date]:
    """The oracle: every working day there is, in order. The N-th after the start is the N-th in the list."""
    days = (
        date(FIRST_PUBLISHED, 1, 1) + timedelta(days=n) for n in range(366 * (LAST_PUBLISHED - FIRST_PUBLISHED + 1))
    )
    return [day for day in days if day.year <= LAST_PUBLISHED and day.isoweekday() <= 5 and day not in holidays]


def agree(calendar: Calendar, holidays: set[date], *, seed: str) -> None:
    working, chosen = written_down(holidays), random.Random(seed)
    for _ in range(RANDOM_STARTS // len(Division) + 1):
        start = FIRST + timedelta(seconds=chosen.randrange(SECONDS))
        number = chosen.randint(1, 30)
        began = bisect_right(working, start.astimezone(LONDON).date())
        counted = due(start, WorkingDays(number), calendar)
        assert counted.due_on == working[began + number - 1], (start, number)
        ends = datetime.combine(counted.due_on + timedelta(days=1), datetime.min.time(), tzinfo=LONDON)
        assert counted.due_at == ends, (start, number)


@pytest.mark.parametrize("division", Division)
def test_twenty_thousand_random_starts_agree_with_the_list(division: Division) -> None:
    calendar = published(division)
    agree(calendar, set(calendar.holidays), seed=division)


@needs_shared
@pytest.mark.parametrize("division", Division)
def test_twenty_thousand_random_starts_agree_with_what_is_published(division: Division) -> None:
    events = shared("gov-uk-bank-holidays.json")[division]["events"]
    agree(published(division), {date.fromisoformat(event["date"]) for event in events}, seed=f"{division} published")


def on(division: Division, start: datetime, number: int) -> date:
    return due(start, WorkingDays(number), published(division)).due_on


def at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=LONDON)


@given(divisions, starts, numbers)
def test_nothing_is_due_on_a_day_off(division: Division, start: datetime, number: int) -> None:
    found = on(division, start, number)
    assert found.isoweekday() <= 5
    assert found not in published(division).holidays
    assert found > start.astimezone(LONDON).date()


@given(divisions, starts, starts, numbers, numbers)
def test_later_and_longer_is_never_due_earlier(
    division: Division, one: datetime, other: datetime, short: int, more: int
) -> None:
    early, late = sorted((one, other))
    assert on(division, early, short) <= on(division, late, short)
    assert on(division, early, short) < on(division, early, short + more)


@given(divisions, starts, numbers, numbers)
def test_so_many_and_then_so_many_are_their_sum(division: Division, start: datetime, first: int, then: int) -> None:
    assert on(division, at(on(division, start, first)), then) == on(division, start, first + then)


# --- how others read it ---------------------------------------------------------------------------


def next_working_day(day: date, calendar: Calendar) -> date:
    """The day itself where it is one."""
    while not calendar.is_working_day(day):
        day += timedelta(days=1)
    return day


def rolling(start: datetime, number: int, calendar: Calendar) -> date:
    """A start on a day off first rolls to the next working day, and the count begins on the day after that."""
    begins = next_working_day(start.astimezone(LONDON).date(), calendar)
    return due(at(begins), WorkingDays(number), calendar).due_on


def by_office_hours(start: datetime, number: int, calendar: Calendar) -> date:
    """What comes after 13:00, or on a day off, counts as come at 09:00 on the next working day."""
    local = start.astimezone(LONDON)
    day = local.date()
    if (local.hour, local.minute, local.second) > (13, 0, 0):
        day += timedelta(days=1)
    return due(at(next_working_day(day, calendar), 9), WorkingDays(number), calendar).due_on


@given(divisions, starts, numbers)
def test_ours_is_never_later_than_the_other_readings(division: Division, start: datetime, number: int) -> None:
    calendar = published(division)
    ours = on(division, start, number)
    assert ours <= rolling(start, number, calendar)
    assert ours <= by_office_hours(start, number, calendar)


@pytest.mark.parametrize(
    ("start", "ours", "rolled", "office"),
    [
        ("2026-05-05T12:00", "2026-05-06", "2026-05-06", "2026-05-06"),  # a working morning: all the same
        ("2026-05-05T13:01", "2026-05-06", "2026-05-06", "2026-05-07"),
        ("2026-05-02T12:00", "2026-05-05", "2026-05-06", "2026-05-06"),  # a Saturday before a bank holiday
        ("2026-10-25T01:30", "2026-10-26", "2026-10-27", "2026-10-27"),  # the clocks go back
        ("2026-03-29T12:00", "2026-03-30", "2026-03-31", "2026-03-31"),  # and forward
        ("2028-02-28T14:00", "2028-02-29", "2028-02-29", "2028-03-01"),  # a leap day
        ("2026-12-31T14:00", "2027-01-04", "2027-01-04", "2027-01-05"),  # the year's end
    ],
)
def test_where_the_readings_part(start: str, ours: str, rolled: str, office: str) -> None:
    calendar = published(Division.ENGLAND_AND_WALES)
    began = datetime.fromisoformat(start).replace(tzinfo=LONDON)
    found = on(Division.ENGLAND_AND_WALES, began, 1), rolling(began, 1, calendar), by_office_hours(began, 1, calendar)
    assert [day.isoformat() for day in found] == [ours, rolled, office]
