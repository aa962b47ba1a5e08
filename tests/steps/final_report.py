"""Ending, reporting and closing cases over HTTP, with bodies that a test changes where it matters."""

from typing import Any

from app.final_report.terms import REPORTED_TO
from tests.arrange import version_of
from tests.world import World

WITHDRAWAL: dict[str, Any] = {
    "taken_by": "PC 1182, public protection unit",
    "means": "Mobile, voice only, at the agreed hour",
    "by_safe_means": True,
    "duress_suspected": False,
    "duress_considered": "She was alone, sounded at ease and gave the agreed word.",
    "reason": "She has left him and no longer wishes to know.",
}
OFFENDER_MANAGEMENT: dict[str, Any] = {
    "mappa": "Considered; not eligible.",
    "integrated": "Considered; not adopted.",
    "matac": "Considered; referred for scoring.",
    "monitoring": "Local policing team, reviewed monthly.",
}
REPORT: dict[str, Any] = {"grading": "1BC", "narrative": "What was asked, what was found, and how it ended."}


def path(case_id: str, resource: str) -> str:
    """The address of a resource of a case."""
    return f"/v1/applications/{case_id}/{resource}"


async def withdraw(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> dict[str, Any]:
    """Record a withdrawal."""
    answer: dict[str, Any] = await world.as_(by).must_post(path(case_id, "withdrawal"), {**WITHDRAWAL, **changed})
    return answer


async def decide_withdrawal(
    world: World, case_id: str, *, carry_on: bool = False, by: str = "supervisor", **changed: Any
) -> dict[str, Any]:
    """Decide on a withdrawal; the answer is the decision as it is read back."""
    body = {"carry_on": carry_on, "reason": "Risk was weighed against her wish.", **changed}
    address = path(case_id, "withdrawal/decision")
    await world.as_(by).must_post(address, body, headers=version_of(world, case_id))
    kept: list[dict[str, Any]] = await world.as_(by).must_get(address)
    return kept[-1]


async def subject_deceased(world: World, case_id: str, *, by: str = "supervisor", **changed: Any) -> dict[str, Any]:
    """End a case because the subject has died."""
    body = {"verified_by": "Coroner's officer", "verified_how": "Entry of death seen in the register.", **changed}
    address = path(case_id, "subject-deceased")
    answer: dict[str, Any] = await world.as_(by).must_post(address, body, headers=version_of(world, case_id))
    return answer


async def attempt(world: World, party_id: str, case_id: str, outcome: str = "no_answer") -> None:
    """Try to reach somebody, in vain."""
    body = {"party_id": party_id, "means": "Telephone, agreed number", "outcome": outcome}
    await world.as_("officer").must_post(path(case_id, "contact-attempts"), body)


async def not_completed(
    world: World, case_id: str, party_id: str, *, because: str = "not_reached", by: str = "supervisor"
) -> dict[str, Any]:
    """End a case before anything is decided."""
    body = {"party_id": party_id, "because": because, "reason": "Every agreed way was tried."}
    address = path(case_id, "not-completed")
    answer: dict[str, Any] = await world.as_(by).must_post(address, body, headers=version_of(world, case_id))
    return answer


async def support_given(world: World, case_id: str, party_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """Give services and the helpline by word."""
    body = {"party_id": party_id, "services": "Northmoor refuge and outreach.", "helpline_given": True, **changed}
    return await world.as_(by).must_post(path(case_id, "support-given"), body)


async def offender_management(world: World, case_id: str, *, by: str = "supervisor", **changed: Any) -> Any:
    """Consider the management of the subject where no forum sat."""
    return await world.as_(by).must_post(path(case_id, "offender-management"), {**OFFENDER_MANAGEMENT, **changed})


async def write_report(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> str:
    """Write the closing report and give its id."""
    address = path(case_id, "final-report")
    answer = await world.as_(by).must_post(address, {**REPORT, **changed}, headers=version_of(world, case_id))
    return str(answer["id"])


async def submit(world: World, case_id: str, system: str, *, by: str = "intelligence", **changed: Any) -> Any:
    """Record one submission."""
    body = {
        "kind": "final",
        "system": system,
        "reference": f"{system.upper()}/26/1",
        "submitted_by": "Intelligence officer 7",
        **changed,
    }
    return await world.as_(by).must_post(path(case_id, "intelligence-submissions"), body)


async def submit_everywhere(world: World, case_id: str) -> None:
    """Record the submission of the newest report to every system."""
    for system in REPORTED_TO:
        await submit(world, case_id, system)


async def report(world: World, case_id: str) -> str:
    """Write the closing report and submit it everywhere; the report's id."""
    written = await write_report(world, case_id)
    await submit_everywhere(world, case_id)
    return written


async def close(world: World, case_id: str, *, by: str = "officer") -> dict[str, Any]:
    """Close a case with nothing owed."""
    address = path(case_id, "closing")
    answer: dict[str, Any] = await world.as_(by).must_post(address, {}, headers=version_of(world, case_id))
    return answer


async def safety_plan(world: World, case_id: str, potential_victim_id: str) -> None:
    """Record a safety plan that is reviewed in a month's time."""
    body = {
        "potential_victim_id": potential_victim_id,
        "plan": "Locks changed, neighbour alerted, code word with her sister.",
        "review_on": f"{world.now.year + 1}-01-31",
    }
    await world.as_("officer").must_post(path(case_id, "safety-plans"), body)


async def settle_and_close(world: World, case_id: str, potential_victim_ids: list[str]) -> str:
    """Do all that an early end owes and close the case; the report's id."""
    for one in potential_victim_ids:
        await safety_plan(world, case_id, one)
    await offender_management(world, case_id)
    written = await report(world, case_id)
    await close(world, case_id)
    return written
