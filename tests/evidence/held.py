"""A database in the hands of its superuser: whatever is done to it is undone, and judged as an auditor would."""

import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.evidence.exporting import export, unsigned
from app.evidence.leaves import Salts
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.notes import Checkpoint, Signer
from app.evidence.reading import leaves_of
from app.evidence.sequencer import Sequencer
from app.evidence.verifying import read_witness, verify_log
from app.outside.witness import FakeWitness
from tests.evidence.numbering import SIGNER, number_all

_FORGERS = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)


class Held:
    """A database with a numbered record, what the witness saw of it, and a transaction that is always undone."""

    def __init__(
        self, session: AsyncSession, witness: FakeWitness, chance: random.Random, signer: Signer = SIGNER
    ) -> None:
        self.session, self.lines, self.chance, self.signer = session, list(witness.lines), chance, signer
        self.forger = Signer(signer.name, _FORGERS)

    async def sql(self, statement: str, **values: Any) -> Any:
        """As the superuser, no trigger and no constraint of a foreign key asked."""
        return await self.session.execute(text(statement), values)

    async def leaves(self) -> list[dict[str, Any]]:
        """Every leaf in order."""
        found = await self.sql("SELECT number, kind, record_id FROM leaf ORDER BY number")
        return [dict(one._mapping) for one in found]

    async def victim(self, kind: str | None = None) -> dict[str, Any]:
        """A random record."""
        return self.chance.choice([one for one in await self.leaves() if kind in (None, one["kind"])])

    async def make_everything_anew(self) -> None:
        """Leaves from the records as they are now, in the order of their numbers; nodes, roots, checkpoints."""
        rows = (await self.sql("SELECT number, kind, record_id, salt, erasable_salt FROM leaf ORDER BY number")).all()
        found = await leaves_of(
            self.session,
            {one.record_id: one.kind for one in rows},
            {one.record_id: Salts(one.salt, one.erasable_salt) for one in rows},
        )
        told = {one.id: one.told for one in found if one.told}
        await self.sql("DELETE FROM tree_node")
        await self.sql("UPDATE leaf SET number = -1 - number")
        peaks, roots = Peaks(), dict[int, bytes]()
        leaves, nodes = list[dict[str, Any]](), list[dict[str, Any]]()
        for one in rows:
            if one.record_id not in told:
                continue
            leaves.append({"told": told[one.record_id], "new": peaks.size, "old": -1 - one.number})
            for (level, place), digest in peaks.append(leaf_hash(told[one.record_id])):
                nodes.append({"level": level, "place": place, "hash": digest})
            roots[peaks.size] = peaks.root
        if leaves:
            await self.session.execute(text("UPDATE leaf SET told = :told, number = :new WHERE number = :old"), leaves)
            await self.session.execute(text("INSERT INTO tree_node VALUES (:level, :place, :hash)"), nodes)
        await self.sql("DELETE FROM leaf WHERE number < 0")
        for size in (await self.sql("SELECT size FROM checkpoint")).scalars().all():
            if size in roots:
                await self.forge(size, roots[size])
            else:
                await self.sql("DELETE FROM checkpoint WHERE size = :size", size=size)
        if peaks.size:
            await self.forge(peaks.size, peaks.root)

    async def forge(self, size: int, root: bytes) -> None:
        """A checkpoint with whatever signature can be had; one that still fits keeps the true one."""
        held = (await self.sql("SELECT root FROM checkpoint WHERE size = :size", size=size)).scalar_one_or_none()
        if held != root:
            note = self.forger.sign(Checkpoint(self.forger.name, size, root).text)
            await self.sql("DELETE FROM checkpoint WHERE size = :size", size=size)
            query = "INSERT INTO checkpoint VALUES (:size, :root, :note, now(), now())"
            await self.sql(query, size=size, root=root, note=note)

    async def add(self, kind: str, record: UUID, number: int) -> None:
        """A leaf under a number, the ones from there on moved up by one."""
        await self.sql("UPDATE leaf SET number = -1 - number WHERE number >= :at", at=number)
        await self.sql("UPDATE leaf SET number = -number WHERE number < 0")
        query = "INSERT INTO leaf VALUES (:number, :kind, :id, NULL, '', :salt, now())"
        await self.sql(query, number=number, kind=kind, id=record, salt=b"s" * 32)

    async def put_in(self, kind: str, row: Mapping[str, Any]) -> None:
        """A row by its ordinary way, queue included, as if by the service."""
        marks = ", ".join(f":{name}" for name in row)
        await self.sql(f"INSERT INTO {kind} ({', '.join(row)}) VALUES ({marks})", **row)
        await self.sql("INSERT INTO leaf_due (kind, record_id) VALUES (:kind, :id)", kind=kind, id=row["id"])

    async def let_the_worker_number(self) -> None:
        """The true worker, which signs and tells the witness, inside of the transaction that is undone."""
        opened = async_sessionmaker(
            bind=await self.session.connection(), join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        witness = FakeWitness()
        witness.lines = self.lines
        await number_all(Sequencer(opened, self.signer, witness))

    async def number_of(self, record: UUID) -> int:
        """The number of a record."""
        return int((await self.sql("SELECT number FROM leaf WHERE record_id = :id", id=record)).scalar_one())

    async def verdict(self) -> str:
        """What an auditor finds, with the witness as it is and the true public key."""
        before = frozenset(await unsigned(self.session))
        lines = [one async for one in export(self.session, told_before=before, at=clock.real_now())]
        return verify_log(lines, read_witness(self.lines, self.signer.public), self.signer.public)
