"""Keeping the accounts of a force and of the agencies that sit with it. An administrator sees no case (H1.3)."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
from app.access.addresses import address_key
from app.access.changes import Changed, Standing, before_change, changes_of, keep_change
from app.access.rules import Actor, Role, role_problem
from app.access.schemas import (
    AccountChangeView,
    AgencyIn,
    AgencyView,
    EndedView,
    ShiftIn,
    StaffChangeIn,
    StaffIn,
    StaffView,
)
from app.access.sessions import end_sessions_of
from app.access.tables import Agency, Force, SessionEnd, StaffMember
from app.errors import Conflict, NotFound, NotPermitted, Unprocessable
from app.settings import settings
from app.storage.keyfile import service_key


class AlreadyThere(Conflict):
    """Another account or agency has that name."""

    code = "already_there"


class StaffNotFound(NotFound):
    """No such account in this force."""

    code = "staff_not_found"

    def __init__(self) -> None:
        super().__init__("No such account is held for this force.")


class OwnAccount(NotPermitted):
    """Nobody gives rights to himself or herself."""

    code = "own_account"


def _must_fit(roles: Iterable[Role], *, partner: bool) -> None:
    if problem := role_problem(roles, partner=partner):
        raise Unprocessable(problem, field="roles")


async def add_agency(session: AsyncSession, given: AgencyIn, *, actor: Actor) -> AgencyView:
    """Add an agency that sits on the force's forum."""
    if await session.get(Agency, given.id):
        raise AlreadyThere("An agency with that id is held already.")
    session.add(Agency(force_id=actor.serves_force_id, **given.model_dump()))
    return AgencyView(force_id=actor.serves_force_id, **given.model_dump())


async def add_staff(session: AsyncSession, given: StaffIn, *, actor: Actor) -> tuple[StaffView, Changed | None]:
    """Add an account of the own force, or of an agency that sits with it; what it may do is kept as a change."""
    _must_fit(given.roles, partner=given.agency_id is not None)
    if given.agency_id:
        agency = await session.get(Agency, given.agency_id)
        if agency is None or agency.force_id != actor.serves_force_id:
            raise Unprocessable("agency_id must name an agency of this force.", field="agency_id")
    if (await session.scalars(select(col(StaffMember.id)).where(col(StaffMember.subject) == given.subject))).first():
        raise AlreadyThere("An account with that subject is held already.")
    member = StaffMember(
        subject=given.subject,
        name=given.name,
        roles=[role.value for role in given.roles],
        force_id=None if given.agency_id else actor.serves_force_id,
        agency_id=given.agency_id,
        rank=given.rank,
        born=given.born,
        email=given.email,
        address_key=_key_of(given.address),
        shifts=_kept(given.shifts),
    )
    before = await before_change(session, None, force_id=actor.serves_force_id)
    session.add(member)
    changed = await keep_change(session, member, before, by=actor.staff_id, force_id=actor.serves_force_id)
    return StaffView.model_validate(member), changed


def _key_of(address: str | None) -> str | None:
    """The address as it is compared; NoSecretsKey where the service has no secret to hash it with."""
    return None if address is None else address_key(address, service_key(settings()))


def _kept(shifts: list[ShiftIn] | None) -> list[dict[str, Any]] | None:
    return None if shifts is None else [shift.model_dump() for shift in shifts]


async def _account(session: AsyncSession, staff_id: UUID, *, actor: Actor, for_change: bool = False) -> StaffMember:
    """An account of the own force, or of an agency that sits with it. Raises StaffNotFound.

    `for_change` it is held: a sign-in under way has ended before, or sees what is changed.
    """
    theirs = select(col(Agency.id)).where(col(Agency.force_id) == actor.serves_force_id)
    query = select(StaffMember).where(
        col(StaffMember.id) == staff_id,
        or_(col(StaffMember.force_id) == actor.serves_force_id, col(StaffMember.agency_id).in_(theirs)),
    )
    if for_change:
        query = query.with_for_update(key_share=True)
    member = (await session.scalars(query)).one_or_none()
    if member is None:
        raise StaffNotFound
    return member


async def change_staff(
    session: AsyncSession, staff_id: UUID, given: StaffChangeIn, *, actor: Actor
) -> tuple[StaffView, Changed | None]:
    """Change what an account may do; it holds from the next request on. One that is closed is signed out everywhere."""
    member = await _account(session, staff_id, actor=actor, for_change=True)
    if member.id == actor.staff_id:
        raise OwnAccount("Nobody changes the own account: ask another administrator.")
    _must_fit(given.roles, partner=member.agency_id is not None)
    before = await before_change(session, Standing.of(member), force_id=actor.serves_force_id)
    taken = {*(member.taken_roles or ()), *member.roles} - set(given.roles)
    member.taken_roles = sorted(taken) or None
    member.roles, member.active = [role.value for role in given.roles], given.active
    if "rank" in given.model_fields_set:
        member.rank = given.rank
    if given.born:
        member.born = given.born
    member.compared = False  # with the parties of every case, anew (H2.8)
    if "email" in given.model_fields_set:
        member.email = given.email
    if "address" in given.model_fields_set:
        member.address_key = _key_of(given.address)
    if "shifts" in given.model_fields_set:
        member.shifts = _kept(given.shifts)
    if not member.active:
        await end_sessions_of(session, member.id, because=SessionEnd.ACCOUNT_CLOSED, now=clock.real_now())
    changed = await keep_change(session, member, before, by=actor.staff_id, force_id=actor.serves_force_id)
    return StaffView.model_validate(member), changed


async def account_changes(session: AsyncSession, staff_id: UUID, *, actor: Actor) -> list[AccountChangeView]:
    """What an account of the own force, or of an agency that sits with it, might do, change by change."""
    member = await _account(session, staff_id, actor=actor)
    return await changes_of(session, member.id)


async def end_sessions(session: AsyncSession, staff_id: UUID, *, actor: Actor) -> EndedView:
    """Sign an account out of every browser at once."""
    member = await _account(session, staff_id, actor=actor, for_change=True)
    ended = await end_sessions_of(session, member.id, because=SessionEnd.ADMINISTRATOR, now=clock.real_now())
    return EndedView(ended=ended)


async def found_force(session: AsyncSession, *, force_id: str, name: str, division: str, administrator: str) -> None:
    """Set up a force and its first administrator; repeating it changes nothing."""
    if await session.get(Force, force_id) is None:
        session.add(Force(id=force_id, name=name, division=division))
        await session.flush()
    held = select(col(StaffMember.id)).where(col(StaffMember.subject) == administrator)
    if (await session.scalars(held)).first() is None:
        first = StaffMember(subject=administrator, name="Administrator", roles=["administrator"], force_id=force_id)
        before = await before_change(session, None, force_id=force_id)
        session.add(first)
        await keep_change(session, first, before, by=None, force_id=force_id)
