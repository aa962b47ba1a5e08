"""Key-encryption keys in a file, and the keys that a process remembers."""

import asyncio
import secrets
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.evidence.keys import FileKeys, KeyFileRefused, KeyRing, NoSuchVersion, version_of
from app.evidence.sealing import DataKey
from app.evidence.tables import CaseKey
from app.outside.transit import KeptKeys, KeyRefused, KeyServiceDown
from tests.world import World

CASE = uuid4()
SECRET = secrets.token_bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "case-keys"


def test_the_file_is_made_once_for_its_owner_alone(path: Path) -> None:
    FileKeys.made_once(path)
    written = path.read_text()
    FileKeys.made_once(path)
    assert path.read_text() == written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    keys = FileKeys.made_once(path)
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        FileKeys(path)
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        asyncio.run(keys.newest())


@pytest.mark.parametrize("held", ["", "1 abc\n", "0 " + "a" * 64, "1 " + "A" * 64, "x", "1 " + "a" * 64 + "\nmore"])
def test_a_file_with_something_else_is_refused_and_not_shown(path: Path, held: str) -> None:
    FileKeys.made_once(path)
    path.write_text(held)
    with pytest.raises(KeyFileRefused, match="holds no keys of cases") as refused:
        FileKeys(path)
    assert "a" * 64 not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="cannot be read"):
        FileKeys(path)


async def test_of_two_who_rotate_at_once_none_loses_the_others_version(path: Path) -> None:
    """A case may be wrapped under it already."""
    many = [FileKeys.made_once(path) for _ in range(8)]
    versions = await asyncio.gather(*(asyncio.to_thread(asyncio.run, one.rotate()) for one in many))
    assert sorted(versions) == list(range(2, 10))
    assert sorted(FileKeys(path)._read()) == list(range(1, 10))


@pytest.mark.parametrize(
    ("wrapped", "version"),
    [
        (b"file:v1:\xff\x00", 1),
        (b"vault:v12:c2Vj", 12),
        (b"kept:v999999999:0", 999999999),
        (b"file:v0:x", 0),
        (b"file:v01:x", 0),
        (b"file:v1000000000:x", 0),
        (b"file:v3", 0),
        (b"\nfile:v3:x", 0),
        (b"x", 0),
        (b"", 0),
    ],
)
def test_the_version_is_read_from_what_is_wrapped_here_as_in_the_database(
    world: World, wrapped: bytes, version: int
) -> None:
    """What says none counts as older than all."""
    assert version_of(wrapped) == version
    rule = CaseKey.__table__.c.key_version.computed  # type: ignore[attr-defined]
    [found] = world.rows(f"SELECT {rule.sqltext} AS said FROM (VALUES (%s::bytea)) AS one (wrapped)", wrapped)
    assert found["said"] == version


async def test_it_wraps_for_one_case_and_rotates_beside_another_process(path: Path) -> None:
    keys, other = FileKeys.made_once(path), FileKeys(path)
    first = await keys.wrap(CASE, SECRET)
    assert await other.rotate() == 2
    assert await keys.newest() == 2
    assert await keys.unwrap(CASE, first.key) == SECRET
    second = await keys.rewrap(CASE, first.key)
    assert (first.version, second.version) == (1, 2)
    FileKeys(path)  # refuses a mode that is not its owner's alone
    await other.withdraw_before(2)
    assert await keys.unwrap(CASE, second.key) == SECRET
    for case_id, wrapped in ((CASE, first.key), (uuid4(), second.key), (CASE, second.key[:-1]), (CASE, b"file:v2:")):
        with pytest.raises(KeyRefused):
            await keys.unwrap(case_id, wrapped)


def test_before_a_version_that_was_never_made_nothing_is_withdrawn(path: Path) -> None:
    keys = FileKeys.made_once(path)
    asyncio.run(keys.rotate())
    written = path.read_bytes()
    for version in (3, 99):
        with pytest.raises(NoSuchVersion, match="The newest version is 2"):
            asyncio.run(keys.withdraw_before(version))
    assert path.read_bytes() == written


async def test_another_file_opens_nothing(path: Path, tmp_path: Path) -> None:
    wrapped = await FileKeys.made_once(path).wrap(CASE, SECRET)
    with pytest.raises(KeyRefused):
        await FileKeys.made_once(tmp_path / "another").unwrap(CASE, wrapped.key)


async def test_a_key_is_asked_for_once_and_after_its_time_anew() -> None:
    service = KeptKeys()
    wrapped = await service.wrap(CASE, SECRET)
    ring = KeyRing(service, remembers=60)
    service.asked.clear()
    assert {await ring.data_key(CASE, wrapped.key) for _ in range(3)} == {DataKey(SECRET)}
    assert service.asked == ["unwrap"]
    ring.forget_case(uuid4())
    await ring.data_key(CASE, wrapped.key)
    assert service.asked == ["unwrap"]
    service.asked.clear()
    ring.forget_case(CASE)
    assert not ring._held
    await ring.data_key(CASE, wrapped.key)
    assert service.asked == ["unwrap"]
    ring.forget()
    await ring.data_key(CASE, wrapped.key)
    forgetful = KeyRing(service, remembers=0)
    for _ in range(2):
        await forgetful.data_key(CASE, wrapped.key)
    assert service.asked == ["unwrap"] * 4


async def test_what_is_remembered_is_bounded_and_bound_to_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.evidence.keys._REMEMBERED", 5)
    service = KeptKeys()
    ring = KeyRing(service, remembers=60)
    made = [(one := uuid4(), (await ring.made(one))[1].key) for _ in range(9)]
    await ring.data_keys(dict(made))
    assert len(ring._held) == 5
    with pytest.raises(KeyRefused):
        await ring.data_key(uuid4(), made[-1][1])


async def test_a_service_that_is_down_is_not_asked_by_everybody_at_once() -> None:
    service = KeptKeys()
    wrapped = await service.wrap(CASE, SECRET)
    ring = KeyRing(service, remembers=60)
    service.down, service.asked = True, []
    for _ in range(5):
        with pytest.raises(KeyServiceDown):
            await ring.data_key(CASE, wrapped.key)
    assert service.asked == ["unwrap"]


async def test_a_key_out_of_its_time_is_dropped_whoever_is_asked_for_next(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 0.0
    monkeypatch.setattr("app.evidence.keys.time.monotonic", lambda: hour)
    service = KeptKeys()
    ring = KeyRing(service, remembers=60)
    first, second, third = [(one := uuid4(), (await ring.made(one))[1].key) for _ in range(3)]
    hour = 30.0
    ring.forget_case(second[0])
    await ring.data_key(*second)
    hour = 61.0
    with pytest.raises(KeyRefused):
        await ring.data_key(uuid4(), third[1])
    assert list(ring._held) == [second]
    forgetful = KeyRing(service, remembers=0)
    await forgetful.data_key(*first)
    assert not forgetful._held


async def test_after_a_failure_one_asks_again_each_rest_and_all_others_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hour = 0.0
    monkeypatch.setattr("app.evidence.keys.time.monotonic", lambda: hour)
    answers, going = asyncio.Event(), KeptKeys()
    wrapped = (await going.wrap(CASE, SECRET)).key
    asked = 0

    class Slow(KeptKeys):
        async def unwrap(self, case_id: UUID, wrapped: bytes) -> bytes:
            nonlocal asked
            asked += 1
            await answers.wait()
            if self.down:
                raise KeyServiceDown
            return await going.unwrap(case_id, wrapped)

    service = Slow(down=True)
    ring = KeyRing(service, remembers=0)

    async def everybody() -> list[object]:
        nonlocal asked
        asked = 0
        answers.clear()
        requests = [asyncio.create_task(ring.data_key(CASE, wrapped)) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answers.set()
        return list(await asyncio.gather(*requests, return_exceptions=True))

    assert all(isinstance(one, KeyServiceDown) for one in await everybody())
    for after in (2.0, 4.0):
        assert all(isinstance(one, KeyServiceDown) for one in await everybody())
        assert asked == 0
        hour = after
        assert all(isinstance(one, KeyServiceDown) for one in await everybody())
        assert asked == 1
    hour, service.down = 6.0, False
    found = await everybody()
    assert (asked, found.count(DataKey(SECRET))) == (1, 1)
    assert await everybody() == [DataKey(SECRET)] * 20
