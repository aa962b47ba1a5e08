"""Stage 7: items, clearance, the verbatim record, notices, words to the subject, postponement, non-completion."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.disclosure import clearance, deliveries, items, non_completion, notices, postponement, subject
from app.disclosure.schemas import (
    AgreementIn,
    AgreementView,
    ClearanceIn,
    ClearanceView,
    DisclosureIn,
    DisclosureView,
    ItemIn,
    ItemView,
    KeptDisclosure,
    NonCompletionIn,
    NonCompletionView,
    NoticeIn,
    NoticeView,
    PostponementEndIn,
    PostponementIn,
    PostponementView,
    SpentAuthorisationIn,
    SpentAuthorisationView,
    VerbatimView,
)
from app.disclosure.subject_schemas import WordsToSubjectIn, WordsToSubjectView
from app.doors import CaseDoor, decides, reads, records
from app.evidence.checkpoints import LONGEST_WAIT, awaited_receipt
from app.evidence.receipts import NotYetView, OpeningView, ReceiptView
from app.evidence.terms import Category, Purpose
from app.routes.errors import ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["7 disclosure"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
Preparer = Annotated[CaseDoor, records(Permission.PREPARE_ITEMS)]
Deliverer = Annotated[CaseDoor, records(Permission.RECORD_DELIVERY)]
Supervisor = Annotated[CaseDoor, decides(Permission.SUPERVISE)]
Postponer = Annotated[CaseDoor, decides(Permission.POSTPONE)]


@router.get("/items", responses=ERRORS_OF_CASE)
async def read_items(door: Reader) -> list[ItemView]:
    """What may be told, with what is spent today, worked out anew (H7.3)."""
    await door.read()
    return await items.items_of(door.session, door.case, now=door.now)


@router.post("/items", status_code=201, responses=ERRORS_OF_ACT)
async def record_item(body: ItemIn, door: Preparer) -> Receipt:
    """Keep something that may be told; record every conviction known, since each may hold another (H7.3, H7.8)."""
    return await door.record(items.record_item, body)


@router.get("/items/{item_id}/agreements", responses=ERRORS_OF_CASE)
async def read_agreements(item_id: str, door: Reader) -> list[AgreementView]:
    """The agreements of an item's owner."""
    item = await items.item_of(door.session, door.case, item_id)
    return await door.history(AgreementView, item_id=item.id)


@router.post("/items/{item_id}/agreements", status_code=201, responses=ERRORS_OF_ACT)
async def record_agreement(item_id: str, body: AgreementIn, door: Preparer) -> Receipt:
    """Keep the owner's agreement to an item's being told as it is worded (H7.8)."""
    return await door.record(partial(items.record_agreement, item_id=item_id), body)


@router.get("/items/{item_id}/spent-authorisations", responses=ERRORS_OF_CASE)
async def read_spent_authorisations(item_id: str, door: Reader) -> list[SpentAuthorisationView]:
    """The authorities to tell an item although it is spent."""
    item = await items.item_of(door.session, door.case, item_id)
    return await door.history(SpentAuthorisationView, item_id=item.id)


@router.post("/items/{item_id}/spent-authorisations", status_code=201, responses=ERRORS_OF_DECISION)
async def authorise_spent(item_id: str, body: SpentAuthorisationIn, door: Supervisor) -> Receipt:
    """Authorise, on legal advice, that a spent item is told, where the edition leaves room for it (H7.3)."""
    return await door.decide(partial(items.authorise_spent, item_id=item_id), body, though_late=True)


@router.get("/delivery-clearance", responses=ERRORS_OF_CASE)
async def read_clearances(door: Reader) -> list[ClearanceView]:
    """Every clearance given."""
    return await door.history(ClearanceView)


@router.post("/delivery-clearance", status_code=201, responses=ERRORS_OF_DECISION)
async def clear_delivery(body: ClearanceIn, door: Annotated[CaseDoor, decides(Permission.CLEAR_DELIVERY)]) -> Receipt:
    """Permit the words, at the door: after the warnings and the answer to the undertaking (H7.0, H7.1)."""
    return await door.decide(clearance.clear_delivery, body, though_late=True)


@router.get("/disclosures", responses=ERRORS_OF_CASE)
async def read_disclosures(door: Reader) -> list[DisclosureView]:
    """Every record of a disclosure, without its words: the digest stands for them."""
    return await door.history(DisclosureView)


@router.post("/disclosures", status_code=202, responses=ERRORS_OF_ACT)
async def record_disclosure(body: DisclosureIn, door: Deliverer) -> KeptDisclosure:
    """Keep the words that were said, byte for byte; never refused for a rule of the scheme (H7.2, H2.10).

    The record is kept with this answer, and acknowledged when its receipt is there.
    """
    kept = await door.record(deliveries.record_disclosure, body)
    address = f"/v1/applications/{kept.case_id}/disclosures/{kept.id}/receipt"
    return KeptDisclosure(**kept.model_dump(), receipt=address)


@router.get("/disclosures/{disclosure_id}/receipt", responses={**ERRORS_OF_CASE, 202: {"model": NotYetView}})
async def read_receipt(
    request: Request,
    response: Response,
    disclosure_id: str,
    door: Annotated[CaseDoor, reads(Permission.READ_RECEIPT)],
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for it.")] = 0,
) -> ReceiptView | NotYetView:
    """The proof that the record stands in the log, without its words; 202 while none is there yet.

    Keep it: `clares-law verify receipt` checks it against the witness and the public key alone.
    """
    record = await deliveries.known_disclosure(door.session, door.case.id, disclosure_id)
    await door.read()
    await door.leave()
    found = await awaited_receipt(request.app.state.sessions, record, seconds=wait)
    response.status_code = 200 if found.acknowledged else 202
    return found


@router.get("/disclosures/{disclosure_id}/opening", responses={**ERRORS_OF_CASE, 202: {"model": NotYetView}})
async def read_opening(
    response: Response, disclosure_id: str, door: Annotated[CaseDoor, reads(Permission.OPEN_FOR_COURT)]
) -> OpeningView | NotYetView:
    """The record for a court: its receipt, its sealed texts, and what opens these and no others; 202 without a receipt.

    Keep it as it was answered, and as the words themselves: `clares-law verify words` proves from it, the witness and
    the public key alone that these words are what was recorded.
    """
    record = await deliveries.known_disclosure(door.session, door.case.id, disclosure_id)
    found = await deliveries.opening(door.session, record)
    await door.log(
        Category.CONSULTATION,
        case_id=door.case.id,
        force_id=door.case.force_id,
        event_id=record,
        reason=Purpose.PROCEEDINGS,
        shown=type(found),
    )
    response.status_code = 200 if isinstance(found, OpeningView) else 202
    return found


@router.get("/disclosures/{disclosure_id}", responses=ERRORS_OF_CASE)
async def read_verbatim(disclosure_id: str, door: Annotated[CaseDoor, reads(Permission.READ_VERBATIM)]) -> VerbatimView:
    """The whole record with its words, as they were said."""
    await door.read()
    return await deliveries.verbatim(door.session, door.case, disclosure_id)


@router.get("/non-disclosure-notices", responses=ERRORS_OF_CASE)
async def read_notices(door: Reader) -> list[NoticeView]:
    """Every notice of not disclosing."""
    return await door.history(NoticeView)


@router.post("/non-disclosure-notices", status_code=201, responses=ERRORS_OF_ACT)
async def record_notice(body: NoticeIn, door: Deliverer) -> Receipt:
    """Keep that not disclosing was told in person, or in neutral words, or recorded (H7.4 to H7.5)."""
    return await door.record(notices.record_notice, body)


@router.get("/words-to-subject", responses=ERRORS_OF_CASE)
async def read_words_to_subject(
    door: Annotated[CaseDoor, reads(Permission.READ_VERBATIM)],
) -> list[WordsToSubjectView]:
    """Everything that was said to the subject, what authorised it, and what the subject answered."""
    return await door.history(WordsToSubjectView)


@router.post("/words-to-subject", status_code=201, responses=ERRORS_OF_ACT)
async def record_words_to_subject(body: WordsToSubjectIn, door: Deliverer) -> Receipt:
    """Keep what was said to the subject, authorised or not (H5.5, H6.3, H2.7)."""
    return await door.record(subject.record_words_to_subject, body)


@router.get("/postponement", responses=ERRORS_OF_CASE)
async def read_postponements(door: Reader) -> list[PostponementView]:
    """Every postponement, and how it ended."""
    await door.read()
    return await postponement.postponements_of(door.session, door.case)


@router.post("/postponement", status_code=201, responses=ERRORS_OF_DECISION)
async def postpone(body: PostponementIn, door: Postponer) -> Receipt:
    """Let delivery wait until a review date, the investigator having been asked; clocks run on (H7.7)."""
    return await door.decide(postponement.postpone, body)


@router.post("/postponement/end", status_code=201, responses=ERRORS_OF_DECISION)
async def end_postponement(body: PostponementEndIn, door: Postponer) -> Receipt:
    """End the postponement in force before its review date."""
    return await door.decide(postponement.end_postponement, body, though_late=True)


@router.get("/non-completion", responses=ERRORS_OF_CASE)
async def read_non_completions(door: Reader) -> list[NonCompletionView]:
    """The attempts to tell that were ended."""
    return await door.history(NonCompletionView)


@router.post("/non-completion", status_code=201, responses=ERRORS_OF_DECISION)
async def record_non_completion(body: NonCompletionIn, door: Supervisor) -> Receipt:
    """End the attempts to tell: not reached, withdrew, declined to hear, unsafe to reach (H7.6)."""
    return await door.decide(non_completion.record_non_completion, body)
