"""From a token's subject to the person with the rights of this moment, and to the rows in that person's reach."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.claimed import NOTHING_CLAIMED, Claimed
from app.access.rules import FORUM_ROLES, VIEW_PERMISSIONS, Actor, known_roles
from app.access.tables import Agency, StaffMember
from app.errors import Unauthenticated
from app.storage.base import columns_of, shares_any, table_of
from app.storage.engine import has_context, renew_context, see, set_context
from app.storage.statements import row

_staff, _agency = columns_of(StaffMember), columns_of(Agency)
_AGENDA = case(
    (
        or_(_staff.force_id.is_(None), shares_any(StaffMember.roles, FORUM_ROLES)),
        func.agenda_of(_staff.id, bindparam("claimed", type_=ARRAY(Text)), type_=ARRAY(Uuid)),
    )
)
"""What stands before whoever sits at the forum; asked of the database for them alone."""
_ALSO = "also"
_PERSON = select(
    _staff.id,
    _staff.name,
    _staff.roles,
    _staff.force_id,
    _staff.agency_id,
    func.coalesce(_staff.force_id, _agency.force_id).label("serves_force_id"),
    _staff.rank,
    _AGENDA.label("agenda"),
    _staff.active,
    _staff.name_keys,
    _staff.former_surnames,
).select_from(table_of(StaffMember).outerjoin(table_of(Agency), _agency.id == _staff.agency_id))
_ACTIVE = _PERSON.where(_staff.subject == bindparam("subject"))
_BY_NOW = _PERSON.where(_staff.id == bindparam("staff_id"))


class UnknownStaff(Unauthenticated):
    """The token is good, but no active account answers to it; `account` is the one that has ended, if there was one."""

    code = "unknown_staff"

    def __init__(
        self,
        says: str = "No active account here answers to this token. Ask your administrator.",
        *,
        account: Actor | None = None,
    ) -> None:
        super().__init__(says)
        self.account = account


async def actor_for(session: AsyncSession, subject: str, *, claimed: Claimed = NOTHING_CLAIMED) -> Actor:
    """The active member of staff behind a subject; roles are read anew, so a revoked one is gone at once.

    What the token claims narrows the rights. Raises UnknownStaff, OtherOrganisation.
    """
    of_token = None if claimed.roles is None else [one.value for one in claimed.roles]
    found = await row(session, _ACTIVE, subject=subject, claimed=of_token)
    if found is None:
        raise UnknownStaff
    if not found.active:
        raise UnknownStaff(account=_person(found))
    return claimed.limit(_person(found))


def _person(found: Row[Any]) -> Actor:
    return Actor(
        staff_id=found.id,
        name=found.name,
        roles=known_roles(found.roles if found.active else ()),
        force_id=found.force_id,
        agency_id=found.agency_id,
        serves_force_id=found.serves_force_id,
        rank=found.rank,
        agenda=frozenset(found.agenda or ()) if found.active else frozenset(),
        name_keys=tuple(found.name_keys or ()),
        former_surnames=tuple(found.former_surnames or ()),
    )


async def reach(
    session: AsyncSession,
    actor: Actor,
    *,
    force_id: str | None = None,
    also: Iterable[UUID] = (),
    breaks: UUID | None = None,
    national: bool = False,
    own_actions: bool = False,
    whole: bool = False,
) -> Actor:
    """Let this transaction reach the person's rows and no others; what is withheld from the person stays so (H2.8).

    Beside the own force or agenda: `force_id`, a force that a partner's information goes to; `also`, cases that are on
    offer or in which the person owes an answer; `breaks`, the case whose glass is being broken; `national`, the closing
    reports of every force; `own_actions`, what the forum gave the person to do; `whole`, everybody in a case, where the
    service acts for the force and shows nothing.

    The person, with what is seen through a broken glass at this moment.
    """
    own_force = force_id or actor.force_id
    session.info[_ALSO] = frozenset(also)
    seen = await set_context(
        session,
        force_id=force_id if actor.sees_agenda_only else own_force,
        withheld_in=own_force,
        **_standing(session, actor),
        breaks=() if breaks is None else (breaks,),
        national=national,
        staff_id=actor.staff_id,
        own_actions=own_actions,
        sees=VIEW_PERMISSIONS if whole else actor.sees,
    )
    return replace(actor, glass=seen)


async def reach_by_now(session: AsyncSession, actor: Actor, case_id: UUID) -> Actor | None:
    """The person as of this moment, for whoever waited for the case's lock; None where it is withheld by now.

    The transaction then reaches what it reached, less what the person has lost meanwhile: roles, a place at the forum,
    a broken glass. No role is gained.
    """
    if not has_context(session):
        return actor
    found = await row(session, _BY_NOW, staff_id=actor.staff_id, claimed=[one.value for one in actor.roles])
    if found is None:
        return None
    person = _person(found)
    person = replace(person, roles=person.roles & actor.roles)
    glass = await renew_context(session, case_id, **_standing(session, person))
    return None if glass is None else replace(person, glass=glass)


def _standing(session: AsyncSession, actor: Actor) -> dict[str, Any]:
    """What of a transaction's context follows from who the person is by now."""
    return {
        "agenda": {*(actor.agenda if actor.is_partner else ()), *session.info.get(_ALSO, ())},
        "before": () if actor.is_partner else actor.agenda,
        "sees_restricted": actor.sees_restricted_cases,
        "roles": actor.roles,
    }


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
    return await reach(session, await actor_for(session, subject, claimed=claimed))
