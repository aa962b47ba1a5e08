"""Workers that are killed, that are told to stop, that were away: each alert is recorded, and once (H11)."""

import random
import time
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from app.deadlines.alerts import BATCH
from app.scheduler import STOPS_WITHIN
from app.storage.migrations import conninfo
from tests.faults.fleet import Hour, each_once, eventually, expected, fleet, put_in, rows, sent, told

_KEPT = "SELECT fell_at, pg_xact_commit_timestamp(xmin) AS kept_at FROM alert WHERE fell_at > %s"
_HELD = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"


@pytest.mark.parametrize(
    ("clocks", "workers", "kills"),
    [
        pytest.param(300, 2, 4, id="short"),
        pytest.param(5_000, 4, 50, id="full", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_workers_killed_at_random_moments_lose_and_double_nothing(
    place: str, hour: Hour, tmp_path: Path, clocks: int, workers: int, kills: int
) -> None:
    chance = random.Random(clocks)
    begun, until = hour.now, hour.now + timedelta(days=12)
    planned = put_in(place, clocks, first=begun - timedelta(days=4), last=begun)
    with fleet(place, tmp_path, hour.environment) as many:
        many.start(workers)
        many.await_work()
        within = 0
        for _ in range(kills):
            eventually(many.at_work, "some worker begins")
            hour.set(hour.now + (until - begun) / kills)
            time.sleep(chance.uniform(0, 0.5))  # somewhere in the sweep of what has just fallen due
            within += many.kill_one(chance)
        hour.set(until)
        many.swept(until)
        assert many.started == workers + kills
        assert set(many.stop()) == {0}
        assert many.logged("clock_not_swept") == 0
    each_once(place, expected(planned, now=until))
    _say(place, hour, begun, f"{clocks:,} clocks, {workers} workers, {kills} kills, {within} within a transaction")


def test_a_worker_told_to_stop_finishes_its_batch_or_returns_its_claim(place: str, hour: Hour, tmp_path: Path) -> None:
    planned = put_in(place, BATCH + 50, first=hour.now, last=hour.now)
    _slow_down(place, seconds=10 * STOPS_WITHIN)
    with fleet(place, tmp_path, hour.environment) as one:
        one.start()
        one.await_work()
        hour.set(hour.now + timedelta(days=20))
        eventually(lambda: rows(place, _HELD), "a batch is in hand")
        assert one.stop() == [0]
        assert one.logged("sweep_given_up") == 1
        assert told(place) == {}
        assert rows(place, _HELD) == []
        assert len(rows(place, "SELECT 1 FROM clock FOR UPDATE NOWAIT")) == len(planned)

        _slow_down(place, seconds=STOPS_WITHIN / 3)
        one.start()
        eventually(lambda: rows(place, _HELD), "a batch is in hand")
        assert one.stop() == [0]
        assert one.logged("sweep_given_up") == 1
    swept = {row["id"] for row in rows(place, "SELECT id FROM clock WHERE swept_to IS NOT NULL")}
    assert len(swept) == BATCH
    each_once(place, expected([clock for clock in planned if clock.id in swept], now=hour.now))


def test_after_three_days_away_the_highest_missed_rung_is_sent_and_the_others_are_recorded(
    place: str, hour: Hour, tmp_path: Path
) -> None:
    planned = put_in(place, 300, first=hour.now - timedelta(days=12), last=hour.now)
    with fleet(place, tmp_path, hour.environment) as many:
        many.start()
        many.swept(hour.now)
        assert many.stop() == [0]
        away, before = hour.now, sent(place)
        hour.set(away + timedelta(days=3))
        many.start()
        many.swept(hour.now)
        assert many.stop() == [0]
    each_once(place, expected(planned, now=hour.now))
    missed = expected(planned, now=hour.now, after=away)
    fell = {(row["clock_id"], row["rung"]): row["fell_at"] for row in rows(place, "SELECT * FROM alert")}
    highest: dict[object, str] = {}
    for clock, rung, _ in sorted(missed, key=lambda one: fell[one[0], one[1]]):
        highest[clock] = rung
    assert sent(place) - before == {one for one in missed if one[1] == highest[one[0]]}
    assert len({one[:2] for one in missed}) > len(highest), "some clocks missed more than one rung"


def _slow_down(place: str, *, seconds: float) -> None:
    with psycopg.connect(conninfo(place)) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$".encode()
        )
        connection.execute("CREATE OR REPLACE TRIGGER slow BEFORE INSERT ON alert EXECUTE FUNCTION slow()")


def _say(place: str, hour: Hour, begun: datetime, what: str) -> None:
    """How late the alerts were that fell while workers were killed; what the machine does besides weighs in."""
    found = rows(place, _KEPT, begun)
    late = sorted((row["kept_at"] - hour.real(row["fell_at"])).total_seconds() for row in found)
    shown = ", ".join(f"p{share} {late[len(late) * share // 100]:.2f} s" for share in (50, 95, 99))
    print(f"\n{what}: {len(late):,} alerts, late by {shown}, at most {late[-1]:.2f} s of real time")  # noqa: T201
