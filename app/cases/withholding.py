"""Restricted cases: who is allowed to see one, and who is excluded from a case whatever the role (H2.8).

Row-level security withholds them: to everybody else the case is not there, in any list, count, search or pointer.
Exclusion beats every role and every other entry.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Role
from app.access.tables import AccessKind, CaseAccess, CaseRestriction, StaffMember
from app.cases.schemas import AccessEndIn, AccessIn, AccessView, Recorded
from app.cases.service import note
from app.cases.tables import Case, CasePointer
from app.editions import edition
from app.errors import Conflict, NotFound, NotPermitted, Unprocessable
from app.storage.base import columns_of, shares_any
from app.storage.statements import row

_restriction = columns_of(CaseRestriction)
_RESTRICTED = select(_restriction.id).where(_restriction.case_id == bindparam("case_id"))


class AccessEntryNotFound(NotFound):
    """No such entry in force in this case."""

    code = "access_entry_not_found"

    def __init__(self) -> None:
        super().__init__("No entry in force is held under that address in this case.")


class RankBelowAccess(NotPermitted):
    """Who sees a restricted case is decided by a rank above, or by professional standards."""

    code = "rank_too_low"


class Excluded(Conflict):
    """An exclusion beats a permission: it has to be ended first."""

    code = "excluded"


async def restrict(session: AsyncSession, case: Case, reason: str, *, by: UUID, now: datetime) -> None:
    """Withhold a case from everybody but who opened it, who holds it, `by` whom it came to light, and supervisors of
    the rank that the edition names (H2.8). A case that is restricted already stays as it is.

    Where no supervisor has the rank, the head of public protection is allowed; a case is never left to nobody.
    """
    made = await session.execute(
        insert(CaseRestriction)
        .values(**_of(case), reason=reason, restricted_at=now, restricted_by=by)
        .on_conflict_do_nothing(index_elements=["case_id"])
        .returning(col(CaseRestriction.id))
    )
    if made.scalar_one_or_none() is None:
        return
    allowed = {case.created_by, by, *await _leaders(session, case)}
    if case.assigned_to:
        allowed.add(case.assigned_to)
    await _enter(session, case, AccessKind.ALLOWED, allowed, reason=reason, by=by, now=now)
    await session.execute(update(CasePointer).where(col(CasePointer.case_id) == case.id).values(withheld=True))


async def _leaders(session: AsyncSession, case: Case) -> list[UUID]:
    scheme = edition(case.edition)
    supervisors = (
        await session.execute(
            select(col(StaffMember.id), col(StaffMember.rank), col(StaffMember.roles)).where(
                col(StaffMember.force_id) == case.force_id,
                col(StaffMember.active),
                shares_any(StaffMember.roles, {Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION}),
            )
        )
    ).all()
    least = scheme.ranks.police_involvement_supervisor
    of_rank = [one.id for one in supervisors if scheme.rank_suffices(one.rank or "", least=least)]
    return of_rank or [one.id for one in supervisors if Role.HEAD_OF_PUBLIC_PROTECTION in one.roles]


async def is_restricted(session: AsyncSession, case_id: UUID) -> bool:
    """Whether the case is withheld from whoever is not allowed by name."""
    return await row(session, _RESTRICTED, case_id=case_id) is not None


async def allow_holder(session: AsyncSession, case: Case, staff_id: UUID, *, by: UUID, now: datetime) -> None:
    """Let whoever a restricted case is given to see it; an excluded account is given none."""
    if await _entry(session, case, AccessKind.EXCLUDED, staff_id):
        raise Excluded("That account is excluded from this case and cannot hold it.")
    if await is_restricted(session, case.id):
        await _enter(session, case, AccessKind.ALLOWED, [staff_id], reason="Holds the case.", by=by, now=now)


async def exclude(
    session: AsyncSession, case: Case, staff_id: UUID, reason: str, *, anew: bool, by: UUID, now: datetime
) -> bool:
    """Let an account see nothing of the case from its next request on; whether that is new.

    One whose exclusion a supervisor has ended is excluded `anew` only.
    """
    ended = select(col(CaseAccess.id)).where(
        col(CaseAccess.case_id) == case.id,
        col(CaseAccess.staff_id) == staff_id,
        col(CaseAccess.kind) == AccessKind.EXCLUDED,
        col(CaseAccess.ended_at).is_not(None),
    )
    if not anew and (await session.scalars(ended)).first():
        return False
    return await _enter(session, case, AccessKind.EXCLUDED, [staff_id], reason=reason, by=by, now=now) > 0


async def carry_over(session: AsyncSession, case: Case, linked: Case, *, by: UUID, now: datetime) -> None:
    """Let a case that carries another on be withheld from the same people (H8.4)."""
    held = (
        await session.scalars(
            select(CaseAccess).where(col(CaseAccess.case_id) == case.id, col(CaseAccess.ended_at).is_(None))
        )
    ).all()
    for entry in held:
        await _enter(session, linked, entry.kind, [entry.staff_id], reason=entry.reason, by=by, now=now)
    if await is_restricted(session, case.id):
        await restrict(session, linked, "Carries on a restricted case.", by=by, now=now)


async def decide_access(session: AsyncSession, case: Case, given: AccessIn, *, actor: Actor, now: datetime) -> Recorded:
    """Allow one person to see a restricted case, or exclude one from a case."""
    _must_decide_access(case, actor)
    member = await session.get(StaffMember, given.staff_id)
    if member is None or not member.active:
        raise Unprocessable("staff_id must name an active account.", field="staff_id")
    if given.kind is AccessKind.EXCLUDED and member.id == actor.staff_id:
        raise Unprocessable("Nobody excludes the own account: another supervisor does.", field="staff_id")
    if given.kind is AccessKind.ALLOWED and await _entry(session, case, AccessKind.EXCLUDED, member.id):
        raise Excluded("That account is excluded from this case: end the exclusion first, if it is wrong.")
    await _enter(session, case, given.kind, [member.id], reason=given.reason, by=actor.staff_id, now=now)
    entry = await _entry(session, case, given.kind, member.id)
    assert entry is not None  # entered above, or in force before
    says = "allowed to see the case" if given.kind is AccessKind.ALLOWED else "excluded from the case"
    sentence = f"An account was {says}."
    await note(session, case, "access_decided", sentence, by=actor, now=now, about_id=entry.id)
    return Recorded(entry.id)


async def end_access(
    session: AsyncSession, case: Case, given: AccessEndIn, *, entry_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """End a permission or an exclusion; the entry is kept with the reason."""
    _must_decide_access(case, actor)
    entry = await session.get(CaseAccess, entry_id)
    if entry is None or entry.case_id != case.id or entry.ended_at is not None:
        raise AccessEntryNotFound
    entry.ended_at, entry.ended_by, entry.ended_because = now, actor.staff_id, given.reason
    what = "A permission to see the case" if entry.kind is AccessKind.ALLOWED else "An exclusion from the case"
    sentence = f"{what} was ended."
    await note(session, case, "access_ended", sentence, by=actor, now=now, about_id=entry.id)
    return Recorded(entry.id)


def _must_decide_access(case: Case, actor: Actor) -> None:
    scheme = edition(case.edition)
    least = scheme.ranks.police_involvement_supervisor
    if actor.sees_restricted_cases or scheme.rank_suffices(actor.rank or "", least=least):
        return
    raise RankBelowAccess(f"Who sees a case is decided by {least} or above, or by professional standards.")


async def entries(session: AsyncSession, case_id: UUID) -> list[AccessView]:
    """Who is or was allowed or excluded, oldest first."""
    shown = [*columns_of(CaseAccess), col(StaffMember.name).label("staff_name")]
    query = (
        select(*shown)
        .join(StaffMember, col(StaffMember.id) == col(CaseAccess.staff_id))
        .where(col(CaseAccess.case_id) == case_id)
        .order_by(col(CaseAccess.recorded_at), col(CaseAccess.id))
    )
    return [AccessView.model_validate(row) for row in (await session.execute(query)).all()]


async def _entry(session: AsyncSession, case: Case, kind: AccessKind, staff_id: UUID) -> CaseAccess | None:
    query = select(CaseAccess).where(
        col(CaseAccess.case_id) == case.id,
        col(CaseAccess.staff_id) == staff_id,
        col(CaseAccess.kind) == kind,
        col(CaseAccess.ended_at).is_(None),
    )
    return (await session.scalars(query)).one_or_none()


async def _enter(
    session: AsyncSession, case: Case, kind: AccessKind, staff: Iterable[UUID], *, reason: str, by: UUID, now: datetime
) -> int:
    """Put entries in force, each once; how many were not before."""
    await session.flush()
    rows = [
        {**_of(case), "staff_id": one, "kind": kind, "reason": reason, "recorded_at": now, "recorded_by": by}
        for one in sorted(set(staff))
    ]
    made = insert(CaseAccess).values(rows).on_conflict_do_nothing().returning(col(CaseAccess.id))
    return len((await session.scalars(made)).all())


def _of(case: Case) -> dict[str, UUID | str]:
    return {"case_id": case.id, "force_id": case.force_id}
