"""Mail to staff: real over SMTP, encrypted on the way unless a demonstration says otherwise; a fake that keeps it."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from app.errors import ClaresLawError


class MailboxRefused(ClaresLawError):
    """The mail server takes nothing for this address; others it may serve well."""

    code: ClassVar[str] = "mailbox_refused"


class MailSender(Protocol):
    """Hands one message to a mail server, or raises: then nobody knows whether it was taken."""

    async def send(self, message: EmailMessage) -> None:
        """Send to the addresses of `To`."""


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed over. `timeout` is seconds for each answer of the server.

    Its certificate must verify by the authorities in `ca_file`, else by those that the machine trusts.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: str | None = None
    timeout: float = 10.0
    ca_file: Path | None = None


class SmtpSender:
    """Mail by SMTP, in a thread, one connection a message: alerts are few, and a kept connection goes stale.

    The threads are its own: a mail server that hangs must not hold up name look-ups, which share the loop's.
    """

    def __init__(self, server: SmtpServer, *, at_once: int = 5) -> None:
        """`at_once` connections are open at most; what comes meanwhile waits for one of them."""
        self._server = server
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="mail")

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over. Raises MailboxRefused, OSError, ssl.SSLError or smtplib.SMTPException.

        Whoever gives up waiting ends the connection, and with it the thread.
        """
        opened: list[smtplib.SMTP] = []
        given_up = False

        def hand_over() -> None:
            self._send(message, opened, lambda: given_up)

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, hand_over)
        except asyncio.CancelledError:
            given_up = True
            for connection in opened:
                _cut(connection)
            raise

    def _send(self, message: EmailMessage, opened: list[smtplib.SMTP], given_up: Callable[[], bool]) -> None:
        at = self._server
        if at.security == "tls":
            context = ssl.create_default_context(cafile=at.ca_file)
            connection: smtplib.SMTP = smtplib.SMTP_SSL(at.host, at.port, timeout=at.timeout, context=context)
        else:
            connection = smtplib.SMTP(at.host, at.port, timeout=at.timeout)
        with connection:
            opened.append(connection)
            if given_up():
                connection.close()  # or leaving says farewell, and waits for an answer to it
                return
            if at.security == "starttls":
                # Raises where the server offers none.
                connection.starttls(context=ssl.create_default_context(cafile=at.ca_file))
            if at.user is not None:
                connection.login(at.user, at.password or "")
            try:
                connection.send_message(message)
            except smtplib.SMTPRecipientsRefused:
                raise MailboxRefused from None


def _cut(connection: smtplib.SMTP) -> None:
    """End what the thread of a connection waits for; it closes the socket itself."""
    if (held := connection.sock) is not None:
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)


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
