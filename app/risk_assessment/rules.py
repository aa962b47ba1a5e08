"""Whose assessment is still missing, and what is irregular about one that was made (H5.2). Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from app.errors import Obstacle
from app.process import Stage


@dataclass(frozen=True)
class AssessmentFacts:
    """Where the assessments of a case stand."""

    potential_victims: frozenset[UUID]
    signed: frozenset[UUID]
    """The potential victims for whom one is signed off."""


def unassessed(potential_victims: Collection[UUID], signed: Collection[UUID]) -> frozenset[UUID]:
    """The potential victims without an assessment that is signed off."""
    return frozenset(potential_victims) - frozenset(signed)


def missing_assessments(facts: AssessmentFacts) -> list[Obstacle]:
    """One obstacle for each potential victim whose assessment is not signed off (H5.2)."""
    says = "A potential victim has no risk assessment that is signed off: assess the risk and sign it."
    missing = unassessed(facts.potential_victims, facts.signed)
    return [Obstacle("assessment_not_signed", says, "H5.2")] * len(missing)


def made_too_early(stage: Stage) -> list[Obstacle]:
    """An assessment made before its step; made again later, when information arrives, it is as it should be (H2.6)."""
    says = {
        Stage.INITIAL_CHECKS: "The risk was assessed in full before the initial decision.",
        Stage.FACE_TO_FACE: "The risk was assessed in full before the applicant was met.",
    }
    return [Obstacle("assessed_early", says[stage], "H5.2")] if stage in says else []
