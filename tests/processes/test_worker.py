"""The worker's order of work: batches, each with its heartbeat; it survives its database and ends in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from app import jobs
from app.deadlines.alerts import BATCH
from app.jobs import sweep_clocks
from app.scheduler import RESTS_AT_MOST, Every, Job, Worker

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
SWEEP = Job("sweep", 2.0, sweep_clocks)


class Bench:
    """Stands in for the database and the services; `done` is the order of what happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batches: list[int | Exception]) -> None:
        self.batches = batches
        self.done: list[str] = []
        self.chasing_fails: Exception | None = None
        self.worker = Worker(cast(async_sessionmaker[AsyncSession], self))
        monkeypatch.setattr(jobs, "sweep", self.sweep)
        monkeypatch.setattr(jobs, "chase", self.chase)
        monkeypatch.setattr(jobs, "beat", self.beat)
        monkeypatch.setattr("app.clock.now", lambda: NOW)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["Bench"]:
        yield self

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        yield
        self.done.append("commit")

    async def sweep(self, session: Any, *, now: datetime) -> int:
        assert now == NOW
        self.done.append("sweep")
        await asyncio.sleep(0)
        batch = self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch

    async def chase(self, session: Any, *, now: datetime) -> int:
        assert now == NOW
        self.done.append("chase")
        if self.chasing_fails is not None:
            raise self.chasing_fails
        return 0

    async def beat(self, session: Any, worker_id: Any, *, beat_at: datetime, now: datetime) -> None:
        assert now == NOW
        self.done.append("beat")


async def test_full_batches_are_followed_by_another_and_each_is_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, [BATCH, BATCH, BATCH - 1])
    await bench.worker.do(SWEEP)
    last = ["sweep", "commit", "beat", "commit", "chase", "commit"]
    assert bench.done == ["sweep", "commit", "beat", "commit"] * 2 + last


@pytest.mark.parametrize("failure", [OperationalError("SELECT", {}, Exception("gone")), KeyError("a name")])
async def test_a_failure_is_no_end_and_no_heartbeat(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    bench = Bench(monkeypatch, [BATCH, failure, 0])
    with capture_logs() as logged:
        await bench.worker.do(SWEEP)
    assert bench.done == ["sweep", "commit", "beat", "commit", "sweep"]
    assert [(one["event"], one["error"]) for one in logged] == [("sweep_failed", type(failure).__name__)]
    await bench.worker.do(SWEEP)
    assert bench.done[5:] == ["sweep", "commit", "beat", "commit", "chase", "commit"]


async def test_a_worker_that_cannot_chase_has_said_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, [0])
    bench.chasing_fails = KeyError("a name")
    with capture_logs() as logged:
        await bench.worker.do(SWEEP)
    assert bench.done == ["sweep", "commit", "beat", "commit", "chase"]
    assert [(one["event"], one["error"]) for one in logged] == [("sweep_failed", "KeyError")]


async def test_stopping_finishes_the_batch_in_hand_and_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, [BATCH, BATCH])
    sweeping = asyncio.create_task(bench.worker.do(SWEEP))
    await asyncio.sleep(0)
    assert bench.done == ["sweep"]
    bench.worker.stop()
    await bench.worker.stopped()
    assert bench.done == ["sweep", "commit", "beat", "commit"]
    assert sweeping.done()


async def test_what_goes_on_failing_is_tried_more_and_more_seldom_and_at_once_again_when_it_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = OperationalError("SELECT", {}, Exception("gone"))
    bench = Bench(monkeypatch, [*[gone] * 20, 0, gone, 0])
    passed = 1_000.0
    monkeypatch.setattr("app.scheduler.time.monotonic", lambda: passed)
    tried_at = []
    with capture_logs() as logged:
        while len(bench.batches) > 2:
            before = len(bench.batches)
            await bench.worker.do(SWEEP)
            if len(bench.batches) < before:
                tried_at.append(passed)
            passed += 0.1
        rests = [later - earlier for earlier, later in pairwise(tried_at)]
        assert rests[0] < 0.2, "once may be an accident"
        assert all(0.4 <= rest <= RESTS_AT_MOST + 0.2 for rest in rests[1:])
        assert min(rests[5:]) > max(rests[:3])
        assert [one["event"] for one in logged] == ["sweep_failed"] * 20 + ["sweep_resumed"]
        await bench.worker.do(SWEEP)
        await bench.worker.do(SWEEP)
    assert bench.batches == [], "the count begins anew"


def test_a_clock_stepped_on_by_a_year_is_one_turn_and_not_a_million() -> None:
    turns = Every(0.1)
    first = turns.get_next_fire_time(None, NOW)
    assert first == NOW
    later = NOW + timedelta(days=365)
    assert turns.get_next_fire_time(first, later) == later + timedelta(seconds=0.1)


async def test_each_batch_of_a_backlog_is_done_by_the_hour_that_it_is_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = [NOW + timedelta(minutes=minutes) for minutes in range(3)]
    left = list(hours)
    monkeypatch.setattr("app.clock.now", lambda: left.pop(0))
    seen: list[datetime] = []

    async def batch(_: Worker, now: datetime) -> bool:
        seen.append(now)
        return len(seen) < len(hours)

    await Worker(cast(async_sessionmaker[AsyncSession], None)).do(Job("backlog", 1.0, batch))
    assert seen == hours
