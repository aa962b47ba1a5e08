"""Whether leaves are dated as of when they were put in: a number is an order, and a court asks for the time. Pure."""

from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Any

_APART = timedelta(hours=1)
"""How far the times of two leaves may stand apart the wrong way round: clocks differ, and transactions overlap."""


class Signings:
    """When the root over each size that the witness was told of was signed, in their order."""

    def __init__(self) -> None:
        self._told: list[tuple[int, datetime]] = []

    def add(self, size: int, at: datetime) -> bool:
        """Take the next; False where its time is before that of a smaller size."""
        goes_on = not self._told or at >= self._told[-1][1]
        self._told.append((size, at))
        return goes_on

    def of(self, number: int) -> datetime | None:
        """When the root was signed under which the witness was told of a record; None where it was not."""
        place = bisect_right(self._told, number, key=lambda one: one[0])
        return self._told[place][1] if place < len(self._told) else None

    @property
    def last(self) -> tuple[int, datetime] | None:
        """The largest size, and when."""
        return self._told[-1] if self._told else None


class Dates:
    """The times that leaves tell, one after the other by their numbers.

    Rows of the log are dated by the database's clock; whatever is numbered after one was written after it, but for the
    time that a transaction takes. However long the worker was away, it was told of nothing before it was there.
    """

    def __init__(self, *, moved: bool) -> None:
        """`moved` is whether the time of recording is the scheme's, which a demonstration moves: it means nothing."""
        self._moved = moved
        self._latest: datetime | None = None

    def wrong(self, row: dict[str, Any], *, is_log: bool, signed: datetime | None) -> str | None:
        """What is wrong with the time of the next leaf, under a root that was `signed` then."""
        if self._moved and not is_log:
            return None
        at = _moment(row.get("logged_at" if is_log else "recorded_at"))
        if at is None:
            return None
        before = self._latest
        if is_log:
            self._latest = max(at, before or at)
        if before is not None and at < before - _APART:
            return f"is dated {in_utc(at)}, and was numbered after a row of the log of {in_utc(before)}"
        if signed is not None and at > signed + _APART:
            return f"is dated {in_utc(at)}, and the witness was told of it at {in_utc(signed)}"
        return None


def in_utc(at: datetime | None) -> str:
    """A moment as a court reads it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "a time unknown"


def _moment(told: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
