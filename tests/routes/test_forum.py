"""The forum at the door: meetings, quorum, decisions and their second person (H6)."""

import asyncio
from datetime import timedelta

import httpx
import psycopg
import pytest

from app.process import Stage
from app.storage.migrations import conninfo
from tests.arrange import place_at
from tests.steps import categorisation, forum, initial_checks, intake, lateness
from tests.steps.forum import staff, waiting
from tests.world import World

ALL = ("chair", "police_member", "probation", "idva", "social_care")


def victims(world: World, case: str) -> list[str]:
    return intake.parties(world, case)["potential_victim"]


def codes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [obstacle["code"] for obstacle in answer.json()["obstacles"]]


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def stage(world: World, case: str) -> str:
    return str(world.rows("SELECT stage FROM application WHERE id = %s", case)[0]["stage"])


async def test_the_forum_decides_to_disclose_and_the_item_ends(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    decision = await forum.disclosing(world, item, she)
    assert stage(world, case) == "disclosure"
    chair = world.as_("chair")
    [shown] = await chair.must_get(f"{item.path}/decisions")
    assert (shown["id"], shown["disclose"], shown["police_conclude_necessary"]) == (decision, True, True)
    assert shown["delivery"]["agency"] == "police"
    [agenda] = await chair.must_get(f"/v1/forum/meetings/{item.meeting_id}/agenda")
    assert agenda["ended_because"] == "decided"
    [concluded] = await chair.must_get(f"{item.path}/police-conclusions")
    assert concluded["recorded_by"] == staff("police_member")


@pytest.mark.parametrize(
    ("away", "agency"), [("probation", "probation"), ("idva", "idva"), (("chair", "police_member"), "police")]
)
async def test_without_an_agency_no_decision(world: World, away: str | tuple[str, ...], agency: str) -> None:
    absent = (away,) if isinstance(away, str) else away
    case = await waiting(world)
    meeting = await forum.meeting(world)
    await forum.attended(world, meeting, **dict.fromkeys(ALL, "present"))
    await forum.attended(world, meeting, **dict.fromkeys(absent, "apologies"))
    item = await forum.on_agenda(world, case, meeting)
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))
    assert codes(answer) == ["chair_not_present"] * ("chair" in absent) + [f"quorum_{agency}"]
    assert "No quorum" in answer.json()["detail"]


async def test_a_child_brings_childrens_social_care_into_the_quorum(world: World) -> None:
    case = await waiting(world, intake.right_to_ask(world, children=[intake.CHILD]))
    meeting = await forum.meeting(world)
    await forum.attended(world, meeting, *ALL[:4])
    item = await forum.on_agenda(world, case, meeting)
    [she] = victims(world, case)
    with world.unchanged():
        assert codes(await forum.decide(world, item, forum.not_to_disclose(she))) == ["quorum_childrens_social_care"]
    await forum.attended(world, meeting, "social_care")
    assert (await forum.decide(world, item, forum.not_to_disclose(she))).status_code == 201


async def test_a_party_under_age_does_so_too(world: World) -> None:
    young = {**intake.VICTIM, "is_applicant": True, "born": "2009-06-01"}
    case = await waiting(world, intake.right_to_ask(world, potential_victims=[young]))
    item = await forum.sitting(world, case, *ALL[:4])
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))
    assert codes(answer) == ["quorum_childrens_social_care"]


async def test_without_the_police_conclusion_nobody_discloses(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    with world.unchanged():
        answer = await forum.decide(world, item, forum.to_disclose(she))
    assert codes(answer) == ["no_police_conclusion"]
    assert "without it nobody discloses" in answer.json()["detail"]
    assert (await forum.concluded(world, item, she)).status_code == 201
    assert (await forum.concluded(world, item, she, necessary=False)).status_code == 201
    with world.unchanged():
        assert codes(await forum.decide(world, item, forum.to_disclose(she))) == ["police_conclude_not_necessary"]


async def test_only_a_police_member_who_is_present_says_what_the_police_conclude(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    with world.unchanged(refusals=2):
        assert codes(await forum.concluded(world, item, she, by="officer2")) == ["not_the_police_member"]
        assert (await forum.concluded(world, item, she, by="probation")).status_code == 403


async def test_a_conclusion_falls_with_the_conflict_of_whoever_recorded_it(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    [she] = victims(world, case)
    await forum.concluded(world, item, she)
    conflict = {"staff_id": staff("police_member"), "reason": "Knows the subject."}
    await world.as_("chair").must_post(f"{item.path}/conflicts", conflict)
    with world.unchanged():
        assert codes(await forum.decide(world, item, forum.to_disclose(she))) == ["no_police_conclusion"]


async def test_a_decision_to_disclose_is_refused_with_every_obstacle_at_once(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FORUM)
    item = await forum.sitting(world, case)
    nothing = dict.fromkeys(("pressing_need", "proportionate", "what", "recipient_id", "delivery"))
    management = {
        **forum.to_disclose("")["offender_management"],
        "already_managed": {"scheme": "mappa", "category": "2", "level": "1", "lead_agency": "probation"},
        "words_for_manager": "Joanna Tarrant asked us about him.",
    }
    body = forum.to_disclose(
        victims(world, case)[0],
        **{**nothing, "category": "no_concern", "subject_to_be_told": True, "offender_management": management},
    )
    with world.unchanged():
        answer = await forum.decide(world, item, body)
    found = codes(answer)
    assert [one for one in found if one != "check_not_done"] == [
        "not_categorised",
        "representations_not_considered",
        "no_concern",
        "no_police_conclusion",
        "no_pressing_need",
        "not_proportionate",
        "what_not_decided",
        "recipient_not_decided",
        "delivery_not_decided",
        "words_not_settled",
        "words_identify_applicant",
    ]
    assert "check_not_done" in found


async def test_no_disclosure_waits_for_the_checks(world: World) -> None:
    case = await intake.opened(world)
    await initial_checks.all_checks(world, case, but=("pnd",), down=("crime",))
    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.to_forum(world, case)
    item = await forum.sitting(world, case)
    with world.unchanged():
        found = codes(await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0])))
    assert set(found) == {"check_not_done", "check_unavailable"}


async def test_a_decision_to_disclose_has_nothing_to_confirm(world: World) -> None:
    she_too = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
    case = await waiting(world, intake.right_to_ask(world, potential_victims=she_too))
    item = await forum.sitting(world, case)
    first, second = victims(world, case)
    decision = await forum.disclosing(world, item, first)
    assert stage(world, case) == "forum"
    with world.unchanged():
        assert kind(await forum.confirm(world, item, decision)) == (409, "nothing_to_confirm")
    await forum.withholding(world, item, second)
    assert stage(world, case) == "disclosure"


async def test_right_to_know_without_disclosure_is_met_by_the_confirmation(world: World) -> None:
    case = await waiting(world, intake.right_to_know(world))
    item = await forum.sitting(world, case)
    decision = await forum.withholding(world, item, victims(world, case)[0], confirmed_by=None)
    query = "SELECT met_at FROM clock WHERE case_id = %s AND kind = 'whole_case'"
    assert world.rows(query, case)[0]["met_at"] is None
    world.forward(days=2)
    await lateness.plan_meanwhile(world, case)
    await forum.confirm(world, item, decision)
    assert world.rows(query, case)[0]["met_at"] == world.now


async def test_a_partner_sees_only_the_case_on_the_agenda_and_only_while_it_is(world: World) -> None:
    case = await waiting(world)
    elsewhere = await waiting(
        world, intake.right_to_know(world, subject={"surname": "Oakes"}, potential_victims=[intake.SECOND_VICTIM])
    )
    probation = world.as_("probation")
    meeting = await forum.meeting(world, "chair", "police_member", "idva")
    item = await forum.on_agenda(world, case, meeting)
    other = await forum.on_agenda(world, elsewhere, await forum.meeting(world, "chair"))
    with world.unchanged(refusals=2):
        assert (await probation.get(item.path)).status_code == 404
        assert (await probation.get(f"/v1/forum/meetings/{meeting}")).status_code == 404
    assert await probation.must_get("/v1/forum/meetings") == []
    await forum.attended(world, meeting, "chair", "police_member", "probation", "idva")  # listed later
    shown = await probation.must_get(item.path)
    assert "Not to be revealed" in shown["not_to_be_revealed"]
    assert "applicant" not in shown["potential_victims"][0]
    assert [one["case_id"] for one in (await probation.must_get(f"/v1/forum/meetings/{meeting}"))["agenda"]] == [case]
    with world.unchanged():
        assert (await probation.get(other.path)).status_code == 404
    await forum.disclosing(world, item, victims(world, case)[0])
    with world.unchanged():
        assert (await probation.get(item.path)).status_code == 404
    assert (await probation.must_get(f"/v1/forum/meetings/{meeting}"))["agenda"] == []
    open_grants = world.rows("SELECT 1 FROM case_grant WHERE case_id = %s AND ended_at IS NULL", case)
    assert open_grants == []


async def test_a_partner_may_chair_and_decide(world: World) -> None:
    case = await waiting(world)
    meeting = await forum.meeting(world, *ALL, chair="partner_chair")
    await forum.attended(world, meeting, *ALL, "partner_chair")
    item = await forum.on_agenda(world, case, meeting)
    await forum.concluded(world, item, victims(world, case)[0])
    body = forum.to_disclose(victims(world, case)[0])
    answer = await forum.decide(world, item, body, by="partner_chair")
    assert answer.status_code == 201, answer.text
    assert stage(world, case) == "disclosure"


async def test_another_force_sees_no_meeting_and_no_item(world: World) -> None:
    item = await forum.sitting(world, await waiting(world))
    other = world.as_("other_supervisor")
    with world.unchanged(refusals=3):
        assert (await other.get(f"/v1/forum/meetings/{item.meeting_id}")).status_code == 404
        assert (await other.get(item.path)).status_code == 404
        attendance = {"members": [{"staff_id": staff("chair"), "attendance": "present"}]}
        path = f"/v1/forum/meetings/{item.meeting_id}/attendance"
        assert (await other.post(path, attendance)).status_code == 404


async def test_the_agenda_takes_a_case_that_waits_for_the_forum_once(world: World) -> None:
    case = await intake.opened(world)
    meeting, supervisor = await forum.meeting(world), world.as_("supervisor")
    path = f"/v1/forum/meetings/{meeting}/agenda"
    with world.unchanged():
        assert kind(await supervisor.post(path, {"case_id": case})) == (409, "wrong_stage")
    place_at(world, case, Stage.FORUM)
    item = await forum.on_agenda(world, case, meeting)
    with world.unchanged():
        assert kind(await supervisor.post(path, {"case_id": case})) == (409, "already_on_agenda")
    await supervisor.must_post(f"{item.path}/removal", {"reason": "Postponed to the next meeting."})
    with world.unchanged(refusals=2):
        assert (await world.as_("idva").get(item.path)).status_code == 404
        assert kind(await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))) == (
            409,
            "item_ended",
        )
    assert (await forum.on_agenda(world, case, meeting)).id != item.id


async def test_members_sit_for_the_agency_of_their_own_account(world: World) -> None:
    meeting = await forum.meeting(world)
    members = await world.as_("chair").must_get(f"/v1/forum/meetings/{meeting}/attendance")
    assert {(one["staff_id"], one["agency"]) for one in members} == {
        (staff("chair"), "police"),
        (staff("police_member"), "police"),
        (staff("probation"), "probation"),
        (staff("idva"), "idva"),
        (staff("social_care"), "childrens_social_care"),
    }
    body = {"held_on": "2026-05-20", "chair_id": staff("chair"), "members": [staff("other_officer")]}
    with world.unchanged(refusals=2):
        assert (await world.as_("supervisor").post("/v1/forum/meetings", body)).status_code == 422
        body = {"held_on": "2026-05-20", "chair_id": staff("officer")}
        assert (await world.as_("supervisor").post("/v1/forum/meetings", body)).status_code == 422


async def test_a_meeting_is_arranged_once_under_one_key_and_decides_not_before_its_day(world: World) -> None:
    case = await waiting(world)
    key, tomorrow = {"Idempotency-Key": "meeting-0001"}, (world.now + timedelta(days=1)).date().isoformat()
    body = {"held_on": tomorrow, "kind": "virtual", "chair_id": staff("chair"), "members": [staff(one) for one in ALL]}
    supervisor = world.as_("supervisor")
    first = await supervisor.must_post("/v1/forum/meetings", body, headers=key)
    assert await supervisor.must_post("/v1/forum/meetings", body, headers=key) == first
    assert len(await supervisor.must_get("/v1/forum/meetings")) == 1
    await forum.attended(world, first["id"], "idva", idva="apologies")
    there = {"members": [{"staff_id": staff("chair"), "attendance": "present"}]}
    with world.unchanged():
        answer = await supervisor.post(f"/v1/forum/meetings/{first['id']}/attendance", there)
    assert kind(answer) == (409, "meeting_not_held")
    item = await forum.on_agenda(world, case, first["id"])
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))
    assert codes(answer)[:2] == ["chair_not_present", "meeting_not_held"]


async def test_a_stale_decision_and_one_without_a_version(world: World) -> None:
    item = await forum.sitting(world, await waiting(world))
    body, chair = forum.not_to_disclose(victims(world, item.case_id)[0]), world.as_("chair")
    with world.unchanged(refusals=2):
        assert (await chair.post(f"{item.path}/decisions", body)).status_code == 428
        stale = await chair.post(f"{item.path}/decisions", body, headers={"If-Match": '"1"'})
        assert stale.status_code == 412


async def test_items_are_minuted(world: World) -> None:
    item = await forum.sitting(world, await waiting(world))
    await world.as_("chair").must_post(f"{item.path}/minutes", {"minutes": "The IDVA set out the risk."})
    [minutes] = await world.as_("probation").must_get(f"{item.path}/minutes")
    assert minutes["minutes"] == "The IDVA set out the risk."


async def test_a_meeting_held_before_the_case_came_lends_it_no_quorum(world: World) -> None:
    before = await forum.meeting(world)
    await forum.attended(world, before)
    world.forward(days=1)
    case = await waiting(world)
    path = f"/v1/forum/meetings/{before}/agenda"
    with world.unchanged():
        assert kind(await world.as_("supervisor").post(path, {"case_id": case})) == (409, "meeting_too_early")
    item = await forum.sitting(world, case)
    await forum.disclosing(world, item, victims(world, case)[0])
    world.forward(days=1)
    await forum.returned(world, case, victims(world, case)[0])
    path = f"/v1/forum/meetings/{item.meeting_id}/agenda"
    with world.unchanged():
        assert kind(await world.as_("supervisor").post(path, {"case_id": case})) == (409, "meeting_too_early")
    await forum.sitting(world, case)


async def test_where_nothing_is_disclosed_the_subject_is_not_told(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    words = {"subject_to_be_told": True, "words_for_subject": "The police hold information about you."}
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0], **words))
    assert codes(answer) == ["subject_not_told"]


async def test_immediate_risk_is_answered_before_the_forum_decides(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    risk = {"grade": "high", "immediate": True, "reason": "He is outside her door."}
    await world.as_("officer").must_post(f"/v1/applications/{case}/risk-grades", risk)
    with world.unchanged():
        answer = await forum.decide(world, item, forum.not_to_disclose(victims(world, case)[0]))
    assert codes(answer) == ["immediate_safeguarding_first"]


async def test_a_disclosure_has_one_recipient(world: World) -> None:
    case = await waiting(world)
    item = await forum.sitting(world, case)
    body = forum.to_disclose(victims(world, case)[0], recipient_described="Her mother")
    with world.unchanged():
        assert (await forum.decide(world, item, body)).status_code == 422


async def test_whoever_is_listed_while_an_item_ends_is_let_in_to_nothing(world: World) -> None:
    case = await waiting(world)
    meeting = await forum.meeting(world, "chair", "police_member")
    item = await forum.on_agenda(world, case, meeting)
    with psycopg.connect(conninfo(world.url)) as ending:
        ending.execute("SELECT 1 FROM application WHERE id = %s FOR UPDATE", [case])
        ended = "UPDATE agenda_item SET ended_at = opened_at, ended_because = 'taken_off' WHERE id = %s"
        ending.execute(ended, [item.id])
        listing = asyncio.create_task(forum.attended(world, meeting, "idva"))
        async with asyncio.timeout(30):
            while not world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - the database waits
                await asyncio.sleep(0.01)
    await listing
    assert world.rows("SELECT 1 FROM case_grant WHERE staff_id = %s", staff("idva")) == []
