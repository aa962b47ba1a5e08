"""Categorising and referring over HTTP, with bodies that a test changes where it matters."""

from typing import Any

from tests.arrange import version_of
from tests.steps import intake
from tests.world import World


def not_sought(**changed: Any) -> dict[str, Any]:
    """Representations considered and not sought, for every potential victim."""
    return {"choice": "not_sought", "reason": "Asking would put her in danger before she is safe.", **changed}


def concern(potential_victim_id: str, **changed: Any) -> dict[str, Any]:
    """A finding of concern."""
    return {
        "potential_victim_id": potential_victim_id,
        "category": "concern",
        "reasons": "Two convictions for assaulting partners, and the same pattern now.",
        "risk_of_harm": "She is at risk of serious assault from the subject.",
        "factors": [{"factor": "unspent_convictions", "present": True, "answer": "Assault, 2023 and 2024."}],
        **changed,
    }


def no_concern(potential_victim_id: str, **changed: Any) -> dict[str, Any]:
    """A finding of no concern with every factor considered."""
    names = (
        "unspent_convictions",
        "serial_perpetrator",
        "intelligence_of_previous_violence",
        "concerning_conduct_towards_potential_victim",
    )
    return {
        "potential_victim_id": potential_victim_id,
        "category": "no_concern",
        "reasons": "Nothing was found that suggests harm.",
        "factors": [{"factor": name, "present": False} for name in names],
        "other_information": "Intelligence, crime and domestic abuse records were read; nothing concerns him.",
        **changed,
    }


async def considered(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> dict[str, Any]:
    """Consider the subject's representations."""
    return await _decide(world, case_id, "representations", not_sought(**changed), by)


async def categorised(world: World, case_id: str, body: dict[str, Any], *, by: str = "officer") -> dict[str, Any]:
    """Categorise one potential victim."""
    return await _decide(world, case_id, "categorisation", body, by)


async def referred(world: World, case_id: str, *, by: str = "officer") -> dict[str, Any]:
    """Refer the case to the forum."""
    return await _decide(world, case_id, "referral", {"note": "Categorised; for the next meeting."}, by)


async def to_forum(world: World, case_id: str, *, by: str = "officer", without_concern: bool = False) -> None:
    """From categorisation to the forum: representations, a category for each potential victim, the referral."""
    await considered(world, case_id, by=by)
    for potential_victim in intake.parties(world, case_id)["potential_victim"]:
        body = no_concern(potential_victim) if without_concern else concern(potential_victim)
        await categorised(world, case_id, body, by=by)
    await referred(world, case_id, by=by)


async def _decide(world: World, case_id: str, path: str, body: dict[str, Any], by: str) -> dict[str, Any]:
    headers = version_of(world, case_id)
    answer = await world.as_(by).must_post(f"/v1/applications/{case_id}/{path}", body, headers=headers)
    return dict(answer)
