"""The worker's order of work: batch after batch, then the heartbeat; it survives its database and ends in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from app import scheduler
from app.deadlines.alerts import BATCH
from app.scheduler import Job, Worker, sweep_clocks

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
SWEEP = Job("sweep", 2.0, sweep_clocks)


class Bench:
    """Stands in for the database and the services; `done` is the order of what happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batches: list[int | Exception]) -> None:
        self.batches = batches
        self.done: list[str] = []
        self.worker = Worker(cast(async_sessionmaker[AsyncSession], self))
        monkeypatch.setattr(scheduler, "sweep", self.sweep)
        monkeypatch.setattr(scheduler, "chase", self.chase)
        monkeypatch.setattr(scheduler, "beat", self.beat)
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
        return 0

    async def beat(self, session: Any, worker_id: Any, *, beat_at: datetime, swept_through: datetime) -> None:
        assert swept_through == NOW
        self.done.append("beat")


async def test_full_batches_are_followed_by_another_each_in_its_own_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, [BATCH, BATCH, BATCH - 1])
    await bench.worker.do(SWEEP)
    assert bench.done == ["sweep", "commit"] * 3 + ["chase", "commit", "beat", "commit"]


@pytest.mark.parametrize("failure", [OperationalError("SELECT", {}, Exception("gone")), KeyError("a name")])
async def test_a_failure_is_no_end_and_no_heartbeat(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    bench = Bench(monkeypatch, [BATCH, failure, 0])
    with capture_logs() as logged:
        await bench.worker.do(SWEEP)
    assert bench.done == ["sweep", "commit", "sweep"]
    assert [(one["event"], one["error"]) for one in logged] == [("sweep_failed", type(failure).__name__)]
    await bench.worker.do(SWEEP)
    assert bench.done[3:] == ["sweep", "commit", "chase", "commit", "beat", "commit"]


async def test_stopping_finishes_the_batch_in_hand_and_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, [BATCH, BATCH])
    sweeping = asyncio.create_task(bench.worker.do(SWEEP))
    await asyncio.sleep(0)
    assert bench.done == ["sweep"]
    bench.worker.stop()
    await bench.worker.stopped()
    assert bench.done == ["sweep", "commit"]
    assert sweeping.done()
