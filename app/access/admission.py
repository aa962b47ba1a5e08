"""Whom a sign-in admits: the account of the subject, kept in line with what the provider claims, or a new one.

Where roles and an organisation are configured as claims, somebody unknown gets an account at the first sign-in, of the
force or agency claimed, with the roles claimed. Later sign-ins give what is newly claimed and take what is claimed no
longer; what an administrator took stays taken, and what one gave beside the claims stays in the account, where it has
no effect as long as tokens do not claim it too.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.changes import Changed, Standing, before_change, keep_change
from app.access.claimed import Claimed, OtherOrganisation
from app.access.names import account_keys, surnames_of
from app.access.rules import Role, known_roles, role_problem
from app.access.service import UnknownStaff
from app.access.tables import Agency, Force, StaffMember
from app.errors import Unauthenticated
from app.evidence.terms import Category


class RolesDoNotFit(Unauthenticated):
    """Nobody may hold the roles that the provider claims, at least not together (H1.3)."""

    code = "roles_do_not_fit"


async def account_of(session: AsyncSession, subject: str, *, for_change: bool = False) -> StaffMember | None:
    """The account of a subject, closed or not; `for_change` held, so that no administrator changes it meanwhile."""
    query = select(StaffMember).where(col(StaffMember.subject) == subject)
    if for_change:
        query = query.with_for_update(key_share=True)
    return (await session.scalars(query)).one_or_none()


@dataclass(frozen=True)
class Admitted:
    """The account that signs in, whether it was made, changed or only used for that, and what it may do since."""

    member: StaffMember
    touched: Category
    changed: Changed | None = None


async def admit(session: AsyncSession, subject: str, claimed: Claimed) -> Admitted:
    """Let the account of a subject in, in line with what is claimed.

    Raises UnknownStaff, OtherOrganisation, RolesDoNotFit; then nothing is changed.
    """
    member = await account_of(session, subject, for_change=True)
    if member is None:
        member = await _new_account(session, subject, claimed)
        force_id = await force_served(session, member)
        before = await before_change(session, None, force_id=force_id)
        session.add(member)
        await session.flush()
        changed = await keep_change(session, member, before, by=member.id, force_id=force_id)
        return Admitted(member, Category.COLLECTION, changed)
    if not member.active:
        raise UnknownStaff("This account is closed. Ask your administrator.")
    force_id = await force_served(session, member)
    if claimed.bound and not claimed.is_of(member.agency_id, force_id):
        raise OtherOrganisation(
            "The provider names another force or agency than this account's. Ask your administrator."
        )
    held = Standing.of(member)
    if not _keep_in_line(member, claimed):
        return Admitted(member, Category.CONSULTATION)
    before = await before_change(session, held, force_id=force_id)  # nothing of it is written yet
    changed = await keep_change(session, member, before, by=member.id, force_id=force_id)
    return Admitted(member, Category.ALTERATION, changed)


async def _new_account(session: AsyncSession, subject: str, claimed: Claimed) -> StaffMember:
    if not claimed.roles or not claimed.bound or claimed.name is None:
        raise UnknownStaff("No account here answers to this sign-in. Ask your administrator.")
    agency = await session.get(Agency, claimed.agency) if claimed.agency else None
    force = await session.get(Force, claimed.force) if claimed.force else None
    known = agency is not None if claimed.agency else force is not None
    if not known or (agency is not None and not claimed.is_of(agency.id, agency.force_id)):
        raise OtherOrganisation("The provider names a force or agency that is not held here. Ask your administrator.")
    _must_fit(claimed.roles, partner=agency is not None)
    return StaffMember(
        subject=subject,
        name=claimed.name,
        roles=_stored(claimed.roles),
        claimed_roles=_stored(claimed.roles),
        force_id=force.id if agency is None and force is not None else None,
        agency_id=agency.id if agency is not None else None,
    )


def _keep_in_line(member: StaffMember, claimed: Claimed) -> bool:
    """Whether anything had to be changed."""
    if claimed.roles is None:
        return False
    now = claimed.roles
    # Of an account that an administrator made nothing was claimed before: its roles are the administrator's word.
    before = now if member.claimed_roles is None else known_roles(member.claimed_roles)
    held = known_roles(member.roles)
    roles = ((held - (before - now)) | (now - before)) - known_roles(member.taken_roles or ())
    _must_fit(roles, partner=member.agency_id is not None)
    if member.claimed_roles != _stored(now):
        member.claimed_roles = _stored(now)
    changed = False
    if roles != held:
        member.roles, changed = _stored(roles), True
    if claimed.name is not None and claimed.name != member.name:
        _rename(member, claimed.name)
        changed = True
        member.compared = False  # with the parties of every case, anew (H2.8)
    return changed


def _rename(member: StaffMember, name: str) -> None:
    """A new name, and the former ones still compared: a provider may let people choose what they are called (H2.8)."""
    member.former_surnames = sorted({*(member.former_surnames or ()), *surnames_of(member.name)})
    member.name_keys = list(dict.fromkeys([*account_keys(name), *(member.name_keys or ())]))
    member.name = name


async def force_served(session: AsyncSession, member: StaffMember) -> str:
    """The force of an account, or the one that its agency sits with."""
    if member.force_id is not None:
        return member.force_id
    return (await session.get_one(Agency, member.agency_id)).force_id


def _must_fit(roles: Collection[Role], *, partner: bool) -> None:
    if problem := role_problem(roles, partner=partner):
        raise RolesDoNotFit(f"{problem} Ask whoever keeps the roles at the identity provider.")


def _stored(roles: Collection[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]
