"""Restricted cases: who is allowed to see one, and who is excluded from a case whatever the role (H2.8).

Row-level security withholds them: to everybody else the case is not there, in any list, count, search or pointer.
Exclusion beats every role and every other entry.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
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


class NobodyLeft(Conflict):
    """Somebody must be left who leads the case or stands over it."""

    code = "nobody_left"


async def restrict(session: AsyncSession, case: Case, reason: str, *, by: UUID, now: datetime) -> None:
    """Withhold a case from everybody but who opened it, who holds it, `by` whom it came to light, and its leaders.

    Leaders are worked out by the database for each transaction, so that a promotion or a new head counts at once: the
    heads of public protection, and supervisors of the rank that the edition names or above; where there is neither,
    every supervisor (H2.8). A case that is restricted already stays as it is.
    """
    made = await session.execute(
        insert(CaseRestriction)
        .values(
            **_of(case),
            reason=reason,
            restricted_at=now,
            restricted_by=by,
            leading_ranks=list(edition(case.edition).ranks.leading),
        )
        .on_conflict_do_nothing(index_elements=["case_id"])
        .returning(col(CaseRestriction.id))
    )
    if made.scalar_one_or_none() is None:
        return
    allowed = {case.created_by, by}
    if case.assigned_to:
        allowed.add(case.assigned_to)
    await _enter(session, case, AccessKind.ALLOWED, allowed, reason=reason, by=by, now=now)
    await session.execute(update(CasePointer).where(col(CasePointer.case_id) == case.id).values(withheld=True))


async def _leaders(session: AsyncSession, case: Case) -> set[UUID]:
    """Who leads the case if it is restricted; whoever is excluded from it does not."""
    await session.flush()
    leading = cast(list(edition(case.edition).ranks.leading), ARRAY(Text))
    return set(await session.scalars(select(func.leaders_of(case.id, case.force_id, leading))))


async def _with_role(session: AsyncSession, case: Case, role: Role) -> set[UUID]:
    """Active accounts of the force with a role, but for those excluded from the case."""
    await session.flush()
    query = select(col(StaffMember.id)).where(
        col(StaffMember.force_id) == case.force_id,
        col(StaffMember.active),
        shares_any(StaffMember.roles, {role}),
        col(StaffMember.id).not_in(excluded_from(case.id)),
    )
    return set(await session.scalars(query))


def excluded_from(case_id: UUID) -> Select[Any]:
    """The accounts that see nothing of a case."""
    return select(col(CaseAccess.staff_id)).where(
        col(CaseAccess.case_id) == case_id,
        col(CaseAccess.kind) == AccessKind.EXCLUDED,
        col(CaseAccess.ended_at).is_(None),
    )


async def is_restricted(session: AsyncSession, case_id: UUID) -> bool:
    """Whether the case is withheld from whoever is not allowed by name."""
    return await row(session, _RESTRICTED, case_id=case_id) is not None


async def allow_holder(session: AsyncSession, case: Case, staff_id: UUID, *, by: UUID, now: datetime) -> None:
    """Let whoever a restricted case is given to see it; an excluded account is given none."""
    if await _entry(session, case, AccessKind.EXCLUDED, staff_id):
        raise Excluded("That account is excluded from this case and cannot hold it.")
    if await is_restricted(session, case.id):
        await _enter(session, case, AccessKind.ALLOWED, [staff_id], reason="Holds the case.", by=by, now=now)


async def allow_members(
    session: AsyncSession, case: Case, members: Collection[UUID], *, actor: Actor, now: datetime
) -> None:
    """Let the police who sit on a restricted case see it, where who lists them leads it: nobody else lets people in."""
    if members and await is_restricted(session, case.id) and actor.staff_id in await _leaders(session, case):
        reason, by = "Sits at the forum that it is put to.", actor.staff_id
        await _enter(session, case, AccessKind.ALLOWED, members, reason=reason, by=by, now=now)


async def must_see(session: AsyncSession, case: Case, staff_id: UUID, *, field: str) -> None:
    """Refuse to give something in a case to somebody of its force from whom it is withheld (H2.8)."""
    if staff_id in set(await session.scalars(excluded_from(case.id))):
        raise Unprocessable(f"{field} names somebody who is excluded from this case.", field=field)
    if not await is_restricted(session, case.id):
        return
    seen = await _leaders(session, case) | await _with_role(session, case, Role.PROFESSIONAL_STANDARDS)
    member = await session.get_one(StaffMember, staff_id)
    allowed = await _entry(session, case, AccessKind.ALLOWED, staff_id)
    if member.force_id == case.force_id and staff_id not in seen and allowed is None:
        raise Unprocessable(f"{field} names somebody who may not see this case: allow it first.", field=field)


async def exclude(
    session: AsyncSession, case: Case, staff_id: UUID, reason: str, *, certain: bool, by: UUID, now: datetime
) -> bool:
    """Let an account see nothing of the case from its next request on; whether that is new.

    What was only possible and is `certain` now is entered anew. One whose exclusion was ended stays let in, unless
    it was ended while it was only possible and is certain now.
    """
    held = await _entry(session, case, AccessKind.EXCLUDED, staff_id)
    if held is not None:
        if held.certain or not certain:
            return False
        _end(held, "It is certain now.", by=by, now=now)
    ended = select(col(CaseAccess.id)).where(
        col(CaseAccess.case_id) == case.id,
        col(CaseAccess.staff_id) == staff_id,
        col(CaseAccess.kind) == AccessKind.EXCLUDED,
        col(CaseAccess.ended_at).is_not(None),
        col(CaseAccess.certain).in_({True, certain}),
    )
    if held is None and (await session.scalars(ended)).first():
        return False
    await _keep_from(session, case, staff_id, reason, certain=certain, by=by, now=now)
    return True


async def _keep_from(
    session: AsyncSession, case: Case, staff_id: UUID, reason: str, *, certain: bool = False, by: UUID, now: datetime
) -> None:
    kind = AccessKind.EXCLUDED
    await _enter(session, case, kind, [staff_id], reason=reason, certain=certain, by=by, now=now)
    if case.assigned_to == staff_id:
        case.assigned_to = None


async def carry_over(session: AsyncSession, case: Case, linked: Case, *, by: UUID, now: datetime) -> None:
    """Let a case that carries another on be withheld from the same people (H8.3, H8.4)."""
    held = (
        await session.scalars(
            select(CaseAccess).where(col(CaseAccess.case_id) == case.id, col(CaseAccess.ended_at).is_(None))
        )
    ).all()
    for one in held:
        who, why = [one.staff_id], one.reason
        await _enter(session, linked, one.kind, who, reason=why, certain=one.certain, by=by, now=now)
    if await is_restricted(session, case.id):
        await restrict(session, linked, "Carries on a restricted case.", by=by, now=now)


async def decide_access(session: AsyncSession, case: Case, given: AccessIn, *, actor: Actor, now: datetime) -> Recorded:
    """Allow one person to see a restricted case, or exclude one from a case."""
    await _must_decide_access(session, case, actor)
    member = await session.get(StaffMember, given.staff_id)
    if member is None or (not member.active and given.kind is AccessKind.ALLOWED):
        raise Unprocessable("staff_id must name an account, and an active one to be allowed.", field="staff_id")
    if given.kind is AccessKind.EXCLUDED:
        await _exclude_by_name(session, case, member, given.reason, actor=actor, now=now)
    elif await _entry(session, case, AccessKind.EXCLUDED, member.id):
        raise Excluded("That account is excluded from this case: end the exclusion first, if it is wrong.")
    else:
        await _enter(session, case, given.kind, [member.id], reason=given.reason, by=actor.staff_id, now=now)
    entry = await _entry(session, case, given.kind, member.id)
    assert entry is not None  # entered above, or in force before
    says = "allowed to see the case" if given.kind is AccessKind.ALLOWED else "excluded from the case"
    sentence = f"An account was {says}."
    await note(session, case, "access_decided", sentence, by=actor, now=now, about_id=entry.id)
    return Recorded(entry.id)


async def _exclude_by_name(
    session: AsyncSession, case: Case, member: StaffMember, reason: str, *, actor: Actor, now: datetime
) -> None:
    """Exclude somebody so that no one person can make the case vanish: those above are excluded by those above."""
    if member.id == actor.staff_id:
        raise Unprocessable("Nobody excludes the own account: another supervisor does.", field="staff_id")
    if {Role.PROFESSIONAL_STANDARDS, Role.HEAD_OF_PUBLIC_PROTECTION} & set(member.roles):
        await _must_stand_above(session, case, actor, but=member.id)
    await _keep_from(session, case, member.id, reason, by=actor.staff_id, now=now)
    if not await _leaders(session, case) | await _with_role(session, case, Role.PROFESSIONAL_STANDARDS):
        raise NobodyLeft("Nobody would be left to lead this case: give it a supervisor or a head first.")


async def end_access(
    session: AsyncSession, case: Case, given: AccessEndIn, *, entry_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """End a permission or an exclusion; the entry is kept with the reason."""
    await _must_decide_access(session, case, actor)
    entry = await session.get(CaseAccess, entry_id)
    if entry is None or entry.case_id != case.id or entry.ended_at is not None:
        raise AccessEntryNotFound
    if entry.certain:
        await _must_stand_above(session, case, actor)
    _end(entry, given.reason, by=actor.staff_id, now=now)
    what = "A permission to see the case" if entry.kind is AccessKind.ALLOWED else "An exclusion from the case"
    sentence = f"{what} was ended."
    await note(session, case, "access_ended", sentence, by=actor, now=now, about_id=entry.id)
    return Recorded(entry.id)


def _end(entry: CaseAccess, because: str, *, by: UUID, now: datetime) -> None:
    entry.ended_at, entry.ended_by, entry.ended_because, entry.ended_since = now, by, because, clock.real_now()


async def _must_decide_access(session: AsyncSession, case: Case, actor: Actor) -> None:
    if actor.sees_restricted_cases or actor.staff_id in await _leaders(session, case):
        return
    least = edition(case.edition).ranks.police_involvement_supervisor
    raise RankBelowAccess(f"Who sees a case is decided by {least} or above, a head, or professional standards.")


async def _must_stand_above(session: AsyncSession, case: Case, actor: Actor, *, but: UUID | None = None) -> None:
    """Professional standards decide, or where the force has none left, a head; where it has neither, any leader."""
    for role in (Role.PROFESSIONAL_STANDARDS, Role.HEAD_OF_PUBLIC_PROTECTION):
        if able := await _with_role(session, case, role) - {but}:
            if actor.staff_id in able:
                return
            raise RankBelowAccess(f"That is decided by {role.replace('_', ' ')}.")


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
    session: AsyncSession,
    case: Case,
    kind: AccessKind,
    staff: Iterable[UUID],
    *,
    reason: str,
    certain: bool = False,
    by: UUID,
    now: datetime,
) -> None:
    """Put entries in force, each once."""
    await session.flush()
    shared = {**_of(case), "kind": kind, "reason": reason, "certain": certain, "recorded_at": now, "recorded_by": by}
    rows = [{**shared, "staff_id": one} for one in sorted(set(staff))]
    await session.execute(insert(CaseAccess).values(rows).on_conflict_do_nothing())


def _of(case: Case) -> dict[str, UUID | str]:
    return {"case_id": case.id, "force_id": case.force_id}
