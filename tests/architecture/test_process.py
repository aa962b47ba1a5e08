"""The order of the stages is told three times: by the process, by the README, and by the import layers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.process import TRANSITIONS, IllegalMove, Move, Stage, as_table, require

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [stage for stage in Stage if stage is not Stage.CLOSED]


def test_the_readme_carries_the_process_table() -> None:
    readme = (ROOT / "README.md").read_text()
    between = readme.split("<!-- process -->\n")[1].split("\n<!-- /process -->")[0]
    assert between == as_table(), "write what `clares-law process` prints between the two marks"


def test_every_stage_is_a_package() -> None:
    assert all((ROOT / "app" / stage.value / "__init__.py").is_file() for stage in PACKAGES)


def test_every_stage_can_be_reached_and_every_one_but_closed_be_left() -> None:
    assert set(TRANSITIONS.values()) == set(Stage) - {Stage.INTAKE}
    assert {at for at, _ in TRANSITIONS} == set(Stage) - {Stage.CLOSED}


@given(st.sampled_from(Stage), st.sampled_from(Move))
def test_a_move_is_in_the_table_or_illegal(stage: Stage, move: Move) -> None:
    if (stage, move) in TRANSITIONS:
        assert require(stage, move) is TRANSITIONS[stage, move]
    else:
        with pytest.raises(IllegalMove, match="is possible at"):
            require(stage, move)
