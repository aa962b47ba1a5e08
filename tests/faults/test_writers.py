"""API, worker and PostgreSQL are killed under people who write: what was acknowledged is kept, once, as it was sent."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Durable
from tests.faults.disclosing import Discloser, receipts_hold, stands_at_disclosure
from tests.faults.fleet import Hour, eventually, fleet, told
from tests.faults.writers import Service, Writer, compare, service
from tests.journeys.running import PATIENCE

WRITERS = 16
DISCLOSERS = 4
"""Of them, in the short form; each waits for the receipt of what it told. In the full one the others, who wait for
nothing, come to write more than two cores number meanwhile, and a receipt is minutes away."""


@pytest.mark.parametrize(
    ("kills", "waiting"),
    [
        pytest.param(1, DISCLOSERS, id="short", marks=pytest.mark.timeout(900)),
        pytest.param(20, 0, id="full", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_whatever_is_killed_no_acknowledged_write_is_lost_or_doubled(
    durable: Durable, place: str, hour: Hour, tmp_path: Path, kills: int, waiting: int
) -> None:
    chance = random.Random(kills)
    with (
        fleet(place, tmp_path, hour.environment) as workers,
        service(durable, place, tmp_path, hour, workers) as killed,
    ):
        opener = Writer(killed, WRITERS)
        shared = opener.open_one()
        telling = stands_at_disclosure(killed)
        disclosers = [Discloser(killed, number, shared, telling) for number in range(waiting)]
        writers = [*disclosers, *(Writer(killed, number, shared) for number in range(waiting, WRITERS))]
        for writer in writers:
            writer.start()
        order: list[Callable[[random.Random], None]] = [killed.kill_api, killed.kill_worker, killed.kill_database]
        order *= kills
        chance.shuffle(order)
        for kill in order:
            _all_write_on(killed, writers)
            time.sleep(chance.uniform(0, 0.3))
            kill(chance)
            hour.set(hour.now + timedelta(hours=1))
            killed.only_grows()
        _all_write_on(killed, writers)
        for writer in writers:
            writer.enough.set()
        none_writes = "every writer has what it waited for"
        eventually(lambda: killed.tend() and not any(one.is_alive() for one in writers), none_writes, patience=600)
        eventually(lambda: killed.tend() and workers.at_work(), "a worker sweeps", patience=2 * PATIENCE)
        workers.swept(hour.now)
        number = compare(killed, [opener, *writers])
        killed.only_grows()
        assert killed.proven().startswith("It holds: all")
        receipts = receipts_hold(killed, disclosers) if disclosers else 0
        assert all(one.receipts for one in disclosers)
        assert killed.failures() == []
        assert set(told(place).values()) <= {1}
        assert workers.logged("clock_not_swept") == 0
    replayed, retried = sum(one.replayed for one in writers), sum(one.retried for one in writers)
    print(f"\n{number:,} acknowledged, {retried:,} tried again, {replayed} of them found done, {receipts:,} receipts")  # noqa: T201


def _all_write_on(killed: Service, writers: list[Writer]) -> None:
    """Wait until each has been acknowledged another write, or has failed."""
    before = [len(one.acknowledged) for one in writers]

    def each_wrote() -> bool:
        return killed.tend() and all(
            one.failed or len(one.acknowledged) > had for one, had in zip(writers, before, strict=True)
        )

    eventually(each_wrote, "every writer is acknowledged again", patience=4 * PATIENCE)
    assert [one.failed for one in writers if one.failed] == []
