"""The outbox: what is to be sent is written with what it tells, in one transaction, and sent afterwards (H11).

Sending is at least once. Every try of a message carries the same idempotency key, so that a receiver keeps it once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, Select, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.channels.recipients import Directory, recipients
from app.channels.rules import rerouted_because
from app.channels.tables import AlertRoute, Outbox, WebhookSubscription
from app.channels.terms import Channel, Message, ToldBecause
from app.editions.terms import AlertLevel

LEASE = timedelta(seconds=90)
"""How long a worker may take over a message before another takes it: longer than any sending may last."""
FAR = timedelta(days=1)
"""No message is put off so long: one that says so was written before the machine's time was set back."""

OF_ONE_SYSTEM = 5
"""So many messages at most are taken for one webhook at a time: one that hangs leaves room for the others."""


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An alert that was just recorded: whose, of which level, and what may be said of it."""

    id: UUID
    case_id: UUID
    force_id: str
    level: AlertLevel
    holder: UUID | None
    content: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What became of alerts: why those left their plain course that did, and those of which nobody could be told."""

    rerouted: dict[UUID, ToldBecause] = field(default_factory=dict)
    nobody: list[Raised] = field(default_factory=list)


async def put_out(session: AsyncSession, known: Directory, alerts: Iterable[Raised], *, now: datetime) -> Told:
    """Write down whom each alert reaches and what is to be sent. Repeating it adds what is missing, nothing twice."""
    routes: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    mailed: set[tuple[str, str, UUID]] = set()
    outcome = Told()
    for alert in alerts:
        of_case = {"case_id": alert.case_id, "force_id": alert.force_id, "alert_id": alert.id}
        told = await recipients(
            session, known, alert.level, case_id=alert.case_id, force_id=alert.force_id, holder=alert.holder
        )
        if not told:
            outcome.nobody.append(alert)
        if because := rerouted_because(told):
            outcome.rerouted[alert.id] = because
        for one in told:
            routes.append(
                {
                    **of_case,
                    "id": uuid4(),
                    "staff_id": one.staff_id,
                    "because": one.because,
                    "in_place_of": one.in_place_of,
                    "routed_at": now,
                }
            )
            # Who is told at two levels of one rung has one mail.
            rung = (alert.content["clock_id"], alert.content["rung"], one.staff_id)
            if known.colleagues[alert.force_id][one.staff_id].mail_to and rung not in mailed:
                mailed.add(rung)
                messages.append(_message(alert, Channel.MAIL, one.staff_id, now=now))
        if alert.case_id in known.withheld:
            continue  # nobody knows who reads there what a system is told
        for subscription in known.subscriptions.get(alert.force_id, ()):
            messages.append(_message(alert, Channel.WEBHOOK, subscription, now=now))
    if routes:
        await session.execute(insert(AlertRoute).on_conflict_do_nothing(), routes)
    await put(session, messages)
    return outcome


def _message(alert: Raised, channel: Channel, target: UUID, *, now: datetime) -> dict[str, Any]:
    return message(
        Message.ALERT,
        channel,
        target,
        force_id=alert.force_id,
        key=uuid5(alert.id, f"{channel}:{target}"),
        content=alert.content,
        now=now,
        case_id=alert.case_id,
        alert_id=alert.id,
    )


def message(
    kind: Message,
    channel: Channel,
    target: UUID,
    *,
    force_id: str,
    key: UUID,
    content: dict[str, Any],
    now: datetime,
    case_id: UUID | None = None,
    alert_id: UUID | None = None,
) -> dict[str, Any]:
    """One row of the outbox, due at once. `target` is the member of staff (mail) or the subscription (webhook)."""
    return {
        "id": uuid4(),
        "case_id": case_id,
        "force_id": force_id,
        "alert_id": alert_id,
        "channel": channel,
        "message": kind,
        "staff_id": target if channel is Channel.MAIL else None,
        "subscription_id": target if channel is Channel.WEBHOOK else None,
        "idempotency_key": str(key),
        "content": content,
        "created_at": now,
        "next_try_at": now,
        "tries": 0,
    }


async def put(session: AsyncSession, messages: Sequence[dict[str, Any]]) -> None:
    """Write messages; one whose key is there already is left as it is."""
    if messages:
        await session.execute(insert(Outbox).on_conflict_do_nothing(), messages)


async def claim(session: AsyncSession, channel: Channel, *, now: datetime, limit: int) -> list[Outbox]:
    """Take what is due by one channel, for as long as LEASE: a worker that dies meanwhile leaves it to another.

    The try is counted when it begins, so that a message which kills its worker is given up like any other. For one
    webhook no more than OF_ONE_SYSTEM are taken.
    """
    ids: list[UUID] = []
    # Two spans of the index, each by itself: asked for together, all that lies between is read as well.
    for span in (col(Outbox.next_try_at) <= now, col(Outbox.next_try_at) > now + FAR):
        if len(ids) < limit:
            ids += await session.scalars(_waiting(channel, span, now=now, limit=limit - len(ids)))
    if not ids:
        return []
    taken = (
        update(Outbox)
        .where(col(Outbox.id).in_(ids))
        .values(claimed_until=now + LEASE, tries=col(Outbox.tries) + 1)
        .returning(Outbox)
    )
    return list((await session.scalars(taken)).all())


def _waiting(channel: Channel, span: ColumnElement[bool], *, now: datetime, limit: int) -> Select[Any]:
    claimed = col(Outbox.claimed_until)
    query = (
        select(col(Outbox.id))
        .where(
            span,
            col(Outbox.channel) == channel,
            col(Outbox.delivered_at).is_(None),
            col(Outbox.given_up_at).is_(None),
            or_(claimed.is_(None), claimed <= now, claimed > now + LEASE),
        )
        .order_by(col(Outbox.next_try_at))
        .with_for_update(skip_locked=True)
    )
    if channel is not Channel.WEBHOOK:
        return query.limit(limit)
    of_one = query.where(col(Outbox.subscription_id) == col(WebhookSubscription.id)).limit(OF_ONE_SYSTEM).lateral()
    # Where there are more systems than room, chance decides: the same ones would go first each time.
    return (
        select(of_one.c.id).select_from(WebhookSubscription).join(of_one, true()).order_by(func.random()).limit(limit)
    )


async def delivered(session: AsyncSession, sent: Outbox, *, now: datetime) -> None:
    """The receiver took it. A second delivery, by a worker whose lease ran out, leaves the first as it is."""
    still_open = (col(Outbox.delivered_at).is_(None), col(Outbox.given_up_at).is_(None))
    await session.execute(
        update(Outbox)
        .where(col(Outbox.id) == sent.id, *still_open)
        .values(delivered_at=now, claimed_until=None, last_error=None)
    )


async def failed(session: AsyncSession, tried: Outbox, *, error: str, try_again_at: datetime) -> None:
    """The try failed: the message is put back, unless another worker has it by now."""
    await session.execute(
        update(Outbox).where(_still_ours(tried)).values(next_try_at=try_again_at, claimed_until=None, last_error=error)
    )


async def given_up(session: AsyncSession, tried: Outbox, *, error: str, now: datetime) -> bool:
    """No further try is made; whether this call was the one that gave it up."""
    query = (
        update(Outbox)
        .where(_still_ours(tried))
        .values(given_up_at=now, claimed_until=None, last_error=error)
        .returning(col(Outbox.id))
    )
    return (await session.scalars(query)).first() is not None


def _still_ours(tried: Outbox) -> ColumnElement[bool]:
    return (
        (col(Outbox.id) == tried.id)
        & (col(Outbox.claimed_until) == tried.claimed_until)
        & col(Outbox.delivered_at).is_(None)
        & col(Outbox.given_up_at).is_(None)
    )
