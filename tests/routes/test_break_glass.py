"""Breaking the glass over a withheld case: who, for how long, what it lets one do, and who hears of it (H2.8)."""

from typing import Any

import httpx
import pytest

from app.settings import settings
from tests.arrange import version_of
from tests.routes.test_withholding import called, decide, opened, seen_by, worker
from tests.steps import intake
from tests.steps.channels import Outside, address, mail_on, outbox
from tests.steps.final_report import path
from tests.world import OTHER, OWN, STAFF, World

NOBODY = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"
WHY = "She rang in danger and nobody who may open the case can be reached."


async def broken(world: World, by: str, **named: str) -> httpx.Response:
    return await world.as_(by).post("/v1/break-glass", {**named, "reason": WHY})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_it_opens_a_restricted_case_for_one_person_and_others_hear_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARES_LAW_SMTP_HOST", "mail.test")
    monkeypatch.setenv("CLARES_LAW_MAIL_FROM", "alerts@police.test")
    monkeypatch.setenv("CLARES_LAW_MAIL_DOMAINS", "police.test")
    settings.cache_clear()
    world.execute("UPDATE staff_member SET email = subject || '@police.test'")
    case = await opened(world)
    reference = world.rows("SELECT reference FROM application")[0]["reference"]
    answer = await broken(world, "officer", reference=reference)
    assert answer.status_code == 201, answer.text
    assert answer.json()["case_id"] == case
    assert [await seen_by(world, case, key) for key in ("officer", "officer2")] == [True, False]
    [task] = (await world.as_("standards").must_get("/v1/tasks"))["items"]
    assert (task["kind"], task["about"]) == ("glass_broken", answer.json()["id"])
    letters = world.rows("SELECT subject, content FROM outbox JOIN staff_member ON staff_member.id = staff_id")
    assert {one["subject"] for one in letters} == {"standards", "supervisor", "supervisor2", "head"}
    assert all(set(one["content"]) == {"id", "type", "glass_id", "reference", "until"} for one in letters)
    [shown] = await world.as_("standards").must_get("/v1/break-glass")
    assert (shown["staff_id"], shown["reason"]) == (str(STAFF["officer"].id), WHY)
    timeline = await world.as_("supervisor").must_get(path(case, "timeline"))
    assert [one["recorded_by"] for one in timeline["items"] if one["kind"] == "glass_broken"] == ["Staff officer"]
    settings.cache_clear()


async def test_it_opens_another_forces_case_to_read_and_make_safe_and_no_more(world: World) -> None:
    case = await intake.opened(world)
    officer = world.as_("other_officer")
    with world.unchanged():
        assert not await seen_by(world, case, "other_officer")
    assert (await broken(world, "other_officer", case_id=case)).status_code == 201
    assert (await officer.get(path(case, "timeline"))).status_code == 200
    victim = intake.parties(world, case)["potential_victim"][0]
    plan = {"potential_victim_id": victim, "plan": "Stays with her sister.", "review_on": "2026-05-20"}
    await officer.must_post(path(case, "safety-plans"), plan)
    await officer.must_post(path(case, "safeguarding-actions"), {"action": "Marker on the address.", "done_by": "Duty"})
    attempt = {"party_id": victim, "means": "telephone", "outcome": "spoke"}
    await officer.must_post(path(case, "contact-attempts"), attempt)
    graded = {"grade": "high", "immediate": True, "reason": "He is on his way."}
    await officer.must_post(path(case, "risk-grades"), graded)
    with world.unchanged(refusals=2):
        withdrawal = {"taken_by": "Officer", "means": "telephone", "by_safe_means": True}
        assert told(await officer.post(path(case, "withdrawal"), withdrawal)) == (403, "through_glass_only")
        decision = {"decision": "progress"}
        answer = await officer.post(path(case, "initial-decision"), decision, headers=version_of(world, case))
        assert told(answer) == (403, "through_glass_only")
    [task] = world.rows("SELECT force_id, for_role FROM task WHERE kind = 'glass_broken'")
    assert (task["force_id"], task["for_role"]) == (OWN, "professional_standards")
    items = (await officer.must_get("/v1/applications"))["items"]
    assert [one["id"] for one in items] == []  # the worklist stays the own force's


async def test_the_database_itself_lets_nothing_else_be_written_through_it(world: World) -> None:
    """A service that forgot to ask would be refused all the same."""
    case = await opened(world)
    await broken(world, "officer", case_id=case)
    tables = world.rows("SELECT tablename FROM pg_policies WHERE policyname = 'glass_insert'")
    open_ones = world.rows(
        "SELECT tablename FROM pg_policies WHERE policyname = 'withheld' AND tablename <> 'access_log' "
        "EXCEPT SELECT tablename FROM pg_policies WHERE policyname = 'glass_insert'"
    )
    assert len(tables) > 40
    assert "safety_plan" in {one["tablename"] for one in open_ones}
    assert "disclosure" not in {one["tablename"] for one in open_ones}


@pytest.mark.parametrize("key", ["officer", "control_room", "head"])
async def test_an_excluded_person_is_answered_as_for_no_case_at_all(world: World, key: str) -> None:
    case = await opened(world)
    decider = {"head": "standards"}.get(key, "supervisor")
    assert (await decide(world, case, decider, key, "excluded")).status_code == 201
    with world.unchanged(refusals=2):
        answers = [await broken(world, key, case_id=one) for one in (case, NOBODY)]
    assert [told(one) for one in answers] == [(404, "case_not_found")] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    assert world.rows("SELECT * FROM broken_glass") == []
    assert (await world.as_("standards").must_get("/v1/tasks"))["items"] == []
    await worker(world)
    assert len(world.rows("SELECT 1 FROM duty WHERE code = 'attempted_access'")) == 1


async def test_it_ends_by_itself(world: World) -> None:
    case = await opened(world)
    assert (await broken(world, "officer", case_id=case)).status_code == 201
    world.execute("UPDATE broken_glass SET since = since - interval '5 hours', until = until - interval '4.01 hours'")
    assert not await seen_by(world, case, "officer")
    assert (await broken(world, "officer", case_id=case)).status_code == 201  # and is broken anew, which is told anew
    assert len(world.rows("SELECT 1 FROM task WHERE kind = 'glass_broken'")) == 2


async def test_professional_standards_end_it_at_once_and_nobody_judges_the_own(world: World) -> None:
    case = await opened(world)
    glass = (await broken(world, "officer", case_id=case)).json()["id"]
    end = {"reason": "A colleague who may was on duty."}
    with world.unchanged(refusals=2):
        assert (await world.as_("officer").post(f"/v1/break-glass/{glass}/end", end)).status_code == 403
        assert told(await world.as_("head").post(f"/v1/break-glass/{NOBODY}/end", end)) == (404, "glass_not_found")
    also = "UPDATE staff_member SET roles = roles || '{professional_standards,head_of_public_protection}' WHERE id = %s"
    before = "UPDATE staff_member SET roles = '{public_protection_officer}' WHERE id = %s"
    world.execute(also, STAFF["officer"].id)
    task = world.rows("SELECT id FROM task WHERE kind = 'glass_broken'")[0]["id"]
    with world.unchanged(refusals=2):
        assert told(await world.as_("officer").post(f"/v1/break-glass/{glass}/end", end)) == (403, "own_doing")
        answer = await world.as_("officer").post(f"/v1/tasks/{task}/answer", {"answer": "It was right."})
        assert told(answer) == (404, "task_not_found")
    shown = (await world.as_("officer").must_get("/v1/tasks"))["items"]
    assert [one for one in shown if one["kind"] == "glass_broken"] == []
    world.execute(before, STAFF["officer"].id)
    assert await seen_by(world, case, "officer")
    await world.as_("standards").must_post(f"/v1/break-glass/{glass}/end", end)
    assert not await seen_by(world, case, "officer")
    with world.unchanged():
        again = await world.as_("standards").post(f"/v1/break-glass/{glass}/end", end)
    assert told(again) == (409, "glass_over")
    await world.as_("standards").must_post(f"/v1/tasks/{task}/answer", {"answer": "It was not needed."})


async def test_who_sees_the_case_breaks_nothing_and_nobody_breaks_it_twice(world: World) -> None:
    case = await opened(world)
    with world.unchanged(refusals=2):
        assert told(await broken(world, "supervisor", case_id=case)) == (409, "glass_not_needed")
        assert told(await broken(world, "intelligence", case_id=case)) == (403, "role_may_not")
    key = {"Idempotency-Key": "glass-0001"}
    body: dict[str, Any] = {"case_id": case, "reason": WHY}
    first = await world.as_("officer").must_post("/v1/break-glass", body, headers=key)
    assert await world.as_("officer").must_post("/v1/break-glass", body, headers=key) == first
    with world.unchanged(refusals=4):
        assert told(await broken(world, "officer", case_id=case)) == (409, "glass_not_needed")
        for wrong in (
            {"reason": WHY},
            {"case_id": case, "reference": "DVDS-X", "reason": WHY},
            {**body, "reason": "X"},
        ):
            assert (await world.as_("officer").post("/v1/break-glass", wrong)).status_code == 422
    await decide(world, case, "supervisor", "officer", "excluded")
    with world.unchanged():
        assert told(await world.as_("officer").post("/v1/break-glass", body, headers=key)) == (404, "case_not_found")


async def test_whoever_is_let_in_meanwhile_is_bound_by_the_glass_no_longer(world: World) -> None:
    case = await opened(world)
    await broken(world, "officer", case_id=case)
    child = {"child": intake.CHILD}
    also = "UPDATE staff_member SET roles = '{public_protection_officer}' WHERE id = %s"
    world.execute(also, STAFF["officer"].id)
    with world.unchanged():
        assert told(await world.as_("officer").post(path(case, "parties"), child)) == (403, "through_glass_only")
    assert (await decide(world, case, "supervisor", "officer", "allowed")).status_code == 201
    await world.as_("officer").must_post(path(case, "parties"), child)


async def test_it_falls_with_the_role_that_broke_it(world: World) -> None:
    case = await intake.opened(world)
    assert (await broken(world, "other_officer", case_id=case)).status_code == 201
    assert await seen_by(world, case, "other_officer")
    world.execute("UPDATE staff_member SET roles = '{intelligence_officer}' WHERE id = %s", STAFF["other_officer"].id)
    assert not await seen_by(world, case, "other_officer")
    assert world.rows("SELECT force_id FROM staff_member WHERE id = %s", STAFF["other_officer"].id) == [
        {"force_id": OTHER}
    ]


THERE = "other_control_room"
"""Who keeps professional standards of the other force, where a test gives it somebody."""


def over_there(monkeypatch: pytest.MonkeyPatch, world: World, *more: str, **settings: str) -> None:
    """Mail is on, and the other force has professional standards with an address."""
    mail_on(monkeypatch, world, THERE, *more, **settings)
    world.execute("UPDATE staff_member SET roles = '{professional_standards}' WHERE id = %s", STAFF[THERE].id)


def asked_of_standards(world: World) -> dict[str, dict[str, Any]]:
    """The open tasks of professional standards, by kind."""
    return {one["kind"]: one for one in world.rows("SELECT * FROM task WHERE for_role = 'professional_standards'")}


async def test_professional_standards_of_the_breakers_own_force_have_a_letter_worded_for_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_there(monkeypatch, world, "standards", "other_supervisor")
    case = await intake.opened(world)
    reference = world.rows("SELECT reference FROM application")[0]["reference"]
    assert (await broken(world, "other_officer", case_id=case)).status_code == 201
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == [THERE, "standards"]
    said = {str(one["To"]): one.get_content().splitlines() for one in outside.letters()}
    assert all(lines[0] == f"Case: {reference}" for lines in said.values())
    assert said[address("standards")][1::2] == ["The glass was broken.", "See your tasks."]
    there = said[address(THERE)]
    assert there[1] == f"Somebody of your force broke the glass over this case of another force ({OWN})."
    assert there[3] == "Professional standards of that force review it: ask them who it was, and why."
    assert [row["given_up_at"] for row in outbox(world)] == [None, None]
    assert set(asked_of_standards(world)) == {"glass_broken"}
    assert "mail" not in asked_of_standards(world)["glass_broken"]["says"]


@pytest.mark.parametrize("kept_out", ["excluded", "not_compared", "nobody"])
async def test_no_letter_goes_to_one_whom_the_case_excludes_or_who_is_like_a_party_and_the_review_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, kept_out: str
) -> None:
    over_there(monkeypatch, world, "standards")
    case = await intake.opened(world)
    if kept_out == "excluded":
        assert (await decide(world, case, "standards", THERE, "excluded")).status_code == 201
    elif kept_out == "not_compared":
        called(world, THERE, "Alan Merrick")
    else:
        world.execute("UPDATE staff_member SET email = NULL WHERE id = %s", STAFF[THERE].id)
    await broken(world, "other_officer", case_id=case)
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["standards"]
    assert "of the force of whoever broke it had no mail" in asked_of_standards(world)["glass_broken"]["says"]


@pytest.mark.parametrize("meanwhile", ["excluded", "not_compared", "left", "role"])
async def test_a_letter_that_may_not_be_sent_any_longer_is_not_and_a_task_says_who_was_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    over_there(monkeypatch, world, "standards")
    case = await intake.opened(world)
    glass = (await broken(world, "other_officer", case_id=case)).json()["id"]
    if meanwhile == "excluded":
        assert (await decide(world, case, "standards", THERE, "excluded")).status_code == 201
    elif meanwhile == "not_compared":
        called(world, THERE, "Alan Merrick")
    else:
        gone = "active = false" if meanwhile == "left" else "roles = '{control_room}'"
        world.execute(f"UPDATE staff_member SET {gone} WHERE id = %s", STAFF[THERE].id)
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["standards"]
    task = asked_of_standards(world)["delivery_given_up"]
    assert (task["about"], str(task["case_id"]), task["force_id"]) == (f"glass:{glass}:abroad", case, OWN)
    assert task["kept_from"] == STAFF["other_officer"].id
    assert "did not reach professional standards of the force of whoever broke it" in task["says"]
    shown = (await world.as_("standards").must_get("/v1/tasks"))["items"]
    assert {one["kind"] for one in shown} == {"glass_broken", "delivery_given_up"}


async def test_a_letter_that_no_mailbox_takes_is_told_where_the_mailbox_is_and_before_the_review(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_there(monkeypatch, world)
    world.execute("UPDATE staff_member SET email = 'elsewhere@example.org' WHERE id = %s", STAFF[THERE].id)
    await broken(world, "other_officer", case_id=await intake.opened(world))
    await Outside(world).deliver()
    tasks = world.rows("SELECT for_role, force_id, case_id FROM task WHERE kind = 'delivery_given_up'")
    assert {(one["for_role"], one["force_id"], one["case_id"] is None) for one in tasks} == {
        ("professional_standards", OWN, False),
        ("public_protection_supervisor", OTHER, True),
    }


async def test_a_supervisor_who_left_before_the_letter_went_is_missed_by_the_review_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_on(monkeypatch, world, "supervisor", "standards")
    glass = (await broken(world, "officer", case_id=await opened(world))).json()["id"]
    world.execute("UPDATE staff_member SET force_id = %s WHERE id = %s", OTHER, STAFF["supervisor"].id)
    outside = Outside(world)
    await outside.deliver()
    assert outside.mailed_to() == ["standards"]
    assert asked_of_standards(world)["delivery_given_up"]["about"] == f"glass:{glass}"
