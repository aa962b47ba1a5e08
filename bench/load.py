"""The load: a fixed number of connections, each sending its next request when the last is answered.

Requests are ready-made bytes and answers are read no further than needed, so that the client stays far from being
the bottleneck; every round says what share of a processor it took.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import cast

import uvloop

MakeRequest = Callable[[], bytes]


class UnexpectedAnswer(Exception):
    """The service did not answer as the bench expects: a number would mean nothing."""


@dataclass
class Round:
    """What one round measured; latencies in milliseconds, processor time in seconds."""

    seconds: float = 0.0
    client_share: float = 0.0
    server_seconds: float = 0.0
    database_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def answered(self) -> int:
        """Requests answered as expected."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.answered / self.seconds

    @property
    def processor(self) -> float:
        """Milliseconds of processor that the server took for a request."""
        return self.server_seconds / self.answered * 1000

    @property
    def database(self) -> float:
        """Milliseconds of processor that PostgreSQL took for a request."""
        return self.database_seconds / self.answered * 1000

    def percentile(self, percent: int) -> float:
        """The latency that `percent` of the answers did not exceed."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def closed_loop(
    port: int, make: MakeRequest, *, status: int, seconds: float, connections: int, at_least: int = 0
) -> Round:
    """As much as `connections` at once can ask for, for `seconds`, and until `at_least` so many are answered.

    Requests under way at the end are waited for.
    """
    return _measured(_closed(port, make, status, seconds, connections, at_least))


def steady(port: int, make: MakeRequest, *, status: int, seconds: float, rate: float, connections: int) -> Round:
    """`rate` requests a second, whether or not earlier ones are answered; latency counts from when each was due."""
    return _measured(_steady(port, make, status, seconds, rate, connections))


def _measured(work: Coroutine[None, None, Round]) -> Round:
    used = time.process_time()
    found = uvloop.run(work)
    found.client_share = (time.process_time() - used) / found.seconds
    return found


class _Connection(asyncio.Protocol):
    """One keep-alive connection; one request under way at a time."""

    def __init__(self, status: int) -> None:
        self._expected = str(status).encode()
        self._answered: asyncio.Future[None] | None = None
        self._received = b""
        self._whole = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, of no common class

    def ask(self, request: bytes) -> "asyncio.Future[None]":
        """Send a request; done when its answer has come, failed when it is not the one expected."""
        self._answered = asyncio.get_running_loop().create_future()
        self._received, self._whole = b"", 0
        self._transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end].lower()
            length = head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            self._whole = end + 4 + int(length)
        if len(self._received) >= self._whole and self._answered is not None and not self._answered.done():
            if self._received[9:12] == self._expected:
                self._answered.set_result(None)
            else:
                self._answered.set_exception(UnexpectedAnswer(self._received[:2000].decode(errors="replace")))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(UnexpectedAnswer(f"The connection was closed: {error}"))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def _connect(port: int, status: int, number: int) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Connection(status), "127.0.0.1", port) for _ in range(number)]
    return [connection for _, connection in made]


async def _closed(port: int, make: MakeRequest, status: int, seconds: float, number: int, at_least: int) -> Round:
    found = Round()
    connections = await _connect(port, status, number)
    began = time.perf_counter()

    async def keep_asking(connection: _Connection) -> None:
        while (asked := time.perf_counter()) - began < seconds or found.answered < at_least:
            await connection.ask(make())
            found.latencies.append((time.perf_counter() - asked) * 1000)

    await asyncio.gather(*(keep_asking(connection) for connection in connections))
    found.seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return found


async def _steady(port: int, make: MakeRequest, status: int, seconds: float, rate: float, number: int) -> Round:
    found = Round()
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in await _connect(port, status, number):
        idle.put_nowait(connection)
    began = time.perf_counter()

    async def ask(due: float) -> None:
        connection = await idle.get()
        try:
            await connection.ask(make())
            found.latencies.append((time.perf_counter() - due) * 1000)
        except UnexpectedAnswer:
            found.refused += 1  # more than it can carry, which is what this asks about
        idle.put_nowait(connection)

    async with asyncio.TaskGroup() as asking:
        for number_asked in range(int(seconds * rate)):
            due = began + number_asked / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            asking.create_task(ask(due))
    found.seconds = time.perf_counter() - began
    while not idle.empty():
        idle.get_nowait().close()
    return found
