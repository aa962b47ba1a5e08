"""Keeping the bank holidays as published: asked for once a day, taken in or refused, and watched for their end (H10.3).

What is refused changes nothing and is put before the administrators. That the publisher cannot be reached is logged
alone: the list held runs for years, its end is watched here, and an installation without a way out imports by hand.
"""

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import Force
from app.deadlines.calendar import london_day
from app.deadlines.calendars import DayChange, import_published, still_as_published
from app.deadlines.tables import CalendarRefresh, DaySource, HolidayCalendar, TaskKind
from app.deadlines.tasks import close_tasks_about, open_task
from app.editions.rules import Edition
from app.outside.bank_holidays import Fetched

ABOUT_THE_FILE = "bank-holidays"
EVERY = timedelta(days=1)
JITTER = timedelta(hours=1)
"""So that installations do not all ask at the same minute of the day, ever after their first time."""

_log = structlog.get_logger()


async def claim_attempt(session: AsyncSession, *, at: datetime) -> bool:
    """Whether the published file is to be asked for now, by this worker and no other; `at` is real time.

    An installation asks with the first look of its first worker, so that whoever sets it up sees it done or failing.
    """
    first = {"only_row": True, "next_attempt_at": at}
    await session.execute(insert(CalendarRefresh).values(first).on_conflict_do_nothing())
    claimed = await session.execute(
        update(CalendarRefresh)
        .where(col(CalendarRefresh.next_attempt_at) <= at)
        .values(attempted_at=at, next_attempt_at=at + EVERY + _jitter())
        .returning(col(CalendarRefresh.only_row))
    )
    return claimed.scalar_one_or_none() is not None


def _jitter() -> timedelta:
    return JITTER * random.random()


async def take_in(
    session: AsyncSession,
    raw: bytes,
    *,
    source: DaySource,
    etag: str | None = None,
    removing: Iterable[date] = (),
    now: datetime,
) -> list[DayChange]:
    """Take in a published file, and close the task that an earlier one left. Raises FileRefused."""
    changes = await import_published(session, raw, source=source, etag=etag, removing=set(removing), now=now)
    says = "A published list was taken in."
    await close_tasks_about(session, kind=TaskKind.CALENDAR_REFUSED, about=ABOUT_THE_FILE, says=says, now=now)
    return changes


async def take_in_fetched(session: AsyncSession, fetched: Fetched, *, now: datetime) -> None:
    """What the publisher answered: a file, or that it is still the one taken in. Raises FileRefused."""
    if fetched.raw is not None:
        changes = await take_in(session, fetched.raw, source=DaySource.GOV_UK, etag=fetched.etag, now=now)
        _log.info("calendar_taken_in", days_changed=len(changes))
        return
    await still_as_published(session, now=now)
    says = "The published list is again the one that was taken in."
    await close_tasks_about(session, kind=TaskKind.CALENDAR_REFUSED, about=ABOUT_THE_FILE, says=says, now=now)


async def refuse(session: AsyncSession, why: str, *, now: datetime) -> None:
    """Put a file that was refused before the administrators; the list held stays."""
    says = (
        f"The published bank holidays were refused, and those held are kept. {why} Look at what is published; where it "
        "is right, import it: clares-law calendar import FILE."
    )
    _log.error("calendar_refused")
    await open_task(
        session,
        kind=TaskKind.CALENDAR_REFUSED,
        says=says,
        for_role=Role.ADMINISTRATOR,
        force_id=None,
        about=ABOUT_THE_FILE,
        now=now,
    )


def longest_reach(editions: Iterable[Edition]) -> timedelta:
    """More than any clock can reach ahead when it starts: all limits of an edition in a row, a working day as two."""

    def reach(edition: Edition) -> int:
        return sum(
            (limit.calendar_days or 0) + 2 * (limit.working_days or 0) + (limit.hours or 0) // 24 + 1
            for limit in edition.limits
        )

    return timedelta(days=max(map(reach, editions)))


async def watch_ends(session: AsyncSession, *, now: datetime, notice: timedelta) -> None:
    """Ask each force's administrators for a longer list, `notice` before the one they keep ends (H10.3).

    The task closes itself when the list is longer.
    """
    kept_by = (col(Force.id), col(HolidayCalendar.division), col(HolidayCalendar.last_published_year))
    query = select(*kept_by).join(Force, col(Force.division) == col(HolidayCalendar.division))
    for force_id, division, last_year in (await session.execute(query)).all():
        if london_day(now) + notice <= date(last_year, 12, 31):
            says = f"The bank holidays of {division} are held to the end of {last_year}."
            await close_tasks_about(session, kind=TaskKind.CALENDAR_ENDS_SOON, about=division, says=says, now=now)
            continue
        says = (
            f"The bank holidays of {division} are held to the end of {last_year}. Beyond it no date can be given: "
            "import the published list: clares-law calendar import FILE."
        )
        await open_task(
            session,
            kind=TaskKind.CALENDAR_ENDS_SOON,
            says=says,
            for_role=Role.ADMINISTRATOR,
            force_id=force_id,
            about=division,
            now=now,
        )
