"""From a token's subject to the person with the rights of this moment, and to the rows in that person's reach."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.claimed import NOTHING_CLAIMED, Claimed
from app.access.rules import VIEW_PERMISSIONS, Actor, known_roles
from app.access.tables import Agency, CaseGrant, StaffMember
from app.errors import Unauthenticated
from app.storage.base import columns_of, table_of
from app.storage.engine import see, set_context
from app.storage.statements import row, rows

_staff, _agency, _grant = columns_of(StaffMember), columns_of(Agency), columns_of(CaseGrant)
_ACTIVE = (
    select(
        _staff.id,
        _staff.name,
        _staff.roles,
        _staff.force_id,
        _staff.agency_id,
        func.coalesce(_staff.force_id, _agency.force_id).label("serves_force_id"),
        _staff.rank,
    )
    .select_from(table_of(StaffMember).outerjoin(table_of(Agency), _agency.id == _staff.agency_id))
    .where(_staff.subject == bindparam("subject"), _staff.active)
)
_GRANTED = select(_grant.case_id).where(_grant.staff_id == bindparam("staff_id"), _grant.ended_at.is_(None))


class UnknownStaff(Unauthenticated):
    """The token is good, but no active account answers to it."""

    code = "unknown_staff"


async def actor_for(session: AsyncSession, subject: str) -> Actor:
    """The active member of staff behind a subject; roles are read anew, so a revoked one is gone at once."""
    found = await row(session, _ACTIVE, subject=subject)
    if found is None:
        raise UnknownStaff("No active account here answers to this token. Ask your administrator.")
    agenda: frozenset[UUID] = frozenset()
    if found.agency_id is not None:
        agenda = frozenset(one.case_id for one in await rows(session, _GRANTED, staff_id=found.id))
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


async def reach(
    session: AsyncSession,
    actor: Actor,
    *,
    force_id: str | None = None,
    also: Iterable[UUID] = (),
    national: bool = False,
    own_actions: bool = False,
    whole: bool = False,
) -> None:
    """Let this transaction reach the person's rows and no others; what is withheld from the person stays so (H2.8).

    Beside the own force or agenda: `force_id`, a force that a partner's information goes to; `also`, cases that are on
    offer or in which the person owes an answer; `national`, the closing reports of every force; `own_actions`, what the
    forum gave the person to do; `whole`, everybody in a case, where the service acts for the force and shows nothing.
    """
    await set_context(
        session,
        force_id=force_id or actor.force_id,
        agenda={*actor.agenda, *also},
        national=national,
        staff_id=actor.staff_id,
        own_actions=own_actions,
        sees_restricted=actor.sees_restricted_cases,
        sees=VIEW_PERMISSIONS if whole else actor.sees,
    )


async def see_whole(session: AsyncSession) -> None:
    """Let the rules of an act or a decision read everybody in the case: what they find must not depend on who asks.

    The answer to an act carries no person, so nothing is shown by it (H2.7).
    """
    await see(session, VIEW_PERMISSIONS)


@asynccontextmanager
async def seeing_whole(session: AsyncSession) -> AsyncIterator[bool]:
    """The same for a while, where a reading works out how a case stands; then the reader's own sight again.

    Gives whether that is more than the reader's own.
    """
    before = await see(session, VIEW_PERMISSIONS)
    yield not before >= VIEW_PERMISSIONS
    await see(session, before)


async def enter_as(session: AsyncSession, subject: str, *, claimed: Claimed = NOTHING_CLAIMED) -> Actor:
    """The person behind a subject, with rights read anew; the transaction then reaches that person's rows only.

    What the token claims narrows the rights, before anything is reached by them.
    """
    person = claimed.limit(await actor_for(session, subject))
    await reach(session, person)
    return person
