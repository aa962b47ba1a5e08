"""A body is refused by its length before anybody is known, and what is held of it stays bounded."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.routes.bounding import MAX_BODY_BYTES
from tests.serving import served
from tests.steps import intake
from tests.world import World

CHUNK = b"x" * 100_000
ENOUGH = MAX_BODY_BYTES // len(CHUNK)


class Sent:
    """A body that never ends by itself, and how much of it was taken."""

    def __init__(self) -> None:
        self.taken = 0

    async def body(self) -> AsyncIterator[bytes]:
        while self.taken < 1000:
            self.taken += 1
            yield CHUNK


@pytest.mark.parametrize("path", ["/v1/applications", "/v1/tasks/x/answer", "/v1/calendar-feeds"])
async def test_a_body_in_chunks_is_read_up_to_the_limit_and_no_further(world: World, path: str) -> None:
    sent = Sent()
    with world.unchanged(refusals=0):
        answer = await world.http.post(path, content=sent.body())
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "body")
    assert "longer than" in answer.json()["detail"]
    assert sent.taken <= ENOUGH + 2


@pytest.mark.parametrize("said", [str(MAX_BODY_BYTES + 1), "20000000000", "9" * 40])
@pytest.mark.parametrize("path", ["/v1/applications", "/health/live", "/nowhere"])
async def test_one_that_says_it_is_longer_is_not_read_at_all(world: World, path: str, said: str) -> None:
    sent = Sent()
    with world.unchanged(refusals=0):
        answer = await world.http.post(path, content=sent.body(), headers={"Content-Length": said})
    assert (answer.status_code, answer.headers["Connection"], sent.taken) == (422, "close", 0)
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


async def test_a_body_of_the_greatest_length_is_read(world: World) -> None:
    body = intake.right_to_ask(world)
    filled = str(body).encode()
    kept = await world.as_("control_room").http.post(
        "/v1/applications",
        content=b" " * (MAX_BODY_BYTES - len(filled)) + filled,
        headers={"Authorization": f"Bearer {world.as_('control_room').token}", "Content-Type": "application/json"},
    )
    assert "longer than" not in kept.text


async def test_a_server_answers_it_while_it_is_under_way(world: World) -> None:
    head = "POST /v1/applications HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with served(world) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        for _ in range(ENOUGH + 3):
            writer.write(f"{len(CHUNK):x}\r\n".encode() + CHUNK + b"\r\n")
        async with asyncio.timeout(30):
            assert b" 422 " in await reader.readline(), "though the last chunk never comes"
        writer.close()
