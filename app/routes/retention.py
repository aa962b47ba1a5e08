"""Keeping, reviewing, freezing and erasing closed cases (H12.2, H12.5)."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.clock import LONDON
from app.doors import CaseDoor, Door, decides, reads, records, requires
from app.evidence.terms import Category
from app.retention import freezing, service
from app.retention.rules import Schedule
from app.retention.schedule import schedule
from app.retention.schemas import (
    AgreementIn,
    ErasureView,
    FreezeIn,
    LiftingIn,
    RetentionDecisionIn,
    RetentionView,
    ReviewDue,
)
from app.retention.showing import retention_of
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.paging import Cursor, Limit, Page, after_day, encode, page
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["retention"], route_class=StrictRoute)
reviews = APIRouter(prefix="/v1/retention", tags=["retention"], route_class=StrictRoute)

Reviewer = Annotated[CaseDoor, decides(Permission.REVIEW_RETENTION)]


@reviews.get("/schedule", responses=ERRORS)
async def read_schedule(door: Annotated[Door, requires(Permission.READ_EDITIONS)]) -> Schedule:
    """The schedule in force: groups, grounds, and ages, each group with its source."""
    return schedule()


@reviews.get("/reviews", responses=ERRORS)
async def list_reviews(
    door: Annotated[Door, requires(Permission.REVIEW_RETENTION)], cursor: Cursor = None, limit: Limit = 50
) -> Page[ReviewDue]:
    """Closed cases of the own force whose review is due, the longest due first: references, and no name."""
    await door.log(Category.CONSULTATION)
    found = await service.reviews_due(
        door.session,
        today=door.now.astimezone(LONDON).date(),
        force_id=door.actor.serves_force_id,
        after=after_day(cursor),
        limit=limit + 1,
    )
    shown = page(list(found), limit, lambda last: encode(last.review_on.isoformat(), last.case_id))
    door.shows(one.case_id for one in shown.items)
    return shown


@router.get("/retention", responses=ERRORS_OF_CASE)
async def read_retention(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> RetentionView:
    """How long the case is kept, how that date came about, what its reviews decided, and what freezes it."""
    await door.read()
    return await retention_of(door.session, door.case)


@router.post("/retention/decisions", status_code=201, responses=ERRORS_OF_DECISION)
async def decide_retention(body: RetentionDecisionIn, door: Reviewer) -> Receipt:
    """Keep the case until another day; or have it erased, which a second person must agree to (H12.2)."""
    return await door.decide(service.decide_retention, body)


@router.post("/retention/agreement", status_code=201, responses=ERRORS_OF_DECISION)
async def agree_erasure(body: AgreementIn, door: Reviewer) -> Receipt:
    """As a second person, agree to the erasure, which happens at once and for good; or refuse it."""
    return await door.decide(service.agree_erasure, body)


@router.get("/erasure", responses=ERRORS_OF_CASE)
async def read_erasure(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS, though_erased=True)],
) -> ErasureView:
    """Of a case that was erased: that it was recorded, when it was erased, by whose decision and agreement."""
    await door.read()
    return await service.erasure_of(door.session, door.case.id)


@router.post("/freezes", status_code=201, responses=ERRORS_OF_ACT)
async def freeze(body: FreezeIn, door: Annotated[CaseDoor, records(Permission.FREEZE_CASE)]) -> Receipt:
    """A potential victim died or was gravely hurt, or proceedings need the case: nothing erases it (H12.5)."""
    return await door.record(freezing.freeze, body)


@router.post("/freezes/{freeze_id}/lifting", status_code=201, responses=ERRORS_OF_DECISION)
async def ask_lifting(freeze_id: str, body: LiftingIn, door: Reviewer) -> Receipt:
    """Ask that a freeze be lifted; it holds until a second person agrees."""
    return await door.decide(partial(freezing.ask_lifting, freeze_id=freeze_id), body, though_late=True)


@router.post("/freezes/{freeze_id}/lifting/agreement", status_code=201, responses=ERRORS_OF_DECISION)
async def answer_lifting(freeze_id: str, body: AgreementIn, door: Reviewer) -> Receipt:
    """As a second person, lift a freeze, or leave it in force."""
    return await door.decide(partial(freezing.answer_lifting, freeze_id=freeze_id), body, though_late=True)
