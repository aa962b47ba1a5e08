"""A worker process that is killed while a receiver keeps it waiting: another delivers, once for each key (H11)."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from app.channels.outbox import LEASE
from tests.journeys.running import PATIENCE, Process, environment_of
from tests.steps.channels import held_case, outbox
from tests.steps.receivers import receiving
from tests.world import World


async def until(done: Callable[[], bool], worker: Process) -> None:
    limit = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < limit, worker.tail()
        await asyncio.sleep(0.05)


async def test_a_worker_killed_in_the_middle_of_a_delivery_loses_nothing_and_doubles_nothing(
    world: World, tmp_path: Path
) -> None:
    given = environment_of(world.url) | {
        "CLARES_LAW_CLOCK": str(world.clock_file),
        "CLARES_LAW_DATA_DIR": os.environ["CLARES_LAW_DATA_DIR"],
        "CLARES_LAW_RECEIVER_TIMEOUT_SECONDS": "30",
    }
    async with receiving("silent") as receiver:
        await world.as_("administrator").must_post("/v1/webhooks", {"url": receiver.url})
        await held_case(world)
        world.forward(hours=13)
        killed = Process.start("worker", given, tmp_path)
        await until(lambda: len(receiver.came) == 1, killed)
        killed.child.kill()
        killed.child.wait()
        assert [(row["tries"], row["delivered_at"]) for row in outbox(world)] == [(1, None)]

        world.forward(seconds=LEASE.total_seconds())
        other = Process.start("worker", given, tmp_path)
        try:
            await until(lambda: outbox(world)[0]["delivered_at"] is not None, other)
        finally:
            other.stop()
        assert len(receiver.came) == 2
        assert len({post.key for post in receiver.came}) == len(receiver.kept) == 1
        assert len(world.rows("SELECT 1 FROM alert")) == 1
        assert '"level": "error"' not in other.log.read_text()
