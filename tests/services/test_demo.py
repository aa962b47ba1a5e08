"""The demonstration's data: every stage, both routes, some late, made by the services, and put in once."""

from collections.abc import Callable
from datetime import datetime

import pytest

from app import clock
from app.access.demonstration import subject_of
from app.access.rules import Role
from app.access.service import actor_for
from app.demo import load
from app.demo.cases import STORIES
from app.demo.staff import ACCOUNTS, staff_id_of
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import OtherKind
from tests.world import World

_COUNTED = "SELECT route, stage, outcome, force_id, urgent_since, reference FROM application ORDER BY first_contact_at"


async def loaded(world: World, *, now: datetime | None = None, say: Callable[[str], None] = print) -> None:
    """The demonstration put into the database of the world."""
    owner = engine_for(world.url, DatabaseRole.OWNER, pool_size=1)
    app = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    await load(sessions(app), owner_sessions=sessions(owner), now=now or clock.now(), say=say)
    await app.dispose()
    await owner.dispose()


async def test_every_stage_and_route_is_there_some_late_and_a_second_load_adds_nothing(world: World) -> None:
    said: list[str] = []
    await loaded(world, say=said.append)
    cases = world.rows(_COUNTED)
    assert len(cases) == len(STORIES)
    assert {case["stage"] for case in cases} == {stage.value for stage in Stage}
    for route in ("right_to_ask", "right_to_know"):
        assert len({case["stage"] for case in cases if case["route"] == route}) > 2
    ended = {case["outcome"] for case in cases if case["stage"] == "closed"}
    assert ended == {"disclosed", "no_disclosure"}
    assert [case["force_id"] for case in cases].count("southvale") == 1
    assert [bool(case["urgent_since"]) for case in cases].count(True) == 1
    assert len(said) == 1

    before = world.snapshot()
    await loaded(world, say=said.append)
    assert world.snapshot() == before
    assert len(said) == 1


async def test_what_is_shown_is_worth_looking_at(world: World) -> None:
    await loaded(world)
    late = world.rows("SELECT kind FROM clock WHERE due_at < %s AND met_at IS NULL AND ended_at IS NULL", world.now)
    assert {row["kind"] for row in late} >= {"initial_checks", "face_to_face", "risk_assessment", "whole_case"}
    one = "SELECT case_id FROM party WHERE role = %s GROUP BY case_id HAVING count(*) >= %s"
    assert len(world.rows(one, "potential_victim", 2)) == 1
    assert len(world.rows(one, "child", 1)) == 1
    assert len(world.rows("SELECT 1 FROM initial_contact WHERE channel = 'partner_agency'")) == 1
    shared = "SELECT match_key FROM case_pointer WHERE role = 'subject' GROUP BY match_key"
    assert world.rows(f"{shared} HAVING count(DISTINCT force_id) = 2")
    flagged = world.rows("SELECT code FROM duty WHERE kind = 'supervisor_review'")
    assert {row["code"] for row in flagged} == {"late_entry"}


async def test_each_act_leaves_its_row_in_the_log_and_its_version(world: World) -> None:
    await loaded(world)
    acts = world.rows(
        "SELECT a.version, count(l.id) AS logged FROM application a LEFT JOIN access_log l ON l.case_id = a.id "
        "AND l.action = 'demonstration' GROUP BY a.id, a.version"
    )
    assert all(row["version"] == row["logged"] for row in acts), "one row at opening, one for each act"
    assert not world.rows("SELECT 1 FROM application WHERE created_by NOT IN (SELECT id FROM staff_member)")


async def test_every_role_has_an_account_for_the_tokens_of_the_card(world: World) -> None:
    await loaded(world)
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    async with sessions(engine)() as session:
        for role in Role:
            actor = await actor_for(session, subject_of(role))
            assert actor.roles == {role}
            assert actor.staff_id == staff_id_of(subject_of(role))
    await engine.dispose()
    assert len({one.subject for one in ACCOUNTS}) == len(ACCOUNTS)


async def test_a_production_database_is_refused_and_stays_empty(world: World) -> None:
    world.execute("UPDATE installation SET kind = 'production'")
    before = world.snapshot()
    with pytest.raises(OtherKind, match="demonstration"):
        await loaded(world)
    assert world.snapshot() == before


def _at(hour: int, day: int) -> datetime:
    return datetime(2026, 4, day, hour, 7, tzinfo=clock.LONDON)


@pytest.mark.parametrize(
    "now", [_at(0, 7), _at(5, 6), _at(23, 3)], ids=["after midnight", "bank holiday", "good friday"]
)
async def test_it_loads_at_any_hour(world: World, now: datetime) -> None:
    await loaded(world, now=now)
    assert world.rows("SELECT count(*) AS n FROM application")[0]["n"] == len(STORIES)
    assert not world.rows("SELECT 1 FROM event WHERE recorded_at > %s", now), "nothing lies in the future"
