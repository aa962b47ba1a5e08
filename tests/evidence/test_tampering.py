"""A superuser changes the record and works out every hash anew: it is found from the witness and the key, and named.

The one who tampers holds the whole database: triggers are off, leaves, nodes and checkpoints are made again, and
checkpoints signed with a key of the own. Out of reach are the log's private key and the witness.
"""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.evidence.blocks import Block, Numbered
from app.evidence.merkle import Peaks
from app.evidence.notes import Checkpoint
from app.evidence.records import DATED, DATED_BY_THE_DATABASE
from app.evidence.verifying import DoesNotHold, NoEvidence, read_witness, verify_log
from app.outside.witness import FakeWitness
from tests.arrange import insert
from tests.evidence.forging import FORGERIES
from tests.evidence.held import Held
from tests.evidence.numbering import PRODUCTION, SIGNER, date_as_of_now, number_all, numbering
from tests.ready import made_ready
from tests.steps import disclosure as steps
from tests.world import OWN, STAFF, World


async def _edit(held: Held) -> str:
    one = await held.victim("disclosure")
    await held.sql(
        "UPDATE disclosure SET place_sealed = place_sealed || decode('02', 'hex') WHERE id = :id", id=one["record_id"]
    )
    await held.make_everything_anew()
    return _named(one)


async def _edit_past_the_trigger(held: Held) -> str:
    one = await held.victim("words_to_subject")
    await held.sql("UPDATE words_to_subject SET words_sealed = decode('01', 'hex') WHERE id = :id", id=one["record_id"])
    return _named(one)


async def _edit_the_log_alone(held: Held) -> str:
    one = await held.victim("access_log")
    await held.sql("UPDATE access_log SET staff_id = :by WHERE id = :id", by=uuid4(), id=one["record_id"])
    return _named(one)


async def _move_the_log(held: Held) -> str:
    one = await held.victim("access_log")
    await held.sql("UPDATE access_log SET force_id = 'elsewhere' WHERE id = :id", id=one["record_id"])
    return _named(one)


async def _touch_somebody_else(held: Held) -> str:
    """Whom a row of the log touched: another is put there, nobody, or one more."""
    rows = (await held.sql("SELECT DISTINCT log_id FROM access_log_individual")).scalars().all()
    log = held.chance.choice(sorted(rows))
    change = held.chance.choice(
        [
            "UPDATE access_log_individual SET person_id = gen_random_uuid() WHERE log_id = :log",
            "DELETE FROM access_log_individual WHERE log_id = :log",
            "INSERT INTO access_log_individual VALUES (:log, gen_random_uuid(), gen_random_uuid())",
        ]
    )
    await held.sql(change, log=log)
    return _named(next(one for one in await held.leaves() if one["record_id"] == log))


async def _delete(held: Held) -> str:
    one = await held.victim()
    await held.sql(f"DELETE FROM {one['kind']} WHERE id = :id", id=one["record_id"])
    await held.make_everything_anew()
    return _named(one)


async def _delete_and_leave_the_leaf(held: Held) -> str:
    one = await held.victim()
    await held.sql(f"DELETE FROM {one['kind']} WHERE id = :id", id=one["record_id"])
    return _named(one)


async def _copy(held: Held) -> UUID:
    """A row that never was: a copy of a record under another id."""
    one, made = await held.victim("words_to_subject"), uuid4()
    query = (
        "INSERT INTO words_to_subject SELECT (jsonb_populate_record(one, jsonb_build_object('id', :made ::text))).* "
        "FROM words_to_subject AS one WHERE id = :id"
    )
    await held.sql(query, id=one["record_id"], made=str(made))
    return made


async def _insert(held: Held) -> str:
    made, at = await _copy(held), await held.victim()
    await held.add("words_to_subject", made, at["number"])
    await held.make_everything_anew()
    return (
        f"{at['kind']} {at['record_id']} (number {at['number']}) was recorded there, and words_to_subject {made} stands"
    )


async def _insert_at_the_end(held: Held) -> str:
    made = await _copy(held)
    await held.add("words_to_subject", made, len(await held.leaves()))
    await held.make_everything_anew()
    return f"words_to_subject {made} (number"


async def _insert_without_a_leaf(held: Held) -> str:
    return f"words_to_subject {await _copy(held)} (in no leaf)"


async def _insert_under_the_id_of_another(held: Held) -> str:
    made, other = await _copy(held), await held.victim("access_log")
    await held.sql("UPDATE words_to_subject SET id = :other WHERE id = :made", other=other["record_id"], made=made)
    return f"words_to_subject {other['record_id']} (in no leaf)"


async def _swap(held: Held) -> str:
    leaves = await held.leaves()
    first, second = sorted(held.chance.sample(range(len(leaves)), 2))
    for old, new in ((first, -2), (second, first), (-2, second)):
        await held.sql("UPDATE leaf SET number = :new WHERE number = :old", old=old, new=new)
    await held.make_everything_anew()
    return _named(leaves[first])


async def _back_date(held: Held) -> str:
    tells = (DATED, DATED_BY_THE_DATABASE)
    one = held.chance.choice([one for one in await held.leaves() if any(one["kind"] in table for table in tells)])
    column = held.chance.choice([table[one["kind"]] for table in tells if one["kind"] in table])
    query = f"UPDATE {one['kind']} SET {column} = {column} - interval '1 day' WHERE id = :id"
    await held.sql(query, id=one["record_id"])
    await held.make_everything_anew()
    return _named(one)


async def _cut_the_tail(held: Held) -> str:
    leaves = await held.leaves()
    first = held.chance.randrange(1, len(leaves))
    for one in leaves[first:]:
        await held.sql(f"DELETE FROM {one['kind']} WHERE id = :id", id=one["record_id"])
    await held.sql("DELETE FROM leaf WHERE number >= :first", first=first)
    await held.make_everything_anew()
    return _named(leaves[first])


async def _cut_behind_a_disclosure(held: Held) -> str:
    """Everything from a disclosure on is gone, as if it had not been made."""
    leaves, told = await held.leaves(), await held.victim("disclosure")
    for one in leaves[told["number"] :]:
        await held.sql(f"DELETE FROM {one['kind']} WHERE id = :id", id=one["record_id"])
    await held.sql("DELETE FROM leaf WHERE number >= :first", first=told["number"])
    await held.sql("DELETE FROM checkpoint WHERE size > :first", first=told["number"])
    await held.make_everything_anew()
    return _named(told)


async def _restore_an_old_backup(held: Held) -> str:
    """The database as it was at an earlier checkpoint, true in itself: signatures and all."""
    sizes = sorted((await held.sql("SELECT size FROM checkpoint")).scalars().all())
    size = held.chance.choice(sizes[:-1])
    leaves = await held.leaves()
    for one in leaves[size:]:
        await held.sql(f"DELETE FROM {one['kind']} WHERE id = :id", id=one["record_id"])
    await held.sql("DELETE FROM leaf WHERE number >= :size", size=size)
    await held.sql("DELETE FROM checkpoint WHERE size > :size", size=size)
    return _named(leaves[size])


async def _second_root_in_the_database(held: Held) -> str:
    size = held.chance.choice((await held.sql("SELECT size FROM checkpoint")).scalars().all())
    root = held.chance.randbytes(32)
    # Even where the true key was made to sign it: the witness saw another.
    note = held.chance.choice([held.signer, held.forger]).sign(Checkpoint(held.signer.name, size, root).text)
    await held.sql(
        "UPDATE checkpoint SET root = :root, note = :note WHERE size = :size", root=root, note=note, size=size
    )
    return _named((await held.leaves())[size - 1])


async def _second_root_in_the_witness(held: Held) -> str:
    """A second line for a size that was told, one leaf changed in it, over which the true key signed."""
    place = held.chance.randrange(len(held.lines))
    true = Block.parse(held.lines[place])
    index = held.chance.randrange(len(true.leaves))
    changed = list(true.leaves)
    changed[index] = Numbered(changed[index].kind, changed[index].id, held.chance.randbytes(32))
    peaks = Peaks()
    peaks.extend(leaf.hash for line in held.lines[:place] for leaf in Block.parse(line).leaves)
    peaks.extend(leaf.hash for leaf in changed)
    note = held.signer.sign(Checkpoint(held.signer.name, true.end, peaks.root).text)
    held.lines.insert(place + 1, Block(true.start, changed, note, true.at).line())
    return f"{changed[index].kind} {changed[index].id} (number {true.start + index})"


async def _take_a_salt_away(held: Held) -> str:
    one = await held.victim()
    await held.sql("UPDATE leaf SET salt = NULL WHERE number = :number", number=one["number"])
    return _named(one)


async def _another_kind(held: Held) -> str:
    """The leaf says that its record stands where nothing is covered."""
    one = await held.victim()
    await held.sql("UPDATE leaf SET kind = 'staff' WHERE number = :number", number=one["number"])
    return _named(one)


async def _junk(held: Held) -> str:
    one = await held.victim()
    junk = held.chance.choice([b"junk", b"{}", b"[]", b'{"row": 1}', b"\xff", b"[" * 9999])
    await held.sql("UPDATE leaf SET told = :junk WHERE number = :number", junk=junk, number=one["number"])
    return _named(one)


Tampering = Callable[[Held], Awaitable[str]]
TAMPERINGS: dict[str, Tampering] = {
    "edit": _edit,
    "edit past the trigger": _edit_past_the_trigger,
    "edit of the log alone": _edit_the_log_alone,
    "another force in the log": _move_the_log,
    "another individual in the log": _touch_somebody_else,
    "delete": _delete,
    "delete, leaf left": _delete_and_leave_the_leaf,
    "insert": _insert,
    "insert at the end": _insert_at_the_end,
    "insert without a leaf": _insert_without_a_leaf,
    "insert under the id of another record": _insert_under_the_id_of_another,
    "swap of two": _swap,
    "back-date": _back_date,
    "truncate": _cut_the_tail,
    "tail removed with a disclosure": _cut_behind_a_disclosure,
    "old backup": _restore_an_old_backup,
    "second root in the database": _second_root_in_the_database,
    "second root in the witness": _second_root_in_the_witness,
    "salt taken away": _take_a_salt_away,
    "kind of another table": _another_kind,
    "junk for a leaf": _junk,
}


def _named(one: dict[str, Any]) -> str:
    return f"{one['kind']} {one['record_id']} (number {one['number']})"


@pytest.fixture
async def recorded(world: World) -> AsyncIterator[tuple[AsyncSession, FakeWitness]]:
    """Disclosures, words to the subject and a log, numbered in several checkpoints; and a superuser's session."""
    witness = FakeWitness()
    ready = await made_ready(world)
    by = {"recorded_by": STAFF["officer"].id, "occurred_at": world.now, "recorded_at": world.now}
    day = "(clock_timestamp() AT TIME ZONE 'Europe/London')::date"
    world.execute(
        "INSERT INTO retention (id, case_id, force_id, schedule, group_code, title, source, mark, closed_on, "
        "keep_years, review_again_years, keep_until, review_on) SELECT gen_random_uuid(), %s, %s, 's', 'other', 't', "
        f"'s', 'secondary', {day}, 6, 5, {day} + 366 * 6, {day} + 366 * 6",
        ready.case,
        OWN,
    )
    async with numbering(world.url, witness, PRODUCTION) as sequencer:
        for number in range(6):
            await steps.disclose(world, ready.case, ready.told(words=f"Told for the {number}th time."))
            for one in range(2):
                when = {**by, "recorded_at": world.now + timedelta(minutes=one)}
                said = {"partner": "Probation", "place": "Office", "words": f"Said {number}.{one}"}
                insert(world, "words_to_subject", case_id=ready.case, force_id=OWN, **said, **when)
            date_as_of_now(world)
            await number_all(sequencer)
    # A superuser may.
    world.execute("ALTER TABLE leaf DROP CONSTRAINT ck_leaf_counted_from_zero, ALTER COLUMN salt DROP NOT NULL")
    engine = create_async_engine(world.url)
    async with AsyncSession(engine) as session:
        yield session, witness
    await engine.dispose()


async def test_everything_holds_while_nobody_tampers(recorded: tuple[AsyncSession, FakeWitness]) -> None:
    held = Held(*recorded, random.Random(0), PRODUCTION)
    says = await held.verdict()
    assert says.startswith(f"It holds: all {len(await held.leaves())} records are as they were numbered")
    # A record that moves with its case to another force is the same record.
    await held.sql("SET LOCAL session_replication_role = replica")
    await held.sql("UPDATE disclosure SET force_id = 'southvale'")
    assert await held.verdict() == says


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.parametrize("kinds", [TAMPERINGS, FORGERIES], ids=["past the worker", "by the worker"])
async def test_every_tampering_is_found_offline_and_the_record_named(
    recorded: tuple[AsyncSession, FakeWitness], kinds: Mapping[str, Tampering], times: int
) -> None:
    session, witness = recorded
    for name, tamper in kinds.items():
        for time in range(times):
            await session.rollback()
            held = Held(session, witness, random.Random(f"{name} {time}"), PRODUCTION)
            await held.sql("SET LOCAL session_replication_role = replica")
            named = await tamper(held)
            with pytest.raises(DoesNotHold) as found:
                assert not await held.verdict(), name
            assert named in str(found.value), (name, time, named, str(found.value))
    await session.rollback()
    assert (await Held(session, witness, random.Random(0), PRODUCTION).verdict()).startswith("It holds")


async def test_a_record_that_was_gone_when_it_was_numbered_is_named(
    world: World, recorded: tuple[AsyncSession, FakeWitness]
) -> None:
    session, witness = recorded
    world.execute("ALTER TABLE words_to_subject DISABLE TRIGGER kept_as_written")
    (row,) = world.rows("SELECT * FROM words_to_subject LIMIT 1")
    gone = uuid4()
    world.execute("INSERT INTO leaf_due (kind, record_id) VALUES ('words_to_subject', %s)", gone)
    async with numbering(world.url, witness, PRODUCTION) as sequencer:
        await number_all(sequencer)
    held = Held(session, witness, random.Random(0), PRODUCTION)
    with pytest.raises(DoesNotHold, match=rf"words_to_subject {gone} \(number \d+\) was gone when it was numbered\."):
        await held.verdict()
    await held.sql("SET LOCAL session_replication_role = replica")
    await held.sql("UPDATE words_to_subject SET id = :gone WHERE id = :id", gone=gone, id=row["id"])
    with pytest.raises(DoesNotHold, match="So do 1 more"):
        await held.verdict()


def test_what_stands_in_no_leaf_as_it_should_is_named_and_a_line_of_another_form_refused() -> None:
    """Leaves that the witness never saw: only the checkpoints of the export speak for them."""
    record = str(uuid4())
    for told in ("junk", "{}", "[]", '{"row": 1}', "[" * 9999, "\ud800"):
        line = {"leaf": 0, "kind": "closing", "id": record, "told": told, "now": told, "salted": True}
        with pytest.raises(DoesNotHold, match=f"closing {record} .number 0. has a leaf that tells of no record"):
            _verdict_on(line)
    for odd in (
        {**line, "leaf": "0"},
        {**line, "leaf": True},
        {**line, "now": 1},
        {"leaf": 0},
        {"record": True, "kind": "closing", "id": record},
        {"checkpoint": "1", "note": ""},
        {},
    ):
        with pytest.raises(NoEvidence, match="not of its form"):
            _verdict_on(odd)


def _verdict_on(line: dict[str, Any]) -> str:
    lines = [json.dumps(one).encode() for one in ({"export": 1}, line)]
    return verify_log(lines, read_witness([], SIGNER.public), SIGNER.public)


async def test_the_witness_alone_tells_of_its_own_harm(recorded: tuple[AsyncSession, FakeWitness]) -> None:
    _, witness = recorded
    whole = witness.lines
    torn = [whole[0], whole[1][:40] + b"\n", whole[1], *whole[2:]]
    history = read_witness(torn, PRODUCTION.public)
    assert (history.torn, list(history.leaves)) == (1, list(read_witness(whole, PRODUCTION.public).leaves))
    assert list(read_witness([whole[0], whole[0], *whole[1:]], PRODUCTION.public).leaves) == list(history.leaves)
    told = json.loads(whole[1])
    told["leaves"][0][2] = "00" * 32
    for lines, says in (
        (whole[:1] + whole[2:], "lacks the records from number"),
        ([whole[0], json.dumps(told).encode() + b"\n"], "is the first under it"),
        ([whole[0], b'{"v": 2}\n'], "none that this service writes"),
        ([whole[0], whole[1].replace(b'"at":"20', b'"at":"19')], "at a time before that of fewer"),
        ([whole[0], whole[1].replace(b'"at":"20', b'"at":"x')], "none that this service writes"),
    ):
        with pytest.raises(DoesNotHold, match=says):
            read_witness(lines, PRODUCTION.public)
