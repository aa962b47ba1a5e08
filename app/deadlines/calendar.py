"""How hours and days are counted, to the instant (H10). Pure.

A day is a London day. The day after the starting event is day 1, whatever the event's hour, and the
duty is met if done by the end of day N (H10.1). Hours are elapsed, through nights, weekends and
clock changes. Every instant that comes out is aware and in UTC; one that goes in without an offset
is a ValueError.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MINYEAR, UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Protocol

from app.clock import LONDON, aware
from app.errors import Conflict

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


class Division(StrEnum):
    """The nations that GOV.UK publishes bank holidays for."""

    ENGLAND_AND_WALES = "england-and-wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern-ireland"


class CalendarNotPublished(Conflict):
    """The count runs into a year whose bank holidays are not held (H10.3): no date, no guess."""

    code = "calendar_not_published"

    def __init__(self, calendar: "Calendar", day: date) -> None:
        self.day = day
        super().__init__(
            f"The bank holidays of {calendar.division} are held {calendar.years}, and the count "
            f"reaches {day.isoformat()}. Import the published calendar first."
        )


@dataclass(frozen=True, slots=True)
class Calendar:
    """The bank holidays of one division, by date with their titles, for the published years."""

    division: Division
    holidays: Mapping[date, str]
    version: str
    last_published_year: int
    first_published_year: int = MINYEAR

    def __post_init__(self) -> None:
        object.__setattr__(self, "holidays", MappingProxyType(dict(self.holidays)))

    @property
    def years(self) -> str:
        """The published years as staff read them: 'from 2012 to 2028'."""
        since = f"from {self.first_published_year} " if self.first_published_year > MINYEAR else ""
        return f"{since}to {self.last_published_year}"

    def require(self, day: date) -> None:
        """CalendarNotPublished where the day lies outside the published years (H10.3)."""
        if not self.first_published_year <= day.year <= self.last_published_year:
            raise CalendarNotPublished(self, day)

    def skipped(self, day: date) -> str | None:
        """Why it is no working day, or None where it is one (H10.1). CalendarNotPublished."""
        self.require(day)
        return self.holidays.get(day) or {5: "Saturday", 6: "Sunday"}.get(day.weekday())

    def is_working_day(self, day: date) -> bool:
        """Not Saturday, Sunday or a bank holiday of the division (H10.1). CalendarNotPublished."""
        return self.skipped(day) is None


@dataclass(frozen=True, slots=True)
class _Count:
    number: int
    unit: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"a limit counts at least one, not {self.number}")

    def __str__(self) -> str:
        words = self.unit.replace("_", " ")
        return f"{self.number} {words if self.number > 1 else words.removesuffix('s')}"


@dataclass(frozen=True, slots=True)
class Hours(_Count):
    """So many elapsed hours."""

    unit: ClassVar[str] = "hours"


@dataclass(frozen=True, slots=True)
class WorkingDays(_Count):
    """So many days, skipping Saturdays, Sundays and bank holidays."""

    unit: ClassVar[str] = "working_days"


@dataclass(frozen=True, slots=True)
class CalendarDays(_Count):
    """So many days, none skipped."""

    unit: ClassVar[str] = "calendar_days"


Rule = Hours | WorkingDays | CalendarDays


class Counts(Protocol):
    """A limit as an edition states it or a clock's row keeps it: one of three, the others None."""

    @property
    def hours(self) -> int | None: ...
    @property
    def working_days(self) -> int | None: ...
    @property
    def calendar_days(self) -> int | None: ...


def rule_of(counts: Counts) -> Rule:
    """The rule of a limit. ValueError unless exactly one of the three counts is given."""
    match counts.hours, counts.working_days, counts.calendar_days:
        case int(number), None, None:
            return Hours(number)
        case None, int(number), None:
            return WorkingDays(number)
        case None, None, int(number):
            return CalendarDays(number)
    raise ValueError("a limit has exactly one of hours, working_days and calendar_days")


@dataclass(frozen=True, slots=True)
class DayWorked:
    """One London day of the count: its number where it is counted, and why it is or is not."""

    date: date
    counted: bool
    number: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a duty is due, with its working (H10.5).

    `due_on` is the last London day and `due_at` the instant it ends; for hours, `due_at` is the
    instant the last hour ends and `due_on` its London day, and `calendar_version` is None.
    """

    rule: Rule
    started_at: datetime
    due_on: date
    due_at: datetime
    working: tuple[DayWorked, ...]
    calendar_version: str | None


class HasLimit(Protocol):
    """What it takes to say whether a duty was done in time: a `Due`, or a clock's stored facts."""

    @property
    def rule(self) -> Rule: ...
    @property
    def due_at(self) -> datetime: ...


def london_day(moment: datetime) -> date:
    """The London date of an instant. ValueError where it has no offset."""
    return aware(moment).astimezone(LONDON).date()


def start_of(day: date) -> datetime:
    """The instant a London day begins, in UTC."""
    return datetime.combine(day, time(), tzinfo=LONDON).astimezone(UTC)


def end_of(day: date) -> datetime:
    """The instant a London day ends, which is when the next begins, in UTC."""
    return start_of(day + _DAY)


def due(start: datetime, rule: Rule, calendar: Calendar | None) -> Due:
    """When a duty that began at `start` is due (H10.1, H10.2).

    Only hours do without a calendar. Days of either kind refuse to run past its last published year
    (H10.3): calendar days skip nothing, but their alerts count working days.

    Raises CalendarNotPublished, or ValueError: a start without an offset, days without a calendar.
    """
    started_at = aware(start)
    if isinstance(rule, Hours):
        due_at = started_at + timedelta(hours=rule.number)
        due_on = london_day(due_at)
        return Due(rule, started_at, due_on, due_at, _hours_worked(started_at, due_on), None)
    if calendar is None:
        raise ValueError(f"{rule} cannot be counted without a calendar")
    working: list[DayWorked] = []
    counted = 0
    for day in _days_after(london_day(started_at)):
        why_not = calendar.skipped(day)
        if isinstance(rule, WorkingDays) and why_not is not None:
            working.append(DayWorked(day, False, None, why_not))
            continue
        counted += 1
        why = "working day" if isinstance(rule, WorkingDays) else "calendar day"
        working.append(DayWorked(day, True, counted, why))
        if counted == rule.number:
            break
    due_on = working[-1].date
    return Due(rule, started_at, due_on, end_of(due_on), tuple(working), calendar.version)


def _hours_worked(started_at: datetime, due_on: date) -> tuple[DayWorked, ...]:
    day, days = london_day(started_at), []
    while day <= due_on:
        days.append(DayWorked(day, True, None, "every hour counts"))
        day += _DAY
    return tuple(days)


def _days_after(day: date) -> Iterator[date]:
    while True:
        day += _DAY
        yield day


def in_time(done_at: datetime, limit: HasLimit) -> bool:
    """Whether a duty done then is met: by the end of the last hour, or before the last day ends."""
    if isinstance(limit.rule, Hours):
        return aware(done_at) <= aware(limit.due_at)
    return aware(done_at) < aware(limit.due_at)


def last_moment(limit: HasLimit) -> datetime:
    """The last instant (to the microsecond) at which the duty would still be met in time."""
    due_at = aware(limit.due_at)
    return due_at if isinstance(limit.rule, Hours) else due_at - _TICK


def day_with_left(left: int, due_on: date, calendar: Calendar, *, since: date) -> date | None:
    """The first London day, from `since` on, that begins with exactly `left` working days to go.

    None where the duty began with fewer. Going back from the due day it is the working day that has
    `left` working days after it: so it is a working day itself. Raises CalendarNotPublished.
    """
    day, passed = due_on, 0
    while day >= since:
        if calendar.is_working_day(day):
            if passed == left:
                return day
            passed += 1
        day -= _DAY
    return None
