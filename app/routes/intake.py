"""Stage 1: applications are opened, drafted and joined."""

from typing import Annotated

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, Door, creates, decides, reads, records
from app.intake import contacts, drafts, service
from app.intake.schemas import (
    ApplicationIn,
    ApplicationOpened,
    ContactIn,
    DraftIn,
    DraftView,
    InformationReceived,
    InitialContactView,
)
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1", tags=["1 intake"], route_class=StrictRoute)


@router.post("/applications", status_code=201, responses=ERRORS_OF_ACT)
async def open_application(
    body: ApplicationIn, door: Annotated[Door, creates(Permission.SEND_INFORMATION)]
) -> ApplicationOpened | InformationReceived:
    """Open a case under either route; its clocks start at the initial contact, not when it is typed (H3.4).

    A partner agency that sends information hears that it is received, and nothing of any case (H2.7).
    """
    before = await door.answered(body)
    if before is not None and before.case_id is not None:
        opened = await service.opened_before(door.session, before.case_id, actor=door.actor, now=door.now)
        return service.shown_to(door.actor, opened)
    door.asks_for(body.follows or body.from_draft)
    opened = await service.open_application(door.session, body, actor=door.actor, now=door.now)
    await door.opened(opened.id, opened.version)
    shown = service.shown_to(door.actor, opened)
    if shown is opened:
        door.shows(one.case_id for one in opened.earlier_applications)
    return shown


@router.post("/applications/{case_id}/initial-contacts", status_code=201, responses=ERRORS_OF_ACT)
async def join_contact(body: ContactIn, door: Annotated[CaseDoor, records(Permission.OPEN_APPLICATION)]) -> Receipt:
    """Join a further contact to an open case, under its first clock (H3.5)."""
    return await door.record(contacts.join_contact, body)


@router.get("/applications/{case_id}/initial-contacts", responses=ERRORS_OF_CASE)
async def read_initial_contacts(
    door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)],
) -> list[InitialContactView]:
    """Why the case was opened and what each further contact said: the account, indicators of risk, consent, and the
    information received with its grading (H3.2, H3.3). Empty for whoever may not see what an applicant said.
    """
    await door.read()
    return await contacts.contacts_of(door.session, door.case)


@router.post("/drafts", status_code=201, responses=ERRORS_OF_ACT)
async def keep_draft(body: DraftIn, door: Annotated[Door, creates(Permission.OPEN_APPLICATION)]) -> DraftView:
    """Keep an application begun. No clock runs for a draft: once a request has reached the police, open it."""
    before = await door.answered(body)
    if before is not None and before.case_id is not None:
        return await drafts.draft_before(door.session, before.case_id)
    draft = await drafts.keep_draft(door.session, body, actor=door.actor, now=door.now)
    await door.opened(draft.id, draft.version)
    return draft


@router.get("/drafts/{case_id}", responses=ERRORS_OF_CASE | ERRORS_OF_ACT)
async def read_draft(door: Annotated[CaseDoor, reads(Permission.OPEN_APPLICATION)]) -> DraftView:
    """A draft as it was left."""
    await door.read()
    return await drafts.read_draft(door.session, door.case)


@router.put("/drafts/{case_id}", responses=ERRORS_OF_DECISION)
async def rewrite_draft(body: DraftIn, door: Annotated[CaseDoor, decides(Permission.OPEN_APPLICATION)]) -> Receipt:
    """Replace what a draft holds."""
    return await door.decide(drafts.rewrite_draft, body)
