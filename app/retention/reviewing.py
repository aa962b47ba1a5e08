"""What the worker does for retention: it asks for reviews that are due, and prunes what serves no case any longer.

It never erases a case: two people do (H12.2).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, cast, delete, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import AnsweredRequest
from app.cases.tables import Case
from app.channels.tables import Outbox
from app.clock import LONDON
from app.deadlines.tables import Task, TaskKind
from app.deadlines.tasks import open_task
from app.retention.freezing import is_frozen
from app.retention.schedule import schedule
from app.retention.tables import Retention

BATCH = 100
PRUNED_AT_ONCE = 1000


async def ask_for_reviews(session: AsyncSession, *, now: datetime) -> int:
    """Put closed cases whose review is due before the head, or before professional standards where they are withheld.

    Not a frozen case, nor one that is asked for; one whose task was closed without a decision is asked for again after
    as many days as the schedule says. How many were.
    """
    again = now - timedelta(days=schedule().ask_again_after_days)
    asked = exists().where(
        col(Task.kind) == TaskKind.REVIEW_DUE,
        col(Task.about) == cast(col(Retention.case_id), String),
        or_(col(Task.closed_at).is_(None), col(Task.closed_at) > again),
    )
    query = (
        select(col(Case.id), col(Case.force_id), col(Case.reference), col(Retention.review_on))
        .join(Retention, col(Retention.case_id) == col(Case.id))
        .where(
            col(Retention.review_on) <= now.astimezone(LONDON).date(),
            col(Case.erased_at).is_(None),
            ~is_frozen(col(Case.id)),
            ~asked,
        )
        .order_by(col(Retention.review_on), col(Case.id))
        .limit(BATCH)
    )
    due = (await session.execute(query)).all()
    for one in due:
        await open_task(
            session,
            kind=TaskKind.REVIEW_DUE,
            says=f"The review of the closed case {one.reference} is due since {one.review_on:%-d %B %Y}: decide to "
            "keep it until another day, or to have it erased.",
            for_role=Role.HEAD_OF_PUBLIC_PROTECTION,
            force_id=one.force_id,
            about=str(one.id),
            now=now,
            case_id=one.id,
        )
    return len(due)


async def prune(session: AsyncSession, *, now: datetime) -> int:
    """Delete messages delivered or given up, and answered requests, once they are as old as the schedule says.

    The log is never pruned. How many rows of the fuller of the two tables were deleted, at most PRUNED_AT_ONCE of each.
    """
    ages = schedule().pruning
    settled = func.coalesce(col(Outbox.delivered_at), col(Outbox.given_up_at))
    messages = (
        select(col(Outbox.id))
        .where(
            or_(col(Outbox.delivered_at).is_not(None), col(Outbox.given_up_at).is_not(None)),
            settled < now - timedelta(days=ages.settled_messages_days),
        )
        .limit(PRUNED_AT_ONCE)
    )
    key = (col(AnsweredRequest.staff_id), col(AnsweredRequest.key))
    requests = (
        select(*key)
        .where(col(AnsweredRequest.answered_at) < now - timedelta(days=ages.answered_requests_days))
        .limit(PRUNED_AT_ONCE)
    )
    of_messages: Any = delete(Outbox).where(col(Outbox.id).in_(messages))
    of_requests: Any = delete(AnsweredRequest).where(tuple_(*key).in_(requests))
    pruned = 0
    for old in (of_messages.returning(col(Outbox.id)), of_requests.returning(col(AnsweredRequest.answered_at))):
        found = await session.execute(old.execution_options(synchronize_session=False))
        pruned = max(pruned, len(found.all()))
    return pruned
