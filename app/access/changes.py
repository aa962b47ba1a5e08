"""What an account may do, kept at each change of it: before, after, and by whom (H1.3)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, Uuid, cast, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import FAR_SEEING, Role, known_roles
from app.access.schemas import AccountChangeView
from app.access.tables import AccountChange, StaffMember
from app.editions import all_editions
from app.storage.base import columns_of, table_of

Leading = frozenset[tuple[tuple[str, ...], UUID]]
"""Who leads a restricted case, for each list of leading ranks that an edition has."""


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
class Before:
    """How it stands before a change: what the account may do, None of one that is new, and who leads in its force."""

    held: Standing | None
    leading: Leading


@dataclass(frozen=True)
class Changed:
    """A change that was kept: of which account, and the roles in force that it has and had not.

    `leading` are the accounts that lead restricted cases since then and did not before: by a role or a rank of their
    own, or because nobody else is left who does.
    """

    id: UUID
    staff_id: UUID
    force_id: str
    changed_by: UUID | None
    given: frozenset[Role]
    leading: frozenset[UUID] = frozenset()

    @property
    def far_seeing(self) -> frozenset[Role]:
        """Of what was given, what sees restricted cases or reads the log."""
        return self.given & FAR_SEEING


async def before_change(session: AsyncSession, held: Standing | None, *, force_id: str) -> Before:
    """What `keep_change` compares with; before anything of the change is written, `held` being None of a new account.

    Changes of one force's accounts wait for each other here: each of two would find the other's leader still there.
    """
    with session.no_autoflush:
        await session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"clares-law.rights.{force_id}", 0)))
        )
        return Before(held, await _leading(session, force_id))


async def _leading(session: AsyncSession, force_id: str) -> Leading:
    """Who would lead a restricted case of the force: asked of the function by which the database lets them see one."""
    found: set[tuple[tuple[str, ...], UUID]] = set()
    for ranks in {edition.ranks.leading for edition in all_editions().values()}:
        leaders = select(func.leaders_of(cast(None, Uuid), force_id, cast(list(ranks), ARRAY(Text))))
        found.update((ranks, one) for one in await session.scalars(leaders))
    return frozenset(found)


async def keep_change(
    session: AsyncSession, member: StaffMember, was: Before, *, by: UUID | None, force_id: str
) -> Changed | None:
    """Keep what was changed, if anything was."""
    before, after = was.held, Standing.of(member)
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
    leading = frozenset(one for _, one in await _leading(session, force_id) - was.leading)
    return Changed(row["id"], member.id, force_id, by, has - had, leading)


async def changes_of(session: AsyncSession, staff_id: UUID) -> list[AccountChangeView]:
    """Every change of an account, oldest first."""
    columns = columns_of(AccountChange)
    query = select(*columns).where(columns.staff_id == staff_id).order_by(columns.changed_at, columns.id)
    return [AccountChangeView.model_validate(row) for row in (await session.execute(query)).all()]
