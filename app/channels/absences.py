"""Who is away and who is told instead, and how each person wants to be told."""

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.administration import StaffNotFound
from app.access.rules import PERMISSIONS, Actor, Permission, known_roles
from app.access.tables import StaffMember
from app.channels.schemas import AbsenceIn, AbsenceView, PreferenceIn, PreferenceView
from app.channels.tables import Absence, AlertPreference
from app.errors import NotFound, Unprocessable
from app.settings import settings

_DIGEST_AT = time(7, 30)


class AbsenceNotFound(NotFound):
    """No such absence of that person."""

    code = "absence_not_found"

    def __init__(self) -> None:
        super().__init__("No such absence is held.")


async def record_absence(
    session: AsyncSession, staff_id: UUID, given: AbsenceIn, *, actor: Actor, now: datetime
) -> AbsenceView:
    """Keep that somebody is away: oneself, or as a supervisor anybody of the force."""
    await _must_be_reachable(session, staff_id, actor)
    if given.absent_until <= max(given.absent_from, now):
        raise Unprocessable("absent_until must be later than absent_from, and than now.", field="absent_until")
    if given.deputy_id is not None:
        await _must_stand_in(session, given.deputy_id, staff_id, actor)
    row = Absence(
        staff_id=staff_id,
        absent_from=given.absent_from,
        absent_until=given.absent_until,
        deputy_id=given.deputy_id,
        recorded_at=now,
        recorded_by=actor.staff_id,
    )
    session.add(row)
    return AbsenceView.model_validate(row)


async def _must_stand_in(session: AsyncSession, deputy_id: UUID, staff_id: UUID, actor: Actor) -> None:
    deputy = await session.get(StaffMember, deputy_id)
    if deputy is None or not deputy.active or deputy.force_id != actor.force_id or deputy.id == staff_id:
        raise Unprocessable("deputy_id must name another active member of staff of this force.", field="deputy_id")
    if not any(Permission.READ_ALERTS in PERMISSIONS[role] for role in known_roles(deputy.roles)):
        raise Unprocessable("deputy_id must name somebody whose role reads alerts.", field="deputy_id")


async def absences(session: AsyncSession, staff_id: UUID, *, actor: Actor) -> list[AbsenceView]:
    """The absences of a person, newest first."""
    await _must_be_reachable(session, staff_id, actor)
    query = select(Absence).where(col(Absence.staff_id) == staff_id)
    found = await session.scalars(query.order_by(col(Absence.absent_from).desc(), col(Absence.id)).limit(200))
    return [AbsenceView.model_validate(row) for row in found]


async def end_absence(
    session: AsyncSession, staff_id: UUID, absence_id: UUID, *, actor: Actor, now: datetime
) -> AbsenceView:
    """Back earlier than recorded; repeating it changes nothing."""
    await _must_be_reachable(session, staff_id, actor)
    query = select(Absence).where(col(Absence.id) == absence_id, col(Absence.staff_id) == staff_id)
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise AbsenceNotFound
    row.ended_at = row.ended_at or now
    return AbsenceView.model_validate(row)


async def _must_be_reachable(session: AsyncSession, staff_id: UUID, actor: Actor) -> None:
    """Oneself, or for a supervisor whoever is of the own force; anybody else is not there."""
    if staff_id == actor.staff_id:
        return
    member = await session.get(StaffMember, staff_id) if actor.is_supervisor else None
    if member is None or member.force_id != actor.force_id:
        raise StaffNotFound


async def preference(session: AsyncSession, *, actor: Actor) -> PreferenceView:
    """How one is told."""
    row = await session.get(AlertPreference, actor.staff_id)
    member = await session.get_one(StaffMember, actor.staff_id)
    return PreferenceView(
        mail=True if row is None else row.mail,
        digest=False if row is None else row.digest,
        digest_at=f"{_DIGEST_AT if row is None else row.digest_at:%H:%M}",
        mailed=member.email is not None and settings().smtp_host is not None,
    )


async def prefer(session: AsyncSession, given: PreferenceIn, *, actor: Actor) -> PreferenceView:
    """Choose how one is told from now on."""
    chosen = {"mail": given.mail, "digest": given.digest, "digest_at": time.fromisoformat(given.digest_at)}
    stated = insert(AlertPreference).values(staff_id=actor.staff_id, **chosen)
    await session.execute(stated.on_conflict_do_update(index_elements=["staff_id"], set_=chosen))
    return await preference(session, actor=actor)
