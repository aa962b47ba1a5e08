"""Every list that shows cases, asked for with a case on it: the answer, and the cases that it shows."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import disclosure, face_to_face, final_report, forum, initial_checks, intake, retention
from tests.world import OTHER, STAFF, World

Asked = tuple[httpx.Response, set[str]]
SUBJECT: dict[str, Any] = {"surname": "Merrick", "born": "1984-02-11"}


async def _another(world: World) -> httpx.Response:
    """A further application about the subject of those before, for somebody else."""
    other = intake.right_to_know(world, potential_victims=[intake.SECOND_VICTIM])
    return await world.as_("control_room").post("/v1/applications", other)


async def worklist(world: World) -> Asked:
    """Two open cases."""
    cases = {await intake.opened(world), await intake.opened(world, intake.right_to_know(world))}
    return await world.as_("supervisor").get("/v1/applications"), cases


async def opened(world: World) -> Asked:
    """Whoever opens a case is told of the earlier ones."""
    case = await intake.opened(world)
    return await _another(world), {case}


async def earlier(world: World) -> Asked:
    """And so is whoever reads it."""
    case = await intake.opened(world)
    made = (await _another(world)).json()["id"]
    return await world.as_("officer").get(f"/v1/applications/{made}/earlier-applications"), {case}


async def case_file(world: World) -> Asked:
    """A case that follows another, and is followed by a third."""
    cases = [await intake.opened(world)]
    for _ in range(2):
        place_at(world, cases[-1], Stage.CLOSED)
        cases.append(await intake.opened(world, intake.right_to_ask(world, follows=cases[-1])))
    first, second, third = cases
    return await world.as_("officer").get(f"/v1/applications/{second}"), {first, third}


async def withdrawal(world: World) -> Asked:
    """Withdrawn from, and carried on as another case."""
    case = await intake.opened(world)
    await final_report.withdraw(world, case)
    kept = await final_report.decide_withdrawal(world, case, carry_on=True, grading="1BP")
    return await world.as_("officer").get(f"/v1/applications/{case}/withdrawal/decision"), {kept["continued_as"]}


async def malice(world: World) -> Asked:
    """Found malicious, and carried on all the same."""
    case = await intake.opened(world)
    await initial_checks.progressed(world, case)
    await face_to_face.find_malicious(world, case)
    linked = (await face_to_face.agree(world, case, carry_on=True))["opened_case_id"]
    return await world.as_("officer").get(f"/v1/applications/{case}/malicious-finding/agreement"), {linked}


async def alerts(world: World) -> Asked:
    """A case that is late."""
    case = await intake.opened(world)
    world.forward(days=3)
    await world.sweep()
    return await world.as_("supervisor").get("/v1/alerts"), {case}


async def tasks(world: World) -> Asked:
    """Something to look at in a case."""
    case = await intake.opened(world)
    world.execute(
        "INSERT INTO task (id, kind, says, for_role, case_id, force_id, about, opened_at) SELECT gen_random_uuid(), "
        "'misuse', 'Look at ' || reference, 'professional_standards', id, 'northmoor', 'x', now() FROM application"
    )
    return await world.as_("standards").get("/v1/tasks"), {case}


async def duties(world: World) -> Asked:
    """Words that nothing permitted, before a supervisor."""
    case = await intake.opened(world)
    told = disclosure.told(intake.parties(world, case)["potential_victim"][0])
    await disclosure.disclose(world, case, told)
    return await world.as_("supervisor").get("/v1/duties"), {case}


async def broken_glass(world: World) -> Asked:
    """Another force looked into a case."""
    case = await intake.opened(world)
    glass = {"case_id": case, "reason": "She rang from their area in danger."}
    await world.as_("other_officer").must_post("/v1/break-glass", glass)
    return await world.as_("standards").get("/v1/break-glass"), {case}


async def reports(world: World) -> Asked:
    """A closing report, read by another force."""
    case = await retention.closed(world)
    return await world.as_("other_intelligence").get("/v1/final-reports"), {case}


async def reports_about(world: World) -> Asked:
    """The same, looked for."""
    case = await retention.closed(world)
    return await world.as_("other_intelligence").post("/v1/final-reports/search", SUBJECT), {case}


async def reviews(world: World) -> Asked:
    """A closed case whose review has come."""
    case = await retention.due(world)
    return await world.as_("head").get("/v1/retention/reviews"), {case}


async def transfers(world: World) -> Asked:
    """A case on offer."""
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    offer = {"to_force_id": OTHER, "reason": "She lives there."}
    path = f"/v1/applications/{case}/transfer"
    await world.as_("supervisor").must_post(path, offer, headers=version_of(world, case))
    return await world.as_("other_supervisor").get("/v1/transfers"), {case}


async def _at_forum(world: World) -> forum.Item:
    case = await intake.opened(world)
    place_at(world, case, Stage.FORUM)
    return await forum.sitting(world, case)


async def arranged_again(world: World) -> Asked:
    """A meeting is arranged, and by the same key once more when a case stands on its agenda."""
    case = await intake.opened(world)
    place_at(world, case, Stage.FORUM)
    body = {"held_on": f"{world.now:%Y-%m-%d}", "chair_id": forum.staff("chair"), "members": [forum.staff("idva")]}
    supervisor, key = world.as_("supervisor2"), {"Idempotency-Key": "the-same"}
    meeting = await supervisor.must_post("/v1/forum/meetings", body, headers=key)
    await forum.on_agenda(world, case, meeting["id"])
    return await supervisor.post("/v1/forum/meetings", body, headers=key), {case}


async def meeting(world: World) -> Asked:
    """A meeting with a case on its agenda."""
    item = await _at_forum(world)
    return await world.as_("idva").get(f"/v1/forum/meetings/{item.meeting_id}"), {item.case_id}


async def agenda(world: World) -> Asked:
    """Its agenda."""
    item = await _at_forum(world)
    return await world.as_("idva").get(f"/v1/forum/meetings/{item.meeting_id}/agenda"), {item.case_id}


async def attendance(world: World) -> Asked:
    """Who is there, told once more; who reads that alone is shown no case."""
    item = await _at_forum(world)
    path = f"/v1/forum/meetings/{item.meeting_id}/attendance"
    body = {"members": [{"staff_id": forum.staff("idva"), "attendance": "present"}]}
    return await world.as_("chair").post(path, body), {item.case_id}


async def owed_actions(world: World) -> Asked:
    """Something that a member was given to do."""
    item = await _at_forum(world)
    action = {"owner_staff_id": str(STAFF["idva"].id), "what": "Call her.", "due_on": f"{world.now:%Y-%m-%d}"}
    await world.as_("chair").must_post(f"{item.path}/actions", action)
    return await world.as_("idva").get("/v1/forum/actions"), {item.case_id}


SHOWN: dict[str, Callable[[World], Awaitable[Asked]]] = {
    "GET /v1/alerts": alerts,
    "GET /v1/applications": worklist,
    "GET /v1/applications/{case_id}": case_file,
    "GET /v1/applications/{case_id}/earlier-applications": earlier,
    "GET /v1/applications/{case_id}/malicious-finding/agreement": malice,
    "GET /v1/applications/{case_id}/withdrawal/decision": withdrawal,
    "GET /v1/break-glass": broken_glass,
    "GET /v1/duties": duties,
    "GET /v1/final-reports": reports,
    "GET /v1/forum/actions": owed_actions,
    "GET /v1/forum/meetings/{meeting_id}": meeting,
    "GET /v1/forum/meetings/{meeting_id}/agenda": agenda,
    "GET /v1/retention/reviews": reviews,
    "GET /v1/tasks": tasks,
    "GET /v1/transfers": transfers,
    "POST /v1/applications": opened,
    "POST /v1/final-reports/search": reports_about,
    "POST /v1/forum/meetings": arranged_again,
    "POST /v1/forum/meetings/{meeting_id}/attendance": attendance,
}
"""Routes whose answer lists cases, or names others than its own, and which name them in the log."""
