"""The systems that a force has its alerts posted to, kept by its administrators."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.channels.outbox import message, put
from app.channels.schemas import Posted, RotationIn, WebhookIn, WebhookMade, WebhookView
from app.channels.sealing import SecretBox, secret_box
from app.channels.tables import WebhookSubscription
from app.channels.terms import Channel, Message
from app.channels.wording import signature
from app.errors import Conflict, NotFound, Unprocessable
from app.settings import settings

_SECRET_BYTES = 32


class WebhookNotFound(NotFound):
    """No such subscription in this force."""

    code = "webhook_not_found"

    def __init__(self) -> None:
        super().__init__("No such webhook is held for this force.")


class WebhookDisabled(Conflict):
    """Nothing is posted there any more."""

    code = "webhook_disabled"


async def subscribe(session: AsyncSession, given: WebhookIn, *, actor: Actor, now: datetime) -> WebhookMade:
    """Have every alert of the force posted to an address; the secret that posts are signed with is told this once.

    Raises NoSecretsKey where it could not be kept sealed; Unprocessable where production is given no https.
    """
    if settings().environment == "production" and urlsplit(given.url).scheme != "https":
        raise Unprocessable("url: begin with https://, so that alerts travel encrypted", field="url")
    box, secret, made = secret_box(settings()), secrets.token_bytes(_SECRET_BYTES), uuid4()
    row = WebhookSubscription(
        id=made,
        force_id=actor.serves_force_id,
        url=given.url,
        secret=box.seal(secret, made),
        created_at=now,
        created_by=actor.staff_id,
    )
    session.add(row)
    return _shown_once(row, secret)


async def subscriptions(session: AsyncSession, *, actor: Actor) -> list[WebhookView]:
    """The subscriptions of the force, oldest first, disabled ones included."""
    query = select(WebhookSubscription).where(col(WebhookSubscription.force_id) == actor.serves_force_id)
    found = await session.scalars(query.order_by(col(WebhookSubscription.created_at), col(WebhookSubscription.id)))
    return [_view(row) for row in found]


async def rotate(
    session: AsyncSession, webhook_id: UUID, given: RotationIn, *, actor: Actor, now: datetime
) -> WebhookMade:
    """Make a new secret. For the overlap every post carries a signature by each, so that no receiver misses one."""
    row = await _enabled(session, webhook_id, actor)
    secret = secrets.token_bytes(_SECRET_BYTES)
    row.previous_secret, row.previous_until = row.secret, now + timedelta(hours=given.overlap_hours)
    row.secret = secret_box(settings()).seal(secret, row.id)
    return _shown_once(row, secret)


async def disable(session: AsyncSession, webhook_id: UUID, *, actor: Actor, now: datetime) -> WebhookView:
    """Post nothing there any more; repeating it changes nothing."""
    row = await _own(session, webhook_id, actor)
    row.disabled_at = row.disabled_at or now
    return _view(row)


async def ping(session: AsyncSession, webhook_id: UUID, *, actor: Actor, now: datetime) -> Posted:
    """Put a message that tells of no case in the outbox, signed and retried like any other."""
    row = await _enabled(session, webhook_id, actor)
    key = uuid4()
    content = {"id": str(key), "type": Message.PING.value}
    sent = message(Message.PING, Channel.WEBHOOK, row.id, force_id=row.force_id, key=key, content=content, now=now)
    await put(session, [sent])
    return Posted(idempotency_key=str(key))


async def _own(session: AsyncSession, webhook_id: UUID, actor: Actor) -> WebhookSubscription:
    query = select(WebhookSubscription).where(
        col(WebhookSubscription.id) == webhook_id, col(WebhookSubscription.force_id) == actor.serves_force_id
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise WebhookNotFound
    return row


async def _enabled(session: AsyncSession, webhook_id: UUID, actor: Actor) -> WebhookSubscription:
    row = await _own(session, webhook_id, actor)
    if row.disabled_at is not None:
        raise WebhookDisabled("Nothing is posted there any more: make a new webhook.")
    return row


def _view(row: WebhookSubscription) -> WebhookView:
    return WebhookView(
        id=row.id,
        url=row.url,
        created_at=row.created_at,
        previous_secret_until=row.previous_until,
        disabled_at=row.disabled_at,
    )


def _shown_once(row: WebhookSubscription, secret: bytes) -> WebhookMade:
    return WebhookMade(**_view(row).model_dump(), secret=secret.hex())


def signed_headers(
    row: WebhookSubscription, box: SecretBox, *, body: bytes, idempotency_key: str, now: datetime, sent_at: datetime
) -> Mapping[str, str]:
    """The headers of one post. `now` decides which secrets are valid, `sent_at` (real time) is what is signed."""
    valid = [box.open(row.secret, row.id)]
    if row.previous_secret is not None and row.previous_until is not None and now < row.previous_until:
        valid.append(box.open(row.previous_secret, row.id))
    timestamp = int(sent_at.timestamp())
    return {
        "Idempotency-Key": idempotency_key,
        "Clares-Law-Timestamp": str(timestamp),
        "Clares-Law-Signature": signature(valid, timestamp=timestamp, body=body),
    }
