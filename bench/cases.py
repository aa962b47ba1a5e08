"""Many cases quickly: one that the service opened, copied row by row inside PostgreSQL."""

from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

_COPIED = """
    SELECT columns.table_name, columns.column_name, columns.data_type,
        EXISTS (
            SELECT FROM pg_constraint
            JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
            WHERE contype = 'f' AND conrelid = columns.table_name::regclass
                AND confrelid = 'staff_member'::regclass AND attname = columns.column_name
        )
    FROM information_schema.columns
    WHERE columns.table_schema = 'public' AND is_identity = 'NO' AND is_generated = 'NEVER' AND table_name IN (
        SELECT table_name FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
            AND column_name IN ('case_id', 'force_id') AND table_name <> 'access_log'
        GROUP BY table_name HAVING count(*) = 2
        UNION SELECT 'application'
    )
    ORDER BY table_name, ordinal_position
"""

_IN_TEXT: dict[str, LiteralString] = {
    "reference": "'DVDS-B' || lpad(n::text, 7, '0')",
    "surname": "surname || n",
    "surname_key": "surname_key || n",
    "match_key": "md5(match_key || n) || md5(n || match_key)",
}
_BY_TYPE: dict[str, LiteralString] = {
    "uuid": "md5({column}::text || n)::uuid",
    "timestamp with time zone": "{column} - n * %(apart)s * interval '1 second'",
    "date": "({column}::timestamptz - n * %(apart)s * interval '1 second')::date",
}
_YEAR = 365 * 24 * 3600


def multiply(url: str, case_id: str, number: int, *, open_share: float) -> None:
    """Copy a case `number` times with ids, names and keys of its own, first contacts spread over the year before.

    The newest `open_share` of the copies stay open, the others are closed with every clock met. `url` is a
    superuser's: foreign keys are not looked up again for rows that agree by construction.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, columns in _tables(connection):
            connection.execute(
                _copy(table, columns), {"case_id": case_id, "number": number, "apart": _YEAR / max(number, 1)}
            )
        _close(connection, keep_open=round(number * open_share))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def open_cases(url: str, limit: int) -> list[str]:
    """The ids of open cases, spread over all of them, the oldest first: that one is late."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """
            SELECT id FROM (SELECT * FROM application WHERE stage <> 'closed' ORDER BY id LIMIT %s) AS found
            ORDER BY first_contact_at
            """,
            [limit],
        )
        return [str(row[0]) for row in rows]


def surnames(url: str, case_ids: Sequence[str]) -> list[str]:
    """The subject's surname in each case; no two are alike."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT surname FROM person WHERE part = 'subject' AND case_id = ANY (%s::uuid[])", [list(case_ids)]
        )
        return [str(row[0]) for row in rows]


def potential_victims(url: str, case_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Each case with the party who is its potential victim."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT case_id, id FROM party WHERE role = 'potential_victim' AND case_id = ANY (%s::uuid[])",
            [list(case_ids)],
        )
        return [(str(case), str(party)) for case, party in rows]


def count(url: str, table: LiteralString) -> int:
    """How many rows a table has."""
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        return int(row[0]) if row else 0


def _tables(connection: psycopg.Connection) -> Iterator[tuple[str, list[tuple[str, str, bool]]]]:
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for table, *column in connection.execute(_COPIED).fetchall():
        found.setdefault(table, []).append((column[0], column[1], column[2]))
    yield from found.items()


def _copy(table: str, columns: list[tuple[str, str, bool]]) -> sql.Composed:
    names = [sql.Identifier(name) for name, _, _ in columns]
    values: list[Any] = [_value(*column) for column in columns]
    return sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {values} FROM {table}, generate_series(1, %(number)s) AS n "
        "WHERE {case} = %(case_id)s"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(names),
        values=sql.SQL(", ").join(values),
        case=sql.Identifier("id" if table == "application" else "case_id"),
    )


def _value(name: str, kind: str, of_staff: bool) -> sql.Composable:
    if name in _IN_TEXT:
        return sql.SQL(_IN_TEXT[name])
    if of_staff or name in ("born", "lived_from", "lived_to") or kind not in _BY_TYPE:
        return sql.Identifier(name)
    return sql.SQL(_BY_TYPE[kind]).format(column=sql.Identifier(name))


def _close(connection: psycopg.Connection, *, keep_open: int) -> None:
    connection.execute(
        """
        CREATE TEMPORARY TABLE done ON COMMIT DROP AS
        SELECT id FROM application ORDER BY first_contact_at DESC OFFSET %s
        """,
        [keep_open + 1],
    )
    connection.execute(
        "UPDATE application SET stage = 'closed', outcome = 'disclosed', closed_at = first_contact_at "
        "WHERE id IN (SELECT id FROM done)"
    )
    connection.execute(
        "UPDATE clock SET met_at = due_at, met_recorded_at = due_at, projected = false, next_alert_at = NULL "
        "WHERE case_id IN (SELECT id FROM done)"
    )
