"""What a late case asks for, over HTTP: interim plans and deviations (H2.6, H10.6)."""

from datetime import date, timedelta
from typing import Any

from tests.steps import intake
from tests.world import World

LATE = ("breached", "met_late", "ended_breached")


def plan(victim: str, *clocks: str, on: date, **changed: Any) -> dict[str, Any]:
    """The interim plan of one potential victim."""
    return {
        "potential_victim_id": victim,
        "clocks": list(clocks),
        "keeps_safe": "Her address is flagged for response; her sister stays with her.",
        "contact": "Telephone, agreed number, at noon, by the officer who holds the case.",
        "contact_every_days": 3,
        "review_on": (on + timedelta(days=14)).isoformat(),
        **changed,
    }


async def plan_meanwhile(world: World, case: str, *clocks: str, by: str = "officer") -> None:
    """Plan for every potential victim, answering these clocks, or all that are late by now."""
    shown = await world.as_(by).must_get(f"/v1/applications/{case}")
    late = clocks or tuple(one["kind"] for one in shown["clocks"] if one["state"] in LATE)
    for victim in intake.parties(world, case)["potential_victim"]:
        body = plan(victim, *late, on=world.now.date())
        await world.as_(by).must_post(f"/v1/applications/{case}/interim-plans", body)


async def deviate(world: World, case: str, clock: str, *, by: str = "officer") -> Any:
    """Record that a limit is not kept in exceptional circumstances."""
    body = {"clock": clock, "reason": "She is abroad until the 20th.", "circumstances": "A death in her family."}
    return await world.as_(by).must_post(f"/v1/applications/{case}/deviations", body)
