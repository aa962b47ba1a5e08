"""H9: editions are data. The table, what a broken file is told, and a third edition without code."""

from pathlib import Path

import pytest
from pydantic import ValidationError

import app.editions
from app.deadlines.calendar import CalendarDays, Hours, Rule, WorkingDays, rule_of
from app.editions import (
    DEFAULT_EDITION,
    UnknownEdition,
    all_editions,
    edition,
)
from app.editions.rules import Edition, Limit
from app.editions.terms import (
    AlertLevel,
    ClockKind,
    ClosingDuty,
    FormOfWords,
    Mark,
    Outcome,
    Route,
    Searched,
    SpentRule,
    StartingEvent,
)

FOLDER = Path(app.editions.__file__).parent
STATUTORY_TOML = (FOLDER / "statutory-2023.toml").read_text(encoding="utf-8")

ASK, KNOW = Route.RIGHT_TO_ASK, Route.RIGHT_TO_KNOW
CONTACT, RECEIPT = StartingEvent.INITIAL_CONTACT, StartingEvent.RECEIPT
MEETING = StartingEvent.COMPLETED_MEETING
HOURS, WORKING, CALENDAR = Hours, WorkingDays, CalendarDays

Line = tuple[int, type[Rule], StartingEvent, Mark] | None


def line(limit: Limit | None) -> Line:
    if limit is None:
        return None
    rule = rule_of(limit)
    return rule.number, type(rule), limit.starts_from, limit.mark


# --- the table of H9, both facts of the case true: every limit that there can be --------------------

READ, ASSUMED, SECONDARY = Mark.READ, Mark.ASSUMED, Mark.SECONDARY
TABLE: list[tuple[str, Route, ClockKind, Line]] = [
    ("app-2013", ASK, ClockKind.INITIAL_CHECKS, (24, HOURS, CONTACT, READ)),
    ("app-2013", ASK, ClockKind.FACE_TO_FACE, (10, WORKING, CONTACT, READ)),
    ("app-2013", ASK, ClockKind.RISK_ASSESSMENT, (5, WORKING, MEETING, READ)),
    ("app-2013", ASK, ClockKind.CATEGORISE_AND_REFER, (5, WORKING, MEETING, READ)),
    ("app-2013", ASK, ClockKind.WHOLE_CASE, None),
    ("app-2013", KNOW, ClockKind.INITIAL_CHECKS, None),
    ("app-2013", KNOW, ClockKind.FACE_TO_FACE, None),
    ("app-2013", KNOW, ClockKind.RISK_ASSESSMENT, None),
    ("app-2013", KNOW, ClockKind.CATEGORISE_AND_REFER, (5, WORKING, RECEIPT, READ)),
    ("app-2013", KNOW, ClockKind.WHOLE_CASE, None),
    ("statutory-2023", ASK, ClockKind.INITIAL_CHECKS, (24, HOURS, CONTACT, ASSUMED)),
    ("statutory-2023", ASK, ClockKind.FACE_TO_FACE, (10, WORKING, CONTACT, ASSUMED)),
    ("statutory-2023", ASK, ClockKind.RISK_ASSESSMENT, (5, WORKING, MEETING, ASSUMED)),
    ("statutory-2023", ASK, ClockKind.CATEGORISE_AND_REFER, (5, WORKING, MEETING, ASSUMED)),
    ("statutory-2023", ASK, ClockKind.WHOLE_CASE, (28, CALENDAR, CONTACT, SECONDARY)),
    ("statutory-2023", KNOW, ClockKind.INITIAL_CHECKS, (24, HOURS, RECEIPT, ASSUMED)),
    ("statutory-2023", KNOW, ClockKind.FACE_TO_FACE, None),
    ("statutory-2023", KNOW, ClockKind.RISK_ASSESSMENT, (5, WORKING, RECEIPT, ASSUMED)),
    ("statutory-2023", KNOW, ClockKind.CATEGORISE_AND_REFER, (5, WORKING, RECEIPT, ASSUMED)),
    ("statutory-2023", KNOW, ClockKind.WHOLE_CASE, (28, CALENDAR, RECEIPT, SECONDARY)),
]


@pytest.mark.parametrize(("name", "route", "clock", "expected"), TABLE)
def test_the_table(name: str, route: Route, clock: ClockKind, expected: Line) -> None:
    limit = edition(name).limit(clock, route=route, applicant_is_potential_victim=True, prioritised=True)
    assert line(limit) == expected


@pytest.mark.parametrize("name", ["app-2013", "statutory-2023"])
def test_only_the_assessment_depends_on_the_case(name: str) -> None:
    for route in Route:
        for clock in ClockKind:
            most = edition(name).limit(clock, route=route, applicant_is_potential_victim=True, prioritised=True)
            least = edition(name).limit(clock, route=route, applicant_is_potential_victim=False, prioritised=False)
            assert least == (None if clock is ClockKind.RISK_ASSESSMENT else most)


def test_who_has_an_own_limit_for_the_assessment() -> None:
    def stated(route: Route, *, victim: bool, prioritised: bool) -> bool:
        limit = edition("statutory-2023").limit(
            ClockKind.RISK_ASSESSMENT,
            route=route,
            applicant_is_potential_victim=victim,
            prioritised=prioritised,
        )
        return limit is not None

    assert stated(ASK, victim=True, prioritised=False)
    assert not stated(ASK, victim=False, prioritised=True)  # a third party asks
    assert stated(KNOW, victim=False, prioritised=True)
    assert not stated(KNOW, victim=True, prioritised=False)


def test_what_differs_on_spent_convictions() -> None:
    assert edition("app-2013").spent_convictions.rule is SpentRule.BLOCKED
    assert edition("statutory-2023").spent_convictions.rule is SpentRule.REFUSED_UNLESS_AUTHORISED


def test_an_ended_relationship_is_eligible_under_the_statutory_guidance() -> None:
    assert edition("statutory-2023").relationship_eligible("spouse", ended=True)
    assert edition("statutory-2023").relationship_eligible("partner", ended=False)
    assert not edition("app-2013").relationship_eligible("spouse", ended=True)
    assert not edition("statutory-2023").relationship_eligible("colleague", ended=False)


# --- what every edition of ours holds ---------------------------------------------------------------


@pytest.fixture(params=["app-2013", "statutory-2023"])
def each(request: pytest.FixtureRequest) -> Edition:
    return edition(request.param)


def test_the_minimum_checks(each: Edition) -> None:
    without = [check.system for check in each.minimum_checks(visor_marker=False)]
    assert without[:2] == ["pnc", "pnd"]
    assert set(without) == {
        "pnc",
        "pnd",
        "command_and_control",
        "custody",
        "domestic_abuse",
        "child_protection",
        "crime",
        "criminal_justice",
        "intelligence",
    }
    marked = [check.system for check in each.minimum_checks(visor_marker=True)]
    assert set(marked) - set(without) == {"visor"}
    local = {check.system for check in each.checks if check.local}
    assert set(without) - local == {"pnc", "pnd"}
    assert all(Searched.SUBJECT in check.searched for check in each.checks)
    searches = each.minimum_searches(visor_marker=False)
    assert ("domestic_abuse", Searched.POTENTIAL_VICTIM) in searches
    assert ("child_protection", Searched.CHILD) in searches
    assert (
        len(searches)
        == len(set(searches))
        == sum(len(check.searched) for check in each.minimum_checks(visor_marker=False))
    )
    found = each.check("visor")
    assert found is not None
    assert found.title == "Violent and Sex Offenders Register"
    assert each.check("social_services") is None


def test_the_quorum(each: Edition) -> None:
    always = [agency.code for agency in each.quorum(children_affected=False)]
    assert always == ["police", "probation", "idva"]
    with_children = [agency.code for agency in each.quorum(children_affected=True)]
    assert with_children == [*always, "childrens_social_care"]


def test_the_ranks(each: Edition) -> None:
    least = each.ranks.police_involvement_supervisor
    assert least == "inspector"
    assert each.rank_suffices("inspector", least=least)
    assert each.rank_suffices("chief_constable", least=least)
    assert not each.rank_suffices("sergeant", least=least)
    assert not each.rank_suffices("admiral", least=least)
    assert not each.rank_suffices("inspector", least=each.ranks.emergency_authoriser)


def test_the_alert_ladder(each: Edition) -> None:
    alerts = each.alerts
    assert alerts.hours_left == (12, 4)
    assert alerts.working_days_left == (5, 2, 1)
    assert alerts.reminder_every_days == 1
    assert alerts.due_soon == (AlertLevel.OFFICER,)
    assert set(alerts.reminder_levels(400)) == set(AlertLevel)


def test_the_figures(each: Edition) -> None:
    assert each.late_entry_after_hours == 24
    assert (each.ages.child_under, each.ages.suitable_adult_under) == (18, 18)
    assert each.contact_attempts.minimum >= 1
    assert each.contact_attempts.spacing_hours >= 1


def test_the_report_is_due_whatever_the_outcome(each: Edition) -> None:
    for outcome in Outcome:
        assert ClosingDuty.REPORT_SUBMITTED in each.duties(outcome)
        assert ClosingDuty.CRIME_DUTY in each.duties(outcome)
    assert ClosingDuty.DELIVERY_RECORDED in each.duties(Outcome.DISCLOSED)
    assert ClosingDuty.NOTICE_RECORDED in each.duties(Outcome.NO_DISCLOSURE)
    assert ClosingDuty.SERVICES_GIVEN in each.duties(Outcome.NOT_PROGRESSED)


def test_the_words(each: Edition) -> None:
    assert each.helpline == "0808 2000 247"
    assert each.helpline in each.words(FormOfWords.NOT_PROGRESSED)  # H4.4
    no_information = each.words("no_information")
    assert "there is no information to disclose" in no_information  # H7.4
    assert "does not mean that there is no risk" in no_information
    neutral = each.words(FormOfWords.NEUTRAL)
    assert "no information" not in neutral  # H7.4a
    assert "cannot say" in neutral
    assert len({each.words(form) for form in FormOfWords}) == len(FormOfWords)
    with pytest.raises(ValueError, match="farewell"):
        each.words("farewell")


def test_the_default_is_there_and_nobody_changes_it() -> None:
    assert list(all_editions()) == ["app-2013", "statutory-2023"]
    default = edition(DEFAULT_EDITION)
    assert default is edition(DEFAULT_EDITION)
    with pytest.raises(ValidationError, match="frozen"):
        default.helpline = "999"  # type: ignore[misc]
    with pytest.raises(TypeError):
        default.closing_duties[Outcome.DISCLOSED] = ()  # type: ignore[index]
    assert Edition.model_validate_json(default.model_dump_json()) == default


def test_an_unknown_edition_is_told_what_there_is() -> None:
    with pytest.raises(UnknownEdition, match=r"app-2013, statutory-2023") as refused:
        edition("statutory-2031")
    assert refused.value.field == "edition"
