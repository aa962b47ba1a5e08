"""What a worker claims, and the cases of what it claimed: it holds both, or lets go of the row and never waits.

A request holds its case first and its clocks and alerts after it; a transfer (H8.5) holds the case and moves them all.
A worker begins at the other end, and one that waited for a case with a row of it in hand would wait for ever.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import column, select, table
from sqlalchemy.ext.asyncio import AsyncSession

_case = table("application", column("id"))


class _OfCase(Protocol):
    @property
    def case_id(self) -> Any: ...


_Row = TypeVar("_Row", bound=_OfCase)


async def with_their_cases(session: AsyncSession, claimed: Sequence[_Row], *, changing: bool = False) -> list[_Row]:
    """Those of the claimed rows whose cases are free, which are held from now on; the others are for the next time.

    A case that is only pointed at is kept from being moved, and may be worked on meanwhile. `changing` says that its
    own row is written as well: then it is nobody else's until the transaction ends.
    """
    if not claimed:
        return []
    asked = select(_case.c.id).where(_case.c.id.in_({row.case_id for row in claimed}))
    free: set[UUID] = set(
        await session.scalars(asked.with_for_update(read=not changing, key_share=True, skip_locked=True))
    )
    return [row for row in claimed if row.case_id in free]
