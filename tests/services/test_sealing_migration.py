"""Records of before are sealed by the migration and come back whole; nothing of them stays in clear on the way."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlmodel import SQLModel

from app.evidence.records import COVERED
from app.evidence.sealed import sealed_columns
from app.storage.migrations import conninfo, downgrade, drift, upgrade
from tests.arrange import text_of
from tests.routes.test_sealed_records import dump
from tests.steps import intake
from tests.world import World

BEFORE = "0013"
PLANTED = "zq-planted"
NAUGHTY = (
    f"{PLANTED} \u202eright to left\u202c e\u0301 '; DROP TABLE x; -- \\u0041 \U0001f469\u200d\U0001f467 \ufeff\r\n"
)
EMPTY = {"recipient_id", "supersedes_id", "spoken_by", "delivered_by", "representations_id"}
"""Columns of which a CHECK wants this or another: the other holds a text."""
GIVEN: dict[str, dict[str, Any]] = {
    "initial_decision": {"decision": "progress", "prioritised": False},
    "final_report": {"grading": "1AP", "reference": "DVDS-AAAA", "force": "Northmoor Police"},
    "emergency_authority": {"rank": "superintendent"},
    "delivery_clearance": {"undertaking": "refused", "warnings_given": Jsonb([])},
    "disclosure": {
        "warnings_given": Jsonb([]),
        "sha256": hashlib.sha256(NAUGHTY.encode()).hexdigest(),
        "byte_length": len(NAUGHTY.encode()),
    },
}
CLASSES = {str(one.class_.__tablename__): one.class_ for one in SQLModel._sa_registry.mappers}


def columns(world: World, table: str) -> list[dict[str, Any]]:
    return world.rows(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO'",
        table,
    )


def value_of(table: str, name: str, kind: str, case: dict[str, Any]) -> Any:
    """Something that the column takes."""
    given = {**case, **GIVEN.get(table, {})}
    if name in given:
        return given[name]
    if name in EMPTY:
        return None
    enum = SQLModel.metadata.tables[table].c.get(name)
    if enum is not None and hasattr(enum.type, "enums"):
        return enum.type.enums[0]
    filled: dict[str, Any] = {
        "uuid": uuid4(),
        "timestamp with time zone": datetime(2026, 5, 5, tzinfo=UTC),
        "boolean": True,
        "integer": 3,
        "ARRAY": [],
        "jsonb": Jsonb({"said": [NAUGHTY, None, 3, True], "already_managed": None}),
    }
    return filled.get(kind, NAUGHTY)


def fill(world: World, cases: list[dict[str, Any]], each: int) -> None:
    """Rows of every sealed record in clear, past foreign keys and triggers."""
    with psycopg.connect(conninfo(world.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in COVERED:
            of_table = columns(world, table)
            names = ", ".join(one["name"] for one in of_table)
            marks = ", ".join(["%s"] * len(of_table))
            for number in range(each):
                case = cases[number % len(cases)]
                if table in ("final_report", "not_completed", "closing") and number >= len(cases):
                    continue  # one of a case
                values = [value_of(table, one["name"], one["type"], case) for one in of_table]
                cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), values)


def clear_rows(world: World) -> dict[str, list[dict[str, Any]]]:
    return {table: world.rows(f"SELECT * FROM {table} ORDER BY id") for table in COVERED}


async def test_every_record_is_sealed_by_the_migration_and_comes_back_as_it_was(world: World) -> None:
    opened = [
        await intake.opened(world),
        await intake.opened(
            world, intake.right_to_ask(world, subject=intake.SUBJECT | {"surname": "Other", "born": "1970-01-01"})
        ),
    ]
    cases = [{"case_id": UUID(one), "force_id": "northmoor"} for one in opened]
    downgrade(world.url, BEFORE)
    fill(world, cases, each=5)
    was = clear_rows(world)
    assert sum(map(len, was.values())) >= 2 * len(COVERED)
    assert PLANTED in dump(world)

    upgrade(world.url)
    assert PLANTED not in dump(world)
    keys = world.rows("SELECT case_id FROM case_key")
    assert {row["case_id"] for row in keys} == {one["case_id"] for one in cases}
    for table in COVERED:
        assert world.rows(f"SELECT count(*) AS n FROM {table}") == [{"n": len(was[table])}]
        for name in sealed_columns(CLASSES[table]):
            row = was[table][0]
            assert text_of(world, table, name, str(row["id"])) == row[name], f"{table}.{name}"
    drift(world.url)

    downgrade(world.url, BEFORE)
    assert clear_rows(world) == was
    upgrade(world.url)
    assert PLANTED not in dump(world)


async def test_the_rules_of_the_database_and_its_triggers_are_back_in_place(world: World) -> None:
    case = await intake.opened(world)
    query = (
        "SELECT conrelid::regclass::text AS t, conname FROM pg_constraint WHERE contype = 'c' "
        "AND conrelid::regclass::text = ANY (%s)"
    )
    triggers = (
        "SELECT tgrelid::regclass::text AS t, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O' "
        "AND tgrelid::regclass::text = ANY (%s)"
    )
    forced = "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity ORDER BY relname"
    downgrade(world.url, BEFORE)
    was = world.rows(triggers, list(COVERED))
    fill(world, [{"case_id": UUID(case), "force_id": "northmoor"}], each=1)
    upgrade(world.url)
    assert set(map(str, was)) <= set(map(str, world.rows(triggers, list(COVERED))))
    assert {"case_key", *COVERED} <= {row["relname"] for row in world.rows(forced)}
    assert {row["conname"] for row in world.rows(query, list(COVERED))} >= {
        f"ck_{table}_{name}"
        for table, name in (
            ("forum_decision", "disclosure_is_whole"),
            ("disclosure", "one_recipient"),
            ("delivery_clearance", "refusal_is_reconsidered"),
        )
    }
    with pytest.raises(psycopg.errors.RestrictViolation):
        world.execute("UPDATE disclosure SET words_sealed = 'x'")


async def test_an_erased_case_keeps_the_database_from_going_back(world: World) -> None:
    case = await intake.opened(world)
    downgrade(world.url, BEFORE)
    fill(world, [{"case_id": UUID(case), "force_id": "northmoor"}], each=1)
    upgrade(world.url)
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM case_key")
    sealed = clear_rows(world)
    with pytest.raises(RuntimeError, match="erased with its key"):
        downgrade(world.url, BEFORE)
    assert clear_rows(world) == sealed
