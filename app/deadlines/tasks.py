"""Tasks for staff beside those of a case: a calendar refused, an alert that reached nobody (H10, H11).

Whoever meets trouble that only a person can end opens a task, as the worker or as the API. One is open at most for
the same trouble, so that a daily attempt does not fill a list; once closed, the same trouble may open another.
"""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Role
from app.access.telling import withheld_cases
from app.deadlines.schemas import TaskView
from app.deadlines.tables import Task, TaskKind
from app.errors import AlreadyDecided, NotFound
from app.evidence.owing import show
from app.storage.base import columns_of


class TaskNotFound(NotFound):
    """No such task for this person."""

    code = "task_not_found"

    def __init__(self) -> None:
        super().__init__("No such task is among yours.")


class TaskClosed(AlreadyDecided):
    """The task is closed, and its answer stands."""

    code = "task_closed"


async def open_task(
    session: AsyncSession,
    *,
    kind: TaskKind,
    says: str,
    for_role: Role,
    force_id: str | None,
    about: str,
    now: datetime,
    case_id: UUID | None = None,
    though_withheld: bool = False,
    kept_from: UUID | None = None,
) -> None:
    """Put something before everybody of a role, in one force or (`force_id` None) in every one.

    `about` says what the trouble is with: an id or a code, never a name. Where a task of that kind about it is open
    already, that one stays as it was written. The worker may name any force, the API its transaction's own.

    `case_id` is given where the task tells of a case: whoever may not see that case does not see the task, and where
    it is withheld from anybody, professional standards are asked in place of the role (H2.8); but `though_withheld`,
    the role is asked all the same, as far as it sees the case. It is put before everybody but `kept_from`, the account
    that it is about.
    """
    if case_id is not None and not though_withheld and await withheld_cases(session, {case_id}):
        for_role = Role.PROFESSIONAL_STANDARDS
    row = {
        "id": uuid4(),
        "kind": kind,
        "says": says,
        "for_role": for_role,
        "case_id": case_id,
        "force_id": force_id,
        "about": about,
        "kept_from": kept_from,
        "opened_at": now,
    }
    await session.execute(insert(Task).values(row).on_conflict_do_nothing())


async def close_task(session: AsyncSession, actor: Actor, task_id: UUID, answer: str, *, now: datetime) -> Task:
    """A person has dealt with it and says how.

    Raises TaskNotFound, as where it asks about what that person did, and TaskClosed where another was first.
    """
    query = select(Task).where(col(Task.id) == task_id, *_of(actor)).with_for_update()
    task = (await session.scalars(query)).one_or_none()
    if task is None:
        raise TaskNotFound
    if task.closed_at is not None:
        raise TaskClosed("The task is closed already; its answer stands.")
    task.closed_at, task.closed_by, task.answer = now, actor.staff_id, answer
    return task


async def close_tasks_about(session: AsyncSession, *, kind: TaskKind, about: str, says: str, now: datetime) -> None:
    """The trouble has ended by itself: its task is closed by nobody, with what ended it."""
    await session.execute(
        update(Task)
        .where(col(Task.kind) == kind, col(Task.about) == about, col(Task.closed_at).is_(None))
        .values(closed_at=now, answer=says)
    )


async def tasks_for(
    session: AsyncSession, actor: Actor, *, closed: bool = False, after: tuple[datetime, UUID] | None, limit: int
) -> list[TaskView]:
    """The open tasks of a person's roles, or the closed with their answers; of the own force and every, oldest first.

    One about what the person did is not among them, closed or not. At most `limit`, the last of which only says that
    there are more, and is not shown.

    What is kept from somebody names no case, and the log says of none that this list showed it: the log is read by
    whoever it is kept from as well.
    """
    query = (
        select(*columns_of(Task))
        .where(col(Task.closed_at).is_not(None) if closed else col(Task.closed_at).is_(None), *_of(actor))
        .order_by(col(Task.opened_at), col(Task.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(col(Task.opened_at), col(Task.id)) > after)
    found = (await session.execute(query)).all()
    show(session, [row.case_id for row in found[: limit - 1] if row.kept_from is None])
    return [TaskView.model_validate(row) for row in found]


def _of(actor: Actor) -> list[ColumnElement[bool]]:
    return [
        col(Task.for_role).in_(sorted(actor.roles)),
        or_(col(Task.force_id).is_(None), col(Task.force_id) == actor.force_id),
        col(Task.kept_from).is_distinct_from(actor.staff_id),
    ]
