"""What is read and written all day: statements that are built once, and rows instead of entities.

Such a statement stands at the top of its module, over plain columns (`columns_of`), with a `bindparam` for each value
that a request brings. Building one anew for each request takes longer than sending it and reading the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Executable, Row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]


async def rows(session: AsyncSession, statement: Executable, **wanted: Any) -> Sequence[Row[Any]]:
    """The rows of a statement, what the session holds unsent included."""
    return await session.run_sync(lambda held: _send(held, statement, wanted).all())


async def row(session: AsyncSession, statement: Executable, **wanted: Any) -> Row[Any] | None:
    """The first row, or None."""
    found = await rows(session, statement, **wanted)
    return found[0] if found else None


async def write(session: AsyncSession, statement: Executable, values: Values) -> None:
    """Run an insert or an update with one row of values, or with several, after what the session holds unsent."""
    await session.run_sync(_send, statement, values)


def _send(session: Session, statement: Executable, values: Values) -> CursorResult[Any]:
    session.flush()
    return session.connection().execute(statement, values)
