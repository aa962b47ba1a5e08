"""GOV.UK's file of bank holidays, fetched: what came, or that it is the one known already."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar, Protocol

import httpx

from app.errors import ClaresLawError

TIMEOUT_SECONDS = 10.0
"""For the whole answer: one that trickles in is as silent as none, and a worker that is to stop waits no longer."""
MOST_BYTES = 2_000_000
"""Forty times what the file has had; counted after decompression."""


class SourceUnreachable(ClaresLawError):
    """No answer, or one that the publisher itself calls a failure: tried again another day."""

    code: ClassVar[str] = "source_unreachable"


class SourceRefused(ClaresLawError):
    """An answer that is not the file, and will not become it by waiting."""

    code: ClassVar[str] = "source_refused"


@dataclass(frozen=True)
class Fetched:
    """The file and its ETag; `raw` is None where it is still the one whose ETag was sent."""

    raw: bytes | None
    etag: str | None


class BankHolidaySource(Protocol):
    """Where the published bank holidays come from."""

    async def fetch(self, etag: str | None) -> Fetched:
        """The file, unless it is still the one with this ETag. Raises SourceUnreachable or SourceRefused."""
        ...


class GovUk:
    """The file at an address. Redirects are not followed: whoever moves the file is looked at by a person first."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        most_bytes: int = MOST_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`timeout` is in seconds and for the whole answer; `transport` is the network unless a test brings one."""
        self._url, self._timeout, self._most_bytes, self._transport = url, timeout, most_bytes, transport

    async def fetch(self, etag: str | None) -> Fetched:
        """As the protocol says."""
        headers = {"Accept": "application/json"} | ({"If-None-Match": etag} if etag else {})
        try:
            async with (
                asyncio.timeout(self._timeout),
                httpx.AsyncClient(transport=self._transport, timeout=self._timeout, follow_redirects=False) as client,
                client.stream("GET", self._url, headers=headers) as answer,
            ):
                return await self._read(answer, etag)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            raise SourceUnreachable(f"No whole answer came ({type(error).__name__}).") from error

    async def _read(self, answer: httpx.Response, etag: str | None) -> Fetched:
        status = answer.status_code
        if status == HTTPStatus.NOT_MODIFIED and etag:
            return Fetched(None, etag)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise SourceUnreachable(f"The publisher answered {status}.")
        if answer.is_redirect:
            raise SourceRefused(f"The address answered {status}, a redirect, which is not followed.")
        if status != HTTPStatus.OK:
            raise SourceRefused(f"The address answered {status}.")
        raw = bytearray()
        async for part in answer.aiter_bytes():
            raw += part
            if len(raw) > self._most_bytes:
                raise SourceRefused(f"The file is longer than {self._most_bytes} bytes.")
        return Fetched(bytes(raw), answer.headers.get("ETag"))


@dataclass
class FakeBankHolidays:
    """Answers what it was given, in order, and keeps the ETags that it was asked with."""

    answers: list[Fetched | ClaresLawError]
    asked: list[str | None] = field(default_factory=list)

    async def fetch(self, etag: str | None) -> Fetched:
        """The next answer."""
        self.asked.append(etag)
        answer = self.answers.pop(0)
        if isinstance(answer, ClaresLawError):
            raise answer
        return answer
