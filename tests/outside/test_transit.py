"""The transit engine over real HTTP: one key a case, versions, and every way in which it can fail to answer."""

import asyncio
import base64
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from app.outside.transit import (
    KeptKeys,
    KeyRefused,
    KeyService,
    KeyServiceDown,
    KeyServiceMisused,
    Transit,
)
from tests.steps.transit import Engine, TransitKey, transit_engine

SECRET = secrets.token_bytes(32)
CASE = uuid4()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with transit_engine() as found:
        yield found


@pytest.fixture
def transit(engine: Engine, tmp_path: Path) -> Transit:
    token = tmp_path / "token"
    token.write_text(engine.token + "\n")
    return Transit(address=engine.url, key="clares-law", token_file=token, timeout=2)


async def test_it_wraps_and_unwraps_for_one_case(transit: Transit) -> None:
    wrapped = await transit.wrap(CASE, SECRET)
    assert wrapped.version == 1
    assert base64.b64encode(SECRET) not in wrapped.key
    assert await transit.unwrap(CASE, wrapped.key) == SECRET
    with pytest.raises(KeyRefused):
        await transit.unwrap(uuid4(), wrapped.key)


async def test_versions_rotate_rewrap_and_are_withdrawn(transit: Transit, engine: Engine) -> None:
    first = await transit.wrap(CASE, SECRET)
    assert await transit.rotate() == 2
    assert await transit.unwrap(CASE, first.key) == SECRET
    second = await transit.rewrap(CASE, first.key)
    assert second.version == 2
    assert "POST /v1/transit/decrypt/clares-law" not in engine.asked[2:][-1:]
    await transit.withdraw_before(2)
    with pytest.raises(KeyRefused):
        await transit.unwrap(CASE, first.key)
    assert await transit.unwrap(CASE, second.key) == SECRET


async def test_a_namespace_is_sent_where_there_is_one(transit: Transit, engine: Engine) -> None:
    engine.namespace = "police/"
    with pytest.raises(KeyServiceDown):
        await transit.newest()
    assert await replace(transit, namespace="police/").newest() == 1


async def test_a_key_that_is_not_derived_is_refused(transit: Transit, engine: Engine) -> None:
    engine.keys["clares-law"] = TransitKey(derived=False)
    with pytest.raises(KeyServiceMisused, match="derived=true"):
        await transit.newest()


@pytest.mark.parametrize(
    "answer",
    [
        (500, b""),
        (503, b'{"errors": ["Vault is sealed"]}'),
        (429, b""),
        (403, b'{"errors": ["permission denied"]}'),
        (404, b'{"errors": []}'),
        (302, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"data": {"ciphertext": "plain", "plaintext": "%%"}}'),
        (200, b'{"data": {"ciphertext": "x", "plaintext": "' + b"A" * 70_000 + b'"}}'),
    ],
)
async def test_whatever_it_cannot_answer_is_an_outage(
    transit: Transit, engine: Engine, answer: tuple[int, bytes]
) -> None:
    wrapped = await transit.wrap(CASE, SECRET)
    engine.answers = [answer] * 2
    with pytest.raises(KeyServiceDown):
        await transit.unwrap(CASE, wrapped.key)
    engine.answers = [answer] * 2
    with pytest.raises(KeyServiceDown):
        await transit.wrap(CASE, SECRET)
    engine.answers = []
    assert await transit.unwrap(CASE, wrapped.key) == SECRET


async def test_one_failure_is_tried_again_and_no_more_than_that(transit: Transit, engine: Engine) -> None:
    engine.answers = [(500, b"")]
    assert await transit.newest() == 1
    engine.answers, engine.asked = [(500, b"")] * 5, []
    with pytest.raises(KeyServiceDown):
        await transit.newest()
    assert len(engine.asked) == 2


async def test_nobody_there_and_nobody_who_answers_in_time(transit: Transit, tmp_path: Path) -> None:
    hangs = await asyncio.start_server(lambda reader, writer: asyncio.sleep(30), "127.0.0.1", 0)
    port = hangs.sockets[0].getsockname()[1]
    with pytest.raises(KeyServiceDown):
        await replace(transit, address=f"http://127.0.0.1:{port}", timeout=0.2, _connected=None).newest()
    hangs.close()
    with pytest.raises(KeyServiceDown):
        await replace(transit, address="http://127.0.0.1:1", timeout=0.5, _connected=None).newest()
    with pytest.raises(KeyServiceDown):
        await replace(transit, token_file=tmp_path / "none", _connected=None).newest()


@pytest.mark.parametrize("kind", ["transit", "fake"])
async def test_the_fake_behaves_as_the_real_one(transit: Transit, kind: str) -> None:
    service: KeyService = transit if kind == "transit" else KeptKeys()
    first = await service.wrap(CASE, SECRET)
    newest = await service.rotate()
    assert (await service.newest(), first.version) == (newest, newest - 1)
    second = await service.rewrap(CASE, first.key)
    assert second.version == newest
    await service.withdraw_before(newest)
    assert await service.unwrap(CASE, second.key) == SECRET
    for case_id, wrapped in ((CASE, first.key), (uuid4(), second.key), (CASE, b"vault:v1:AAAA"), (CASE, b"")):
        with pytest.raises(KeyRefused):
            await service.unwrap(case_id, wrapped)
