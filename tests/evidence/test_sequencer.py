"""Numbers, roots, checkpoints: nothing lost or doubled, one root for a size; a witness that disagrees stops all."""

import json
from typing import Any

import pytest

from app.evidence.blocks import Block
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.sequencer import _ALONE, _LOCK, WitnessAhead, WitnessBehind, WitnessContradicts
from app.outside.witness import FakeWitness, WitnessUnreachable
from tests.arrange import insert
from tests.evidence.numbering import number_all, numbering, seen_by
from tests.ready import made_ready
from tests.steps import disclosure as steps
from tests.steps import intake
from tests.world import STAFF, World


def records(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT id FROM access_log")


async def test_every_covered_record_and_log_row_becomes_one_leaf_under_one_root(world: World) -> None:
    ready = await made_ready(world)
    await steps.disclose(world, ready.case, ready.told())
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        await number_all(sequencer)
        await intake.opened(world)
        await number_all(sequencer)
    leaves = world.rows("SELECT * FROM leaf ORDER BY number")
    assert [leaf["number"] for leaf in leaves] == list(range(len(leaves)))
    kinds = {leaf["kind"] for leaf in leaves}
    assert {"access_log", "disclosure", "forum_decision"} <= kinds
    assert {leaf["record_id"] for leaf in leaves if leaf["kind"] == "access_log"} == {
        row["id"] for row in records(world)
    }
    peaks = Peaks()
    peaks.extend(leaf_hash(leaf["told"]) for leaf in leaves)
    held = world.rows("SELECT * FROM checkpoint ORDER BY size")
    assert [one["size"] for one in held] == [one.size for one in seen_by(witness)]
    assert len(held) == 2
    assert (held[-1]["size"], held[-1]["root"]) == (peaks.size, peaks.root)
    assert all(one["witnessed_at"] for one in held)
    told = [one for line in witness.lines for one in Block.parse(line).leaves]
    assert [(one.kind, one.id) for one in told] == [(leaf["kind"], leaf["record_id"]) for leaf in leaves]
    assert world.rows("SELECT 1 FROM leaf_due") == []


async def test_a_leaf_tells_nothing_that_somebody_wrote(world: World) -> None:
    ready = await made_ready(world)
    receipt = await steps.disclose(world, ready.case, ready.told(words="He was convicted of assault."))
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    leaf = world.rows("SELECT told FROM leaf WHERE record_id = %s", receipt["id"])[0]["told"]
    row = json.loads(leaf)["row"]
    assert row["id"] == receipt["id"]
    assert row["potential_victim_id"] == ready.victim
    assert row["undertaking"] == "signed"
    assert set(row["place_sealed"]) == set(row["present_sealed"]) == {"sha256"}
    assert "force_id" not in row
    everything = b"".join(one["told"] for one in world.rows("SELECT told FROM leaf"))
    for text in (b"convicted", b"Surgery", b"adviser"):
        assert text not in everything
        assert text.lower() not in everything.lower()


async def test_a_witness_that_cannot_be_reached_holds_everything_up_and_loses_nothing(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness(fails=1)
    async with numbering(world.url, witness) as sequencer:
        with pytest.raises(WitnessUnreachable):
            await sequencer.turn()
        assert world.rows("SELECT 1 FROM checkpoint WHERE witnessed_at IS NOT NULL") == []
        await sequencer.turn()
    assert len(witness.lines) == 1
    assert len(world.rows("SELECT 1 FROM checkpoint WHERE witnessed_at IS NOT NULL")) == 1


async def test_one_sequencer_at_a_time(world: World) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as one, one.sessions() as holder, holder.begin():
        assert (await holder.execute(_ALONE, {"lock": _LOCK})).scalar_one()
        assert not await one.turn()
        assert witness.lines == []


async def test_a_record_that_was_taken_away_before_it_was_numbered_leaves_its_mark(world: World) -> None:
    case = await intake.opened(world)
    force = world.rows("SELECT force_id FROM application")[0]["force_id"]
    by = {"recorded_by": STAFF["officer"].id, "occurred_at": world.now, "recorded_at": world.now}
    closing = insert(world, "closing", case_id=case, force_id=force, note="Closed.", **by)
    world.execute("ALTER TABLE closing DISABLE TRIGGER kept_as_written")
    world.execute("DELETE FROM closing WHERE id = %s", closing)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    leaf = world.rows("SELECT told FROM leaf WHERE record_id = %s", closing)[0]["told"]
    assert json.loads(leaf)["missing"] is True


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("DELETE FROM tree_node", WitnessAhead),
        ("DELETE FROM tree_node WHERE place = (SELECT max(place) FROM tree_node WHERE level = 0)", WitnessAhead),
        ("UPDATE tree_node SET hash = sha256(hash)", WitnessContradicts),
    ],
)
async def test_a_database_that_the_witness_did_not_see_is_numbered_no_further(
    world: World, harm: str, found: type[Exception]
) -> None:
    await intake.opened(world)
    witness = FakeWitness()
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
        world.execute("ALTER TABLE tree_node DISABLE TRIGGER ALL")
        world.execute(harm)
        await intake.opened(world)
        waiting = world.rows("SELECT * FROM leaf_due")
        with pytest.raises(found):
            await sequencer.turn()
    assert len(witness.lines) == 1
    assert world.rows("SELECT * FROM leaf_due") == waiting


async def test_a_lost_witness_is_not_made_anew_in_silence(world: World) -> None:
    await intake.opened(world)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    async with numbering(world.url, FakeWitness()) as sequencer:
        with pytest.raises(WitnessBehind):
            await sequencer.turn()
