"""A silent worker is itself an alarm; what is counted is shown to whoever asks, and names nobody."""

from datetime import datetime, timedelta

from app import clock
from tests.steps import intake
from tests.world import World


def beat(world: World, beat_at: datetime, swept_through: datetime | None = None) -> None:
    query = "INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), %s, %s)"
    world.execute(query, beat_at, swept_through or world.now)


async def status(world: World) -> int:
    return (await world.http.get("/health/ready")).status_code


async def metrics(world: World) -> dict[str, float]:
    answer = await world.http.get("/metrics")
    assert answer.status_code == 200
    lines = (line.rpartition(" ") for line in answer.text.splitlines() if line.startswith("clares_law_"))
    return {name.removeprefix("clares_law_"): float(number) for name, _, number in lines}


async def test_readiness_and_the_metrics_turn_red_when_no_worker_sweeps(world: World) -> None:
    assert (await world.http.get("/health/live")).status_code == 200
    silent = await world.http.get("/health/ready")
    assert (silent.status_code, silent.json()["worker"]) == (503, "silent")
    found = await metrics(world)
    assert (found["workers_alive"], found["sweep_age_seconds"], found["sweep_lag_seconds"]) == (0, *[float("inf")] * 2)
    beat(world, clock.real_now())
    beat(world, clock.real_now() - timedelta(minutes=5))
    assert await status(world) == 200
    assert (await metrics(world))["workers_alive"] == 1
    world.execute("UPDATE worker_heartbeat SET beat_at = %s", clock.real_now() - timedelta(minutes=5))
    assert await status(world) == 503
    found = await metrics(world)
    assert found["workers_alive"] == 0
    assert found["sweep_age_seconds"] >= 300


async def test_a_beat_from_a_future_that_was_stepped_back_from_is_no_sign_of_life(world: World) -> None:
    beat(world, clock.real_now() + timedelta(days=1))
    assert await status(world) == 503
    assert (await metrics(world))["workers_alive"] == 0
    beat(world, clock.real_now())
    assert await status(world) == 200
    assert (await metrics(world))["sweep_age_seconds"] < 86_400


async def test_the_lag_is_how_long_an_alert_waits(world: World) -> None:
    beat(world, clock.real_now(), world.now)
    assert (await metrics(world))["sweep_lag_seconds"] == 0
    world.forward(hours=3)
    assert (await metrics(world))["sweep_lag_seconds"] == 3 * 3600


async def test_what_a_worker_counted_is_shown_to_anybody_and_names_nobody(world: World) -> None:
    case = await intake.opened(world)
    query = "INSERT INTO tally VALUES ('clocks_open', 'whole_case', 7, %s), ('never_shown', %s, 1, %s)"
    world.execute(query, clock.real_now(), case, clock.real_now())
    assert (await metrics(world))['clocks_open{step="whole_case"}'] == 7
    said = (await world.http.get("/metrics")).text
    row = world.rows("SELECT id::text, reference, force_id FROM application")[0]
    for private in (*row.values(), intake.SUBJECT["surname"], intake.VICTIM["surname"], "never_shown"):
        assert private not in said


async def test_a_table_whose_records_are_queued_no_more_turns_readiness_red(world: World) -> None:
    beat(world, clock.real_now())
    assert (await world.http.get("/health/ready")).json()["evidence"] == "agrees"
    for switch in ("DISABLE TRIGGER numbered", "ENABLE REPLICA TRIGGER numbered"):
        world.execute(f"ALTER TABLE disclosure {switch}")
        answer = await world.http.get("/health/ready")
        assert (answer.status_code, answer.json()["evidence"]) == (503, "unqueued")
    world.execute("ALTER TABLE disclosure ENABLE TRIGGER numbered")
    assert await status(world) == 200


async def test_a_trigger_that_stands_twice_elsewhere_covers_no_table_that_lost_its_own(world: World) -> None:
    beat(world, clock.real_now())
    again = "CREATE TRIGGER once_more AFTER INSERT ON closing FOR EACH ROW EXECUTE FUNCTION let_it_be_numbered()"
    world.execute(again)
    assert await status(world) == 200
    harms = (
        "ALTER TABLE disclosure DISABLE TRIGGER numbered",
        "DROP TRIGGER numbered ON disclosure",
        "CREATE TRIGGER numbered AFTER INSERT ON disclosure FOR EACH ROW WHEN (false) "
        "EXECUTE FUNCTION let_it_be_numbered()",
        "CREATE OR REPLACE TRIGGER numbered AFTER DELETE ON disclosure FOR EACH ROW "
        "EXECUTE FUNCTION let_it_be_numbered()",
        "DROP FUNCTION let_it_be_numbered() CASCADE",
    )
    for harm in harms:
        world.execute(harm)
        answer = await world.http.get("/health/ready")
        assert (answer.status_code, answer.json()["evidence"]) == (503, "unqueued"), harm
