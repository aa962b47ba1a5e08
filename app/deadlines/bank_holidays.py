"""The bank holidays to start with: the `holidays` package, brought to what GOV.UK lists (H10.1).

Pure: no file and no network. What GOV.UK publishes after this release arrives as data, by import,
and moves open clocks on the record (H10.4).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType

import holidays

from app.deadlines.calendar import Calendar, Division

FIRST_PUBLISHED = 2012
"""The first year of GOV.UK's list."""

LAST_PUBLISHED = 2028
"""The last year of GOV.UK's list at this release. The package projects beyond it; that is not
published, and the count refuses to go there (H10.3)."""

_SUBDIVISION: Mapping[Division, str] = MappingProxyType(
    {
        Division.ENGLAND_AND_WALES: "ENG",
        Division.SCOTLAND: "SCT",
        Division.NORTHERN_IRELAND: "NIR",
    }
)

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "New Year's Day": "New Year’s Day",
        "New Year Holiday": "2nd January",
        "Saint Patrick's Day": "St Patrick’s Day",
        "Good Friday": "Good Friday",
        "Easter Monday": "Easter Monday",
        "May Day": "Early May bank holiday",
        "Spring Bank Holiday": "Spring bank holiday",
        "Battle of the Boyne": "Battle of the Boyne (Orangemen’s Day)",
        "Summer Bank Holiday": "Summer bank holiday",
        "Late Summer Bank Holiday": "Summer bank holiday",
        "Saint Andrew's Day": "St Andrew’s Day",
        "Christmas Day": "Christmas Day",
        "Boxing Day": "Boxing Day",
        "Diamond Jubilee of Elizabeth II": "Queen’s Diamond Jubilee",
        "Platinum Jubilee of Elizabeth II": "Platinum Jubilee bank holiday",
        "State Funeral of Queen Elizabeth II": ("Bank Holiday for the State Funeral of Queen Elizabeth II"),
        "Coronation of Charles III": "Bank holiday for the coronation of King Charles III",
    }
)

_TITLED_OTHERWISE: Mapping[tuple[Division, date], str] = MappingProxyType(
    {
        # Moved from Monday 4 May for the 75th anniversary, and named after it.
        **{(division, date(2020, 5, 8)): "Early May bank holiday (VE day)" for division in Division},
        # 1 January on a Sunday puts two holidays on the 2nd and 3rd. In these years GOV.UK named
        # the 3rd after New Year’s Day; in 2023 the 2nd, as the package does.
        (Division.SCOTLAND, date(2012, 1, 2)): "2nd January",
        (Division.SCOTLAND, date(2012, 1, 3)): "New Year’s Day",
        (Division.SCOTLAND, date(2017, 1, 2)): "2nd January",
        (Division.SCOTLAND, date(2017, 1, 3)): "New Year’s Day",
    }
)

_NOT_PUBLISHED: frozenset[tuple[Division, date]] = frozenset(
    {
        # The package has a day for the men's World Cup; GOV.UK's list at this release has none.
        # Published there, it arrives by import. Without it a duty is due earlier, never later.
        (Division.SCOTLAND, date(2026, 6, 15)),
    }
)


@cache
def published(division: Division) -> Calendar:
    """The calendar of a division for the years published at this release.

    GOV.UK lists the weekday substitute of a holiday that falls on a weekend and not the weekend day
    itself, so weekend days are left out: they are no working days in any case.
    """
    listed = holidays.country_holidays(
        "GB",
        subdiv=_SUBDIVISION[division],
        years=range(FIRST_PUBLISHED, LAST_PUBLISHED + 1),
        language="en_GB",
        expand=False,
    )
    days = {
        day: _title(division, day, name)
        for day, name in sorted(listed.items())
        if day.weekday() < 5 and (division, day) not in _NOT_PUBLISHED
    }
    return Calendar(
        division=division,
        holidays=days,
        version=version_of(days, FIRST_PUBLISHED, LAST_PUBLISHED),
        last_published_year=LAST_PUBLISHED,
        first_published_year=FIRST_PUBLISHED,
    )


def version_of(days: Mapping[date, str], first_year: int, last_year: int, *, change: int = 0) -> str:
    """The name of a list of bank holidays: its years, which change of the division it is, and a digest of the list.

    Whoever holds the same days under the same titles computes the same digest. The number tells a list apart from an
    equal one that was in force before, as where a day was proclaimed and withdrawn: clocks moved in between.
    """
    listed = [[day.isoformat(), title] for day, title in sorted(days.items())]
    digest = hashlib.sha256(json.dumps(listed, ensure_ascii=False).encode()).hexdigest()[:10]
    changed = f", change {change}" if change else ""
    return f"GOV.UK {first_year}-{last_year}{changed}, {digest}"


def _title(division: Division, day: date, name: str) -> str:
    if (title := _TITLED_OTHERWISE.get((division, day))) is not None:
        return title
    # Where two fall together ("New Year Holiday; New Year's Day (observed)") the last is the title.
    return _TITLES[re.sub(r" \(observed\)$", "", name.split("; ")[-1])]
