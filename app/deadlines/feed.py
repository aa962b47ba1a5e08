"""One's own clocks under an address that calendars subscribe to. Whoever has the address reads references (H11).

The address carries 256 random bits and is the credential. It is shown when it is made and kept as a hash alone; it
opens no more than the owner may see now, and nothing once it is revoked or the account has ended.
"""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.claimed import NOTHING_CLAIMED, Claimed
from app.access.rules import Actor, Permission, known_roles
from app.access.service import UnknownStaff, enter_as
from app.access.sessions import hashed
from app.access.tables import StaffMember
from app.channels.schemas import FeedMade, FeedView
from app.channels.tables import CalendarFeed
from app.channels.wording import CLOCK_WORDS
from app.deadlines.alerts import case_table
from app.deadlines.ical import Entry, calendar_text
from app.deadlines.tables import Clock
from app.errors import NotFound
from app.evidence.service import log
from app.evidence.terms import Category

FETCHED = "read_calendar_feed"
_TOKEN_BYTES = 32


class FeedNotFound(NotFound):
    """No such feed, or no longer: the two answer alike."""

    code = "feed_not_found"

    def __init__(self) -> None:
        super().__init__("No calendar is held under that address.")


async def make_feed(session: AsyncSession, *, actor: Actor, now: datetime) -> FeedMade:
    """A new address for one's own clocks, told this once."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = CalendarFeed(staff_id=actor.staff_id, token_hash=hashed(token), created_at=now)
    session.add(row)
    shown = FeedView.model_validate(row).model_dump()
    return FeedMade(**shown, path=f"/v1/calendar-feeds/{token}.ics")


async def feeds(session: AsyncSession, *, actor: Actor) -> list[FeedView]:
    """One's own feeds, oldest first, revoked ones included."""
    query = select(CalendarFeed).where(col(CalendarFeed.staff_id) == actor.staff_id)
    found = await session.scalars(query.order_by(col(CalendarFeed.created_at), col(CalendarFeed.id)))
    return [FeedView.model_validate(row) for row in found]


async def revoke_feed(session: AsyncSession, feed_id: UUID, *, actor: Actor, now: datetime) -> FeedView:
    """The address opens nothing any more; repeating it changes nothing."""
    query = select(CalendarFeed).where(col(CalendarFeed.id) == feed_id, col(CalendarFeed.staff_id) == actor.staff_id)
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise FeedNotFound
    row.revoked_at = row.revoked_at or now
    return FeedView.model_validate(row)


async def read_feed(
    session: AsyncSession, token: str, *, request_id: str, stamp: datetime, roles_are_claimed: bool = False
) -> str:
    """The calendar behind an address, as its owner may see it now; every reading is logged (H12.1).

    Where `roles_are_claimed` at sign-in, the owner has those of the account that the last sign-in claimed.
    """
    query = (
        select(col(StaffMember.subject), col(StaffMember.claimed_roles))
        .join(CalendarFeed, col(CalendarFeed.staff_id) == col(StaffMember.id))
        .where(col(CalendarFeed.token_hash) == hashed(token), col(CalendarFeed.revoked_at).is_(None))
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise FeedNotFound
    claimed = Claimed(roles=known_roles(found.claimed_roles or ())) if roles_are_claimed else NOTHING_CLAIMED
    try:
        owner = await enter_as(session, found.subject, claimed=claimed)
    except UnknownStaff:
        raise FeedNotFound from None
    if not owner.may(Permission.READ_ALERTS):
        raise FeedNotFound
    cases, entries = await _entries(session, owner)
    await log(
        session,
        Category.CONSULTATION,
        FETCHED,
        request_id=request_id,
        **owner.as_logged(Permission.READ_ALERTS),
        shown=Entry,
        listed=cases,
    )
    return calendar_text(entries, stamp=stamp)


async def _entries(session: AsyncSession, owner: Actor) -> tuple[set[UUID], list[Entry]]:
    query = (
        select(
            col(Clock.id),
            col(Clock.case_id),
            col(Clock.kind),
            col(Clock.reference),
            col(Clock.hours),
            col(Clock.due_on),
            col(Clock.due_at),
            col(Clock.projected),
        )
        .join(case_table, case_table.c.id == col(Clock.case_id))
        .where(
            case_table.c.assigned_to == owner.staff_id,
            col(Clock.met_at).is_(None),
            col(Clock.ended_at).is_(None),
        )
        .order_by(col(Clock.due_at), col(Clock.id))
    )
    found = (await session.execute(query)).all()
    return {row.case_id for row in found}, [
        Entry(
            clock_id=row.id,
            summary=f"{row.reference}: {CLOCK_WORDS[row.kind]} due{' (projected)' if row.projected else ''}",
            due_on=row.due_on,
            due_at=None if row.hours is None else row.due_at,
        )
        for row in found
    ]
