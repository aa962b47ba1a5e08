"""A case goes from one force to another."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, Door, creates, decides, reads, requires
from app.evidence.terms import Category
from app.final_report import transfer
from app.final_report.schemas import TransferAcceptanceIn, TransferIn, TransferOfferView, TransferView
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["8 transfer"], route_class=StrictRoute)
receiving = APIRouter(prefix="/v1/transfers", tags=["8 transfer"], route_class=StrictRoute)

Supervisor = Annotated[Door, requires(Permission.SUPERVISE)]


@router.post("/transfer", status_code=201, responses=ERRORS_OF_DECISION)
async def offer_transfer(body: TransferIn, door: Annotated[CaseDoor, decides(Permission.SUPERVISE)]) -> Receipt:
    """Offer the case to another force; until it accepts, this force owns it (H8.5)."""
    return await door.decide(transfer.offer_transfer, body)


@router.get("/transfer", responses=ERRORS_OF_CASE)
async def read_offers(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[TransferOfferView]:
    """Offers of this case, oldest first."""
    return await door.history(TransferOfferView)


@receiving.get("", responses=ERRORS)
async def list_transfers(door: Supervisor) -> list[TransferView]:
    """Cases offered to the own force and by it, newest first."""
    await door.log(Category.CONSULTATION)
    return await transfer.transfers(door.session)


@receiving.post("/{transfer_id}/acceptance", status_code=201, responses=ERRORS_OF_ACT)
async def accept_transfer(
    transfer_id: UUID, body: TransferAcceptanceIn, door: Annotated[Door, creates(Permission.SUPERVISE)]
) -> Receipt:
    """Take an offered case over, with everything in it; its clocks run on (H8.5)."""
    before = await door.answered(body)
    if before is not None and before.resource_id is not None:
        return await transfer.accepted_before(door.session, before.resource_id)
    door.asks_for(through=transfer_id)
    taken = await transfer.accept_transfer(door.session, transfer_id, body, actor=door.actor, now=door.now)
    await door.log(Category.ALTERATION, case_id=taken.case_id, event_id=taken.id)
    await door.remember(case_id=taken.case_id, resource_id=taken.id)
    return taken
