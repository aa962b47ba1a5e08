"""What the numbering does where something is wrong: with one record, with a clock, with a witness that goes away."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, jobs
from app.evidence import sequencer as module
from app.evidence.leaves import Salts
from app.evidence.reading import Told, leaves_of
from app.evidence.sequencer import BATCH, ClockOff, Turn
from app.evidence.verifying import DoesNotHold, NotProven, read_witness
from app.outside.witness import FakeWitness, FileWitness, WitnessUnreachable
from app.scheduler import Worker
from app.storage.migrations import conninfo
from tests.evidence.numbering import SIGNER, number_all, numbering
from tests.evidence.test_sequencer import trouble, verified
from tests.routes.test_health import beat
from tests.routes.test_risk_assessment import met, victims
from tests.steps import intake, retention, risk_assessment
from tests.world import World

LOGGED = (
    "INSERT INTO access_log (id, category, action, refused, request_id) "
    "SELECT gen_random_uuid(), 'consultation', 'read_case', false, 'r' FROM generate_series(1, %s)"
)
UNTELLABLE = {
    "an integer beyond the exact ones": "answers = '{\"1\": 1000000000000000000}'",
    "a number beyond all": "answers = '{\"1\": 1e400}'",
    "nested too deeply": "answers = jsonb_build_object('1', (repeat('[', 5000) || repeat(']', 5000))::jsonb)",
    "at no time": "recorded_at = 'infinity'",
    "before all years": "occurred_at = '4000-01-01 BC'",
    "a word that is none of the list": "tool_grade = 'unheard', override_reason = 'none'",
}


def past_the_triggers(world: World, *statements: str) -> None:
    """As a superuser."""
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement.encode())


async def assessed(world: World) -> tuple[str, str]:
    """The case and the id of an assessment that waits for its number."""
    case = await met(world)
    (victim,) = victims(world, case)
    return case, str((await risk_assessment.assess(world, case, victim))["id"])


async def evidence(world: World) -> tuple[int, str]:
    """What readiness says."""
    beat(world, clock.real_now())
    answer = await world.http.get("/health/ready")
    return answer.status_code, answer.json()["evidence"]


@pytest.mark.parametrize("change", UNTELLABLE)
async def test_a_record_that_no_leaf_can_tell_waits_on_and_is_named_and_the_others_are_numbered(
    world: World, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, record = await assessed(world)
    (true,) = world.rows("SELECT answers, recorded_at, occurred_at, tool_grade FROM risk_assessment")
    world.execute("ALTER TABLE risk_assessment DROP CONSTRAINT ck_risk_assessment_tool_grade")
    world.execute(LOGGED, 20)
    past_the_triggers(world, f"UPDATE risk_assessment SET {UNTELLABLE[change]}")
    waited = len(world.rows("SELECT 1 FROM leaf_due"))
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        capsys.readouterr()
        for _ in range(2):
            assert await sequencer.turn() is Turn.DONE
        (said,) = [line for line in capsys.readouterr().out.splitlines() if "record_untold" in line]
        assert json.loads(said)["record_id"] == record
        assert json.loads(said)["kind"] == "risk_assessment"
        assert len(world.rows("SELECT 1 FROM leaf")) == waited - 1
        assert [str(one["record_id"]) for one in world.rows("SELECT record_id FROM leaf_due")] == [record]
        assert trouble(world) == f"record_untold {record}"
        world.execute("UPDATE leaf_due SET queued_at = queued_at - interval '1 day'")
        assert await evidence(world) == (200, f"record_untold {record}")
        with pytest.raises(NotProven, match=rf"It holds: .*Not proven are 1 records .*: risk_assessment {record}\."):
            await verified(world, witness)
        past_the_triggers(
            world,
            f"UPDATE risk_assessment SET answers = '{json.dumps(true['answers'])}', "
            f"recorded_at = '{true['recorded_at']}', occurred_at = '{true['occurred_at']}', "
            f"tool_grade = '{true['tool_grade']}', override_reason = NULL",
        )
        await number_all(sequencer)
    assert trouble(world) is None
    assert (await evidence(world))[0] == 200
    assert (await verified(world, witness)).startswith("It holds: all")


async def test_one_among_a_whole_batch_holds_up_neither_it_nor_what_comes_after(world: World) -> None:
    world.execute(LOGGED, BATCH // 2)
    _, record = await assessed(world)
    past_the_triggers(world, f"UPDATE risk_assessment SET {UNTELLABLE['an integer beyond the exact ones']}")
    world.execute(LOGGED, BATCH)
    waited = len(world.rows("SELECT 1 FROM leaf_due"))
    async with numbering(world.url) as sequencer:
        assert await sequencer.turn() is Turn.MORE
        assert len(world.rows("SELECT 1 FROM leaf")) == BATCH
        await number_all(sequencer)
    assert len(world.rows("SELECT 1 FROM leaf")) == waited - 1
    assert [str(one["record_id"]) for one in world.rows("SELECT record_id FROM leaf_due")] == [record]


async def test_a_queue_that_begins_with_more_than_a_batch_of_them_is_gone_past(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_of_the_first(
        session: AsyncSession, wanted: Mapping[UUID, str], salts: Mapping[UUID, Salts]
    ) -> list[Told]:
        found = await leaves_of(session, wanted, salts)
        return [one if one.id not in first else Told(one.kind, one.id, None, None, "ValueError") for one in found]

    world.execute(LOGGED, BATCH + 5)
    first = {one["record_id"] for one in world.rows("SELECT record_id FROM leaf_due")}
    world.execute(LOGGED, 3)
    monkeypatch.setattr(module, "leaves_of", none_of_the_first)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    assert len(world.rows("SELECT 1 FROM leaf")) == 3
    assert {one["record_id"] for one in world.rows("SELECT record_id FROM leaf_due WHERE untold")} == first


async def test_a_record_that_can_be_told_no_more_after_it_was_numbered_was_changed(world: World) -> None:
    _, record = await assessed(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    past_the_triggers(world, f"UPDATE risk_assessment SET {UNTELLABLE['at no time']}")
    with pytest.raises(DoesNotHold, match=rf"^risk_assessment {record} \(number \d+\) was changed after it was rec"):
        await verified(world, witness)


class GoesAway(FakeWitness):
    """A witness that answers once, and then not again before it is told to."""

    asked = 0
    away = True

    async def newest(self) -> bytes | None:
        """The line taken last, the first time."""
        self.asked += 1
        if self.away and self.asked > 1:
            raise WitnessUnreachable("The witness gave no whole answer.")
        return await super().newest()


async def test_a_witness_that_goes_away_after_the_numbers_were_given_makes_nobody_doubt_them(world: World) -> None:
    await intake.opened(world)
    witness = GoesAway()
    async with numbering(world.url, witness) as sequencer:
        with pytest.raises(WitnessUnreachable):
            await sequencer.turn()
        assert world.rows("SELECT max(size) AS s FROM checkpoint") == world.rows("SELECT count(*) AS s FROM leaf")
        assert trouble(world) == "witness_unreachable"
        assert (await verified(world, witness)).startswith("It holds: all")
        witness.away = False
        await number_all(sequencer)
    assert (await verified(world, witness)).startswith("It holds: all")


async def test_what_is_numbered_and_not_signed_over_is_not_proven_and_accused_of_nothing(world: World) -> None:
    """The worker was killed between the two, and whoever starts it again reaches no witness."""
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        signed = len(world.rows("SELECT 1 FROM leaf"))
        await intake.opened(world)
        await sequencer.number()
        await sequencer.say("witness_unreachable")
        left = world.rows("SELECT kind, record_id FROM leaf WHERE number >= %s", signed)
        with pytest.raises(NotProven) as found:
            await verified(world, witness)
        says = str(found.value)
        assert f"It holds: all {signed + len(left)} records" in says
        assert f"{signed} of them under the witness and {signed} under checkpoints that" in says
        assert f"Not proven are {len(left)} records" in says
        for one in left:
            assert f"{one['kind']} {one['record_id']}" in says
        # Nor does that cover an edit of one of them.
        past_the_triggers(world, f"UPDATE event SET sentence = 'Nothing.' WHERE id IN {_in(left, 'event')}")
        with pytest.raises(DoesNotHold, match=r"^event .* was changed after it was recorded"):
            await verified(world, witness)


def _in(rows: list[dict[str, Any]], kind: str) -> str:
    return "({})".format(", ".join(f"'{one['record_id']}'" for one in rows if one["kind"] == kind))


@pytest.mark.parametrize("off", [timedelta(hours=-2), timedelta(minutes=6), timedelta(days=365)])
async def test_a_worker_whose_clock_is_off_numbers_and_signs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    await intake.opened(world)
    true = clock.real_now
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        with monkeypatch.context() as patched:
            patched.setattr(clock, "real_now", lambda: true() + off)
            with pytest.raises(ClockOff):
                await sequencer.turn()
            assert world.rows("SELECT 1 FROM leaf UNION ALL SELECT 1 FROM checkpoint") == []
            await sequencer.number()  # as if the clock had been stepped just then
            with pytest.raises(ClockOff):
                await sequencer.turn()
            with pytest.raises(ClockOff):
                await sequencer.sign()
            patched.setattr(jobs, "sequencer_over", lambda _: sequencer)
            assert await jobs.sequence(Worker(sequencer.sessions), clock.now()) is False
        assert (trouble(world), witness.lines) == ("clock_off", [])
        assert world.rows("SELECT 1 FROM checkpoint") == []
        assert (await evidence(world))[1] == "clock_off"
        await number_all(sequencer)
    assert trouble(world) is None
    assert (await verified(world, witness)).startswith("It holds: all")


async def test_no_line_is_dated_by_what_was_written_over_in_the_database(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await sequencer.number()
        await sequencer.sign()
        past_the_triggers(world, "UPDATE checkpoint SET signed_at = signed_at + interval '1 year'")
        with pytest.raises(ClockOff):
            await sequencer.turn()
    assert witness.lines == []


async def test_a_line_sent_again_by_a_clock_that_is_behind_is_the_same_bytes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was torn exactly before its newline, and the worker that sends it again is on another machine."""
    path = tmp_path / "witness.jsonl"

    class Tearing(FileWitness):
        async def take(self, line: bytes, *, after: bytes | None) -> None:
            await super().take(line, after=after)
            path.write_bytes(path.read_bytes()[:-1])
            raise WitnessUnreachable("The machine went down.")

    await intake.opened(world)
    async with numbering(world.url, Tearing(path)) as sequencer:
        with pytest.raises(WitnessUnreachable):
            await sequencer.turn()
    torn = path.read_bytes()
    true = clock.real_now
    with monkeypatch.context() as patched:
        patched.setattr(clock, "real_now", lambda: true() - timedelta(minutes=4))
        async with numbering(world.url, FileWitness(path)) as sequencer:
            await number_all(sequencer)
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[0] == torn + b"\n"
    assert read_witness(lines, SIGNER.public).torn == 0
    assert len(lines) == 1


async def test_no_case_is_erased_while_one_numbers_whoever_still_holds_the_sequencers_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that held it is gone: no leaf of what was erased keeps the salt that went with it."""
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(session: AsyncSession, wanted: Mapping[UUID, str], salts: Mapping[UUID, Salts]) -> list[Told]:
        found = await leaves_of(session, wanted, salts)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(module, "leaves_of", slowly)
    async with numbering(world.url) as sequencer:
        numbers = asyncio.create_task(sequencer.number())
        await read.wait()
        erases = asyncio.create_task(retention.agree(world, case))
        waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not erases.done() and not world.rows(waits):  # noqa: ASYNC110 - the database alone knows
            await asyncio.sleep(0.01)
        go_on.set()
        await numbers
        assert (await erases).status_code == 201
    erased = "SELECT kind FROM leaf WHERE case_id = %s AND erasable_salt IS NOT NULL"
    assert world.rows(erased, case) == []
