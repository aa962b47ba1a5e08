"""The sweep that turns fallen rungs into alerts, and the inbox that staff read them from (H11).

Rows are the schedule: the sweep asks for clocks whose `next_alert_at` has come, never for a window of time, so an
outage delays an alert and cannot lose it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import ColumnElement, Select, column, or_, select, table, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Role
from app.channels.outbox import Raised, put_out
from app.channels.recipients import Directory, directory
from app.channels.tables import AlertRoute
from app.channels.terms import Message
from app.deadlines.calendar import Calendar
from app.deadlines.claiming import with_their_cases
from app.deadlines.known_calendars import calendar_of
from app.deadlines.policy import missed, next_rung, superseded
from app.deadlines.schemas import AlertView
from app.deadlines.service import facts_of, hours_to_acknowledge, steps_of
from app.deadlines.tables import Alert, Clock, Task, TaskKind
from app.deadlines.tasks import open_task
from app.editions.terms import AlertLevel
from app.errors import NotFound
from app.storage.base import columns_of

BATCH = 200
TRIED_AGAIN_AFTER = timedelta(hours=1)
"""How long a clock rests whose alerts could not be worked out."""

_log = structlog.get_logger()

case_table = table("application", column("id"), column("assigned_to"))
"""Who holds the case decides whose inbox an alert is in; the case's own package lies above this one."""

_MOVE_ON = text(
    "UPDATE clock SET swept_to = :now, next_alert_at = moved.at "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[])) AS moved (id, at) WHERE clock.id = moved.id"
)

_OF_ALERT = (
    "id, case_id, force_id, clock_id, clock_kind, reference, rung, level, due_on, due_at, fell_at, recorded_at, "
    "superseded, chases_id, chase_at"
)
# One statement for however many: after an outage a batch has thousands.
_RECORD = text(
    f"INSERT INTO alert ({_OF_ALERT}) SELECT {_OF_ALERT} "
    "FROM jsonb_populate_recordset(CAST(NULL AS alert), CAST(:rows AS jsonb)) ON CONFLICT DO NOTHING RETURNING id"
)
_REROUTED = text(
    "UPDATE alert SET rerouted_because = routed.because "
    "FROM unnest(CAST(:ids AS uuid[]), CAST(:because AS text[])) AS routed (id, because) WHERE alert.id = routed.id"
)

LEVELS_READ: dict[Role, frozenset[AlertLevel]] = {
    Role.CONTROL_ROOM: frozenset({AlertLevel.OFFICER}),
    Role.PUBLIC_PROTECTION_OFFICER: frozenset({AlertLevel.OFFICER}),
    Role.PUBLIC_PROTECTION_SUPERVISOR: frozenset({AlertLevel.OFFICER, AlertLevel.SUPERVISOR}),
    Role.HEAD_OF_PUBLIC_PROTECTION: frozenset(AlertLevel),
}


class AlertNotFound(NotFound):
    """No such alert in this inbox."""

    code = "alert_not_found"

    def __init__(self) -> None:
        super().__init__("No such alert is in your inbox.")


@dataclass(frozen=True)
class New:
    """An alert to be recorded: a rung of a clock for one level, and the alert below that it chases, if any."""

    clock: Clock
    rung: str
    level: AlertLevel
    fell_at: datetime
    due_on: date
    due_at: datetime
    superseded: bool = False
    chases_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Swept:
    """What a sweep makes of one clock: the alerts that have fallen, and when it is looked at next."""

    clock_id: UUID
    alerts: list[New]
    next_alert_at: datetime | None


@dataclass(frozen=True)
class Told:
    """Who can be told in the forces of a batch, and who holds its cases."""

    known: Directory
    holders: Mapping[UUID, UUID | None]


async def sweep(session: AsyncSession, *, now: datetime) -> int:
    """Record every alert that has fallen due, at most BATCH clocks; how many clocks were swept.

    With each alert goes, in the same transaction, whom it reaches and what is to be sent. Any number of workers: each
    claims other rows, and the unique key of an alert records it once at most. A clock that cannot be worked out is
    put before the administrators, by its id alone, and tried again an hour on: it stops no other. A database that
    cannot go on (OperationalError) ends the batch, which is swept again the next time.
    """
    claimed = await _claim(session, now=now)
    if not claimed:
        return 0
    told = await told_of(session, {clock.case_id: clock.force_id for clock in claimed}, now=now)
    calendars: dict[str, Calendar] = {}
    worked_out, failed = [], []
    for clock in claimed:
        try:
            if clock.division not in calendars:
                calendars[clock.division] = await calendar_of(session, clock.division)
            worked_out.append(_work_out(clock, calendars[clock.division], now=now))
        except OperationalError:
            raise
        except Exception as error:
            failed.append(_not_swept(clock.id, error))
    failed += await _record_swept(session, worked_out, told, now=now)
    await _let_rest(session, [clock for clock in claimed if clock.id in failed], now=now)
    await _sweeps_again(session, [one.clock_id for one in worked_out if one.clock_id not in failed], now=now)
    return len(claimed)


async def told_of(session: AsyncSession, cases: Mapping[UUID, str], *, now: datetime) -> Told:
    """Read once for many cases, each with its force, whom their alerts can reach."""
    held = select(case_table.c.id, case_table.c.assigned_to).where(case_table.c.id.in_(cases))
    holders = {row.id: row.assigned_to for row in await session.execute(held)}
    return Told(await directory(session, set(cases.values()), cases, now=now), holders)


def due_by(now: datetime) -> Select[Clock]:
    """The clocks whose alert has come and is not recorded yet, the longest waiting first, a batch of them."""
    query = select(Clock).where(col(Clock.next_alert_at) <= now)
    return query.order_by(col(Clock.next_alert_at)).limit(BATCH)


async def _claim(session: AsyncSession, *, now: datetime) -> list[Clock]:
    """Clocks that nobody else holds, and whose case nobody is about to move.

    An alert points at its case, so that the case is held as well. What is passed over is swept the next time. Whoever
    only points at a clock does not have it passed over.
    """
    claimed = await session.scalars(due_by(now).with_for_update(skip_locked=True, key_share=True))
    return await with_their_cases(session, claimed.all())


def _work_out(clock: Clock, calendar: Calendar, *, now: datetime) -> _Swept:
    ladder = steps_of(clock)
    facts = facts_of(clock)
    fallen = missed(facts, calendar=calendar, alerts=ladder, after=clock.swept_to, now=now)
    alerts = [
        New(
            clock,
            rung.code,
            level,
            rung.at,
            rung.target.due_on if rung.target else clock.due_on,
            rung.target.due_at if rung.target else clock.due_at,
            superseded=only_recorded,
        )
        for rung, only_recorded in ((rung, superseded(rung, fallen)) for rung in fallen)
        for level in rung.levels
    ]
    following = next_rung(facts, calendar=calendar, alerts=ladder, after=now)
    return _Swept(clock.id, alerts, following.at if following else None)


async def _record_swept(session: AsyncSession, swept: Sequence[_Swept], told: Told, *, now: datetime) -> list[UUID]:
    """Write the alerts and move their clocks on, all at once; the clocks that the database refuses.

    Where it refuses, each half is tried by itself, and so on down to the clock at fault.
    """
    if not swept:
        return []
    try:
        async with session.begin_nested():
            await record(session, [alert for one in swept for alert in one.alerts], told, now=now)
            await session.execute(
                _MOVE_ON,
                {"ids": [one.clock_id for one in swept], "at": [one.next_alert_at for one in swept], "now": now},
            )
    except OperationalError:
        raise
    except Exception as error:
        if len(swept) == 1:
            return [_not_swept(swept[0].clock_id, error)]
        middle = len(swept) // 2
        refused = await _record_swept(session, swept[:middle], told, now=now)
        return refused + await _record_swept(session, swept[middle:], told, now=now)
    return []


def _not_swept(clock_id: UUID, error: Exception) -> UUID:
    # The class alone: a message may quote the row.
    _log.error("clock_not_swept", clock=str(clock_id), error=type(error).__name__)
    return clock_id


async def _let_rest(session: AsyncSession, failed: Sequence[Clock], *, now: datetime) -> None:
    """Try these clocks again an hour on, and have somebody find out what is wrong: of none is anybody warned (H11)."""
    if not failed:
        return
    again = update(Clock).where(col(Clock.id).in_([clock.id for clock in failed]))
    await session.execute(again.values(next_alert_at=now + TRIED_AGAIN_AFTER))
    for clock in failed:
        await open_task(
            session,
            kind=TaskKind.CLOCK_NOT_SWEPT,
            says=f"The alerts of the clock {clock.id} cannot be worked out, and nobody is warned by it. It is tried "
            "again every hour. The log of the workers tells the kind of error under clock_not_swept.",
            for_role=Role.ADMINISTRATOR,
            force_id=clock.force_id,
            about=str(clock.id),
            now=now,
        )


async def _sweeps_again(session: AsyncSession, clock_ids: Sequence[UUID], *, now: datetime) -> None:
    """Close what was asked of the administrators about these clocks."""
    if not clock_ids:
        return
    asked = (col(Task.kind) == TaskKind.CLOCK_NOT_SWEPT, col(Task.about).in_([str(one) for one in clock_ids]))
    await session.execute(
        update(Task)
        .where(*asked, col(Task.closed_at).is_(None))
        .values(closed_at=now, answer="The alerts of the clock are worked out again.")
        .execution_options(synchronize_session=False)
    )


async def record(session: AsyncSession, alerts: Sequence[New], told: Told, *, now: datetime) -> None:
    """Record alerts with whom each reaches and what is to be sent; one that is there already stays.

    Of an alert that reaches nobody, the heads of public protection are asked in a task: an alert is never lost.
    """
    rows = [_row(alert, now=now) for alert in alerts]
    if not rows:
        return
    made = await session.execute(_RECORD, {"rows": json.dumps(rows, default=str)})
    recorded = set(made.scalars())
    raised = [
        Raised(
            id=row["id"],
            case_id=row["case_id"],
            force_id=row["force_id"],
            level=row["level"],
            holder=told.holders.get(row["case_id"]),
            content=content_of(row),
        )
        for row in rows
        if row["id"] in recorded and not row["superseded"]
    ]
    await tell(session, told.known, raised, now=now)


async def tell(session: AsyncSession, known: Directory, raised: Sequence[Raised], *, now: datetime) -> None:
    """Put alerts before people: those whom they reach, else by a task the heads of public protection.

    Where the case is withheld from anybody, the task is for professional standards (H2.8).
    """
    told = await put_out(session, known, raised, now=now)
    if told.rerouted:
        await session.execute(_REROUTED, {"ids": list(told.rerouted), "because": list(told.rerouted.values())})
    for alert in told.nobody:
        await open_task(
            session,
            kind=TaskKind.DELIVERY_GIVEN_UP,
            says=f"An alert of case {alert.content['reference']} reached nobody: no holder, deputy, supervisor or head "
            "is there to be told. Give the case to somebody, and see who supervises.",
            for_role=Role.HEAD_OF_PUBLIC_PROTECTION,
            case_id=alert.case_id,
            force_id=alert.force_id,
            about=str(alert.id),
            now=now,
        )


def _row(alert: New, *, now: datetime) -> dict[str, Any]:
    clock = alert.clock
    goes_on = not alert.superseded and alert.level is not AlertLevel.HEAD_OF_PUBLIC_PROTECTION
    return {
        "id": uuid4(),
        "case_id": clock.case_id,
        "force_id": clock.force_id,
        "clock_id": clock.id,
        "clock_kind": clock.kind,
        "reference": clock.reference,
        "rung": alert.rung,
        "level": alert.level,
        "due_on": alert.due_on,
        "due_at": alert.due_at,
        "fell_at": alert.fell_at,
        "recorded_at": now,
        "superseded": alert.superseded,
        "chases_id": alert.chases_id,
        "chase_at": now + hours_to_acknowledge(clock) if goes_on else None,
    }


def content_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What may be said of an alert outside: the reference, the clock, the time, ids (H11)."""
    return {
        "id": str(row["id"]),
        "type": Message.ALERT.value,
        "case_id": str(row["case_id"]),
        "clock_id": str(row["clock_id"]),
        "reference": row["reference"],
        "clock": row["clock_kind"].value,
        "rung": row["rung"],
        "level": row["level"].value,
        "due_on": row["due_on"].isoformat(),
        "due_at": row["due_at"].isoformat(),
    }


def of_inbox(actor: Actor) -> ColumnElement[bool]:
    """What is in a person's inbox: the own level's, and whatever was re-routed to the person.

    For whoever supervises nobody, of the own level's those of own and unheld cases only. Asked with the case joined.
    """
    levels = sorted({level for role in actor.roles for level in LEVELS_READ.get(role, ())})
    own_level: ColumnElement[bool] = col(Alert.level).in_(levels)
    if not actor.is_supervisor:
        own_level = own_level & or_(case_table.c.assigned_to == actor.staff_id, case_table.c.assigned_to.is_(None))
    rerouted = select(col(AlertRoute.alert_id)).where(col(AlertRoute.staff_id) == actor.staff_id)
    return or_(own_level, col(Alert.id).in_(rerouted))


def inbox(actor: Actor) -> Select[Any]:
    """Every alert in a person's inbox, as it is shown."""
    shown = [*columns_of(Alert), col(Alert.clock_kind).label("clock")]
    return select(*shown).join(case_table, case_table.c.id == col(Alert.case_id)).where(of_inbox(actor))


async def alerts_for(
    session: AsyncSession,
    actor: Actor,
    *,
    acknowledged: bool | None,
    superseded: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[AlertView]:
    """The alerts of a person's levels, newest first: an officer's own cases and unheld ones; a supervisor's all."""
    query = inbox(actor).order_by(col(Alert.recorded_at).desc(), col(Alert.id).desc()).limit(limit)
    if not superseded:
        query = query.where(~col(Alert.superseded))
    if acknowledged is not None:
        unread = col(Alert.acknowledged_at).is_(None)
        query = query.where(~unread if acknowledged else unread)
    if after is not None:
        moment, alert_id = after
        query = query.where(
            or_(
                col(Alert.recorded_at) < moment,
                (col(Alert.recorded_at) == moment) & (col(Alert.id) < alert_id),
            )
        )
    return [AlertView.model_validate(row) for row in (await session.execute(query)).all()]


async def acknowledge(session: AsyncSession, actor: Actor, alert_id: UUID, *, now: datetime) -> Alert:
    """A person has seen the alert; the first acknowledgement stands."""
    query = (
        select(Alert)
        .join(case_table, case_table.c.id == col(Alert.case_id))
        .where(col(Alert.id) == alert_id, of_inbox(actor))
        .with_for_update(of=Alert)
    )
    alert = (await session.scalars(query)).one_or_none()
    if alert is None:
        raise AlertNotFound
    if alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by, alert.chase_at = now, actor.staff_id, None
    return alert
