"""Driving a case through its meeting over HTTP (H5.1)."""

from typing import Any

import httpx

from tests.arrange import version_of
from tests.world import World


def applicant(world: World, case_id: str) -> str:
    """The party who asks."""
    found = world.rows("SELECT id FROM party WHERE case_id = %s AND is_applicant", case_id)
    return str(found[0]["id"])


def meeting(party_id: str, /, **changed: Any) -> dict[str, Any]:
    """A meeting at which everything was done; a value of None leaves the field out."""
    body = {
        "party_id": party_id,
        "place": "Health centre, room 3",
        "officer": "PC 4411, public protection",
        "public_protection": True,
        "warnings_given": True,
        "identity_verified_by": "Passport",
        "undertaking_explained": True,
        "details": "He checks her telephone and has begun to follow her to work.",
        "safeguarding_advice": "Safe ways to call for help; local services named.",
        "pack": "taken",
        **changed,
    }
    return {name: value for name, value in body.items() if value is not None}


async def meet(world: World, case_id: str, *, by: str = "officer", **changed: Any) -> Any:
    """Meet the applicant."""
    body = meeting(applicant(world, case_id), **changed)
    return await world.as_(by).must_post(f"/v1/applications/{case_id}/face-to-face", body)


async def try_to_find_malicious(world: World, case_id: str, *, by: str = "officer") -> httpx.Response:
    """Ask for a finding of malice on the case as it stands."""
    path = f"/v1/applications/{case_id}/malicious-finding"
    body = {"reasons": "The applicant admits to having made it up to learn where she lives."}
    return await world.as_(by).post(path, body, headers=version_of(world, case_id))


async def find_malicious(world: World, case_id: str, *, by: str = "officer") -> Any:
    """Find that the request is malicious."""
    answer = await try_to_find_malicious(world, case_id, by=by)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def try_to_agree(
    world: World, case_id: str, *, by: str = "supervisor", agrees: bool = True, carry_on: bool = False
) -> httpx.Response:
    """Answer a finding of malice."""
    body: dict[str, Any] = {"agrees": agrees, "reason": "The admission was read through."}
    if agrees:
        body |= {"carry_on_as_right_to_know": carry_on, "carry_on_reason": "Looked at what the checks say of the risk."}
    path = f"/v1/applications/{case_id}/malicious-finding/agreement"
    return await world.as_(by).post(path, body, headers=version_of(world, case_id))


async def agree(world: World, case_id: str, *, by: str = "supervisor", carry_on: bool = False) -> Any:
    """Agree that the request is malicious."""
    answer = await try_to_agree(world, case_id, by=by, carry_on=carry_on)
    assert answer.status_code == 201, answer.text
    return answer.json()
