"""Cases that professional standards mark, so that whoever touches them is looked at (H1.3, H12.1)."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.doors import CaseDoor, reads, records
from app.misuse import marking
from app.misuse.schemas import OfNoteIn, OfNoteView
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}/of-note", tags=["misuse"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.MARK_OF_NOTE)]
Standards = Annotated[CaseDoor, records(Permission.MARK_OF_NOTE)]


@router.get("", responses=ERRORS_OF_CASE)
async def read_marks(door: Reader) -> list[OfNoteView]:
    """The marks of the case, oldest first. Nobody else is shown that there is one."""
    await door.read()
    return await marking.marks(door.session, door.case.id)


@router.post("", status_code=201, responses=ERRORS_OF_ACT)
async def mark(body: OfNoteIn, door: Standards) -> OfNoteView:
    """Mark the case: whoever opens it, finds it or is shown it on a list without holding it becomes a task.

    One a day for each account, before professional standards of the account's force.
    """
    return await door.record_beside(marking.mark, marking.marked_before, body)


@router.post("/end", responses=ERRORS_OF_ACT)
async def unmark(body: OfNoteIn, door: Standards) -> OfNoteView:
    """Mark it no longer."""
    return await door.record_beside(marking.unmark, marking.marked_before, body)
