"""The bank holidays of each division: what is held and from where, and every change of it (H10.1, H10.3, H10.4).

A change gives the list another version, by which every process sees it and the worker finds the clocks to move.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import StaffMember
from app.deadlines.bank_holidays import version_of
from app.deadlines.calendar import Division, london_day
from app.deadlines.published_file import FileRefused, Held, lost, merged, read
from app.deadlines.schemas import (
    CalendarChangeView,
    CalendarDays,
    CalendarView,
    HolidayView,
    ProclaimedDayIn,
    WithdrawnDayIn,
)
from app.deadlines.tables import BankHoliday, CalendarChange, DaySource, HolidayCalendar
from app.errors import Conflict, NotFound, Unprocessable
from app.storage.base import columns_of

_SAID = {DaySource.GOV_UK: "Published by GOV.UK", DaySource.FILE: "Imported from a file as GOV.UK publishes it"}


class NoSuchDivision(NotFound):
    """GOV.UK publishes no bank holidays under that name."""

    code = "no_such_division"

    def __init__(self) -> None:
        super().__init__(f"There is no such division. There are: {', '.join(Division)}.")


class HolidayAlready(Conflict):
    """The day is held already."""

    code = "holiday_already"


class NoProclaimedDay(NotFound):
    """No day that was proclaimed here."""

    code = "no_proclaimed_day"


class DayPublished(Conflict):
    """The day rests on the published list and not on what was typed here."""

    code = "day_published"


@dataclass(frozen=True)
class DayChange:
    """A day of a division's list: its title until now and from now on; None: no bank holiday."""

    division: Division
    day: date
    was: str | None
    now: str | None


@dataclass(frozen=True)
class _Reason:
    """What a change rests on."""

    source: DaySource
    why: str
    authority: str | None = None
    by: UUID | None = None


def known_division(name: str) -> Division:
    """The division of that name. Raises NoSuchDivision."""
    try:
        return Division(name)
    except ValueError:
        raise NoSuchDivision from None


async def _hold(session: AsyncSession, division: Division) -> HolidayCalendar:
    """The list's head, held against everybody else who would change it."""
    query = select(HolidayCalendar).where(col(HolidayCalendar.division) == division.value).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def _days_of(session: AsyncSession, division: Division) -> dict[date, BankHoliday]:
    query = select(BankHoliday).where(col(BankHoliday.division) == division.value)
    found = await session.scalars(query.execution_options(populate_existing=True))
    return {row.day: row for row in found}


async def _change(
    session: AsyncSession,
    head: HolidayCalendar,
    was: Mapping[date, str],
    now_held: Mapping[date, str],
    reason: _Reason,
    *,
    last_year: int | None = None,
    now: datetime,
) -> list[DayChange]:
    """Bring a list to what it is to hold, keep what became of each day, and name the new version."""
    division = Division(head.division)
    days = sorted(day for day in was.keys() | now_held.keys() if was.get(day) != now_held.get(day))
    if not days:
        return []
    changes = [DayChange(division, day, was.get(day), now_held.get(day)) for day in days]
    was_version, head.change, head.changed_at = head.version, head.change + 1, now
    head.first_published_year = min(head.first_published_year, min(now_held).year)
    head.last_published_year = max(head.last_published_year, last_year or 0)
    head.version = version_of(now_held, head.first_published_year, head.last_published_year, change=head.change)
    gone = [one.day for one in changes if one.now is None]
    await session.execute(
        delete(BankHoliday).where(col(BankHoliday.division) == division.value, col(BankHoliday.day).in_(gone))
    )
    kept = [
        {
            "division": division.value,
            "day": one.day,
            "title": one.now,
            "source": reason.source,
            "authority": reason.authority,
            "recorded_at": now,
            "recorded_by": reason.by,
        }
        for one in changes
        if one.now is not None
    ]
    if kept:
        put = upsert(BankHoliday)
        renamed = put.on_conflict_do_update(index_elements=["division", "day"], set_={"title": put.excluded.title})
        await session.execute(renamed, kept)
    common = {
        "division": division.value,
        "change": head.change,
        "was_version": was_version,
        "now_version": head.version,
        "source": reason.source,
        "why": reason.why,
        "authority": reason.authority,
        "changed_at": now,
        "changed_by": reason.by,
    }
    rows = [{**common, "id": uuid4(), "day": one.day, "was": one.was, "now": one.now} for one in changes]
    await session.execute(insert(CalendarChange), rows)
    return changes


async def import_published(
    session: AsyncSession,
    raw: bytes,
    *,
    source: DaySource,
    etag: str | None = None,
    removing: Collection[date] = (),
    now: datetime,
) -> list[DayChange]:
    """Take in a file as GOV.UK publishes it, for all divisions or for none; what changed.

    Raises FileRefused with every problem, and then holds what it held. `removing` are published days that the file
    has lost and that a person confirms to be gone.
    """
    listed = read(raw)
    heads = {division: await _hold(session, division) for division in Division}
    held = {division: await _held(session, heads[division]) for division in Division}
    gone = set().union(*(lost(held[division], listed[division]) for division in Division))
    problems = [f"{day.isoformat()} is no day that the file has lost." for day in sorted(set(removing) - gone)]
    merging: dict[Division, dict[date, str]] = {}
    for division in Division:
        try:
            merging[division] = merged(division, held[division], listed[division], removing=removing)
        except FileRefused as refused:
            problems += refused.problems
    if problems:
        raise FileRefused(problems)
    changes = []
    for division, days in merging.items():
        head, last_year = heads[division], max(listed[division]).year
        reason = _Reason(source, _SAID[source])
        changes += await _change(session, head, held[division].days, days, reason, last_year=last_year, now=now)
        head.source, head.checked_at, head.etag = _SAID[source], now, etag
        await _confirm(session, division, held[division].proclaimed & listed[division].keys(), source)
    return changes


async def _held(session: AsyncSession, head: HolidayCalendar) -> Held:
    rows = await _days_of(session, Division(head.division))
    return Held(
        days={day: row.title for day, row in rows.items()},
        proclaimed=frozenset(day for day, row in rows.items() if row.source is DaySource.PROCLAIMED),
        first_year=head.first_published_year,
        last_year=head.last_published_year,
    )


async def _confirm(session: AsyncSession, division: Division, days: Collection[date], source: DaySource) -> None:
    """Proclaimed days that the published list has by now rest on it; by whose authority they came before is kept."""
    for day, row in (await _days_of(session, division)).items():
        if day in days:
            row.source = source


async def checked_against(session: AsyncSession) -> str | None:
    """The ETag of the published file that every division was last compared with; None where they differ."""
    tags = set(await session.scalars(select(col(HolidayCalendar.etag))))
    return tags.pop() if len(tags) == 1 else None


async def still_as_published(session: AsyncSession, *, now: datetime) -> None:
    """The publisher says that its file is the one that was compared last."""
    for division in Division:
        (await _hold(session, division)).checked_at = now


async def proclaim(
    session: AsyncSession, division: Division, given: ProclaimedDayIn, *, actor: Actor, now: datetime
) -> HolidayView:
    """Add a day that was proclaimed and is not yet in the published list, with the authority that it rests on (H10.4).

    A day of the past is refused: it would undo breaches by one person's word. It comes with the published list.
    """
    head = await _hold(session, division)
    days = await _days_of(session, division)
    if given.day < london_day(now):
        raise Unprocessable(
            "That day is past. A bank holiday that was missed comes with the published list, not by one person's "
            "entry: import the file that has it.",
            field="day",
        )
    if given.day.weekday() >= 5:
        raise Unprocessable(
            f"{given.day:%-d %B %Y} is a {given.day:%A}, which is no working day as it is. Give the weekday that is "
            "kept instead of it.",
            field="day",
        )
    if not head.first_published_year <= given.day.year <= head.last_published_year:
        raise Unprocessable(
            f"The bank holidays of {division} are held to {head.last_published_year}, and nothing is counted beyond. "
            "Import the published list first.",
            field="day",
        )
    if given.day in days:
        raise HolidayAlready(f"{given.day:%-d %B %Y} is a bank holiday of {division} already.")
    was = {day: row.title for day, row in days.items()}
    reason = _Reason(DaySource.PROCLAIMED, "Proclaimed", given.authority, actor.staff_id)
    await _change(session, head, was, {**was, given.day: given.title}, reason, now=now)
    return HolidayView(
        day=given.day,
        title=given.title,
        source=DaySource.PROCLAIMED,
        authority=given.authority,
        recorded_at=now,
        recorded_by=actor.name,
    )


async def withdraw(
    session: AsyncSession, division: Division, day: date, given: WithdrawnDayIn, *, actor: Actor, now: datetime
) -> None:
    """Take away a day that was proclaimed here by mistake; clocks that it moved move back, on the record.

    Raises NoProclaimedDay, and DayPublished where the list of GOV.UK has the day.
    """
    head = await _hold(session, division)
    days = await _days_of(session, division)
    if day not in days:
        raise NoProclaimedDay(f"{day:%-d %B %Y} is no bank holiday of {division}.")
    if days[day].source is not DaySource.PROCLAIMED:
        raise DayPublished(
            "That day is in the published list. It goes when the list no longer has it: import the file."
        )
    was = {held: row.title for held, row in days.items()}
    left = {held: title for held, title in was.items() if held != day}
    reason = _Reason(DaySource.PROCLAIMED, given.reason, by=actor.staff_id)
    await _change(session, head, was, left, reason, now=now)


async def calendars(session: AsyncSession) -> list[CalendarView]:
    """The list of each division: its version, years and source, without its days."""
    query = select(*columns_of(HolidayCalendar)).order_by(col(HolidayCalendar.division))
    return [CalendarView.model_validate(row) for row in (await session.execute(query)).all()]


async def calendar_days(session: AsyncSession, division: Division) -> CalendarDays:
    """A division's list: every day with where it came from, and every change with was, now and why."""
    head = await session.get_one(HolidayCalendar, division.value)
    of_day = [column for column in columns_of(BankHoliday) if column.name != "recorded_by"]
    days = (
        select(*of_day, col(StaffMember.name).label("recorded_by"))
        .outerjoin(StaffMember, col(StaffMember.id) == col(BankHoliday.recorded_by))
        .where(col(BankHoliday.division) == division.value)
        .order_by(col(BankHoliday.day))
    )
    of_change = [column for column in columns_of(CalendarChange) if column.name != "changed_by"]
    changes = (
        select(*of_change, col(StaffMember.name).label("changed_by"))
        .outerjoin(StaffMember, col(StaffMember.id) == col(CalendarChange.changed_by))
        .where(col(CalendarChange.division) == division.value)
        .order_by(col(CalendarChange.change), col(CalendarChange.day))
    )
    return CalendarDays(
        **CalendarView.model_validate(head).model_dump(),
        days=[HolidayView.model_validate(row) for row in (await session.execute(days)).all()],
        changes=[CalendarChangeView.model_validate(row) for row in (await session.execute(changes)).all()],
    )
