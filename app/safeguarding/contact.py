"""Whether somebody may be approached: a safe contact for everybody, and for the subject leave to ask (H2.1, H5.5)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import column, exists, select, table
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Party, PartyRole
from app.errors import Obstacle
from app.people.tables import SafeContact
from app.safeguarding.rules import no_safe_contact, subject_contacted

_representations = table(
    "representations", column("case_id"), column("potential_victim_id"), column("choice"), column("recorded_at")
)
"""Whether the subject is asked; the package that decides it lies above this one."""


async def wrong_with_contact(session: AsyncSession, party: Party, *, at: datetime) -> list[Obstacle]:
    """What a supervisor should know of an approach made at that time (H2.1, H2.7)."""
    if party.role is PartyRole.SUBJECT:
        return [] if await _subject_may_be_asked(session, party.case_id, at=at) else [subject_contacted()]
    known = select(exists().where(col(SafeContact.person_id) == party.person_id, col(SafeContact.recorded_at) <= at))
    return [] if await session.scalar(known) else [no_safe_contact()]


async def _subject_may_be_asked(session: AsyncSession, case_id: UUID, *, at: datetime) -> bool:
    """Whether representations were sought by then: for some potential victim, or the whole case, the newest says so."""
    asked = _representations.c
    query = (
        select(asked.potential_victim_id, asked.choice)
        .where(asked.case_id == case_id, asked.recorded_at <= at)
        .order_by(asked.recorded_at)
    )
    newest = {row.potential_victim_id: row.choice for row in await session.execute(query)}
    return "sought" in newest.values()
