"""Whose assessment is missing (H5.2)."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.process import Stage
from app.risk_assessment.rules import AssessmentFacts, made_too_early, missing_assessments, unassessed

ids = st.sets(st.builds(UUID, int=st.integers(0, 6)))


@given(ids, ids)
def test_one_obstacle_for_each_potential_victim_without_a_signature(victims: set[UUID], signed: set[UUID]) -> None:
    missing = missing_assessments(AssessmentFacts(frozenset(victims), frozenset(signed)))
    assert len(missing) == len(victims - signed) == len(unassessed(victims, signed))
    assert {one.code for one in missing} <= {"assessment_not_signed"}


def test_an_assessment_is_early_before_its_step_and_never_late() -> None:
    early = {stage for stage in Stage if made_too_early(stage)}
    assert early == {Stage.INITIAL_CHECKS, Stage.FACE_TO_FACE}
