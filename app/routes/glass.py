"""Breaking the glass over a withheld case, and overseeing who did (H2.8). No case stands in an address."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases import glass
from app.cases.schemas import GlassEndIn, GlassIn, GlassReceipt, GlassView
from app.cases.service import known_id
from app.doors import Door, creates, requires
from app.evidence.terms import Category
from app.routes.errors import ERRORS, ERRORS_OF_ACT
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/break-glass", tags=["access"], route_class=StrictRoute)

Overseer = Annotated[Door, requires(Permission.OVERSEE_GLASS)]


@router.post("", status_code=201, responses=ERRORS_OF_ACT)
async def break_glass(body: GlassIn, door: Annotated[Door, creates(Permission.BREAK_GLASS)]) -> GlassReceipt:
    """See a restricted case, or another force's, for a few hours: to read it and make safe. Others are told at once."""
    before = await door.answered(body)
    if before is not None and before.resource_id is not None:
        return await glass.broken_before(door.session, before.resource_id)
    case_id = await glass.wanted(door.session, body)
    door.asks_for(case_id)
    case, row = await glass.break_glass(door.session, case_id, body, actor=door.actor, now=door.now)
    await door.log(Category.ALTERATION, case_id=case.id, force_id=case.force_id, event_id=row.id)
    await door.remember(case_id=case.id, resource_id=row.id)
    return glass.receipt(case, row)


@router.get("", responses=ERRORS)
async def list_broken_glass(door: Overseer) -> list[GlassView]:
    """Who broke the glass over cases that one sees, why, and until when; newest first."""
    await door.log(Category.CONSULTATION)
    found = await glass.broken_glasses(door.session)
    door.shows(one.case_id for one in found)
    return found


@router.post("/{glass_id}/end", status_code=201, responses=ERRORS_OF_ACT)
async def end_glass(glass_id: str, body: GlassEndIn, door: Overseer) -> GlassReceipt:
    """End one before its time; the next request of whoever broke it sees nothing."""
    known = known_id(glass_id, glass.GlassNotFound())
    door.asks_for(through=known)
    case, row = await glass.end_glass(door.session, known, body, actor=door.actor, now=door.now)
    await door.log(Category.ALTERATION, case_id=case.id, force_id=case.force_id, event_id=row.id)
    return glass.receipt(case, row)
