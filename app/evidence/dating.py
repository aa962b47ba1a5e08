"""Whether leaves are dated as of when they were put in: a number is an order, and a court asks for the time. Pure."""

from array import array
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.evidence.records import DATED, DATED_BY_THE_DATABASE, LOG

_EPOCH, _LEAST = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_LONDON = ZoneInfo("Europe/London")
_APART = timedelta(hours=1)
"""How far the times of two leaves may stand apart the wrong way round: clocks differ, and transactions overlap."""

Span = tuple[datetime, datetime]
"""The first and the last moment that a told time may mean: of a day, its whole."""


class Signings:
    """When the root over each size that the witness was told of was signed, in their order: 16 bytes each."""

    def __init__(self) -> None:
        self._sizes, self._at = array("q"), array("q")

    def add(self, size: int, at: datetime) -> bool:
        """Take the next; False where its time is before that of a smaller size."""
        since = (at - _EPOCH) // _LEAST
        goes_on = not self._at or since >= self._at[-1]
        self._sizes.append(size)
        self._at.append(since)
        return goes_on

    def of(self, number: int) -> datetime | None:
        """When the root was signed under which the witness was told of a record; None where it was not."""
        place = bisect_right(self._sizes, number)
        return self._when(place) if place < len(self._sizes) else None

    @property
    def last(self) -> tuple[int, datetime] | None:
        """The largest size, and when."""
        return (self._sizes[-1], self._when(-1)) if self._sizes else None

    def _when(self, place: int) -> datetime:
        return _EPOCH + self._at[place] * _LEAST


class Dates:
    """The times that leaves tell, one after the other by their numbers.

    Rows of the log are dated by the database's clock; whatever is numbered after one was written after it, but for the
    time that a transaction takes. However long the worker was away, it was told of nothing before it was there.
    """

    def __init__(self, *, moved: bool) -> None:
        """`moved` is whether the clock of the scheme is a demonstration's, which moves it: it means nothing."""
        self._moved = moved
        self.latest: datetime | None = None
        """The newest time of the log so far."""

    def wrong(self, row: dict[str, Any], *, kind: str, signed: datetime | None) -> str | None:
        """What is wrong with the times of the next leaf, under a root that was `signed` then."""
        before = self.latest
        by_database = DATED_BY_THE_DATABASE.get(kind)
        by_scheme = None if self._moved else DATED.get(kind)
        for column in (by_database, by_scheme):
            if column is None:
                continue
            meant = _span(row.get(column))
            if meant is None:
                return "does not tell when it was put in"
            first, last = meant
            if kind == LOG:
                self.latest = max(first, before or first)
            if before is not None and before - last > _APART:
                return f"is dated {in_utc(first)}, and was numbered after a row of the log of {in_utc(before)}"
            if signed is not None and first - signed > _APART:
                return f"is dated {in_utc(first)}, and the witness was told of it at {in_utc(signed)}"
        return None


def in_utc(at: datetime | None) -> str:
    """A moment as a court reads it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "a time unknown"


def moment(told: Any) -> datetime | None:
    """A moment as a leaf tells it; None where it is none, or nobody can say which hour it names."""
    try:
        found = datetime.fromisoformat(told)
        return found.astimezone(UTC) if found.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def day(told: Any) -> date | None:
    """A day as a leaf tells it; None where it is none."""
    try:
        return date.fromisoformat(told)
    except (TypeError, ValueError):
        return None


def day_of(at: datetime | None, *, by_another_clock: bool = False) -> date | None:
    """The day of a moment as people of the service count it; the later one, where clocks that differ may disagree."""
    try:
        return (at + _APART * by_another_clock).astimezone(_LONDON).date() if at else None
    except OverflowError:
        return None


def _span(told: Any) -> Span | None:
    on = day(told)
    if on is None:
        at = moment(told)
        return (at, at) if at else None
    try:
        first, last = (datetime.combine(one, time(), _LONDON).astimezone(UTC) for one in (on, on + timedelta(days=1)))
    except OverflowError:
        return None
    return first, last
