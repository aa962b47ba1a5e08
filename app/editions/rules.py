"""What an edition of the guidance is, as validated data (H9).

Pure: the models check what a TOML file says and answer questions about it; reading files is the
loader's work. Every model is frozen and forbids unknown keys, so that a misspelt limit is an error
and not a limit that is silently missing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    model_validator,
)

from app.editions.terms import (
    APPLIES_ON,
    POLICE,
    STARTING_EVENTS,
    AgencyWhen,
    AlertLevel,
    Applies,
    CheckWhen,
    ClockKind,
    ClosingDuty,
    FormOfWords,
    Mark,
    Outcome,
    RiskLevel,
    Route,
    Searched,
    SpentRule,
    StartingEvent,
)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


PositiveInt = Annotated[int, Field(gt=0, strict=True)]
"""A number as TOML writes one: neither "24" nor true."""
Text = Annotated[str, Field(min_length=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Misplaced(ValueError):
    """A value that contradicts another. `at` is its place, below the model that says so."""

    def __init__(self, says: str, *at: str | int) -> None:
        super().__init__(says)
        self.at = at


def _unique(codes: Iterable[str], *at: str | int, key: str | None = None) -> None:
    seen: set[str] = set()
    for n, code in enumerate(codes):
        if code in seen:
            raise Misplaced(f"{code} is given twice", *at, n, *([key] if key else []))
        seen.add(code)


def digest_of(data: Mapping[str, Any]) -> str:
    """SHA-256 of what a TOML file says, in hexadecimal: neither comments nor the order of its keys matter."""
    said = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


class Limit(_Data):
    """One line of the table in H9: so many of one unit from one event, and where that stands."""

    clock: ClockKind
    route: Route
    applies_to: Applies = Applies.ALWAYS
    hours: PositiveInt | None = None
    working_days: PositiveInt | None = None
    calendar_days: PositiveInt | None = None
    starts_from: StartingEvent
    source: Text
    mark: Mark

    @model_validator(mode="after")
    def _one_unit_and_a_known_event(self) -> Self:
        units = [name for name in ("hours", "working_days", "calendar_days") if getattr(self, name) is not None]
        if len(units) != 1:
            raise Misplaced("give exactly one of hours, working_days, calendar_days", *units[-1:])
        if self.starts_from not in STARTING_EVENTS[self.route]:
            known = ", ".join(sorted(STARTING_EVENTS[self.route]))
            raise Misplaced(f"{self.route} has only: {known}", "starts_from")
        if self.applies_to not in APPLIES_ON[self.route]:
            known = ", ".join(sorted(APPLIES_ON[self.route]))
            raise Misplaced(f"{self.route} has only: {known}", "applies_to")
        return self

    def applies(self, *, applicant_is_potential_victim: bool, prioritised: bool) -> bool:
        """Whether the limit holds for a case with these two facts."""
        return {
            Applies.ALWAYS: True,
            Applies.APPLICANT_IS_POTENTIAL_VICTIM: applicant_is_potential_victim,
            Applies.PRIORITISED: prioritised,
        }[self.applies_to]


class Target(_Data):
    """A force's own date beside a limit, for cases of this risk or a graver one; never a limit itself (H2.6).

    It counts from when the clock began or the risk was found, whichever is later.
    """

    clock: ClockKind
    risk: RiskLevel
    hours: PositiveInt | None = None
    working_days: PositiveInt | None = None
    calendar_days: PositiveInt | None = None
    source: Text
    mark: Mark

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        if sum(n is not None for n in (self.hours, self.working_days, self.calendar_days)) != 1:
            raise ValueError("give exactly one of hours, working_days, calendar_days")
        return self


class MinimumCheck(_Data):
    """One system that must answer before the initial decision, and on whose name (H4.1)."""

    system: Code
    title: Text
    searched: Annotated[tuple[Searched, ...], Field(min_length=1)]
    when: CheckWhen = CheckWhen.ALWAYS
    local: StrictBool = False
    shows_visor_marker: StrictBool = False
    """Its answer says whether the systems with `when = "visor_marker"` must be searched too."""


class Agency(_Data):
    """One agency of the forum's quorum (H6.1)."""

    code: Code
    title: Text
    when: AgencyWhen = AgencyWhen.ALWAYS


class ReminderStep(_Data):
    """From this many days after the breach on, reminders reach these levels."""

    from_day: PositiveInt
    levels: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]


class ChaseAfter(_Data):
    """After how many hours an alert that nobody acknowledged is raised a level (H11)."""

    clocks_in_hours: PositiveInt
    clocks_in_days: PositiveInt


class AlertSteps(_Data):
    """When staff are alerted and how far up it climbs (H11).

    Every step tells all whom the step before it told: after an outage only the highest missed rung
    is sent, and nobody may be lost by that. A missed target tells `target_missed`, which stands between due today and
    breached; left out, whom due today tells.
    """

    hours_left: tuple[PositiveInt, ...]
    working_days_left: tuple[PositiveInt, ...]
    reminder_every_days: PositiveInt
    due_soon: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    due_today: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    target_missed: tuple[AlertLevel, ...] = ()
    breached: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    reminders: Annotated[tuple[ReminderStep, ...], Field(min_length=1)]
    unacknowledged_after_hours: ChaseAfter

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        least = 1
        for n, step in enumerate(self.reminders):
            if step.from_day < least or (n == 0 and step.from_day != 1):
                raise Misplaced("from_day begins at 1 and rises", "reminders", n, "from_day")
            least = step.from_day + 1
        for name in ("hours_left", "working_days_left"):
            left: tuple[int, ...] = getattr(self, name)
            for n, (earlier, later) in enumerate(pairwise(left), start=1):
                if later >= earlier:
                    raise Misplaced("thresholds fall, each given once", name, n)
        for (_, lower), (place, higher) in pairwise(self._rungs()):
            if lost := [level for level in lower if level not in higher]:
                raise Misplaced(f"the step before it tells {', '.join(lost)}, and this one does not", *place)
        return self

    def _rungs(self) -> list[tuple[tuple[str | int, ...], tuple[AlertLevel, ...]]]:
        first = [(name,) for name in ("due_soon", "due_today", "target_missed", "breached") if getattr(self, name)]
        reminders = [(("reminders", n, "levels"), step.levels) for n, step in enumerate(self.reminders)]
        return [*((place, getattr(self, place[0])) for place in first), *reminders]

    def reminder_levels(self, day: int) -> tuple[AlertLevel, ...]:
        """Whom the reminder reaches so many days (from 1) after the breach."""
        return [step.levels for step in self.reminders if step.from_day <= day][-1]


class AlertLadder(AlertSteps):
    """The ladder of every case, and the one of an urgent case: no later and to no fewer (H2.4, H11)."""

    urgent: AlertSteps | None = None

    @model_validator(mode="after")
    def _urgent_is_no_slower(self) -> Self:
        if self.urgent is None:
            return self
        for name in ("hours_left", "working_days_left"):
            usual, urgent = getattr(self, name), getattr(self.urgent, name)
            if len(urgent) < len(usual) or any(u < n for u, n in zip(urgent, usual, strict=False)):
                raise Misplaced("as many thresholds as usual, and none of them later", "urgent", name)
        for name in ("clocks_in_hours", "clocks_in_days"):
            if getattr(self.urgent.unacknowledged_after_hours, name) > getattr(self.unacknowledged_after_hours, name):
                raise Misplaced("it is raised no later than usual", "urgent", "unacknowledged_after_hours", name)
        if self.urgent.reminder_every_days > self.reminder_every_days:
            raise Misplaced("reminders come at least as often as usual", "urgent", "reminder_every_days")
        told = [(self.urgent.due_soon, self.due_soon), (self.urgent.due_today, self.due_today)]
        told += [(self.urgent.target_missed or self.urgent.due_today, self.target_missed)]
        told += [(self.urgent.breached, self.breached)]
        told += [(self.urgent.reminder_levels(step.from_day), step.levels) for step in self.reminders]
        if any(not set(usual) <= set(urgent) for urgent, usual in told):
            raise Misplaced("each step tells all whom the usual ladder tells", "urgent")
        return self

    def steps_for(self, risk: RiskLevel | None) -> AlertSteps:
        """The ladder for a clock of a case at this risk."""
        return self.urgent if risk is RiskLevel.URGENT and self.urgent is not None else self


class Deviations(_Data):
    """Whether lateness may be put down to exceptional circumstances, and who authorises that (H10.6)."""

    known: bool
    second_person: bool = True
    source: Text
    mark: Mark


class SpentConvictions(_Data):
    """The edition's position on spent items (H7.3)."""

    rule: SpentRule
    source: Text
    mark: Mark


class Relationship(_Data):
    """A relationship that makes a person eligible (H1.5)."""

    code: Code
    title: Text


class Relationships(_Data):
    """Which relationships are eligible, and whether one that has ended still is (H1.5)."""

    ended_relationship_eligible: StrictBool
    eligible: Annotated[tuple[Relationship, ...], Field(min_length=1)]


class Ages(_Data):
    """Ages in whole years (H2.9): each duty holds below its figure."""

    child_under: PositiveInt
    suitable_adult_under: PositiveInt


class Ranks(_Data):
    """Police ranks from the lowest to the highest, and the least rank for two acts (H2.8, H6.8)."""

    order: Annotated[tuple[Code, ...], Field(min_length=1)]
    emergency_authoriser: Code
    police_involvement_supervisor: Code

    @model_validator(mode="after")
    def _known(self) -> Self:
        _unique(self.order, "order")
        for name in ("emergency_authoriser", "police_involvement_supervisor"):
            if getattr(self, name) not in self.order:
                raise Misplaced(f"{getattr(self, name)} is not in order", name)
        return self

    @property
    def leading(self) -> tuple[str, ...]:
        """The ranks at which a supervisor leads a restricted case, from the lowest (H2.8)."""
        return self.order[self.order.index(self.police_involvement_supervisor) :]


class ContactAttempts(_Data):
    """Attempts before a supervisor may end them, and the hours between, by default (H7.6)."""

    minimum: PositiveInt
    spacing_hours: PositiveInt


ClosingDuties = Annotated[
    Mapping[Outcome, tuple[ClosingDuty, ...]],
    AfterValidator(MappingProxyType),
    PlainSerializer(dict),
]
FormsOfWords = Annotated[Mapping[FormOfWords, Text], AfterValidator(MappingProxyType), PlainSerializer(dict)]


class Edition(_Data):
    """One edition of the guidance. A case keeps the edition that it was opened under (H9).

    A new `version` corrects what is said of the same guidance, and cases go on under the correction; guidance with
    other duties is an edition of another name. `digest` is of all that the file says, comments apart.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: PositiveInt
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    title: Text
    source: Text
    notes: tuple[Text, ...] = ()
    helpline: Text
    police_involvement_notices: Annotated[tuple[Text, ...], Field(min_length=1)]
    late_entry_after_hours: PositiveInt
    limits: tuple[Limit, ...]
    targets: tuple[Target, ...] = ()
    checks: Annotated[tuple[MinimumCheck, ...], Field(min_length=1)]
    agencies: Annotated[tuple[Agency, ...], Field(min_length=1)]
    alerts: AlertLadder
    deviations: Deviations
    spent_convictions: SpentConvictions
    relationships: Relationships
    ages: Ages
    ranks: Ranks
    contact_attempts: ContactAttempts
    closing_duties: ClosingDuties
    forms_of_words: FormsOfWords

    @model_validator(mode="before")
    @classmethod
    def _digested(cls, data: Any) -> Any:
        return data if not isinstance(data, dict) or "digest" in data else data | {"digest": digest_of(data)}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _unique((check.system for check in self.checks), "checks", key="system")
        _unique((agency.code for agency in self.agencies), "agencies", key="code")
        _unique((kind.code for kind in self.relationships.eligible), "relationships", "eligible", key="code")
        _unique((f"the target of {target.clock} at {target.risk}" for target in self.targets), "targets")
        self._each_limit_settled_once()
        self._checks_agree()
        if not any(one.code == POLICE and one.when is AgencyWhen.ALWAYS for one in self.agencies):
            raise Misplaced(f"{POLICE} is missing, without which nobody concludes for the police (H6.3)", "agencies")
        for outcome in Outcome:
            if outcome not in self.closing_duties:
                raise Misplaced(f"{outcome} is missing", "closing_duties")
            if ClosingDuty.REPORT_SUBMITTED not in self.closing_duties[outcome]:
                raise Misplaced(
                    "report_submitted is missing, which stands whatever the outcome (H8.1)", "closing_duties", outcome
                )
        for form in FormOfWords:
            if form not in self.forms_of_words:
                raise Misplaced(f"{form} is missing", "forms_of_words")
        if self.helpline not in self.forms_of_words[FormOfWords.NOT_PROGRESSED]:
            raise Misplaced("the words do not give the helpline (H4.4)", "forms_of_words", FormOfWords.NOT_PROGRESSED)
        return self

    def _each_limit_settled_once(self) -> None:
        settled: set[tuple[ClockKind, Route, Applies]] = set()
        for n, limit in enumerate(self.limits):
            for applies_to in (limit.applies_to, Applies.ALWAYS):
                if (limit.clock, limit.route, applies_to) in settled:
                    says = f"{limit.clock} on {limit.route} is settled before, for {applies_to}: this one never holds"
                    raise Misplaced(says, "limits", n)
            settled.add((limit.clock, limit.route, limit.applies_to))

    def _checks_agree(self) -> None:
        if not any(one.when is CheckWhen.ALWAYS and Searched.SUBJECT in one.searched for one in self.checks):
            raise Misplaced("no check is always run on the subject (H4.1)", "checks")
        showing = [n for n, one in enumerate(self.checks) if one.shows_visor_marker]
        for n in showing:
            if self.checks[n].when is not CheckWhen.ALWAYS or Searched.SUBJECT not in self.checks[n].searched:
                raise Misplaced("it is not always run on the subject", "checks", n, "shows_visor_marker")
        if len(showing) > 1:
            raise Misplaced("another check shows the marker", "checks", showing[1], "shows_visor_marker")
        for n, one in enumerate(self.checks):
            if one.when is CheckWhen.VISOR_MARKER and not showing:
                raise Misplaced(
                    "no check has shows_visor_marker = true, so nothing would call for it", "checks", n, "when"
                )

    @property
    def content_version(self) -> str:
        """What a case keeps of the edition's content: version and short digest, as in 1+0f343b093112."""
        return f"{self.version}+{self.digest[:12]}"

    def limit(
        self,
        clock: ClockKind,
        *,
        route: Route,
        applicant_is_potential_victim: bool,
        prioritised: bool,
    ) -> Limit | None:
        """The first limit in the file that holds for such a case, or None where none does (H9)."""
        for limit in self.limits:
            if (limit.clock, limit.route) == (clock, route) and limit.applies(
                applicant_is_potential_victim=applicant_is_potential_victim,
                prioritised=prioritised,
            ):
                return limit
        return None

    @property
    def shows_visor_marker(self) -> str | None:
        """The system whose answer says whether ViSOR must be searched too (H4.1); None where no check depends on it."""
        return next((check.system for check in self.checks if check.shows_visor_marker), None)

    def targets_for(self, clock: ClockKind, risk: RiskLevel) -> tuple[Target, ...]:
        """The targets of a clock that hold at this risk: those of a lesser one hold at a graver."""
        return tuple(one for one in self.targets if one.clock is clock and one.risk.rank <= risk.rank)

    def minimum_checks(self, *, visor_marker: bool) -> tuple[MinimumCheck, ...]:
        """The checks that a decision needs; ViSOR only where the PNC shows a marker (H4.1)."""
        return tuple(check for check in self.checks if check.when is CheckWhen.ALWAYS or visor_marker)

    def minimum_searches(self, *, visor_marker: bool) -> tuple[tuple[str, Searched], ...]:
        """Each (system, whose name) that must be answered, in the file's order (H4.1)."""
        checks = self.minimum_checks(visor_marker=visor_marker)
        return tuple((check.system, who) for check in checks for who in check.searched)

    def check(self, system: str) -> MinimumCheck | None:
        """The minimum check of that system, or None where the edition does not ask for it."""
        return next((check for check in self.checks if check.system == system), None)

    def quorum(self, *, children_affected: bool) -> tuple[Agency, ...]:
        """The agencies without which the forum decides nothing (H6.1)."""
        return tuple(agency for agency in self.agencies if agency.when is AgencyWhen.ALWAYS or children_affected)

    def relationship_eligible(self, code: str, *, ended: bool) -> bool:
        """Whether the relationship is in the edition's scope (H1.5)."""
        known = any(kind.code == code for kind in self.relationships.eligible)
        return known and (not ended or self.relationships.ended_relationship_eligible)

    def rank_suffices(self, rank: str, *, least: str) -> bool:
        """Whether `rank` is `least` or higher; an unknown rank never suffices."""
        order = self.ranks.order
        return rank in order and least in order and order.index(rank) >= order.index(least)

    def duties(self, outcome: Outcome) -> tuple[ClosingDuty, ...]:
        """What must be done before a case with that outcome closes (H8.2)."""
        return self.closing_duties[outcome]

    def words(self, code: FormOfWords | str) -> str:
        """The form of words of that code. Raises ValueError where there is no such form."""
        return self.forms_of_words[FormOfWords(code)]
