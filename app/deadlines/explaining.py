"""One count explained without a database: from when, so many of what, on which calendar (H10.5).

What a person types is read here, strictly: a moment, a number, a division, a file of holidays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from app.clock import LONDON
from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Calendar, CalendarDays, Division, Due, Hours, Rule, WorkingDays, due
from app.errors import ClaresLawError

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = re.compile(
    rf"{_DAY}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?"
)
_LINE = re.compile(rf"\s*({_DAY})?\s*(?:#\s*(.*?)\s*)?")
_NUMBER = re.compile(r"[0-9]{1,7}")

_KINDS: Mapping[str, type[Rule]] = MappingProxyType(
    {"--working-days": WorkingDays, "--hours": Hours, "--calendar-days": CalendarDays}
)


class CannotExplain(ClaresLawError):
    """What was typed names no count; the text says what would."""

    code: ClassVar[str] = "cannot_explain"


@dataclass(frozen=True, slots=True)
class Start:
    """From when it is counted, in UTC, and how it was read where that needs saying."""

    moment: datetime
    read_as: str | None = None


def read_start(text: str) -> Start:
    """The moment that a text names, in London time where it has no offset of its own; a date alone is its first hour.

    Where the clocks change, an hour is read as by a clock not yet changed: of the hour that comes twice the first, and
    of the hour that is left out so long after the jump as it names. CannotExplain otherwise.
    """
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        named = datetime.fromisoformat(text)
        moment = (named if named.tzinfo else named.replace(tzinfo=LONDON)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CannotExplain(
            f"--from {text!r} is no date and time: write 2026-12-23T16:40, with an offset where it is not London's."
        ) from None
    return Start(moment, _read_as(text, named, moment))


def _read_as(text: str, named: datetime, moment: datetime) -> str | None:
    if re.fullmatch(_DAY, text):
        return "A date alone: counted from the start of that day."
    if named.tzinfo:
        return None
    if moment.astimezone(LONDON).replace(tzinfo=None) != named:
        return "The clocks go forward over that hour: read as by a clock not yet changed."
    if named.replace(tzinfo=LONDON).utcoffset() != named.replace(tzinfo=LONDON, fold=1).utcoffset():
        return "The clocks go back and that hour comes twice: the first is taken."
    return None


def read_rule(*, working_days: str | None, hours: str | None, calendar_days: str | None) -> Rule:
    """The one count that was typed. CannotExplain where none was, or two, or one below 1."""
    typed = dict(zip(_KINDS, (working_days, hours, calendar_days), strict=True))
    given = {name: number for name, number in typed.items() if number is not None}
    if len(given) != 1:
        raise CannotExplain(f"Give exactly one of {', '.join(_KINDS)}" + (f", not {len(given)}." if given else "."))
    [(name, number)] = given.items()
    if not _NUMBER.fullmatch(number) or int(number) < 1:
        raise CannotExplain(f"{name} {number}: a count is a whole number from 1 to 9999999.")
    return _KINDS[name](int(number))


def read_division(text: str) -> Division:
    """The division of that name. CannotExplain otherwise, which lists them."""
    try:
        return Division(text)
    except ValueError:
        raise CannotExplain(f"There is no division {text!r}; there are: {', '.join(Division)}.") from None


def read_holidays(text: str, *, file: str, division: Division) -> Calendar:
    """The calendar that a text gives: one ISO date a line, what follows # being its name. No year is unpublished then.

    CannotExplain with the file and the line at fault.
    """
    found: dict[date, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        read = _LINE.fullmatch(line)
        try:
            if read is None:
                raise ValueError
            if read[1]:
                found[date.fromisoformat(read[1])] = read[2] or "Bank holiday"
        except ValueError:
            raise CannotExplain(f"{file}:{number}: {line.strip()!r} is no date: one a line, as 2026-12-25.") from None
    return Calendar(division=division, holidays=found, version=file, last_published_year=MAXYEAR)


def calendar_for(division: Division, file: Path | None) -> Calendar:
    """The bank holidays of a division that this release carries (H10.1), or what the file gives instead."""
    if file is None:
        return published(division)
    try:
        return read_holidays(file.read_text(encoding="utf-8-sig"), file=str(file), division=division)
    except OSError as error:
        raise CannotExplain(f"{file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CannotExplain(f"{file}: this is no text in UTF-8.") from None


def explain(start: Start, rule: Rule, calendar: Calendar) -> Due:
    """When it is due, and each day of the count. CalendarNotPublished, or CannotExplain beyond all years."""
    try:
        return due(start.moment, rule, calendar)
    except OverflowError:
        raise CannotExplain(f"{rule} from there run beyond the year {MAXYEAR}.") from None


def as_json(start: Start, counted: Due, calendar: Calendar) -> dict[str, Any]:
    """A count as a client reads it: the names of the API's working, and the instants in London time too."""
    return {
        "started_at": _utc(counted.started_at),
        "started_at_london": _london(counted.started_at),
        "read_as": start.read_as,
        "rule": str(counted.rule),
        "division": calendar.division.value if counted.calendar_version else None,
        "calendar_version": counted.calendar_version,
        "due_on": counted.due_on.isoformat(),
        "due_at": _utc(counted.due_at),
        "due_at_london": _london(counted.due_at),
        "working": [
            {"date": day.date.isoformat(), "counted": day.counted, "number": day.number, "why": day.why}
            for day in counted.working
        ],
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _london(moment: datetime) -> str:
    return moment.astimezone(LONDON).isoformat()
