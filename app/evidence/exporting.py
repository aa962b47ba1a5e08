"""The auditor's export: every leaf, every record as it is now, every signed checkpoint; one JSON line each.

A record that came in while the export was made is left out. One that was there before and has no leaf is told: as
waiting where it stands in the queue of the worker, or under a number that nobody has signed over yet, else as one that
was put in past the service. Of an erasure that waits, and of what it rests on, the leaf that it would be is told as
well; and of a case with sealed records and without a key, that it has none.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Select, Text, bindparam, cast, func, literal, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import SQLModel, col

from app.errors import ClaresLawError
from app.evidence.erased import KINDS, tells_of_erasing
from app.evidence.leaves import SALT_BYTES, Salts
from app.evidence.reading import leaves_of
from app.evidence.records import COVERED, LEAVES
from app.evidence.tables import CaseKey, Leaf, LeafDue, Sequencing, SignedCheckpoint, TreeNode
from app.storage.base import columns_of, table_of

BATCH = 500
_LOOKS_EVERY = 0.5
_LEAST = -(2**63)
"""Below every number, also one that only somebody who tampers could give."""

_leaf, _checkpoint, _due = columns_of(Leaf), columns_of(SignedCheckpoint), columns_of(LeafDue)
_state, _node = columns_of(Sequencing), columns_of(TreeNode)
_SIGNED = select(func.coalesce(func.max(_checkpoint.size), 0))
_CHECKPOINTS = (
    select(_checkpoint.size, _checkpoint.note)
    .where(_checkpoint.size > bindparam("after"))
    .order_by(_checkpoint.size)
    .limit(BATCH)
)
_BATCH = (
    select(_leaf.number, _leaf.kind, _leaf.record_id, _leaf.told, _leaf.salt, _leaf.erasable_salt)
    .where(_leaf.number > bindparam("after"))
    .order_by(_leaf.number)
    .limit(BATCH)
)
_QUEUED = select(_due.kind, _due.record_id)
_UNDER_WAY = union_all(
    _QUEUED,
    # numbered, and not signed yet
    select(_leaf.kind, _leaf.record_id)
    .join(table_of(TreeNode), (_node.level == 0) & (_node.place == _leaf.number))
    .where(_leaf.number >= _SIGNED.scalar_subquery()),
)
_TROUBLE = select(_state.trouble)

Record = tuple[str, UUID]
"""A record by its kind and id: by the id alone one could pass for another."""


class WorkerBehind(ClaresLawError):
    """Records wait for the worker, and nothing is known to keep it from them."""

    code: ClassVar[str] = "worker_behind"


async def unsigned(session: AsyncSession) -> set[Record]:
    """Records that no signed checkpoint covers."""
    signed = (await session.execute(_SIGNED)).scalar_one()
    kinds = [SQLModel.metadata.tables[name] for name in LEAVES]
    found = union_all(
        *(
            select(one.c.id, cast(literal(one.name), Text).label("kind")).where(
                ~select(1)
                .select_from(table_of(Leaf))
                .where(_leaf.record_id == one.c.id, _leaf.kind == one.name, _leaf.number < signed)
                .exists()
            )
            for one in kinds
        )
    )
    return {(one.kind, one.id) for one in (await session.execute(found)).all()}


async def settled(sessions: async_sessionmaker[AsyncSession], *, seconds: float) -> frozenset[Record]:
    """The records that no checkpoint covers now, once every one of them is covered or the seconds are over.

    Raises WorkerBehind where the worker could still cover one: unless it says what stops it, since it is then that an
    auditor is asked.
    """
    limit = time.monotonic() + seconds
    async with sessions() as session:
        before = frozenset(await unsigned(session))
    waiting = before
    while waiting and time.monotonic() < limit:
        await asyncio.sleep(_LOOKS_EVERY)
        async with sessions() as session:
            waiting = before & await unsigned(session)
    async with sessions() as session:
        behind = waiting & {(one.kind, one.record_id) for one in (await session.execute(_UNDER_WAY)).all()}
        stopped = (await session.execute(_TROUBLE)).scalar_one_or_none()
    if behind and stopped is None:
        raise WorkerBehind(f"{len(behind)} records wait to be numbered and signed over: start the worker.")
    return before


async def export(session: AsyncSession, *, told_before: frozenset[Record], at: datetime) -> AsyncIterator[bytes]:
    """The lines of the export, in one snapshot if the transaction is one; `told_before` as `settled` says."""
    uncovered = await unsigned(session)
    newer = uncovered - told_before
    yield _line({"export": 1, "at": at.isoformat(), "newer": len(newer)})
    after, numbered = _LEAST, set[Record]()
    while signed := (await session.execute(_CHECKPOINTS, {"after": after})).all():
        after = signed[-1].size
        for one in signed:
            yield _line({"checkpoint": one.size, "note": one.note})
    after = _LEAST
    while batch := (await session.execute(_BATCH, {"after": after})).all():
        after = batch[-1].number
        wanted = {one.record_id: one.kind for one in batch}
        salts = {one.record_id: Salts(one.salt or b"", one.erasable_salt) for one in batch}
        # One that is there and can be told no more is none that was numbered.
        now = {one.id: one.told or b"" for one in await leaves_of(session, wanted, salts)}
        for one in batch:
            record = (one.kind, one.record_id)
            if record in newer:
                continue
            numbered |= {record} & uncovered
            is_now = now.get(one.record_id) if one.salt else None
            yield _line(
                {
                    "leaf": one.number,
                    "kind": one.kind,
                    "id": str(one.record_id),
                    "told": one.told.decode(errors="replace"),
                    "now": None if is_now is None else is_now.decode(),
                    "salted": bool(one.salt),
                }
            )
    # A worker that was stopped between a number and the signature over it left no more than one that numbered nothing.
    queued = numbered | {(one.kind, one.record_id) for one in (await session.execute(_QUEUED)).all()}
    for kind, unsigned_yet in sorted(uncovered - newer):
        waits = (kind, unsigned_yet) in queued
        yield _line({"record": True, "kind": kind, "id": str(unsigned_yet), "waits": waits})
    waiting = uncovered & queued - numbered - newer
    async for told in _would_be(session, (one for one in waiting if one[0] in KINDS)):
        if tells_of_erasing(json.loads(told)):
            yield _line({"awaited": told.decode()})
    for case in (await session.scalars(_keyless())).all():
        yield _line({"keyless": str(case)})


async def _would_be(session: AsyncSession, waiting: Iterable[Record]) -> AsyncIterator[bytes]:
    """The leaves that records would be, salted by what nobody keeps."""
    known = sorted(waiting)
    for start in range(0, len(known), BATCH):
        batch = known[start : start + BATCH]
        salts = {record: Salts(*(secrets.token_bytes(SALT_BYTES) for _ in range(2))) for _, record in batch}
        for one in await leaves_of(session, {record: kind for kind, record in batch}, salts):
            if one.told:
                yield one.told


def _keyless() -> Select[tuple[UUID]]:
    """The cases whose sealed records nobody opens any more."""
    sealed = union(*(select(SQLModel.metadata.tables[name].c.case_id) for name in COVERED)).subquery()
    case_id = sealed.c.case_id
    return select(case_id).where(~select(1).where(col(CaseKey.case_id) == case_id).exists()).order_by(case_id)


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"
