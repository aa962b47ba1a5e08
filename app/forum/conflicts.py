"""Conflicts of interest: a conflicted member leaves the case, on whichever agenda it stands (H6.2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor, Permission
from app.cases.schemas import Recorded
from app.cases.tables import Case
from app.errors import NotPermitted, Unprocessable
from app.forum.rules import decided_with_conflicted_member
from app.forum.schemas import ConflictIn
from app.forum.service import live_decisions
from app.forum.sight import end_grants
from app.forum.sitting import took_part
from app.forum.tables import AgendaItem, ConflictOfInterest, ForumMember
from app.safeguarding.service import act_keys, record_act


class OwnConflictOnly(NotPermitted):
    """A member declares the own conflict; whoever arranges the forum records anybody's."""

    code = "own_conflict_only"


async def declare_conflict(
    session: AsyncSession, case: Case, given: ConflictIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Keep a conflict of interest: the member leaves the case, and a partner no longer sees it (H6.2).

    One that comes up after the member took part in a decision that still counts goes before a supervisor.
    """
    if given.staff_id != actor.staff_id and not actor.may(Permission.ARRANGE_FORUM):
        raise OwnConflictOnly("Declare your own conflict; the chair or a supervisor records another member's.")
    item = await session.get_one(AgendaItem, item_id)
    if await session.get(ForumMember, (item.meeting_id, given.staff_id)) is None:
        raise Unprocessable("staff_id must name a member of this meeting.", field="staff_id")
    row = ConflictOfInterest(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        item_id=item_id,
        staff_id=given.staff_id,
        reason=given.reason,
    )
    wrong = [decided_with_conflicted_member()] if await _has_decided(session, case, given.staff_id) else []
    sentence = "A member of the forum has a conflict of interest and left the item."
    done = await record_act(session, case, row, "conflict_of_interest", sentence, actor=actor, now=now, wrong=wrong)
    await end_grants(session, case.id, now=now, of=given.staff_id)
    return done


async def _has_decided(session: AsyncSession, case: Case, staff_id: UUID) -> bool:
    """Whether a member took part in a decision of the case that still counts, or waits for its second person."""
    for item_id in {decision.item_id for decision in await live_decisions(session, case.id)}:
        if staff_id in await took_part(session, await session.get_one(AgendaItem, item_id)):
            return True
    return False
