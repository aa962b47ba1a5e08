"""The doors: every route names its permission, every role tries every route, a failed commit is never a success."""

import inspect
from typing import Any, get_args, get_origin
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import PERMISSIONS, VIEW_PERMISSIONS, Permission, Role
from app.doors import Door
from app.main import doors
from tests.steps import intake
from tests.world import STAFF, World

OPEN_TO_ALL = {
    "/health/live",
    "/health/ready",
    "/metrics",
    "/v1/calendar-feeds/{token}.ics",
    "/v1/sign-in",
    "/v1/sign-in/callback",
    "/v1/session",
    "/v1/evidence/key",
}
"""Routes without a permission: the address of a calendar feed is itself the credential, nobody is signed in before
signing in, whoever is may ask as whom and sign out, and a public key is public."""
ONE_OF_EACH_ROLE = {
    role: next(member.key for member in STAFF.values() if member.roles == (role.value,)) for role in Role
}


def permission_of(route: APIRoute) -> Permission | None:
    """The permission that a route's signature names."""
    pending = [route.dependant]
    while pending:
        dependant = pending.pop()
        found = getattr(dependant.call, "permission", None)
        if found is not None:
            return Permission(found)
        pending += dependant.dependencies
    return None


def test_every_route_names_its_permission() -> None:
    without = {route.path for route in doors() if permission_of(route) is None}
    assert without == OPEN_TO_ALL


def test_every_route_with_a_permission_holds_the_door_by_which_its_answer_is_masked() -> None:
    for route in doors():
        asked = [one.annotation for one in inspect.signature(route.endpoint, eval_str=True).parameters.values()]
        held = [get_args(one)[0] if get_origin(one) is not None or get_args(one) else one for one in asked]
        has_door = any(isinstance(one, type) and issubclass(one, Door) for one in held)
        assert has_door is (permission_of(route) is not None), route.path


def test_every_permission_is_of_use_and_every_role_has_one() -> None:
    used = {permission_of(route) for route in doors()}
    assert set(Permission) - VIEW_PERMISSIONS == used - {None}  # what masks views lets nobody in anywhere
    assert all(PERMISSIONS[role] for role in Role)


def _path(route: APIRoute, case: str) -> str:
    path = route.path.replace("{case_id}", case)
    for name in ("{", "}"):
        assert path.count(name) <= 3
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10" + path[end + 1 :]
    return path


async def test_every_route_is_tried_by_every_role_and_by_nobody(world: World) -> None:
    case = await intake.opened(world)
    tried = 0
    for route in doors():
        permission = permission_of(route)
        if permission is None:
            continue
        for method in route.methods or ():
            path = _path(route, case)
            request: dict[str, Any] = {} if method == "GET" else {"json": {}}
            answer = await world.http.request(method, path, **request)
            assert answer.status_code == 401, (method, path)
            for role, key in ONE_OF_EACH_ROLE.items():
                token = {"Authorization": f"Bearer {world.as_(key).token}"}
                answer = await world.http.request(method, path, headers=token, **request)
                may = permission in PERMISSIONS[role]
                assert (answer.status_code != 403) is may, (method, path, role, answer.text)
                assert answer.status_code < 500, (method, path, role, answer.text)
                tried += 1
    assert tried > 500


async def test_nothing_is_answered_before_it_is_committed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: AsyncSession) -> None:
        raise ConnectionError("the disk is full")

    monkeypatch.setattr(AsyncSession, "commit", fail)
    answer = await world.as_("control_room").post("/v1/applications", intake.right_to_ask(world))
    monkeypatch.undo()
    assert answer.status_code == 500
    assert world.rows("SELECT id FROM application") == []


async def test_405_says_what_is_allowed_and_every_answer_carries_a_request_id(world: World) -> None:
    answer = await world.http.delete("/v1/applications")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    for given, kept in (
        (uuid4().hex.upper(), True),
        (str(uuid4()), True),
        ("my-request-0001", False),
        ("x" * 32, False),
        ("07700900123", False),  # a telephone number
        ("19870605", False),  # a day of birth
        ("5f0c6f5e0f6c4c55", False),
        ("0" * 64, False),
    ):
        named = await world.http.get("/v1/applications", headers={"X-Request-ID": given})
        assert (named.headers["X-Request-ID"] == given) is kept
        assert named.json()["request_id"] == named.headers["X-Request-ID"]
