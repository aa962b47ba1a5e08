"""What a grade makes of a case, targets beside the limits, the ladder of an urgent case (H2.6, H11), plans (H10.6)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.cases.rules import Graded, current_grade, ruling_grade
from app.cases.tables import Grade
from app.clock import LONDON
from app.deadlines.bank_holidays import published
from app.deadlines.calendar import Division, Rule, WorkingDays, due
from app.deadlines.policy import (
    ClockFacts,
    Rung,
    Target,
    missed,
    rungs,
    state,
    superseded,
    target_of,
    tighter,
)
from app.editions import all_editions, edition
from app.editions.rules import AlertLadder
from app.editions.terms import ClockKind, RiskLevel, Route, RungKind
from app.safeguarding.rules import no_interim_plan, obstacles_to_deviation
from app.safeguarding.schemas import Meanwhile

STATUTORY = edition("statutory-2023")
USUAL, URGENT = STATUTORY.alerts, STATUTORY.alerts.steps_for(RiskLevel.URGENT)
ENGLAND = published(Division.ENGLAND_AND_WALES)
CONTACT = datetime(2026, 5, 5, 14, 30, tzinfo=LONDON)  # a Tuesday after a bank holiday
DAY = timedelta(days=1)
STARTS = st.integers(0, 1_000 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 2, tzinfo=UTC) + timedelta(minutes=minutes)
)
COUNTED = sorted({(one.clock, one.working_days) for one in STATUTORY.limits if one.working_days})


def facts(rule: Rule, start: datetime = CONTACT) -> ClockFacts:
    counted = due(start, rule, ENGLAND)
    return ClockFacts(rule, counted.started_at, counted.due_on, counted.due_at)


def aimed(clock: ClockFacts, kind: ClockKind, risk: RiskLevel | None, since: datetime) -> ClockFacts:
    target = target_of(STATUTORY, kind, clock, risk, since, ENGLAND)
    return ClockFacts(clock.rule, clock.started_at, clock.due_on, clock.due_at, target=target)


# --- the grade of a case ----------------------------------------------------------------------------


def graded(grade: Grade, minute: int, *, whole: bool = False) -> Graded:
    return Graded(grade, CONTACT + timedelta(minutes=minute), of_whole_case=whole)


LOW, MIDDLE, TOP = Grade.STANDARD, Grade.MEDIUM, Grade.HIGH


@pytest.mark.parametrize(
    ("of_each", "found"),
    [
        ([[]], None),
        ([[graded(LOW, 1)]], LOW),
        ([[graded(TOP, 1), graded(LOW, 2)]], LOW),  # her newest
        ([[graded(TOP, 1)], [graded(LOW, 2)]], TOP),  # the highest of anybody
        ([[graded(TOP, 1)], []], TOP),
        ([[graded(MIDDLE, 1)], []], None),  # whom nobody has graded may be in any danger
        ([[graded(MIDDLE, 1, whole=True)], [graded(MIDDLE, 1, whole=True), graded(LOW, 2)]], MIDDLE),
        ([[graded(TOP, 1), graded(LOW, 2, whole=True)]], TOP),  # the whole case's lowers nobody's own
        ([[graded(LOW, 1), graded(TOP, 2, whole=True)]], TOP),
        ([[graded(TOP, 1, whole=True), graded(LOW, 2)]], LOW),
    ],
)
def test_a_case_is_as_grave_as_the_gravest_of_its_potential_victims(
    of_each: list[list[Graded]], found: Grade | None
) -> None:
    assert current_grade(of_each) is found


def test_the_risk_is_known_since_the_grade_that_rules_and_not_since_the_newest_of_any() -> None:
    ruling = graded(TOP, 1)
    assert ruling_grade([[ruling], [graded(LOW, 5)]]) == ruling
    assert ruling_grade([[graded(LOW, 0), ruling, graded(LOW, 5, whole=True)]]) == ruling
    assert ruling_grade([[graded(TOP, 3)], [ruling]]) == ruling
    assert ruling_grade([[ruling], []]) == ruling
    assert ruling_grade([[graded(MIDDLE, 1)], []]) is None


# --- targets ----------------------------------------------------------------------------------------


@given(STARTS, st.sampled_from(COUNTED), st.sampled_from(RiskLevel), st.integers(0, 30))
def test_a_target_is_before_the_limit_and_moves_neither_it_nor_the_breach(
    start: datetime, counted: tuple[ClockKind, int], risk: RiskLevel, later: int
) -> None:
    kind, days = counted
    clock = facts(WorkingDays(days), start)
    with_target = aimed(clock, kind, risk, start + later * DAY)
    if with_target.target is not None:
        assert with_target.target.due_at < clock.due_at
        assert with_target.target.due_at > clock.started_at
    for now in (clock.due_at - DAY, clock.due_at, clock.due_at + DAY):
        assert state(with_target, met_at=None, ended_at=None, now=now) == state(
            clock, met_at=None, ended_at=None, now=now
        )


@given(STARTS, st.sampled_from(COUNTED), st.integers(0, 30))
def test_a_graver_risk_never_has_a_later_target(start: datetime, counted: tuple[ClockKind, int], later: int) -> None:
    kind, days = counted
    clock, since = facts(WorkingDays(days), start), start + later * DAY
    ends = [aimed(clock, kind, risk, since).target for risk in RiskLevel]
    held = [clock.due_at if one is None else one.due_at for one in ends]
    assert held == sorted(held, reverse=True)


def test_a_target_counts_from_the_risk_found_later_and_says_why() -> None:
    clock = facts(WorkingDays(10))
    found = aimed(clock, ClockKind.FACE_TO_FACE, RiskLevel.HIGH, CONTACT + DAY).target
    assert found is not None
    assert found.due_on == date(2026, 5, 13)
    assert "5 working days" in found.because
    assert "(assumed)" in found.because
    too_late = aimed(clock, ClockKind.FACE_TO_FACE, RiskLevel.HIGH, CONTACT + 10 * DAY)
    assert too_late.target is None  # it would be no earlier than the limit
    assert aimed(clock, ClockKind.FACE_TO_FACE, RiskLevel.MEDIUM, CONTACT).target is None
    assert aimed(clock, ClockKind.FACE_TO_FACE, None, CONTACT).target is None


def test_nothing_that_is_only_projected_has_a_target() -> None:
    clock = facts(WorkingDays(5))
    projected = ClockFacts(clock.rule, clock.started_at, clock.due_on, clock.due_at, projected=True)
    assert target_of(STATUTORY, ClockKind.RISK_ASSESSMENT, projected, RiskLevel.URGENT, CONTACT, ENGLAND) is None


def test_a_target_that_was_set_is_never_loosened() -> None:
    early = Target(date(2026, 5, 7), CONTACT + 2 * DAY, "urgent")
    late = Target(date(2026, 5, 12), CONTACT + 7 * DAY, "high")
    assert tighter(early, late) == tighter(late, early) == early
    assert (tighter(None, late), tighter(late, None), tighter(None, None)) == (late, late, None)


# --- alerts -----------------------------------------------------------------------------------------


def ladder(clock: ClockFacts, *, urgent: bool = False) -> list[Rung]:
    return list(rungs(clock, calendar=ENGLAND, alerts=URGENT if urgent else USUAL))


def test_a_target_alerts_before_the_limit_does_and_takes_no_alert_away() -> None:
    clock = facts(WorkingDays(10))
    tightened = ladder(aimed(clock, ClockKind.FACE_TO_FACE, RiskLevel.HIGH, CONTACT))
    codes = [rung.code for rung in tightened]
    assert codes == [
        "target_soon-2d", "target_soon-1d", "due_soon-5d", "target_today", "target_missed",
        "due_soon-2d", "due_soon-1d", "due_today", "breached",
    ]  # fmt: skip
    assert {rung.code: rung.at for rung in ladder(clock)}.items() <= {rung.code: rung.at for rung in tightened}.items()
    assert {rung.kind for rung in tightened if rung.target} == {
        RungKind.TARGET_SOON, RungKind.TARGET_TODAY, RungKind.TARGET_MISSED,
    }  # fmt: skip


def test_an_alert_of_the_target_hides_none_of_the_limit_until_the_limit_has_passed() -> None:
    clock = aimed(facts(WorkingDays(10)), ClockKind.FACE_TO_FACE, RiskLevel.HIGH, CONTACT)
    of = {rung.code: rung for rung in ladder(clock)}

    def sent(until: datetime) -> list[str]:
        fallen = missed(clock, calendar=ENGLAND, alerts=USUAL, after=None, now=until)
        return [rung.code for rung in fallen if not superseded(rung, fallen)]

    assert of["due_soon-5d"].at == of["target_today"].at
    assert sent(of["target_today"].at) == ["due_soon-5d", "target_today"]
    assert sent(of["due_soon-2d"].at) == ["target_missed", "due_soon-2d"]
    assert sent(of["breached"].at) == ["breached"]
    assert sent(of["breached"].at + 2 * DAY) == ["reminder-2"]


@given(STARTS, st.sampled_from(COUNTED), st.sampled_from(RiskLevel), st.integers(0, 5), st.booleans())
def test_after_an_outage_the_highest_missed_rung_tells_all_whom_an_earlier_one_told(
    start: datetime, counted: tuple[ClockKind, int], risk: RiskLevel, later: int, urgent: bool
) -> None:
    kind, days = counted
    clock = aimed(facts(WorkingDays(days), start), kind, risk, start + later * DAY)
    alerts = URGENT if urgent else USUAL
    fallen = missed(clock, calendar=ENGLAND, alerts=alerts, after=None, now=clock.due_at + 5 * DAY)
    for lower, higher in pairwise(fallen):
        assert lower.at <= higher.at
        assert set(lower.levels) <= set(higher.levels)


@pytest.mark.parametrize("name", all_editions())
@given(start=STARTS)
def test_an_urgent_case_is_alerted_no_later_and_to_no_fewer(name: str, start: datetime) -> None:
    scheme = edition(name)
    for limit in scheme.limits:
        if limit.route is not Route.RIGHT_TO_ASK or limit.working_days is None:
            continue
        clock = facts(WorkingDays(limit.working_days), start)
        usual = rungs(clock, calendar=ENGLAND, alerts=scheme.alerts)
        urgent = rungs(clock, calendar=ENGLAND, alerts=scheme.alerts.steps_for(RiskLevel.URGENT))
        for one in usual:
            assert any(rung.at <= one.at and set(one.levels) <= set(rung.levels) for rung in urgent)
        assert len(urgent) >= len(usual)


@pytest.mark.parametrize(
    "slower",
    [
        {"hours_left": [12]},
        {"working_days_left": [4, 2, 1]},
        {"reminder_every_days": 2},
        {"breached": ["officer"], "due_soon": ["officer"], "due_today": ["officer"], "target_missed": ["officer"]},
    ],
)
def test_an_urgent_ladder_that_is_slower_or_tells_fewer_is_no_ladder(slower: dict[str, object]) -> None:
    usual = USUAL.model_dump(mode="json")
    with pytest.raises(ValidationError, match="usual"):
        AlertLadder.model_validate({**usual, "urgent": {**usual["urgent"], **slower}})


# --- late cases -------------------------------------------------------------------------------------

CHECKS, MEETING = ClockKind.INITIAL_CHECKS, ClockKind.FACE_TO_FACE
TODAY = date(2026, 5, 20)


def plan(*clocks: ClockKind, review_on: date = TODAY) -> Meanwhile:
    return Meanwhile(frozenset(clocks), review_on)


@pytest.mark.parametrize(
    ("plans", "stands"),
    [
        ([[]], True),
        ([[plan(CHECKS, MEETING)]], False),
        ([[plan(CHECKS), plan(MEETING)]], False),  # together they answer both
        ([[plan(CHECKS)]], True),
        ([[plan(CHECKS, MEETING, review_on=TODAY - DAY)]], True),  # past its review
        ([[plan(CHECKS, MEETING, review_on=TODAY - DAY), plan(CHECKS)]], False),
        ([[plan(CHECKS, MEETING)], []], True),  # for each potential victim (H1.1)
    ],
)
def test_every_potential_victim_of_a_late_case_has_a_plan_that_answers_what_is_late(
    plans: list[list[Meanwhile]], stands: bool
) -> None:
    found = no_interim_plan({CHECKS, MEETING}, {uuid4(): one for one in plans}, today=TODAY)
    assert [(one.code, one.rule) for one in found] == [("late_without_interim_plan", "H10.6")] * stands
    assert no_interim_plan(set(), {uuid4(): []}, today=TODAY) == []


def test_which_edition_knows_exceptional_circumstances_is_its_own_to_say() -> None:
    assert obstacles_to_deviation(STATUTORY) == []
    assert [one.code for one in obstacles_to_deviation(edition("app-2013"))] == ["no_exceptional_circumstances"]
