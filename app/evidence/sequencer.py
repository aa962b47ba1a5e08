"""The sequencer: numbers what waits, signs the root over it, tells the witness, and marks it as witnessed.

One at a time among any number of workers (an advisory lock). Each step is kept before the next begins, so that one
killed between any two goes on where it stopped: numbers are committed before a root over them is signed, and the
signature, which waits for no witness, before the witness is told. Whatever is done again is done in the same bytes: a
size has one root for ever. A record of which no leaf can be made waits on and is named, and the others are numbered.
"""

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, ClassVar
from uuid import UUID

import structlog
from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.errors import ClaresLawError
from app.evidence.blocks import Block, NoBlock, Numbered
from app.evidence.checkpoints import peaks_at, size_of
from app.evidence.leaves import SALT_BYTES, Salts, missing_leaf
from app.evidence.merkle import leaf_hash
from app.evidence.notes import Checkpoint, NoteRefused, Signer
from app.evidence.reading import Told, leaves_of
from app.evidence.records import is_erasable
from app.evidence.tables import Leaf, LeafDue, Sequencing, SignedCheckpoint, TreeNode
from app.outside.witness import Witness
from app.storage.base import columns_of, table_of

BATCH = 500
_LOCK = 7301964
_NUMBERING = 7301965
"""Whoever numbers holds it for that transaction, and so does whoever erases a case (`erase_case`)."""

_due, _leaf, _node = columns_of(LeafDue), columns_of(Leaf), columns_of(TreeNode)
_checkpoint, _state = columns_of(SignedCheckpoint), columns_of(Sequencing)
_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_WHILE_NUMBERING = select(func.pg_advisory_xact_lock(_NUMBERING))
_STILL_ALONE = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted "
    "AND classid = 0 AND objid = :lock AND objsubid = 1)"
)
_FIRST = -(2**63)
"""Below every position."""
_WAITING = (
    select(_due.position, _due.kind, _due.record_id)
    .where(_due.position > bindparam("after"))
    .order_by(_due.position)
    .limit(bindparam("most"))
)
_UNTOLD = (
    update(table_of(LeafDue))
    .where(_due.record_id.in_(bindparam("ids", expanding=True)), ~_due.untold)
    .values(untold=True)
)
_DONE = delete(table_of(LeafDue)).where(_due.position.in_(bindparam("positions", expanding=True)))
_KNOWN = select(_leaf.record_id).where(_leaf.record_id.in_(bindparam("ids", expanding=True)))
_NEW = (
    select(_leaf.kind, _leaf.record_id, _node.hash)
    .join(table_of(TreeNode), (_node.level == 0) & (_node.place == _leaf.number))
    .where(_leaf.number >= bindparam("start"), _leaf.number < bindparam("end"))
    .order_by(_leaf.number)
)
_SIGNED = upsert(table_of(SignedCheckpoint)).on_conflict_do_nothing()
_SIGNED_AT = select(_checkpoint.signed_at).where(_checkpoint.size == bindparam("size"))
_WITNESSED = (
    update(table_of(SignedCheckpoint))
    .where(_checkpoint.size == bindparam("told"), _checkpoint.witnessed_at.is_(None))
    .values(witnessed_at=bindparam("at"))
)
_NEWEST_WITNESSED = (
    select(_checkpoint.size).where(_checkpoint.witnessed_at.is_not(None)).order_by(_checkpoint.size.desc()).limit(1)
)

Sessions = async_sessionmaker[AsyncSession]
_log = structlog.get_logger()


class WitnessDisagrees(ClaresLawError):
    """The database is not the one that the witness saw; nothing is numbered until a person has looked."""

    code: ClassVar[str] = "witness_disagrees"


class WitnessAhead(WitnessDisagrees):
    """The witness saw more than the database holds: an old backup, or records that were taken away."""

    code: ClassVar[str] = "witness_ahead"


class WitnessContradicts(WitnessDisagrees):
    """The witness saw another root, or was told by another key."""

    code: ClassVar[str] = "witness_contradicts"


class WitnessBehind(WitnessDisagrees):
    """The database says that the witness saw more than it holds: another witness, or a lost one."""

    code: ClassVar[str] = "witness_behind"


DISAGREEMENTS = frozenset(one.code for one in (WitnessAhead, WitnessContradicts, WitnessBehind))
"""Troubles that no worker gets over by trying again."""
_FAILED = "numbering_failed"
"""The trouble that an error without a code is told as."""
RECORD_UNTOLD = "record_untold"
"""The trouble where a record can be told by no leaf, followed by its id; every other one is numbered."""


class LockLost(ClaresLawError):
    """The connection that held the lock is gone: another worker may be numbering, so this one tells nobody anything."""

    code: ClassVar[str] = "lock_lost"


class ClockOff(ClaresLawError):
    """The machine's clock is not the database's: what was signed by it would be misdated for good."""

    code: ClassVar[str] = "clock_off"


async def _agreed_hour(session: AsyncSession) -> datetime:
    """The machine's real time, by which leaves and checkpoints are dated, in a demonstration too. Raises ClockOff."""
    database = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    now = clock.real_now()
    if abs(now - database) > clock.AGREES_WITHIN:
        raise ClockOff(f"This machine's clock is {round((now - database).total_seconds())} seconds off the database's.")
    return now


def _salts(kind: str) -> Salts:
    return Salts(secrets.token_bytes(SALT_BYTES), secrets.token_bytes(SALT_BYTES) if is_erasable(kind) else None)


class Turn(Enum):
    """What a turn came to."""

    ELSEWHERE = auto()
    """Another worker is at it, and it alone knows how it goes."""
    DONE = auto()
    MORE = auto()


@dataclass(frozen=True)
class _Seen:
    """How far the witness is: its newest line, and of the checkpoint in it the size and when it was signed."""

    line: bytes | None
    size: int
    at: datetime | None


@dataclass(frozen=True)
class _Signed:
    """The checkpoint over all that is numbered, and when it was first signed."""

    size: int
    note: str
    at: datetime


@dataclass(frozen=True)
class _Batch:
    """How many records were taken from the queue, and the first of those that stay there since nothing tells them."""

    numbered: int
    untold: UUID | None


@dataclass(frozen=True)
class Sequencer:
    """One worker's sequencer. Every transaction is its own."""

    sessions: Sessions
    signer: Signer
    witness: Witness

    async def turn(self) -> Turn:
        """Number and witness one batch, unless another worker is at it; whoever does also says what stops it.

        Raises WitnessDisagrees, WitnessUnreachable, ClockOff, LockLost.
        """
        async with self.sessions() as holder, holder.begin():
            if not (await holder.execute(_ALONE, {"lock": _LOCK})).scalar_one():
                return Turn.ELSEWHERE
            try:
                await _agreed_hour(holder)
                seen = await self.agree()
                await self.tell(await self.sign(), seen, holder)
                batch = await self.number()
                if batch.numbered:
                    signed = await self.sign()  # before the witness is asked, which may be gone by now
                    await self.tell(signed, await self.agree(), holder)
            except LockLost:
                raise
            except Exception as error:
                with contextlib.suppress(SQLAlchemyError):  # what is told is the first error
                    await self.say(error.code if isinstance(error, ClaresLawError) else _FAILED)
                raise
            await self.say(f"{RECORD_UNTOLD} {batch.untold}" if batch.untold else None)
        return Turn.MORE if batch.numbered == BATCH else Turn.DONE

    async def agree(self) -> _Seen:
        """Compare the witness with the database; how far it is. Raises WitnessDisagrees."""
        async with self.sessions() as session:
            # Before the witness is asked: another worker may tell it more meanwhile, and never less.
            said = (await session.execute(_NEWEST_WITNESSED)).scalar_one_or_none() or 0
        line = await self.witness.newest()
        seen, at = self._checkpoint_in(line) if line else (None, None)
        size = seen.size if seen else 0
        if size < said:
            raise WitnessBehind(
                f"The witness holds {size} records, and the database says that it saw {said}. Is it the right witness?"
            )
        async with self.sessions() as session:
            held = await size_of(session)
            if size > held:
                raise WitnessAhead(
                    f"The witness saw {size} records, and the database holds {held}: records were lost or taken away, "
                    "or an old backup was restored. Nothing more is numbered; see `clares-law verify`."
                )
            if seen and (await peaks_at(session, size)).root != seen.root:
                raise WitnessContradicts(
                    f"Over the first {size} records the witness saw another root than the database has. "
                    "Nothing more is numbered; see `clares-law verify`."
                )
        return _Seen(line, size, at)

    def _checkpoint_in(self, line: bytes) -> tuple[Checkpoint, datetime]:
        try:
            block = Block.parse(line)
            return Checkpoint.open(block.note, self.signer.public), block.at
        except (NoBlock, NoteRefused) as error:
            raise WitnessContradicts(f"The newest line of the witness is not of this log's key. {error}") from error

    async def number(self) -> _Batch:
        """Give a batch of records their leaves and numbers; those that cannot be told are passed over, and wait on."""
        numbered, after = 0, _FIRST
        untold: dict[UUID, Told] = {}
        async with self.sessions() as session, session.begin():
            await session.execute(_WHILE_NUMBERING)
            while numbered < BATCH:
                next_ones = {"after": after, "most": BATCH - numbered}
                if not (waiting := (await session.execute(_WAITING, next_ones)).all()):
                    break
                after = waiting[-1].position
                ids = [one.record_id for one in waiting]
                known = set((await session.execute(_KNOWN, {"ids": ids})).scalars())  # a restored queue holds old ones
                fresh: dict[UUID, str] = {one.record_id: one.kind for one in waiting if one.record_id not in known}
                untold.update(await self._append(session, fresh, now=clock.real_now()) if fresh else {})
                done = [one.position for one in waiting if one.record_id not in untold]
                await session.execute(_DONE, {"positions": done})
                numbered += len(done)
            news = await self._leave_waiting(session, untold) if untold else 0
        for one in untold.values() if news else ():
            _log.error(RECORD_UNTOLD, kind=one.kind, record_id=str(one.id), error=one.why_not)
        return _Batch(numbered, next(iter(untold), None))

    async def _leave_waiting(self, session: AsyncSession, untold: Mapping[UUID, Told]) -> int:
        return int((await session.execute(_UNTOLD, {"ids": list(untold)})).rowcount)  # type: ignore[attr-defined]

    async def _append(self, session: AsyncSession, fresh: Mapping[UUID, str], *, now: datetime) -> dict[UUID, Told]:
        """Give numbers to what can be told, and to what is gone; what is there and can be told by no leaf."""
        salts = {record: _salts(kind) for record, kind in fresh.items()}
        told = {one.id: one for one in await leaves_of(session, fresh, salts)}
        untold = {one.id: one for one in told.values() if one.told is None}
        peaks = await peaks_at(session, await size_of(session))
        kept: list[Mapping[str, Any]] = []
        completed: list[Mapping[str, Any]] = []
        for record, kind in fresh.items():
            if record in untold:
                continue
            found = told.get(record)
            leaf: dict[str, Any] = {
                "number": peaks.size,
                "kind": kind,
                "record_id": record,
                "case_id": found.case_id if found else None,
                "told": found.told if found else missing_leaf(kind, record),
                "salt": salts[record].kept,
                "numbered_at": now,
                "erasable_salt": salts[record].erasable,
            }
            kept.append(leaf)
            for (level, place), digest in peaks.append(leaf_hash(leaf["told"])):
                completed.append({"level": level, "place": place, "hash": digest})
        if kept:
            await session.execute(insert(table_of(Leaf)), kept)
            await session.execute(insert(table_of(TreeNode)), completed)
        return untold

    async def sign(self) -> _Signed | None:
        """Sign the root over all that is numbered, or find it signed; None where nothing is. Raises ClockOff."""
        async with self.sessions() as session, session.begin():
            size = await size_of(session)
            if not size:
                return None
            peaks = await peaks_at(session, size)
            note = self.signer.sign(Checkpoint(self.signer.name, size, peaks.root).text)
            now = await _agreed_hour(session)
            row = {"size": size, "root": peaks.root, "note": note, "signed_at": now}
            await session.execute(_SIGNED, row)
            signed_at = (await session.execute(_SIGNED_AT, {"size": size})).scalar_one()
        # Two clocks that agree with the database's are no further apart: what stands there was changed.
        if signed_at > now + 2 * clock.AGREES_WITHIN:
            raise ClockOff(f"The checkpoint over {size} records says that it was signed at a time yet to come.")
        return _Signed(size, note, signed_at)

    async def tell(self, signed: _Signed | None, seen: _Seen, holder: AsyncSession) -> None:
        """Tell the witness what it has not seen, and mark what it has.

        `holder` is the session that holds the lock. Raises LockLost where it does so no more.
        """
        if signed is None:
            return
        if signed.size > seen.size:
            # As it was first signed, whatever a clock says now: a line is the same bytes whenever it is sent again.
            # Another worker's clock may have been ahead of this one's when it sent the line before.
            at = max(signed.at, seen.at or signed.at)
            block = Block(seen.size, await self._between(seen.size, signed.size), signed.note, at)
            await self._still_alone(holder)
            await self.witness.take(block.line(), after=seen.line)
        async with self.sessions() as session, session.begin():
            await session.execute(_WITNESSED, {"told": signed.size, "at": clock.real_now()})

    async def _still_alone(self, holder: AsyncSession) -> None:
        try:
            held = (await holder.execute(_STILL_ALONE, {"lock": _LOCK})).scalar_one()
        except SQLAlchemyError as error:
            raise LockLost("The connection that held the sequencer's lock is gone.") from error
        if not held:
            raise LockLost("The sequencer's lock is held no more.")

    async def _between(self, start: int, end: int) -> Sequence[Numbered]:
        async with self.sessions() as session:
            found = (await session.execute(_NEW, {"start": start, "end": end})).all()
        return [Numbered(one.kind, one.record_id, one.hash) for one in found]

    async def say(self, trouble: str | None) -> None:
        """Leave word of what keeps records from being numbered, and of the public key, where that is news."""
        state = {"only_row": True, "public_key": str(self.signer.public), "trouble": trouble}
        said = upsert(table_of(Sequencing)).values(**state, since=clock.real_now())
        news = _state.trouble.is_distinct_from(trouble) | (_state.public_key != state["public_key"])
        said = said.on_conflict_do_update(
            index_elements=["only_row"],
            set_={name: said.excluded[name] for name in ("public_key", "trouble", "since")},
            where=news,
        )
        async with self.sessions() as session, session.begin():
            await session.execute(said)
