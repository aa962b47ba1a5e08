"""What every table shares: names for constraints, enums as checked text, and the two keys of a case.

A row of a case carries `case_id` and `force_id` with one composite foreign key to the case, so that row-level
security compares `force_id` where it stands and a transfer to another force moves every row by cascade (H8.5).
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ColumnElement,
    Enum,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    cast,
    literal_column,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import Field, SQLModel, col

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def text_enum(values: type[StrEnum], name: str) -> Any:
    """Text with a CHECK named `name`; autogenerate sees neither, so a test compares them with the enum."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
    )


def case_constraints(table: str, *more: Any, party: str | None = None) -> tuple[Any, ...]:
    """`__table_args__` of a row of a case; `party` names a column that must be a party of the same case."""
    of_case = ForeignKeyConstraint(
        ["case_id", "force_id"],
        ["application.id", "application.force_id"],
        name=f"fk_{table}_case",
        onupdate="CASCADE",
    )
    constraints: list[Any] = [of_case, Index(f"ix_{table}_case_id", "case_id"), *more]
    if party:
        constraints.append(
            ForeignKeyConstraint([party, "case_id"], ["party.id", "party.case_id"], name=f"fk_{table}_{party}")
        )
    return tuple(constraints)


def check(rule: str, name: str) -> CheckConstraint:
    """A named CHECK: the row that breaks it is impossible, whoever writes it."""
    return CheckConstraint(rule, name=name)


RECORDED_IN = "(pg_current_xact_id()::text)::bigint"
"""The transaction that writes a row, as a default: transactions, unlike moments, tell what a reader may have missed."""
SETTLED: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
"""Every transaction before this one has ended: no row can appear among theirs any more."""


class CaseRow(SQLModel):
    """A row that belongs to one case. Ids are random: a sequence would tell of hidden cases."""

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    case_id: UUID
    force_id: str


class Act(CaseRow):
    """A fact: when it happened and when it was typed are kept apart (H10.7). Rows of acts are never changed."""

    occurred_at: datetime
    recorded_at: datetime
    recorded_by: UUID = Field(foreign_key="staff_member.id")


def table_of(table: type[SQLModel]) -> Table:
    """The table itself, for a Core statement."""
    return table.metadata.tables[str(table.__tablename__)]


def columns_of(table: type[SQLModel]) -> ReadOnlyColumnCollection[str, Any]:
    """Every column of a table, for a Core select that returns rows."""
    return table_of(table).c


def shown_columns(table: type[SQLModel]) -> list[Any]:
    """Every column under the name by which the code knows it, where the database calls it otherwise."""
    return [one if one.key == one.name else one.label(one.key) for one in columns_of(table)]


def shares_any(names: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column of texts holds any of the values."""
    return col(names).bool_op("&&")(cast(sorted(values), ARRAY(Text)))
