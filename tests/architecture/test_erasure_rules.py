"""Every column of a case that could tell of a person has a rule for its erasure: a new one cannot be forgotten."""

from datetime import date
from typing import Any

from sqlalchemy import Column, Enum, TypeDecorator
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills the metadata
from tests.world import World

TELLING = (str, bytes, date, dict, list)
OF_A_CASE = {
    name: table
    for name, table in SQLModel.metadata.tables.items()
    if name == "application" or ("case_id" in table.c and name != "access_log")
}


def python_type(column: Column[Any]) -> type:
    """What a column holds, under whatever decorates its type."""
    of = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return of.python_type


def telling() -> set[tuple[str, str]]:
    """Columns of cases' tables that are no enum, no reference and no id."""
    return {
        (name, column.name)
        for name, table in OF_A_CASE.items()
        for column in table.c
        if python_type(column) in TELLING
        and not isinstance(column.type, Enum)
        and not any(column.name in one.column_keys for one in table.foreign_key_constraints)
    }


async def test_every_column_that_could_tell_of_a_person_has_a_rule(world: World) -> None:
    rules = {
        (row["table_name"], row["column_name"]): row["becomes"]
        for row in world.rows("SELECT table_name, column_name, becomes FROM erasure_rule")
    }
    whole = {table for table, column in rules if column == "*"}
    without = {one for one in telling() if one not in rules and one[0] not in whole}
    assert len(telling()) > 150
    assert not without, f"say in a migration what becomes of {sorted(without)} when a case is erased"
    unknown = {
        (table, column)
        for table, column in rules
        if table != "case_key" and (table not in OF_A_CASE or (column != "*" and column not in OF_A_CASE[table].c))
    }
    assert not unknown, f"no such column: {sorted(unknown)}"


async def test_only_the_function_writes_the_rules_and_only_the_api_may_call_it(world: World) -> None:
    granted = world.rows(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = 'erasure_rule' "
        "AND grantee <> 'clares_law_owner'"
    )
    assert granted == []
    able = world.rows(
        "SELECT rolname FROM pg_roles WHERE has_function_privilege(oid, 'erase_case(uuid,uuid,date,timestamptz)', "
        "'EXECUTE') AND starts_with(rolname, 'clares_law_') ORDER BY 1"
    )
    assert [row["rolname"] for row in able] == ["clares_law_app", "clares_law_owner"]
