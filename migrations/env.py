"""Alembic's environment: the owner's role, one upgrade at a time, short waits for locks."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Enum, create_engine, pool, text
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

import app.tables  # noqa: F401 - fills the metadata
from app.storage.engine import DatabaseRole, as_role

_LOCK = 7_301_944


def _render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """Migrations name SQLAlchemy's types only, and enums as checked text."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Enum):
        values = ", ".join(repr(value) for value in item.enums)
        return f"sa.Enum({values}, name={item.name!r}, native_enum=False, create_constraint=True)"
    return False


def migrate() -> None:
    """Run what was asked for over one connection in one transaction."""
    url = context.config.attributes["url"]
    engine = create_engine(as_role(url, DatabaseRole.OWNER), poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL row_security = off"))
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            render_item=_render,
            compare_type=True,
            compare_server_default=True,
        )
        context.run_migrations()


migrate()
