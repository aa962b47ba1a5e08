"""The gravest decisions need a recent sign-in; acts never do (H2.10)."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app import clock
from app.access.rules import PERMISSIONS, STEP_UP, STEP_UP_TO_READ, Permission, Role
from app.doors.requirements import _Records
from app.main import doors
from tests.architecture.test_doors import permission_of
from tests.steps import initial_checks, intake
from tests.steps.sign_in import Desk, desk
from tests.world import STAFF, World

CHALLENGE = (
    'Bearer error="insufficient_user_authentication", error_description="A more recent sign-in is required", '
    'max_age="600"'
)
SOMEBODY = "7b1d34b6-6f3e-4a3e-9d57-6d3f2f2f9d10"


@pytest.fixture
async def at(world: World, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(world, tmp_path, built_in=True, step_up_minutes=10) as opened:
        yield opened


def grave(case: str) -> dict[str, Any]:
    """The gravest decisions, each as far as the permission."""
    return {
        f"/v1/applications/{case}/access": "supervisor",
        f"/v1/applications/{case}/emergency-authority": "head",
        f"/v1/applications/{case}/delivery-clearance": "officer",
        f"/v1/applications/{case}/retention/decisions": "standards",
        f"/v1/applications/{case}/retention/agreement": "standards",
        "/v1/break-glass": "officer",
        "/v1/staff": "administrator",
    }


def stepped_up() -> list[tuple[str, str, Permission]]:
    """Every door that changes something by one of the gravest permissions, or hands out what outlasts its case."""
    return [
        (method, route.path, permission)
        for route in doors()
        if (permission := permission_of(route)) in STEP_UP and permission is not None
        for method in sorted((route.methods or set()) - (set() if permission in STEP_UP_TO_READ else {"GET"}))
    ]


def test_no_act_in_a_case_is_held_up() -> None:
    for route in doors():
        for dependant in route.dependant.dependencies:
            if isinstance(dependant.call, _Records):
                assert dependant.call.permission not in STEP_UP, f"{route.path} is an act, recorded in any case (H2.10)"
    assert {permission for _, _, permission in stepped_up()} == STEP_UP
    assert all(any(one in PERMISSIONS[role] for role in Role) for one in STEP_UP)


async def test_every_door_that_changes_something_gravely_asks_for_a_recent_sign_in(at: Desk) -> None:
    world, now, tried = at.world, clock.real_now(), set()
    case = await intake.opened(world)
    old = int((now - timedelta(minutes=11)).timestamp())
    for method, path, permission in stepped_up():
        role = next(role for role in Role if permission in PERMISSIONS[role])
        key = next(one.key for one in STAFF.values() if one.roles == (role.value,))
        token = at.app.state.built_in.issuer.issue(key, now=now, lifetime=timedelta(hours=1), auth_time=old)
        filled = re.sub(r"\{\w+\}", SOMEBODY, path.replace("{case_id}", case))
        sent: dict[str, Any] = {} if method in ("DELETE", "GET") else {"json": {}}
        with world.unchanged():
            answer = await at.http.request(method, filled, headers={"Authorization": f"Bearer {token}"}, **sent)
        assert answer.json()["type"].endswith("step_up_required"), (method, path, answer.text)
        tried.add(permission)
    assert tried == STEP_UP


async def test_an_old_sign_in_takes_none_of_the_gravest_decisions_and_a_fresh_one_is_let_through(at: Desk) -> None:
    world = at.world
    case = await intake.opened(world)
    paths = {route.path for route in doors()}
    for path, key in grave(case).items():
        pattern = path.replace(case, "{case_id}")
        assert pattern in paths, pattern
        browser = await at.signed_in(key)
        fresh = await browser.own_page("POST", path, json={}, headers={"If-Match": '"1"'})
        assert fresh.status_code in (404, 422), (path, fresh.text)
        world.execute("UPDATE browser_session SET authenticated_at = clock_timestamp() - interval '10 minutes'")
        with world.unchanged():
            old = await browser.own_page("POST", path, json={}, headers={"If-Match": '"1"'})
        assert (old.status_code, old.json()["type"]) == (401, "urn:clares-law:problem:step_up_required")
        assert old.headers["WWW-Authenticate"] == CHALLENGE
        # The provider asks anew, and the decision is let through again.
        begun = await browser.get("/v1/sign-in?step_up=true")
        sent = parse_qs(urlsplit(begun.headers["Location"]).query)
        assert (sent["prompt"], sent["max_age"]) == (["login"], ["0"])
        await at.signed_in(key, browser, step_up="true")
        again = await browser.own_page("POST", path, json={}, headers={"If-Match": '"1"'})
        assert again.status_code == fresh.status_code


async def test_a_bearer_token_says_when_its_person_signed_in_and_one_that_does_not_is_old(at: Desk) -> None:
    world, now = at.world, clock.real_now()
    path = f"/v1/applications/{await intake.opened(world)}/access"
    issuer = at.app.state.built_in.issuer
    for signed_in, status in (
        (now, 422),
        (now - timedelta(minutes=9), 422),
        (now - timedelta(minutes=11), 401),
        (None, 401),
    ):
        said = None if signed_in is None else int(signed_in.timestamp())
        token = issuer.issue("supervisor", now=now, lifetime=timedelta(hours=1), auth_time=said)
        headers = {"Authorization": f"Bearer {token}", "If-Match": '"1"'}
        answer = await at.http.post(path, json={}, headers=headers)
        assert answer.status_code == status, answer.text


async def test_an_old_sign_in_is_told_nothing_of_a_case_and_the_wrong_role_is_told_first(at: Desk) -> None:
    world = at.world
    case, browser = await intake.opened(world), await at.signed_in("supervisor")
    world.execute("UPDATE browser_session SET authenticated_at = NULL")
    for one in (case, SOMEBODY):
        path = f"/v1/applications/{one}/access"
        assert (await browser.own_page("POST", path, json={})).status_code == 401
    assert (await browser.get(f"/v1/applications/{case}/access")).status_code == 200, "reading is no decision"
    intelligence = await at.signed_in("intelligence")
    assert (await intelligence.own_page("POST", f"/v1/applications/{case}/access", json={})).status_code == 403


async def test_acts_are_recorded_however_old_the_sign_in(at: Desk) -> None:
    world = at.world
    case, browser = await intake.opened(world), await at.signed_in("officer")
    world.execute("UPDATE browser_session SET authenticated_at = NULL")
    system, party = initial_checks.minimum(world, case)[0]
    body = initial_checks.check(system, party)
    answer = await browser.own_page("POST", f"/v1/applications/{case}/checks", json=body)
    assert answer.status_code == 201, answer.text
