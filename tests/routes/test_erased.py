"""What is left of an erased case: no word and no name in any table, and a sane answer at every address."""

from typing import Any

import psycopg
from fastapi.routing import APIRoute

from app.main import doors
from app.storage.migrations import conninfo
from tests.arrange import version_of
from tests.steps import final_report, intake, retention
from tests.world import STAFF, World

PLANTED = "Zwartebroek"
"""Typed into every field that takes words."""


def _planted(text: str) -> str:
    return f"{text} {PLANTED}"


def _application(world: World) -> dict[str, Any]:
    safe = {"place": _planted("Surgery"), "means": _planted("Mobile"), "times": _planted("Noon")}
    victim = {
        **intake.VICTIM,
        "surname": PLANTED,
        "is_applicant": True,
        "safe_contact": safe,
        "language": _planted("Dutch"),
        "access_needs": _planted("Lift"),
        "addresses": [{"address": _planted("4 Quarry Lane")}],
        "aliases": [{"surname": PLANTED, "given_names": PLANTED}],
    }
    subject = {
        **intake.SUBJECT,
        "surname": PLANTED,
        "pnc_id": "97/99999V",
        "addresses": [{"address": _planted("1 High Street")}],
        "aliases": [{"surname": PLANTED}],
    }
    return intake.right_to_ask(
        world,
        subject=subject,
        potential_victims=[victim],
        taken_by=PLANTED,
        why=_planted("She is afraid."),
        risk_indicators=[PLANTED],
        risk={"grade": "medium", "reason": _planted("Threats.")},
    )


def _texts(world: World) -> dict[str, str]:
    """Every table as text, but for sealed records whose free text is not sealed yet, and the log."""
    sealed = {
        row["table_name"]
        for row in world.rows("SELECT table_name FROM erasure_rule WHERE becomes = 'sealed' AND column_name = '*'")
    }
    unreadable = {
        row["table_name"]
        for row in world.rows(
            "SELECT DISTINCT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND right(column_name, 7) = '_sealed'"
        )
    }
    names = [row["tablename"] for row in world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    with psycopg.connect(conninfo(world.url)) as connection:
        return {
            name: "\n".join(str(row[0]) for row in connection.execute(f"SELECT t::text FROM {name} t".encode()))
            for name in names
            if name not in sealed - unreadable
        }


async def _lived(world: World) -> str:
    """A case with words typed wherever the doors of an early end take them, closed and due for review."""
    case = await intake.opened(world, _application(world))
    who = intake.parties(world, case)
    (victim,), (subject,) = who["potential_victim"], who["subject"]
    officer = world.as_("officer")

    async def act(resource: str, body: dict[str, Any], by: str = "officer") -> Any:
        headers = version_of(world, case)
        return await world.as_(by).must_post(retention.path(case, resource), body, headers=headers)

    check = {"system": "pnc", "party_id": subject, "terms": PLANTED, "searched_by": PLANTED, "result": "hit"}
    await act("checks", {**check, "text": _planted("Assault."), "visor_marker": False})
    await act("subject-identity", {"result": "confirmed", "record": PLANTED, "how": _planted("Photograph.")})
    await act("contact-attempts", {"party_id": victim, "means": PLANTED, "outcome": "spoke", "note": PLANTED})
    await act("safeguarding-actions", {"action": PLANTED, "done_by": PLANTED, "party_id": victim})
    await act("crime-references", {"reference": PLANTED, "note": PLANTED})
    await act("risk-grades", {"grade": "medium", "reason": PLANTED, "potential_victim_id": victim})
    await act("persons", {"party_id": victim, "given_names": f"Joanna {PLANTED}"}, by="officer")
    await act("safe-contacts", {"party_id": victim, "approach_plan": PLANTED})
    await act("assignment", {"staff_id": str(STAFF["officer"].id), "reason": PLANTED}, by="supervisor")
    await act("freezes", {"because": "grave_harm", "potential_victim_id": victim, "reason": PLANTED})
    frozen = world.rows("SELECT id FROM case_freeze")[0]["id"]
    await act(f"freezes/{frozen}/lifting", {"reason": PLANTED}, by="head")
    await act(f"freezes/{frozen}/lifting/agreement", {"agrees": True, "reason": PLANTED}, by="standards")
    await final_report.withdraw(world, case, taken_by=PLANTED)
    await final_report.decide_withdrawal(world, case)
    await act("safety-plans", {"potential_victim_id": victim, "plan": PLANTED, "review_on": "2027-01-31"})
    await act("offender-management", dict.fromkeys(final_report.OFFENDER_MANAGEMENT, PLANTED), by="supervisor")
    await final_report.write_report(world, case)
    await act(
        "intelligence-submissions",
        {
            "kind": "interim",
            "system": "other",
            "system_named": PLANTED,
            "reference": PLANTED,
            "submitted_by": PLANTED,
            "what": PLANTED,
        },
        by="intelligence",
    )
    await final_report.submit_everywhere(world, case)
    for duty in (await officer.must_get("/v1/duties"))["items"]:
        await world.as_("supervisor").post(f"/v1/applications/{case}/duties/{duty['id']}/answer", {"answer": PLANTED})
    await final_report.close(world, case)
    world.forward(days=366 * 6)
    return case


async def test_no_word_and_no_name_is_left_in_any_table(world: World) -> None:
    case = await _lived(world)
    planted = {name for name, text in _texts(world).items() if PLANTED.casefold() in text.casefold()}
    assert len(planted) > 15, planted
    world.execute(
        "INSERT INTO draft (id, case_id, force_id, typed, joined_id) SELECT gen_random_uuid(), id, force_id, "
        '\'{"why": "Zwartebroek"}\', id FROM application'
    )
    assert (await retention.decide(world, case, reason=PLANTED)).status_code == 201
    answer = await retention.agree(world, case)
    assert answer.status_code == 201, answer.text
    left = {name for name, text in _texts(world).items() if PLANTED.casefold() in text.casefold()}
    assert left == set()
    for name, text in _texts(world).items():
        for word in ("97/99999V", "Quarry Lane", "1984-02-11", "1988-07-30", "Joanna", "Alan Peter"):
            assert word not in text, (name, word)
    kept = world.rows("SELECT born, gender, born_estimated FROM person ORDER BY born NULLS LAST")
    assert [(row["born"] and row["born"].isoformat(), row["gender"]) for row in kept] == [
        ("1988-01-01", "female"),
        (None, "male"),
    ]


def _path(route: APIRoute, case: str) -> str:
    path = route.path.replace("{case_id}", case)
    while "{" in path:
        path = path[: path.index("{")] + case + path[path.index("}") + 1 :]
    return path


async def test_every_address_answers_sanely_of_an_erased_case(world: World) -> None:
    case = await retention.erased(world)
    tried = 0
    for route in doors():
        if "GET" not in (route.methods or ()):
            continue
        for key in ("head", "standards", "auditor", "intelligence", "chair", "other_officer", "probation"):
            answer = await world.as_(key).get(_path(route, case))
            assert answer.status_code < 500, (route.path, key, answer.text)
            assert "Tarrant" not in answer.text and "Merrick" not in answer.text, (route.path, key)
            if "{case_id}" in route.path and key == "head" and answer.status_code != 403:
                wanted = 200 if route.path.endswith("/erasure") else 410
                assert answer.status_code in (wanted, 404), (route.path, answer.text)
            if "{case_id}" in route.path and key == "other_officer":
                assert answer.status_code in (403, 404), (route.path, answer.text)
            tried += 1
    assert tried > 300
    reports = world.rows("SELECT id FROM final_report")
    assert (await world.as_("intelligence").get(f"/v1/final-reports/{reports[0]['id']}")).status_code == 404
    again = await world.as_("head").post(f"/v1/applications/{case}/freezes", {"because": "legal_proceedings"})
    assert again.status_code == 422
    assert (await retention.freeze(world, case)).status_code == 410
