"""Reviewing, freezing and erasing closed cases over HTTP."""

from typing import Any

from tests.arrange import version_of
from tests.steps import final_report, intake
from tests.world import World


def path(case_id: str, resource: str) -> str:
    """The address of a resource of a case."""
    return f"/v1/applications/{case_id}/{resource}"


async def closed(world: World, body: dict[str, Any] | None = None) -> str:
    """A case that was withdrawn from and closed."""
    case = await intake.opened(world, body)
    await final_report.withdraw(world, case)
    await final_report.decide_withdrawal(world, case)
    await final_report.settle_and_close(world, case, intake.parties(world, case)["potential_victim"])
    return case


async def due(world: World, body: dict[str, Any] | None = None, *, years: int = 6) -> str:
    """A closed case whose review has come."""
    case = await closed(world, body)
    world.forward(days=366 * years)
    return case


async def decide(world: World, case: str, *, by: str = "head", **given: Any) -> Any:
    """Decide a review; the answer as it came."""
    body = {"verdict": "erase", "ground": "no_policing_purpose", "reason": "Nothing since.", **given}
    return await world.as_(by).post(path(case, "retention/decisions"), body, headers=version_of(world, case))


async def agree(world: World, case: str, *, by: str = "standards", agrees: bool = True) -> Any:
    """Answer a decision to erase; the answer as it came."""
    body = {"agrees": agrees, "reason": "Read and agreed."}
    return await world.as_(by).post(path(case, "retention/agreement"), body, headers=version_of(world, case))


async def erased(world: World, body: dict[str, Any] | None = None) -> str:
    """A case that two people erased."""
    case = await due(world, body)
    assert (await decide(world, case)).status_code == 201
    answer = await agree(world, case)
    assert answer.status_code == 201, answer.text
    return case


async def freeze(world: World, case: str, *, by: str = "officer", **given: Any) -> Any:
    """Freeze a case; the answer as it came."""
    body = {"because": "legal_proceedings", "reason": "The coroner asks for it.", **given}
    return await world.as_(by).post(path(case, "freezes"), body)
