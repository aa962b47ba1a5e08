"""Disclosure that cannot wait for the forum (H6.8), and what stands for each potential victim."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case
from app.forum.meetings import leave_agenda
from app.forum.schemas import ForumFacts, StandingDecision
from app.forum.service import facts, standing_decision, standing_decisions
from app.forum.tables import AgendaItem, EmergencyAuthority
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions, set_context
from tests.arrange import place_at, version_of
from tests.steps import categorisation, forum, initial_checks, intake
from tests.world import OTHER, OWN, World


@asynccontextmanager
async def session(world: World, force_id: str | None = OWN, *agenda: str) -> AsyncIterator[AsyncSession]:
    """A session of the API's role that reaches the rows of one force, or the cases of an agenda."""
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    async with sessions(engine)() as opened:
        await set_context(opened, force_id=force_id, agenda=[UUID(case) for case in agenda])
        yield opened
    await engine.dispose()


async def standing(world: World, case: str) -> Mapping[UUID, StandingDecision]:
    async with session(world) as opened:
        return await standing_decisions(opened, UUID(case))


async def planned(world: World, case: str, review_on: str = "2026-06-30") -> None:
    body = {"potential_victim_id": victim(world, case), "plan": "She stays with her sister.", "review_on": review_on}
    await world.as_("officer").must_post(f"/v1/applications/{case}/safety-plans", body)


def victim(world: World, case: str) -> str:
    return intake.parties(world, case)["potential_victim"][0]


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [obstacle["code"] for obstacle in answer.json()["obstacles"]]


async def test_an_emergency_waives_what_is_missing_and_the_forum_reviews_it(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    place_at(world, case, Stage.FACE_TO_FACE)
    she = victim(world, case)
    answer = await forum.authorise(world, case, forum.emergency(she))
    assert (answer.status_code, answer.json()["stage"]) == (201, "forum"), answer.text
    query = "SELECT kind, ended_because FROM clock WHERE case_id = %s AND ended_at IS NOT NULL ORDER BY kind"
    assert {row["kind"]: row["ended_because"] for row in world.rows(query, case)} == dict.fromkeys(
        ("categorise_and_refer", "face_to_face", "risk_assessment"), "emergency_waiver"
    )
    authority = (await standing(world, case))[UUID(she)]
    assert (authority.source, authority.disclose, authority.confirmed_at) == ("emergency", True, world.now)
    duties = "SELECT answered_at FROM duty WHERE case_id = %s AND kind = 'emergency_review'"
    assert [row["answered_at"] for row in world.rows(duties, case)] == [None]

    await categorisation.considered(world, case)
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, she, confirmed_by=None)
    assert (await standing(world, case))[UUID(she)].source == "emergency"  # until the second person confirms
    assert world.rows(duties, case)[0]["answered_at"] is None
    await forum.confirm(world, item, decision)
    replaced = (await standing(world, case))[UUID(she)]
    assert (replaced.source, replaced.disclose, str(replaced.id)) == ("forum", False, decision)
    assert world.rows(duties, case)[0]["answered_at"] == world.now
    [shown] = await world.as_("officer").must_get(f"/v1/applications/{case}/emergency-authority")
    assert shown["rank"] == "superintendent"


async def test_a_returned_decision_leaves_nothing_standing_not_even_the_spent_authority(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    she = victim(world, case)
    await forum.authorise(world, case, forum.emergency(she))
    await categorisation.considered(world, case)
    await forum.disclosing(world, await forum.sitting(world, case), she)
    body = {"potential_victim_ids": [she], "reason": "New facts."}
    path = f"/v1/applications/{case}/return-to-forum"
    await world.as_("supervisor").must_post(path, body, headers=version_of(world, case))
    assert await standing(world, case) == {}
    async with session(world) as opened:
        assert await standing_decision(opened, UUID(case), UUID(she)) is None
        held = await opened.get_one(Case, UUID(case))
        assert await facts(opened, held) == ForumFacts(None, 1, 0, 0, 0)


async def test_an_emergency_is_refused_with_every_obstacle(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case, but=("pnd",))
    with world.unchanged():
        answer = await forum.authorise(world, case, forum.emergency(victim(world, case)), by="supervisor")
    assert codes(answer) == ["rank_too_low", "open_check_not_accepted", "no_current_safety_plan"]
    await planned(world, case)
    accepted = forum.emergency(victim(world, case), open_checks_accepted=["pnd"])
    assert (await forum.authorise(world, case, accepted)).status_code == 201


def checks_clock(world: World, case: str) -> dict[str, Any]:
    return world.rows("SELECT * FROM clock WHERE case_id = %s AND kind = 'initial_checks'", case)[0]


async def test_an_emergency_waives_no_check_and_its_clock_runs_until_the_answer(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case, down=("pnd",))
    await planned(world, case)
    world.forward(hours=2)
    accepted = forum.emergency(victim(world, case), open_checks_accepted=["pnd"])
    assert (await forum.authorise(world, case, accepted)).status_code == 201
    clock = checks_clock(world, case)
    assert (clock["met_at"], clock["ended_at"]) == (None, None)
    assert clock["next_alert_at"] is not None
    answered = world.forward(hours=3)
    world.forward(hours=1)
    subject = intake.parties(world, case)["subject"][0]
    body = initial_checks.check("pnd", subject, occurred_at=answered.isoformat())
    await initial_checks.record(world, case, body)
    clock = checks_clock(world, case)
    assert (clock["met_at"], clock["met_recorded_at"], clock["ended_at"]) == (answered, world.now, None)


async def test_an_emergency_with_every_check_answered_meets_their_clock(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    authorised = world.forward(hours=2)
    await forum.authorise(world, case, forum.emergency(victim(world, case)))
    assert checks_clock(world, case)["met_at"] == authorised


async def test_immediate_risk_is_answered_first(world: World) -> None:
    risk = {"grade": "high", "immediate": True, "reason": "He has threatened her today."}
    case = await intake.opened(world, intake.right_to_ask(world, risk=risk))
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    with world.unchanged():
        answer = await forum.authorise(world, case, forum.emergency(victim(world, case)))
    assert codes(answer) == ["immediate_safeguarding_first"]
    action = {"action": "Response officers are with her.", "done_by": "Response"}
    await world.as_("officer").must_post(f"/v1/applications/{case}/safeguarding-actions", action)
    assert (await forum.authorise(world, case, forum.emergency(victim(world, case)))).status_code == 201


async def test_a_plan_past_its_review_is_not_current(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case, review_on=world.now.date().isoformat())
    world.forward(days=1)
    with world.unchanged():
        answer = await forum.authorise(world, case, forum.emergency(victim(world, case)))
    assert codes(answer) == ["no_current_safety_plan"]


@pytest.mark.parametrize("stage", [Stage.DISCLOSURE, Stage.FINAL_REPORT])
async def test_after_the_forum_there_is_no_emergency_authority(world: World, stage: Stage) -> None:
    case = await intake.opened(world)
    place_at(world, case, stage)
    with world.unchanged():
        answer = await forum.authorise(world, case, forum.emergency(victim(world, case)))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_nothing_is_disclosed_to_the_subject_and_officers_do_not_authorise(world: World) -> None:
    case = await intake.opened(world)
    subject = intake.parties(world, case)["subject"][0]
    body = forum.emergency(victim(world, case))
    with world.unchanged(refusals=3):
        assert (await forum.authorise(world, case, {**body, "recipient_id": subject})).status_code == 422
        assert (await forum.authorise(world, case, {**body, "recipient_id": None})).status_code == 422
        assert (await forum.authorise(world, case, body, by="officer")).status_code == 403


async def test_row_security_shows_the_forums_rows_to_the_force_and_to_the_agenda_only(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    await forum.authorise(world, case, forum.emergency(victim(world, case)))
    await forum.on_agenda(world, case, await forum.meeting(world))
    for force_id, agenda, seen in ((OWN, (), 1), (OTHER, (), 0), (None, (case,), 1), (None, (), 0)):
        async with session(world, force_id, *agenda) as opened:
            for table in (AgendaItem, EmergencyAuthority):
                assert len((await opened.scalars(select(col(table.id)))).all()) == seen


async def test_decisions_are_kept_as_written(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await planned(world, case)
    await forum.authorise(world, case, forum.emergency(victim(world, case)))
    with world.unchanged(refusals=0), pytest.raises(Exception, match="kept as it was written"):
        world.execute("UPDATE emergency_authority SET what_sealed = 'Something else.'")


async def test_a_case_that_ends_otherwise_leaves_the_agenda_and_partners_see(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FORUM)
    item = await forum.on_agenda(world, case, await forum.meeting(world))
    async with session(world) as opened:
        await leave_agenda(opened, UUID(case), now=world.now)
        await leave_agenda(opened, UUID(case), now=world.now)  # on none any more
        await opened.commit()
    with world.unchanged():
        assert (await world.as_("idva").get(item.path)).status_code == 404


async def emergency_for(world: World, *checks_but: str) -> tuple[str, str, str]:
    """An emergency for one of two potential victims: the case, and the two."""
    case = await intake.opened(world, forum.two_victims(world))
    await initial_checks.all_checks(world, case, but=checks_but)
    first, second = intake.parties(world, case)["potential_victim"]
    await planned(world, case)
    answer = await forum.authorise(world, case, forum.emergency(first, open_checks_accepted=list(checks_but)))
    assert answer.status_code == 201, answer.text
    await categorisation.considered(world, case)
    return case, first, second


async def test_who_came_to_the_forum_with_anothers_emergency_is_categorised_there(world: World) -> None:
    case, first, second = await emergency_for(world)
    async with session(world) as opened:
        assert (await facts(opened, await opened.get_one(Case, UUID(case)))).uncategorised == 1
    item = await forum.sitting(world, case)
    with world.unchanged():
        assert codes(await forum.decide(world, item, forum.not_to_disclose(second))) == ["not_categorised"]
    await categorisation.categorised(world, case, categorisation.no_concern(second))
    await forum.withholding(world, item, second)
    await forum.disclosing(world, item, first)
    assert world.rows("SELECT stage FROM application WHERE id = %s", case)[0]["stage"] == "disclosure"


async def test_the_forum_discloses_once_every_check_was_tried(world: World) -> None:
    case, first, _ = await emergency_for(world, "pnd")
    item = await forum.sitting(world, case)
    await forum.concluded(world, item, first)
    with world.unchanged():
        assert set(codes(await forum.decide(world, item, forum.to_disclose(first)))) == {"check_not_done"}
    await initial_checks.all_checks(world, case, down=("pnd",))
    assert (await forum.decide(world, item, forum.to_disclose(first))).status_code == 201


async def test_an_authority_after_a_return_stands_until_the_forum_decides_again(world: World) -> None:
    case, first, second = await emergency_for(world)
    await categorisation.categorised(world, case, categorisation.no_concern(second))
    item = await forum.sitting(world, case)
    await forum.withholding(world, item, second)
    await forum.disclosing(world, item, first)
    await forum.returned(world, case, first)
    assert UUID(first) not in await standing(world, case)
    world.forward(minutes=5)
    authority = await forum.authorise(world, case, forum.emergency(first))
    assert authority.status_code == 201, authority.text
    held = (await standing(world, case))[UUID(first)]
    assert (held.source, str(held.id)) == ("emergency", authority.json()["id"])
    world.forward(minutes=5)
    again = await forum.sitting(world, case)
    pending = await forum.withholding(world, again, first, confirmed_by=None)
    assert (await standing(world, case))[UUID(first)].source == "emergency"
    await forum.confirm(world, again, pending)
    assert (await standing(world, case))[UUID(first)].source == "forum"


async def test_no_authority_while_a_decision_waits_or_one_to_disclose_stands(world: World) -> None:
    case, first, second = await emergency_for(world)
    await categorisation.categorised(world, case, categorisation.no_concern(second))
    item = await forum.sitting(world, case)
    pending = await forum.withholding(world, item, second, confirmed_by=None)
    await forum.disclosing(world, item, first)
    for who in (first, second):
        with world.unchanged():
            answer = await forum.authorise(world, case, forum.emergency(who))
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:already_decided")
    await forum.confirm(world, item, pending, verdict="refuse")


async def test_an_authority_overtakes_a_decision_not_to_disclose_and_the_forum_decides_anew(world: World) -> None:
    case, first, _ = await emergency_for(world)
    item = await forum.sitting(world, case)
    await forum.withholding(world, item, first)
    assert (await standing(world, case))[UUID(first)].disclose is False
    world.forward(minutes=5)
    assert (await forum.authorise(world, case, forum.emergency(first))).status_code == 201
    assert (await standing(world, case))[UUID(first)].source == "emergency"
    world.forward(minutes=5)
    await forum.disclosing(world, item, first)
    assert (await standing(world, case))[UUID(first)].source == "forum"


async def test_an_authority_names_one_recipient(world: World) -> None:
    case = await intake.opened(world)
    body = forum.emergency(victim(world, case), recipient_described="Her mother")
    with world.unchanged():
        assert (await forum.authorise(world, case, body)).status_code == 422
