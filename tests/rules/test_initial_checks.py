"""Which checks are open, and what stands against the initial decision (H4)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.editions import edition
from app.editions.terms import Route, Searched
from app.initial_checks.rules import (
    CheckAnswer,
    ChecksFacts,
    ProposedDecision,
    minimum_searches,
    move_after,
    obstacles_to_initial_decision,
    obstacles_to_no_disclosure,
    outside_the_case,
    visor_marker_shown,
)
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.process import Move, Stage, require

T0 = datetime(2026, 5, 5, 9, tzinfo=UTC)
SCHEME = edition("statutory-2023")
SUBJECT, VICTIM, VICTIM_2, CHILD = (UUID(int=n) for n in range(1, 5))
PARTIES = {Searched.SUBJECT: [SUBJECT], Searched.POTENTIAL_VICTIM: [VICTIM]}
PROGRESS = ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_ASK, by_supervisor=False)
STOP = ProposedDecision(Course.DO_NOT_PROGRESS, Route.RIGHT_TO_ASK, by_supervisor=True)


def answer(
    system: str, party: UUID = SUBJECT, result: CheckResult = CheckResult.NIL, *, hour: int = 0, marker: bool = False
) -> CheckAnswer:
    at = T0 + timedelta(hours=hour)
    shows = marker if system == "pnc" and result is not CheckResult.UNAVAILABLE else None
    return CheckAnswer(system, party, result, shows, at, at)


def every_answer(*, but: str = "", down: str = "") -> list[CheckAnswer]:
    return [
        answer(one.system, one.party_id, CheckResult.UNAVAILABLE if one.system == down else CheckResult.NIL)
        for one in minimum_searches(SCHEME, PARTIES, [])
        if one.system != but
    ]


def facts(answers: list[CheckAnswer], **more: object) -> ChecksFacts:
    return ChecksFacts(minimum_searches(SCHEME, PARTIES, answers), **more)  # type: ignore[arg-type]


def codes(found: ChecksFacts, proposed: ProposedDecision) -> list[str]:
    return [obstacle.code for obstacle in obstacles_to_initial_decision(found, proposed)]


def test_with_every_minimum_check_answered_both_courses_are_open() -> None:
    answered = facts(every_answer())
    assert answered.open_checks == ()
    assert answered.answered_at == T0
    assert codes(answered, PROGRESS) == codes(answered, STOP) == []


@pytest.mark.parametrize("proposed", [PROGRESS, STOP])
def test_nothing_is_decided_while_a_check_is_not_done(proposed: ProposedDecision) -> None:
    (found,) = obstacles_to_initial_decision(facts(every_answer(but="pnd")), proposed)
    assert (found.code, found.rule) == ("check_not_done", "H4.3")
    assert found.says == "Police National Database on the subject is not done: search it and record the answer."


def test_an_unavailable_check_stops_an_end_and_leaves_a_supervisor_free_to_go_on() -> None:
    down = facts(every_answer(down="custody"))
    assert codes(down, STOP) == ["check_unavailable"]
    assert codes(down, PROGRESS) == ["supervisor_progresses_with_check_open"]
    assert codes(down, ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_ASK, by_supervisor=True)) == []
    assert [obstacle.code for obstacle in obstacles_to_no_disclosure(down)] == ["check_unavailable"]


def test_visor_is_a_minimum_check_where_the_newest_pnc_answer_shows_a_marker() -> None:
    marked = [*every_answer(), answer("pnc", hour=1, marker=True)]
    assert [one.system for one in facts(marked).open_checks] == ["visor"]
    assert codes(facts(marked), PROGRESS) == ["check_not_done"]
    assert facts([*marked, answer("visor", hour=2)]).open_checks == ()
    assert facts([*marked, answer("pnc", hour=3, marker=False)]).open_checks == ()


def test_a_marker_on_anybody_but_the_subject_asks_for_nothing() -> None:
    assert not visor_marker_shown(SCHEME, [answer("pnc", VICTIM, marker=True)], [SUBJECT])


def test_every_child_and_every_potential_victim_is_searched() -> None:
    parties = {**PARTIES, Searched.POTENTIAL_VICTIM: [VICTIM, VICTIM_2], Searched.CHILD: [CHILD]}
    found = ChecksFacts(minimum_searches(SCHEME, parties, every_answer()))
    assert {(one.system, one.party_id) for one in found.open_checks} == {
        ("domestic_abuse", VICTIM_2),
        ("intelligence", VICTIM_2),
        ("child_protection", CHILD),
    }
    says = [obstacle.says for obstacle in obstacles_to_initial_decision(found, PROGRESS)]
    assert "Domestic abuse on a potential victim is not done: search it and record the answer." in says
    assert "Child protection on the child is not done: search it and record the answer." in says


def test_an_unidentified_subject_is_no_nil() -> None:
    unknown = facts(every_answer(), identity=IdentityResult.UNIDENTIFIED)
    assert codes(unknown, PROGRESS) == []
    assert codes(unknown, STOP) == ["subject_unidentified"]
    assert [obstacle.code for obstacle in obstacles_to_no_disclosure(unknown)] == ["subject_unidentified"]


def test_immediate_safeguarding_comes_before_anything_else() -> None:
    owed = facts(every_answer(but="pnc"), immediate_safeguarding_owed=True)
    assert codes(owed, PROGRESS) == ["immediate_safeguarding_first", "check_not_done"]


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        (ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_ASK, False, False), ["applicant_contact_not_planned"]),
        (ProposedDecision(Course.DO_NOT_PROGRESS, Route.RIGHT_TO_ASK, False, False), ["applicant_contact_not_planned"]),
        (ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_ASK, False, True, True), ["priority_of_right_to_know"]),
        (ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_KNOW, False, False), ["priority_not_considered"]),
        (ProposedDecision(Course.PROGRESS, Route.RIGHT_TO_KNOW, False, False, False), []),
        (ProposedDecision(Course.DO_NOT_PROGRESS, Route.RIGHT_TO_KNOW, False, False), []),
    ],
)
def test_what_each_route_must_settle(proposed: ProposedDecision, expected: list[str]) -> None:
    assert codes(facts(every_answer()), proposed) == expected


@pytest.mark.parametrize(
    ("route", "prioritised", "stage"),
    [
        (Route.RIGHT_TO_ASK, None, Stage.FACE_TO_FACE),
        (Route.RIGHT_TO_KNOW, True, Stage.RISK_ASSESSMENT),
        (Route.RIGHT_TO_KNOW, False, Stage.CATEGORISATION),
    ],
)
def test_where_a_case_that_progresses_goes(route: Route, prioritised: bool | None, stage: Stage) -> None:
    assert require(Stage.INITIAL_CHECKS, move_after(route, prioritised=prioritised)) is stage
    assert move_after(route, prioritised=prioritised) is not Move.NOT_PROGRESSED


def test_an_act_outside_the_case_is_irregular() -> None:
    def found(stage: Stage, hour: int) -> list[str]:
        at = T0 + timedelta(hours=hour)
        return [one.code for one in outside_the_case(stage, occurred_at=at, first_contact_at=T0)]

    assert found(Stage.FORUM, 0) == []
    assert found(Stage.INITIAL_CHECKS, -1) == ["before_first_contact"]
    assert found(Stage.CLOSED, 1) == found(Stage.FINAL_REPORT, 1) == ["case_concluded"]
    assert found(Stage.INTAKE, 1) == ["case_not_opened"]


answers_of_all = st.lists(
    st.builds(
        answer,
        st.sampled_from([check.system for check in SCHEME.checks] + ["probation"]),
        st.sampled_from([SUBJECT, VICTIM, uuid4()]),
        st.sampled_from(CheckResult),
        hour=st.integers(0, 72),
        marker=st.booleans(),
    ),
    max_size=30,
)


@given(answers_of_all, st.randoms())
def test_how_checks_stand_does_not_depend_on_the_order_of_typing(answers: list[CheckAnswer], random: object) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert minimum_searches(SCHEME, PARTIES, shuffled) == minimum_searches(SCHEME, PARTIES, answers)


@given(answers_of_all)
def test_a_later_failure_never_undoes_an_answer(answers: list[CheckAnswer]) -> None:
    before = {(one.system, one.party_id) for one in facts(answers).searches if not one.open}
    failed = [answer(system, party, CheckResult.UNAVAILABLE, hour=100) for system, party in before]
    after = {(one.system, one.party_id) for one in facts([*answers, *failed]).searches if not one.open}
    assert before == after


@given(answers_of_all)
def test_nothing_ends_while_a_minimum_check_is_open(answers: list[CheckAnswer]) -> None:
    found = facts(answers)
    assert bool(obstacles_to_no_disclosure(found)) == bool(found.open_checks)
    assert bool(codes(found, STOP)) == bool(found.open_checks)
    assert (found.answered_at is None) == bool(found.open_checks)
