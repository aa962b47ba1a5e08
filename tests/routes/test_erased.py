"""What is left of an erased case: no word and no name in any table, and a sane answer at every address."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from fastapi.routing import APIRoute
from psycopg.types.json import Jsonb
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    Enum,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.main import doors
from app.storage.migrations import conninfo
from tests.architecture.test_erasure_rules import OF_A_CASE, python_type
from tests.steps import retention
from tests.world import OWN, STAFF, World

PLANTED = "Zwartebroek"
"""Put into every column of every table of a case that takes words, past the doors."""
DAY = date(1987, 6, 5)

UNCOMMON: dict[str, dict[str, Any]] = {
    "clock": {"working_days": None, "calendar_days": None, "ended_at": None, "ended_because": None},
    "forum_meeting": {},
    "item": {"kind": "behaviour", "proceeding_id": None, "supersedes_id": None, "concerns_item_id": None},
    "outbox": {"channel": "mail", "subscription_id": None, "given_up_at": None},
    "risk_assessment": {"grade": "high", "tool_grade": "medium"},
    "sentence": {"indefinite": False},
    "subject_identity": {"result": "confirmed"},
    "system_check": {"visor_marker": None},
    "transfer_offer": {"from_force_id": OWN, "to_force_id": "southvale"},
}
"""Columns that a row with everything in it could not have together."""


def rules(world: World) -> dict[tuple[str, str], str]:
    """What becomes of each column, by table and column."""
    found = world.rows("SELECT table_name, column_name, becomes FROM erasure_rule")
    return {(row["table_name"], row["column_name"]): row["becomes"] for row in found}


def value(column: Column[Any], becomes: str | None, case: str) -> Any:
    """Something to find again, unless a rule keeps it."""
    of = column.type
    if column.name in ("case_id", "joined_id", "opened_id"):
        return case
    if column.name.endswith("force_id"):
        return OWN
    if isinstance(of, Enum):
        return of.enums[0]
    if isinstance(of, Uuid):
        return STAFF["officer"].id if column.name.endswith(("_by", "staff_id")) else uuid4()
    if isinstance(of, Boolean):
        return True
    if python_type(column) is datetime:
        return datetime(2026, 5, 6, tzinfo=UTC)
    if isinstance(of, Date):
        return date(2032, 1, 1) if becomes == "kept" else DAY
    if isinstance(of, Integer):
        return 1
    word = "kept" if becomes == "kept" else PLANTED
    if isinstance(of, JSONB):
        return Jsonb([word])
    if isinstance(of, ARRAY):
        return [word]
    return word.encode() if isinstance(of, LargeBinary) else word


def furnish(world: World, case: str) -> set[str]:
    """Plant the word in every row of the case, and a row in every table that has none; the tables that tell of it."""
    known, told = rules(world), set()
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for name, table in OF_A_CASE.items():
            if known.get((name, "*")) == "sealed" or name in ("application", "erasure", "case_key"):
                continue
            if _plant(connection, table, known, case):
                told.add(name)
        lifted = "UPDATE freeze_lifting SET freeze_id = (SELECT id FROM case_freeze)"
        answered = "UPDATE freeze_lifting_answer SET lifting_id = (SELECT id FROM freeze_lifting), recorded_by = %s"
        connection.execute(lifted.encode())
        connection.execute(answered.encode(), [STAFF["head"].id])
    return told


def _plant(connection: Any, table: Table, known: dict[tuple[str, str], str], case: str) -> bool:
    name = str(table.name)
    whole = known.get((name, "*"))
    becomes = {column.name: known.get((name, column.name), whole) for column in table.c}
    planted = [column for column in table.c if _tells(column, becomes[column.name])]
    held = connection.execute(f"SELECT count(*) FROM {name} WHERE case_id = %s".encode(), [case]).fetchone()[0]
    if not held:
        row = {one.name: value(one, becomes[one.name], case) for one in table.c if not one.computed}
        row = {key: of for key, of in {**row, **UNCOMMON.get(name, {})}.items() if not table.c[key].identity}
        marks = ", ".join(["%s"] * len(row))
        connection.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})".encode(), list(row.values()))
    elif planted:
        changes = ", ".join(f"{one.name} = %s" for one in planted)
        values = [value(one, becomes[one.name], case) for one in planted]
        connection.execute(f"UPDATE {name} SET {changes} WHERE case_id = %s".encode(), [*values, case])
    return bool(planted)


def _tells(column: Column[Any], becomes: str | None) -> bool:
    if (
        isinstance(column.type, Enum)
        or column.foreign_keys
        or column.name == "force_id"
        or python_type(column) in (UUID, datetime)
    ):
        return False
    alone = (one for one in column.table.constraints if isinstance(one, UniqueConstraint | PrimaryKeyConstraint))
    unique = any(column.name in one.columns for one in (*alone, *(one for one in column.table.indexes if one.unique)))
    found = isinstance(value(column, becomes, ""), str | Jsonb | list | date)
    return becomes in ("marked", "emptied", "deleted", "year") and not unique and found


def texts(world: World) -> dict[str, str]:
    """Every table as text, but for sealed records whose free text is not sealed yet."""
    sealed = {table for (table, column), becomes in rules(world).items() if becomes == "sealed"}
    unreadable = {
        row["table_name"]
        for row in world.rows(
            "SELECT DISTINCT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND right(column_name, 7) = '_sealed'"
        )
    }
    names = [row["tablename"] for row in world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    with psycopg.connect(conninfo(world.url)) as connection:
        return {
            name: "\n".join(str(row[0]) for row in connection.execute(f"SELECT t::text FROM {name} t".encode()))
            for name in names
            if name not in sealed - unreadable
        }


def having(world: World, *words: str) -> set[str]:
    """The tables in which a word stands."""
    return {name for name, text in texts(world).items() if any(word in text for word in words)}


async def test_no_word_no_name_and_no_day_is_left_in_any_table(world: World) -> None:
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    told = furnish(world, case)
    assert told > {"person", "event", "initial_contact", "system_check", "face_to_face_meeting", "case_pointer"}
    assert told <= having(world, PLANTED, DAY.isoformat())
    victims = "SELECT person_id FROM party WHERE role = 'potential_victim'"
    world.execute(f"UPDATE person SET born = '1988-07-30' WHERE id IN ({victims})")
    answer = await retention.agree(world, case)
    assert answer.status_code == 201, answer.text
    assert having(world, PLANTED, DAY.isoformat(), "Merrick", "Tarrant", "Quarry Lane", "1984-02-11", "07-30") == set()
    kept = world.rows("SELECT born, gender, born_estimated FROM person ORDER BY born NULLS LAST")
    assert [(row["born"], row["gender"]) for row in kept] == [(date(1988, 1, 1), "female"), (None, "male")]
    figures = world.rows("SELECT outcome, route, first_contact_at, closed_at FROM application WHERE id = %s", case)
    assert None not in figures[0].values()


def _path(route: APIRoute, case: str) -> str:
    path = route.path.replace("{case_id}", case)
    while "{" in path:
        path = path[: path.index("{")] + case + path[path.index("}") + 1 :]
    return path


async def test_every_address_answers_sanely_of_an_erased_case(world: World) -> None:
    case = await retention.erased(world)
    tried = 0
    for route in doors():
        if "GET" not in (route.methods or ()) or not route.path.startswith("/v1"):
            continue
        for key in ("head", "standards", "auditor", "intelligence", "chair", "other_officer", "probation"):
            answer = await world.as_(key).get(_path(route, case))
            assert answer.status_code < 500, (route.path, key, answer.text)
            assert "Tarrant" not in answer.text and "Merrick" not in answer.text, (route.path, key)
            if "{case_id}" in route.path and key == "head" and answer.status_code != 403:
                proof = 200 if route.path.endswith("/erasure") else 404  # no disclosure has the id of the case
                wanted = proof if "/erasure" in route.path else 410
                assert answer.status_code == wanted, (route.path, answer.text)
            if "{case_id}" in route.path and key == "other_officer":
                assert answer.status_code in (403, 404), (route.path, answer.text)
            tried += 1
    assert tried > 300
    reports = world.rows("SELECT id FROM final_report")
    assert (await world.as_("intelligence").get(f"/v1/final-reports/{reports[0]['id']}")).status_code == 404
    assert (await retention.freeze(world, case)).status_code == 410


async def test_what_is_said_of_people_in_a_case_that_is_kept_stays(world: World) -> None:
    other = await retention.closed(world)
    person = "SELECT * FROM person WHERE case_id = %s ORDER BY id"
    said = "SELECT count(*) AS n FROM event WHERE case_id = %s"
    before, told = world.rows(person, other), world.rows(said, other)
    case = await retention.erased(world)
    assert case != other
    assert world.rows(person, other) == before
    assert world.rows(said, other) == told
