"""A sequencer over a world's database, with a witness in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence.blocks import Block
from app.evidence.notes import Checkpoint, Signer
from app.evidence.sequencer import Sequencer, Turn
from app.outside.witness import FakeWitness, Witness
from app.storage.engine import DatabaseRole, engine_for, sessions

SIGNER = Signer("evidence.test/demonstration", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@asynccontextmanager
async def numbering(url: str, witness: Witness | None = None, signer: Signer = SIGNER) -> AsyncIterator[Sequencer]:
    """The sequencer as a worker has it."""
    engine = engine_for(url, DatabaseRole.WORKER, pool_size=3)
    try:
        yield Sequencer(sessions(engine), signer, witness or FakeWitness())
    finally:
        await engine.dispose()


async def number_all(sequencer: Sequencer) -> None:
    """Turn until nothing waits."""
    while await sequencer.turn() is Turn.MORE:
        continue


def seen_by(witness: FakeWitness) -> list[Checkpoint]:
    """The checkpoints that a witness holds, oldest first, each under a good signature."""
    return [Checkpoint.open(Block.parse(line).note, SIGNER.public) for line in witness.lines]
