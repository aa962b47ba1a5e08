"""How long closed cases are kept: dates, groups, what stands against erasing, and schedules that are none."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.editions.terms import Outcome, RiskLevel
from app.retention.rules import (
    LAW_YEARS,
    ErasingFacts,
    Group,
    KeptOn,
    kept,
    obstacles_to_erasing,
    obstacles_to_keeping_until,
    obstacles_to_review,
    working,
    years_after,
)
from app.retention.schedule import ScheduleInvalid, parse, schedule
from app.retention.terms import FrozenBecause, Verdict

DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))
TEXT = (Path(__file__).parents[2] / "app" / "retention" / "schedule.toml").read_text()


@given(DAYS, st.integers(1, 20))
def test_years_after_is_never_a_day_too_early_and_one_day_late_at_most(day: date, years: int) -> None:
    found = years_after(day, years)
    assert (found.year, (found.month, found.day)) >= (day.year + years, (day.month, day.day))
    assert found - timedelta(days=1) <= date(day.year + years, day.month, min(day.day, 28)) + timedelta(days=3)
    assert years_after(day, years) <= years_after(day + timedelta(days=1), years)


def test_a_leap_day_comes_round_on_the_first_of_march() -> None:
    assert years_after(date(2028, 2, 29), 6) == date(2034, 3, 1)
    assert years_after(date(2028, 2, 29), 4) == date(2032, 2, 29)


@given(st.sampled_from(Outcome), st.none() | st.sampled_from(RiskLevel), DAYS)
def test_every_case_has_one_group_and_none_is_kept_less_than_the_law_says(
    outcome: Outcome, risk: RiskLevel | None, day: date
) -> None:
    group = schedule().group_for(outcome, risk)
    found = kept(group, closed_on=day)
    assert isinstance(group, Group) and group.holds_for(outcome, risk)
    assert found.keep_until == found.review_on >= years_after(day, LAW_YEARS)


@given(DAYS, st.integers(0, 4000), st.sets(st.sampled_from(FrozenBecause)), st.booleans())
def test_nothing_is_erased_while_open_early_or_frozen(
    closed_on: date, later: int, frozen: set[FrozenBecause], closed: bool
) -> None:
    of = kept(schedule().group_for(Outcome.WITHDRAWN, None), closed_on=closed_on)
    today = closed_on + timedelta(days=later)
    facts = ErasingFacts(closed, of.keep_until, of.review_on, tuple(frozen))
    may = not obstacles_to_erasing(facts, today=today)
    assert may is (closed and today >= of.keep_until and not frozen)
    if may:
        assert not obstacles_to_review(facts, today=today)


@given(DAYS, st.integers(-10, 12000), st.integers(1, 20))
def test_a_case_is_kept_until_a_day_to_come_and_not_for_ever(today: date, ahead: int, again: int) -> None:
    new = today + timedelta(days=ahead)
    refused = obstacles_to_keeping_until(new, today=today, review_again_years=again)
    assert bool(refused) is not (ahead > 0 and new <= years_after(today, again))


def test_the_working_tells_each_step_and_what_moved_it() -> None:
    of = kept(schedule().group_for(Outcome.NO_DISCLOSURE, RiskLevel.STANDARD), closed_on=date(2026, 5, 5))
    told = working(of, [KeptOn(date(2032, 6, 1), date(2036, 1, 1), "links")], [FrozenBecause.DEATH])
    assert told[0] == "The case closed on 5 May 2026."
    assert "secondary" in told[1] and "until 5 May 2032" in told[2]
    assert "'links': the review moved to 1 January 2036." in told[3]
    assert told[4].startswith("It is frozen (death)")


def test_grounds_go_with_one_verdict_each() -> None:
    for_keeping, for_erasing = (set(schedule().grounds_for(verdict)) for verdict in Verdict)
    assert for_keeping and for_erasing and not for_keeping & for_erasing


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("minimum_years = 6", "minimum_years = 5", "minimum_years: records are kept at least 6 years"),
        ("keep_years = 6", "keep_years = 5", "keep_years: nothing is kept less than 6 years"),
        ("keep_years = 6", "keep_years = -6", "groups.2.keep_years: Input should be greater than 0"),
        ('code = "other"', 'code = "disclosed"', "disclosed is given twice"),
        ('"malicious", "subject_deceased", "no_disclosure"', '"no_disclosure"', "no group holds for malicious"),
        ('"not_progressed", "withdrawn"', '"gone", "withdrawn"', "groups.0.outcomes.0"),
        ('verdict = "erase"', 'verdict = "keep"', "no ground is given to erase"),
        ("settled_messages_days = 90", "settled_message_days = 90", "pruning.settled_messages_days: Field required"),
        ('mark = "secondary"', 'mark = "certain"', "mark: Input should be"),
        ("[pruning]", "[pruning", ""),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_file_line_and_key(was: str, now: str, says: str) -> None:
    assert was in TEXT
    with pytest.raises(ScheduleInvalid, match=r"^force\.toml:\d+: ") as refused:
        parse(TEXT.replace(was, now), file="force.toml")
    assert says in str(refused.value)


def test_a_force_keeps_a_schedule_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from app.settings import settings

    own = tmp_path / "own.toml"
    own.write_text(TEXT.replace("retention-2026", "northmoor").replace("keep_years = 6", "keep_years = 7"))
    monkeypatch.setenv("CLARES_LAW_RETENTION_FILE", str(own))
    settings.cache_clear()
    assert schedule().group_for(Outcome.MALICIOUS, None).keep_years == 7
    monkeypatch.setenv("CLARES_LAW_RETENTION_FILE", str(tmp_path / "none.toml"))
    settings.cache_clear()
    with pytest.raises(ScheduleInvalid, match=r"none\.toml:1: No such file"):
        schedule()
    settings.cache_clear()
