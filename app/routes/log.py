"""The log that section 62 of the Data Protection Act 2018 requires. Reading it is logged (H12.1)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.access.rules import Permission
from app.doors import Door, requires
from app.evidence.schemas import LogView
from app.evidence.service import read_log
from app.evidence.terms import Category, Purpose
from app.routes.errors import ERRORS
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/access-log", tags=["log"], route_class=StrictRoute)


@router.get("", responses=ERRORS)
async def read_access_log(
    door: Annotated[Door, requires(Permission.READ_LOG)],
    purpose: Annotated[Purpose, Query(description="What it is read for; the log keeps it.")],
    case_id: UUID | None = None,
    staff_id: UUID | None = None,
    person_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[LogView]:
    """Who touched which case and whom in the own force, newest first; for a purpose that the law names, no other."""
    # The case asked for stands as what was read about: a row of a case that is withheld would hide itself (H2.8).
    await door.log(Category.CONSULTATION, event_id=case_id, reason=purpose)
    found = await read_log(
        door.session,
        case_id=case_id,
        staff_id=staff_id,
        person_id=person_id,
        reader=door.actor.staff_id,
        after=after_moment(cursor),
        limit=limit + 1,
    )
    return page(found, limit, lambda last: encode(last.logged_at.isoformat(), last.id))
