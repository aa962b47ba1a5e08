"""PostgreSQL is killed under the sweep: workers come back by themselves, and what was committed is there, once."""

import random
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Durable
from tests.faults.fleet import Hour, each_once, expected, fleet, put_in


@pytest.mark.parametrize(
    ("clocks", "workers", "kills"),
    [
        pytest.param(300, 1, 2, id="short"),
        pytest.param(5_000, 4, 10, id="full", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_a_killed_database_loses_and_doubles_nothing_and_workers_come_back(
    durable: Durable, place: str, hour: Hour, tmp_path: Path, clocks: int, workers: int, kills: int
) -> None:
    chance = random.Random(clocks)
    begun, until = hour.now, hour.now + timedelta(days=12)
    planned = put_in(place, clocks, first=begun - timedelta(days=4), last=begun)
    with fleet(place, tmp_path, hour.environment) as many:
        many.start(workers)
        many.await_work()
        for number in range(kills):
            hour.set(hour.now + (until - begun) / kills)
            time.sleep(chance.uniform(0, 0.3))  # somewhere in the sweep of what has just fallen due
            if number % 2:
                durable.kill_session(place, chance)
            else:
                durable.kill()
                time.sleep(chance.uniform(0, 3))  # long enough for workers to try in vain
                durable.start()
            many.swept(hour.now)
        many.must_run()
        assert many.started == workers
        assert many.logged("sweep_failed") > 0
        assert many.logged("clock_not_swept") == 0
        assert set(many.stop()) == {0}
    each_once(place, expected(planned, now=until))
