"""Open clocks follow a changed calendar, each move with was, now and why (H10.4).

Rows are the schedule here too: an open clock that was counted on another version than the one in force is work to do,
and finding it costs what is to be done, not what is open. A clock that was met or has ended keeps the calendar that
it was counted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Select, bindparam, insert, or_, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.deadlines.calendar import Calendar, due, last_moment, london_day, rule_of
from app.deadlines.claiming import with_their_cases
from app.deadlines.known_calendars import calendar_of
from app.deadlines.policy import ClockFacts, next_rung
from app.deadlines.service import aimed, facts_of, steps_of, target_columns
from app.deadlines.tables import CalendarChange, Clock, ClockMove, HolidayCalendar
from app.editions.terms import AlertLevel, ClockKind
from app.storage.base import columns_of
from app.timeline.service import tell_all

BATCH = 500
TRIED_AGAIN_AFTER = timedelta(hours=1)
"""How long a clock rests that could not be counted on the calendar in force."""

_log = structlog.get_logger()

# Chasing an alert ends when its date is no longer the clock's; where that comes back, so does the chase, which decides
# what is still to be raised. Its rungs are on record and are not put before anybody again.
_CHASE_AGAIN = text(
    """
    UPDATE alert SET chase_at = :now FROM clock
    WHERE clock.id = ANY(CAST(:moved AS uuid[])) AND alert.clock_id = clock.id
    AND alert.due_on IN (clock.due_on, clock.target_on)
    AND alert.acknowledged_at IS NULL AND alert.chase_at IS NULL AND NOT alert.superseded AND alert.level <> :topmost
    AND NOT EXISTS (SELECT FROM alert above WHERE above.clock_id = clock.id AND above.chases_id = alert.id)
    """
)


@dataclass(frozen=True)
class _Counted:
    """One clock on the calendar in force: what its row takes on, and the move where its last day is another."""

    row: dict[str, Any]
    move: dict[str, Any] | None
    event: dict[str, Any] | None


async def follow_calendars(session: AsyncSession, *, now: datetime) -> int:
    """Count open clocks anew whose calendar has changed, at most BATCH in a division; how many were taken in hand.

    Any number of workers: each claims other rows, and none waits for a case that somebody is working on: its clocks are
    left to the next run. A clock takes on the version with its move, so that a second
    run finds nothing. A clock that cannot be counted is logged, by its id alone, and rests: it stops no other. A
    database that cannot go on (OperationalError) ends the batch.
    """
    # A plan kept for any version at all would expect a third of the table on either side of it, and read all of it.
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    in_force = (await session.execute(select(col(HolidayCalendar.division), col(HolidayCalendar.version)))).all()
    taken = 0
    for division, version in in_force:
        claimed = (await session.execute(to_count_anew(division, version, now=now))).all()
        behind = await with_their_cases(session, claimed, changing=True)  # a moved clock may press the case anew
        if behind:
            await _follow(session, behind, await calendar_of(session, division), now=now)
        taken += len(behind)
    return taken


def to_count_anew(division: str, version: str, *, now: datetime) -> Select[Any]:
    """The open clocks of a division that were counted on another version than the one in force, a batch of them."""
    counted_on = col(Clock.calendar_version)
    return (
        select(*columns_of(Clock))
        .where(
            col(Clock.division) == division,
            or_(counted_on < version, counted_on > version),  # two ranges of the index; no index answers "other than"
            counted_on.is_not(None),
            col(Clock.met_at).is_(None),
            col(Clock.ended_at).is_(None),
            or_(col(Clock.move_again_at).is_(None), col(Clock.move_again_at) <= now),
        )
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )


async def _follow(session: AsyncSession, behind: Sequence[Any], calendar: Calendar, *, now: datetime) -> None:
    changes = await _changes(session, calendar.division)
    meetings = await _meetings(session, [clock.case_id for clock in behind if clock.projected])
    counted = []
    for clock in behind:
        try:
            began_at = _start(clock, meetings.get(clock.case_id), calendar)
            counted.append(_count(clock, began_at, calendar, _since(changes, clock.calendar_version), now=now))
        except Exception as error:
            await _rest(session, clock.id, error, now=now)
    try:
        await _write(session, counted, now=now)
    except OperationalError:
        raise
    except Exception:
        for one in counted:  # one that the database refuses stops no other
            try:
                await _write(session, [one], now=now)
            except OperationalError:
                raise
            except Exception as error:
                await _rest(session, one.row["clock_id"], error, now=now)


async def _changes(session: AsyncSession, division: str) -> Sequence[Any]:
    query = (
        select(*columns_of(CalendarChange))
        .where(col(CalendarChange.division) == division)
        .order_by(col(CalendarChange.change), col(CalendarChange.day))
    )
    return (await session.execute(query)).all()


def _since(changes: Sequence[Any], version: str) -> dict[date, str]:
    """What became of each day since a version was in force, in words; one that is as it was then is left out."""
    began = next((one.change for one in changes if one.was_version == version), 0)
    was: dict[date, str | None] = {}
    now_held: dict[date, str | None] = {}
    words: dict[date, str] = {}
    for one in changes:
        if one.change < began:
            continue
        was.setdefault(one.day, one.was)
        now_held[one.day] = one.now
        if one.now is None:
            words[one.day] = f"{_day(one.day)} is no bank holiday any more ({one.was})"
        else:
            how = "was proclaimed a bank holiday" if one.authority else "became a bank holiday"
            words[one.day] = f"{_day(one.day)} {how} ({one.now})"
    return {day: says for day, says in words.items() if (was[day] is None) != (now_held[day] is None)}


async def _meetings(session: AsyncSession, case_ids: Sequence[UUID]) -> dict[UUID, Any]:
    """The clocks of the meetings that other clocks are projected from (H9.2)."""
    if not case_ids:
        return {}
    query = select(*columns_of(Clock)).where(
        col(Clock.case_id).in_(case_ids), col(Clock.kind) == ClockKind.FACE_TO_FACE
    )
    return {row.case_id: row for row in (await session.execute(query)).all()}


def _start(clock: Any, meeting: Any | None, calendar: Calendar) -> tuple[datetime, date]:
    """When a clock begins, and the day after which a change of the calendar reaches it.

    A projected one begins at the last moment for the meeting, wherever that moves (H9.2); a meeting that was held or
    waived moves no more.
    """
    if not clock.projected or meeting is None or meeting.met_at or meeting.ended_at:
        return clock.started_at, london_day(clock.started_at)
    return last_moment(due(meeting.started_at, rule_of(meeting), calendar)), london_day(meeting.started_at)


def _count(
    clock: Any, began: tuple[datetime, date], calendar: Calendar, changed: dict[date, str], *, now: datetime
) -> _Counted:
    started_at, reached_after = began
    rule = rule_of(clock)
    counted = due(started_at, rule, calendar)
    row = {
        "clock_id": clock.id,
        "started_at": counted.started_at,
        "due_on": counted.due_on,
        "due_at": counted.due_at,
        "calendar_version": calendar.version,
        "target_on": clock.target_on,
        "target_at": clock.target_at,
        "target_because": clock.target_because,
        "next_alert_at": clock.next_alert_at,
        "swept_to": clock.swept_to,
        "move_again_at": None,
    }
    last = max(clock.due_on, counted.due_on)
    spanned = [says for day, says in sorted(changed.items()) if reached_after < day <= last]
    moved = counted.due_on != clock.due_on
    if spanned or moved:
        # From the first rung on: what was alerted for this date already stays recorded once (H11).
        facts = ClockFacts(rule, counted.started_at, counted.due_on, counted.due_at, clock.projected)
        target = aimed(clock, facts, calendar, but_not_after=facts_of(clock).target)
        facts = replace(facts, target=target)
        rung = next_rung(facts, calendar=calendar, alerts=steps_of(clock), after=None)
        row |= {"next_alert_at": rung.at if rung else None, "swept_to": None, **target_columns(target)}
    if not moved:
        return _Counted(row, None, None)
    why = ", ".join(spanned) or f"the bank holidays of {calendar.division} changed"
    keys = {"case_id": clock.case_id, "force_id": clock.force_id}
    move = {
        **keys,
        "id": uuid4(),
        "clock_id": clock.id,
        "was_calendar_version": clock.calendar_version,
        "calendar_version": calendar.version,
        "was_due_on": clock.due_on,
        "was_due_at": clock.due_at,
        "due_on": counted.due_on,
        "due_at": counted.due_at,
        "why": why,
        "moved_at": now,
    }
    projected = " (projected)" if clock.projected else ""
    sentence = (
        f"{clock.kind.replace('_', ' ').capitalize()}{projected}: was due {_day(clock.due_on)}, now due "
        f"{_day(counted.due_on)}, because {why}."
    )
    event = {**keys, "kind": "clock_moved", "sentence": sentence, "about_id": move["id"]}
    return _Counted(row, move, event)


async def _write(session: AsyncSession, counted: Sequence[_Counted], *, now: datetime) -> None:
    if not counted:
        return
    rows = [one.row for one in counted]
    table = Clock.metadata.tables[str(Clock.__tablename__)]
    values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "clock_id"}
    moves = [one.move for one in counted if one.move]
    events = [one.event for one in counted if one.event]
    async with session.begin_nested():
        connection = await session.connection()
        await connection.execute(update(table).where(table.c.id == bindparam("clock_id")).values(values), rows)
        anew = [row["clock_id"] for row in rows if row["swept_to"] is None]
        await session.execute(_CHASE_AGAIN, {"moved": anew, "now": now, "topmost": list(AlertLevel)[-1].value})
        if moves:
            await session.execute(insert(ClockMove), moves)
            await tell_all(session, events, now=now)


async def _rest(session: AsyncSession, clock_id: UUID, error: Exception, *, now: datetime) -> None:
    # The class alone: a message may quote the row.
    _log.error("clock_not_moved", clock=str(clock_id), error=type(error).__name__)
    await session.execute(update(Clock).where(col(Clock.id) == clock_id).values(move_again_at=now + TRIED_AGAIN_AFTER))


def _day(day: date) -> str:
    return f"{day:%a %-d %b %Y}"
