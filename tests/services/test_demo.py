"""The demonstration's data: every stage, both routes, some late, made by the services, and put in once."""

from collections.abc import Callable
from datetime import datetime

import pytest

from app import clock
from app.access.demonstration import subject_of
from app.access.rules import Role
from app.demo import load
from app.demo.cases import STORIES
from app.demo.staff import ACCOUNTS, staff_id_of
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import OtherKind
from tests.world import World

_WITH_SEVERAL = "SELECT case_id FROM party WHERE role = %s GROUP BY case_id HAVING count(*) >= %s"
_LATE = "SELECT kind FROM clock WHERE due_at < %s AND met_at IS NULL AND ended_at IS NULL"
_LOGGED = """
SELECT a.version, count(l.id) AS logged FROM application a
LEFT JOIN access_log l ON l.case_id = a.id AND l.action = 'demonstration' AND l.category <> 'combination'
GROUP BY a.id, a.version
"""


async def loaded(world: World, *, now: datetime | None = None, say: Callable[[str], None] = print) -> None:
    """Put the demonstration into the database of the world."""
    owner = engine_for(world.url, DatabaseRole.OWNER, pool_size=1)
    app = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    await load(sessions(app), owner_sessions=sessions(owner), now=now or clock.now(), say=say)
    await app.dispose()
    await owner.dispose()


async def test_every_stage_and_route_is_there_and_a_second_load_adds_nothing(world: World) -> None:
    said: list[str] = []
    await loaded(world, say=said.append)
    _there_is_a_case_at_every_stage_of_both_routes(world)
    _what_is_shown_is_worth_looking_at(world)
    _each_act_rose_the_version_and_left_its_row_in_the_log(world)
    _each_role_has_an_account_of_its_own(world)

    before, logged = world.snapshot(), world.rows("SELECT count(*) FROM access_log")
    await loaded(world, say=said.append)
    assert world.snapshot() == before
    assert world.rows("SELECT count(*) FROM access_log") == logged
    assert len(said) == 1, "a second load says nothing either"


def _there_is_a_case_at_every_stage_of_both_routes(world: World) -> None:
    cases = world.rows("SELECT route, stage, outcome, force_id, urgent_since FROM application")
    assert len(cases) == len(STORIES)
    assert {case["stage"] for case in cases} == {stage.value for stage in Stage}
    for route in ("right_to_ask", "right_to_know"):
        assert len({case["stage"] for case in cases if case["route"] == route}) > 2
    closed = {case["outcome"] for case in cases if case["stage"] == "closed"}
    assert closed == {"disclosed", "no_disclosure"}
    assert [case["force_id"] for case in cases].count("southvale") == 1
    assert sum(case["urgent_since"] is not None for case in cases) == 1


def _what_is_shown_is_worth_looking_at(world: World) -> None:
    late = {row["kind"] for row in world.rows(_LATE, world.now)}
    assert late >= {"initial_checks", "face_to_face", "risk_assessment", "whole_case"}
    assert len(world.rows(_WITH_SEVERAL, "potential_victim", 2)) == 1
    assert len(world.rows(_WITH_SEVERAL, "child", 1)) == 1
    assert len(world.rows("SELECT id FROM initial_contact WHERE channel = 'partner_agency'")) == 1
    about_one = "SELECT match_key FROM case_pointer WHERE role = 'subject' GROUP BY match_key"
    assert world.rows(f"{about_one} HAVING count(DISTINCT force_id) = 2"), "each force finds the other's pointer"
    flagged = world.rows("SELECT code FROM duty WHERE kind = 'supervisor_review'")
    assert [row["code"] for row in flagged] == ["late_entry"], "one act was typed late, and nothing else was wrong"


def _each_act_rose_the_version_and_left_its_row_in_the_log(world: World) -> None:
    assert all(row["version"] == row["logged"] for row in world.rows(_LOGGED))


def _each_role_has_an_account_of_its_own(world: World) -> None:
    found = {row["subject"]: row for row in world.rows("SELECT subject, id, roles FROM staff_member")}
    for role in Role:
        account = found[subject_of(role)]
        assert (account["roles"], account["id"]) == ([role.value], staff_id_of(subject_of(role)))
    assert {one.subject for one in ACCOUNTS} <= set(found)


async def test_a_story_is_not_told_again_when_its_request_is_forgotten(world: World) -> None:
    await loaded(world)
    before = world.rows("SELECT id FROM application ORDER BY id")
    world.execute("DELETE FROM answered_request")  # as the worker prunes them
    world.forward(days=400)
    said: list[str] = []
    await loaded(world, say=said.append)
    assert said == []
    assert world.rows("SELECT id FROM application ORDER BY id") == before


async def test_a_production_database_is_refused_and_stays_as_it_was(world: World) -> None:
    world.execute("UPDATE installation SET kind = 'production'")
    before = world.snapshot()
    with pytest.raises(OtherKind, match="demonstration"):
        await loaded(world)
    assert world.snapshot() == before


async def test_it_loads_just_after_midnight_behind_a_bank_holiday(world: World) -> None:
    """The shortest day behind the start, over Easter and the night in which the clocks went forward."""
    now = datetime(2026, 4, 7, 0, 7, tzinfo=clock.LONDON)
    await loaded(world, now=now)
    assert world.rows("SELECT count(*) AS n FROM application")[0]["n"] == len(STORIES)
    assert not world.rows("SELECT id FROM event WHERE recorded_at > %s", now), "nothing lies in the future"
