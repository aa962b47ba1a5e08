"""The outbox: written with the alert, sent at least once under one key, put off, given up to a person (H11)."""

import asyncio
import smtplib
from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage

import pytest
from structlog.testing import capture_logs

from app.channels.outbox import LEASE, OF_ONE_SYSTEM, claim
from app.channels.terms import Channel
from app.deadlines.delivery import BATCH, Senders, deliver
from app.outside.mail import KeptMail, MailboxRefused
from app.settings import settings
from tests.steps.channels import Outside, address, as_worker, held_case, mail_on, outbox
from tests.world import STAFF, World

PATIENCE = 20.0


async def test_an_alert_is_mailed_to_the_holder_and_says_reference_clock_and_time_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer", "officer2", "supervisor")
    case = await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    outside = Outside(world)
    await outside.deliver()
    [letter] = outside.letters()
    reference = world.rows("SELECT reference FROM application WHERE id = %s", case)[0]["reference"]
    [row] = outbox(world)
    assert letter["To"] == address("officer")
    assert letter["Subject"] == f"{reference}: initial checks, due soon, 12 hours left"
    assert letter["Message-ID"] == f"<{row['idempotency_key']}@{address('x').partition('@')[2]}>"
    assert letter.get_content().splitlines() == [
        f"Case: {reference}",
        "Clock: initial checks",
        "Due: Wed 6 May 2026 10:00",
        "State: due soon, 12 hours left",
    ]
    assert (row["tries"], row["delivered_at"], row["claimed_until"]) == (1, world.now, None)

    await outside.deliver()
    await world.sweep()
    await outside.deliver()
    assert len(outside.mail.sent) == 1


async def test_what_a_later_rung_overtook_is_recorded_and_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer", "supervisor", "supervisor2")
    await held_case(world)
    world.forward(hours=25)  # three rungs of the initial checks at once
    await world.sweep()
    sent = world.rows("SELECT DISTINCT alert.rung FROM outbox JOIN alert ON alert.id = alert_id WHERE NOT superseded")
    assert [row["rung"] for row in sent] == ["breached"]
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["officer", "supervisor", "supervisor2"]
    assert len(world.rows("SELECT 1 FROM alert WHERE superseded")) == 2


async def test_without_a_mail_server_an_address_or_the_wish_nothing_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    mail_on(monkeypatch, world)
    world.forward(hours=8)
    await world.sweep()
    mail_on(monkeypatch, world, "officer")
    await world.as_("officer").put("/v1/staff/me/alert-preferences", {"mail": False})
    world.forward(days=1)
    await world.sweep()
    assert [row["staff_id"] for row in outbox(world)] == []
    assert len(world.rows("SELECT 1 FROM alert_route WHERE staff_id = %s", STAFF["officer"].id)) >= 3


async def test_a_failure_is_tried_again_later_with_the_same_key_and_growing_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    outside = Outside(world)
    outside.mail.failures = [TimeoutError(), smtplib.SMTPServerDisconnected("4 Quarry Lane")]
    waits = []
    for _ in range(2):
        with capture_logs() as logged:
            await outside.deliver()
            await outside.deliver()  # not yet due again
        assert [one["event"] for one in logged] == ["delivery_failed"]
        assert "Quarry" not in str(logged)
        waits.append(outbox(world)[0]["next_try_at"] - world.now)
        world.forward(seconds=waits[-1].total_seconds())
    first = timedelta(seconds=settings().delivery_first_wait_seconds)
    assert first / 2 <= waits[0] <= first <= waits[1] <= 2 * first
    assert outbox(world)[0]["last_error"] == "SMTPServerDisconnected"
    await outside.deliver()
    [row] = outbox(world)
    assert (row["tries"], row["delivered_at"], row["last_error"]) == (3, world.now, None)
    assert [letter["Message-ID"] for letter in outside.letters()] == [
        f"<{row['idempotency_key']}@northmoor.police.example>"
    ]


@pytest.mark.parametrize(
    ("error", "role", "about"),
    [
        (TimeoutError(), "administrator", {"mail"}),
        (MailboxRefused(), "public_protection_supervisor", {str(STAFF[one].id) for one in ("officer", "officer2")}),
    ],
)
async def test_what_no_try_could_deliver_becomes_one_task_for_each_account_or_for_the_channel(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, role: str, about: set[str]
) -> None:
    mail_on(monkeypatch, world, "officer", "officer2", DELIVERY_TRIES="2")
    for by in ("officer", "officer", "officer2"):
        await held_case(world, by=by, subject={"surname": f"Of{len(outbox(world))}{by}"})
    world.forward(hours=13)
    await world.sweep()
    outside = Outside(world)
    outside.mail.failures = [error] * 99
    for _ in range(4):
        await outside.deliver()
        world.forward(hours=1)
    rows = outbox(world)
    assert {(row["tries"], row["delivered_at"], row["last_error"]) for row in rows} == {(2, None, type(error).__name__)}
    assert len(rows) == 3 and all(row["given_up_at"] for row in rows)
    tasks = world.rows("SELECT kind, for_role, force_id, about, case_id FROM task")
    assert sorted(task.pop("about") for task in tasks) == sorted(about)
    for task in tasks:
        assert task == {"kind": "delivery_given_up", "for_role": role, "force_id": "northmoor", "case_id": None}


def pile_up(world: World, subscription: str, number: int) -> None:
    """So many messages wait for a webhook."""
    world.execute(
        "INSERT INTO outbox (id, force_id, channel, message, subscription_id, idempotency_key, content, created_at, "
        "next_try_at, tries) SELECT gen_random_uuid(), 'northmoor', 'webhook', 'ping', %s, gen_random_uuid()::text, "
        "'{}', %s, %s, 0 FROM generate_series(1, %s)",
        subscription,
        world.now,
        world.now,
        number,
    )


async def test_a_webhook_that_hangs_holds_up_neither_mail_nor_other_webhooks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    hangs, other = [
        (await world.as_("administrator").must_post("/v1/webhooks", {"url": f"https://{one}.example/"}))["id"]
        for one in ("hangs", "other")
    ]
    pile_up(world, hangs, 3 * BATCH)
    world.forward(minutes=1)
    pile_up(world, other, 2)
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    posted: list[str] = []
    mailed, others = asyncio.Event(), asyncio.Event()

    class Mail(KeptMail):
        async def send(self, message: EmailMessage) -> None:
            await super().send(message)
            mailed.set()

    class Hanging:
        async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
            posted.append(url.split("/")[2].partition(".")[0])
            if posted.count("other") == 3:
                others.set()
            if posted[-1] == "hangs":
                async with asyncio.timeout(PATIENCE):
                    await asyncio.gather(mailed.wait(), others.wait())
                raise ConnectionResetError

    mail = Mail()

    async with as_worker(world) as opened:
        assert await deliver(opened, Senders(settings(), mail, Hanging()), now=world.now)
    assert (len(mail.sent), posted.count("hangs"), posted.count("other")) == (1, OF_ONE_SYSTEM, 3)
    left = outbox(world, "subscription_id, tries, delivered_at, last_error")
    assert all(row["delivered_at"] for row in left if str(row["subscription_id"]) != hangs)
    tried = [row["last_error"] for row in left if row["tries"] and str(row["subscription_id"]) == hangs]
    assert tried == ["ConnectionResetError"] * OF_ONE_SYSTEM  # the rest came while it hung


async def test_a_worker_that_dies_with_a_message_in_hand_leaves_it_to_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()

    async with as_worker(world) as opened, opened.begin() as session:
        [taken] = await claim(session, Channel.MAIL, now=world.now, limit=10)
    outside = Outside(world)
    await outside.deliver()
    assert outside.mail.sent == []  # it is still in the dead one's hands
    world.forward(seconds=LEASE.total_seconds())
    await outside.deliver()
    [letter] = outside.letters()
    assert taken.idempotency_key in letter["Message-ID"]
    assert outbox(world, "tries, delivered_at") == [{"tries": 2, "delivered_at": world.now}]


async def test_a_machine_set_back_by_days_puts_no_message_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mail_on(monkeypatch, world, "officer")
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    world.execute("UPDATE outbox SET claimed_until = %s", world.now + timedelta(seconds=60))
    world.forward(days=-3)
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["officer"]


async def test_nobody_outside_the_staff_domains_is_written_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mail_on(monkeypatch, world, "officer")
    world.execute("UPDATE staff_member SET email = 'officer@elsewhere.example' WHERE id = %s", STAFF["officer"].id)
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    outside = Outside(world)
    await outside.deliver()
    assert outside.mail.sent == []
    assert outbox(world, "last_error, given_up_at") == [{"last_error": "NoWorkAddress", "given_up_at": world.now}]
    assert world.rows("SELECT kind FROM task") == [{"kind": "delivery_given_up"}]


async def test_a_message_is_marked_by_the_hour_at_which_it_was_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "officer")
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()

    class Slow:
        async def send(self, message: EmailMessage) -> None:
            world.forward(seconds=50)
            if len(waits) == 0:
                raise TimeoutError

    waits: list[timedelta] = []
    outside = Outside(world, other_mail=Slow())
    await outside.deliver()
    waits.append(outbox(world)[0]["next_try_at"] - world.now)
    assert waits[0] >= timedelta(seconds=settings().delivery_first_wait_seconds) / 2
    world.forward(seconds=waits[0].total_seconds())
    await outside.deliver()
    assert outbox(world, "delivered_at") == [{"delivered_at": world.now}]
