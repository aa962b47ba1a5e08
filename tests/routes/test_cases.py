"""The case file, the worklist, the search, the inbox."""

from tests.arrange import version_of
from tests.steps import intake
from tests.world import STAFF, World


async def test_a_case_file_answers_in_one_read(world: World) -> None:
    case = await intake.opened(world)
    read = await world.as_("officer").get(f"/v1/applications/{case}")
    assert read.headers["ETag"] == '"1"'
    file = read.json()
    assert file["stage"] == "initial_checks"
    assert file["parties"]["subject"]["person"]["surname"] == "Merrick"
    assert file["parties"]["applicant"]["id"] == file["parties"]["potential_victims"][0]["id"]
    assert [step["action"] for step in file["what_next"]] == ["record_check", "decide_initially"]
    assert file["what_next"][1]["due_at"] == "2026-05-06T09:00:00Z"


async def test_an_unknown_case_and_another_forces_case_answer_alike(world: World) -> None:
    case = await intake.opened(world)
    for missing in (case, "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10", "nothing"):
        with world.unchanged():
            answer = await world.as_("other_officer").get(f"/v1/applications/{missing}")
        body = answer.json()
        assert (answer.status_code, body["type"]) == (404, "urn:clares-law:problem:case_not_found")
        assert body["detail"] == "No case is held under that address, or it is not yours to see."


async def test_every_read_leaves_a_row_in_the_log(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    rows = world.rows("SELECT category, action, staff_id, case_id FROM access_log ORDER BY logged_at")
    assert [(row["category"], row["action"]) for row in rows] == [
        ("collection", "send_information"),
        ("consultation", "read_case"),
    ]
    assert rows[1]["staff_id"] == STAFF["officer"].id
    assert str(rows[1]["case_id"]) == case


async def test_the_worklist_pages_and_filters(world: World) -> None:
    cases = []
    for number in range(5):
        subject = {**intake.SUBJECT, "surname": f"Merrick{number}"}
        cases.append(await intake.opened(world, intake.right_to_ask(world, subject=subject)))
        world.forward(minutes=1)
    officer = world.as_("officer")
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await officer.must_get("/v1/applications", params=params)
        seen += [one["id"] for one in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == cases
    world.forward(hours=24)
    overdue = await officer.must_get("/v1/applications", params={"overdue": True})
    assert {one["id"] for one in overdue["items"]} == set(cases)
    assert overdue["items"][0]["next_clock"] == "initial_checks"
    none = await officer.must_get("/v1/applications", params={"stage": "closed"})
    assert none["items"] == []
    bad = await officer.get("/v1/applications", params={"cursor": "x"})
    assert bad.status_code == 422


async def test_search_finds_names_and_aliases_whatever_their_case_and_hyphens(world: World) -> None:
    subject = {**intake.SUBJECT, "aliases": [{"surname": "O'Brien-Smith"}]}
    case = await intake.opened(world, intake.right_to_ask(world, subject=subject))
    for surname in ("merrick", "obrien smith", "O’BRIEN-SMITH"):
        hits = await world.as_("officer").must_post("/v1/applications/search", {"surname": surname, "role": "subject"})
        assert [hit["case_id"] for hit in hits] == [case], surname
    assert await world.as_("other_officer").must_post("/v1/applications/search", {"surname": "merrick"}) == []


async def test_a_case_is_given_to_an_officer_on_the_version_read(world: World) -> None:
    case = await intake.opened(world)
    path, body = f"/v1/applications/{case}/assignment", {"staff_id": str(STAFF["officer"].id), "reason": "On duty."}
    supervisor = world.as_("supervisor")
    with world.unchanged():
        assert (await supervisor.post(path, body)).status_code == 428
    with world.unchanged():
        stale = await supervisor.post(path, body, headers={"If-Match": '"99"'})
    assert stale.status_code == 412
    assert "version 1" in stale.json()["detail"]
    receipt = await supervisor.must_post(path, body, headers=version_of(world, case))
    assert receipt["version"] == 2
    assert (await supervisor.must_get(path))[0]["staff_name"] == "Staff officer"


async def test_alerts_fall_by_the_ladder_and_are_acknowledged_once(world: World) -> None:
    await intake.opened(world)
    world.forward(hours=12)
    assert await world.sweep() == 1
    assert await world.sweep() == 0
    officer = world.as_("officer")
    inbox = (await officer.must_get("/v1/alerts"))["items"]
    assert [(one["clock"], one["rung"], one["level"]) for one in inbox] == [
        ("initial_checks", "due_soon-12h", "officer")
    ]
    assert set(inbox[0]) == {
        "id", "case_id", "reference", "clock", "rung", "level", "due_on", "due_at", "recorded_at", "superseded",
        "acknowledged_at",
        "acknowledged_by",
        "rerouted_because",
        "chases_id",
    }  # fmt: skip
    acknowledged = await officer.must_post(f"/v1/alerts/{inbox[0]['id']}/acknowledgement")
    assert acknowledged["acknowledged_at"] is not None
    world.forward(hours=24)
    await world.sweep()
    everything = {"acknowledged": False, "superseded": True}
    rungs = (await world.as_("supervisor").must_get("/v1/alerts", params=everything))["items"]
    assert {(one["rung"], one["level"], one["superseded"]) for one in rungs if one["clock"] == "initial_checks"} == {
        ("due_soon-4h", "officer", True),
        ("breached", "officer", False),
        ("breached", "supervisor", False),
    }


async def test_a_child_found_later_brings_the_referral(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_post(f"/v1/applications/{case}/parties", {"child": intake.CHILD})
    duties = await world.as_("officer").must_get(f"/v1/applications/{case}/duties")
    assert [duty["kind"] for duty in duties] == ["childrens_social_care"]


async def test_what_was_put_before_a_supervisor_is_one_list(world: World) -> None:
    case = await intake.opened(world)
    subject = intake.parties(world, case)["subject"][0]
    body = {"party_id": subject, "means": "Telephone", "outcome": "spoke"}
    await world.as_("officer").must_post(f"/v1/applications/{case}/contact-attempts", body)
    waiting = await world.as_("supervisor").must_get("/v1/duties", params={"kind": "supervisor_review"})
    assert {(one["case_id"], one["rule"]) for one in waiting["items"]} >= {(case, "H2.7")}
    assert (await world.as_("other_supervisor").must_get("/v1/duties"))["items"] == []


async def test_a_misspelt_filter_is_refused_and_not_ignored(world: World) -> None:
    answer = await world.as_("officer").get("/v1/applications", params={"overdu": True})
    assert answer.status_code == 422
    assert "overdue" in answer.json()["detail"]


async def test_a_case_is_given_to_nobody_who_works_no_cases(world: World) -> None:
    case = await intake.opened(world)
    for key in ("administrator", "auditor", "control_room"):
        body = {"staff_id": str(STAFF[key].id), "reason": "On duty."}
        with world.unchanged():
            answer = await world.as_("supervisor").post(
                f"/v1/applications/{case}/assignment", body, headers=version_of(world, case)
            )
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:cannot_hold")


async def test_whoever_arranges_a_meeting_finds_its_members(world: World) -> None:
    for key in ("chair", "supervisor", "administrator"):
        listed = {one["id"]: one["agency_id"] for one in await world.as_(key).must_get("/v1/staff")}
        assert listed[str(STAFF["idva"].id)] == "northmoor-idva"
        assert str(STAFF["other_officer"].id) not in listed


async def test_an_officer_acknowledges_no_alert_of_anothers_case(world: World) -> None:
    case = await intake.opened(world)
    body = {"staff_id": str(STAFF["officer"].id), "reason": "On duty."}
    await world.as_("supervisor").must_post(
        f"/v1/applications/{case}/assignment", body, headers=version_of(world, case)
    )
    world.forward(hours=12)
    await world.sweep()
    alert = (await world.as_("officer").must_get("/v1/alerts"))["items"][0]["id"]
    with world.unchanged():
        assert (await world.as_("officer2").post(f"/v1/alerts/{alert}/acknowledgement")).status_code == 404
    await world.as_("officer").must_post(f"/v1/alerts/{alert}/acknowledgement")


async def test_the_codes_of_an_edition_are_published(world: World) -> None:
    assert await world.as_("auditor").must_get("/v1/editions") == ["app-2013", "statutory-2023"]
    known = await world.as_("officer").must_get("/v1/editions/statutory-2023")
    assert {"pnc", "pnd", "visor", "crime"} <= {check["system"] for check in known["checks"]}
    assert (await world.as_("officer").get("/v1/editions/none")).status_code == 422


async def test_immediate_risk_comes_before_anything_else(world: World) -> None:
    risk = {"grade": "high", "immediate": True, "reason": "He is at the door."}
    case = await intake.opened(world, intake.right_to_ask(world, risk=risk))
    await intake.opened(world, intake.right_to_ask(world, subject={"surname": "Other"}))
    officer = world.as_("officer")
    file = await officer.must_get(f"/v1/applications/{case}")
    assert [step["action"] for step in file["what_next"]][:2] == ["make_safe", "plan_at_once"]
    urgent = await officer.must_get("/v1/applications", params={"urgent": True})
    assert [one["id"] for one in urgent["items"]] == [case]
    assert (await officer.must_get("/v1/applications", params={"mine": True}))["items"] == []
