"""Webhooks over real HTTP: signed, retried under one key, held to the address, given up to a person."""

import asyncio
import hashlib
import hmac
import json
import smtplib
from email.message import EmailMessage
from uuid import uuid4

import pytest

from app.channels.sealing import SecretBox
from app.evidence.sealing import SealBroken
from app.outside.mail import SmtpSender, SmtpServer
from app.outside.webhooks import AddressRefused, HttpWebhooks, is_public
from app.settings import Settings, settings
from tests.steps.channels import Outside, held_case, outbox
from tests.steps.receivers import Post, Receiver, mail_server, receiving
from tests.world import World


def of_machine(timeout: float = 10) -> HttpWebhooks:
    """A sender that may reach this machine."""
    return HttpWebhooks(timeout=timeout, private=True)


async def subscribed(world: World, url: str) -> tuple[str, str]:
    """A webhook of the force: its id and its secret."""
    made = await world.as_("administrator").must_post("/v1/webhooks", {"url": url})
    return made["id"], made["secret"]


def is_signed(post: Post, secret: str) -> bool:
    """What a receiver does: the HMAC of timestamp, dot, body, among the signatures sent."""
    signed = post.headers["clares-law-timestamp"].encode() + b"." + post.body
    expected = "v1=" + hmac.new(bytes.fromhex(secret), signed, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, one) for one in post.headers["clares-law-signature"].split(","))


async def with_alert(world: World, receiver: Receiver) -> tuple[Outside, str]:
    """A receiver subscribed, and an alert on its way."""
    _, secret = await subscribed(world, receiver.url)
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    return Outside(world, other_webhooks=of_machine()), secret


@pytest.mark.parametrize("fault", ["silent", "refuses", "closes", "redirects", "endless"])
async def test_a_receiver_that_fails_gets_it_later_once_for_each_idempotency_key(world: World, fault: str) -> None:
    async with receiving(fault, fault) as receiver:
        outside, secret = await with_alert(world, receiver)
        patient, hasty = outside.other_webhooks, of_machine(timeout=0.6)
        for sender in (hasty, hasty, patient):
            outside.other_webhooks = sender
            await outside.deliver()
            world.forward(hours=1)
        await outside.deliver()
        assert len(receiver.came) == 3
        assert len({post.key for post in receiver.came}) == len(receiver.kept) == 1
        assert len({post.body for post in receiver.came}) == 1
        assert all(is_signed(post, secret) for post in receiver.came)
        [row] = outbox(world)
        assert (row["tries"], row["given_up_at"], row["idempotency_key"]) == (3, None, receiver.came[0].key)
        assert row["delivered_at"] is not None


async def test_a_slow_receiver_is_waited_for(world: World) -> None:
    async with receiving("slow") as receiver:
        outside, _ = await with_alert(world, receiver)
        await outside.deliver()
        assert (len(receiver.came), outbox(world)[0]["tries"]) == (1, 1)
        assert outbox(world)[0]["delivered_at"] == world.now


async def test_the_body_is_reference_clock_and_time_in_canonical_form(world: World) -> None:
    async with receiving() as receiver:
        outside, _ = await with_alert(world, receiver)
        await outside.deliver()
        [post] = receiver.came
    alert = world.rows("SELECT * FROM alert")[0]
    assert json.loads(post.body) == {
        "id": str(alert["id"]),
        "type": "alert",
        "case_id": str(alert["case_id"]),
        "clock_id": str(alert["clock_id"]),
        "reference": alert["reference"],
        "clock": "initial_checks",
        "rung": "due_soon-12h",
        "level": "officer",
        "due_on": "2026-05-06",
        "due_at": "2026-05-06T09:00:00+00:00",
    }
    assert post.body == json.dumps(json.loads(post.body), sort_keys=True, separators=(",", ":")).encode()


async def test_a_receiver_that_never_answers_is_a_task_for_the_administrator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARES_LAW_DELIVERY_TRIES", "2")
    settings.cache_clear()
    async with receiving() as receiver:
        outside, _ = await with_alert(world, receiver)
    for _ in range(3):
        await outside.deliver()  # nobody listens there any more
        world.forward(hours=1)
    tasks = await world.as_("administrator").must_get("/v1/tasks")
    [subscription] = world.rows("SELECT id FROM webhook_subscription")
    assert [(task["kind"], task["about"]) for task in tasks["items"]] == [("webhook_failing", str(subscription["id"]))]


async def test_while_a_secret_is_changed_both_sign_and_afterwards_the_new_one_alone(world: World) -> None:
    administrator = world.as_("administrator")
    async with receiving() as receiver:
        webhook, first = await subscribed(world, receiver.url)
        rotated = await administrator.must_post(f"/v1/webhooks/{webhook}/secret", {"overlap_hours": 2})
        outside = Outside(world, other_webhooks=of_machine())
        for hours in (1, 1):
            pinged = await administrator.must_post(f"/v1/webhooks/{webhook}/ping")
            await outside.deliver()
            assert receiver.came[-1].key == pinged["idempotency_key"]
            world.forward(hours=hours)
        await administrator.must_post(f"/v1/webhooks/{webhook}/ping")
        await outside.deliver()
        assert [(is_signed(post, first), is_signed(post, rotated["secret"])) for post in receiver.came] == [
            (True, True),
            (True, True),
            (False, True),
        ]
        assert set(json.loads(receiver.came[0].body)) == {"id", "type"}


async def test_a_disabled_webhook_gets_nothing_more_and_waiting_messages_are_dropped(world: World) -> None:
    administrator = world.as_("administrator")
    async with receiving() as receiver:
        outside, _ = await with_alert(world, receiver)
        [webhook] = await administrator.must_get("/v1/webhooks")
        await administrator.must_post(f"/v1/webhooks/{webhook['id']}/disable")
        await outside.deliver()
        world.forward(hours=12)
        await world.sweep()
        await outside.deliver()
        assert receiver.came == []
    assert [row["last_error"] for row in outbox(world)] == ["ReceiverGone"]
    assert world.rows("SELECT 1 FROM task") == []
    with world.unchanged():
        assert (await administrator.post(f"/v1/webhooks/{webhook['id']}/ping")).status_code == 409


async def test_secrets_are_shown_once_and_kept_sealed(world: World) -> None:
    webhook, secret = await subscribed(world, "https://alerts.northmoor.example/clares-law")
    listed = await world.as_("administrator").get("/v1/webhooks")
    assert secret not in listed.text
    [row] = world.rows("SELECT secret FROM webhook_subscription")
    assert bytes.fromhex(secret) not in bytes(row["secret"])
    with world.unchanged():
        again = await world.as_("administrator").post(f"/v1/webhooks/{uuid4()}/secret", {})
    assert again.status_code == 404
    assert webhook in listed.text


@pytest.mark.parametrize(
    "url",
    [
        "ftp://alerts.example/x",
        "https://user:pass@alerts.example/x",
        "https:///x",
        "https://alerts.example/x#part",
        "alerts.example",
        "https://alerts.example:99999/",
    ],
)
async def test_an_address_that_is_none_is_refused(world: World, url: str) -> None:
    with world.unchanged():
        answer = await world.as_("administrator").post("/v1/webhooks", {"url": url})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.43.8/",  # no https
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://2130706433/",  # 127.0.0.1 as one number
        "https://localhost/",
    ],
)
async def test_production_never_reaches_its_own_network(url: str) -> None:
    with pytest.raises(AddressRefused):
        await HttpWebhooks(timeout=2, private=False).post(url, b"{}", {})


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.43.8", True),
        ("2606:2800:220:1::1", True),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("fec0::1", False),
        ("192.88.99.1", False),
        ("2002:c058:6301::", False),
        ("64:ff9b:1::a00:1", False),
        ("2002:a00:1::", False),
        ("::ffff:192.0.43.8", True),
    ],
)
def test_public_is_what_the_whole_internet_reaches(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_sealed_secret_opens_for_its_row_and_under_its_key_alone() -> None:
    box, row = SecretBox(bytes(32)), uuid4()
    sealed = box.seal(b"secret", row)
    assert box.open(sealed, row) == b"secret"
    assert sealed != box.seal(b"secret", row)
    for other, about, changed in ((box, uuid4(), sealed), (SecretBox(bytes([1]) * 32), row, sealed), (box, row, b"")):
        with pytest.raises(SealBroken):
            other.open(changed, about)


async def test_production_without_a_key_or_https_has_no_webhook(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    production = Settings.model_construct(**{**settings().model_dump(), "environment": "production"})
    monkeypatch.setattr("app.channels.webhooks.settings", lambda: production)
    for url, status, says in (
        ("https://alerts.example/", 409, "CLARES_LAW_SECRETS_KEY_FILE"),
        ("http://alerts.example/", 422, "https://"),
    ):
        with world.unchanged():
            answer = await world.as_("administrator").post("/v1/webhooks", {"url": url})
        assert answer.status_code == status
        assert says in answer.text


async def test_mail_goes_over_smtp_and_never_unencrypted_where_that_was_asked() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@northmoor.example", "b@northmoor.example", "DVDS-1"
    message.set_content("Case: DVDS-1\n")
    async with mail_server() as server:
        await SmtpSender(SmtpServer("127.0.0.1", server.port, "none", timeout=5)).send(message)
        with pytest.raises(smtplib.SMTPNotSupportedError):
            await SmtpSender(SmtpServer("127.0.0.1", server.port, "starttls", timeout=5)).send(message)
        with pytest.raises(OSError):
            await SmtpSender(SmtpServer("127.0.0.1", server.port, "tls", timeout=5)).send(message)
        assert len(server.taken) == 1
        assert b"DVDS-1" in server.taken[0]


async def test_a_mail_server_that_drips_is_let_go_and_its_thread_with_it() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@northmoor.example", "b@northmoor.example", "DVDS-1"
    async with mail_server(drips=1) as server:
        sender = SmtpSender(SmtpServer("127.0.0.1", server.port, "none", timeout=5), at_once=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sender.send(message)
        async with asyncio.timeout(4):
            await sender.send(message)
        assert len(server.taken) == 1
