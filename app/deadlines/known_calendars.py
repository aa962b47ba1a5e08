"""The calendars that clocks are counted on: the one in force in a division, those before it, and the first of all.

Each version is kept once read: a list that changes gets another version (H10.1).
"""

from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Calendar, Division
from app.deadlines.tables import BankHoliday, CalendarChange, HolidayCalendar
from app.storage.base import columns_of, table_of
from app.storage.statements import rows

_calendar, _holiday = columns_of(HolidayCalendar), columns_of(BankHoliday)
_change = columns_of(CalendarChange)
_of_division = _calendar.division == bindparam("division")
_VERSION = select(_calendar.version).where(_of_division)
_LIST = (
    select(
        *(_calendar.version, _calendar.first_published_year, _calendar.last_published_year),
        *(_holiday.day, _holiday.title),
    )
    .select_from(table_of(HolidayCalendar).outerjoin(table_of(BankHoliday), _holiday.division == _calendar.division))
    .where(_of_division)
)
_CHANGES = select(*_change).where(_change.division == bindparam("division")).order_by(_change.change.desc())

_calendars: dict[tuple[str, str], Calendar] = {}


async def calendar_of(session: AsyncSession, division: str) -> Calendar:
    """The calendar in force in a division. Its version is asked for every time, its days once for each version."""
    (in_force,) = await rows(session, _VERSION, division=division)
    key = (division, in_force.version)
    if key not in _calendars:
        # In one statement: a list that changes in between must not be kept under the version that it had before.
        listed = await rows(session, _LIST, division=division)
        key = (division, listed[0].version)
        _calendars[key] = Calendar(
            division=Division(division),
            holidays={one.day: one.title for one in listed if one.day},
            version=listed[0].version,
            last_published_year=listed[0].last_published_year,
            first_published_year=listed[0].first_published_year,
        )
    return _calendars[key]


async def calendar_at(session: AsyncSession, division: str, version: str | None) -> Calendar:
    """A division's calendar as it was under an earlier version: a clock shows the days that it was counted on (H10.5).

    The one in force where no version is named, or none by that name was ever changed.
    """
    calendar = await calendar_of(session, division)
    if version is None or version == calendar.version:
        return calendar
    key = (division, version)
    if key not in _calendars:
        # Read after the list in force: undoing a change that it does not have yet alters nothing.
        changes = await rows(session, _CHANGES, division=division)
        began = [one.change for one in changes if one.was_version == version]
        if not began:
            return calendar
        days = dict(calendar.holidays)
        for one in changes:
            if one.change < min(began):
                break
            if one.was is None:
                days.pop(one.day, None)
            else:
                days[one.day] = one.was
        _calendars[key] = replace(calendar, holidays=days, version=version)
    return _calendars[key]


async def seed_calendars(session: AsyncSession) -> None:
    """Put the published bank holidays in where a division has none yet."""
    for division in Division:
        if await session.get(HolidayCalendar, division.value):
            continue
        known = published(division)
        session.add(
            HolidayCalendar(
                division=division.value,
                version=known.version,
                source="holidays package, years published by GOV.UK",
                first_published_year=known.first_published_year,
                last_published_year=known.last_published_year,
            )
        )
        await session.flush()
        session.add_all(
            BankHoliday(division=division.value, day=day, title=title) for day, title in known.holidays.items()
        )
