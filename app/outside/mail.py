"""Mail to staff: real over SMTP, encrypted on the way unless a demonstration says otherwise; a fake that keeps it."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal, Protocol


class MailSender(Protocol):
    """Hands one message to a mail server, or raises: then nobody knows whether it was taken."""

    async def send(self, message: EmailMessage) -> None:
        """Send to the addresses of `To`."""


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed over. `timeout` is seconds for each answer of the server."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: str | None = None
    timeout: float = 10.0


class SmtpSender:
    """Mail by SMTP, in a thread, one connection a message: alerts are few, and a kept connection goes stale."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over. Raises OSError, ssl.SSLError or smtplib.SMTPException."""
        await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        at = self._server
        if at.security == "tls":
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(at.host, at.port, timeout=at.timeout, context=context)
        else:
            connection = smtplib.SMTP(at.host, at.port, timeout=at.timeout)
        with connection:
            if at.security == "starttls":
                connection.starttls(context=ssl.create_default_context())  # raises where the server offers none
            if at.user is not None:
                connection.login(at.user, at.password or "")
            connection.send_message(message)


@dataclass
class KeptMail:
    """The fake: keeps the bytes of what it was given, after raising `failures` in turn."""

    sent: list[bytes] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def send(self, message: EmailMessage) -> None:
        """Keep the message as it would travel."""
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message.as_bytes())
