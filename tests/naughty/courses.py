"""Courses that between them send every form there is, with all that it may hold."""

from datetime import timedelta
from typing import Any

from app.access.rules import Role
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions
from tests.arrange import place_at, version_of
from tests.naughty.planting import Exactly
from tests.ready import made_ready
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    lateness,
    retention,
    risk_assessment,
)
from tests.steps.final_report import path
from tests.world import OTHER, OWN, STAFF, World

MORE: dict[str, Any] = {
    "aliases": [{"given_names": "Al", "surname": "Merrick-Vane"}],
    "addresses": [{"address": "4 Quarry Lane, Northmoor"}],
    "safe_contact": {**intake.SAFE, "approach_plan": "By her sister."},
}
GRADE: dict[str, Any] = {"grade": "medium", "reason": "As before."}
MANAGED = {"scheme": "mappa", "category": "1", "level": "2", "lead_agency": "probation"}

HER_MOTHER = {"recipient_id": None, "recipient_described": "Her mother"}


def fuller(person: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A person of whom everything is known that a form asks for."""
    return {**person, **MORE, **changed}


async def intake_and_parties(world: World) -> None:
    """Both routes whole, parties, contacts, and the forms of any step."""
    applicant = fuller(intake.MOTHER)
    people: dict[str, Any] = {"subject": fuller(intake.SUBJECT), "potential_victims": [fuller(intake.VICTIM)]}
    body = intake.third_party_asks(
        world, **people, third_party_applicant=applicant, children=[fuller(intake.CHILD)], consent_to_share=False,
        consent_reason="To prevent crime.", edition="statutory-2023",
    )  # fmt: skip
    case = await intake.opened(world, body)
    await intake.opened(world, intake.right_to_know(world, potential_victims=[fuller(intake.SECOND_VICTIM)]))
    officer, supervisor = world.as_("officer"), world.as_("supervisor")
    parties = intake.parties(world, case)
    she, he = parties["potential_victim"][0], parties["subject"][0]
    again = {
        **intake.contact(world),
        "consent_reason": "So.",
        "information": intake.right_to_know(world)["information"],
    }
    await officer.must_post(path(case, "initial-contacts"), again)
    await officer.must_post(path(case, "parties"), {"child": fuller({**intake.CHILD, "given_names": "Mia"})})
    await officer.must_post(path(case, "parties"), {"potential_victim": fuller(intake.SECOND_VICTIM)})
    person = fuller({"given_names": "Alan", "surname": "Merrick", "police_employment": None})
    await officer.must_post(path(case, "persons"), {"party_id": he, "person": person})
    await officer.must_post(path(case, "safe-contacts"), {"party_id": she, "safe_contact": MORE["safe_contact"]})
    await officer.must_post(path(case, "contact-attempts"), {"party_id": she, "means": "x", "outcome": "no_answer"})
    action = {"party_id": she, "action": "Officers are with her.", "done_by": "Response"}
    await officer.must_post(path(case, "safeguarding-actions"), action)
    await disclosure.plan(world, case, she)
    await officer.must_post(path(case, "crime-references"), {"reference": "42/1/26"})
    await officer.must_post(path(case, "risk-grades"), GRADE)
    order = {"staff_id": str(STAFF["officer"].id), "reason": "Next on the rota."}
    await supervisor.must_post(path(case, "assignment"), order, headers=version_of(world, case))
    duty = (await supervisor.must_get(path(case, "duties")))[0]["id"]
    await supervisor.must_post(path(case, f"duties/{duty}/answer"), {"answer": "Done."})
    entry = {"staff_id": str(STAFF["officer2"].id), "kind": "excluded", "reason": "A cousin."}
    made = await supervisor.must_post(path(case, "access"), entry, headers=version_of(world, case))
    end = path(case, f"access/{made['id']}/end")
    await supervisor.must_post(end, {"reason": "Somebody else."}, headers=version_of(world, case))
    search = {"reference": "DVDS-1", "surname": "Merrick", "given_names": "Alan"}
    await supervisor.must_post("/v1/applications/search", search)


async def police_employee(world: World) -> None:
    """The one field that withholds a case from others."""
    employed = {"police_employment": "Northmoor Police"}
    body = intake.third_party_asks(
        world,
        subject={**intake.SUBJECT, **employed},
        potential_victims=[{**intake.VICTIM, **employed}],
        third_party_applicant={**intake.MOTHER, **employed},
    )
    case = await intake.opened(world, body)
    he = intake.parties(world, case)["subject"][0]
    head = world.as_("head")
    await head.must_post(path(case, "parties"), {"potential_victim": {**intake.SECOND_VICTIM, **employed}})
    await head.must_post(path(case, "persons"), {"party_id": he, "person": {**intake.SUBJECT, **employed}})


async def drafts(world: World) -> None:
    """An application begun, and begun again."""
    control_room = world.as_("control_room")
    draft = {"route": "right_to_ask", "typed": {"why": "She is afr", "subject": "x", "telephone": "y"}}
    made = await control_room.must_post("/v1/drafts", draft)
    answer = await control_room.put(f"/v1/drafts/{made['id']}", draft, headers=version_of(world, made["id"]))
    assert answer.status_code == 200, answer.text


async def to_disclosure(world: World) -> None:
    """From the checks to the words spoken, with everything that each form may hold."""
    case = await intake.opened(world)
    parties = intake.parties(world, case)
    she, he = parties["potential_victim"][0], parties["subject"][0]
    await initial_checks.all_checks(world, case)
    await initial_checks.record(world, case, initial_checks.check("pnc", he, result="hit", text="Hit."))
    await initial_checks.identify(world, case)
    await initial_checks.decide(world, case)
    identity = {"result": "confirmed", "record": "Custody photograph", "how": "By eye."}
    await face_to_face.meet(world, case, subject_identity=identity, risk=GRADE)
    await risk_assessment.assess(world, case, she, tool_grade="high", override_reason="Lower than the tool says.")
    sought = {"choice": "sought", "reason": "There is time.", "words": "We look into something."}
    supervisor = world.as_("supervisor")
    asked = await supervisor.must_post(path(case, "representations"), sought, headers=version_of(world, case))
    said = {"representations_id": asked["id"], "outcome": "given", "answer": "He denies it."}
    await world.as_("officer").must_post(path(case, "representations/answers"), said)
    await categorisation.to_forum(world, case)

    item = await forum.sitting(world, case)
    chair = world.as_("chair")
    await chair.must_post(f"{item.path}/minutes", {"minutes": "Opened at noon."})
    due = {"owner_staff_id": str(STAFF["probation"].id), "what": "Check the licence.", "due_on": "2026-05-12"}
    action = (await chair.must_post(f"{item.path}/actions", due))["id"]
    done = {"outcome": "done", "note": "Checked."}
    await world.as_("probation").must_post(f"/v1/forum/actions/{action}/answers", done)
    words = {"already_managed": MANAGED, "words_for_manager": "A safety matter."}
    management = {**forum.to_disclose(she)["offender_management"], **words}
    decision = await forum.disclosing(world, item, she, offender_management=management, dissent="None.")
    await forum.returned(world, case, she)
    await forum.taken_off(world, await forum.sitting(world, case))
    item = await forum.sitting(world, case)
    decision = await forum.disclosing(world, item, she, **HER_MOTHER)
    [shown] = [one for one in await chair.must_get(f"{item.path}/decisions") if one["id"] == decision]
    await deliver(world, case, she, decision, to=shown["recipient_described"])
    await final_report.report(world, case)
    await final_report.submit(world, case, "other", kind="interim", what="A threat.", system_named="Gang matrix")
    await world.as_("intelligence").must_post("/v1/final-reports/search", {"surname": "M", "born": "1984-02-11"})


async def deliver(world: World, case: str, she: str, decision: str, *, to: str) -> None:
    """Items, agreement and authority, clearance and the words, to somebody as the decision describes her."""
    recipient: dict[str, Any] = {"recipient_id": None, "recipient_described": Exactly(to)}
    await disclosure.plan(world, case, she)
    item = await disclosure.prepare(world, case, disclosure.behaviour(owned_elsewhere=True))
    await disclosure.agree(world, case, item)
    spent = await disclosure.prepare(world, case, disclosure.conviction("2019-06-03"))
    advice = {"advice_reference": "LEG/26/9", "advice": "May be told.", "reason": "Nothing else warns her."}
    address = path(case, f"items/{spent}/spent-authorisations")
    await world.as_("supervisor").must_post(address, advice, headers=version_of(world, case))
    consulted = {
        "consulted": "Offender manager, probation",
        "consulted_at": world.now.isoformat(),
        "words": "A safety matter.",
        "reveals_no_applicant": True,
    }
    refusing = {"undertaking": "refused", "reconsideration": disclosure.NEEDED}
    partner = {"delivered_by": None, "partner_deliverer": "S. Rahman, IDVA service"}
    asked = {**recipient, **refusing, **partner, "offender_manager_consultation": consulted}
    body = disclosure.clearance(world, she, decision, [item], **asked)
    cleared = await disclosure.clear(world, case, body)
    account = {"agency": "IDVA service", "name": "S. Rahman", "account": "I said them.", "account_signed": True}
    interpreter = {"name": "R. Cole", "approved": True, "is_family": False}
    carried_out = {"decision_id": decision, "clearance_id": cleared, "item_ids": [item]}
    by = {"delivered_by": None, "partner": account, "interpreter": interpreter}
    told = disclosure.told(she, **recipient, **refusing, **carried_out, **by, recipient_signature="refused")
    await disclosure.disclose(world, case, told)


async def nothing_told(world: World) -> None:
    """The forum decides against; the notice; postponed before, and not completed."""
    case = await forum.waiting(world)
    she = intake.parties(world, case)["potential_victim"][0]
    item = await forum.sitting(world, case)
    await forum.conflicted(world, item, "social_care")
    await forum.withholding(world, item, she)
    applicant = face_to_face.applicant(world, case)
    await disclosure.notice(world, case, [she], told_id=applicant)
    await disclosure.tell_subject(world, case, "Nothing is said.", answer="Nothing is answered.")

    ready = await made_ready(world)
    postponed = await disclosure.postpone(world, ready.case, "2026-05-12")
    assert postponed
    ended = path(ready.case, "postponement/end")
    await world.as_("supervisor").must_post(ended, {"reason": "Arrested."}, headers=version_of(world, ready.case))
    await disclosure.not_completed(world, ready.case, ready.victim)
    recorded = await intake.opened(world, intake.right_to_know(world))
    victim = intake.parties(world, recorded)["potential_victim"][0]
    await disclosure.notice(world, recorded, [victim], kind="recorded")


async def ended_early(world: World) -> None:
    """Withdrawn, malicious, not progressed, deceased, not completed, transferred, late, an emergency."""
    case = await intake.opened(world)
    await final_report.withdraw(world, case)
    await final_report.decide_withdrawal(world, case, carry_on=True, grading="1BP")
    case = await intake.opened(world)
    await initial_checks.progressed(world, case)
    await face_to_face.find_malicious(world, case)
    await face_to_face.agree(world, case)

    case = await intake.opened(world)
    await initial_checks.all_checks(world, case)
    await initial_checks.decide(world, case, "do_not_progress")
    await initial_checks.agree(world, case)
    she = intake.parties(world, case)["potential_victim"][0]
    await final_report.support_given(world, case, she)
    await final_report.settle_and_close(world, case, intake.parties(world, case)["potential_victim"])

    await final_report.subject_deceased(world, await intake.opened(world))
    case = await intake.opened(world)
    party = face_to_face.applicant(world, case)
    for _ in range(3):
        await final_report.attempt(world, party, case)
        world.forward(hours=25)
    await lateness.plan_meanwhile(world, case)
    deviation = (await lateness.deviate(world, case, "initial_checks"))["id"]
    authorised = {"authorises": True, "reason": "Nobody could have."}
    address = path(case, f"deviations/{deviation}/authorisation")
    await world.as_("supervisor").must_post(address, authorised, headers=version_of(world, case))
    await final_report.not_completed(world, case, party)


async def transfer_and_emergency(world: World) -> None:
    """To another force; and told before the forum can sit."""
    case = await intake.opened(world)
    place_at(world, case, Stage.FACE_TO_FACE)
    body = {"to_force_id": OTHER, "reason": "She has moved."}
    offer = await world.as_("supervisor").must_post(path(case, "transfer"), body, headers=version_of(world, case))
    await world.as_("other_supervisor").must_post(f"/v1/transfers/{offer['id']}/acceptance", {})

    case = await intake.opened(world)
    she = intake.parties(world, case)["potential_victim"][0]
    await disclosure.plan(world, case, she)
    await initial_checks.all_checks(world, case, but=["pnc"])
    body = forum.emergency(she, **HER_MOTHER, open_checks_accepted=["pnc"], already_managed=MANAGED)
    answer = await forum.authorise(world, case, body)
    assert answer.status_code == 201, answer.text


async def watched_over(world: World) -> None:
    """A glass broken and ended, a case marked of note, and somebody's own data asked for."""
    case = await intake.opened(world)
    glass = {"case_id": case, "reason": "She rang in danger and nobody who may open it can be reached."}
    broken = await world.as_("other_officer").must_post("/v1/break-glass", glass)
    standards = world.as_("standards")
    await standards.must_post(f"/v1/break-glass/{broken['id']}/end", {"reason": "Somebody was on duty."})
    nowhere = await world.as_("other_officer").post("/v1/break-glass", {"reference": "X", "reason": glass["reason"]})
    assert nowhere.status_code == 404, nowhere.text
    await standards.must_post(path(case, "of-note"), {"reason": "A councillor is a party."})
    await standards.must_post(path(case, "of-note/end"), {"reason": "No longer."})
    await standards.must_post("/v1/subject-access", {"request_number": "SAR/2026/1182"})


async def kept(world: World) -> None:
    """Closed, reviewed six years later, not erased, frozen, and kept."""
    began = world.now
    case = await retention.due(world)
    assert (await retention.decide(world, case)).status_code == 201
    assert (await retention.agree(world, case, agrees=False)).status_code == 201
    frozen = (await retention.freeze(world, case)).json()["id"]
    lifting = path(case, f"freezes/{frozen}/lifting")
    reason = {"reason": "The inquest is over."}
    await world.as_("head").must_post(lifting, reason, headers=version_of(world, case))
    answer = {"agrees": True, **reason}
    await world.as_("standards").must_post(f"{lifting}/agreement", answer, headers=version_of(world, case))
    until = (world.now + timedelta(days=366)).date().isoformat()
    again = await retention.decide(world, case, verdict="keep", ground="links", review_on=until)
    assert again.status_code == 201, again.text
    world.set_time(began)


async def keeping_the_service(world: World) -> None:
    """Agencies, staff, preferences, webhooks, calendars, tasks."""
    administrator = world.as_("administrator")
    await administrator.must_post("/v1/agencies", {"id": "northmoor-refuge", "kind": "other", "name": "Refuge"})
    shifts = {"shifts": [{"weekday": 0, "begins": "09:00", "ends": "17:00"}]}
    staff = {"subject": "new", "name": "New", "roles": ["public_protection_officer"], "email": "a@b.example", **shifts}
    made = await administrator.must_post("/v1/staff", staff)
    await administrator.put(f"/v1/staff/{made['id']}", {"roles": ["public_protection_officer"], **shifts})
    await world.as_("officer").put("/v1/staff/me/alert-preferences", {"mail": False})
    await administrator.must_post("/v1/webhooks", {"url": "https://receiver.example/alerts"})
    day = {"day": "2026-06-15", "title": "Jubilee", "authority": "Royal Proclamation"}
    await world.as_("head").must_post("/v1/calendars/england-and-wales/days", day)
    withdrawn = "/v1/calendars/england-and-wales/days/2026-06-15/withdrawal"
    await world.as_("head").must_post(withdrawn, {"reason": "It was another day."})
    await _task(world)
    task = (await world.as_("supervisor").must_get("/v1/tasks"))["items"][0]["id"]
    await world.as_("supervisor").must_post(f"/v1/tasks/{task}/answer", {"answer": "Looked at."})


async def _task(world: World) -> None:
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine).begin() as session:
        await open_task(
            session,
            kind=TaskKind.CALENDAR_REFUSED,
            says="Look at it.",
            for_role=Role.PUBLIC_PROTECTION_SUPERVISOR,
            force_id=OWN,
            about="a",
            now=world.now,
        )
    await engine.dispose()


COURSES = (
    intake_and_parties,
    police_employee,
    drafts,
    to_disclosure,
    nothing_told,
    ended_early,
    transfer_and_emergency,
    watched_over,
    kept,
    keeping_the_service,
)

NOTHING_FOLLOWS = (intake_and_parties, police_employee)
"""After these a case goes on no further."""
