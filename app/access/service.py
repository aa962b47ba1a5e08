"""From a token's subject to the person with the rights of this moment."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, known_roles
from app.access.tables import Agency, CaseGrant, StaffMember
from app.errors import Unauthenticated
from app.storage.engine import set_context


class UnknownStaff(Unauthenticated):
    """The token is good, but no active account answers to it."""

    code = "unknown_staff"


async def actor_for(session: AsyncSession, subject: str) -> Actor:
    """The active member of staff behind a subject; roles are read anew, so a revoked one is gone at once."""
    query = (
        select(
            col(StaffMember.id),
            col(StaffMember.name),
            col(StaffMember.roles),
            col(StaffMember.force_id),
            col(StaffMember.agency_id),
            func.coalesce(col(StaffMember.force_id), col(Agency.force_id)).label("serves_force_id"),
            col(StaffMember.rank),
        )
        .outerjoin(Agency, col(Agency.id) == col(StaffMember.agency_id))
        .where(col(StaffMember.subject) == subject, col(StaffMember.active))
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise UnknownStaff("No active account here answers to this token. Ask your administrator.")
    agenda: frozenset[UUID] = frozenset()
    if found.agency_id is not None:
        granted = select(col(CaseGrant.case_id)).where(
            col(CaseGrant.staff_id) == found.id, col(CaseGrant.ended_at).is_(None)
        )
        agenda = frozenset((await session.scalars(granted)).all())
    return Actor(
        staff_id=found.id,
        name=found.name,
        roles=known_roles(found.roles),
        force_id=found.force_id,
        agency_id=found.agency_id,
        serves_force_id=found.serves_force_id,
        rank=found.rank,
        agenda=agenda,
    )


async def enter_as(session: AsyncSession, subject: str) -> Actor:
    """The person behind a subject, with rights read anew; the transaction then reaches that person's rows only."""
    person = await actor_for(session, subject)
    await set_context(session, force_id=person.force_id, agenda=person.agenda)
    return person
