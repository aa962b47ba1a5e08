"""Actions of the forum, with owner and due date, chased until done (H6.2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.service import reach
from app.access.tables import Agency, StaffMember
from app.cases.schemas import Recorded
from app.cases.tables import Case
from app.cases.withholding import must_see
from app.clock import LONDON
from app.errors import NotFound, Obstacle, Unprocessable
from app.forum.rules import still_owed
from app.forum.schemas import ActionAnswerIn, ActionIn
from app.forum.tables import ConflictOfInterest, ForumAction, ForumActionAnswer
from app.forum.terms import ActionOutcome
from app.forum.views import ActionAnswerView, ActionView, OpenActionView
from app.safeguarding.service import act_keys, record_act
from app.storage.base import columns_of


class ActionNotFound(NotFound):
    """No such action, or its case is not yours to see."""

    code = "action_not_found"

    def __init__(self) -> None:
        super().__init__("No action is held under that address, or it is not yours to see.")


async def set_action(
    session: AsyncSession, case: Case, given: ActionIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Keep an action with its owner and due date."""
    if given.owner_staff_id is not None:
        await _must_be_of_the_forum(session, case, given.owner_staff_id)
    row = ForumAction(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        item_id=item_id,
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = f"The forum set an action, due {given.due_on:%d %B %Y}."
    return await record_act(session, case, row, "forum_action", sentence, actor=actor, now=now)


async def _must_be_of_the_forum(session: AsyncSession, case: Case, staff_id: UUID) -> None:
    query = (
        select(col(StaffMember.id))
        .outerjoin(Agency, col(Agency.id) == col(StaffMember.agency_id))
        .where(
            col(StaffMember.id) == staff_id,
            col(StaffMember.active),
            (col(StaffMember.force_id) == case.force_id) | (col(Agency.force_id) == case.force_id),
        )
    )
    if (await session.scalars(query)).one_or_none() is None:
        says = "owner_staff_id must name active staff of this force or of an agency of its forum."
        raise Unprocessable(says, field="owner_staff_id")
    await must_see(session, case, staff_id, field="owner_staff_id")


async def case_of_action(session: AsyncSession, action_id: UUID, *, actor: Actor) -> tuple[UUID, bool]:
    """The case of an action, for whoever sees the case, and for the owner whatever became of it; whether it is owned.

    For the owner this transaction then reaches the case, so that the answer can be kept there; it shows none of it.
    """
    await reach(session, actor, own_actions=True)
    query = select(col(ForumAction.case_id), col(ForumAction.owner_staff_id)).where(
        col(ForumAction.id) == action_id, ~_conflict_of(actor)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise ActionNotFound
    owned: bool = found.owner_staff_id == actor.staff_id
    if owned:
        await reach(session, actor, also=(found.case_id,))
    return found.case_id, owned


def _conflict_of(actor: Actor) -> ColumnElement[bool]:
    """Whether the reader has a conflict of interest in an action's case, and so left it (H6.2)."""
    return (
        select(col(ConflictOfInterest.id))
        .where(
            col(ConflictOfInterest.case_id) == col(ForumAction.case_id),
            col(ConflictOfInterest.staff_id) == actor.staff_id,
        )
        .exists()
    )


async def answer_action(
    session: AsyncSession, case: Case, given: ActionAnswerIn, *, action_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Keep what became of an action. One that the agency did not do stays owed."""
    action = await session.get_one(ForumAction, action_id)
    before = list(
        await session.scalars(
            select(col(ForumActionAnswer.outcome)).where(col(ForumActionAnswer.action_id) == action_id)
        )
    )
    wrong = []
    if not still_owed(before):
        says = "The action had been answered for good already; both answers are kept."
        wrong = [Obstacle("action_answered_already", says, "H6.2")]
    row = ForumActionAnswer(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        action_id=action_id,
        owner_staff_id=action.owner_staff_id,
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = f"An action of the forum: {given.outcome.replace('_', ' ')}."
    return await record_act(session, case, row, "forum_action_answered", sentence, actor=actor, now=now, wrong=wrong)


async def open_actions(session: AsyncSession, *, actor: Actor, now: datetime) -> list[OpenActionView]:
    """The actions still owed that the reader owns or may see, the longest due first; at most 500.

    What somebody was given to do stays the own when its case has left the agenda; nothing else of the case does.
    """
    await reach(session, actor, own_actions=True)
    today = now.astimezone(LONDON).date()
    settled = select(col(ForumActionAnswer.id)).where(
        col(ForumActionAnswer.action_id) == col(ForumAction.id),
        col(ForumActionAnswer.outcome) != ActionOutcome.AGENCY_DID_NOT_DO_IT,
    )
    query = (
        select(*columns_of(ForumAction))
        .where(~settled.exists(), ~_conflict_of(actor))
        .order_by(col(ForumAction.due_on), col(ForumAction.id))
        .limit(500)
    )
    return [
        OpenActionView(**ActionView.model_validate(row).model_dump(), overdue=row.due_on < today)
        for row in (await session.execute(query)).all()
    ]


async def answers_of(session: AsyncSession, action_id: UUID) -> list[ActionAnswerView]:
    """What became of an action, oldest first."""
    query = (
        select(*columns_of(ForumActionAnswer))
        .where(col(ForumActionAnswer.action_id) == action_id)
        .order_by(col(ForumActionAnswer.recorded_at), col(ForumActionAnswer.id))
    )
    return [ActionAnswerView.model_validate(row) for row in (await session.execute(query)).all()]
