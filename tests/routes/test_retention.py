"""Closed cases: kept by group, reviewed on the day, frozen where somebody came to harm, erased by two people."""

import asyncio
from datetime import date

import pytest

from tests.arrange import version_of
from tests.services.test_excluded_reader import exclude
from tests.steps import intake, retention
from tests.world import STAFF, World


async def test_a_case_that_closes_has_its_group_and_its_date_and_says_how_it_came_about(world: World) -> None:
    case = await intake.opened(world)
    before = await world.as_("officer").must_get(retention.path(case, "retention"))
    assert before["dates"] is None and "has not closed" in before["working"][0]
    case = await retention.closed(world, intake.third_party_asks(world, subject={"surname": "Other"}))
    shown = await world.as_("officer").must_get(retention.path(case, "retention"))
    assert shown["dates"]["group"] == "other"
    assert (shown["dates"]["closed_on"], shown["dates"]["review_on"]) == ("2026-05-05", "2032-05-05")
    assert shown["working"][0] == "The case closed on 5 May 2026."
    assert "kept 6 years" in shown["working"][2]
    assert shown["frozen"] is False


async def test_a_case_of_high_risk_is_kept_longer(world: World) -> None:
    case = await intake.opened(world)
    grade = {"grade": "high", "reason": "He threatened her.", "immediate": False}
    await world.as_("officer").must_post(retention.path(case, "risk-grades"), grade)
    from tests.steps import final_report

    await final_report.withdraw(world, case)
    await final_report.decide_withdrawal(world, case)
    await final_report.settle_and_close(world, case, intake.parties(world, case)["potential_victim"])
    kept = world.rows("SELECT group_code, keep_until FROM retention WHERE case_id = %s", case)
    assert kept == [{"group_code": "public_protection", "keep_until": date(2036, 5, 5)}]


async def test_the_queue_shows_what_is_due_to_reviewers_alone_and_no_name(world: World) -> None:
    case = await retention.closed(world)
    assert (await world.as_("head").must_get("/v1/retention/reviews"))["items"] == []
    world.forward(days=366 * 6)
    for key in ("head", "standards"):
        answer = await world.as_(key).get("/v1/retention/reviews")
        (found,) = answer.json()["items"]
        assert found["case_id"] == case and not found["awaits_second_person"] and not found["frozen"]
        assert "Tarrant" not in answer.text and "Merrick" not in answer.text
    for key in ("officer", "supervisor", "auditor", "administrator", "probation"):
        assert (await world.as_(key).get("/v1/retention/reviews")).status_code == 403


async def test_it_is_not_decided_before_it_is_due(world: World) -> None:
    case = await retention.closed(world)
    with world.unchanged():
        early = await retention.decide(world, case)
    assert [one["code"] for one in early.json()["obstacles"]] == ["review_not_due"]


async def test_keeping_moves_the_date_and_the_working_says_so(world: World) -> None:
    case = await retention.due(world)
    with world.unchanged():
        wrong = await retention.decide(world, case, verdict="keep", review_on="2036-01-01")
    assert wrong.status_code == 422
    with world.unchanged():
        far = await retention.decide(world, case, verdict="keep", ground="links", review_on="2050-01-01")
    assert [one["code"] for one in far.json()["obstacles"]] == ["review_out_of_range"]
    kept = await retention.decide(world, case, verdict="keep", ground="links", review_on="2035-01-01")
    assert kept.status_code == 201, kept.text
    shown = await world.as_("head").must_get(retention.path(case, "retention"))
    assert shown["dates"]["review_on"] == "2035-01-01" and shown["dates"]["keep_until"] == "2032-05-05"
    assert any("moved to 1 January 2035" in one for one in shown["working"])
    with world.unchanged():
        again = await retention.decide(world, case)
    assert [one["code"] for one in again.json()["obstacles"]] == ["review_not_due"]


async def test_one_person_erases_nothing(world: World) -> None:
    case = await retention.due(world)
    with world.unchanged():
        nothing = await retention.agree(world, case)
    assert nothing.json()["type"].endswith("no_erasure_to_agree")
    assert (await retention.decide(world, case)).status_code == 201
    with world.unchanged():
        same = await retention.agree(world, case, by="head")
    assert [one["code"] for one in same.json()["obstacles"]] == ["same_person"]
    with world.unchanged():
        officer = await retention.agree(world, case, by="supervisor")
    assert officer.status_code == 403
    with world.unchanged():
        twice = await retention.decide(world, case, by="standards")
    assert twice.json()["type"].endswith("erasure_awaits_agreement")
    assert (await retention.agree(world, case, agrees=False)).status_code == 201
    assert world.rows("SELECT erased_at FROM application WHERE id = %s", case) == [{"erased_at": None}]
    assert (await retention.decide(world, case)).status_code == 201


async def test_an_erased_case_is_proof_and_nothing_else(world: World) -> None:
    case = await retention.erased(world)
    gone = await world.as_("officer").get(f"/v1/applications/{case}")
    assert gone.status_code == 410 and gone.json()["type"].endswith("case_erased")
    assert (await world.as_("other_officer").get(f"/v1/applications/{case}")).status_code == 404
    proof = await world.as_("auditor").must_get(retention.path(case, "erasure"))
    assert (proof["outcome"], proof["group"]) == ("withdrawn", "other")
    assert proof["decided_by"] != proof["agreed_by"]
    logged = world.rows("SELECT category FROM access_log WHERE case_id = %s ORDER BY logged_at", case)
    assert [row["category"] for row in logged].count("erasure") == 1
    listed = await world.as_("officer").must_get("/v1/applications?stage=closed")
    assert listed["items"] == []
    assert await world.as_("officer").must_post("/v1/applications/search", {"reference": proof["reference"]}) == []
    reports = await world.as_("intelligence").must_get("/v1/final-reports")
    assert reports["items"] == []
    assert (await world.as_("head").must_get("/v1/retention/reviews"))["items"] == []


async def test_whoever_reads_what_is_left_of_an_erased_case_says_why_as_of_any_other(world: World) -> None:
    kept = await retention.closed(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": "Kept"}))
    case = await retention.erased(world)
    address = retention.path(case, "erasure")

    async def asked(key: str, **reason: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {world.as_(key).token}", **reason}
        answer = await world.http.get(address, headers=headers)
        return answer.status_code, answer.json().get("type", "").rpartition(":")[2]

    assert await asked("officer2") == (428, "reason_required")
    assert await asked("officer2", **{"Access-Reason": "review"}) == (200, "")
    assert await asked("auditor") == (200, "")
    assert await asked("other_officer", **{"Access-Reason": "review"}) == (404, "case_not_found")
    logged = "SELECT decision, rule, reason FROM access_log WHERE case_id = %s AND staff_id = %s ORDER BY logged_at"
    assert [tuple(row.values()) for row in world.rows(logged, case, STAFF["officer2"].id)] == [
        ("reason_required", "force", None),
        ("allowed", "force", "review"),
    ]
    exclude(world, case, "officer2")
    assert await asked("officer2", **{"Access-Reason": "review"}) == (404, "case_not_found")
    address = retention.path(kept, "erasure")
    assert await asked("standards") == (404, "case_not_found")


async def test_two_second_persons_at_once_erase_once(world: World) -> None:
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    world.execute(
        "UPDATE staff_member SET roles = array_append(roles, 'professional_standards') WHERE subject = %s", "supervisor"
    )
    answers = await asyncio.gather(retention.agree(world, case), retention.agree(world, case, by="supervisor"))
    assert sorted(one.status_code for one in answers) in ([201, 410], [201, 412])
    assert len(world.rows("SELECT id FROM erasure")) == 1


async def test_a_frozen_case_is_not_erased_until_two_people_lift_it(world: World) -> None:
    case = await retention.due(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    assert (await retention.decide(world, case)).status_code == 201
    answer = await retention.freeze(world, case, because="death", potential_victim_id=victim)
    assert answer.status_code == 201, answer.text
    frozen = answer.json()["id"]
    for key in ("standards", "head"):
        told = await world.as_(key).must_get("/v1/tasks")
        assert [one["kind"] for one in told["items"]] == ["case_frozen"]
        assert "Tarrant" not in str(told)
    with world.unchanged():
        refused = await retention.agree(world, case)
    assert [one["code"] for one in refused.json()["obstacles"]] == ["frozen"]
    lifting = retention.path(case, f"freezes/{frozen}/lifting")
    reason = {"reason": "The inquest is over."}
    await world.as_("head").must_post(lifting, reason, headers=version_of(world, case))
    agrees = {"agrees": True, **reason}
    with world.unchanged():
        same = await world.as_("head").post(f"{lifting}/agreement", agrees, headers=version_of(world, case))
    assert same.status_code == 409
    with world.unchanged():
        still = await retention.agree(world, case)
    assert still.status_code == 409
    refuses = {"agrees": False, "reason": "It is not."}
    await world.as_("standards").must_post(f"{lifting}/agreement", refuses, headers=version_of(world, case))
    world.forward(hours=1)
    await world.as_("head").must_post(lifting, {"reason": "Now it is."}, headers=version_of(world, case))
    (shown,) = (await world.as_("standards").must_get(retention.path(case, "retention")))["freezes"]
    assert (shown["lifted_at"], shown["lifting_asked_by"]) == (None, str(STAFF["head"].id))
    await world.as_("standards").must_post(f"{lifting}/agreement", agrees, headers=version_of(world, case))
    (shown,) = (await world.as_("standards").must_get(retention.path(case, "retention")))["freezes"]
    assert shown["lifted_at"] is not None and shown["lifting_asked_by"] is None
    told = [(one["reason"], one["agreed"], one["answer"]) for one in shown["liftings"]]
    assert told == [("The inquest is over.", False, "It is not."), ("Now it is.", True, "The inquest is over.")]
    assert (await retention.agree(world, case)).status_code == 201


@pytest.mark.parametrize("because", ["death", "grave_harm"])
async def test_harm_comes_to_somebody_and_an_open_case_is_frozen_too(world: World, because: str) -> None:
    case = await intake.opened(world)
    with world.unchanged():
        nobody = await retention.freeze(world, case, because=because)
    assert nobody.status_code == 422
    victim = intake.parties(world, case)["potential_victim"][0]
    assert (await retention.freeze(world, case, because=because, potential_victim_id=victim)).status_code == 201
    shown = await world.as_("standards").must_get(retention.path(case, "retention"))
    assert shown["frozen"] and [one["because"] for one in shown["freezes"]] == [because]


async def test_of_the_request_that_erased_a_case_no_hash_is_kept(world: World) -> None:
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    headers = {**version_of(world, case), "Idempotency-Key": "agreed-to-erase-it"}
    body = {"agrees": True, "reason": "Read and agreed."}
    agreed = await world.as_("standards").post(retention.path(case, "retention/agreement"), body, headers=headers)
    assert agreed.status_code == 201, agreed.text
    kept = world.rows("SELECT fingerprint, case_id FROM answered_request WHERE key = 'agreed-to-erase-it'")
    assert kept == [{"fingerprint": "", "case_id": None}]
    again = await world.as_("standards").post(retention.path(case, "retention/agreement"), body, headers=headers)
    assert again.status_code == 410, "what was asked was done, and the case says so"
