"""Numbers, roots, checkpoints: nothing lost or doubled, one root for a size; a witness that disagrees stops all."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import clock
from app.evidence.blocks import Block
from app.evidence.exporting import WorkerBehind, export, settled
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.notes import Signer
from app.evidence.records import LEAVES
from app.evidence.sequencer import _ALONE, _LOCK, LockLost, Turn, WitnessAhead, WitnessBehind, WitnessContradicts
from app.evidence.verifying import DoesNotHold, NotProven, read_witness, verify_log
from app.outside.witness import FakeWitness, WitnessUnreachable
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.arrange import insert
from tests.evidence.numbering import SIGNER, number_all, numbering, seen_by
from tests.ready import made_ready
from tests.steps import disclosure as steps
from tests.steps import intake
from tests.world import STAFF, World


def records(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT id FROM access_log")


async def test_every_covered_record_and_log_row_becomes_one_leaf_under_one_root(world: World) -> None:
    ready = await made_ready(world)
    await steps.disclose(world, ready.case, ready.told())
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        await number_all(sequencer)
        await intake.opened(world)
        await number_all(sequencer)
    leaves = world.rows("SELECT * FROM leaf ORDER BY number")
    assert [leaf["number"] for leaf in leaves] == list(range(len(leaves)))
    kinds = {leaf["kind"] for leaf in leaves}
    assert {"access_log", "disclosure", "forum_decision"} <= kinds
    assert {leaf["record_id"] for leaf in leaves if leaf["kind"] == "access_log"} == {
        row["id"] for row in records(world)
    }
    peaks = Peaks()
    peaks.extend(leaf_hash(leaf["told"]) for leaf in leaves)
    held = world.rows("SELECT * FROM checkpoint ORDER BY size")
    assert [one["size"] for one in held] == [one.size for one in seen_by(witness)]
    assert len(held) == 2
    assert (held[-1]["size"], held[-1]["root"]) == (peaks.size, peaks.root)
    assert all(one["witnessed_at"] for one in held)
    told = [one for line in witness.lines for one in Block.parse(line).leaves]
    assert [(one.kind, one.id) for one in told] == [(leaf["kind"], leaf["record_id"]) for leaf in leaves]
    assert world.rows("SELECT 1 FROM leaf_due") == []


async def test_a_leaf_tells_nothing_that_somebody_wrote(world: World) -> None:
    ready = await made_ready(world)
    receipt = await steps.disclose(world, ready.case, ready.told(words="He was convicted of assault."))
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    leaf = world.rows("SELECT told FROM leaf WHERE record_id = %s", receipt["id"])[0]["told"]
    row = json.loads(leaf)["row"]
    assert row["id"] == receipt["id"]
    assert row["potential_victim_id"] == ready.victim
    assert row["undertaking"] == "signed"
    assert set(row["place_sealed"]) == set(row["words_sealed"]) == {"sha256"}
    assert "force_id" not in row
    everything = b"".join(one["told"] for one in world.rows("SELECT told FROM leaf"))
    for text in (b"convicted", b"Surgery", b"adviser"):
        assert text not in everything
        assert text.lower() not in everything.lower()


async def test_a_witness_that_cannot_be_reached_holds_everything_up_and_loses_nothing(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness(fails=1)
    async with numbering(world.url, witness) as sequencer:
        with pytest.raises(WitnessUnreachable):
            await sequencer.turn()
        assert world.rows("SELECT 1 FROM checkpoint WHERE witnessed_at IS NOT NULL") == []
        assert trouble(world) == "witness_unreachable"
        await sequencer.turn()
        assert trouble(world) is None
    assert len(witness.lines) == 1
    assert len(world.rows("SELECT 1 FROM checkpoint WHERE witnessed_at IS NOT NULL")) == 1


async def test_one_sequencer_at_a_time(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as one, one.sessions() as holder, holder.begin():
        assert (await holder.execute(_ALONE, {"lock": _LOCK})).scalar_one()
        await one.say("witness_ahead")
        assert await one.turn() is Turn.ELSEWHERE
        assert witness.lines == []
        assert trouble(world) == "witness_ahead"  # whoever holds the lock knows better


async def test_a_sequencer_whose_lock_was_lost_tells_the_witness_nothing(world: World) -> None:
    """The holder's connection is cut while the witness is asked how far it is."""
    await intake.opened(world)

    class Cutting(FakeWitness):
        async def newest(self) -> bytes | None:
            world.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                _LOCK,
            )
            return await super().newest()

    witness = Cutting()
    async with numbering(world.url, witness) as sequencer:
        await sequencer.say("witness_ahead")
        await sequencer.number()
        with pytest.raises(LockLost):
            await sequencer.turn()
    assert witness.lines == []
    assert trouble(world) == "witness_ahead"


async def test_a_checkpoint_is_marked_for_itself_alone(world: World) -> None:
    for _ in range(2):
        await intake.opened(world)
    world.execute("INSERT INTO checkpoint VALUES (1, '', 'never told', %s)", clock.real_now())
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    assert [one["size"] for one in world.rows("SELECT size FROM checkpoint WHERE witnessed_at IS NULL")] == [1]


async def test_a_case_whose_key_is_destroyed_is_numbered_and_exported_and_named(world: World) -> None:
    ready = await made_ready(world)
    before = await steps.disclose(world, ready.case, ready.told())
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        after = await steps.disclose(world, ready.case, ready.told())
        destroy_key(world, ready.case)
        await number_all(sequencer)
    numbered = {str(one["record_id"]) for one in world.rows("SELECT record_id FROM leaf WHERE kind = 'disclosure'")}
    assert numbered == {before["id"], after["id"]}
    says = rf"case {ready.case} \(in no leaf\) has records that are sealed and no key, and was not erased: .* lost\.$"
    with pytest.raises(DoesNotHold, match=says):
        await verified(world, witness)


async def test_whom_a_row_of_the_log_touched_is_told_in_its_leaf_and_not_named(world: World) -> None:
    ready = await made_ready(world)
    await steps.disclose(world, ready.case, ready.told())
    await world.as_("supervisor").must_get("/v1/applications")
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    leaves = world.rows("SELECT record_id, told FROM leaf WHERE kind = 'access_log'")
    told = {str(one["record_id"]): json.loads(one["told"]) for one in leaves}
    assert all(set(leaf["touched"]) == {"salted"} for leaf in told.values())
    everything = b"".join(one["told"] for one in leaves)
    touched = world.rows("SELECT person_id::text FROM access_log_individual")
    assert touched
    assert not [one for one in touched if one["person_id"].encode() in everything]
    of_force = {str(one["id"]) for one in world.rows("SELECT id FROM access_log WHERE force_id IS NOT NULL")}
    assert of_force
    assert {record for record, leaf in told.items() if "force_id" in leaf["row"]} == of_force


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("access_log_individual", "(:log, gen_random_uuid(), gen_random_uuid())"),
        ("access_log_case", "(:log, gen_random_uuid())"),
    ],
)
async def test_whoever_changes_whom_a_row_of_the_log_touched_is_found(world: World, table: str, values: str) -> None:
    await made_ready(world)
    await world.as_("supervisor").must_get("/v1/applications")
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    assert (await verified(world, witness)).startswith("It holds: all")
    log = world.rows(f"SELECT log_id FROM {table} LIMIT 1")[0]["log_id"]
    world.execute(f"CREATE TABLE kept AS SELECT * FROM {table}")
    for harm in (
        f"UPDATE {table} SET case_id = gen_random_uuid() WHERE log_id = :log",
        f"DELETE FROM {table} WHERE log_id = :log",
        f"INSERT INTO {table} VALUES {values}",
    ):
        with psycopg.connect(conninfo(world.url)) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(harm.replace(":log", f"'{log}'").encode())
        with pytest.raises(DoesNotHold, match=f"access_log {log} .* was changed after it was recorded"):
            await verified(world, witness)
        with psycopg.connect(conninfo(world.url)) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"DELETE FROM {table}".encode())
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept".encode())
    assert (await verified(world, witness)).startswith("It holds: all")


def trouble(world: World) -> str | None:
    """What the worker says that stops it."""
    said: str | None = world.rows("SELECT trouble FROM sequencing")[0]["trouble"]
    return said


def destroy_key(world: World, case: str) -> None:
    """As erasure does it."""
    world.execute("ALTER TABLE case_key DISABLE TRIGGER ALL")
    world.execute("DELETE FROM case_key WHERE case_id = %s", case)


async def verified(world: World, witness: FakeWitness, signer: Signer = SIGNER) -> str:
    """What an auditor finds."""
    engine = engine_for(world.url, DatabaseRole.AUDITOR, pool_size=1)
    opened = sessions(engine)
    told_before = await settled(opened, seconds=0)
    async with opened() as session:
        lines = [one async for one in export(session, told_before=told_before, at=clock.real_now())]
    await engine.dispose()
    return verify_log(lines, read_witness(witness.lines, signer.public), signer.public)


async def test_an_auditor_whom_the_worker_keeps_waiting_is_told_so(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        await intake.opened(world)
        waiting = len(world.rows("SELECT 1 FROM leaf_due"))
        with pytest.raises(WorkerBehind, match=f"{waiting} records wait .* start the worker"):
            await verified(world, witness)
        await sequencer.number()  # and killed before it signed
        with pytest.raises(WorkerBehind, match=f"{waiting} records wait"):
            await verified(world, witness)
        await number_all(sequencer)
        assert (await verified(world, witness)).startswith("It holds: all")
        await intake.opened(world)
        # Where the worker says what stops it, an auditor is needed: what waits is told apart from what was put in.
        await sequencer.say("witness_ahead")
    kind, record = world.rows("SELECT kind, record_id FROM leaf_due ORDER BY position LIMIT 1")[0].values()
    with pytest.raises(NotProven, match=f"It holds: .*Not proven are {waiting} records .*{kind} {record}"):
        await verified(world, witness)
    world.execute("DELETE FROM leaf_due")
    with pytest.raises(DoesNotHold, match="was never numbered: it was put in past the service"):
        await verified(world, witness)


async def test_a_record_that_was_taken_away_before_it_was_numbered_leaves_its_mark(world: World) -> None:
    case = await intake.opened(world)
    force = world.rows("SELECT force_id FROM application")[0]["force_id"]
    by = {"recorded_by": STAFF["officer"].id, "occurred_at": world.now, "recorded_at": world.now}
    closing = insert(world, "closing", case_id=case, force_id=force, note="Closed.", **by)
    world.execute("ALTER TABLE closing DISABLE TRIGGER kept_as_written")
    world.execute("DELETE FROM closing WHERE id = %s", closing)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    leaf = world.rows("SELECT told FROM leaf WHERE record_id = %s", closing)[0]["told"]
    assert json.loads(leaf)["missing"] is True


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("DELETE FROM tree_node", WitnessAhead),
        ("DELETE FROM tree_node WHERE place = (SELECT max(place) FROM tree_node WHERE level = 0)", WitnessAhead),
        ("UPDATE tree_node SET hash = sha256(hash)", WitnessContradicts),
    ],
)
async def test_a_database_that_the_witness_did_not_see_is_numbered_no_further(
    world: World, harm: str, found: type[Exception]
) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        world.execute("ALTER TABLE tree_node DISABLE TRIGGER ALL")
        world.execute(harm)
        await intake.opened(world)
        waiting = world.rows("SELECT * FROM leaf_due")
        with pytest.raises(found):
            await sequencer.turn()
    assert len(witness.lines) == 1
    assert world.rows("SELECT * FROM leaf_due") == waiting


async def test_a_lost_witness_is_not_made_anew_in_silence(world: World) -> None:
    await intake.opened(world)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    async with numbering(world.url, FakeWitness()) as sequencer:
        with pytest.raises(WitnessBehind):
            await sequencer.turn()


async def test_after_a_restore_that_lost_rows_another_log_is_begun_and_the_old_one_still_names_what_is_gone(
    world: World,
) -> None:
    """As security.md tells an operator to do."""
    ready = await made_ready(world)
    old, new = FakeWitness(), FakeWitness()
    async with numbering(world.url, old) as sequencer:
        await number_all(sequencer)
        restored_to = len(world.rows("SELECT 1 FROM leaf"))
        lost = await steps.disclose(world, ready.case, ready.told())
        await number_all(sequencer)
    gone = [one["record_id"] for one in world.rows("SELECT record_id FROM leaf WHERE number >= %s", restored_to)]
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("access_log_individual", "access_log_case"):
            connection.execute(f"DELETE FROM {table} WHERE log_id = ANY (%s)".encode(), [gone])
        for table in LEAVES:
            connection.execute(f"DELETE FROM {table} WHERE id = ANY (%s)".encode(), [gone])
        connection.execute("DELETE FROM leaf WHERE number >= %s", [restored_to])
        connection.execute("DELETE FROM tree_node")  # of a tree as it was then; which, the witness need not be told
        connection.execute("DELETE FROM checkpoint")
    async with numbering(world.url, old) as sequencer:
        with pytest.raises(WitnessAhead):
            await sequencer.turn()
    with pytest.raises(DoesNotHold, match=r"was taken away, and nothing stands under its number"):
        await verified(world, old)
    seen = list(read_witness(old.lines, SIGNER.public).leaves)[restored_to:]
    assert lost["id"] in {str(one.id) for one in seen if one.kind == "disclosure"}

    with psycopg.connect(conninfo(world.url), autocommit=True) as connection:
        connection.execute((Path(__file__).parents[2] / "docs" / "another-log.sql").read_bytes())
    another = Signer("evidence.test/2/demonstration", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
    async with numbering(world.url, new, another) as sequencer:
        await number_all(sequencer)
    engine = engine_for(world.url, DatabaseRole.AUDITOR, pool_size=1)
    opened = sessions(engine)
    told_before = await settled(opened, seconds=0)
    async with opened() as session:
        lines = [one async for one in export(session, told_before=told_before, at=clock.real_now())]
    await engine.dispose()
    says = verify_log(lines, read_witness(new.lines, another.public), another.public)
    assert says.startswith(f"It holds: all {restored_to} records")
