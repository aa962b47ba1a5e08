"""The witness keeps lines in order and once: over torn ends, two writers, and a network that loses the answer."""

import asyncio
import hashlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.evidence.signing import witness_of
from app.outside.witness import MOST_BYTES, PREVIOUS, FakeWitness, FileWitness, HttpWitness, Witness, WitnessMoved
from app.outside.witness import WitnessUnreachable as Unreachable
from app.settings import Settings


def line(number: int, padding: int = 0) -> bytes:
    return json.dumps({"n": number, "padding": "x" * padding}).encode() + b"\n"


class Receiver:
    """A witness over HTTP, as somebody else would run it; it may lose answers."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.loses = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, content=self.kept[-1]) if self.kept else httpx.Response(204)
        newest = hashlib.sha256(self.kept[-1]).hexdigest() if self.kept else ""
        if not (self.kept and self.kept[-1] == request.content):
            if request.headers[PREVIOUS] != newest:
                return httpx.Response(409)
            self.kept.append(request.content)
        if self.loses:
            self.loses -= 1
            raise httpx.ReadError("lost")
        return httpx.Response(200)


def kinds(folder: Path) -> list[Witness]:
    return [
        FileWitness(folder / "sub" / "witness.jsonl"),
        HttpWitness("http://witness.test/", transport=httpx.MockTransport(Receiver())),
        FakeWitness(),
    ]


async def test_every_witness_takes_lines_in_order_and_once(tmp_path: Path) -> None:
    for witness in kinds(tmp_path):
        assert await witness.newest() is None
        with pytest.raises(WitnessMoved):
            await witness.take(line(1), after=line(0))
        before = None
        for number in range(5):
            await witness.take(line(number), after=before)
            await witness.take(line(number), after=before)
            before = line(number)
            assert await witness.newest() == before
        with pytest.raises(WitnessMoved):
            await witness.take(line(9), after=line(2))
        assert await witness.newest() == line(4)


async def test_a_lost_answer_is_asked_for_again_and_nothing_is_doubled() -> None:
    receiver = Receiver()
    witness = HttpWitness("http://witness.test/", transport=httpx.MockTransport(receiver))
    receiver.loses = 2
    for _ in range(2):
        with pytest.raises(Unreachable):
            await witness.take(line(1), after=None)
    await witness.take(line(1), after=None)
    assert receiver.kept == [line(1)]


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_an_answer_that_says_nothing_is_no_answer(status: int) -> None:
    witness = HttpWitness("http://witness.test/", transport=httpx.MockTransport(lambda _: httpx.Response(status)))
    with pytest.raises(Unreachable):
        await witness.newest()


@pytest.mark.parametrize(
    ("method", "status"), [("GET", s) for s in (201, 202, 206, 409)] + [("POST", 202), ("POST", 206)]
)
async def test_an_answer_that_means_something_else_is_no_answer(method: str, status: int) -> None:
    witness = HttpWitness("http://witness.test/", transport=httpx.MockTransport(lambda _: httpx.Response(status)))
    with pytest.raises(Unreachable):
        await (witness.newest() if method == "GET" else witness.take(line(1), after=None))


async def test_a_token_is_read_each_time_and_sent_as_a_bearers(tmp_path: Path) -> None:
    told: list[str | None] = []

    receiver = Receiver()

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(request.headers.get("Authorization"))
        return receiver(request)

    token = tmp_path / "token"
    witness = HttpWitness("http://witness.test/", token_file=token, transport=httpx.MockTransport(answer))
    with pytest.raises(Unreachable):
        await witness.newest()
    for word in ("first", "second"):
        token.write_text(f"{word}\n")
        await witness.newest()
    await witness.take(line(1), after=None)
    assert told == ["Bearer first", *["Bearer second"] * 3]


@pytest.mark.parametrize("status", [200, 201, 204])
async def test_what_says_yes_to_everything_has_taken_nothing(status: int) -> None:
    """A proxy before the witness, which throws the line away."""
    receiver = Receiver()
    receiver.kept.append(line(0))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status if request.method == "POST" else 204)

    def forgets(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status) if request.method == "POST" else receiver(request)

    for proxy in (answer, forgets):
        witness = HttpWitness("http://witness.test/", transport=httpx.MockTransport(proxy))
        with pytest.raises(Unreachable):
            await witness.take(line(1), after=line(0))


PAGES = {
    "a page": b"<!doctype html><title>Please sign in</title>\n",
    "nothing": b"",
    "JSON that is no line": b'{"status": "ok"}',
    "a line without its end": line(1)[:-1],
    "two lines": line(1) + line(2),
}


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_is_no_newest_line(page: str) -> None:
    witness = HttpWitness(
        "http://witness.test/", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=PAGES[page]))
    )
    with pytest.raises(Unreachable):
        await witness.newest()


async def test_what_is_no_line_of_a_log_is_no_answer_of_the_witness_that_the_settings_name() -> None:
    witness = witness_of(Settings(witness_url="http://witness.test/"))
    assert isinstance(witness, HttpWitness)
    witness._transport = httpx.MockTransport(lambda _: httpx.Response(200, content=line(1)))
    with pytest.raises(Unreachable, match="no witness"):
        await witness.newest()


@pytest.mark.parametrize("packed", [False, True])
async def test_no_more_is_read_than_a_line_may_have(packed: bool) -> None:
    given = 0

    async def many_lines() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(2 * MOST_BYTES // 100_000):
            given += 1
            yield b"x" * 100_000

    headers = {"Content-Encoding": "gzip"} if packed else {}
    witness = HttpWitness(
        "http://witness.test/",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=many_lines(), headers=headers)),
    )
    with pytest.raises(Unreachable):
        await witness.newest()
    assert given <= MOST_BYTES // 100_000 + 2


async def test_the_newest_line_is_found_however_long_it_is(tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "witness.jsonl")
    before = None
    for number, padding in enumerate((10, 70_000, 300_000, 0)):
        await witness.take(line(number, padding), after=before)
        before = line(number, padding)
        assert await witness.newest() == before


_LONG = line(2, 380)


@given(st.integers(1, len(_LONG)))
@example(len(_LONG) - 1)
def test_a_line_torn_anywhere_is_written_again_and_what_was_there_stays(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "witness.jsonl"
        witness = FileWitness(path)
        asyncio.run(witness.take(line(1), after=None))
        torn = path.read_bytes() + _LONG[:cut]
        path.write_bytes(torn)
        assert asyncio.run(witness.newest()) == (_LONG if cut == len(_LONG) else line(1))
        asyncio.run(witness.take(_LONG, after=line(1)))
        assert path.read_bytes().startswith(torn)
        assert asyncio.run(witness.newest()) == _LONG
        assert path.read_bytes().splitlines().count(_LONG.rstrip()) == 1
