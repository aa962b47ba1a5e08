"""Alerts on their way out: mail turned on, cases held, the worker's turns taken in this process with kept channels."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.deadlines.chasing import chase
from app.deadlines.delivery import Senders, deliver
from app.outside.mail import KeptMail, MailSender
from app.outside.webhooks import KeptWebhooks, WebhookSender
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions
from tests.steps import intake
from tests.world import STAFF, World

DOMAIN = "northmoor.police.example"


def mail_on(monkeypatch: pytest.MonkeyPatch, world: World, *keys: str, **more: str) -> None:
    """The service sends mail, and these members of staff have a work address."""
    given = {
        "SMTP_HOST": "mail.invalid",
        "MAIL_FROM": f"clares-law@{DOMAIN}",
        "MAIL_DOMAINS": DOMAIN,
        **more,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"CLARES_LAW_{name}", value)
    settings.cache_clear()
    for key in keys:
        world.execute("UPDATE staff_member SET email = %s WHERE id = %s", address(key), STAFF[key].id)


def address(key: str) -> str:
    """The work address of a member of staff."""
    return f"{key}@{DOMAIN}"


async def held_case(world: World, *, by: str | None = "officer", **changed: Any) -> str:
    """A case that runs, held by somebody or nobody."""
    case = await intake.opened(world, intake.right_to_ask(world, **changed))
    if by is not None:
        world.execute("UPDATE application SET assigned_to = %s WHERE id = %s", STAFF[by].id, case)
    return case


@asynccontextmanager
async def as_worker(world: World) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions of the worker's role."""
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=5)
    yield sessions(engine)
    await engine.dispose()


async def chased(world: World) -> int:
    """One turn of chasing."""
    async with as_worker(world) as opened, opened.begin() as session:
        return await chase(session, now=world.now)


@dataclass
class Outside:
    """The world beyond the service, kept in memory unless a test brings another."""

    world: World
    mail: KeptMail = field(default_factory=KeptMail)
    webhooks: KeptWebhooks = field(default_factory=KeptWebhooks)
    other_mail: MailSender | None = None
    other_webhooks: WebhookSender | None = None

    async def deliver(self) -> None:
        """Send all that is due now."""
        by = Senders(settings(), self.other_mail or self.mail, self.other_webhooks or self.webhooks)
        async with as_worker(self.world) as opened:
            while await deliver(opened, by, now=self.world.now):
                continue

    def letters(self) -> list[EmailMessage]:
        """The mails that were sent, in order."""
        return [BytesParser(EmailMessage, policy=default).parsebytes(one) for one in self.mail.sent]

    def mailed_to(self) -> list[str]:
        """Who got a mail, sorted."""
        return sorted(str(one["To"]).partition("@")[0] for one in self.letters())


def outbox(world: World, columns: str = "*") -> list[dict[str, Any]]:
    """The outbox, oldest first."""
    return world.rows(f"SELECT {columns} FROM outbox ORDER BY created_at, id")


def routes(world: World) -> list[tuple[str, str, str]]:
    """Whom alerts reached: level, who, why."""
    names = {member.id: key for key, member in STAFF.items()}
    rows = world.rows(
        "SELECT DISTINCT alert.level, alert_route.staff_id, alert_route.because FROM alert_route "
        "JOIN alert ON alert.id = alert_route.alert_id"
    )
    return sorted((row["level"], names[row["staff_id"]], row["because"]) for row in rows)
