"""Who may be told of a case without asking for it: nobody that it is withheld from (H2.8)."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, CompoundSelect, Uuid, all_, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import AccessKind, CaseAccess, CaseRestriction, StaffMember
from app.storage.base import shares_any


async def withheld_cases(session: AsyncSession, case_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the cases that are withheld from somebody: restricted ones, and those that exclude an account."""
    withheld = withheld_from_somebody().subquery()
    return frozenset(await session.scalars(select(withheld.c.case_id).where(withheld.c.case_id.in_(case_ids))))


def withheld_from_somebody() -> CompoundSelect[Any]:
    """The ids of restricted cases, and of those that exclude an account."""
    restricted = select(col(CaseRestriction.case_id))
    excluding = select(col(CaseAccess.case_id)).where(
        col(CaseAccess.kind) == AccessKind.EXCLUDED, col(CaseAccess.ended_at).is_(None)
    )
    return restricted.union(excluding)


def sees(case_id: Any) -> ColumnElement[bool]:
    """Whether the account of a query's `StaffMember` would see the case if it asked; the database decides, as it does
    then."""
    standards = shares_any(StaffMember.roles, {Role.PROFESSIONAL_STANDARDS})
    account = (col(StaffMember.id), col(StaffMember.force_id))
    withheld = func.withheld_from(*account, cast([], ARRAY(Uuid)), standards, False, type_=ARRAY(Uuid))
    seen: ColumnElement[bool] = case_id != all_(withheld)
    return seen


async def may_be_told(session: AsyncSession, case_id: UUID, staff_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the accounts who would see the case if they asked; of those of another force, from whom nothing of it is
    withheld by name or until they are compared."""
    query = select(col(StaffMember.id)).where(col(StaffMember.id).in_(staff_ids), sees(literal(case_id, Uuid)))
    return frozenset(await session.scalars(query))
