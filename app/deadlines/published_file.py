"""Whether a file of bank holidays, as GOV.UK publishes it, may replace what is held (H10.3, H10.4). Pure.

A date that staff were given rests on the list. So a file that is broken, or has lost what the last one had, changes
nothing: the list held is kept and a person decides.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.deadlines.calendar import Division
from app.errors import Unprocessable
from app.people.schemas import Day, Line

_SHOWN = 5
"""How many of many like problems are named."""
_NAME = 40
"""How much is shown of a name that the file made up."""


class FileRefused(Unprocessable):
    """The file may not replace the bank holidays held; the text says why, problem by problem."""

    code = "calendar_refused"

    def __init__(self, problems: Collection[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore")

    title: Line
    date: Day


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    division: str
    events: Annotated[list[_Event], Field(min_length=1, max_length=5_000)]


_FILE = TypeAdapter(dict[str, _Listed])


@dataclass(frozen=True)
class Held:
    """What is held of one division. A proclaimed day is known here before any file lists it."""

    days: Mapping[date, str]
    proclaimed: frozenset[date]
    first_year: int
    last_year: int


def read(raw: bytes) -> dict[Division, dict[date, str]]:
    """The days that a file lists for each division, with their titles. Raises FileRefused with what does not fit."""
    try:
        found = _FILE.validate_json(raw)
    except ValidationError as error:
        wrong = [f"{_place(one['loc'])}: {one['msg']}." for one in error.errors()]
        raise FileRefused([*wrong[:_SHOWN], *_and_more(len(wrong))]) from None
    problems = [f"{division} is missing." for division in Division if division.value not in found]
    problems += [
        f"What stands under {name[:_NAME]} calls itself otherwise."
        for name, one in found.items()
        if one.division != name
    ]
    if problems:
        raise FileRefused(problems)
    return {division: _days(division, found[division.value]) for division in Division}


def _place(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_NAME] for part in path) or "The file"


def _days(division: Division, listed: _Listed) -> dict[date, str]:
    counts = Counter(event.date for event in listed.events)
    if twice := sorted(day for day, times in counts.items() if times > 1):
        raise FileRefused([f"{division} lists {_named(twice)} more than once."])
    return {event.date: event.title for event in listed.events}


def merged(
    division: Division, held: Held, listed: Mapping[date, str], *, removing: Collection[date] = ()
) -> dict[date, str]:
    """The days to hold from now on: what the file lists, what lies before its first year, and proclaimed days.

    `removing` are days that a person has confirmed to be no bank holidays any more, as where one was moved. Raises
    FileRefused where the file has lost a day, a year, or has too few or too many days in a year that is new.
    """
    problems = list(_problems(division, held, listed, frozenset(removing)))
    if problems:
        raise FileRefused(problems)
    first = min(listed).year
    kept = {day: title for day, title in held.days.items() if day.year < first or day in held.proclaimed}
    return kept | dict(listed)


def lost(held: Held, listed: Mapping[date, str]) -> set[date]:
    """The published days that are held and that a file no longer has, within the years that it covers."""
    years = range(min(listed).year, max(listed).year + 1)
    return {day for day in held.days if day.year in years and day not in listed and day not in held.proclaimed}


def _problems(division: Division, held: Held, listed: Mapping[date, str], removing: Collection[date]) -> Iterator[str]:
    first, last = min(listed).year, max(listed).year
    if gone := lost(held, listed).difference(removing):
        yield f"{division} has lost {_named(gone)}."
    if last < held.last_year:
        yield f"{division} ends in {last}, and is held to {held.last_year}."
    if first > held.last_year + 1:
        yield f"{division} begins in {first}, and is held to {held.last_year} only."
    ordinary = Counter(day.year for day in held.days if day not in held.proclaimed)
    fewest, most = min(ordinary.values()), max(ordinary.values())
    found = Counter(day.year for day in listed)
    for year in range(first, last + 1):
        # A new year that is published in part would let duties be counted over holidays not yet listed.
        few = found[year] < fewest and not held.first_year <= year <= held.last_year
        if few or found[year] > 2 * most:
            yield f"{division} has {found[year]} days in {year}; a year has had {fewest} to {most}."


def _named(days: Collection[date]) -> str:
    shown = ", ".join(day.isoformat() for day in sorted(days)[:_SHOWN])
    return " ".join([shown, *_and_more(len(days))])


def _and_more(number: int) -> list[str]:
    return [f"(and {number - _SHOWN} more)"] if number > _SHOWN else []
