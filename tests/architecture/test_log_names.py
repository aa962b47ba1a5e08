"""Whatever is changed, the row of the log says what: a case, an account, a task, an agency, a day (H12.1)."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from app.main import doors
from tests.architecture.listing import SHOWN
from tests.architecture.test_doors import OPEN_TO_ALL
from tests.steps import intake
from tests.world import STAFF, World

APP = Path(__file__).parents[2] / "app"
CHANGES = {"ALTERATION", "COLLECTION", "ERASURE"}
NAMES = {"case_id", "event_id"}


def calls() -> list[tuple[str, set[str]]]:
    """Every place in the routes and the doors that logs a change, with what it says of it."""
    found = []
    for path in sorted([*APP.glob("routes/*.py"), *APP.glob("doors/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            said = {one.attr for one in node.args if isinstance(one, ast.Attribute)}
            if said & CHANGES:
                found.append((f"{path.name}:{node.lineno}", {one.arg for one in node.keywords if one.arg}))
    return found


def test_every_change_that_is_logged_says_what_was_changed() -> None:
    logged = calls()
    assert len(logged) > 20
    assert not [where for where, says in logged if not says & NAMES]


UNLOGGED = {
    "/v1/calendars",
    "/v1/calendars/{division}",
    "/v1/editions",
    "/v1/editions/{name}",
    "/v1/retention/schedule",
}
"""Doors that show the scheme's own data and nobody: limits, days, groups."""
LEAVES_A_ROW = re.compile(r"\.log\(|\.(read|record|record_beside|decide|history|opened)\(|_reading\(")


def test_every_door_leaves_a_row_but_those_that_show_nobody() -> None:
    found = {
        route.path
        for route in doors()
        if route.path not in OPEN_TO_ALL and not LEAVES_A_ROW.search(inspect.getsource(inspect.unwrap(route.endpoint)))
    }
    assert found == UNLOGGED


NAMED_OTHERWISE = {
    "GET /v1/access-log": "the log itself: its reading has a row, with the case or person that was asked for",
    "POST /v1/applications/search": "each hit is a person, who is named with the case",
    "GET /v1/applications/{case_id}/crime-references": "the reference of a crime",
    "GET /v1/applications/{case_id}/final-report": "a document as it was written; it has references and no case's id",
    "GET /v1/applications/{case_id}/intelligence-submissions": "the reference of a submission",
    "GET /v1/applications/{case_id}/items/{item_id}/agreements": "the reference of an agreement",
    "GET /v1/final-reports/{report_id}": "a document as it was written; it has references and no case's id",
    "GET /v1/forum/meetings/{meeting_id}/items/{item_id}/actions": "the case of the item, whose row it is",
}
CASE = {"case_id", "reference", "case_reference", "continued_as", "continued_as_id"}
"""What names a case, on a list or of a case that goes on in another."""


def lists_cases(view: Any, listed: bool = False, seen: frozenset[Any] = frozenset()) -> bool:
    """Whether a view holds a list of what names a case."""
    if get_args(view):
        listed = listed or get_origin(view) is list
        return any(lists_cases(one, listed, seen) for one in get_args(view))
    if not (isinstance(view, type) and issubclass(view, BaseModel)) or (view, listed) in seen:
        return False
    if listed and CASE & set(view.model_fields):
        return True
    fields = (field.annotation for field in view.model_fields.values())
    return any(lists_cases(one, listed, seen | {(view, listed)}) for one in fields)


def test_every_answer_that_lists_cases_names_them_in_the_log() -> None:
    found = {
        f"{method} {route.path}"
        for route in doors()
        for method in route.methods or ()
        if lists_cases(route.response_model)
    }
    assert found | {"GET /v1/tasks"} == set(SHOWN) | set(NAMED_OTHERWISE)  # a task says its case in a sentence


@pytest.mark.parametrize("route", sorted(SHOWN))
async def test_the_row_of_a_list_names_the_cases_that_were_on_it(world: World, route: str) -> None:
    answer, cases = await SHOWN[route](world)
    method, _, path = route.partition(" ")
    assert answer.is_success, answer.text
    assert answer.request.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), answer.request.url.path)
    query = "SELECT shown.case_id FROM access_log_case shown JOIN access_log l ON l.id = log_id WHERE request_id = %s"
    named = {str(row["case_id"]) for row in world.rows(query, answer.headers["X-Request-ID"])}
    assert named == cases != set()
    on_it = world.rows("SELECT id, reference FROM application WHERE id = ANY (%s::uuid[])", list(cases))
    assert all(str(one["id"]) in answer.text or one["reference"] in answer.text for one in on_it)


async def test_no_row_of_a_change_names_nothing(world: World) -> None:
    administrator, officer = world.as_("administrator"), world.as_("officer")
    agency = {"id": "northmoor-fire", "kind": "fire", "name": "Northmoor fire"}
    await administrator.must_post("/v1/agencies", agency)
    made = await administrator.must_post("/v1/staff", {"subject": "new", "name": "New", "roles": ["control_room"]})
    await administrator.put(f"/v1/staff/{made['id']}", {"roles": ["control_room"], "active": False})
    sessions = f"/v1/staff/{made['id']}/sessions"
    token = {"Authorization": f"Bearer {administrator.token}"}
    assert (await world.http.delete(sessions, headers=token)).status_code == 200
    feed = await officer.must_post("/v1/calendar-feeds")
    token = {"Authorization": f"Bearer {officer.token}"}
    assert (await world.http.delete(f"/v1/calendar-feeds/{feed['id']}", headers=token)).status_code == 200
    away = {"absent_from": world.now.isoformat(), "absent_until": world.forward(days=1).isoformat()}
    world.forward(days=-1)
    me = STAFF["officer"].id
    absence = await officer.must_post(f"/v1/staff/{me}/absences", away)
    await officer.must_post(f"/v1/staff/{me}/absences/{absence['id']}/end")
    chosen = {"mail": True, "digest": True, "digest_at": "07:00"}
    assert (await officer.put("/v1/staff/me/alert-preferences", chosen)).status_code == 200
    await intake.opened(world)
    changes = world.rows(
        "SELECT action, case_id, event_id FROM access_log l "
        "WHERE category IN ('alteration', 'collection', 'erasure') AND NOT refused"
    )
    assert len(changes) == 10
    assert not [row for row in changes if row["case_id"] is None and row["event_id"] is None]
    accounts = [row["event_id"] for row in changes if str(row["event_id"]) == made["id"]]
    assert len(accounts) == 3, "adding, changing and signing out name the account"
