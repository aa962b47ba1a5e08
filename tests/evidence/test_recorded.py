"""Records that are not sealed: none is left out of the tree, an edit is found, an erasure is no cover for one."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.evidence.records import (
    COVERED,
    DATED_BY_THE_DATABASE,
    DELETED,
    EMPTIED,
    FILLED_LATER,
    LEAVES,
    LOG,
    MARKED,
    RECORDED,
    YEAR,
    is_erasable,
)
from app.evidence.verifying import DoesNotHold, NotProven
from app.outside.witness import FakeWitness
from app.retention.held_keys import unusable_keys
from app.storage.engine import DatabaseRole
from app.storage.migrations import conninfo, downgrade, upgrade
from tests.arrange import insert
from tests.evidence.held import Held
from tests.evidence.numbering import PRODUCTION, number_all, numbering
from tests.evidence.test_sequencer import verified
from tests.ready import made_ready
from tests.routes.test_erased import furnish
from tests.steps import retention
from tests.world import OWN, STAFF, World

OTHERS = tuple(one.value for one in DatabaseRole if one is not DatabaseRole.OWNER)


async def test_every_table_of_a_case_to_which_rows_are_only_added_is_in_the_tree(world: World) -> None:
    """A table that a later release adds fails here until its rows are numbered, and so does a column."""
    tables = {row["t"] for row in world.rows(_OF_A_CASE) if row["t"] != "access_log"}
    changed = {
        (row["t"], row["c"])
        for row in world.rows(
            "SELECT relname AS t, attname AS c FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, "
            "pg_roles WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped AND rolname = ANY (%s) "
            "AND has_column_privilege(pg_roles.oid, attrelid, attnum, 'UPDATE')",
            list(OTHERS),
        )
    }
    deleted = {
        row["t"]
        for row in world.rows(
            "SELECT relname AS t FROM pg_class, pg_roles WHERE relkind = 'r' AND rolname = ANY (%s) "
            "AND has_table_privilege(pg_roles.oid, pg_class.oid, 'DELETE')",
            list(OTHERS),
        )
    }
    added_to = {table for table in tables if (table, "id") not in changed and table not in deleted}
    assert added_to == {*COVERED, *RECORDED}
    later = {table: {column for of, column in changed if of == table} for table in added_to}
    assert {table: columns for table, columns in later.items() if columns} == FILLED_LATER
    assert not set(COVERED) & set(RECORDED)


_OF_A_CASE = (
    "SELECT relname AS t FROM pg_class WHERE relkind = 'r' AND 3 = (SELECT count(*) FROM pg_attribute "
    "WHERE attrelid = pg_class.oid AND attname IN ('id', 'case_id', 'force_id') AND NOT attisdropped)"
)


async def test_each_is_queued_by_a_trigger_and_read_by_worker_and_auditor(world: World) -> None:
    queued = {
        row["t"] for row in world.rows("SELECT tgrelid::regclass::text AS t FROM pg_trigger WHERE tgname = 'numbered'")
    }
    assert queued == set(LEAVES)
    seen = {
        (row["t"], role)
        for row in world.rows("SELECT tablename AS t, roles FROM pg_policies WHERE policyname IN ('audit', 'worker')")
        for role in row["roles"]
    }
    for table in (*COVERED, *RECORDED):
        for role in (DatabaseRole.WORKER.value, DatabaseRole.AUDITOR.value):
            assert (table, role) in seen, table
            assert world.rows("SELECT has_table_privilege(%s, %s, 'SELECT') AS able", role, table) == [{"able": True}]


async def test_rows_of_before_are_numbered_by_the_migration(world: World) -> None:
    await retention.closed(world)
    downgrade(world.url, "0014")
    upgrade(world.url)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    for table in LEAVES:
        held = {row["id"] for row in world.rows(f"SELECT id FROM {table}")}
        assert held == {row["id"] for row in world.rows("SELECT record_id AS id FROM leaf WHERE kind = %s", table)}
    assert (await verified(world, witness)).startswith("It holds: all")


async def test_what_erasing_leaves_is_what_the_database_leaves(world: World) -> None:
    rules = world.rows("SELECT table_name AS t, column_name AS c, becomes FROM erasure_rule")
    assert {row["t"] for row in rules if row["becomes"] == "deleted" and row["t"] in RECORDED} == DELETED
    for becomes, known in (("marked", MARKED), ("emptied", EMPTIED), ("year", YEAR)):
        of_table: dict[str, set[str]] = {}
        for row in rules:
            told = row["t"] in RECORDED and row["c"] not in FILLED_LATER.get(row["t"], ())
            if row["becomes"] == becomes and told:
                of_table.setdefault(row["t"], set()).add(row["c"])
        assert of_table == known, becomes


Kept = tuple[AsyncSession, FakeWitness, str]
Erased = tuple[AsyncSession, FakeWitness, str, str]


async def _checked(world: World) -> str:
    """A case with a plan, an item, a grade of risk and a check that found something."""
    case = (await made_ready(world)).case
    by = {"recorded_by": STAFF["officer"].id, "occurred_at": world.now, "recorded_at": world.now}
    party = world.rows("SELECT id FROM party WHERE case_id = %s", case)[0]["id"]
    said = {"system": "pnd", "terms": "Surname", "searched_by": "A. Officer", "result": "hit", "text": "Assault, 2019."}
    insert(world, "system_check", case_id=case, force_id=OWN, party_id=party, **said, **by)
    return case


@asynccontextmanager
async def _superuser(world: World) -> AsyncIterator[AsyncSession]:
    world.execute("ALTER TABLE leaf DROP CONSTRAINT ck_leaf_counted_from_zero")
    engine = create_async_engine(world.url)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


@pytest.fixture
async def kept(world: World) -> AsyncIterator[Kept]:
    """A numbered case, and a superuser's session."""
    case, witness = await _checked(world), FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    async with _superuser(world) as session:
        yield session, witness, case


def _date_by_the_database(world: World) -> None:
    """What was furnished tells the true time in the columns that the database fills."""
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for kind, column in DATED_BY_THE_DATABASE.items():
            if kind != LOG:
                connection.execute(f"UPDATE {kind} SET {column} = clock_timestamp()".encode())


@pytest.fixture
async def erased(world: World) -> AsyncIterator[Erased]:
    """A case with a row in every table, numbered and then erased; one that is kept; and a superuser's session."""
    case = await retention.closed(world)
    kept = await _checked(world)
    world.forward(days=366 * 6)
    assert (await retention.decide(world, case)).status_code == 201
    furnish(world, case)
    _date_by_the_database(world)
    world.execute("UPDATE contact_attempt SET note = NULL WHERE case_id = %s", case)
    world.execute("ALTER TABLE leaf DISABLE TRIGGER ALL")
    world.execute("DELETE FROM leaf")
    world.execute("ALTER TABLE leaf ENABLE TRIGGER ALL")
    for table in RECORDED:  # what was furnished came past the triggers
        world.execute(
            f"INSERT INTO leaf_due (kind, record_id) SELECT '{table}', id FROM {table} "
            "WHERE id NOT IN (SELECT record_id FROM leaf_due)"
        )
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        assert (await retention.agree(world, case)).status_code == 201
        await number_all(sequencer)
    async with _superuser(world) as session:
        yield session, witness, case, kept


async def test_an_erased_case_verifies_and_nothing_that_could_be_guessed_is_left(world: World, erased: Erased) -> None:
    _, witness, case, kept = erased
    assert (await verified(world, witness)).startswith("It holds: all")
    leaves = world.rows("SELECT kind, told, salt, erasable_salt, case_id::text AS c FROM leaf")
    gone = [one for one in leaves if one["c"] == case and is_erasable(one["kind"])]
    assert {one["kind"] for one in gone} == {one for one in RECORDED if is_erasable(one)}
    # The agreement was made in the transaction that erased, and was numbered with nothing in it.
    assert {one["kind"] for one in gone if one["erasable_salt"] is not None} == {"retention_agreement"}
    assert all(one["salt"] for one in leaves)
    assert all((one["erasable_salt"] is not None) is is_erasable(one["kind"]) for one in leaves if one["c"] == kept)
    assert world.rows("SELECT 1 FROM leaf_due") == []
    told = [one for leaf in leaves for one in json.loads(leaf["told"])["row"].values()]
    assert not [one for one in told if one in ("1987-06-05", "Zwartebroek")]


EDITS = {
    "what a check found": ("system_check", "result = 'nil'"),
    "the words of a check": ("system_check", "text = 'Nothing.'"),
    "what may be told": ("item", "text = 'Nothing is known.'"),
    "a grade of risk": ("risk_grade", "grade = CASE grade WHEN 'standard' THEN 'high' ELSE 'standard' END"),
    "a line of the course": ("event", "sentence = 'Nothing happened.'"),
    "words marked as if erased": ("item", "text = '[erased]'"),
    "taken away": ("event", None),
    "a grade taken away": ("risk_grade", None),
}


@pytest.mark.parametrize("anew", [False, True])
async def test_an_edit_of_what_is_not_sealed_is_found(kept: Kept, anew: bool) -> None:
    session, witness, case = kept
    for name, (table, change) in EDITS.items():
        await session.rollback()
        held = Held(session, witness, random.Random(0))
        named = await tampered(held, table, case, change)
        if anew:
            await held.make_everything_anew()
        with pytest.raises(DoesNotHold) as found:
            assert not await held.verdict(), name
        assert named in str(found.value), (name, str(found.value))


async def tampered(held: Held, table: str, case: str, change: str | None) -> str:
    """Change or delete one record of a case; how it is to be named."""
    await held.sql("SET LOCAL session_replication_role = replica")
    query = "SELECT number, record_id FROM leaf WHERE kind = :kind AND case_id = :of ORDER BY number LIMIT 1"
    one = (await held.sql(query, kind=table, of=UUID(case))).one()
    done = f"UPDATE {table} SET {change}" if change else f"DELETE FROM {table}"
    assert (await held.sql(f"{done} WHERE id = :id", id=one.record_id)).rowcount == 1
    return f"{table} {one.record_id} (number {one.number})"


IN_AN_ERASED_CASE = {
    "a result that stays": ("system_check", "result = CASE result WHEN 'hit' THEN 'nil' ELSE 'hit' END"),
    "other words than the mark": ("item", "text = 'Nothing is known.'"),
    "no mark where there were words": ("transfer_acceptance", "note = NULL"),
    "a mark where there were no words": ("contact_attempt", "note = '[erased]'"),
    "another year": ("proceeding", "conviction_date = '1988-01-01'"),
    "a day again": ("proceeding", "conviction_date = '1987-06-05'"),
    "a day where none is left": ("subject_deceased", "died_on = '1987-06-05'"),
    "answers where none are left": ("risk_assessment", 'answers = \'{"1": "no"}\''),
    "what is kept": ("interim_plan", "contact_every_days = 99"),
    "a record that stays, taken away": ("item", None),
    "the erasure itself, taken away": ("erasure", None),
    "the erasure itself, of another case": ("erasure", "case_id = gen_random_uuid()"),
}


async def test_a_true_erasure_is_no_cover_for_anything_else(erased: Erased) -> None:
    session, witness, case, _ = erased
    for name, (table, change) in IN_AN_ERASED_CASE.items():
        await session.rollback()
        held = Held(session, witness, random.Random(0))
        named = await tampered(held, table, case, change)
        with pytest.raises(DoesNotHold) as found:
            assert not await held.verdict(), name
        assert named in str(found.value), (name, str(found.value))


AS_ERASED = ("UPDATE item SET text = '[erased]', owner = '[erased]'", "DELETE FROM event")
FALSE_ERASURE = (
    "INSERT INTO erasure SELECT (jsonb_populate_record(one, jsonb_build_object("
    "'id', '{id}'::text, 'case_id', '{case}'::text))).* FROM erasure AS one"
)


@pytest.mark.parametrize("anew", [False, True])
async def test_a_row_that_says_erased_is_no_cover(erased: Erased, anew: bool) -> None:
    """The row is put in, salts go, texts are marked and rows deleted, all as erasing would; also under a leaf."""
    session, witness, _, kept = erased
    held = Held(session, witness, random.Random(0))
    await held.sql("SET LOCAL session_replication_role = replica")
    first = await _as_if_erased(held, kept)
    made = uuid4()
    await held.sql(FALSE_ERASURE.format(id=made, case=kept).replace(":", "\\:"))
    # Also rules that say that anything may be erased.
    await held.sql("UPDATE erasure_rule SET becomes = 'marked'")
    if anew:
        await held.add("erasure", made, len(await held.leaves()))
    with pytest.raises(DoesNotHold) as found:
        await held.verdict()
    assert first in str(found.value)


async def test_nor_is_one_that_the_worker_was_made_to_number(world: World, erased: Erased) -> None:
    """Put in by its ordinary way: it stands in the log, and names two people of whom the log knows no decision."""
    session, witness, _, kept = erased
    world.execute("ALTER TABLE erasure DROP CONSTRAINT fk_erasure_decision_id")
    world.execute(FALSE_ERASURE.format(id=uuid4(), case=kept))
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    held = Held(session, witness, random.Random(0))
    await held.sql("SET LOCAL session_replication_role = replica")
    first = await _as_if_erased(held, kept)
    with pytest.raises(DoesNotHold) as found:
        await held.verdict()
    assert first in str(found.value)


async def _as_if_erased(held: Held, case: str) -> str:
    """Leave of items and events what erasing would; the first of them."""
    for change in AS_ERASED:
        await held.sql(f"{change} WHERE case_id = :of", of=UUID(case))
    await held.sql("UPDATE leaf SET erasable_salt = NULL WHERE case_id = :of", of=UUID(case))
    query = (
        "SELECT kind, record_id, number FROM leaf WHERE case_id = :of AND erasable_salt IS NULL "
        "AND kind = ANY (:kinds) ORDER BY number LIMIT 1"
    )
    one = (await held.sql(query, of=UUID(case), kinds=[one for one in RECORDED if is_erasable(one)])).one()
    return f"{one.kind} {one.record_id} (number {one.number})"


async def test_what_waits_for_its_number_and_goes_with_its_case_leaves_no_doubt(world: World) -> None:
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    waits = "SELECT 1 FROM leaf_due WHERE kind = 'event'"
    assert world.rows(waits)
    assert (await retention.agree(world, case)).status_code == 201
    assert world.rows(waits) == []
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    assert (await verified(world, witness)).startswith("It holds: all")
    with pytest.raises(errors.RestrictViolation, match="leaf is kept as it was written"):
        world.execute("UPDATE leaf SET erasable_salt = NULL WHERE erasable_salt IS NOT NULL")


async def test_an_erasure_while_numbering_is_stopped_is_not_proven_and_no_accusation(world: World) -> None:
    """A junk row that waits as well excuses nothing; and once numbered, a true erasure holds."""
    case, witness = await retention.due(world), FakeWitness()
    assert (await retention.decide(world, case)).status_code == 201
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        await sequencer.say("witness_unreachable")
        assert (await retention.agree(world, case)).status_code == 201
        with pytest.raises(NotProven, match=rf"It holds: .* erasures did that wait .* of case {case}\.") as found:
            await verified(world, witness)
        (erasure,) = world.rows("SELECT * FROM erasure")
        assert f"erasure {erasure['id']}" in str(found.value)
        world.execute("ALTER TABLE erasure DISABLE TRIGGER kept_as_written")
        for change in ("agreed_by = decided_by", "keep_until = keep_until + 1", "decided_by = agreed_by"):
            world.execute(f"UPDATE erasure SET {change}")
            with pytest.raises(DoesNotHold, match=r"was taken away|was changed"):
                await verified(world, witness)
            true = [erasure[name] for name in ("agreed_by", "keep_until", "decided_by")]
            world.execute("UPDATE erasure SET agreed_by = %s, keep_until = %s, decided_by = %s", *true)
        with pytest.raises(NotProven):
            await verified(world, witness)
        await number_all(sequencer)
        async with sequencer.sessions() as session:
            assert await unusable_keys(session) == {"gone": 0, "changed": 0}
    assert (await verified(world, witness)).startswith("It holds: all")


async def test_cases_closed_before_there_was_a_tree_are_dated_as_of_then_and_hold(world: World) -> None:
    """In production, too: their dates are numbered before the log, as all that is older."""
    await retention.closed(world)
    downgrade(world.url, "0014")
    upgrade(world.url)
    witness = FakeWitness()
    async with numbering(world.url, witness, PRODUCTION) as sequencer:
        await number_all(sequencer)
    (told,) = world.rows("SELECT number FROM leaf WHERE kind = 'retention'")
    (log,) = world.rows("SELECT min(number) AS number FROM leaf WHERE kind = 'access_log'")
    assert told["number"] < log["number"]
    assert (await verified(world, witness, PRODUCTION)).startswith("It holds: all")


async def test_an_erasure_holds_in_another_log_too(world: World) -> None:
    """It is numbered after what it rests on, as security.md has an operator begin that log."""
    await retention.erased(world)
    with psycopg.connect(conninfo(world.url), autocommit=True) as connection:
        connection.execute((Path(__file__).parents[2] / "docs" / "another-log.sql").read_bytes())
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    assert (await verified(world, witness)).startswith("It holds: all")
