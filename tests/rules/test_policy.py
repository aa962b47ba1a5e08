"""H9 and H11: which clocks a case has, when staff are alerted, how a clock stands."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app.editions
from app.clock import LONDON
from app.deadlines.bank_holidays import LAST_PUBLISHED, published
from app.deadlines.calendar import (
    CalendarDays,
    CalendarNotPublished,
    Division,
    Hours,
    Rule,
    WorkingDays,
    due,
)
from app.deadlines.policy import (
    ClockFacts,
    ClockPlan,
    ClockState,
    Rung,
    clocks_at_meeting,
    clocks_at_opening,
    missed,
    next_rung,
    rungs,
    state,
    time_left,
)
from app.editions import edition, parse
from app.editions.rules import Edition
from app.editions.terms import AlertLevel, ClockKind, Mark, Route, RungKind, StartingEvent

STATUTORY, APP = edition("statutory-2023"), edition("app-2013")
ENGLAND = published(Division.ENGLAND_AND_WALES)
ALERTS = STATUTORY.alerts

OFFICER, SUPERVISOR = AlertLevel.OFFICER, AlertLevel.SUPERVISOR
HEAD = AlertLevel.HEAD_OF_PUBLIC_PROTECTION

CONTACT = datetime(2026, 5, 5, 14, 30, tzinfo=LONDON)  # a Tuesday after a bank holiday
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


def right_to_ask(edition: Edition, *, victim: bool = True, at: datetime = CONTACT) -> dict[ClockKind, ClockPlan]:
    plans = clocks_at_opening(
        edition,
        route=Route.RIGHT_TO_ASK,
        first_contact_at=at,
        applicant_is_potential_victim=victim,
        prioritised=False,
        calendar=ENGLAND,
    )
    return {plan.kind: plan for plan in plans}


def right_to_know(
    edition: Edition, *, prioritised: bool, first_contact_at: datetime | None = None
) -> dict[ClockKind, ClockPlan]:
    plans = clocks_at_opening(
        edition,
        route=Route.RIGHT_TO_KNOW,
        received_at=CONTACT,
        first_contact_at=first_contact_at,
        applicant_is_potential_victim=False,
        prioritised=prioritised,
        calendar=ENGLAND,
    )
    return {plan.kind: plan for plan in plans}


def facts(rule: Rule, start: datetime = CONTACT, *, projected: bool = False) -> ClockFacts:
    counted = due(start, rule, ENGLAND)
    return ClockFacts(rule, counted.started_at, counted.due_on, counted.due_at, projected)


def ladder(clock: ClockFacts) -> dict[str, datetime]:
    return {rung.code: rung.at for rung in rungs(clock, calendar=ENGLAND, alerts=ALERTS)}


def following(clock: ClockFacts, after: datetime | None) -> Rung | None:
    return next_rung(clock, calendar=ENGLAND, alerts=ALERTS, after=after)


# --- which clocks (H9) ----------------------------------------------------------------------------


def test_a_right_to_ask_opens_five_clocks_two_of_them_projected() -> None:
    plans = right_to_ask(STATUTORY)
    assert list(plans) == list(ClockKind)
    assert {kind: plan.due.due_on for kind, plan in plans.items()} == {
        ClockKind.INITIAL_CHECKS: date(2026, 5, 6),
        ClockKind.FACE_TO_FACE: date(2026, 5, 19),
        # from the meeting's due date, Tuesday 19 May: over the spring bank holiday on the 25th
        ClockKind.RISK_ASSESSMENT: date(2026, 5, 27),
        ClockKind.CATEGORISE_AND_REFER: date(2026, 5, 27),
        ClockKind.WHOLE_CASE: date(2026, 6, 2),
    }
    assert plans[ClockKind.INITIAL_CHECKS].due.due_at == CONTACT + 24 * HOUR
    projected = {kind for kind, plan in plans.items() if plan.projected}
    assert projected == {ClockKind.RISK_ASSESSMENT, ClockKind.CATEGORISE_AND_REFER}
    for kind, plan in plans.items():
        assert plan.facts.projected is (kind in projected)
        expected = StartingEvent.INITIAL_CONTACT
        if kind in projected:
            expected = StartingEvent.COMPLETED_MEETING
        assert plan.starts_from is expected
    assert plans[ClockKind.WHOLE_CASE].limit.mark is Mark.SECONDARY


def test_a_third_party_right_to_ask_has_no_clock_for_the_assessment() -> None:
    assert set(ClockKind) - set(right_to_ask(STATUTORY, victim=False)) == {ClockKind.RISK_ASSESSMENT}


def test_the_seed_has_no_clock_for_the_whole_case() -> None:
    assert set(ClockKind) - set(right_to_ask(APP)) == {ClockKind.WHOLE_CASE}
    assert set(right_to_know(APP, prioritised=True)) == {ClockKind.CATEGORISE_AND_REFER}


def test_a_right_to_know_runs_from_receipt_and_projects_nothing() -> None:
    plans = right_to_know(STATUTORY, prioritised=True)
    assert set(ClockKind) - set(plans) == {ClockKind.FACE_TO_FACE}
    assert not any(plan.projected for plan in plans.values())
    assert {plan.starts_from for plan in plans.values()} == {StartingEvent.RECEIPT}
    assert plans[ClockKind.RISK_ASSESSMENT].due.due_on == date(2026, 5, 12)
    assert plans[ClockKind.CATEGORISE_AND_REFER].due.due_on == date(2026, 5, 12)
    # the 24 hours run inside (H9.2)
    assert plans[ClockKind.INITIAL_CHECKS].due.due_at < plans[ClockKind.RISK_ASSESSMENT].due.due_at
    assert ClockKind.RISK_ASSESSMENT not in right_to_know(STATUTORY, prioritised=False)


def test_a_converted_case_keeps_its_first_contact_for_the_whole_case_only() -> None:
    earlier = CONTACT - 10 * DAY
    plans = right_to_know(STATUTORY, prioritised=True, first_contact_at=earlier)
    whole_case = plans.pop(ClockKind.WHOLE_CASE)
    assert whole_case.due.started_at == earlier
    assert whole_case.starts_from is StartingEvent.INITIAL_CONTACT
    assert {plan.due.started_at for plan in plans.values()} == {CONTACT}


def test_the_meeting_starts_assessment_and_referral_side_by_side_however_late() -> None:
    held = london("2026-07-01T10:00")  # weeks past its limit
    plans = clocks_at_meeting(
        STATUTORY,
        route=Route.RIGHT_TO_ASK,
        met_at=held,
        applicant_is_potential_victim=True,
        prioritised=False,
        calendar=ENGLAND,
    )
    assert [plan.kind for plan in plans] == [
        ClockKind.RISK_ASSESSMENT,
        ClockKind.CATEGORISE_AND_REFER,
    ]
    assert {plan.due.due_on for plan in plans} == {date(2026, 7, 8)}
    assert {plan.due.started_at for plan in plans} == {held}
    assert not any(plan.projected for plan in plans)


def test_a_right_to_know_has_no_clock_from_a_meeting() -> None:
    assert not clocks_at_meeting(
        STATUTORY,
        route=Route.RIGHT_TO_KNOW,
        met_at=CONTACT,
        applicant_is_potential_victim=False,
        prioritised=True,
        calendar=ENGLAND,
    )


@pytest.mark.parametrize(
    ("route", "contact", "receipt"),
    [
        (Route.RIGHT_TO_ASK, None, None),
        (Route.RIGHT_TO_ASK, None, CONTACT),
        (Route.RIGHT_TO_ASK, CONTACT, CONTACT),
        (Route.RIGHT_TO_KNOW, CONTACT, None),
    ],
)
def test_the_moment_that_the_route_runs_from_is_required(
    route: Route, contact: datetime | None, receipt: datetime | None
) -> None:
    with pytest.raises(ValueError, match=f"{route} run from"):
        clocks_at_opening(
            STATUTORY,
            route=route,
            first_contact_at=contact,
            received_at=receipt,
            applicant_is_potential_victim=True,
            prioritised=False,
            calendar=ENGLAND,
        )


def test_no_clock_is_guessed_past_the_published_years() -> None:
    with pytest.raises(CalendarNotPublished):
        right_to_ask(STATUTORY, at=datetime(LAST_PUBLISHED, 12, 20, tzinfo=UTC))


def test_a_third_edition_moves_the_clocks_without_code() -> None:
    file = Path(app.editions.__file__).parent / "statutory-2023.toml"
    text = file.read_text(encoding="utf-8").replace("statutory-2023", "scotland-45")
    text = text.replace("calendar_days = 28", "calendar_days = 45")
    third = parse(text, file="scotland-45.toml")
    plans = clocks_at_opening(
        third,
        route=Route.RIGHT_TO_ASK,
        first_contact_at=CONTACT,
        applicant_is_potential_victim=True,
        prioritised=False,
        calendar=published(Division.SCOTLAND),
    )
    whole_case = plans[-1]
    assert (whole_case.kind, whole_case.due.rule) == (ClockKind.WHOLE_CASE, CalendarDays(45))
    assert whole_case.due.due_on == date(2026, 6, 19)
    assert whole_case.limit.calendar_days == 45


# --- alerts (H11) ---------------------------------------------------------------------------------


def test_24_hours_alert_at_12_and_4_hours_left_and_at_the_breach() -> None:
    clock = facts(Hours(24))
    assert ladder(clock) == {
        "due_soon-12h": CONTACT + 12 * HOUR,
        "due_soon-4h": CONTACT + 20 * HOUR,
        "breached": CONTACT + 24 * HOUR,
    }


def test_working_days_alert_at_5_2_and_1_left_on_the_day_and_at_its_end() -> None:
    clock = facts(WorkingDays(10))  # due on Tuesday 19 May
    assert ladder(clock) == {
        "due_soon-5d": london("2026-05-12T00:00"),
        "due_soon-2d": london("2026-05-15T00:00"),  # a Friday: the weekend is no time left
        "due_soon-1d": london("2026-05-18T00:00"),
        "due_today": london("2026-05-19T00:00"),
        "breached": london("2026-05-20T00:00"),
    }


def test_calendar_days_alert_on_working_days() -> None:
    clock = facts(CalendarDays(28), london("2026-05-09T12:00"))  # due on Saturday 6 June
    assert ladder(clock) == {
        "due_soon-5d": london("2026-05-29T00:00"),
        "due_soon-2d": london("2026-06-03T00:00"),
        "due_soon-1d": london("2026-06-04T00:00"),
        "due_today": london("2026-06-06T00:00"),
        "breached": london("2026-06-07T00:00"),
    }


def test_a_rung_from_before_the_clock_started_is_dropped() -> None:
    assert list(ladder(facts(WorkingDays(5)))) == [
        "due_soon-2d",
        "due_soon-1d",
        "due_today",
        "breached",
    ]
    assert list(ladder(facts(WorkingDays(1)))) == ["due_today", "breached"]
    assert list(ladder(facts(Hours(6)))) == ["due_soon-4h", "breached"]


def test_a_projected_clock_warns_and_never_breaches() -> None:
    plan = right_to_ask(STATUTORY)[ClockKind.CATEGORISE_AND_REFER]
    codes = list(ladder(plan.facts))
    assert codes == ["due_soon-2d", "due_soon-1d", "due_today"]
    after = london("2026-05-27T00:00")  # its last rung: due today
    assert following(plan.facts, after) is None
    assert missed(plan.facts, calendar=ENGLAND, alerts=ALERTS, after=after, now=plan.due.due_at + 30 * DAY) == []


def test_the_ladder_climbs() -> None:
    clock = facts(WorkingDays(10))
    fallen = missed(clock, calendar=ENGLAND, alerts=ALERTS, after=None, now=clock.due_at + 5 * DAY)
    assert {rung.code: rung.levels for rung in fallen} == {
        "due_soon-5d": (OFFICER,),
        "due_soon-2d": (OFFICER,),
        "due_soon-1d": (OFFICER,),
        "due_today": (OFFICER,),
        "breached": (OFFICER, SUPERVISOR),
        "reminder-1": (OFFICER, SUPERVISOR),
        "reminder-2": (OFFICER, SUPERVISOR),
        "reminder-3": (OFFICER, SUPERVISOR, HEAD),
        "reminder-4": (OFFICER, SUPERVISOR, HEAD),
        "reminder-5": (OFFICER, SUPERVISOR, HEAD),
    }
    # the last is sent alone after an outage: whoever an earlier one would have told is told
    for rung in fallen:
        assert set(rung.levels) <= set(fallen[-1].levels)


def test_reminders_come_every_day_at_midnight_whatever_the_clocks_do() -> None:
    clock = facts(WorkingDays(1), london("2026-10-22T12:00"))  # breached as Saturday 24 October begins
    days = [following(clock, london(f"2026-10-{day}T09:00")) for day in (24, 25, 26)]
    assert [rung and (rung.code, rung.at) for rung in days] == [
        ("reminder-1", london("2026-10-25T00:00")),
        ("reminder-2", london("2026-10-26T00:00")),
        ("reminder-3", london("2026-10-27T00:00")),
    ]


def test_reminders_of_hours_come_every_24_hours() -> None:
    clock = facts(Hours(24))
    rung = following(clock, clock.due_at + 30 * HOUR)
    assert rung is not None
    assert (rung.code, rung.at) == ("reminder-2", clock.due_at + 48 * HOUR)


def test_reminders_have_no_end() -> None:
    clock = facts(WorkingDays(10))
    rung = following(clock, clock.due_at + 20_000 * DAY)
    assert rung is not None
    assert rung.kind is RungKind.REMINDER
    assert rung.code in {"reminder-20000", "reminder-20001"}


def test_an_edition_may_remind_less_often() -> None:
    every_third = ALERTS.model_copy(update={"reminder_every_days": 3})
    clock = facts(WorkingDays(10))
    rung = next_rung(clock, calendar=ENGLAND, alerts=every_third, after=clock.due_at)
    assert rung is not None
    assert (rung.code, rung.at, rung.levels) == (
        "reminder-1",
        london("2026-05-23T00:00"),
        (OFFICER, SUPERVISOR, HEAD),
    )


def test_after_an_outage_every_missed_rung_is_told_once_and_in_order() -> None:
    clock = facts(Hours(24))
    seen = CONTACT + 13 * HOUR
    fallen = missed(clock, calendar=ENGLAND, alerts=ALERTS, after=seen, now=clock.due_at + 25 * HOUR)
    assert [rung.code for rung in fallen] == ["due_soon-4h", "breached", "reminder-1"]


rules = st.one_of(
    st.builds(Hours, st.integers(1, 100)),
    st.builds(WorkingDays, st.integers(1, 30)),
    st.builds(CalendarDays, st.integers(1, 60)),
)
starts = st.datetimes(
    datetime(2013, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(2027, 6, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(rules, starts, st.booleans(), st.integers(0, 100))
def test_walking_rung_by_rung_is_the_same_as_catching_up(
    rule: Rule, start: datetime, projected: bool, days: int
) -> None:
    clock = facts(rule, start, projected=projected)
    now = start + days * DAY
    walked: list[Rung] = []
    rung = following(clock, None)
    while rung is not None and rung.at <= now:
        walked.append(rung)
        rung = following(clock, rung.at)
    assert walked == missed(clock, calendar=ENGLAND, alerts=ALERTS, after=None, now=now)
    assert all(one.at < other.at for one, other in pairwise(walked))
    assert len({one.code for one in walked}) == len(walked)
    assert all(one.at >= start for one in walked)
    if projected:
        assert {one.kind for one in walked} <= {RungKind.DUE_SOON, RungKind.DUE_TODAY}


@given(rules, starts, st.integers(0, 400 * 24))
@settings(max_examples=50)
def test_the_next_rung_is_the_first_that_has_not_fallen(rule: Rule, start: datetime, hours: int) -> None:
    clock = facts(rule, start)
    after = start + hours * HOUR
    rung = following(clock, after)
    assert rung is not None
    assert rung.at > after
    assert missed(clock, calendar=ENGLAND, alerts=ALERTS, after=after, now=rung.at - TICK) == []


# --- how a clock stands (H9.1 to H9.3, H10.7) -----------------------------------------------------


@pytest.mark.parametrize(
    ("met", "ended", "now", "expected"),
    [
        (None, None, -HOUR, ClockState.RUNNING),
        (None, None, HOUR, ClockState.BREACHED),
        (-HOUR, None, 30 * DAY, ClockState.MET_IN_TIME),  # however late it was typed
        (HOUR, None, 30 * DAY, ClockState.MET_LATE),
        (None, -HOUR, 30 * DAY, ClockState.ENDED),
        (None, HOUR, 30 * DAY, ClockState.ENDED_BREACHED),
    ],
)
@pytest.mark.parametrize("rule", [Hours(24), WorkingDays(5), CalendarDays(28)])
def test_state(
    rule: Rule,
    met: timedelta | None,
    ended: timedelta | None,
    now: timedelta,
    expected: ClockState,
) -> None:
    clock = facts(rule)
    stands = state(
        clock,
        met_at=None if met is None else clock.due_at + met,
        ended_at=None if ended is None else clock.due_at + ended,
        now=clock.due_at + now,
    )
    assert stands is expected


def test_the_very_instant() -> None:
    by_hours, by_days = facts(Hours(24)), facts(WorkingDays(5))
    for clock, expected in (
        (by_hours, ClockState.RUNNING),  # the last hour is still an hour
        (by_days, ClockState.BREACHED),  # the day has ended
    ):
        assert state(clock, met_at=None, ended_at=None, now=clock.due_at) is expected
    assert state(by_hours, met_at=None, ended_at=None, now=by_hours.due_at + TICK) is (ClockState.BREACHED)


def test_a_projected_clock_stands_apart_and_never_breaches() -> None:
    clock = facts(WorkingDays(5), projected=True)
    late = clock.due_at + 30 * DAY
    assert state(clock, met_at=None, ended_at=None, now=late) is ClockState.PROJECTED
    assert state(clock, met_at=None, ended_at=late, now=late) is ClockState.ENDED
    real = replace(clock, projected=False)
    assert state(real, met_at=None, ended_at=None, now=late) is ClockState.BREACHED


def test_time_left() -> None:
    clock = facts(Hours(24))
    assert time_left(clock, now=CONTACT + 20 * HOUR) == 4 * HOUR
    assert time_left(clock, now=CONTACT + 25 * HOUR) == -HOUR


def test_a_time_without_an_offset_is_refused() -> None:
    naive = datetime(2026, 5, 5, 12)  # noqa: DTZ001 - the fault under test
    clock = facts(WorkingDays(5))
    with pytest.raises(ValueError, match="offset"):
        state(clock, met_at=None, ended_at=None, now=naive)
    with pytest.raises(ValueError, match="offset"):
        time_left(clock, now=naive)
    with pytest.raises(ValueError, match="offset"):
        following(clock, naive)
    with pytest.raises(ValueError, match="offset"):
        right_to_ask(STATUTORY, at=naive)
