"""What is owed in the force's cases, and what was put before a supervisor (H2.10, H8.2)."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.doors import Door, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute
from app.safeguarding.owed import owed
from app.safeguarding.schemas import OwedView
from app.safeguarding.terms import DutyKind

router = APIRouter(prefix="/v1/duties", tags=["duties"], route_class=StrictRoute)


@router.get("", responses=ERRORS)
async def list_duties(
    door: Annotated[Door, requires(Permission.LIST_CASES)],
    kind: DutyKind | None = None,
    answered: bool = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[OwedView]:
    """Open duties of the own force's cases, oldest first; `kind=supervisor_review` is what waits for a supervisor."""
    await door.log(Category.CONSULTATION)
    found = await owed(door.session, kind=kind, answered=answered, after=after_moment(cursor), limit=limit + 1)
    shown = page(found, limit, lambda last: encode(last.opened_at.isoformat(), last.id))
    door.shows(one.case_id for one in shown.items)
    return shown
