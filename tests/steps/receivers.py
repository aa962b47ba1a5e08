"""Receivers on a real port of this machine: an HTTP one that misbehaves as told, and a plain SMTP one."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Post:
    """One request as it came over the wire."""

    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass
class Receiver:
    """Takes posts and answers as its script says, then with 200. It keeps each idempotency key once."""

    script: list[str] = field(default_factory=list)
    came: list[Post] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            post = Post(headers, await reader.readexactly(int(headers["content-length"])))
            self.came.append(post)
            await self._answer(self.script.pop(0) if self.script else "ok", post, writer)
        writer.close()

    async def _answer(self, how: str, post: Post, writer: asyncio.StreamWriter) -> None:
        if how == "silent":
            await asyncio.sleep(3600)
        if how == "slow":
            await asyncio.sleep(0.3)
        if how == "refuses":
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
        elif how == "redirects":
            writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        else:
            self.kept.setdefault(post.key, post.body)
            length = 10_000_000 if how == "endless" else 100 if how == "closes" else 2
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nok".encode())
            if how == "endless":
                writer.write(b"x" * 1_000_000)
        await writer.drain()


@asynccontextmanager
async def receiving(*script: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that answers until the end of the block, over TLS where it is given what that takes."""
    receiver = Receiver(list(script))
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@dataclass
class MailServer:
    """Takes mail over SMTP, encrypted once that is asked for where it has `starttls`; `taken` is what came.

    The first `drips` connections are answered by one letter after another, without an end.
    """

    drips: int = 0
    starttls: ssl.SSLContext | None = None
    taken: list[bytes] = field(default_factory=list)
    port: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        if self.drips:
            self.drips -= 1
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"2")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            return
        while line := await reader.readline():
            match line.strip().upper().split(b" ")[0]:
                case b"EHLO" if self.starttls and not writer.get_extra_info("sslcontext"):
                    writer.write(b"250-here\r\n250 STARTTLS\r\n")
                case b"STARTTLS" if self.starttls:
                    writer.write(b"220 go on\r\n")
                    await writer.start_tls(self.starttls)
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.taken.append((await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n"))
                    writer.write(b"250 taken\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 yes\r\n")
        writer.close()


@asynccontextmanager
async def mail_server(
    *, drips: int = 0, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    """A mail server until the end of the block: plain, over TLS from the start, or once it is asked for."""
    taking = MailServer(drips, starttls)
    server = await asyncio.start_server(taking.answer, "127.0.0.1", 0, ssl=tls)
    taking.port = server.sockets[0].getsockname()[1]
    yield taking
    server.close()
