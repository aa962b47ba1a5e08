"""A silent worker is itself an alarm."""

from datetime import timedelta

from app import clock
from tests.world import World


async def test_readiness_and_the_metric_turn_red_when_no_worker_sweeps(world: World) -> None:
    assert (await world.http.get("/health/live")).status_code == 200
    silent = await world.http.get("/health/ready")
    assert (silent.status_code, silent.json()["worker"]) == (503, "silent")
    assert "clares_law_sweep_age_seconds +Inf" in (await world.http.get("/metrics")).text
    beat = "INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), %s, %s) ON CONFLICT DO NOTHING"
    world.execute(beat, clock.real_now(), world.now)
    assert (await world.http.get("/health/ready")).status_code == 200
    world.execute("UPDATE worker_heartbeat SET beat_at = %s", clock.real_now() - timedelta(minutes=5))
    assert (await world.http.get("/health/ready")).status_code == 503
