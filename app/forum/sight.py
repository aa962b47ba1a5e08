"""Who is kept out of a case at the forum, and which meetings would tell of one (H6.2, H2.8)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import CaseGrant
from app.cases.withholding import excluded_from
from app.forum.tables import AgendaItem, ConflictOfInterest, ForumMeeting, ForumMember
from app.forum.terms import MeetingKind


async def conflicted_in(session: AsyncSession, case_id: UUID) -> set[UUID]:
    """Who has a conflict of interest in a case or is excluded from it, on whichever agenda it stands (H6.2, H2.8)."""
    query = select(col(ConflictOfInterest.staff_id)).where(col(ConflictOfInterest.case_id) == case_id)
    return set(await session.scalars(query.union(excluded_from(case_id))))


async def end_grants(session: AsyncSession, case_id: UUID, *, now: datetime, of: UUID | None = None) -> None:
    """End what partners, or one of them, see of a case: it stands on one agenda at a time."""
    ended = update(CaseGrant).where(col(CaseGrant.case_id) == case_id, col(CaseGrant.ended_at).is_(None))
    if of is not None:
        ended = ended.where(col(CaseGrant.staff_id) == of)
    await session.execute(ended.values(ended_at=now))


def tells_nothing(actor: Actor) -> ColumnElement[bool]:
    """Whether a meeting is no sign of a case that is withheld from the reader (H2.8).

    One between meetings is called for a case: who sees none on it, and neither sits at it nor arranged it, is not
    shown it.
    """
    shown = select(col(AgendaItem.id)).where(col(AgendaItem.meeting_id) == col(ForumMeeting.id)).exists()
    sits = select(col(ForumMember.staff_id)).where(
        col(ForumMember.meeting_id) == col(ForumMeeting.id), col(ForumMember.staff_id) == actor.staff_id
    )
    own = col(ForumMeeting.arranged_by) == actor.staff_id
    return or_(col(ForumMeeting.kind) == MeetingKind.SCHEDULED, own, shown, sits.exists())
