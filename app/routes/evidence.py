"""The proof of the record from outside: the public key, signed checkpoints, proofs that one begins another."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.rules import Permission
from app.cases.service import known_id
from app.doors import Door, SessionDep, requires
from app.evidence import checkpoints
from app.evidence.receipts import CheckpointView, ConsistencyView, KeyView, ReceiptView
from app.evidence.terms import Category, Purpose
from app.routes.errors import ERRORS, ERRORS_OF_CASE
from app.routes.paging import Cursor, Limit, Page, after_position, encode, page
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/evidence", tags=["evidence"], route_class=StrictRoute)

Reader = Annotated[Door, requires(Permission.READ_CHECKPOINTS)]
Size = Annotated[int, Query(ge=1, le=2**53 - 1, description="How many leaves the checkpoint covers.")]


@router.get("/key", responses=ERRORS_OF_CASE)
async def read_key(session: SessionDep) -> KeyView:
    """What checkpoints are verified by. Keep a copy where the service cannot reach it: a later one proves less."""
    return KeyView(public_key=await checkpoints.public_key(session))


@router.get("/receipts/{record_id}", responses=ERRORS_OF_CASE)
async def read_receipt(record_id: str, door: Annotated[Door, requires(Permission.READ_LOG)]) -> ReceiptView:
    """The proof that a record stands in the log, without its words: of open cases too, and of those that were erased.

    A decision, a disclosure, a closing report, a row of the log: whatever the access log, as its reader sees it, tells
    of; and each change of what an account might do. `clares-law verify receipt` checks it against the witness and the
    public key alone.
    """
    record = known_id(record_id, checkpoints.ReceiptNotFound())
    door.asks_for(through=record)
    found = await checkpoints.receipt_by_the_log(door.session, record)
    await door.log(Category.CONSULTATION, case_id=found.case_id, event_id=record, reason=Purpose.INTEGRITY)
    return found


@router.get("/checkpoints", responses=ERRORS)
async def list_checkpoints(door: Reader, cursor: Cursor = None, limit: Limit = 50) -> Page[CheckpointView]:
    """Signed checkpoints, the largest first; the first one is the log as it stands."""
    await door.log(Category.CONSULTATION)
    before = after_position(cursor) if cursor else None
    found = await checkpoints.checkpoints(door.session, before=before, limit=limit + 1)
    return page(found, limit, lambda last: encode(last.size))


@router.get("/consistency", responses=ERRORS_OF_CASE)
async def read_consistency(door: Reader, first: Size, second: Size) -> ConsistencyView:
    """The proof that of two witnessed checkpoints the smaller is the beginning of the larger: nothing was taken out."""
    await door.log(Category.CONSULTATION)
    return await checkpoints.consistency(door.session, first, second)
