"""Webhooks and mail over TLS to real receivers: a certificate counts for the name it was asked for, or not at all."""

import asyncio
import smtplib
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.deadlines.delivery import senders
from app.outside.mail import SmtpSender, SmtpServer
from app.outside.webhooks import HttpWebhooks
from app.settings import Settings
from tests.steps.certificates import Authority
from tests.steps.receivers import MailServer, mail_server, receiving

HOST = "receiver.example"
HEADERS = {"Idempotency-Key": "one"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.found(tmp_path)


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; HOST leads to this machine, and on a second look-up to nowhere."""
    names: list[str] = []
    real = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def look_up(self: Any, host: str, port: int, **more: Any) -> Any:
        names.append(host)
        if host != HOST:
            return await real(self, host, port, **more)
        if names.count(HOST) > 1:
            raise socket.gaierror("moved")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", look_up)
    return names


async def test_a_webhook_is_taken_where_the_certificate_is_the_names_though_an_address_is_asked(
    authority: Authority, looked_up: list[str]
) -> None:
    async with receiving(tls=authority.serving(HOST)) as receiver:
        sender = HttpWebhooks(timeout=10, private=True, ca_file=authority.file)
        await sender.post(f"https://{HOST}:{receiver.port}/alerts", b"{}", HEADERS)
    assert [post.headers["host"] for post in receiver.came] == [f"{HOST}:{receiver.port}"]
    assert receiver.kept == {"one": b"{}"}
    assert looked_up.count(HOST) == 1


@pytest.mark.parametrize("wrong", ["name", "expired", "authority", "public"])
async def test_a_webhook_is_not_sent_where_the_certificate_does_not_verify(
    authority: Authority, looked_up: list[str], tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = {
        "name": lambda: authority.serving("elsewhere.example"),
        "expired": lambda: authority.serving(HOST, days=-1),
        "authority": lambda: Authority.found(tmp_path, "another").serving(HOST),
        "public": lambda: authority.serving(HOST),
    }[wrong]()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # the environment has no say
    ca_file = None if wrong == "public" else authority.file
    async with receiving(tls=serving) as receiver:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            sender = HttpWebhooks(timeout=10, private=True, ca_file=ca_file)
            await sender.post(f"https://{HOST}:{receiver.port}/alerts", b"{}", HEADERS)
    assert receiver.came == []


async def test_the_setting_names_the_authorities_of_both_channels(
    authority: Authority, looked_up: list[str], tmp_path: Path
) -> None:
    mail = {"smtp_host": "localhost", "mail_from": "clares-law@police.example", "mail_domains": "police.example"}
    async with (
        receiving(tls=authority.serving(HOST)) as receiver,
        mail_server(starttls=authority.serving("localhost")) as server,
    ):
        given: dict[str, Any] = {**mail, "smtp_port": server.port, "ca_file": authority.file}
        by = senders(Settings(_env_file=None, **given))
        assert by.webhooks is not None and by.mail is not None
        await by.webhooks.post(f"https://{HOST}:{receiver.port}/alerts", b"{}", HEADERS)
        await by.mail.send(_message())
    assert (len(receiver.came), len(server.taken)) == (1, 1)
    with pytest.raises(ValueError, match="ca_file"):
        Settings(_env_file=None, ca_file=tmp_path / "none.pem")


def _message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@police.example", "b@police.example", "DVDS-ABCDEFGH"
    message.set_content("One alert.")
    return message


def _serving_mail(security: str, serving: ssl.SSLContext) -> AbstractAsyncContextManager[MailServer]:
    return mail_server(tls=serving) if security == "tls" else mail_server(starttls=serving)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_mail_is_handed_over_encrypted(authority: Authority, security: Any) -> None:
    serving = authority.serving("localhost")
    async with _serving_mail(security, serving) as server:
        at = SmtpServer("localhost", server.port, security, timeout=10, ca_file=authority.file)
        await SmtpSender(at).send(_message())
    assert b"One alert." in server.taken[0]


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("wrong", ["name", "expired", "authority", "machine"])
async def test_mail_is_not_handed_to_a_server_whose_certificate_does_not_verify(
    authority: Authority, tmp_path: Path, security: Any, wrong: str
) -> None:
    serving = {
        "name": lambda: authority.serving("elsewhere.example"),
        "expired": lambda: authority.serving("localhost", days=-1),
        "authority": lambda: Authority.found(tmp_path, "another").serving("localhost"),
        "machine": lambda: authority.serving("localhost"),
    }[wrong]()
    ca_file = None if wrong == "machine" else authority.file
    async with _serving_mail(security, serving) as server:
        at = SmtpServer("localhost", server.port, security, timeout=10, ca_file=ca_file)
        with pytest.raises(ssl.SSLCertVerificationError):
            await SmtpSender(at).send(_message())
    assert server.taken == []


async def test_mail_is_not_handed_to_a_server_that_offers_no_encryption(authority: Authority) -> None:
    async with mail_server() as server:
        at = SmtpServer("localhost", server.port, "starttls", timeout=10, ca_file=authority.file)
        with pytest.raises(smtplib.SMTPNotSupportedError):
            await SmtpSender(at).send(_message())
        with pytest.raises(ssl.SSLError):
            await SmtpSender(SmtpServer("localhost", server.port, "tls", timeout=10)).send(_message())
    assert server.taken == []
