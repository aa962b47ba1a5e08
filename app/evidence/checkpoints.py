"""The tree as it is kept: roots, signed checkpoints, proofs and receipts, read in few rows."""

import asyncio
import json
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, bindparam, column, exists, func, or_, select, table, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import col

from app.errors import Conflict, NotFound
from app.evidence.merkle import Node, Peaks, Span, consistency_spans, fold, inclusion_spans, nodes_of
from app.evidence.notes import to_base64
from app.evidence.receipts import CheckpointView, ConsistencyView, NotYetView, ReceiptView
from app.evidence.records import LEAVES, LOG, OF_ACCOUNTS
from app.evidence.tables import Leaf, LeafDue, LogRow, Sequencing, SignedCheckpoint, TreeNode
from app.storage.base import columns_of
from app.storage.statements import row, rows

LONGEST_WAIT = 30
"""Seconds that a request may wait for a receipt."""
_LOOKS_EVERY = 0.5
BEHIND_AFTER = timedelta(seconds=60)
"""Of real time: a record that waits longer, or a checkpoint that the witness has not seen, is told of by readiness."""

_leaf, _node, _checkpoint, _state = (columns_of(one) for one in (Leaf, TreeNode, SignedCheckpoint, Sequencing))
_due = columns_of(LeafDue)
_SIZE = select(func.coalesce(func.max(_node.place) + 1, 0)).where(_node.level == 0)
_NODES = select(_node.level, _node.place, _node.hash).where(
    tuple_(_node.level, _node.place).in_(bindparam("wanted", expanding=True))
)
_OF_RECORD = select(_leaf.number, _leaf.kind, _leaf.record_id, _leaf.case_id, _leaf.told).where(
    _leaf.record_id == bindparam("record_id")
)
_COVERING = (
    select(_checkpoint.size, _checkpoint.note)
    .where(_checkpoint.size > bindparam("number"), _checkpoint.witnessed_at.is_not(None))
    .order_by(_checkpoint.size)
    .limit(1)
)
_QUEUEING = text(
    "SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    # Of that one function: none where it is gone. After each inserted row, whatever stands in it.
    "WHERE tgfoid = to_regproc('public.let_it_be_numbered') AND tgtype = 5 AND tgqual IS NULL "
    "AND tgenabled IN ('O', 'A') AND relnamespace = 'public'::regnamespace"
)
_STATE = select(_state.public_key, _state.trouble)
_OLDEST_DUE = select(_due.queued_at).where(~_due.untold).order_by(_due.position).limit(1)
_OLDEST_UNSEEN = select(func.min(_checkpoint.signed_at)).where(_checkpoint.witnessed_at.is_(None))
_OLDEST = select(func.least(_OLDEST_DUE.scalar_subquery(), _OLDEST_UNSEEN.scalar_subquery()))


_accounts = [table(kind, column("id")) for kind in OF_ACCOUNTS]  # they stand above this package
_of_its_case = and_(_leaf.kind != LOG, col(LogRow.case_id) == _leaf.case_id)  # a row of the log shows itself or not
_TOLD_OF = select(
    exists().where(or_(_of_its_case, col(LogRow.id) == _leaf.record_id))
    | or_(*(exists().where(one.c.id == _leaf.record_id) for one in _accounts))
).where(_leaf.record_id == bindparam("record_id"))
"""Row-level security shows of the log, and of changes of accounts, what is the reader's; who reads one reads both."""
_ASK_BY_THE_LOG = text("SELECT set_config('app.receipt_of', :asked, true), set_config('app.reads_log', 'on', true)")


class CheckpointNotFound(NotFound):
    """No checkpoint of that size was signed and witnessed."""

    code = "checkpoint_not_found"

    def __init__(self) -> None:
        super().__init__("No witnessed checkpoint of that size is held.")


class ReceiptNotFound(NotFound):
    """No record of which the log tells the reader has a receipt under that id."""

    code = "receipt_not_found"

    def __init__(self) -> None:
        super().__init__(
            "No record is numbered under that id in any case of which the log tells you, nor of your force's accounts. "
            "A new one takes seconds."
        )


class RecordWasMissing(Conflict):
    """The record was gone when it was numbered: whatever stands there now is not what the leaf is of."""

    code = "record_was_missing"

    def __init__(self) -> None:
        super().__init__("The record was gone when it was numbered, so nothing acknowledges what stands there now.")


async def size_of(session: AsyncSession) -> int:
    """How many leaves are numbered."""
    return int((await session.execute(_SIZE)).scalar_one())


async def nodes(session: AsyncSession, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of complete subtrees."""
    asked = sorted(set(wanted))
    found = await rows(session, _NODES, wanted=asked) if asked else ()
    return {(one.level, one.place): one.hash for one in found}


async def peaks_at(session: AsyncSession, size: int) -> Peaks:
    """The tree as it was at a size that it has had."""
    wanted = nodes_of((0, size))
    held = await nodes(session, wanted)
    return Peaks(size, [held[one] for one in wanted])


async def folded(session: AsyncSession, spans: list[Span]) -> list[bytes]:
    """The hash of each span: a proof."""
    parts = [nodes_of(span) for span in spans]
    held = await nodes(session, (node for part in parts for node in part))
    return [fold([held[node] for node in part]) for part in parts]


async def receipt_of(session: AsyncSession, record_id: UUID) -> ReceiptView | None:
    """The receipt of a record under the first witnessed checkpoint that covers it; None until there is one.

    Row-level security shows the API one leaf in a transaction, the one that it says it wants. Raises RecordWasMissing.
    """
    await session.execute(text("SELECT set_config('app.receipt_of', :asked, true)"), {"asked": str(record_id)})
    leaf = await row(session, _OF_RECORD, record_id=record_id)
    covered = await row(session, _COVERING, number=leaf.number) if leaf else None
    if leaf is None or covered is None:
        return None
    if json.loads(leaf.told).get("missing"):
        raise RecordWasMissing
    proof = await folded(session, inclusion_spans(leaf.number, covered.size))
    return ReceiptView(
        kind=leaf.kind,
        id=leaf.record_id,
        case_id=leaf.case_id,
        number=leaf.number,
        leaf=leaf.told.decode(),
        proof=[to_base64(one) for one in proof],
        checkpoint=covered.note,
    )


async def receipt_by_the_log(session: AsyncSession, record_id: UUID) -> ReceiptView:
    """The receipt of any record of a case of which the log tells its reader, open, closed or erased; of a log row; of a
    change of an account of the reader's force.

    Raises ReceiptNotFound, RecordWasMissing.
    """
    await session.execute(_ASK_BY_THE_LOG, {"asked": str(record_id)})
    told_of = await session.scalar(_TOLD_OF, {"record_id": record_id})
    found = await receipt_of(session, record_id) if told_of else None
    if found is None:
        raise ReceiptNotFound
    return found


async def awaited_receipt(
    sessions: async_sessionmaker[AsyncSession], record_id: UUID, *, seconds: float
) -> ReceiptView | NotYetView:
    """The receipt of a record, waited for so many seconds; between two looks nothing of the database is held."""
    limit = time.monotonic() + seconds
    while True:
        async with sessions() as session:
            found = await receipt_of(session, record_id)
        left = limit - time.monotonic()
        if found or left <= 0:
            return found or NotYetView()
        await asyncio.sleep(min(_LOOKS_EVERY, left))


async def checkpoints(session: AsyncSession, *, before: int | None, limit: int) -> list[CheckpointView]:
    """Signed checkpoints, the largest first."""
    query = select(*_checkpoint).order_by(_checkpoint.size.desc()).limit(limit)
    if before is not None:
        query = query.where(_checkpoint.size < before)
    return [CheckpointView.model_validate(one) for one in (await session.execute(query)).all()]


async def consistency(session: AsyncSession, first: int, second: int) -> ConsistencyView:
    """The proof that the smaller of two witnessed checkpoints is the beginning of the larger."""
    small, large = sorted((first, second))
    query = select(_checkpoint.size, _checkpoint.note)
    query = query.where(_checkpoint.size.in_([small, large]), _checkpoint.witnessed_at.is_not(None))
    held = {one.size: one.note for one in (await session.execute(query)).all()}
    if not {small, large} <= held.keys():
        raise CheckpointNotFound
    proof = await folded(session, consistency_spans(small, large))
    return ConsistencyView(first=held[small], second=held[large], proof=[to_base64(one) for one in proof])


async def public_key(session: AsyncSession) -> str:
    """The key that checkpoints are verified by, as the worker said it last."""
    state = await row(session, _STATE)
    if state is None:
        raise NotFound("No worker has numbered anything yet.")
    return str(state.public_key)


async def trouble(session: AsyncSession) -> str | None:
    """What keeps records from being numbered: a code, and where it is one record alone, its id. None where nothing."""
    state = await row(session, _STATE)
    return state.trouble if state else None


async def is_unqueued(session: AsyncSession) -> bool:
    """Whether the database no longer puts each record in the queue: somebody switched it off for a table.

    What is written meanwhile is in no leaf; an export names it, and this says so before one is made.
    """
    return not set(LEAVES) <= set((await session.execute(_QUEUEING)).scalars())


async def is_behind(session: AsyncSession, *, real_now: datetime) -> bool:
    """Whether a record has waited too long for its number, or a checkpoint for the witness.

    One of which no leaf can be made holds up no other: `trouble` names it.
    """
    oldest = (await session.execute(_OLDEST)).scalar_one()
    return oldest is not None and real_now - oldest > BEHIND_AFTER
