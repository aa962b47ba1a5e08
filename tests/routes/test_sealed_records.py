"""Records at rest: nothing typed stands in the database in clear, and whatever is done to an envelope is refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from app.evidence import keys
from app.evidence.keys import KeyRing
from app.evidence.rotating import StillWrapped, rewrap, withdraw_before
from app.evidence.sealing import DataKey
from app.outside.transit import KeptKeys
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.arrange import text_of
from tests.ready import Ready, flags, made_ready
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    risk_assessment,
)
from tests.world import Client, World

PLANTED = "zq-planted"
COVERED_PATHS = (
    "initial-decision",
    "category",
    "categor",
    "police-conclusion",
    "/decisions",
    "confirmation",
    "delivery-clearance",
    "disclosures",
    "words-to-subject",
    "non-disclosure-notices",
    "final-report",
    "closing",
)


@pytest.fixture
async def ready(world: World) -> AsyncIterator[Ready]:
    yield await made_ready(world)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeptKeys]:
    """A key service that a test can take down, which nobody's answers are remembered of."""
    kept = KeptKeys()
    ring = KeyRing(kept, remembers=0)
    monkeypatch.setattr(keys, "_ring", lambda chosen: ring)
    monkeypatch.setattr(keys, "_REST", 0.0)
    yield kept


def dump(world: World) -> str:
    """Every row of every table as text, the log's too."""
    tables = world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    with psycopg.connect(conninfo(world.url)) as connection:
        return "\n".join(
            str(row[0])
            for table in tables
            for row in connection.execute(f"SELECT t::text FROM {table['tablename']} t".encode())
        )


@contextmanager
def planting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every sentence that is posted to a sealed record carries a word that stands nowhere else.

    A grade of risk comes with the initial decision and is a record of its own.
    """
    planted: list[str] = []
    post = Client.post

    def with_word(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one if name == "risk" else with_word(one) for name, one in value.items()}
        if isinstance(value, list):
            return [with_word(one) for one in value]
        if isinstance(value, str) and " " in value:
            planted.append(f"{PLANTED}-{len(planted)}-")
            return f"{value} {planted[-1]}"
        return value

    async def posting(self: Client, path: str, body: Any = None, **more: Any) -> Any:
        sealed = any(one in path for one in COVERED_PATHS)
        return await post(self, path, with_word(body) if sealed else body, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "post", posting)
        yield planted


async def test_a_dump_of_a_walked_case_shows_nothing_that_was_typed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with planting(monkeypatch) as planted:
        case = await intake.opened(world)
        she = intake.parties(world, case)["potential_victim"][0]
        await initial_checks.progressed(world, case)
        await initial_checks.identify(world, case)
        await face_to_face.meet(world, case)
        await risk_assessment.assess(world, case, she)
        await categorisation.to_forum(world, case)
        decision = await forum.disclosing(world, await forum.sitting(world, case), she)
        told = await disclosure.deliver(world, case, she, decision)
        await final_report.report(world, case)
        await final_report.close(world, case)
        await disclosure.tell_subject(world, case, "He was told to keep away.")
    assert len(planted) > 20
    everything = dump(world)
    assert PLANTED not in everything
    assert disclosure.WORDS not in everything
    assert PLANTED.encode().hex() not in everything
    shown = await world.as_("officer").must_get(disclosure.path(case, f"disclosures/{told['id']}"))
    assert disclosure.WORDS in shown["words"] and PLANTED in shown["words"]
    reports = await world.as_("other_intelligence").must_get("/v1/final-reports")
    read = await world.as_("other_intelligence").must_get(f"/v1/final-reports/{reports['items'][0]['id']}")
    assert PLANTED in json.dumps(read)


async def test_a_changed_moved_or_exchanged_envelope_is_refused_and_told_by_ids_alone(ready: Ready) -> None:
    world = ready.world
    first = await disclosure.disclose(world, ready.case, ready.told())
    second = await disclosure.disclose(world, ready.case, ready.told(words="Other words, for another day."))
    other = await intake.opened(world, _of_others(world, 1))
    third = await disclosure.disclose(world, other, disclosure.told(_victim(world, other)))
    for change in (
        "words_sealed = set_byte(words_sealed, 40, get_byte(words_sealed, 40) # 1)",
        "words_sealed = place_sealed",
        f"words_sealed = (SELECT words_sealed FROM disclosure WHERE id = '{second['id']}')",
        f"words_sealed = (SELECT words_sealed FROM disclosure WHERE id = '{third['id']}')",
        "words_sealed = '\\x01'",
    ):
        was = world.rows("SELECT words_sealed AS was FROM disclosure WHERE id = %s", first["id"])[0]["was"]
        _past_the_trigger(world, f"UPDATE disclosure SET {change} WHERE id = %s", first["id"])
        with capture_logs() as logged:
            answer = await world.as_("officer").get(disclosure.path(ready.case, f"disclosures/{first['id']}"))
        assert (answer.status_code, answer.json()["type"]) == (500, "urn:clares-law:problem:seal_broken"), change
        assert disclosure.WORDS not in answer.text
        told = next(one for one in logged if one["event"] == "sealed_text_unreadable")
        assert (told["row_id"], told["column"]) == (first["id"], "disclosure.words")
        assert disclosure.WORDS not in str(logged)
        _past_the_trigger(world, "UPDATE disclosure SET words_sealed = %s WHERE id = %s", was, first["id"])
    assert (await _words(ready, first)).startswith("In 2025")


def _past_the_trigger(world: World, statement: str, *values: Any) -> None:
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode(), values)


async def _words(ready: Ready, receipt: dict[str, Any]) -> str:
    shown = await ready.world.as_("officer").must_get(disclosure.path(ready.case, f"disclosures/{receipt['id']}"))
    words: str = shown["words"]
    return words


async def test_a_destroyed_key_erases_the_texts_and_leaves_the_rows(ready: Ready) -> None:
    receipt = await disclosure.disclose(ready.world, ready.case, ready.told())
    before = ready.world.rows("SELECT id, words_sealed FROM disclosure")
    for statement in ("DELETE FROM case_key", "TRUNCATE case_key"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            ready.world.execute(statement)
    _past_the_trigger(ready.world, "DELETE FROM case_key WHERE case_id = %s", ready.case)
    answer = await ready.world.as_("officer").get(disclosure.path(ready.case, f"disclosures/{receipt['id']}"))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:clares-law:problem:key_erased")
    assert ready.world.rows("SELECT id, words_sealed FROM disclosure") == before


async def test_one_damaged_text_refuses_no_later_telling(world: World) -> None:
    ready = await made_ready(world, recipient=None, recipient_described="Her mother")
    body = ready.told(recipient_id=None, recipient_described="Her mother")
    first = await disclosure.disclose(world, ready.case, body)
    assert "not_compared" not in flags(first)
    for table in ("disclosure", "forum_decision", "delivery_clearance"):
        _past_the_trigger(world, f"UPDATE {table} SET recipient_described_sealed = '\\x01'")
    _past_the_trigger(world, "UPDATE forum_decision SET words_for_subject_sealed = '\\x01'")
    with capture_logs() as logged:
        second = await disclosure.disclose(world, ready.case, body)
        assert await disclosure.tell_subject(world, ready.case, "He was told to keep away.")
    assert "not_compared" in flags(second)
    assert {one["log_level"] for one in logged if one["event"] == "sealed_text_unreadable"} == {"error"}
    assert "mother" not in str(logged)
    assert await _words(ready, second) == disclosure.WORDS


async def test_while_the_key_service_is_down_a_telling_is_recorded_and_nothing_is_read(
    service: KeptKeys, world: World
) -> None:
    ready = await made_ready(world)
    service.down = True
    receipt = await disclosure.disclose(world, ready.case, ready.told())
    assert flags(receipt) == {"not_cleared"}
    assert await disclosure.tell_subject(world, ready.case, "He was told to keep away.")
    address = disclosure.path(ready.case, f"disclosures/{receipt['id']}")
    answer = await world.as_("officer").get(address)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:clares-law:problem:key_service_down")
    assert int(answer.headers["Retry-After"]) > 0
    assert disclosure.WORDS not in dump(world)
    service.down = False
    assert await _words(ready, receipt) == disclosure.WORDS


async def test_what_could_not_be_compared_goes_before_a_supervisor(service: KeptKeys, world: World) -> None:
    ready = await made_ready(world, recipient=None, recipient_described="Her mother")
    service.down = True
    body = ready.told(recipient_id=None, recipient_described="Her mother")
    receipt = await disclosure.disclose(world, ready.case, body)
    assert "not_compared" in flags(receipt)
    service.down = False
    fixed = await disclosure.disclose(world, ready.case, body | {"supersedes_id": receipt["id"]})
    assert "not_compared" not in flags(fixed)


async def test_a_case_is_opened_while_the_key_service_is_down_and_has_its_key_with_its_first_record(
    service: KeptKeys, world: World
) -> None:
    service.down = True
    case = await intake.opened(world)
    assert not world.rows("SELECT 1 FROM case_key")
    body = {"place": "Police station, interview room 2", "words": "He was told to keep away."}
    answer = await world.as_("officer").post(disclosure.path(case, "words-to-subject"), body)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:clares-law:problem:key_service_down")
    assert not world.rows("SELECT 1 FROM words_to_subject")
    service.down = False
    await disclosure.tell_subject(world, case, "He was told to keep away.")
    assert len(world.rows("SELECT 1 FROM case_key WHERE case_id = %s", case)) == 1


async def test_a_key_that_the_service_refuses_seals_nothing_and_says_so(service: KeptKeys, world: World) -> None:
    ready = await made_ready(world)
    kept = await disclosure.disclose(world, ready.case, ready.told())
    service.withdrawn = 9
    await _refused(ready)
    answer = await world.as_("officer").get(disclosure.path(ready.case, f"disclosures/{kept['id']}"))
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:clares-law:problem:key_refused")
    service.withdrawn = 0
    assert await _words(ready, kept) == disclosure.WORDS
    await disclosure.disclose(world, ready.case, ready.told())


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("forged", ["wrapped", "public_half", "both"])
async def test_nothing_is_sealed_to_a_key_that_somebody_put_there(
    service: KeptKeys, world: World, forged: str, down: bool
) -> None:
    """Whoever writes to the table would read what is sealed next, and nobody else ever again."""
    ready = await made_ready(world)
    mine = DataKey.made()
    changes = {"wrapped": "wrapped = 'x'", "public_half": "public_half = %s"}
    change = changes.get(forged) or ", ".join(changes.values())
    values = [mine.public_half] if "%s" in change else []
    _past_the_trigger(world, f"UPDATE case_key SET {change} WHERE case_id = %s", *values, ready.case)
    service.down = down
    if forged == "public_half" and not down:  # the wrapped key is the true one, and seals
        kept = await disclosure.disclose(world, ready.case, ready.told())
        assert await _words(ready, kept) == disclosure.WORDS
        return
    await _refused(ready)
    assert disclosure.WORDS not in dump(world)


async def test_of_a_key_only_the_wrapping_changes(service: KeptKeys, world: World) -> None:
    case = await intake.opened(world)
    for change in (f"public_half = '\\x{bytes(32).hex()}'", "case_id = gen_random_uuid()", "made_at = now()"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            world.execute(f"UPDATE case_key SET {change}")
    mine = DataKey.made().public_half
    _past_the_trigger(world, "UPDATE case_key SET public_half = %s WHERE case_id = %s", mine, case)
    await service.rotate()
    worker = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    assert await rewrap(sessions(worker), service) == 0  # it would be vouched for anew
    await worker.dispose()


async def test_a_case_whose_key_is_gone_is_given_no_second_one(ready: Ready) -> None:
    world = ready.world
    receipt = await disclosure.disclose(world, ready.case, ready.told())
    held = world.rows("SELECT * FROM case_key")[0]
    _past_the_trigger(world, "DELETE FROM case_key WHERE case_id = %s", ready.case)
    await _refused(ready)
    assert not world.rows("SELECT 1 FROM case_key")
    del held["key_version"]  # which the database reads from what is wrapped
    names = ", ".join(held)
    values = list(held.values())
    _past_the_trigger(world, f"INSERT INTO case_key ({names}) VALUES ({', '.join(['%s'] * len(held))})", *values)
    assert await _words(ready, receipt) == disclosure.WORDS
    await disclosure.disclose(world, ready.case, ready.told(words="Said when the key was put back."))


async def _refused(ready: Ready) -> None:
    """A telling is answered 503 by a code of its own, nothing of it is kept, and it is told by the case's id alone."""
    with ready.world.unchanged(), capture_logs() as logged:
        answer = await ready.world.as_("officer").post(disclosure.path(ready.case, "disclosures"), ready.told())
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:clares-law:problem:case_key_unusable")
    assert [one["case_id"] for one in logged if one["event"] == "case_key_unusable"] == [ready.case]
    assert disclosure.WORDS not in str(logged)


async def test_keys_rotate_and_are_rewrapped_while_records_are_read_and_written(
    service: KeptKeys, world: World
) -> None:
    ready = await made_ready(world)
    cases = [await intake.opened(world, _of_others(world, number)) for number in range(4)]
    kept = await disclosure.disclose(world, ready.case, ready.told())
    records = _records(world)
    worker = engine_for(world.url, DatabaseRole.WORKER, pool_size=2)
    going = True

    async def read() -> int:
        times = 0
        while going:
            assert await _words(ready, kept) == disclosure.WORDS
            times += 1
        return times

    async def write() -> list[dict[str, Any]]:
        return [await disclosure.disclose(world, ready.case, ready.told(words=f"Said {n}.")) for n in range(6)]

    reading = asyncio.create_task(read())
    writing = asyncio.create_task(write())
    for newest in (2, 3):
        assert await service.rotate() == newest
        with pytest.raises(StillWrapped):
            await withdraw_before(sessions(worker), service, newest)
        both = await asyncio.gather(rewrap(sessions(worker), service), rewrap(sessions(worker), service))
        assert max(both) == len(cases) + 1
    written = await writing
    going = False
    assert await reading > 0
    await rewrap(sessions(worker), service)
    await withdraw_before(sessions(worker), service, 3)
    await worker.dispose()
    versions = world.rows("SELECT key_version FROM case_key")
    assert {row["key_version"] for row in versions} == {3}
    assert await _words(ready, kept) == disclosure.WORDS
    assert [await _words(ready, one) for one in written] == [f"Said {n}." for n in range(6)]
    assert records <= _records(world)


async def test_no_version_is_withdrawn_while_a_key_is_being_made(service: KeptKeys, world: World) -> None:
    await service.rotate()
    worker = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    with psycopg.connect(conninfo(world.url)) as opening:
        opening.execute("SET ROLE clares_law_app")
        opening.execute("LOCK TABLE case_key IN ROW EXCLUSIVE MODE")  # as whoever makes a key does before wrapping it
        with pytest.raises(StillWrapped, match="being made"):
            await withdraw_before(sessions(worker), service, 2)
    assert service.withdrawn == 0
    withdrawing, goes_on = asyncio.Event(), asyncio.Event()
    withdraw = service.withdraw_before

    async def slowly(version: int) -> None:
        withdrawing.set()
        await goes_on.wait()
        await withdraw(version)

    service.withdraw_before = slowly  # type: ignore[method-assign]
    doing = asyncio.create_task(withdraw_before(sessions(worker), service, 2))
    await withdrawing.wait()
    opened = asyncio.create_task(intake.opened(world))
    await asyncio.sleep(0.2)
    assert not opened.done() and "wrap" not in service.asked
    goes_on.set()
    await doing
    await opened
    await worker.dispose()
    assert [row["key_version"] for row in world.rows("SELECT key_version FROM case_key")] == [2]


def _records(world: World) -> set[str]:
    """Every row but those of keys and the log."""
    return {row for name, rows in world.snapshot().items() if name in _KEPT for row in rows}


_KEPT = ("disclosure", "forum_decision", "police_conclusion", "decision_confirmation")


def _of_others(world: World, number: int) -> dict[str, Any]:
    return intake.right_to_ask(world, subject=intake.SUBJECT | {"surname": f"Other{chr(65 + number)}"})


def _victim(world: World, case: str) -> str:
    return intake.parties(world, case)["potential_victim"][0]


async def test_the_api_deletes_no_key_and_the_worker_changes_nothing_else(ready: Ready) -> None:
    for role, statement in (
        (DatabaseRole.APP, "DELETE FROM case_key"),
        (DatabaseRole.APP, "UPDATE case_key SET wrapped = ''"),
        (DatabaseRole.WORKER, "DELETE FROM case_key"),
        (DatabaseRole.WORKER, "UPDATE case_key SET public_half = ''"),
        (DatabaseRole.WORKER, "INSERT INTO case_key (case_id) SELECT case_id FROM case_key"),
        (DatabaseRole.AUDITOR, "SELECT * FROM case_key"),
        (DatabaseRole.SEARCH, "SELECT * FROM case_key"),
    ):
        with (
            psycopg.connect(conninfo(ready.world.url), options=f"-c role={role.value}") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


async def test_a_correction_names_a_record_of_its_own_case(ready: Ready) -> None:
    other = await intake.opened(ready.world, _of_others(ready.world, 1))
    receipt = await disclosure.disclose(ready.world, other, disclosure.told(_victim(ready.world, other)))
    for named in (receipt["id"], str(uuid4())):
        with ready.world.unchanged():
            answer = await ready.world.as_("officer").post(
                disclosure.path(ready.case, "disclosures"), ready.told(supersedes_id=named)
            )
        assert answer.status_code == 422
    assert text_of(ready.world, "disclosure", "words", receipt["id"]) == disclosure.WORDS
