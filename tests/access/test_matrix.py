"""Role by route by relation: what the law says is what the database shows and what every door answers."""

from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from app.access.deciding import Rule, may, needs_reason
from app.access.rules import PERMISSIONS, Actor, Permission, Role
from app.access.service import enter_as
from app.main import doors
from app.storage.engine import DatabaseRole, engine_for, sessions
from tests.access.relations import RELATIONS, TRIED_BY, Prepared
from tests.architecture.test_doors import OPEN_TO_ALL, permission_of
from tests.steps import forum
from tests.steps.forum import Item
from tests.world import OWN, STAFF, World

ITEM = "/v1/forum/meetings/{meeting_id}/items/{item_id}"
OF_NO_CASE = {
    "/v1/access-log",
    "/v1/agencies",
    "/v1/alerts",
    "/v1/alerts/stream",
    "/v1/applications",
    "/v1/applications/search",
    "/v1/break-glass",
    "/v1/calendar-feeds",
    "/v1/calendar-feeds/{feed_id}",
    "/v1/calendars",
    "/v1/calendars/{division}",
    "/v1/calendars/{division}/days",
    "/v1/calendars/{division}/days/{day}/withdrawal",
    "/v1/drafts",
    "/v1/duties",
    "/v1/editions",
    "/v1/editions/{name}",
    "/v1/evidence/checkpoints",
    "/v1/evidence/consistency",
    "/v1/final-reports",
    "/v1/final-reports/search",
    "/v1/forum/actions",
    "/v1/forum/meetings",
    "/v1/forum/meetings/{meeting_id}",
    "/v1/forum/meetings/{meeting_id}/agenda",
    "/v1/forum/meetings/{meeting_id}/attendance",
    "/v1/retention/reviews",
    "/v1/retention/schedule",
    "/v1/staff",
    "/v1/staff/me/alert-preferences",
    "/v1/staff/{staff_id}",
    "/v1/staff/{staff_id}/absences",
    "/v1/staff/{staff_id}/changes",
    "/v1/staff/{staff_id}/absences/{absence_id}/end",
    "/v1/staff/{staff_id}/sessions",
    "/v1/subject-access",
    "/v1/tasks",
    "/v1/transfers",
    "/v1/webhooks",
    "/v1/webhooks/{webhook_id}/disable",
    "/v1/webhooks/{webhook_id}/ping",
    "/v1/webhooks/{webhook_id}/secret",
}
"""What opens no case: lists, which show rows that the database shows, and what belongs to the force or the account."""
THROUGH_ANOTHER_ROW = {
    "/v1/alerts/{alert_id}/acknowledgement",
    "/v1/applications/{case_id}/erasure",
    "/v1/break-glass/{glass_id}/end",
    "/v1/evidence/receipts/{record_id}",
    "/v1/final-reports/{report_id}",
    "/v1/forum/actions/{action_id}/answers",
    "/v1/tasks/{task_id}/answer",
    "/v1/transfers/{transfer_id}/acceptance",
}
"""What leads to a case by a row of it, which the database shows or not; their own tests try them."""
SOME_ID = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"


def bodies() -> dict[str, dict[str, Any]]:
    """What fits the schema, for the doors that read it before they look for the item."""
    about = {"potential_victim_id": SOME_ID}
    return {
        "/removal": {"reason": "Postponed."},
        "/conflicts": {"staff_id": SOME_ID, "reason": "A relative."},
        "/minutes": {"minutes": "Heard."},
        "/police-conclusions": {**about, "necessary": True, "reasons": "She is at risk."},
        "/decisions": forum.not_to_disclose(SOME_ID),
        "/confirmation": {"verdict": "confirm", "reasons": "Read."},
        "/actions": {"owner_staff_id": SOME_ID, "what": "Check.", "due_on": "2026-05-12"},
    }


def of_a_case(path: str) -> bool:
    """Whether an address names a case, or an item of an agenda."""
    return ("{case_id}" in path or path.startswith(ITEM)) and path not in THROUGH_ANOTHER_ROW


def asked_doors() -> list[tuple[str, str, Permission]]:
    """Every door to a case: method, path, permission."""
    return [
        (method, route.path, permission)
        for route in doors()
        if of_a_case(route.path) and (permission := permission_of(route)) is not None
        for method in sorted(route.methods or ())
    ]


def address(path: str, case: str, item: Item | None) -> str:
    """The path with its ids: those of the case and its item, for the rest any."""
    filled = path.replace("{case_id}", case)
    if item is not None:
        filled = filled.replace("{meeting_id}", item.meeting_id).replace("{item_id}", item.id)
    while "{" in filled:
        start, end = filled.index("{"), filled.index("}")
        filled = filled[:start] + SOME_ID + filled[end + 1 :]
    return filled


def person(key: str) -> Actor:
    """Who asks, as the law knows the person."""
    member = STAFF[key]
    return Actor(member.id, "Somebody", frozenset({Role(TRIED_BY[key])}), member.force, member.agency, OWN, member.rank)


def expected(actor: Actor, method: str, permission: Permission, facts: Any) -> tuple[int, str] | None:
    """The refusal that the law demands, or None."""
    if not may(actor, permission, None).allowed:
        return 403, "role_may_not"
    decision = may(actor, permission, facts)
    if decision.allowed:
        reads = method == "GET"
        return (428, "reason_required") if reads and needs_reason(actor, facts) else None
    return (403, "through_glass_only") if decision.rule is Rule.BREAK_GLASS else (404, "")


def test_every_route_has_its_place_in_the_matrix() -> None:
    paths = {route.path for route in doors() if isinstance(route, APIRoute)}
    outside = {path for path in paths if not of_a_case(path)}
    assert outside == OF_NO_CASE | THROUGH_ANOTHER_ROW | OPEN_TO_ALL
    assert len(asked_doors()) > 100


def test_every_role_is_tried() -> None:
    assert set(TRIED_BY.values()) == {role.value for role in Role}


@pytest.mark.parametrize("relation", RELATIONS)
async def test_doors_answer_as_the_law_says(world: World, relation: str) -> None:
    """Every other door for each role, in turn: each relation tries all doors, and each role all of them in some."""
    await _try_doors(world, relation, turn=list(RELATIONS).index(relation))


@pytest.mark.long
@pytest.mark.parametrize("relation", RELATIONS)
async def test_every_door_answers_as_the_law_says(world: World, relation: str) -> None:
    await _try_doors(world, relation, turn=None)


async def _try_doors(world: World, relation: str, *, turn: int | None) -> None:
    world.execute("UPDATE staff_member SET roles = '{forum_member}' WHERE subject = 'police_member'")
    prepared = await RELATIONS[relation](world)
    await _shown_by_the_database(world, prepared)
    tried = 0
    for whose, key in enumerate(TRIED_BY):
        actor, facts = person(key), prepared.facts(key)
        token = {"Authorization": f"Bearer {world.as_(key).token}"}
        for number, (method, path, permission) in enumerate(asked_doors()):
            if turn is not None and (number + whose + turn) % 2:
                continue
            if permission not in PERMISSIONS[Role(TRIED_BY[key])]:
                continue  # 403 whatever the case: test_doors tries them all
            if "{case_id}" not in path and prepared.item is None:
                continue
            wanted = expected(actor, method, permission, facts)
            # A body that no schema takes: what is let in is refused for it, and nothing is ever changed.
            body: Any = []
            if wanted is not None and "{case_id}" not in path:
                body = bodies().get(path[path.rindex("/") :])
            sent: dict[str, Any] = {} if method == "GET" else {"json": body}
            answer = await world.http.request(
                method, address(path, prepared.case, prepared.item), headers=token, **sent
            )
            told = answer.json()["type"].rpartition(":")[2] if answer.status_code >= 400 else ""
            not_yours = {"case_not_found"} if "{case_id}" in path else {"item_not_found", "meeting_not_found"}
            where = (relation, key, method, path, answer.status_code, told)
            match wanted:
                case (404, _):
                    assert (answer.status_code, told in not_yours) == (404, True), where
                case (status, code):
                    assert (answer.status_code, told) == (status, code), where
                case None:
                    assert answer.status_code < 500, where
                    assert told not in {*not_yours, "role_may_not", "through_glass_only", "reason_required"}, where
            tried += 1
    assert tried > 200


async def _shown_by_the_database(world: World, prepared: Prepared) -> None:
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    for key in TRIED_BY:
        async with sessions(engine)() as session:
            actor = await enter_as(session, key)
            shown = {str(one) for one in await session.scalars(text("SELECT id FROM application"))}
            assert actor.roles == person(key).roles
        decision = may(person(key), Permission.READ_CASE, prepared.facts(key))
        assert (prepared.case in shown) is decision.allowed, (key, decision)
    await engine.dispose()
