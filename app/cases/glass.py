"""Breaking the glass: one person sees a case that is withheld, for a time, with a reason, and others are told at once.

It opens what is restricted or another force's, for reading and making safe. It never opens a case that excludes the
person: there it answers as for a case that does not exist, with the same statements (H2.8).
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
from app.access.deciding import glass_holds
from app.access.rules import Actor, Permission, Role
from app.access.service import reach
from app.access.tables import BrokenGlass, StaffMember
from app.access.telling import may_be_told
from app.cases.schemas import GlassEndIn, GlassIn, GlassReceipt, GlassView
from app.cases.service import CaseNotFound, case_in_reach, case_still_in_reach, note
from app.cases.tables import Case
from app.channels.outbox import message, put
from app.channels.terms import Channel, Message
from app.clock import in_london
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.errors import Conflict, NotFound, NotPermitted
from app.settings import settings
from app.storage.base import columns_of, shares_any

_NO_MAIL = " No mail of it went to anybody: this task is the only notice."
_NO_MAIL_THERE = " Professional standards of the force of whoever broke it had no mail of it: tell them yourself."
_TOLD = (Role.PROFESSIONAL_STANDARDS, Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION)


class GlassNotFound(NotFound):
    """No such broken glass, or of a case that is not yours to see."""

    code = "glass_not_found"

    def __init__(self) -> None:
        super().__init__("No broken glass is held under that address, or it is not yours to see.")


class OwnDoing(NotPermitted):
    """Nobody judges what he or she did."""

    code = "own_doing"


class GlassNotNeeded(Conflict):
    """The person sees the case as it is."""

    code = "glass_not_needed"


class GlassOver(Conflict):
    """Its time is up, or somebody ended it."""

    code = "glass_over"


async def wanted(session: AsyncSession, given: GlassIn) -> UUID:
    """The id of the case that is asked for; of an unknown reference one that nothing has."""
    if given.case_id is not None:
        return given.case_id
    found: UUID | None = await session.scalar(select(func.case_of_reference(given.reference)))
    return found or uuid4()


async def break_glass(
    session: AsyncSession, case_id: UUID, given: GlassIn, *, actor: Actor, now: datetime
) -> tuple[Case, BrokenGlass]:
    """Let this person see the case until a set time from now, and tell those who oversee it (H2.8).

    Professional standards are owed a review, which is not put before the person; supervisors of the case and they have
    mail of it, and so have professional standards of the person's own force. Whom no mail was sent to the task says.
    Raises CaseNotFound where the person is excluded, as where there is no such case.
    """
    await reach(session, actor, breaks=case_id)
    case, person = await case_still_in_reach(session, case_id, actor=actor, permission=Permission.BREAK_GLASS)
    if case_id not in person.glass:
        raise GlassNotNeeded("You see this case as it is.")
    if await _held_by(session, case, actor.staff_id) is not None:
        raise GlassNotNeeded("You see this case already: the glass that you broke still holds.")
    until = clock.real_now() + timedelta(hours=settings().break_glass_hours)
    row = BrokenGlass(
        case_id=case.id,
        force_id=case.force_id,
        staff_id=actor.staff_id,
        reason=given.reason,
        broken_at=now,
        until=until,
    )
    session.add(row)
    await session.flush()
    sentence = f"The glass over this case was broken; it holds until {in_london(until)}."
    await note(session, case, "glass_broken", sentence, by=actor, now=now, about_id=row.id)
    without_mail = await _mail(session, case, row, actor=actor, now=now)
    await open_task(
        session,
        kind=TaskKind.GLASS_BROKEN,
        says="The glass over a case was broken. Read who and why under broken glass, end it there if it should not "
        f"hold, and say here whether it was right.{without_mail}",
        for_role=Role.PROFESSIONAL_STANDARDS,
        force_id=case.force_id,
        case_id=case.id,
        about=str(row.id),
        kept_from=actor.staff_id,
        now=now,
    )
    return case, row


async def _held_by(session: AsyncSession, case: Case, staff_id: UUID) -> BrokenGlass | None:
    query = select(BrokenGlass).where(
        col(BrokenGlass.case_id) == case.id,
        col(BrokenGlass.staff_id) == staff_id,
        col(BrokenGlass.ended_since).is_(None),
        col(BrokenGlass.until) > func.clock_timestamp(),
    )
    return (await session.scalars(query)).first()


async def _mail(session: AsyncSession, case: Case, row: BrokenGlass, *, actor: Actor, now: datetime) -> str:
    """Tell professional standards and the supervisors who see the case, by mail: its reference and a time, no more.

    So are professional standards of the force of whoever broke it, whom nothing else of the case reaches; nobody from
    whom the case is withheld, were it only until the account is compared. What the review is to know of who had none.
    """
    if settings().smtp_host is None:
        return _NO_MAIL
    overseeing = and_(col(StaffMember.force_id) == case.force_id, shares_any(StaffMember.roles, set(_TOLD)))
    standing_over = and_(
        col(StaffMember.force_id) == actor.force_id, shares_any(StaffMember.roles, {Role.PROFESSIONAL_STANDARDS})
    )
    query = select(col(StaffMember.id), col(StaffMember.force_id)).where(
        col(StaffMember.active),
        col(StaffMember.email).is_not(None),
        col(StaffMember.id) != row.staff_id,
        or_(overseeing, standing_over),
    )
    force_of = {one.id: one.force_id for one in await session.execute(query)}
    told = await may_be_told(session, case.id, list(force_of))
    await put(
        session, [_letter(case, row, one, abroad=force_of[one] != case.force_id, now=now) for one in sorted(told)]
    )
    if not told:
        return _NO_MAIL
    return "" if actor.force_id in {force_of[one] for one in told} else _NO_MAIL_THERE


def _letter(case: Case, row: BrokenGlass, staff_id: UUID, *, abroad: bool, now: datetime) -> dict[str, Any]:
    key = uuid5(row.id, f"glass:{staff_id}")
    content = {
        "id": str(key),
        "type": "glass",
        "glass_id": str(row.id),
        "reference": case.reference,
        "until": row.until.isoformat(),
        **({"of_force": case.force_id} if abroad else {}),
    }
    return message(
        Message.GLASS,
        Channel.MAIL,
        staff_id,
        force_id=case.force_id,
        case_id=case.id,
        key=key,
        content=content,
        now=now,
    )


async def broken_before(session: AsyncSession, glass_id: UUID) -> GlassReceipt:
    """What a repeated request is answered with, where the person still sees the case."""
    row = await session.get(BrokenGlass, glass_id)
    if row is None:
        raise CaseNotFound
    return receipt(await case_in_reach(session, row.case_id, for_change=False), row)


def receipt(case: Case, row: BrokenGlass) -> GlassReceipt:
    """What whoever broke it is told."""
    return GlassReceipt(id=row.id, case_id=case.id, reference=case.reference, until=row.until)


async def end_glass(
    session: AsyncSession, glass_id: UUID, given: GlassEndIn, *, actor: Actor, now: datetime
) -> tuple[Case, BrokenGlass]:
    """End a broken glass before its time: the next request sees nothing. Never by the person who broke it."""
    row = await session.get(BrokenGlass, glass_id)
    if row is None:
        raise GlassNotFound
    case, _ = await case_still_in_reach(session, row.case_id, actor=actor, permission=Permission.OVERSEE_GLASS)
    await session.refresh(row)
    if row.staff_id == actor.staff_id:
        raise OwnDoing("You broke this glass yourself: somebody else ends it, or its time does.")
    if not glass_holds(row.until, ended=row.ended_since is not None, now=clock.real_now()):
        raise GlassOver("This glass does not hold any longer.")
    row.ended_since, row.ended_by, row.ended_because = clock.real_now(), actor.staff_id, given.reason
    sentence = "A broken glass over this case was ended before its time."
    await note(session, case, "glass_ended", sentence, by=actor, now=now, about_id=row.id)
    return case, row


async def broken_glasses(session: AsyncSession) -> list[GlassView]:
    """Who broke the glass over which case, why and until when, newest first; at most 200, of cases in reach."""
    query = (
        select(
            *columns_of(BrokenGlass),
            col(Case.reference),
            col(StaffMember.name).label("staff_name"),
            func.coalesce(col(StaffMember.force_id), "").label("staff_force_id"),
        )
        .join(Case, col(Case.id) == col(BrokenGlass.case_id))
        .join(StaffMember, col(StaffMember.id) == col(BrokenGlass.staff_id))
        .order_by(col(BrokenGlass.since).desc(), col(BrokenGlass.id))
        .limit(200)
    )
    return [GlassView.model_validate(one) for one in (await session.execute(query)).all()]
