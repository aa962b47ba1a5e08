"""The pure rules of the last stage: what stands against closing, attempts that count, patterns (H7.6, H8)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.editions import all_editions
from app.editions.rules import Edition
from app.editions.terms import ClosingDuty, Outcome, Route
from app.final_report.rules import (
    ClosingFacts,
    LeftBehind,
    OpenDuty,
    ReportFacts,
    VictimFacts,
    keys_of_subject,
    obstacles_to_closing,
    obstacles_to_dropping,
    pattern,
    wrong_with_submission,
    wrong_with_withdrawal,
)
from app.final_report.terms import REPORTED_TO, SubmissionKind
from app.safeguarding.schemas import Plan

TODAY = date(2026, 5, 5)
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
SAFE = VictimFacts(at_risk=True, plan=Plan(NOON, TODAY), newest_immediate_risk_at=None, delivered=True, noticed=True)
DONE = ClosingFacts(
    has_applicant=True,
    support_given=True,
    offender_management_considered=True,
    potential_victims=(SAFE, SAFE),
    open_duties=(),
    report_written=True,
    submitted_to=frozenset(REPORTED_TO),
)
UNDONE: dict[ClosingDuty, ClosingFacts] = {
    ClosingDuty.DELIVERY_RECORDED: replace(DONE, potential_victims=(replace(SAFE, delivered=False),)),
    ClosingDuty.NOTICE_RECORDED: replace(DONE, potential_victims=(SAFE, replace(SAFE, noticed=False))),
    ClosingDuty.SERVICES_GIVEN: replace(DONE, support_given=False),
    ClosingDuty.SAFETY_PLAN_WHERE_RISK: replace(DONE, potential_victims=(SAFE, replace(SAFE, plan=None))),
    ClosingDuty.CRIME_DUTY: replace(DONE, open_duties=(OpenDuty("crime", "A crime is alleged.", "H2.3"),)),
    ClosingDuty.OFFENDER_MANAGEMENT: replace(DONE, offender_management_considered=False),
    ClosingDuty.REPORT_SUBMITTED: replace(DONE, report_written=False, submitted_to=frozenset()),
}


@pytest.mark.parametrize("edition", all_editions().values(), ids=lambda edition: str(edition.name))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_everything_done_closes_whatever_the_outcome(edition: Edition, outcome: Outcome) -> None:
    assert obstacles_to_closing(DONE, edition.duties(outcome), today=TODAY) == []
    assert ClosingDuty.REPORT_SUBMITTED in edition.duties(outcome)  # H8.1


@pytest.mark.parametrize("duty", list(ClosingDuty))
def test_each_duty_of_the_edition_stands_alone(duty: ClosingDuty) -> None:
    found = obstacles_to_closing(UNDONE[duty], [duty], today=TODAY)
    assert [one.code for one in found] == [duty]


@pytest.mark.parametrize("duty", [one for one in ClosingDuty if one is not ClosingDuty.CRIME_DUTY])
def test_a_duty_that_the_edition_does_not_name_is_not_asked(duty: ClosingDuty) -> None:
    assert obstacles_to_closing(UNDONE[duty], [], today=TODAY) == []


@given(st.lists(st.sampled_from(["supervisor_review", "crime", "emergency_review", "support_by_word"]), max_size=5))
def test_every_open_duty_stands_against_closing(kinds: list[str]) -> None:
    facts = replace(DONE, open_duties=tuple(OpenDuty(kind, "Something.", "H2.10") for kind in kinds))
    assert len(obstacles_to_closing(facts, [], today=TODAY)) == len(kinds)


def test_an_unanswered_crime_is_said_once() -> None:
    found = obstacles_to_closing(UNDONE[ClosingDuty.CRIME_DUTY], [ClosingDuty.CRIME_DUTY], today=TODAY)
    assert len(found) == 1


def test_no_plan_is_owed_to_whom_no_risk_was_found() -> None:
    facts = replace(DONE, potential_victims=(replace(SAFE, at_risk=False, plan=None),))
    assert obstacles_to_closing(facts, [ClosingDuty.SAFETY_PLAN_WHERE_RISK], today=TODAY) == []


@pytest.mark.parametrize(
    ("plan", "risk_at"),
    [
        (None, None),
        (Plan(NOON, TODAY - timedelta(days=1)), None),
        (Plan(NOON, TODAY), NOON + timedelta(hours=1)),
    ],
)
def test_a_plan_past_review_or_older_than_the_risk_is_none(plan: Plan | None, risk_at: datetime | None) -> None:
    facts = replace(DONE, potential_victims=(replace(SAFE, plan=plan, newest_immediate_risk_at=risk_at),))
    found = obstacles_to_closing(facts, [ClosingDuty.SAFETY_PLAN_WHERE_RISK], today=TODAY)
    assert [one.code for one in found] == ["safety_plan_where_risk"]


def test_nobody_who_asked_is_owed_no_services() -> None:
    facts = replace(DONE, has_applicant=False, support_given=False)
    assert obstacles_to_closing(facts, [ClosingDuty.SERVICES_GIVEN], today=TODAY) == []


@pytest.mark.parametrize("system", REPORTED_TO)
def test_a_report_goes_to_every_system(system: str) -> None:
    facts = replace(DONE, submitted_to=frozenset(REPORTED_TO) - {system})
    found = obstacles_to_closing(facts, [ClosingDuty.REPORT_SUBMITTED], today=TODAY)
    assert [one.rule for one in found] == ["H8.1"]


def test_what_a_dropped_withdrawal_would_leave_undone() -> None:
    nothing = LeftBehind(
        undelivered=False, emergency_unreviewed=False, neutral_words_owed=False, duress_suspected=False
    )
    assert obstacles_to_dropping(nothing) == []
    everything = LeftBehind(undelivered=True, emergency_unreviewed=True, neutral_words_owed=True, duress_suspected=True)
    found = [one.code for one in obstacles_to_dropping(everything)]
    assert found == ["decided_to_disclose", "emergency_review", "neutral_words_owed", "duress_suspected"]


def test_a_withdrawal_says_everything_that_is_wrong_with_it() -> None:
    assert wrong_with_withdrawal(route=Route.RIGHT_TO_ASK, by_safe_means=True, ended=False) == []
    found = wrong_with_withdrawal(route=Route.RIGHT_TO_KNOW, by_safe_means=False, ended=True)
    assert [one.code for one in found] == ["no_applicant", "after_the_end", "not_by_safe_means"]


def test_a_final_submission_carries_a_report() -> None:
    later = NOON + timedelta(minutes=1)
    assert wrong_with_submission(SubmissionKind.INTERIM, submitted_at=NOON, written_at=None) == []
    assert wrong_with_submission(SubmissionKind.FINAL, submitted_at=later, written_at=NOON) == []
    for written_at in (None, later):
        found = wrong_with_submission(SubmissionKind.FINAL, submitted_at=NOON, written_at=written_at)
        assert [one.code for one in found] == ["no_report_to_submit"]


def report(number: int, *victims: frozenset[str], force: str = "Northmoor", days: int = 0) -> ReportFacts:
    return ReportFacts(number, force, NOON + timedelta(days=days), "withdrawn", victims)


def test_a_pattern_counts_persons_and_not_records() -> None:
    a, b, both = frozenset({"a"}), frozenset({"b"}), frozenset({"a", "b"})
    assert pattern([]).potential_victims == 0
    assert pattern([report(1, a), report(2, b)]).potential_victims == 2
    assert pattern([report(1, a), report(2, b), report(3, both)]).potential_victims == 1
    assert pattern([report(1, frozenset()), report(2, frozenset())]).potential_victims == 2


def test_a_pattern_shows_moves_between_forces_in_their_order() -> None:
    seen = pattern([report(2, force="Southvale", days=9), report(1), report(3, days=20)])
    assert seen.forces == ("Northmoor", "Southvale")
    assert (seen.first_asked_at, seen.last_asked_at) == (NOON, NOON + timedelta(days=20))
    assert (seen.requests, seen.outcomes) == (3, {"withdrawn": 3})


@given(st.permutations([frozenset({"a"}), frozenset({"b"}), frozenset({"b", "c"}), frozenset({"d"}), frozenset()]))
def test_the_order_of_reports_does_not_change_how_many_persons(victims: list[frozenset[str]]) -> None:
    reports = [report(number, one) for number, one in enumerate(victims)]
    assert pattern(reports).potential_victims == 4


def test_a_subject_is_found_by_surname_and_birth_and_by_nothing_less() -> None:
    born = date(1984, 2, 11)
    kept = keys_of_subject(pnc_id=None, surnames=["Merrick", "Stone"], given_names=["Alan"], born=born)
    assert kept & keys_of_subject(pnc_id=None, surnames=["STONE"], given_names=[], born=born)
    assert not kept & keys_of_subject(pnc_id=None, surnames=["Stone"], given_names=[], born=date(1984, 2, 12))
    assert keys_of_subject(pnc_id=None, surnames=["Stone"], given_names=["Alan"], born=None) == frozenset()
