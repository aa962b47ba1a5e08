"""Whoever an answer about a case names stands in the row of its reading: else the watch is blind there (H12.1)."""

import re
from typing import Any
from uuid import UUID

from fastapi.routing import APIRoute

from app.access.masking import views_in
from app.access.rules import PERMISSIONS, Role
from app.evidence.fields import models_in
from app.evidence.receipts import ReceiptView
from app.main import doors
from app.process import Stage
from tests.architecture.test_doors import permission_of
from tests.arrange import insert, place_at
from tests.evidence.numbering import number_all, numbering
from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    retention,
    risk_assessment,
    sides,
)
from tests.world import OWN, STAFF, World

NAMES_SOMEBODY = re.compile(r"(party|person|victim|recipient|told|subject|applicant|child)_ids?$")
OF_A_CASE = re.compile(r"\{(case_id|item_id|report_id)\}")
READERS = ("officer", "supervisor", "police_member", "chair", "idva", "intelligence", "standards")
"""Between them they may read everything of a case, each as it is shown to them."""
PLACES = {
    "{report_id}": "SELECT case_id, id AS report_id FROM final_report",
    "{disclosure_id}": "SELECT case_id, id AS disclosure_id FROM disclosure",
    "{item_id}": "SELECT case_id, meeting_id, id AS item_id FROM agenda_item",
    "{case_id}": "SELECT id AS case_id FROM application",
}
"""Every place of a kind, by what stands in the address."""
TOUCHED = (
    "SELECT person_id FROM access_log_individual touched JOIN access_log l ON l.id = log_id "
    "WHERE request_id = %s AND touched.case_id = %s"
)


def names_somebody(view: Any) -> bool:
    """Whether a view, or one that it holds, shows a person or the id of one or of a party; a receipt's leaf does."""
    held = {one for model in models_in(view) for one in views_in(model)}
    return ReceiptView in held or any(
        getattr(one, "is_a_person", False) or any(NAMES_SOMEBODY.search(name) for name in one.model_fields)
        for one in held
    )


def naming_routes() -> list[APIRoute]:
    """Every route that reads of one case, or its report, and may name somebody."""
    return [
        route
        for route in doors()
        if "GET" in (route.methods or ()) and OF_A_CASE.search(route.path) and names_somebody(route.response_model)
    ]


async def everything_recorded(world: World) -> None:
    """One case that a third party opened, with a row of every kind that names anybody."""
    found = await sides.three_sides(world)
    await found.acts()
    case, officer = found.case, world.as_("officer")
    she = intake.parties(world, case)["potential_victim"][0]
    applicant = face_to_face.applicant(world, case)
    await initial_checks.identify(world, case)
    decision = await forum.disclosing(world, found.item, she)
    postponed = {"investigator": "x", "investigator_answer": "x", "reason": "x", "review_on": world.now.date()}
    acted = {"occurred_at": world.now, "recorded_at": world.now, "recorded_by": STAFF["officer"].id}
    keys = {"case_id": case, "force_id": OWN, **acted}
    await disclosure.deliver(world, case, she, decision)
    await disclosure.notice(world, case, [she], told_id=applicant)
    await disclosure.tell_subject(world, case, "Nothing is said.", potential_victim_id=she)
    insert(world, "postponement", **keys, potential_victim_id=she, **postponed)
    about = {"potential_victim_id": she, "decision_id": decision}
    insert(world, "non_completion", **keys, **about, reason="not_reached", explanation="x")
    insert(world, "not_completed", **keys, party_id=applicant, because="not_reached", reason="x", attempts=3)
    place_at(world, case, Stage.DISCLOSURE)
    await forum.returned(world, case, she)
    await forum.sitting(world, case)
    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.considered(world, case, potential_victim_id=she)
    answer = await forum.authorise(world, case, forum.emergency(she))
    assert answer.status_code == 201, answer.text
    await risk_assessment.assess(world, case, she)
    grade = {"grade": "medium", "reason": "As before.", "potential_victim_id": she}
    await officer.must_post(disclosure.path(case, "risk-grades"), grade)
    action = {"party_id": she, "action": "Officers are with her.", "done_by": "Response"}
    await officer.must_post(disclosure.path(case, "safeguarding-actions"), action)
    assert (await retention.freeze(world, case, because="death", potential_victim_id=she)).status_code == 201
    world.execute("UPDATE duty SET potential_victim_id = %s WHERE case_id = %s", she, case)
    place_at(world, case, Stage.FINAL_REPORT)
    await final_report.write_report(world, case)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)


async def test_whoever_is_named_is_logged_as_touched(world: World) -> None:
    await everything_recorded(world)
    known = world.rows("SELECT id, id AS person_id FROM person UNION SELECT id, person_id FROM party")
    person_of: dict[str, UUID] = {str(one["id"]): one["person_id"] for one in known}
    met, missed = set(), set()
    for route in naming_routes():
        permission = permission_of(route)
        may = [key for key in READERS if any(permission in PERMISSIONS[Role(one)] for one in STAFF[key].roles)]
        for place in world.rows(next(query for name, query in PLACES.items() if name in route.path)):
            for key in may:
                answer = await world.as_(key).get(route.path.format_map(place))
                assert answer.is_success or answer.status_code == 404, answer.text  # of an item that has ended
                named = {person for said, person in person_of.items() if said in answer.text}
                rows = world.rows(TOUCHED, answer.headers["X-Request-ID"], place["case_id"])
                if named:
                    met.add(route.path)
                if named - {row["person_id"] for row in rows}:
                    missed.add((route.path, key))
    assert missed == set()
    assert met == {route.path for route in naming_routes()}, "nobody was named there: nothing was tried"
    assert len(met) > 30
