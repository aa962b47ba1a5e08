"""A case about police or staff is withheld from everybody who is not allowed to see it (H2.8)."""

from datetime import timedelta
from typing import Any

import pytest

from app.access.names import account_keys
from app.clock import real_now
from app.intake.watching import watch_attempts, watch_pointers
from app.jobs import compare_accounts
from app.storage.engine import DatabaseRole, engine_for, sessions
from tests.arrange import version_of
from tests.evidence.numbering import number_all, numbering
from tests.steps import final_report, intake
from tests.steps.final_report import path
from tests.world import STAFF, World

POLICE = {**intake.SUBJECT, "police_employment": "Northmoor Police"}
NOBODY = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"


async def opened(world: World) -> str:
    """A case whose subject is a police officer."""
    return await intake.opened(world, intake.right_to_ask(world, subject=POLICE))


async def worker(world: World) -> None:
    """What the worker does for withheld cases, in this process."""
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    await compare_accounts(sessions(engine), world.now)
    async with sessions(engine).begin() as session:
        await watch_attempts(session, now=world.now)
    async with sessions(engine).begin() as session:
        await watch_pointers(session, now=world.now)
    await engine.dispose()


def called(world: World, key: str, name: str, born: str | None = None) -> None:
    """Give an account a name, as if it were a new one."""
    world.execute(
        "UPDATE staff_member SET name = %s, name_keys = %s, born = %s, compared = false WHERE id = %s",
        name,
        list(account_keys(name)),
        born,
        STAFF[key].id,
    )


async def seen_by(world: World, case: str, key: str) -> bool:
    return (await world.as_(key).get(f"/v1/applications/{case}")).status_code == 200


async def decide(world: World, case: str, by: str, staff: str, kind: str) -> Any:
    body = {"staff_id": str(STAFF[staff].id), "kind": kind, "reason": "Needed for the case."}
    return await world.as_(by).post(path(case, "access"), body, headers=version_of(world, case))


async def test_only_who_opened_it_supervisors_of_the_rank_and_professional_standards_see_it(world: World) -> None:
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE id = %s", STAFF["supervisor2"].id)
    case = await opened(world)
    seeing = {key for key in STAFF if await seen_by(world, case, key)}
    assert seeing == {"control_room", "supervisor", "head", "standards"}


async def test_to_everybody_else_it_is_like_a_case_that_does_not_exist(world: World) -> None:
    case = await opened(world)
    reference = world.rows("SELECT reference FROM application")[0]["reference"]
    officer = world.as_("officer")
    with world.unchanged(refusals=8):
        for address in ("", "/timeline", "/clocks", "/duties"):
            answers = [await officer.get(f"/v1/applications/{one}{address}") for one in (case, NOBODY)]
            problems = [{**one.json(), "request_id": ""} for one in answers]
            assert problems[0] == problems[1]
    assert (await officer.must_get("/v1/applications"))["items"] == []
    assert (await officer.must_get("/v1/duties"))["items"] == []
    assert await officer.must_post("/v1/applications/search", {"surname": "Merrick"}) == []
    assert await officer.must_post("/v1/applications/search", {"reference": reference}) == []
    world.forward(hours=13)
    await world.sweep()
    assert (await officer.must_get("/v1/alerts"))["items"] == []
    assert (await world.as_("supervisor").must_get("/v1/applications"))["items"] != []


async def test_an_earlier_application_that_is_withheld_is_pointed_at_for_nobody_else(world: World) -> None:
    case = await opened(world)
    reference = world.rows("SELECT reference FROM application WHERE id = %s", case)[0]["reference"]

    async def pointed_at(key: str, victim: dict[str, Any]) -> bool:
        about = intake.right_to_know(world, potential_victims=[victim])
        found = await world.as_(key).must_post("/v1/applications", about)
        return reference in [one["reference"] for one in found["earlier_applications"]]

    assert not await pointed_at("other_control_room", intake.SECOND_VICTIM)
    assert not await pointed_at("officer", intake.SECOND_VICTIM)
    assert await pointed_at("supervisor", {**intake.SECOND_VICTIM, "given_names": "Ilse", "born": "1993-01-09"})


async def test_a_supervisor_of_the_rank_allows_and_ends_it_again(world: World) -> None:
    case = await opened(world)
    answer = await decide(world, case, "supervisor", "officer", "allowed")
    assert answer.status_code == 201, answer.text
    assert await seen_by(world, case, "officer")
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE id = %s", STAFF["supervisor2"].id)
    assert (await decide(world, case, "supervisor", "supervisor2", "allowed")).status_code == 201
    with world.unchanged():
        assert (await decide(world, case, "supervisor2", "officer2", "allowed")).json()["type"].endswith("rank_too_low")
    end = f"access/{answer.json()['id']}/end"
    await world.as_("standards").must_post(path(case, end), {"reason": "Done."}, headers=version_of(world, case))
    assert not await seen_by(world, case, "officer")
    kept = await world.as_("supervisor").must_get(path(case, "access"))
    assert [one["ended_because"] for one in kept if one["staff_id"] == str(STAFF["officer"].id)] == ["Done."]


async def test_whoever_is_given_the_case_sees_it_and_nobody_excluded_is_given_it(world: World) -> None:
    case = await opened(world)
    order = {"staff_id": str(STAFF["officer"].id), "reason": "Has the training."}
    await world.as_("supervisor").must_post(path(case, "assignment"), order, headers=version_of(world, case))
    assert await seen_by(world, case, "officer")
    assert (await decide(world, case, "supervisor", "officer2", "excluded")).status_code == 201
    order = {"staff_id": str(STAFF["officer2"].id), "reason": "Next on the rota."}
    with world.unchanged():
        answer = await world.as_("supervisor").post(path(case, "assignment"), order, headers=version_of(world, case))
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:excluded")


@pytest.mark.parametrize("key", ["supervisor", "standards", "head", "control_room"])
async def test_exclusion_beats_every_role_and_every_permission(world: World, key: str) -> None:
    case = await opened(world)
    assert await seen_by(world, case, key)
    decider = {"standards": "head", "head": "standards"}.get(key, "supervisor2")
    assert (await decide(world, case, decider, key, "excluded")).status_code == 201
    assert not await seen_by(world, case, key)
    assert (await world.as_(key).get("/v1/applications")).status_code == 200
    with world.unchanged():
        again = await decide(world, case, decider, key, "allowed")
        assert again.json()["type"] == "urn:clares-law:problem:excluded"
    if key == "standards":
        log = await world.as_(key).must_get("/v1/access-log", params={"purpose": "lawfulness"})
        assert all(one["case_id"] != case for one in log["items"])


async def test_an_attempt_by_way_of_a_receipt_is_one_too(world: World) -> None:
    case = await opened(world)
    assert (await decide(world, case, "standards", "auditor", "excluded")).status_code == 201
    record = world.rows("SELECT id FROM initial_contact WHERE case_id = %s", case)[0]["id"]

    async def tried() -> list[str]:
        await worker(world)
        owed = await world.as_("standards").must_get("/v1/duties", params={"kind": "police_involvement"})
        return [one["code"] for one in owed["items"] if one["code"] == "attempted_access"]

    with world.unchanged():
        assert (await world.as_("auditor").get(f"/v1/evidence/receipts/{record}")).status_code == 404
    assert await tried() == [], "of no case that is known, before it is numbered"
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    assert await tried() == ["attempted_access"]
    log = world.rows("SELECT id FROM access_log WHERE case_id = %s AND NOT refused LIMIT 1", case)[0]["id"]
    world.execute("DELETE FROM duty WHERE case_id = %s AND code = 'attempted_access'", case)
    world.forward(days=1)
    assert (await world.as_("auditor").get(f"/v1/evidence/receipts/{log}")).status_code == 404
    assert (await world.as_("standards").get(f"/v1/evidence/receipts/{log}")).status_code == 200
    assert await tried() == ["attempted_access"], "a row of the log leads to its case as well"


async def test_an_attempt_is_refused_and_told_to_those_who_see_the_case(world: World) -> None:
    case = await opened(world)
    for _ in range(2):
        assert not await seen_by(world, case, "officer")
    assert (await world.as_("supervisor").get(path(case, "no-such-thing"))).status_code == 404
    await worker(world)
    await worker(world)
    owed = await world.as_("standards").must_get("/v1/duties", params={"kind": "police_involvement"})
    [tried] = [one for one in owed["items"] if one["code"] == "attempted_access"]
    assert tried["about_id"] == str(STAFF["officer"].id)
    told = await world.as_("supervisor").must_get(path(case, "timeline"))
    attempts = [one for one in told["items"] if one["kind"] == "attempted_access"]
    assert [one["recorded_by"] for one in attempts] == ["Staff officer"]  # one for each day
    answer = {"answer": "Spoken to: a mistyped address."}
    await world.as_("supervisor").must_post(path(case, f"duties/{tried['id']}/answer"), answer)


async def test_an_account_that_is_a_party_sees_nothing_and_the_case_is_flagged(world: World) -> None:
    name, born = "DI Alan Merrick", intake.SUBJECT["born"]
    called(world, "supervisor", name, born)
    await worker(world)
    case = await intake.opened(world)
    file = await world.as_("supervisor2").must_get(f"/v1/applications/{case}")
    assert file["police_involved"] is True
    assert not await seen_by(world, case, "supervisor")
    assert not await seen_by(world, case, "officer")


async def test_an_account_with_a_partys_name_alone_is_kept_out_until_somebody_has_compared(world: World) -> None:
    called(world, "officer", "PC A. Merrick")
    await worker(world)
    case = await intake.opened(world)
    assert [await seen_by(world, case, key) for key in ("officer", "officer2")] == [False, True]
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    assert file["police_involved"] is False
    assert [one["code"] for one in file["duties"] if one["kind"] == "police_involvement"] == ["may_have_account"]
    [entry] = await world.as_("supervisor").must_get(path(case, "access"))
    body = {"reason": "Two people: compared by staff number."}
    end = path(case, f"access/{entry['id']}/end")
    await world.as_("supervisor").must_post(end, body, headers=version_of(world, case))
    assert await seen_by(world, case, "officer")
    child = {"child": intake.CHILD}
    await world.as_("control_room").must_post(path(case, "parties"), child)
    assert await seen_by(world, case, "officer")


async def test_a_new_account_is_compared_with_the_parties_of_every_case(world: World) -> None:
    case = await intake.opened(world)
    other = await intake.opened(
        world, intake.right_to_ask(world, subject={**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"})
    )
    account = {
        "subject": "new-one",
        "name": "PC Alan Merrick",
        "roles": ["public_protection_officer"],
        "born": intake.SUBJECT["born"],
    }
    made = await world.as_("administrator").must_post("/v1/staff", account)
    assert "born" not in made
    await worker(world)
    token = world.issuer.issue("new-one", now=real_now(), lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}", "Access-Reason": "cover"}
    answers = [(await world.http.get(f"/v1/applications/{one}", headers=headers)).status_code for one in (case, other)]
    assert answers == [404, 200]
    file = await world.as_("supervisor").must_get(f"/v1/applications/{case}")
    assert file["police_involved"] is True


async def test_a_case_that_carries_on_a_withheld_one_is_withheld_too(world: World) -> None:
    case = await opened(world)
    await decide(world, case, "standards", "head", "excluded")
    await final_report.withdraw(world, case, by="supervisor")
    await final_report.decide_withdrawal(world, case, by="supervisor2", carry_on=True)
    linked = str(world.rows("SELECT id FROM application WHERE follows_id = %s", case)[0]["id"])
    assert [await seen_by(world, linked, key) for key in ("officer", "head", "supervisor")] == [False, False, True]
