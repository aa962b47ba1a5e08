"""The service over a transit engine, its commands, and a start with keys that are not the database's."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
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
from app.storage.migrations import conninfo, outermost_case_keys
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


Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def command(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`clares-law keys` with these words: how it ended and what it said."""
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", world.url)
    settings.cache_clear()

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["keys", *words])
        return done.exit_code, done.output

    yield lambda *words: asyncio.to_thread(run, *words)
    settings.cache_clear()


async def test_the_commands_rotate_rewrap_and_withdraw(world: World, command: Command) -> None:
    await intake.opened(world)
    assert await command("rotate") == (
        0,
        "Version 2 wraps from now on. The worker rewraps what is older; at once: clares-law keys rewrap\n",
    )
    code, says = await command("withdraw", "--before", "2")
    assert (code, "1 keys of cases are wrapped" in says) == (1, True)
    assert await command("rewrap") == (0, "Keys rewrapped: 1\n")
    assert await command("rewrap") == (0, "Keys rewrapped: 0\n")
    assert (await command("withdraw", "--before", "2"))[0] == 0
    await must_open(world.url, DatabaseRole.APP, KeyRing(key_ring().service, remembers=0))


async def test_no_version_is_withdrawn_that_would_leave_none(world: World, command: Command) -> None:
    case = await intake.opened(world)
    for before in ("2", "99"):
        code, says = await command("withdraw", "--before", before)
        assert (code, "The newest version is 1" in says) == (1, True), before
    await must_open(world.url, DatabaseRole.APP, KeyRing(key_ring().service, remembers=0))
    await disclosure.tell_subject(world, case, "He was told to keep away.")


async def test_no_version_is_withdrawn_by_what_a_row_is_said_to_be_under(world: World, command: Command) -> None:
    """Whoever writes to the table would have every text erased by an operator who does as is written."""
    case = await intake.opened(world)
    await disclosure.tell_subject(world, case, "He was told to keep away.")
    await command("rotate")
    said = "UPDATE case_key SET key_version = 2"
    with pytest.raises(psycopg.errors.GeneratedAlways):
        _past_the_triggers(world, said)
    _past_the_triggers(world, "ALTER TABLE case_key ALTER key_version DROP EXPRESSION", said)
    assert await command("rewrap") == (0, "Keys rewrapped: 0\n")
    code, says = await command("withdraw", "--before", "2")
    assert (code, "1 keys of cases are gone" in says) == (1, True)
    await must_open(world.url, DatabaseRole.APP, KeyRing(key_ring().service, remembers=0))


@pytest.mark.parametrize("done", ["DELETE FROM case_key", "UPDATE case_key SET wrapped = 'file:v2:x'"])
async def test_no_version_is_withdrawn_that_a_key_may_need_which_is_put_back(
    world: World, command: Command, done: str
) -> None:
    case = await intake.opened(world)
    await disclosure.tell_subject(world, case, "He was told to keep away.")
    await command("rotate")
    [held] = world.rows("SELECT wrapped FROM case_key")
    _past_the_triggers(world, "CREATE TABLE kept AS SELECT * FROM case_key", done)
    code, says = await command("withdraw", "--before", "2")
    assert (code, "1 keys of cases are gone" in says) == (1, True)
    assert await key_ring().service.unwrap(UUID(case), held["wrapped"])
    names = "case_id, force_id, wrapped, public_half, vouched, made_at"
    _past_the_triggers(world, "DELETE FROM case_key", f"INSERT INTO case_key ({names}) SELECT {names} FROM kept")
    assert await command("rewrap") == (0, "Keys rewrapped: 1\n")
    assert (await command("withdraw", "--before", "2"))[0] == 0


def _past_the_triggers(world: World, *statements: str) -> None:
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())
