"""The published file is fetched with a limit on time and size, and nothing but the file is taken for it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from app.outside.bank_holidays import Fetched, GovUk, SourceRefused, SourceUnreachable

URL = "https://www.gov.uk/bank-holidays.json"


def source(answer: Callable[[httpx.Request], httpx.Response], **limits: int) -> GovUk:
    return GovUk(URL, transport=httpx.MockTransport(answer), **limits)


async def test_the_file_comes_with_its_etag_and_the_one_known_is_not_sent_again() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"one"':
            return httpx.Response(304)
        return httpx.Response(200, content=b"{}", headers={"ETag": '"one"'})

    assert await source(answer).fetch(None) == Fetched(b"{}", '"one"')
    assert await source(answer).fetch('"one"') == Fetched(None, '"one"')
    assert asked == [None, '"one"']


@pytest.mark.parametrize("status", [301, 302, 304, 307, 308, 204, 400, 403, 404, 410])
async def test_what_is_not_the_file_is_refused_and_a_redirect_not_followed(status: int) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(status, headers={"Location": "https://elsewhere.example/bank-holidays.json"})

    with pytest.raises(SourceRefused, match=str(status)):
        await source(answer).fetch(None)
    assert seen == [URL]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_failing_publisher_is_tried_another_day(status: int) -> None:
    with pytest.raises(SourceUnreachable, match=str(status)):
        await source(lambda _: httpx.Response(status)).fetch(None)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
async def test_no_answer_is_tried_another_day(error: type[httpx.TransportError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("no")

    with pytest.raises(SourceUnreachable, match=error.__name__):
        await source(answer).fetch(None)


async def test_what_is_not_the_compression_it_says_is_no_answer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip"))

    with pytest.raises(SourceUnreachable, match="DecodingError"):
        await source(answer).fetch(None)


async def test_a_file_without_end_is_cut_off() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    with pytest.raises(SourceRefused, match="longer than 5000 bytes"):
        await source(lambda _: httpx.Response(200, content=endless()), most_bytes=5_000).fetch(None)
    assert sent < 100


async def test_a_file_that_trickles_in_is_given_up() -> None:
    async def slowly() -> AsyncIterator[bytes]:
        while True:
            yield b"{"
            await asyncio.sleep(0.01)

    answer = httpx.Response(200, content=slowly())
    with pytest.raises(SourceUnreachable, match="TimeoutError"):
        await GovUk(URL, timeout=0.2, transport=httpx.MockTransport(lambda _: answer)).fetch(None)
