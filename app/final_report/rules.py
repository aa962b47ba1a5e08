"""When an application may end early, what stands against closing, and what patterns reports show. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.access.names import normalise_name
from app.editions.terms import ClosingDuty, Route
from app.errors import Obstacle
from app.final_report.terms import REPORTED_TO, IntelligenceSystem, SubmissionKind
from app.people.rules import match_keys
from app.safeguarding.rules import no_current_plan
from app.safeguarding.schemas import Plan

WORDS_OF_SYSTEM = {
    IntelligenceSystem.POLICE_INTELLIGENCE: "police intelligence",
    IntelligenceSystem.PARTNER_AGENCY_INTELLIGENCE: "partner-agency intelligence",
    IntelligenceSystem.PND: "the Police National Database",
}


def after_the_end(*, ended: bool, what: str) -> list[Obstacle]:
    """An act dated into a case that has ended is kept, and a supervisor looks at it (H8.3)."""
    if not ended:
        return []
    says = f"{what} was recorded after the application had ended: new information opens a linked case."
    return [Obstacle("after_the_end", says, "H8.3")]


def wrong_with_withdrawal(*, route: Route, by_safe_means: bool, ended: bool) -> list[Obstacle]:
    """What a supervisor should know of a withdrawal as it was taken (H8.4)."""
    return [
        *nobody_withdraws(route=route),
        *after_the_end(ended=ended, what="A withdrawal"),
        *not_by_safe_means(by_safe_means=by_safe_means),
    ]


def not_by_safe_means(*, by_safe_means: bool) -> list[Obstacle]:
    """A withdrawal that was not confirmed by safe means may be somebody else's wish: nothing is decided on it."""
    if by_safe_means:
        return []
    says = "The withdrawal was not confirmed by the agreed safe means: confirm it so, and consider duress again."
    return [Obstacle("not_by_safe_means", says, "H8.4")]


def nobody_withdraws(*, route: Route) -> list[Obstacle]:
    """A right to know has no applicant, so that nobody can withdraw it."""
    if route is Route.RIGHT_TO_ASK:
        return []
    says = "A right to know has no applicant and cannot be withdrawn: whoever declines is recorded as not completed."
    return [Obstacle("no_applicant", says, "H8.4")]


@dataclass(frozen=True)
class LeftBehind:
    """What a withdrawal that is not carried on would leave undone."""

    undelivered: bool
    """A decision to disclose stands and is not carried out."""
    emergency_unreviewed: bool
    neutral_words_owed: bool
    duress_suspected: bool


def obstacles_to_dropping(left: LeftBehind) -> list[Obstacle]:
    """Why a withdrawn application may not simply end; it may still be carried on as a right to know (H2.0, H8.4)."""
    found = []
    if left.undelivered:
        says = "A decision to disclose stands and is not carried out: deliver it, end the attempts, or carry on."
        found.append(Obstacle("decided_to_disclose", says, "H2.0"))
    if left.emergency_unreviewed:
        says = "The forum has not reviewed the emergency authority: it does so first, or carry on as a right to know."
        found.append(Obstacle("emergency_review", says, "H6.8"))
    if left.neutral_words_owed:
        says = "Disclosure went elsewhere: give the third-party applicant the neutral words first."
        found.append(Obstacle("neutral_words_owed", says, "H7.4a"))
    if left.duress_suspected:
        says = "Duress is suspected: the withdrawal may be the subject's wish. Carry on as a right to know."
        found.append(Obstacle("duress_suspected", says, "H8.4"))
    return found


def wrong_with_submission(
    kind: SubmissionKind, *, submitted_at: datetime, written_at: datetime | None
) -> list[Obstacle]:
    """A final report is submitted once it is written; what went before carried no final report (H8.1)."""
    if kind is SubmissionKind.INTERIM or (written_at is not None and submitted_at >= written_at):
        return []
    says = "A final submission is dated before the newest final report: submit that report, and record where."
    return [Obstacle("no_report_to_submit", says, "H8.1")]


def wrong_with_support(*, helpline_given: bool, left_in_writing: bool) -> list[Obstacle]:
    """Support is given by word, the helpline with it, and nothing is left behind (H4.4, H2.2)."""
    wrong = []
    if not helpline_given:
        says = "The helpline was not given: give it by word, and record that."
        wrong.append(Obstacle("helpline_not_given", says, "H4.4"))
    if left_in_writing:
        says = "Something written was left behind: consider what it puts at risk, and retrieve it if that is safe."
        wrong.append(Obstacle("written_left", says, "H2.2"))
    return wrong


def obstacles_to_transfer(
    *, checks_decided: bool, ended: bool, immediate_safeguarding_owed: bool, on_agenda: bool
) -> list[Obstacle]:
    """The first force does the checks and makes everybody safe before another takes over (H8.5)."""
    found = []
    if not checks_decided:
        says = "The initial checks are not decided: the first force does them before another takes over."
        found.append(Obstacle("checks_first", says, "H8.5"))
    if ended:
        found.append(Obstacle("has_ended", "The application has ended: this force reports and closes it.", "H8.5"))
    if immediate_safeguarding_owed:
        says = "Immediate safeguarding is owed: take the action and record the safety plan first."
        found.append(Obstacle("immediate_safety_first", says, "H2.4"))
    if on_agenda:
        says = "The case stands on a forum's agenda: take it off before another force takes over."
        found.append(Obstacle("on_an_agenda", says, "H8.5"))
    return found


@dataclass(frozen=True)
class OpenDuty:
    """A duty that nobody has answered."""

    kind: str
    says: str
    rule: str


@dataclass(frozen=True)
class VictimFacts:
    """What closing asks of each potential victim."""

    at_risk: bool
    plan: Plan | None
    newest_immediate_risk_at: datetime | None
    delivered: bool = False
    noticed: bool = False


@dataclass(frozen=True)
class ClosingFacts:
    """What has been done, as far as closing asks (H8.2)."""

    has_applicant: bool
    support_given: bool
    offender_management_considered: bool
    potential_victims: tuple[VictimFacts, ...]
    open_duties: tuple[OpenDuty, ...]
    report_written: bool
    submitted_to: frozenset[IntelligenceSystem]


_DUTY_OF_KIND = {
    "crime": ClosingDuty.CRIME_DUTY,
    "offender_management": ClosingDuty.OFFENDER_MANAGEMENT,
    "support_by_word": ClosingDuty.SERVICES_GIVEN,
}


def obstacles_to_closing(facts: ClosingFacts, duties: Sequence[ClosingDuty], *, today: date) -> list[Obstacle]:
    """Everything that stands against closing: the edition's duties for the outcome, and every open duty (H8.2)."""
    found = [obstacle for duty in duties for obstacle in _owed(duty, facts, today=today)]
    said = {obstacle.code for obstacle in found}
    for duty in facts.open_duties:
        code = _DUTY_OF_KIND.get(duty.kind)
        if code is None or code not in said:
            found.append(Obstacle(code or duty.kind, f"Still owed: {duty.says}", duty.rule))
    return found


def _owed(duty: ClosingDuty, facts: ClosingFacts, *, today: date) -> list[Obstacle]:
    victims = facts.potential_victims
    match duty:
        case ClosingDuty.DELIVERY_RECORDED:
            says = "No delivery is recorded: record what was said to whom, word for word."
            return _unless(any(one.delivered for one in victims), duty, says, "H7.2")
        case ClosingDuty.NOTICE_RECORDED:
            says = "Not every decision against disclosing is told in person or recorded: record the notice."
            return _unless(all(one.noticed for one in victims), duty, says, "H7.4")
        case ClosingDuty.SERVICES_GIVEN:
            says = "The applicant has not been given local services and the helpline by word: record when that is done."
            return _unless(facts.support_given or not facts.has_applicant, duty, says, "H4.4")
        case ClosingDuty.SAFETY_PLAN_WHERE_RISK:
            return [obstacle for one in victims if one.at_risk for obstacle in _plan_missing(one, today=today)]
        case ClosingDuty.CRIME_DUTY:
            open_crime = any(one.kind == "crime" for one in facts.open_duties)
            says = "A crime is alleged and not answered: record its reference, or a supervisor's reason."
            return _unless(not open_crime, duty, says, "H2.3")
        case ClosingDuty.OFFENDER_MANAGEMENT:
            says = "Offender management is not considered: where no forum sat, a supervisor records that it was."
            return _unless(facts.offender_management_considered, duty, says, "H8.2")
        case ClosingDuty.REPORT_SUBMITTED:
            return _unreported(facts)


def _plan_missing(one: VictimFacts, *, today: date) -> list[Obstacle]:
    missing = no_current_plan(one.plan, newest_immediate_risk_at=one.newest_immediate_risk_at, today=today)
    return [Obstacle(ClosingDuty.SAFETY_PLAN_WHERE_RISK, obstacle.says, "H8.2") for obstacle in missing]


def _unreported(facts: ClosingFacts) -> list[Obstacle]:
    if not facts.report_written:
        says = "There is no final report: write it, and submit it to every intelligence system."
        return [Obstacle(ClosingDuty.REPORT_SUBMITTED, says, "H8.1")]
    return [
        Obstacle(
            ClosingDuty.REPORT_SUBMITTED,
            f"The newest final report is not submitted to {WORDS_OF_SYSTEM[system]}: submit it, and record where.",
            "H8.1",
        )
        for system in REPORTED_TO
        if system not in facts.submitted_to
    ]


def _unless(done: bool, duty: ClosingDuty, says: str, rule: str) -> list[Obstacle]:
    return [] if done else [Obstacle(duty, says, rule)]


def keys_of_subject(
    *,
    pnc_id: str | None,
    surnames: Iterable[str],
    given_names: Iterable[str],
    born: date | None,
) -> frozenset[str]:
    """The keys by which reports about one subject are found: those of H3.5, and surname with date of birth.

    The second kind lets an intelligence unit ask without a given name; the keys are as restricted as the report.
    """
    families = list(surnames)
    found = match_keys(pnc_id=pnc_id, surnames=families, given_names=given_names, born=born)
    if born is None:
        return found
    plain = {f"surname:{key}|{born.isoformat()}" for name in families if (key := normalise_name(name))}
    return found | {hashlib.sha256(key.encode()).hexdigest() for key in plain}


@dataclass(frozen=True)
class ReportFacts:
    """What a pattern is read from: one application of one force, with the keys of each potential victim."""

    case_id: object
    force: str
    asked_at: datetime
    outcome: str
    potential_victims: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Pattern:
    """Several requests about one subject, several potential victims, moves between forces (H8.1)."""

    requests: int
    potential_victims: int
    forces: tuple[str, ...]
    first_asked_at: datetime | None
    last_asked_at: datetime | None
    outcomes: dict[str, int]


def pattern(reports: Iterable[ReportFacts]) -> Pattern:
    """What reports about one subject show together. Forces stand in the order in which each was first asked."""
    once = {report.case_id: report for report in reports}
    ordered = sorted(once.values(), key=lambda report: report.asked_at)
    outcomes: dict[str, int] = {}
    for report in ordered:
        outcomes[report.outcome] = outcomes.get(report.outcome, 0) + 1
    return Pattern(
        requests=len(ordered),
        potential_victims=_persons([keys for report in ordered for keys in report.potential_victims]),
        forces=tuple(dict.fromkeys(report.force for report in ordered)),
        first_asked_at=ordered[0].asked_at if ordered else None,
        last_asked_at=ordered[-1].asked_at if ordered else None,
        outcomes=outcomes,
    )


def _persons(recorded: Iterable[frozenset[str]]) -> int:
    """How many persons the records are of: records that share a key are of one; one without keys is of its own."""
    groups: list[frozenset[str]] = []
    alone = 0
    for keys in recorded:
        if not keys:
            alone += 1
            continue
        same = [group for group in groups if group & keys]
        groups = [group for group in groups if not group & keys]
        groups.append(keys.union(*same))
    return len(groups) + alone
