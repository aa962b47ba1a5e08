"""No record that is sealed keeps a text in clear beside its envelopes."""

import pytest
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills the metadata
from app.evidence.records import COVERED
from app.evidence.sealed import Sealed
from tests.world import World

TABLES = SQLModel.metadata.tables
IN_CLEAR = {
    "force_id": "which force holds the case",
    "emergency_authority.rank": "the authoriser's rank on that day, of the edition's list",
    "delivery_clearance.warnings_given": "which of the warnings, of a list",
    "disclosure.warnings_given": "which of the warnings, of a list",
    "final_report.reference": "the case's reference, which is random",
    "final_report.force": "the name of the force, as it was",
    "final_report.grading": "3x5x2, which a CHECK holds to its form",
}
"""Texts that stay columns, and why: nobody types any of them."""


async def test_every_text_of_a_sealed_record_is_an_envelope_or_on_the_list_with_a_reason(world: World) -> None:
    lists = {
        row["column"]
        for row in world.rows(
            "SELECT table_name || '.' || column_name AS column FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name = ANY (%s) "
            "AND data_type NOT IN ('uuid', 'boolean', 'timestamp with time zone', 'date', 'integer', 'bigint') "
            "AND data_type <> 'bytea' AND NOT (data_type = 'ARRAY' AND udt_name = '_uuid')",
            list(COVERED),
        )
    }
    enums = {
        f"{table}.{column.name}" for table in COVERED for column in TABLES[table].c if hasattr(column.type, "enums")
    }
    unsealed = {one for one in lists - enums if one.partition(".")[2] not in IN_CLEAR}
    assert unsealed == {one for one in IN_CLEAR if "." in one}


def test_every_sealed_record_has_an_envelope_bound_to_its_own_place() -> None:
    for name in COVERED:
        envelopes = [column for column in TABLES[name].c if isinstance(column.type, Sealed)]
        assert envelopes, name
        for column in envelopes:
            assert isinstance(column.type, Sealed)
            assert (column.type.where, column.name) == (f"{name}.{column.key}", f"{column.key}_sealed")
    sealed = {name for name, table in TABLES.items() if any(isinstance(one.type, Sealed) for one in table.c)}
    assert sealed == set(COVERED)


def test_a_text_that_is_not_sealed_is_never_sent() -> None:
    kind = Sealed("disclosure.words")
    with pytest.raises(TypeError, match="is sealed"):
        kind.process_bind_param("In clear.", None)  # type: ignore[arg-type]  # refused before any dialect is looked at
