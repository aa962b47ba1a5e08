"""The sequencer is killed between any two of its lines: checkpoints only grow, nothing is lost and nothing doubled."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.verifying import read_witness
from tests.evidence.numbering import SIGNER
from tests.faults.fleet import rows
from tests.journeys.running import ROOT, environment_of


def numbered(url: str, witness: Path, lines: list[int]) -> list[str]:
    """Run the sequencer once for each line that it is to be killed before; what became of each."""
    command = [sys.executable, "-m", "tests.faults.sequencing", url, str(witness), *map(str, lines)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment_of(url), timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_killed_between_any_two_lines_it_goes_on_where_it_stopped(place: str, tmp_path: Path, tries: int) -> None:
    witness = tmp_path / "witness.jsonl"
    (whole,) = numbered(place, witness, [0])
    assert int(whole) > 60
    chance = random.Random(tries)
    lines = list(range(1, int(whole) + 1))
    if tries:
        lines = sorted(chance.sample(lines, tries))
    before = witness.read_bytes()
    became = numbered(place, witness, lines)
    assert became.count("killed") >= len(lines) * 0.9
    assert witness.read_bytes().startswith(before), "what the witness has it keeps"
    numbered(place, witness, [0])

    with witness.open("rb") as kept:
        history = read_witness(kept, SIGNER.public)
    sizes = list(history.roots)
    assert sizes == sorted(sizes)
    leaves = rows(place, "SELECT number, record_id, told FROM leaf ORDER BY number")
    assert [leaf["number"] for leaf in leaves] == list(range(len(leaves)))
    logged = {row["id"] for row in rows(place, "SELECT id FROM access_log")}
    assert {leaf["record_id"] for leaf in leaves} == logged, "nothing lost"
    assert [one.id for one in history.leaves] == [leaf["record_id"] for leaf in leaves], "nothing doubled"
    peaks = Peaks()
    peaks.extend(leaf_hash(leaf["told"]) for leaf in leaves)
    assert history.roots[len(leaves)] == peaks.root
    held = rows(place, "SELECT size, root, witnessed_at FROM checkpoint ORDER BY size")
    assert {one["size"]: one["root"] for one in held} == history.roots, "one root for a size, and each was witnessed"
    assert all(one["witnessed_at"] for one in held)
    assert rows(place, "SELECT 1 FROM leaf_due") == []


@pytest.fixture(params=[12, pytest.param(0, marks=[pytest.mark.long, pytest.mark.timeout(1800)])], ids=["some", "all"])
def tries(request: pytest.FixtureRequest) -> int:
    """How many lines of the run are tried; 0 for each of them."""
    number: int = request.param
    return number
