"""Driving a case through its risk assessments over HTTP (H5.2)."""

from typing import Any

from tests.steps import intake
from tests.world import World


def assessment(potential_victim_id: str, /, **changed: Any) -> dict[str, Any]:
    """An assessment signed off by the assessor."""
    return {
        "potential_victim_id": potential_victim_id,
        "tool": "DASH",
        "tool_version": "2009",
        "answers": {"1": True, "2": "She is afraid of what he will do.", "27": False},
        "score": 11,
        "tool_grade": "medium",
        "risk": {"grade": "medium", "reason": "Escalating control; no recent violence."},
        "options_considered": "Protection notice, arrest, referral: none stands on what is known today.",
        "agency_checks_considered": "Probation and social services asked: nothing known.",
        "signed_off": True,
        **changed,
    }


async def assess(world: World, case_id: str, potential_victim_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """Assess the risk to one potential victim and sign it off."""
    body = assessment(potential_victim_id, **changed)
    return await world.as_(by).must_post(f"/v1/applications/{case_id}/risk-assessments", body)


async def assess_everyone(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """Assess the risk to every potential victim; the last answer is given back."""
    answer = None
    for party in intake.parties(world, case_id)["potential_victim"]:
        answer = await assess(world, case_id, party, by=by, **changed)
    return answer
