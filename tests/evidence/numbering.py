"""A sequencer over a world's database, with a witness in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence.blocks import Block
from app.evidence.notes import Checkpoint, Signer
from app.evidence.records import DATED
from app.evidence.sequencer import Sequencer, Turn
from app.outside.witness import FakeWitness, Witness
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.world import World

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER, PRODUCTION = Signer("evidence.test/demonstration", _KEY), Signer("evidence.test/dvds", _KEY)


@asynccontextmanager
async def numbering(url: str, witness: Witness | None = None, signer: Signer = SIGNER) -> AsyncIterator[Sequencer]:
    """The sequencer as a worker has it."""
    engine = engine_for(url, DatabaseRole.WORKER, pool_size=3)
    try:
        yield Sequencer(sessions(engine), signer, witness or FakeWitness())
    finally:
        await engine.dispose()


def date_as_of_now(world: World) -> None:
    """Let whatever waits for its number be dated by the true clock, as in production all is."""
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for kind, column in DATED.items():
            if kind != "retention":  # of a day
                waits = "id IN (SELECT record_id FROM leaf_due)"
                connection.execute(f"UPDATE {kind} SET {column} = clock_timestamp() WHERE {waits}".encode())


async def number_all(sequencer: Sequencer) -> None:
    """Turn until nothing waits."""
    while await sequencer.turn() is Turn.MORE:
        continue


def seen_by(witness: FakeWitness) -> list[Checkpoint]:
    """The checkpoints that a witness holds, oldest first, each under a good signature."""
    return [Checkpoint.open(Block.parse(line).note, SIGNER.public) for line in witness.lines]
