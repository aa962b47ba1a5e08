"""Tasks that belong to no case: what went wrong around the scheme and only a person can put right."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.service import known_id
from app.deadlines import tasks
from app.deadlines.schemas import TaskAnswerIn, TaskView
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_ACT
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=StrictRoute)


@router.get("", responses=ERRORS)
async def list_tasks(
    door: Annotated[Door, requires(Permission.READ_TASKS)],
    closed: bool = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[TaskView]:
    """Open tasks of one's roles, of the own force and of every force, oldest first; or those closed, with answers."""
    await door.log(Category.CONSULTATION)
    found = await tasks.tasks_for(door.session, door.actor, closed=closed, after=after_moment(cursor), limit=limit + 1)
    return page(found, limit, lambda last: encode(last.opened_at.isoformat(), last.id))


@router.post("/{task_id}/answer", status_code=200, responses=ERRORS_OF_ACT)
async def answer_task(
    task_id: str, body: TaskAnswerIn, door: Annotated[Door, requires(Permission.ANSWER_TASK)]
) -> TaskView:
    """Say how it was dealt with, which closes it. Trouble that goes on opens another."""
    known = known_id(task_id, tasks.TaskNotFound())
    task = await tasks.close_task(door.session, door.actor, known, body.answer, now=door.now)
    await door.log(Category.ALTERATION, case_id=task.case_id, event_id=task.id)
    return TaskView.model_validate(task)
