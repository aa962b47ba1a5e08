"""From a token's subject to the person with the rights of this moment, and to the rows in that person's reach."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor, known_roles
from app.access.tables import Agency, CaseGrant, StaffMember
from app.errors import Unauthenticated
from app.storage.base import columns_of, table_of
from app.storage.engine import set_context
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
        _staff.active,
    )
    .select_from(table_of(StaffMember).outerjoin(table_of(Agency), _agency.id == _staff.agency_id))
    .where(_staff.subject == bindparam("subject"))
)
_GRANTED = select(_grant.case_id).where(_grant.staff_id == bindparam("staff_id"), _grant.ended_at.is_(None))


class UnknownStaff(Unauthenticated):
    """The token is good, but no active account answers to it; `account` is the one that has ended, if there was one."""

    code = "unknown_staff"

    def __init__(self, account: Actor | None = None) -> None:
        super().__init__("No active account here answers to this token. Ask your administrator.")
        self.account = account


async def actor_for(session: AsyncSession, subject: str) -> Actor:
    """The active member of staff behind a subject; roles are read anew, so a revoked one is gone at once."""
    found = await row(session, _ACTIVE, subject=subject)
    if found is None:
        raise UnknownStaff
    agenda: frozenset[UUID] = frozenset()
    if found.active and found.agency_id is not None:
        agenda = frozenset(one.case_id for one in await rows(session, _GRANTED, staff_id=found.id))
    person = Actor(
        staff_id=found.id,
        name=found.name,
        roles=known_roles(found.roles if found.active else ()),
        force_id=found.force_id,
        agency_id=found.agency_id,
        serves_force_id=found.serves_force_id,
        rank=found.rank,
        agenda=agenda,
    )
    if not found.active:
        raise UnknownStaff(person)
    return person


async def reach(
    session: AsyncSession,
    actor: Actor,
    *,
    force_id: str | None = None,
    also: Iterable[UUID] = (),
    national: bool = False,
    own_actions: bool = False,
) -> None:
    """Let this transaction reach the person's rows and no others; what is withheld from the person stays so (H2.8).

    Beside the own force or agenda: `force_id`, a force that a partner's information goes to; `also`, cases that are on
    offer or in which the person owes an answer; `national`, the closing reports of every force; `own_actions`, what the
    forum gave the person to do.
    """
    await set_context(
        session,
        force_id=force_id or actor.force_id,
        agenda={*actor.agenda, *also},
        national=national,
        staff_id=actor.staff_id,
        own_actions=own_actions,
        sees_restricted=actor.sees_restricted_cases,
    )


async def enter_as(session: AsyncSession, subject: str) -> Actor:
    """The person behind a subject, with rights read anew; the transaction then reaches that person's rows only."""
    person = await actor_for(session, subject)
    await reach(session, person)
    return person
