"""Requests that are cut off, by whoever asks or by the server: no right, no transaction, no connection is left over."""

import asyncio
import contextlib
import json
import random
import socket
import struct
from pathlib import Path

import pytest
from sqlalchemy import event, text

from tests.faults.asking import Ask, Asked, arranged, every_connection_is_free, headers_of, settled, storm
from tests.faults.probed import looking, settings_in_use
from tests.journeys.journey import Journey
from tests.journeys.running import running
from tests.world import START, World

CONNECTIONS = 5
_SIZES = [
    pytest.param(400, id="short"),
    pytest.param(5_000, id="full", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
]


@pytest.mark.parametrize("number", _SIZES)
async def test_cancelled_tasks_leave_nothing_behind(world: World, number: int) -> None:
    asked = await arranged(world)
    assert world.api is not None
    pool = world.api.state.sessions.kw["bind"].sync_engine.pool
    assert pool.size() == CONNECTIONS
    found: list[str] = []
    event.listen(pool, "checkin", looking(found.append))
    await storm(asked, number)
    await settled(world.url)
    for _ in range(200):  # what was cut off gives its connection back a moment after the server knows
        if not pool.checkedout():
            break
        await asyncio.sleep(0.05)
    assert pool.checkedout() == 0
    await every_connection_is_free(asked, CONNECTIONS)
    asked.assert_true()
    assert len(asked.cut) > number / 5, "enough were cut off"
    assert len(found) >= len(asked.answered)
    assert not [line for line in found if line]


@pytest.mark.parametrize("number", _SIZES)
async def test_clients_that_hang_up_leave_nothing_behind(database: str, tmp_path: Path, number: int) -> None:
    found = tmp_path / "probed"
    more = {
        "CLARES_LAW_POOL_SIZE": str(CONNECTIONS),
        "CLARES_LAW_POOL_TIMEOUT_SECONDS": "25",  # those who hang up are worked for all the same, and others wait
        "CLARES_LAW_LOCK_TIMEOUT_SECONDS": "60",  # until all wait for the lock that shows them
        "CLARES_LAW_STREAM_SECONDS": "3",
        "PROBED": str(found),
    }
    async with running(database, tmp_path, at=START, more=more, module="tests.faults.probed") as service:
        world = Journey(service.url, service.http, service.issuer, service.clock_file, service=service, name="")
        asked = await arranged(world)
        await storm(asked, number, cutting=_hang_up)
        await settled(world.url)
        await every_connection_is_free(asked, CONNECTIONS)
        asked.assert_true()
        assert len(asked.cut) > number / 5, "enough were cut off"
        lines = found.read_text().splitlines()
        assert len(lines) > len(asked.answered)
        assert not [line for line in lines if line]


async def test_the_look_finds_what_a_session_would_leave(world: World) -> None:
    assert world.api is not None
    opened = world.api.state.sessions
    assert {"app.force_id", "app.agenda", "app.withheld", "app.reads_log"} <= set(settings_in_use())
    found: list[str] = []
    event.listen(opened.kw["bind"].sync_engine.pool, "checkin", looking(found.append))
    for local in (True, False):
        async with opened.begin() as session:
            await session.execute(text("SELECT set_config('app.force_id', 'northmoor', :local)"), {"local": local})
    assert found == ["", "app.force_id=northmoor"]


async def _hang_up(asked: Asked, ask: Ask, request_id: str, chance: random.Random) -> None:
    """Over a socket of one's own: a body that is never whole, an answer nobody waits for, a stream that is left."""
    if chance.random() < 0.3:
        ask = Ask("officer", "GET", "/v1/alerts/stream")
    asked.cut[request_id] = ask
    host = asked.world.http.base_url
    _, writer = await asyncio.open_connection(host.host, host.port)
    body = json.dumps(ask.with_id(request_id) or {}).encode() if ask.method == "POST" else b""
    headers = {"Host": "service", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{ask.method} {ask.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**headers, **headers_of(asked.world, ask, request_id)}.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    sent = chance.choice((head + body, head + body[: len(body) // 2], head[: chance.randrange(len(head))]))
    writer.write(sent)
    await writer.drain()
    await asyncio.sleep(chance.uniform(0, 0.1))
    if chance.random() < 0.5:  # a reset instead of a farewell
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
