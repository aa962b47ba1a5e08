"""The service over a transit engine, its commands, and a start with keys that are not the database's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import jobs
from app.cli import app
from app.evidence import keys
from app.evidence.keys import FileKeys, KeyRing, key_ring
from app.evidence.rotating import OtherKeys, must_open
from app.outside.transit import KeptKeys, Transit
from app.scheduler import Worker
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import outermost_case_keys
from tests.ready import made_ready
from tests.steps import disclosure, intake
from tests.steps.transit import Engine, transit_engine
from tests.world import World


@pytest.fixture
def engine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A transit engine that the service is set to use."""
    with transit_engine() as found:
        token = tmp_path / "transit-token"
        token.write_text(found.token)
        monkeypatch.setenv("CLARES_LAW_TRANSIT_URL", found.url)
        monkeypatch.setenv("CLARES_LAW_TRANSIT_TOKEN_FILE", str(token))
        monkeypatch.setenv("CLARES_LAW_DATA_KEY_SECONDS", "0")
        settings.cache_clear()
        yield found
        settings.cache_clear()


async def test_records_are_kept_and_read_through_an_outage_and_a_rotation(world: World, engine: Engine) -> None:
    assert isinstance(key_ring().service, Transit)
    ready = await made_ready(world)
    before = await disclosure.disclose(world, ready.case, ready.told())
    engine.sealed = True
    during = await disclosure.disclose(world, ready.case, ready.told(words="Said while the engine was sealed."))
    address = disclosure.path(ready.case, "disclosures")
    assert (await world.as_("officer").get(address)).status_code == 503
    engine.sealed = False
    key_ring().forget()
    assert await key_ring().service.rotate() == 2
    worker = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    await jobs.rewrap_keys(Worker(sessions(worker)), world.now)
    await worker.dispose()
    await key_ring().service.withdraw_before(2)
    shown = await world.as_("officer").must_get(address)
    assert {one["id"] for one in shown} == {before["id"], during["id"]}
    assert {row["key_version"] for row in world.rows("SELECT key_version FROM case_key")} == {2}
    assert any(one.startswith("POST /v1/transit/rewrap/") for one in engine.asked)


async def test_a_worker_waits_for_a_key_service_that_is_down(world: World, engine: Engine) -> None:
    engine.sealed = True
    worker = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    assert await jobs.rewrap_keys(Worker(sessions(worker)), world.now) is False
    await worker.dispose()


async def test_a_start_with_other_keys_is_refused_and_with_none_that_answers_is_not(
    world: World, tmp_path: Path
) -> None:
    another = KeyRing(FileKeys.made_once(tmp_path / "another"), remembers=0)
    await must_open(world.url, DatabaseRole.APP, another)  # nothing is held yet
    await intake.opened(world)
    for role in (DatabaseRole.APP, DatabaseRole.WORKER):
        await must_open(world.url, role, key_ring())
        with pytest.raises(OtherKeys, match="Name the file or the engine"):
            await must_open(world.url, role, another)
        await must_open(world.url, role, KeyRing(KeptKeys(down=True), remembers=0))


async def test_a_start_without_the_older_versions_that_are_in_use_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = KeptKeys()
    monkeypatch.setattr(keys, "_ring", lambda chosen: KeyRing(service, remembers=0))
    await intake.opened(world)
    await service.rotate()
    await intake.opened(world, intake.right_to_ask(world, subject={"surname": "Elsewhere"}))
    assert len(outermost_case_keys(world.url, DatabaseRole.APP)) == 2
    await must_open(world.url, DatabaseRole.APP, KeyRing(service, remembers=0))
    await service.withdraw_before(2)  # too early
    with pytest.raises(OtherKeys):
        await must_open(world.url, DatabaseRole.APP, KeyRing(service, remembers=0))


async def test_the_commands_rotate_rewrap_and_withdraw(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await intake.opened(world)
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", world.url)
    settings.cache_clear()

    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["keys", *words])
        return done.exit_code, done.output

    assert await asyncio.to_thread(command, "rotate") == (
        0,
        "Version 2 wraps from now on. The worker rewraps what is older; at once: clares-law keys rewrap\n",
    )
    code, says = await asyncio.to_thread(command, "withdraw", "--before", "2")
    assert (code, "1 keys of cases are wrapped" in says) == (1, True)
    assert await asyncio.to_thread(command, "rewrap") == (0, "Keys rewrapped: 1\n")
    assert await asyncio.to_thread(command, "rewrap") == (0, "Keys rewrapped: 0\n")
    assert (await asyncio.to_thread(command, "withdraw", "--before", "2"))[0] == 0
    await must_open(world.url, DatabaseRole.APP, KeyRing(key_ring().service, remembers=0))
    settings.cache_clear()
