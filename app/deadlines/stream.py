"""New alerts of one inbox as server-sent events, until the reader's rights or time end (H11).

Each stream looks into the table every second, by its reader's own rights: a look is three short statements, and what a
notice over LISTEN would save is bought with a second way for an alert to be lost. A stream's place is told in
transactions, not in moments: an alert of a transaction that ends late is not overlooked, nor one recorded after the
machine's time was set back.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakSet

import structlog
from sqlalchemy import select, tuple_
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import col

from app.access.rules import Actor, Permission
from app.deadlines.alerts import inbox
from app.deadlines.schemas import AlertView
from app.deadlines.tables import Alert
from app.errors import Unauthenticated, Unavailable, Unprocessable
from app.evidence.owing import LogUnwritten
from app.evidence.service import log
from app.evidence.terms import Category
from app.storage.base import SETTLED

Enter = Callable[[AsyncSession], Awaitable[Actor]]
"""The reader, found anew for each look with the rights of that moment."""

BATCH = 100
LOOKS_EVERY = 1.0  # seconds
BEATS_EVERY = 15.0  # seconds: what stands between may close a connection that is silent for longer
_COMES_BACK_AFTER = 2000  # milliseconds that a reader waits before it comes back
_PLACE = re.compile(r"([0-9]{1,19})-([0-9a-f-]{36})")
_NOBODY = UUID(int=0)

_log = structlog.get_logger()


class BadPlace(Unprocessable):
    """The Last-Event-ID is none of this stream's."""

    code = "bad_last_event_id"


class TooManyStreams(Unavailable):
    """This process keeps as many streams open as it may."""

    code = "too_many_streams"


@dataclass(frozen=True)
class Place:
    """How far a reader has come: the transaction and the alert read last."""

    transaction: int
    alert_id: UUID = _NOBODY

    def __str__(self) -> str:
        return f"{self.transaction}-{self.alert_id}"


def place_of(last_event_id: str | None) -> Place | None:
    """The place that a reader comes back with; BadPlace where it is none."""
    if not last_event_id:
        return None
    try:
        found = _PLACE.fullmatch(last_event_id)
        if found is None or int(found[1]) > 2**63 - 1:
            raise ValueError
        return Place(int(found[1]), UUID(found[2]))
    except ValueError:
        raise BadPlace("Last-Event-ID was not given by this stream.", field="Last-Event-ID") from None


class Seat:
    """The place of one stream among those that a process keeps open."""


@dataclass
class Streams:
    """The streams of one process, of which no more than `limit` are open at once."""

    limit: int
    _seats: WeakSet[Seat] = field(default_factory=WeakSet)

    @property
    def opened(self) -> int:
        """How many are open, or about to be."""
        return len(self._seats)

    def take_seat(self) -> Seat:
        """A place, held as long as whoever took it holds it. Raises TooManyStreams where every one is taken."""
        if self.opened >= self.limit:
            raise TooManyStreams("Too many streams are open here. Come back in a moment, or read /v1/alerts.")
        seat = Seat()
        self._seats.add(seat)
        return seat

    async def events(
        self,
        sessions: async_sessionmaker[AsyncSession],
        seat: Seat,
        *,
        enter: Enter,
        after: Place | None,
        seconds: float,
        request_id: str,
    ) -> AsyncIterator[str]:
        """The text of the stream: what came after a place, or from now on.

        It ends after `seconds` of real time, when `enter` raises Unauthenticated because the token, the session or the
        account has ended, or when the right to read alerts has. A reader that comes back with the last id it was given
        misses nothing. Its seat is free again at its end, or when it is dropped before it began. Each case that it
        tells of is logged before it is told, or the stream ends (H12.1).
        """
        try:
            async for text in _events(sessions, enter, after, seconds, request_id):
                yield text
        except Unauthenticated:
            return
        except (OperationalError, PoolTimeout, LogUnwritten) as error:
            _log.warning("stream_ended", error=type(error).__name__)
        finally:
            self._seats.discard(seat)


async def _events(
    sessions: async_sessionmaker[AsyncSession], enter: Enter, place: Place | None, seconds: float, request_id: str
) -> AsyncIterator[str]:
    ends = time.monotonic() + seconds
    beats = time.monotonic() + BEATS_EVERY
    begun = False
    while True:
        async with sessions.begin() as session:
            person = await enter(session)
            if not person.may(Permission.READ_ALERTS):
                return
            if place is None:
                place = Place((await session.execute(select(SETTLED))).scalar_one())
            found = await _since(session, person, place)
            await _log_what_is_told(session, person, {alert.case_id for _, alert in found}, request_id)
        if not begun:
            begun = True
            yield f"retry: {_COMES_BACK_AFTER}\nid: {place}\n\n"
        for place, alert in found:
            yield f"id: {place}\nevent: alert\ndata: {alert.model_dump_json()}\n\n"
        if len(found) == BATCH:
            continue
        if time.monotonic() >= ends:
            return
        if time.monotonic() >= beats:
            beats = time.monotonic() + BEATS_EVERY
            yield ": still here\n\n"
        await asyncio.sleep(LOOKS_EVERY)


async def _log_what_is_told(session: AsyncSession, person: Actor, case_ids: set[UUID], request_id: str) -> None:
    for case_id in sorted(case_ids):
        await log(
            session,
            Category.CONSULTATION,
            Permission.READ_ALERTS,
            request_id=request_id,
            **person.as_logged(Permission.READ_ALERTS),
            case_id=case_id,
            shown=AlertView,
        )


async def _since(session: AsyncSession, person: Actor, place: Place) -> list[tuple[Place, AlertView]]:
    order = (col(Alert.recorded_in), col(Alert.id))
    query = (
        inbox(person)
        .where(
            tuple_(*order) > (place.transaction, place.alert_id),
            col(Alert.recorded_in) < SETTLED,
            ~col(Alert.superseded),
        )
        .order_by(*order)
        .limit(BATCH)
    )
    rows = (await session.execute(query)).all()
    return [(Place(row.recorded_in, row.id), AlertView.model_validate(row)) for row in rows]
