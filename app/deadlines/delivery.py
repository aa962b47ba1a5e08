"""Sending what the outbox holds: taken with a lease, sent, marked; put off with growing waits; given up to a person.

At least once: a worker that dies after sending and before marking leaves a message that is sent again, under the same
idempotency key.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import col

from app import clock
from app.access.rules import Role
from app.access.tables import BrokenGlass, StaffMember
from app.access.telling import may_be_told, withheld_cases
from app.channels import outbox, wording
from app.channels.outbox import Raised
from app.channels.rules import wait_before
from app.channels.sealing import secret_box
from app.channels.tables import Outbox, WebhookSubscription
from app.channels.terms import Channel, Message
from app.channels.webhooks import signed_headers
from app.deadlines.alerts import tell, told_of
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.editions.terms import AlertLevel
from app.errors import ClaresLawError
from app.outside.mail import MailboxRefused, MailSender, SmtpSender, SmtpServer
from app.outside.webhooks import HttpWebhooks, WebhookSender
from app.settings import Settings

BATCH = 20
_SENDING_LIMIT = 60.0  # seconds, well within the lease
_MARKED_AT_ONCE = 2  # the other work of a worker needs connections too
_WORDED = {
    Message.ALERT: wording.alert_mail,
    Message.DIGEST: wording.digest_mail,
    Message.GLASS: wording.glass_mail,
}
"""A ping goes to systems alone."""
_log = structlog.get_logger()


class ReceiverGone(ClaresLawError):
    """The person has left the case's force, or may not see the case by now; the system is gone from the force."""

    code: ClassVar[str] = "receiver_gone"


class NoWorkAddress(ClaresLawError):
    """The person has no work address, or one outside the domains of the staff, where nothing is sent (H2.2)."""

    code: ClassVar[str] = "no_work_address"


class ChannelOff(ClaresLawError):
    """The service has no way to send this."""

    code: ClassVar[str] = "channel_off"


@dataclass(frozen=True)
class Senders:
    """How each channel sends, and what the settings say of it. A channel without its sender is off."""

    settings: Settings
    mail: MailSender | None
    webhooks: WebhookSender | None


@lru_cache
def senders(chosen: Settings) -> Senders:
    """The real senders."""
    mail = None
    if chosen.smtp_host is not None:
        password = chosen.smtp_password.get_secret_value() if chosen.smtp_password else None
        server = SmtpServer(
            chosen.smtp_host,
            chosen.smtp_port,
            chosen.smtp_security,
            chosen.smtp_user,
            password,
            chosen.receiver_timeout_seconds,
            chosen.ca_file,
        )
        mail = SmtpSender(server)
    private = chosen.environment != "production"
    webhooks = HttpWebhooks(timeout=chosen.receiver_timeout_seconds, private=private, ca_file=chosen.ca_file)
    return Senders(chosen, mail, webhooks)


@dataclass(frozen=True)
class _Letter:
    """A message that was taken, with who is to have it."""

    row: Outbox
    person: StaffMember | None = None
    subscription: WebhookSubscription | None = None


async def deliver(
    opened: async_sessionmaker[AsyncSession], by: Senders, *, now: datetime, channels: Iterable[Channel] = Channel
) -> bool:
    """Send what is due by these channels, at most BATCH messages by each; whether there were any.

    Each channel has its own lane, and each message is marked in its own transaction.
    """
    marking = asyncio.Semaphore(_MARKED_AT_ONCE)
    lanes = (_deliver_by(channel, opened, by, marking, now=now) for channel in channels)
    found = await asyncio.gather(*lanes, return_exceptions=True)
    for failure in found:
        if isinstance(failure, BaseException):
            raise failure  # once the other lanes are through
    return any(found)


async def _deliver_by(
    channel: Channel,
    opened: async_sessionmaker[AsyncSession],
    by: Senders,
    marking: asyncio.Semaphore,
    *,
    now: datetime,
) -> bool:
    async with opened.begin() as session:
        letters = await _addressed(session, await outbox.claim(session, channel, now=now, limit=BATCH))
    done = await asyncio.gather(
        *(_deliver_one(opened, letter, by, marking) for letter in letters), return_exceptions=True
    )
    for letter, failure in zip(letters, done, strict=True):
        if isinstance(failure, Exception):
            # It was not even marked: the lease runs out, and it is sent again.
            _log.error("delivery_not_marked", message=str(letter.row.id), error=type(failure).__name__)
    return bool(letters)


async def _addressed(session: AsyncSession, rows: list[Outbox]) -> list[_Letter]:
    """Who is to have each message, by what holds now: not who was meant when it was written."""
    staff = [row.staff_id for row in rows if row.staff_id is not None]
    named = [row.subscription_id for row in rows if row.subscription_id is not None]
    accounts: dict[UUID, StaffMember] = {}
    systems: dict[UUID, WebhookSubscription] = {}
    if staff:
        found = await session.scalars(select(StaffMember).where(col(StaffMember.id).in_(staff)))
        accounts = {one.id: one for one in found}
    if named:
        subscribed = await session.scalars(select(WebhookSubscription).where(col(WebhookSubscription.id).in_(named)))
        systems = {one.id: one for one in subscribed}
    cases = {row.case_id for row in rows if row.case_id is not None}
    withheld = await withheld_cases(session, cases)
    # A notice of broken glass is also withheld from whoever is only not compared with the parties yet.
    asked = withheld | {row.case_id for row in rows if row.case_id is not None and row.message is Message.GLASS}
    seeing = {case_id: await may_be_told(session, case_id, staff) for case_id in asked}
    letters = []
    for row in rows:
        account = accounts.get(row.staff_id) if row.staff_id else None
        system = systems.get(row.subscription_id) if row.subscription_id else None
        if account is not None and not _is_meant_still(account, row):
            account = None
        if system is not None and (system.disabled_at is not None or system.force_id != row.force_id):
            system = None
        if row.case_id in seeing:  # it may have come to be withheld after the message was written
            account = account if account is not None and account.id in seeing[row.case_id] else None
        if row.case_id in withheld:
            system = None
        letters.append(_Letter(row, account, system))
    return letters


def _is_meant_still(account: StaffMember, row: Outbox) -> bool:
    """Whether the account is still of the force that is told; or, of broken glass, still oversees who broke it."""
    if account.force_id == row.force_id:
        return account.active
    abroad = row.message is Message.GLASS and "of_force" in row.content
    return abroad and account.active and Role.PROFESSIONAL_STANDARDS in account.roles


async def _deliver_one(
    opened: async_sessionmaker[AsyncSession], letter: _Letter, by: Senders, marking: asyncio.Semaphore
) -> None:
    """Send one message and mark it, each by the hour that it is by then: a receiver may take a minute."""
    failure: Exception | None = None
    try:
        async with asyncio.timeout(_SENDING_LIMIT):
            await _send(letter, by, now=clock.now())
    except Exception as error:
        failure = error
    async with marking, opened.begin() as session:
        now = clock.now()
        if failure is None:
            await outbox.delivered(session, letter.row, now=now)
        else:
            await _put_off(session, letter, failure, by.settings, now=now)


async def _send(letter: _Letter, by: Senders, *, now: datetime) -> None:
    row, sent_at = letter.row, clock.real_now()
    if row.channel is Channel.WEBHOOK:
        if letter.subscription is None:
            raise ReceiverGone
        if by.webhooks is None:
            raise ChannelOff
        body = wording.posted(row.content)
        headers = signed_headers(
            letter.subscription,
            secret_box(by.settings),
            body=body,
            idempotency_key=row.idempotency_key,
            now=now,
            sent_at=sent_at,
        )
        await by.webhooks.post(letter.subscription.url, body, headers)
        return
    if letter.person is None:
        raise ReceiverGone
    if by.mail is None or by.settings.mail_from is None:
        raise ChannelOff
    address = letter.person.email
    if address is None or address.rpartition("@")[2] not in by.settings.staff_domains:
        raise NoWorkAddress
    subject, text = _WORDED[row.message](row.content)
    mail = wording.envelope(
        subject,
        text,
        sender=by.settings.mail_from,
        to=address,
        idempotency_key=row.idempotency_key,
        sent_at=sent_at,
    )
    await by.mail.send(mail)


async def _put_off(
    session: AsyncSession, letter: _Letter, error: Exception, chosen: Settings, *, now: datetime
) -> None:
    row, name = letter.row, type(error).__name__
    # The class alone: a message may quote an address.
    _log.warning("delivery_failed", message=str(row.id), channel=row.channel.value, tries=row.tries, error=name)
    if not isinstance(error, ReceiverGone | NoWorkAddress) and row.tries < chosen.delivery_tries:
        wait = wait_before(
            row.tries + 1,
            first=timedelta(seconds=chosen.delivery_first_wait_seconds),
            longest=timedelta(seconds=chosen.delivery_longest_wait_seconds),
            jitter=random.random(),
        )
        await outbox.failed(session, row, error=name, try_again_at=now + wait)
    elif await outbox.given_up(session, row, error=name, now=now):
        if row.message is Message.GLASS:
            await _say_who_was_not_told(session, row, now=now)
        if isinstance(error, ReceiverGone):
            await _tell_others(session, row, now=now)
        else:
            await _ask_a_person(session, letter, error, now=now)


async def _tell_others(session: AsyncSession, row: Outbox, *, now: datetime) -> None:
    """Whoever was meant is gone, or the case went to another force: the alert reaches those who are there now."""
    if row.message is not Message.ALERT or row.alert_id is None or row.case_id is None:
        return
    told = await told_of(session, {row.case_id: row.force_id}, now=now)
    again = Raised(
        id=row.alert_id,
        case_id=row.case_id,
        force_id=row.force_id,
        level=AlertLevel(row.content["level"]),
        holder=told.holders.get(row.case_id),
        content=row.content,
    )
    await tell(session, told.known, [again], now=now)


async def _say_who_was_not_told(session: AsyncSession, row: Outbox, *, now: datetime) -> None:
    """A notice of broken glass that reaches nobody is not lost: whoever reviews the breaking is told of it (H2.8)."""
    glass_id, abroad = UUID(row.content["glass_id"]), "of_force" in row.content
    broke = select(col(BrokenGlass.staff_id)).where(col(BrokenGlass.id) == glass_id)
    whom = "professional standards of the force of whoever broke it" if abroad else "all who oversee the case"
    await open_task(
        session,
        kind=TaskKind.DELIVERY_GIVEN_UP,
        says=f"Mail that the glass over a case was broken did not reach {whom}. Read under broken glass who broke it, "
        "and tell them yourself.",
        for_role=Role.PROFESSIONAL_STANDARDS,
        force_id=row.force_id,
        case_id=row.case_id,
        about=f"glass:{glass_id}{':abroad' if abroad else ''}",
        kept_from=await session.scalar(broke),
        now=now,
    )


async def _ask_a_person(session: AsyncSession, letter: _Letter, error: Exception, *, now: datetime) -> None:
    """What no try could deliver becomes a task (H11): one for each webhook, account or channel, and of no case.

    It is put before the force of whoever was to have it, which a broken glass may make another than the case's.
    """
    row = letter.row
    own_force = letter.person.force_id if letter.person is not None else None
    asked: dict[str, Any] = {"force_id": own_force or row.force_id, "now": now}
    if row.channel is Channel.WEBHOOK:
        await open_task(
            session,
            kind=TaskKind.WEBHOOK_FAILING,
            says=f"Messages to the webhook {row.subscription_id} could not be delivered. Ask whoever runs the "
            "receiver, and send it a ping; what was given up is in the inbox all the same.",
            for_role=Role.ADMINISTRATOR,
            about=str(row.subscription_id),
            **asked,
        )
    elif isinstance(error, NoWorkAddress | MailboxRefused):
        await open_task(
            session,
            kind=TaskKind.DELIVERY_GIVEN_UP,
            says=f"Mail to a colleague ({row.staff_id}) could not be delivered. Tell the colleague to read the inbox, "
            "where the alerts are all the same, and have the work address checked.",
            for_role=Role.PUBLIC_PROTECTION_SUPERVISOR,
            about=str(row.staff_id),
            **asked,
        )
    else:
        await open_task(
            session,
            kind=TaskKind.DELIVERY_GIVEN_UP,
            says="Mail to staff could not be handed to the mail server. Ask whoever runs it, and tell the staff to "
            "read the inbox, where the alerts are all the same.",
            for_role=Role.ADMINISTRATOR,
            about=Channel.MAIL.value,
            **asked,
        )
