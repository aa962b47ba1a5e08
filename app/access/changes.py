"""What an account may do, kept at each change of it: before, after, and by whom (H1.3)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import FAR_SEEING, Role, known_roles
from app.access.schemas import AccountChangeView
from app.access.tables import AccountChange, StaffMember
from app.storage.base import columns_of, table_of


@dataclass(frozen=True)
class Standing:
    """What an account may do at one moment."""

    roles: tuple[str, ...]
    rank: str | None
    active: bool

    @classmethod
    def of(cls, member: StaffMember) -> "Standing":
        """That of now."""
        return cls(tuple(member.roles), member.rank, member.active)


@dataclass(frozen=True)
class Changed:
    """A change that was kept: of which account, and the roles in force that it has and had not."""

    id: UUID
    staff_id: UUID
    force_id: str
    changed_by: UUID | None
    given: frozenset[Role]

    @property
    def far_seeing(self) -> frozenset[Role]:
        """Of what was given, what sees restricted cases or reads the log."""
        return self.given & FAR_SEEING


async def keep_change(
    session: AsyncSession, member: StaffMember, before: Standing | None, *, by: UUID | None, force_id: str
) -> Changed | None:
    """Keep what was changed, if anything was; `before` is None of an account that is new."""
    after = Standing.of(member)
    if before == after:
        return None
    row: dict[str, Any] = {
        "id": uuid4(),
        "force_id": force_id,
        "staff_id": member.id,
        "changed_by": by,
        "roles_before": None if before is None else list(before.roles),
        "roles_after": list(after.roles),
        "rank_before": before.rank if before else None,
        "rank_after": after.rank,
        "active_before": before.active if before else None,
        "active_after": after.active,
    }
    await session.flush()  # a new account stands before what is said of it
    await session.execute(insert(table_of(AccountChange)), row)
    had = known_roles(before.roles) if before is not None and before.active else frozenset()
    has = known_roles(after.roles) if after.active else frozenset()
    return Changed(row["id"], member.id, force_id, by, has - had)


async def changes_of(session: AsyncSession, staff_id: UUID) -> list[AccountChangeView]:
    """Every change of an account, oldest first."""
    columns = columns_of(AccountChange)
    query = select(*columns).where(columns.staff_id == staff_id).order_by(columns.changed_at, columns.id)
    return [AccountChangeView.model_validate(row) for row in (await session.execute(query)).all()]
