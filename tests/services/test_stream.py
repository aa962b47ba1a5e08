"""Server-sent events over a real port: new alerts with ids, nothing missed on coming back, ended with the rights."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.access.rules import Actor
from app.deadlines import stream
from app.settings import settings
from app.storage.migrations import conninfo
from tests.serving import PATIENCE, served, until
from tests.steps.channels import held_case
from tests.world import STAFF, World

PATH = "/v1/alerts/stream"


@pytest.fixture
async def port(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The service on a port of this machine, whose streams last a minute and look often."""
    monkeypatch.setenv("CLARES_LAW_STREAM_SECONDS", "60")
    settings.cache_clear()
    monkeypatch.setattr(stream, "LOOKS_EVERY", 0.05)
    async with served(world) as opened:
        yield opened


@asynccontextmanager
async def listening(port: int, token: str, after: str | None = None) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream, once it has begun."""
    headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": after} if after else {})
    async with (
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
        http.stream("GET", f"http://127.0.0.1:{port}{PATH}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        async with aclosing(lines):  # type: ignore[type-var]
            yield lines


async def next_event(lines: AsyncIterator[str]) -> dict[str, Any]:
    """The next event that says something; an opening one says its id alone."""
    event: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE):
        async for line in lines:
            if not line and "id" in event:
                return event
            name, _, value = line.partition(": ")
            event[name] = value
    raise AssertionError("the stream ended")


async def has_ended(lines: AsyncIterator[str]) -> bool:
    async with asyncio.timeout(PATIENCE):
        async for _ in lines:
            continue
    return True


async def test_new_alerts_of_ones_own_inbox_come_with_ids_and_nothing_is_missed_on_coming_back(
    world: World, port: int
) -> None:
    own, others = await held_case(world), await held_case(world, by="officer2", subject={"surname": "Other"})
    token = world.as_("officer").token
    async with listening(port, token) as lines:
        opening = await next_event(lines)
        world.forward(hours=13)
        await world.sweep()
        first = await next_event(lines)
        said = json.loads(first["data"])
        assert (first["event"], said["case_id"], said["rung"]) == ("alert", own, "due_soon-12h")
    world.forward(hours=8)
    await world.sweep()
    async with listening(port, token, first["id"]) as lines:
        assert (await next_event(lines))["id"] == first["id"]  # where it goes on from
        assert json.loads((await next_event(lines))["data"])["rung"] == "due_soon-4h"
    async with listening(port, token, opening["id"]) as lines:
        await next_event(lines)
        rungs = [json.loads((await next_event(lines))["data"])["rung"] for _ in range(2)]
        assert rungs == ["due_soon-12h", "due_soon-4h"]
    assert others not in str(said)
    logged = world.rows(
        "SELECT case_id, count(*) AS n FROM access_log WHERE action = 'read_alerts' AND category = 'consultation' "
        "AND staff_id = %s AND role = 'public_protection_officer' AND NOT refused GROUP BY case_id",
        STAFF["officer"].id,
    )
    assert {str(row["case_id"]): row["n"] for row in logged} == {"None": 3, own: 3}  # opened, and told of the case


async def test_an_alert_whose_transaction_ends_late_is_not_overlooked(world: World, port: int) -> None:
    early = await held_case(world)
    late = await held_case(world, subject={"surname": "Other"})
    world.forward(hours=13)
    copied = (
        "INSERT INTO alert (id, case_id, force_id, clock_id, clock_kind, reference, rung, level, due_on, due_at, "
        "fell_at, recorded_at, superseded) SELECT gen_random_uuid(), case_id, force_id, id, kind, reference, "
        "'due_soon-12h', 'officer', due_on, due_at, due_at, due_at, false FROM clock "
        "WHERE kind = 'initial_checks' AND case_id = %s"
    )
    async with listening(port, world.as_("officer").token) as lines:
        await next_event(lines)
        with psycopg.connect(conninfo(world.url)) as slow:
            slow.execute(copied, [late])
            world.execute(copied, early)  # begun after it, and ended before
            await asyncio.sleep(0.3)
        seen = {json.loads((await next_event(lines))["data"])["case_id"] for _ in range(2)}
    assert seen == {early, late}


async def test_an_alert_that_comes_to_others_later_is_new_to_them(world: World) -> None:
    await held_case(world)
    world.forward(hours=13)
    await world.sweep()
    before = world.rows("SELECT recorded_in FROM alert ORDER BY id")
    world.execute("UPDATE alert SET acknowledged_at = NULL")
    assert world.rows("SELECT recorded_in FROM alert ORDER BY id") == before
    world.execute("UPDATE alert SET rerouted_because = 'holder_left'")
    after = world.rows("SELECT recorded_in FROM alert ORDER BY id")
    assert all(new["recorded_in"] > old["recorded_in"] for new, old in zip(after, before, strict=True))


async def test_it_ends_when_the_right_the_account_or_the_token_does(world: World, port: int) -> None:
    for end in (
        "UPDATE staff_member SET roles = '{administrator}' WHERE id = %s",
        "UPDATE staff_member SET active = false WHERE id = %s",
    ):
        world.execute(
            "UPDATE staff_member SET active = true, roles = '{public_protection_officer}' WHERE id = %s",
            STAFF["officer"].id,
        )
        async with listening(port, world.as_("officer").token) as lines:
            await next_event(lines)
            world.execute(end, STAFF["officer"].id)
            assert await has_ended(lines)
    short = world.issuer.issue("supervisor", now=clock.real_now(), lifetime=timedelta(seconds=2))
    async with listening(port, short) as lines:
        assert await has_ended(lines)


async def test_a_place_is_taken_when_it_is_asked_for_and_free_when_what_it_was_for_never_begins(world: World) -> None:
    assert world.api is not None
    streams = stream.Streams(2)

    async def nobody(session: AsyncSession) -> Actor:
        raise AssertionError("nothing is begun")

    first = streams.take_seat()
    second = streams.events(
        world.api.state.sessions, streams.take_seat(), enter=nobody, after=None, seconds=0, request_id="x"
    )
    with pytest.raises(stream.TooManyStreams):
        streams.take_seat()
    del second
    gc.collect()
    assert streams.opened == 1
    streams.take_seat()
    del first


async def test_only_so_many_are_open_at_once_and_a_place_comes_free_again(world: World, port: int) -> None:
    assert world.api is not None
    streams: stream.Streams = world.api.state.streams
    streams.limit, before = 1, streams.limit
    try:
        async with listening(port, world.as_("officer").token) as lines:
            await next_event(lines)
            with world.unchanged():
                answer = await world.as_("supervisor").get(PATH)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        await until(lambda: not streams.opened)
        assert (await world.as_("auditor").get(PATH)).status_code == 403
    finally:
        streams.limit = before


@pytest.mark.parametrize(
    "bad", ["x", "1-x", "99999999999999999999-5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10", "1-" + "-" * 36]
)
async def test_a_place_that_is_none_is_refused(world: World, bad: str) -> None:
    with world.unchanged():
        answer = await world.as_("officer").get(PATH, headers={"Last-Event-ID": bad})
    assert answer.status_code == 422
