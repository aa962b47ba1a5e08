"""One mail a working day for those who want no single ones: what nobody has acknowledged, counted by clock (H11)."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import uuid5

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force, StaffMember
from app.access.telling import sees
from app.channels.outbox import message, put
from app.channels.tables import AlertPreference, AlertRoute
from app.channels.terms import Channel, Message
from app.clock import LONDON
from app.deadlines.calendar import Calendar, CalendarNotPublished
from app.deadlines.known_calendars import calendar_of
from app.deadlines.tables import Alert, Clock
from app.editions.terms import ClockKind, RungKind
from app.settings import settings

BATCH = 100
_STATES = tuple(kind for kind in reversed(RungKind) if kind.state is kind)
"""The gravest first."""


async def write_digests(session: AsyncSession, *, now: datetime) -> int:
    """Put the day's digests in the outbox whose hour has come, at most BATCH people's; how many were looked at.

    Each person's day is settled once, by whichever worker comes first. A day that is no working day of the force's
    nation, and one with nothing to say, is settled by silence.
    """
    if settings().smtp_host is None:
        return 0
    local = now.astimezone(LONDON)
    today = local.date()
    query = (
        select(AlertPreference, StaffMember, Force)
        .join(StaffMember, col(StaffMember.id) == col(AlertPreference.staff_id))
        .join(Force, col(Force.id) == col(StaffMember.force_id))
        .where(
            col(AlertPreference.digest),
            col(AlertPreference.mail),
            col(AlertPreference.digest_at) <= local.time(),
            or_(col(AlertPreference.digested_on).is_(None), col(AlertPreference.digested_on) != today),
            col(StaffMember.active),
            col(StaffMember.email).is_not(None),
        )
        .order_by(col(AlertPreference.staff_id))
        .limit(BATCH)
        .with_for_update(of=AlertPreference, skip_locked=True)
    )
    waiting = (await session.execute(query)).all()
    for preference, member, force in waiting:
        preference.digested_on = today
        if not _has_mail(today, await calendar_of(session, force.division)):
            continue
        groups = await _groups(session, member)
        if groups:
            key = uuid5(member.id, f"digest:{today}")
            content = {"id": str(key), "type": Message.DIGEST.value, "groups": groups}
            letter = message(
                Message.DIGEST,
                Channel.MAIL,
                member.id,
                force_id=force.id,
                key=key,
                content=content,
                now=now,
            )
            await put(session, [letter])
    return len(waiting)


def _has_mail(day: date, calendar: Calendar) -> bool:
    try:
        return calendar.is_working_day(day)
    except CalendarNotPublished:
        return True  # a mail too many harms nobody


async def _groups(session: AsyncSession, member: StaffMember) -> list[dict[str, Any]]:
    """What was put before this person, is acknowledged by nobody and still open: the newest rung of each clock.

    Of a clock with a target, that of the target beside that of the limit, which is due later: neither says how the
    other stands.
    """
    query = (
        select(col(Alert.clock_kind), col(Alert.reference), col(Alert.rung))
        .join(AlertRoute, col(AlertRoute.alert_id) == col(Alert.id))
        .join(Clock, col(Clock.id) == col(Alert.clock_id))
        .join(StaffMember, col(StaffMember.id) == col(AlertRoute.staff_id))
        .where(
            col(AlertRoute.staff_id) == member.id,
            sees(col(Alert.case_id)),
            col(Alert.force_id) == member.force_id,
            col(Alert.acknowledged_at).is_(None),
            col(Alert.due_on).in_((col(Clock.due_on), col(Clock.target_on))),
            col(Clock.met_at).is_(None),
            col(Clock.ended_at).is_(None),
        )
        .ext(distinct_on(col(Alert.clock_id), col(Alert.due_at)))
        .order_by(col(Alert.clock_id), col(Alert.due_at), col(Alert.fell_at).desc())
    )
    return grouped((row.clock_kind, row.reference, row.rung) for row in await session.execute(query))


def grouped(alerts: Iterable[tuple[ClockKind, str, str]]) -> list[dict[str, Any]]:
    """Clocks by kind and by how they stand, the gravest first: each alert as kind of clock, reference and code."""
    references: dict[tuple[ClockKind, RungKind], set[str]] = defaultdict(set)
    for kind, reference, rung in alerts:
        references[kind, RungKind.of(rung).state].add(reference)
    return [
        {"clock": kind.value, "state": state.value, "references": sorted(references[kind, state])}
        for kind in ClockKind
        for state in _STATES
        if (kind, state) in references
    ]
