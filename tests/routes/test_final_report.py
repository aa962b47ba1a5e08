"""The closing report, its submission, closing, and retrieval by intelligence units of every force (H8)."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.disclosure.conclusions import Conclusion
from app.disclosure.terms import ConcludedAs
from app.editions.terms import Outcome
from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import final_report as steps
from tests.steps import intake, lateness
from tests.world import World

OTHER_SUBJECT = {"given_names": "Ivo", "surname": "Kellgren", "born": "1979-09-09"}


async def ended(world: World, outcome: Outcome, body: dict[str, Any] | None = None, *, by: str = "control_room") -> str:
    """A case that has come to its end with an outcome, past the stages before."""
    case = await intake.opened(world, body, by=by)
    place_at(world, case, Stage.FINAL_REPORT)
    world.execute("UPDATE application SET outcome = %s WHERE id = %s", outcome.value, case)
    world.execute(
        "UPDATE clock SET met_at = %s, met_recorded_at = %s, next_alert_at = NULL "
        "WHERE kind = 'initial_checks' AND case_id = %s",
        world.now,
        world.now,
        case,
    )
    return case


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch) -> Callable[[ConcludedAs], None]:
    """Let every potential victim of every case have been concluded in one way."""

    def arrange(how: ConcludedAs) -> None:
        async def conclusions(session: Any, case: Any) -> dict[UUID, Conclusion]:
            from app.cases.service import party_ids
            from app.cases.tables import PartyRole

            at: datetime = case.first_contact_at
            return {one: Conclusion(how, at) for one in await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)}

        monkeypatch.setattr("app.final_report.looking_back.conclusions", conclusions)

    return arrange


async def _settle(world: World, case: str, *, but: str = "") -> None:
    """Do everything that any outcome owes, but one thing."""
    person = intake.parties(world, case)["potential_victim"][0]
    doing: dict[str, Callable[[], Awaitable[Any]]] = {
        "safety_plan": lambda: steps.safety_plan(world, case, person),
        "support": lambda: steps.support_given(world, case, person),
        "offender_management": lambda: steps.offender_management(world, case),
        "report": lambda: steps.write_report(world, case),
        "police_intelligence": lambda: steps.submit(world, case, "police_intelligence"),
        "partner_agency_intelligence": lambda: steps.submit(world, case, "partner_agency_intelligence"),
        "pnd": lambda: steps.submit(world, case, "pnd"),
    }
    for name, do in doing.items():
        submission = name in ("police_intelligence", "partner_agency_intelligence", "pnd")
        if name != but and not (but == "report" and submission):
            await do()


async def _refused_closing(world: World, case: str) -> list[tuple[str, str]]:
    with world.unchanged():
        refused = await world.as_("officer").post(steps.path(case, "closing"), {}, headers=version_of(world, case))
    assert refused.status_code == 409, refused.text
    return [(one["code"], one["rule"]) for one in refused.json()["obstacles"]]


@pytest.mark.parametrize(
    ("left_out", "code", "rule"),
    [
        ("safety_plan", "safety_plan_where_risk", "H8.2"),
        ("support", "services_given", "H4.4"),
        ("offender_management", "offender_management", "H8.2"),
        ("report", "report_submitted", "H8.1"),
        ("police_intelligence", "report_submitted", "H8.1"),
        ("partner_agency_intelligence", "report_submitted", "H8.1"),
        ("pnd", "report_submitted", "H8.1"),
    ],
)
async def test_a_case_does_not_close_while_one_thing_is_owed(world: World, left_out: str, code: str, rule: str) -> None:
    case = await ended(world, Outcome.NOT_PROGRESSED)
    await _settle(world, case, but=left_out)
    assert await _refused_closing(world, case) == [(code, rule)]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"crime_alleged": True}, "crime_duty"),
        ({"children": [intake.CHILD]}, "childrens_social_care"),
        ({"subject": {**intake.SUBJECT, "police_employment": "Northmoor Police"}}, "police_involvement"),
    ],
)
async def test_a_case_does_not_close_over_an_open_duty(world: World, changed: dict[str, Any], code: str) -> None:
    case = await ended(world, Outcome.WITHDRAWN, intake.right_to_ask(world, **changed))
    for key in ("officer", "intelligence"):
        intake.let_in(world, case, key)
    await _settle(world, case)
    assert {found for found, _ in await _refused_closing(world, case)} == {code}


async def test_an_act_before_a_supervisor_keeps_the_case_open(world: World) -> None:
    case = await ended(world, Outcome.WITHDRAWN)
    await steps.withdraw(world, case)  # after the end: kept, and flagged
    await _settle(world, case)
    assert await _refused_closing(world, case) == [("supervisor_review", "H8.3")]


@pytest.mark.parametrize(
    ("outcome", "how", "missing"),
    [
        (Outcome.DISCLOSED, ConcludedAs.DELIVERED, "delivery_recorded"),
        (Outcome.NO_DISCLOSURE, ConcludedAs.TOLD, "notice_recorded"),
        (Outcome.NO_DISCLOSURE, ConcludedAs.RECORDED, "notice_recorded"),
    ],
)
async def test_closing_waits_for_delivery_or_notice(
    world: World, concluded: Callable[[ConcludedAs], None], outcome: Outcome, how: ConcludedAs, missing: str
) -> None:
    case = await ended(world, outcome)
    await _settle(world, case)
    assert [code for code, _ in await _refused_closing(world, case)] == [missing]
    concluded(how)
    assert (await steps.close(world, case))["stage"] == "closed"


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_every_outcome_ends_in_a_closing_report(
    world: World, concluded: Callable[[ConcludedAs], None], outcome: Outcome
) -> None:
    case = await ended(world, outcome)
    concluded(ConcludedAs.TOLD if outcome is Outcome.NO_DISCLOSURE else ConcludedAs.DELIVERED)
    assert "report_submitted" in {code for code, _ in await _refused_closing(world, case)}
    await _settle(world, case)
    running = world.rows("SELECT met_at, ended_at FROM clock WHERE case_id = %s", case)
    world.forward(hours=1)
    await steps.close(world, case)
    closed = world.rows("SELECT stage, closed_at FROM application WHERE id = %s", case)[0]
    assert (closed["stage"], closed["closed_at"]) == ("closed", world.now)
    assert world.rows("SELECT met_at, ended_at FROM clock WHERE case_id = %s", case) == running
    with world.unchanged():
        again = await world.as_("officer").post(steps.path(case, "closing"), {}, headers=version_of(world, case))
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_report_is_written_at_the_end_and_not_before(world: World) -> None:
    case = await intake.opened(world)
    with world.unchanged():
        early = await world.as_("officer").post(
            steps.path(case, "final-report"), steps.REPORT, headers=version_of(world, case)
        )
    assert (early.status_code, early.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_case_whose_decisions_are_open_is_not_reported(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.DISCLOSURE)
    with world.unchanged():
        early = await world.as_("officer").post(
            steps.path(case, "final-report"), steps.REPORT, headers=version_of(world, case)
        )
    assert early.status_code == 409
    assert [one["code"] for one in early.json()["obstacles"]] == ["not_decided"]


async def test_the_report_is_whole_in_itself_and_marked(world: World) -> None:
    asked_at = world.now
    case = await intake.opened(world, intake.third_party_asks(world))
    world.forward(hours=30)
    await lateness.plan_meanwhile(world, case)
    await lateness.deviate(world, case, "initial_checks")
    await steps.withdraw(world, case)
    await steps.decide_withdrawal(world, case)
    await steps.write_report(world, case)
    kept = (await world.as_("officer").must_get(steps.path(case, "final-report")))[0]
    document = kept["document"]
    assert (document["outcome"], document["route"], document["force"]) == (
        "withdrawn",
        "right_to_ask",
        "Northmoor Police",
    )
    assert document["request"]["why"] == intake.contact(world)["why"]
    hidden = {one["role"]: one["not_to_be_revealed_to"] for one in document["parties"]}
    assert hidden == {
        "subject": [],
        "potential_victim": ["subject"],
        "applicant": ["subject", "potential_victim"],
    }
    assert [one["surname"] for one in document["parties"] if one["applied"]] == ["Tarrant"]
    assert "the_subject_never_learns_of_an_application" in document["handling"]
    assert datetime.fromisoformat(document["dates"]["first_contact_at"]) == asked_at
    assert datetime.fromisoformat(document["dates"]["ended_at"]) == world.now
    assert document["dates"]["delivered_at"] is None
    assert {one["kind"]: one["late"] for one in document["clocks"]}["initial_checks"] is True
    beside = {one["kind"]: one["deviations"] for one in document["clocks"]}
    assert [one["authorised"] for one in beside.pop("initial_checks")] == [None]  # told apart, and never in the clock
    assert not any(beside.values())


async def test_a_correction_supersedes_and_is_submitted_anew(world: World) -> None:
    case = await ended(world, Outcome.WITHDRAWN)
    await _settle(world, case)
    first = await world.as_("officer").must_get(steps.path(case, "final-report"))
    world.forward(hours=1)
    second = await steps.write_report(world, case, narrative="Corrected: the other address.")
    both = await world.as_("officer").must_get(steps.path(case, "final-report"))
    assert [one["supersedes_id"] for one in both] == [None, first[0]["id"]]
    assert [code for code, _ in await _refused_closing(world, case)] == ["report_submitted"] * 3
    await steps.submit_everywhere(world, case)
    await steps.close(world, case)
    listed = await world.as_("other_intelligence").must_get("/v1/final-reports")
    assert [one["id"] for one in listed["items"]] == [second]


async def test_submissions_go_out_during_the_case_and_after_the_report(world: World) -> None:
    case = await intake.opened(world)
    interim = await steps.submit(world, case, "pnd", kind="interim", what="He has a firearm.")
    assert interim["put_before_supervisor"] == []
    world.forward(minutes=5)
    final = await steps.submit(world, case, "pnd")
    assert [flag["code"] for flag in final["put_before_supervisor"]] == ["no_report_to_submit"]
    unnamed = await world.as_("intelligence").post(
        steps.path(case, "intelligence-submissions"),
        {"kind": "interim", "system": "other", "reference": "x", "submitted_by": "y"},
    )
    assert unnamed.status_code == 422
    kept = await world.as_("officer").must_get(steps.path(case, "intelligence-submissions"))
    assert [(one["kind"], one["report_id"]) for one in kept] == [("interim", None), ("final", None)]


async def test_an_early_consideration_and_support_gone_wrong_are_flagged(world: World) -> None:
    case = await intake.opened(world)
    person = intake.parties(world, case)["potential_victim"][0]
    early = await steps.offender_management(world, case)
    assert [flag["code"] for flag in early["put_before_supervisor"]] == ["before_the_end"]
    wrong = await steps.support_given(world, case, person, helpline_given=False, left_in_writing=True)
    assert [flag["code"] for flag in wrong["put_before_supervisor"]] == ["helpline_not_given", "written_left"]
    for resource in ("offender-management", "support-given", "closing", "subject-deceased", "not-completed"):
        found = await world.as_("officer").must_get(steps.path(case, resource))
        assert len(found) == (1 if resource in ("offender-management", "support-given") else 0)


async def test_support_and_offender_management_answer_their_duties(world: World) -> None:
    case = await intake.opened(world)
    person = intake.parties(world, case)["potential_victim"][0]
    for kind in ("support_by_word", "offender_management"):
        world.execute(
            "INSERT INTO duty (id, case_id, force_id, kind, code, says, rule, opened_at, opened_by) "
            "SELECT gen_random_uuid(), id, force_id, %s, %s, 'Owed.', 'H4.4', created_at, created_by "
            "FROM application WHERE id = %s",
            kind,
            kind,
            case,
        )
    place_at(world, case, Stage.FINAL_REPORT)
    await steps.support_given(world, case, person)
    await steps.offender_management(world, case)
    assert world.rows("SELECT kind FROM duty WHERE case_id = %s AND answered_at IS NULL", case) == []


async def test_reports_and_decisions_are_never_changed(world: World) -> None:
    case = await ended(world, Outcome.WITHDRAWN)
    await steps.report(world, case)
    for table in ("final_report", "final_report_key", "intelligence_submission"):
        for change in (f"UPDATE {table} SET case_id = gen_random_uuid()", f"DELETE FROM {table}"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                world.execute(change)


async def test_another_forces_intelligence_unit_reads_the_report_and_nothing_of_the_case(world: World) -> None:
    case = await ended(world, Outcome.WITHDRAWN)
    await _settle(world, case)
    await steps.close(world, case)
    other = world.as_("other_intelligence")
    listed = await other.must_get("/v1/final-reports")
    assert [(one["force"], one["outcome"], one["case_id"]) for one in listed["items"]] == [
        ("Northmoor Police", "withdrawn", None)
    ]
    whole = await other.must_get(f"/v1/final-reports/{listed['items'][0]['id']}")
    assert {one["surname"] for one in whole["document"]["parties"]} == {"Merrick", "Tarrant"}
    assert {one["system"] for one in whole["submissions"]} == {
        "police_intelligence",
        "partner_agency_intelligence",
        "pnd",
    }
    assert whole["closed_at"] is not None
    for resource in ("", "/timeline", "/final-report", "/intelligence-submissions", "/closing"):
        with world.unchanged():
            nothing = await other.get(f"/v1/applications/{case}{resource}")
        assert nothing.status_code == 404, resource

    own = await world.as_("intelligence").must_get("/v1/final-reports")
    assert own["items"][0]["case_id"] == case
    logged = world.rows("SELECT count(*) AS n FROM access_log WHERE action = 'retrieve_final_reports' AND NOT refused")
    assert logged[0]["n"] == 3


async def test_the_reach_of_retrieval_ends_with_its_request(world: World) -> None:
    case = await ended(world, Outcome.WITHDRAWN)
    report = await steps.write_report(world, case)
    await world.as_("other_intelligence").must_get(f"/v1/final-reports/{report}")
    for who in ("other_officer", "other_supervisor", "officer", "idva"):
        with world.unchanged():
            refused = await world.as_(who).get(f"/v1/final-reports/{report}")
        assert refused.status_code == 403
    for table in ("final_report", "final_report_key", "intelligence_submission", "closing"):
        with psycopg.connect(world.url.replace("postgresql+psycopg://", "postgresql://")) as connection:
            connection.execute("SET ROLE clares_law_app")
            connection.execute("SELECT set_config('app.force_id', 'southvale', true)")
            connection.execute("SELECT set_config('app.withheld', '{}', true)")
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


async def test_no_report_answers_like_another(world: World) -> None:
    with world.unchanged():
        unknown = await world.as_("intelligence").get("/v1/final-reports/5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:clares-law:problem:final_report_not_found")


async def test_a_pattern_across_forces_is_seen(world: World) -> None:
    first_at = world.now
    subject = {**intake.SUBJECT, "pnc_id": "2002/0073319Z", "aliases": [{"given_names": "Al", "surname": "Stone"}]}
    first = await ended(world, Outcome.DISCLOSED, intake.right_to_ask(world, subject=subject))
    world.forward(days=20)
    elsewhere = intake.right_to_ask(
        world, subject=subject, potential_victims=[{**intake.SECOND_VICTIM, "is_applicant": True}]
    )
    second = await ended(world, Outcome.WITHDRAWN, elsewhere, by="other_control_room")
    stranger = await ended(world, Outcome.WITHDRAWN, intake.right_to_ask(world, subject=OTHER_SUBJECT))
    await steps.write_report(world, first)
    await steps.write_report(world, second, by="other_officer")
    await steps.write_report(world, stranger)

    for about in (
        {"pnc_id": "02/73319z"},
        {"surname": "MERRICK", "born": "1984-02-11"},
        {"surname": "stone", "given_names": "Alan", "born": "1984-02-11"},
    ):
        found = await world.as_("other_intelligence").must_post("/v1/final-reports/search", about)
        assert len(found["reports"]) == 2
        seen = found["pattern"]
        assert (seen["requests"], seen["potential_victims"]) == (2, 2)
        assert seen["forces"] == ["Northmoor Police", "Southvale Police"]
        assert datetime.fromisoformat(seen["first_asked_at"]) == first_at
        assert seen["outcomes"] == {"disclosed": 1, "withdrawn": 1}
        assert not found["more"]
    nobody = {"surname": "Merrick", "given_names": "Walter", "born": "1984-02-11"}
    assert (await world.as_("intelligence").must_post("/v1/final-reports/search", nobody))["reports"] == []
    with world.unchanged():
        blind = await world.as_("intelligence").post("/v1/final-reports/search", {"surname": "Merrick"})
    assert blind.status_code == 422


async def test_reports_come_in_pages_newest_first(world: World) -> None:
    written = []
    for number in range(3):
        body = intake.right_to_ask(world, subject={**OTHER_SUBJECT, "born": f"197{number}-01-01"})
        written.append(await steps.write_report(world, await ended(world, Outcome.WITHDRAWN, body)))
        world.forward(hours=1)
    client = world.as_("intelligence")
    page = await client.must_get("/v1/final-reports", params={"limit": 2})
    assert [one["id"] for one in page["items"]] == written[:0:-1]
    rest = await client.must_get("/v1/final-reports", params={"limit": 2, "cursor": page["next_cursor"]})
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == (written[:1], None)


async def test_earlier_applications_are_found_when_the_subject_returns(world: World) -> None:
    first = await ended(world, Outcome.NO_DISCLOSURE, intake.right_to_know(world))
    theirs = intake.right_to_ask(world)
    await intake.opened(world, theirs, by="other_control_room")
    again = intake.right_to_ask(
        world, potential_victims=[{**intake.SECOND_VICTIM, "is_applicant": True}], follows=first
    )
    returned = await intake.opened(world, again)
    found = await world.as_("officer").must_get(steps.path(returned, "earlier-applications"))
    own = next(one for one in found if one["own_force"])
    assert (own["case_id"], own["outcome"], own["about"]) == (first, "no_disclosure", "subject")
    assert (own["disclosure_asked_for"], own["disclosure_made"]) == (False, False)
    other = next(one for one in found if not one["own_force"])
    assert (other["force"], other["case_id"], other["outcome"], other["asked_at"]) == (
        "Southvale Police",
        None,
        None,
        None,
    )
    followed = world.rows("SELECT follows_id, follows_because FROM application WHERE id = %s", returned)[0]
    assert (str(followed["follows_id"]), followed["follows_because"]) == (first, "new_information")
    with world.unchanged():
        partner = await world.as_("idva").get(steps.path(returned, "earlier-applications"))
    assert partner.status_code == 403
