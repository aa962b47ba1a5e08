"""The log (H12.1)."""

import json
from uuid import uuid4

import pytest

from app.process import Stage
from tests.arrange import insert, place_at
from tests.evidence.numbering import number_all, numbering
from tests.services.test_excluded_reader import exclude
from tests.steps import forum, intake
from tests.world import OWN, STAFF, World

READ = {"purpose": "lawfulness"}


async def test_the_auditor_reads_who_touched_a_case_and_is_logged_with_the_purpose(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    auditor = world.as_("auditor")
    for _ in range(2):
        rows = (await auditor.must_get("/v1/access-log", params={**READ, "case_id": case}))["items"]
    assert [(row["category"], row["action"], row["staff_id"], row["role"], row["reason"]) for row in rows] == [
        ("consultation", "read_log", str(STAFF["auditor"].id), "auditor", "lawfulness"),
        ("consultation", "read_case", str(STAFF["officer"].id), "public_protection_officer", "cover"),
        ("collection", "send_information", str(STAFF["control_room"].id), "control_room", None),
    ]
    page = await auditor.must_get("/v1/access-log", params={**READ, "case_id": case, "limit": 1})
    assert page["next_cursor"]


@pytest.mark.parametrize("purpose", [None, "", "curiosity"])
async def test_the_log_is_read_for_a_purpose_that_the_law_names_or_not_at_all(
    world: World, purpose: str | None
) -> None:
    with world.unchanged():
        answer = await world.as_("standards").get(
            "/v1/access-log", params={} if purpose is None else {"purpose": purpose}
        )
    assert answer.status_code == 422


async def test_asking_twice_tells_a_case_that_is_withheld_from_no_other_id(world: World) -> None:
    withheld = await intake.opened(world)
    foreign = await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    exclude(world, withheld, "auditor")
    answers = []
    for asked in (str(uuid4()), withheld, foreign["id"]):
        for _ in range(2):
            rows = (await world.as_("auditor").must_get("/v1/access-log", params={**READ, "case_id": asked}))["items"]
        told = [{name: one[name] for name in one if name not in ("id", "logged_at", "request_id")} for one in rows]
        answers.append(json.dumps(told).replace(asked, "the id"))
    assert len(rows) == 1
    assert answers[0] == answers[1] == answers[2]


async def test_what_others_asked_of_the_log_tells_a_case_that_is_withheld_from_no_other_id(world: World) -> None:
    withheld = await intake.opened(world)
    exclude(world, withheld, "auditor")
    await world.as_("standards").must_get("/v1/access-log", params={**READ, "case_id": withheld})
    for asked in (str(uuid4()), withheld):
        rows = (await world.as_("auditor").must_get("/v1/access-log", params={**READ, "case_id": asked}))["items"]
        assert rows == [], asked
    rows = (await world.as_("auditor").must_get("/v1/access-log", params=READ))["items"]
    assert {row["staff_id"] for row in rows} == {str(STAFF["auditor"].id)}
    assert withheld in {row["event_id"] for row in rows}, "what one asked oneself stays, as of any id"
    row = world.rows("SELECT id FROM access_log WHERE staff_id = %s", STAFF["standards"].id)[0]["id"]
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    for reader, status in (("auditor", 404), ("standards", 200)):
        assert (await world.as_(reader).get(f"/v1/evidence/receipts/{row}")).status_code == status
    rows = (await world.as_("standards").must_get("/v1/access-log", params={**READ, "case_id": withheld}))["items"]
    assert {row["staff_id"] for row in rows} >= {str(STAFF["auditor"].id), str(STAFF["standards"].id)}


async def test_whoever_a_task_is_kept_from_finds_it_nowhere_in_the_log(world: World) -> None:
    """The suspect reads the log by office, and is told of the task neither by its answer nor by what lists show."""
    case = await intake.opened(world)
    world.execute("UPDATE staff_member SET roles = '{professional_standards}' WHERE subject = 'intelligence'")
    about = {"force_id": OWN, "for_role": "professional_standards", "opened_at": world.now}
    suspicion = {**about, "kind": "misuse", "says": "Look.", "kept_from": STAFF["standards"].id}
    tasks = [
        insert(world, "task", **suspicion, about="one", case_id=case),
        insert(world, "task", **suspicion, about="two"),
        insert(world, "task", **about, kind="delivery_given_up", says="Try.", about="three", case_id=case),
    ]
    colleague, suspect = world.as_("intelligence"), world.as_("standards")
    assert {one["id"] for one in (await colleague.must_get("/v1/tasks"))["items"]} == set(tasks)
    assert {one["id"] for one in (await suspect.must_get("/v1/tasks"))["items"]} == {tasks[2]}
    for task in tasks:
        assert (await colleague.post(f"/v1/tasks/{task}/answer", {"answer": "Looked at."})).status_code == 200
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    answered = {
        row["event_id"]: row["id"]
        for row in world.rows("SELECT id, event_id::text FROM access_log WHERE event_id = ANY(%s)", tasks)
    }
    seen = {"standards": [tasks[2]], "intelligence": tasks, "auditor": tasks}
    for reader, known in seen.items():
        rows = (await world.as_(reader).must_get("/v1/access-log", params=READ))["items"]
        told = {row["event_id"]: row["case_id"] for row in rows if row["action"] == "answer_task"}
        assert told == {task: None if task == tasks[1] else case for task in known}, reader
        for task in tasks:
            answer = await world.as_(reader).get(f"/v1/evidence/receipts/{answered[task]}")
            assert answer.status_code == (200 if task in known else 404), (reader, task)
    rows = (await suspect.must_get("/v1/access-log", params=READ))["items"]
    lists = [row["cases_shown"] for row in rows if row["action"] == "read_tasks"]
    assert lists == [[case], [case]], "the case of the third alone"


async def test_another_forces_log_is_out_of_reach(world: World) -> None:
    await world.as_("other_control_room").must_post("/v1/applications", intake.right_to_ask(world))
    for _ in range(2):
        rows = (await world.as_("auditor").must_get("/v1/access-log", params=READ))["items"]
    assert [row["action"] for row in rows] == ["read_log"]


async def test_the_auditor_reads_closed_cases_and_no_open_one(world: World) -> None:
    case = await intake.opened(world)
    auditor = world.as_("auditor")
    for path in (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline"):
        with world.unchanged():
            assert (await auditor.get(path)).status_code == 404
    place_at(world, case, Stage.CLOSED)
    for path in (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline"):
        assert (await auditor.get(path)).status_code == 200


async def test_an_auditor_who_sits_at_the_forum_sees_what_is_closed_and_what_is_on_the_agenda(world: World) -> None:
    world.execute("UPDATE staff_member SET roles = '{auditor,forum_member}' WHERE subject = 'auditor'")
    hidden = await intake.opened(world)
    other = {"surname": "Otherwise"}
    body = intake.right_to_ask(world, subject=other, potential_victims=[{"surname": "Elsewhere", "is_applicant": True}])
    sat = await intake.opened(world, body)
    place_at(world, sat, Stage.FORUM)
    await forum.on_agenda(world, sat, await forum.meeting(world, "chair", "auditor"))
    auditor = world.as_("auditor")

    async def answers(case: str) -> list[int]:
        paths = (f"/v1/applications/{case}", f"/v1/applications/{case}/timeline")
        return [(await auditor.get(path)).status_code for path in paths]

    assert await answers(hidden) == [404, 404]
    assert (await answers(sat))[0] == 200
    place_at(world, hidden, Stage.CLOSED)
    assert await answers(hidden) == [200, 200]
