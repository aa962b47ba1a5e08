"""How the case stands before its next decision: asks each stage for its own facts and its own obstacles."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.cases.schemas import Parties
from app.cases.tables import Case
from app.errors import Obstacle
from app.safeguarding.tables import Duty


@dataclass
class Standing:
    """What stands against each next step, which steps are done, and what blocks closing."""

    obstacles: dict[str, list[Obstacle]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    blocks_closing: list[Obstacle] = field(default_factory=list)


async def standing(
    session: AsyncSession, case: Case, people: Parties, duties: Iterable[Duty], *, now: datetime
) -> Standing:
    """The facts of the stage that the case is at."""
    return Standing()
