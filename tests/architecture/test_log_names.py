"""Whatever is changed, the row of the log says what: a case, an account, a task, an agency, a day (H12.1)."""

import ast
from pathlib import Path

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
