"""Roles and migrations, as `clares-law migrate` runs them.

Alembic is loaded where it is used: it takes longer than all else that a worker loads, and no worker migrates.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from app.errors import ClaresLawError
from app.storage.engine import DatabaseRole, as_role

if TYPE_CHECKING:
    from alembic.config import Config

_ROOT = Path(__file__).resolve().parent.parent.parent
_NO_PASSWORDS: Mapping[DatabaseRole, str] = MappingProxyType({})


class OtherKind(ClaresLawError):
    """Demonstration and production refuse each other's database."""

    code: ClassVar[str] = "other_kind"


class DatabaseUnusable(ClaresLawError):
    """The database does not let this login in, or not do what was asked."""

    code: ClassVar[str] = "database_unusable"


def config(url: str) -> "Config":
    """Alembic's configuration for a database."""
    from alembic.config import Config

    settings = Config(_ROOT / "alembic.ini")
    settings.attributes["url"] = url
    return settings


def conninfo(url: str) -> str:
    """A SQLAlchemy URL as psycopg takes it; not as an address, where SQLAlchemy writes a space as + and libpq %20."""
    named = make_url(url)
    options = {name: value if isinstance(value, str) else ",".join(value) for name, value in named.query.items()}
    return make_conninfo(**(named.translate_connect_args(username="user", database="dbname") | options))


@contextmanager
def _connect(url: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection]:
    """One connection, committed at the end of the block; what PostgreSQL refuses is said without the password."""
    try:
        with psycopg.connect(conninfo(url), autocommit=autocommit) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege) as error:
        raise DatabaseUnusable(f"The database {make_url(url).render_as_string()} refuses: {error}") from error


def make_database(url: str, name: str) -> None:
    """Make the database `name` on the server of `url` where it is missing. Needs a login that may."""
    with _connect(url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def bootstrap(url: str, *, passwords: Mapping[DatabaseRole, str] = _NO_PASSWORDS, open_to_socket: bool = False) -> None:
    """Make the roles, none a superuser and none able to bypass row-level security, and let this login act as them.

    A role with a password may log in by itself; `open_to_socket` lets every role do so without one, which is for a
    server that only its starter's socket reaches. Needs a login that may create roles. Safe to repeat.
    """
    with _connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7301945)")
        for role in DatabaseRole:
            _bootstrap_role(connection, role, passwords.get(role), may_log_in=open_to_socket)
        database = sql.Identifier(make_url(url).database or "")
        owner = sql.Identifier(DatabaseRole.OWNER.value)
        connection.execute(sql.SQL("GRANT CREATE, CONNECT ON DATABASE {} TO {}").format(database, owner))
        connection.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(owner))


def _bootstrap_role(
    connection: psycopg.Connection, role: DatabaseRole, password: str | None, *, may_log_in: bool
) -> None:
    name = sql.Identifier(role.value)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role.value]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)
    if superuser:  # nobody else may say so, and nobody else could have made it otherwise
        connection.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE").format(name))
    elif not _acts_as(connection, role):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
    if password is not None:
        # As a SCRAM verifier, so that the password itself stands in no log of the server.
        verifier = connection.pgconn.encrypt_password(password.encode(), role.value.encode(), b"scram-sha-256")
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, verifier.decode()))
    elif may_log_in:
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(name))


def _acts_as(connection: psycopg.Connection, role: DatabaseRole) -> bool:
    # Since 16 a member may be forbidden SET ROLE, which is what a connection of ours begins with.
    privilege = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
    answer = connection.execute("SELECT pg_has_role(current_user, %s, %s)", [role.value, privilege]).fetchone()
    return answer == (True,)


def is_current(url: str) -> bool:
    """Whether the database stands at the newest migration; without Alembic's environment, which is slow to load."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(config(url)).get_current_head()
    with _connect(as_role(url, DatabaseRole.OWNER)) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return False
        return connection.execute("SELECT version_num FROM alembic_version").fetchone() == (newest,)


def claim(url: str, kind: str) -> None:
    """Mark a migrated database as `kind`, demonstration or production, for good; raises OtherKind as below."""
    with _connect(as_role(url, DatabaseRole.OWNER)) as connection:
        connection.execute(
            "INSERT INTO installation (only_row, kind) VALUES (true, %s) ON CONFLICT (only_row) DO NOTHING", [kind]
        )
    refuse_other_kind(url, kind, DatabaseRole.OWNER)


def refuse_other_kind(url: str, kind: str, role: DatabaseRole, *, unmarked: bool = False) -> None:
    """Raise OtherKind unless the database is marked as `kind`, or, where `unmarked` will do, not marked at all."""
    with _connect(as_role(url, role)) as connection:
        made = connection.execute("SELECT to_regclass('public.installation')").fetchone() != (None,)
        row = connection.execute("SELECT kind FROM installation").fetchone() if made else None
    found = row[0] if row else None
    if found == kind or (found is None and unmarked):
        return
    if found is None:
        raise OtherKind("Nobody has prepared the database yet: clares-law migrate")
    raise OtherKind(f"This start is for {kind}, and the database is for {found}. Name another database.")


def editions_of_open_cases(url: str, role: DatabaseRole) -> list[tuple[str, str | None]]:
    """The editions that open cases are under, each with the content version it had when they were opened."""
    with _connect(as_role(url, role)) as connection:
        known = connection.execute("SELECT to_regprocedure('editions_of_open_cases()')").fetchone() != (None,)
        if not known:
            raise DatabaseUnusable("The database is older than this version of the service: clares-law migrate")
        return connection.execute("SELECT name, version FROM editions_of_open_cases()").fetchall()


def outermost_case_keys(url: str, role: DatabaseRole) -> list[tuple[UUID, bytes]]:
    """A wrapped key of a case under the oldest version in use and one under the newest; none where there is no case."""
    with _connect(as_role(url, role)) as connection:
        known = connection.execute("SELECT to_regprocedure('outermost_case_keys()')").fetchone() != (None,)
        if not known:
            raise DatabaseUnusable("The database is older than this version of the service: clares-law migrate")
        found = connection.execute("SELECT case_id, wrapped FROM outermost_case_keys()").fetchall()
    return [(case_id, bytes(wrapped)) for case_id, wrapped in found]


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; raises DatabaseUnusable where a newer version has been there."""
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(config(url), revision)
    except CommandError as error:
        raise DatabaseUnusable(f"The database cannot be migrated by this version: {error}") from error


def downgrade(url: str, revision: str) -> None:
    """Take the schema down to a revision."""
    from alembic import command

    command.downgrade(config(url), revision)


def drift(url: str) -> None:
    """Raise where the tables in the code and the migrations disagree."""
    from alembic import command

    command.check(config(url))
