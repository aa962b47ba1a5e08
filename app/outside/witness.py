"""The witness: keeps what it is told, in order, where whoever holds the database cannot reach.

It knows nothing of what it keeps. A line is taken only after the line that its writer saw as the newest: two writers
never make two histories, and a line sent again after a crash is found to be there and not doubled.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Protocol

import httpx

from app.errors import ClaresLawError

TIMEOUT_SECONDS = 10.0
"""For the whole answer of a witness over HTTP."""
PREVIOUS = "Clares-Law-Previous"
"""The header with the SHA-256 of the line that the new one comes after; empty for the first."""
MOST_BYTES = 4_000_000
_OF_GET = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})
_OF_POST = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT, HTTPStatus.CONFLICT})
_CHUNK = 64 * 1024


class WitnessUnreachable(ClaresLawError):
    """Nobody knows whether the witness took it: tried again."""

    code: ClassVar[str] = "witness_unreachable"


class WitnessMoved(ClaresLawError):
    """The witness holds another newest line than the writer saw."""

    code: ClassVar[str] = "witness_moved"


class Witness(Protocol):
    """Keeps lines for ever. A line ends with its only newline."""

    async def newest(self) -> bytes | None:
        """The line taken last; None where there is none. Raises WitnessUnreachable."""
        ...

    async def take(self, line: bytes, *, after: bytes | None) -> None:
        """Return once the line is kept for good. Raises WitnessMoved unless the newest is `after` or this line."""
        ...


class FileWitness:
    """A file that is only ever appended to; a remote mount, a write-once disk, a folder of another account.

    A line that was torn by a crash stays as it is, ended by a newline, and is written again: readers pass over it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def newest(self) -> bytes | None:
        """As the protocol says."""
        return await asyncio.to_thread(self._newest)

    async def take(self, line: bytes, *, after: bytes | None) -> None:
        """As the protocol says; on disk when it returns."""
        await asyncio.to_thread(self._take, line, after)

    def _newest(self) -> bytes | None:
        try:
            with self._path.open("rb") as held:
                return _last_whole_line(held.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WitnessUnreachable(f"The witness's file cannot be read ({type(error).__name__}).") from error

    def _take(self, line: bytes, after: bytes | None) -> None:
        try:
            self._append(line, after)
        except OSError as error:
            raise WitnessUnreachable(f"The witness's file cannot be written ({type(error).__name__}).") from error

    def _append(self, line: bytes, after: bytes | None) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            found = _last_whole_line(descriptor)
            if found != line:
                if found != after:
                    raise WitnessMoved("Somebody else has written to the witness.")
                _write_all(descriptor, _what_is_missing(descriptor, line))
            os.fsync(descriptor)  # also where the line is there: who wrote it may have died before this
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            os.close(descriptor)


def is_whole(line: bytes) -> bool:
    """Whether a line was written to its end: it is JSON, which no beginning of it is."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _what_is_missing(descriptor: int, line: bytes) -> bytes:
    """The line, after an end to whatever was torn before it; its newline alone, where nothing else is missing."""
    size = os.fstat(descriptor).st_size
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return line
    start = size - len(line) + 1
    there = start >= 0 and os.pread(descriptor, len(line), start) == line[:-1]
    return b"\n" if there else b"\n" + line


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _last_whole_line(descriptor: int) -> bytes | None:
    """Read from the end backwards until a line stands that was written whole."""
    place, tail = os.fstat(descriptor).st_size, b""
    while True:
        lines = tail.splitlines(keepends=True)
        for line in reversed(lines[1:] if place else lines):
            if is_whole(line):
                return line
        if not place:
            return None
        step = min(max(_CHUNK, len(tail)), place)
        place -= step
        tail = os.pread(descriptor, step, place) + tail


class HttpWitness:
    """A witness at an address: GET answers 200 and the newest line, or 204; POST takes one by 200, 201 or 204.

    409 to a POST says that it moved. Any other answer is none: least of all does it say that the witness is empty.
    What answers may be something that stands before the witness: a line was taken where the witness then shows it.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
        is_line: Callable[[bytes], bool] = is_whole,
    ) -> None:
        """`timeout` is in seconds and for the whole answer; `transport` is the network unless a test brings one.

        What is no line by `is_line` is no answer of a witness, whatever its status.

        The token of `token_file` is sent as a bearer's. The witness's certificate must verify by the authorities in
        `ca_file`, else by the public ones.
        """
        self._url, self._token_file, self._timeout, self._transport = url, token_file, timeout, transport
        self._is_line = is_line
        # Made once: it reads a file of certificates.
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()

    async def newest(self) -> bytes | None:
        """As the protocol says."""
        status, body = await self._send("GET", means=_OF_GET)
        if status != HTTPStatus.OK:
            return None
        if not self._is_line(body):
            raise WitnessUnreachable("What answered is no witness: its newest line is none.")
        return body

    async def take(self, line: bytes, *, after: bytes | None) -> None:
        """As the protocol says: asked for when it was sent; sent again after a failure, it is found to be there."""
        previous = hashlib.sha256(after).hexdigest() if after else ""
        headers = {PREVIOUS: previous, "Content-Type": "application/json"}
        status, _ = await self._send("POST", means=_OF_POST, content=line, headers=headers)
        if status == HTTPStatus.CONFLICT:
            raise WitnessMoved("The witness has moved on.")
        if await self.newest() != line:
            raise WitnessUnreachable("What answered took the line, and the witness does not show it.")

    async def _send(
        self,
        method: str,
        *,
        means: frozenset[int],
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """The status and the body as it came, of which no more is read than a line may have."""
        sent = {**(headers or {}), **self._authorization(), "Accept-Encoding": "identity"}
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpx.AsyncClient(
                    transport=self._transport, verify=self._tls, timeout=self._timeout, trust_env=False
                ) as http,
                http.stream(method, self._url, content=content, headers=sent) as answer,
            ):
                packed = answer.headers.get("Content-Encoding", "identity") != "identity"  # a few bytes may be many
                if answer.status_code not in means or packed:
                    raise WitnessUnreachable(f"The witness answered {answer.status_code}.")
                body = bytearray()
                async for part in answer.aiter_bytes(_CHUNK):
                    body += part
                    if len(body) > MOST_BYTES:
                        raise WitnessUnreachable("The witness answered more than a line.")
        except (httpx.TransportError, TimeoutError) as error:
            raise WitnessUnreachable(f"The witness gave no whole answer ({type(error).__name__}).") from error
        return answer.status_code, bytes(body)

    def _authorization(self) -> dict[str, str]:
        """Read each time: whatever renews the token writes it anew."""
        if self._token_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {self._token_file.read_text().strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise WitnessUnreachable(f"The witness's token cannot be read ({type(error).__name__}).") from error


@dataclass
class FakeWitness:
    """Keeps lines in memory; `fails` times it takes a line and does not say so."""

    lines: list[bytes] = field(default_factory=list)
    fails: int = 0

    async def newest(self) -> bytes | None:
        """The line taken last."""
        return self.lines[-1] if self.lines else None

    async def take(self, line: bytes, *, after: bytes | None) -> None:
        """Take a line as the protocol says."""
        newest = await self.newest()
        if newest != line:
            if newest != after:
                raise WitnessMoved("The witness has moved on.")
            self.lines.append(line)
        if self.fails:
            self.fails -= 1
            raise WitnessUnreachable("The witness gave no whole answer.")
