"""Driving a case through its initial checks over HTTP (H4)."""

from collections.abc import Collection
from typing import Any

import httpx

from app.editions import all_editions, edition
from tests.arrange import version_of
from tests.steps import intake
from tests.world import World


def check(system: str, party_id: str, **changed: Any) -> dict[str, Any]:
    """One search that gave nothing."""
    body: dict[str, Any] = {
        "system": system,
        "party_id": party_id,
        "terms": "Name and date of birth",
        "searched_by": "Control room operator 12",
        "result": "nil",
        **changed,
    }
    showing = {scheme.shows_visor_marker for scheme in all_editions().values()}
    if system in showing and body["result"] != "unavailable":
        body.setdefault("visor_marker", False)
    return body


def unavailable(system: str, party_id: str) -> dict[str, Any]:
    """One search that could not be run."""
    return check(system, party_id, result="unavailable", text="The system is down for maintenance.")


def minimum(world: World, case_id: str, *, visor_marker: bool = False) -> list[tuple[str, str]]:
    """Each (system, party) that the case's edition asks for."""
    found = world.rows("SELECT edition FROM application WHERE id = %s", case_id)
    parties = intake.parties(world, case_id)
    searches = edition(found[0]["edition"]).minimum_searches(visor_marker=visor_marker)
    return [(system, party) for system, who in searches for party in parties[who.value]]


async def record(world: World, case_id: str, body: dict[str, Any], *, by: str = "officer") -> Any:
    """Record one check."""
    return await world.as_(by).must_post(f"/v1/applications/{case_id}/checks", body)


async def all_checks(
    world: World,
    case_id: str,
    *,
    by: str = "officer",
    but: Collection[str] = (),
    down: Collection[str] = (),
    visor_marker: bool = False,
) -> None:
    """Answer every minimum check but those of some systems; those that are `down` are recorded as unavailable."""
    for system, party in minimum(world, case_id, visor_marker=visor_marker):
        if system in but:
            continue
        body = unavailable(system, party) if system in down else check(system, party)
        if "visor_marker" in body:
            body.update(visor_marker=visor_marker, result="hit", text="Convictions on record.")
        await record(world, case_id, body, by=by)


async def identify(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """The subject's identity is confirmed against a record (H4.5)."""
    body = {"result": "confirmed", "record": "PNC record and custody photograph", "how": "Compared by eye.", **changed}
    return await world.as_(by).must_post(f"/v1/applications/{case_id}/identity", body)


def decision(world: World, case_id: str, course: str = "progress", **changed: Any) -> dict[str, Any]:
    """An initial decision as the case's route asks for it."""
    found = world.rows("SELECT route FROM application WHERE id = %s", case_id)
    body: dict[str, Any] = {
        "decision": course,
        "risk": {"grade": "medium", "reason": "Convictions for violence against an earlier partner."},
        "rationale": "The checks give grounds to look further."
        if course == "progress"
        else "Nothing in the checks bears on the potential victim's safety.",
    }
    if found[0]["route"] == "right_to_ask":
        body["applicant_contact"] = "By voice at the agreed number and times"
    elif course == "progress":
        body["prioritised"] = True
    return {**body, **changed}


async def try_to_decide(world: World, case_id: str, body: dict[str, Any], *, by: str = "officer") -> httpx.Response:
    """Ask for an initial decision on the case as it stands."""
    path = f"/v1/applications/{case_id}/initial-decision"
    return await world.as_(by).post(path, body, headers=version_of(world, case_id))


async def decide(world: World, case_id: str, course: str = "progress", *, by: str = "officer", **changed: Any) -> Any:
    """Take the initial decision."""
    answer = await try_to_decide(world, case_id, decision(world, case_id, course, **changed), by=by)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def try_to_agree(
    world: World, case_id: str, *, by: str = "supervisor", agrees: bool = True, reason: str = "Read and agreed."
) -> httpx.Response:
    """Answer a decision not to progress."""
    path = f"/v1/applications/{case_id}/initial-decision/agreement"
    return await world.as_(by).post(path, {"agrees": agrees, "reason": reason}, headers=version_of(world, case_id))


async def agree(world: World, case_id: str, *, by: str = "supervisor") -> Any:
    """Agree that the case does not progress."""
    answer = await try_to_agree(world, case_id, by=by)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def progressed(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """Every minimum check answered and the case progressed."""
    await all_checks(world, case_id, by=by)
    return await decide(world, case_id, by=by, **changed)
