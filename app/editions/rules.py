"""What an edition of the guidance is, as validated data (H9).

Pure: the models check what a TOML file says and answer questions about it; reading files is the
loader's work. Every model is frozen and forbids unknown keys, so that a misspelt limit is an error
and not a limit that is silently missing.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    model_validator,
)

from app.editions.terms import (
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
    Route,
    Searched,
    SpentRule,
    StartingEvent,
)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


Text = Annotated[str, Field(min_length=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _unique(what: str, codes: list[str]) -> None:
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ValueError(f"{what} given twice: {', '.join(twice)}")


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
        if sum(n is not None for n in (self.hours, self.working_days, self.calendar_days)) != 1:
            raise ValueError("give exactly one of hours, working_days, calendar_days")
        if self.starts_from not in STARTING_EVENTS[self.route]:
            known = ", ".join(sorted(STARTING_EVENTS[self.route]))
            raise ValueError(f"starts_from: {self.route} has only: {known}")
        return self

    def applies(self, *, applicant_is_potential_victim: bool, prioritised: bool) -> bool:
        """Whether the limit holds for a case with these two facts."""
        return {
            Applies.ALWAYS: True,
            Applies.APPLICANT_IS_POTENTIAL_VICTIM: applicant_is_potential_victim,
            Applies.PRIORITISED: prioritised,
        }[self.applies_to]


class MinimumCheck(_Data):
    """One system that must answer before the initial decision, and on whose name (H4.1)."""

    system: Code
    title: Text
    searched: Annotated[tuple[Searched, ...], Field(min_length=1)]
    when: CheckWhen = CheckWhen.ALWAYS
    local: bool = False


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


class AlertLadder(_Data):
    """When staff are alerted and how far up it climbs (H11).

    Every step tells all whom the step before it told: after an outage only the highest missed rung
    is sent, and nobody may be lost by that.
    """

    hours_left: tuple[PositiveInt, ...]
    working_days_left: tuple[PositiveInt, ...]
    reminder_every_days: PositiveInt
    due_soon: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    due_today: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    breached: Annotated[tuple[AlertLevel, ...], Field(min_length=1)]
    reminders: Annotated[tuple[ReminderStep, ...], Field(min_length=1)]
    unacknowledged_after_hours: ChaseAfter

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        days = [step.from_day for step in self.reminders]
        if days != sorted(set(days)) or days[0] != 1:
            raise ValueError("reminders: from_day begins at 1 and rises")
        for name in ("hours_left", "working_days_left"):
            left: tuple[int, ...] = getattr(self, name)
            if list(left) != sorted(set(left), reverse=True):
                raise ValueError(f"{name}: falls, each threshold once")
        rungs = [self.due_soon, self.due_today, self.breached]
        rungs += [step.levels for step in self.reminders]
        for lower, higher in pairwise(rungs):
            if not set(lower) <= set(higher):
                raise ValueError("each step of the ladder tells all whom the step before it told")
        return self

    def reminder_levels(self, day: int) -> tuple[AlertLevel, ...]:
        """Whom the reminder reaches so many days (from 1) after the breach."""
        return [step.levels for step in self.reminders if step.from_day <= day][-1]


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

    ended_relationship_eligible: bool
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
        _unique("order: rank", list(self.order))
        for name in ("emergency_authoriser", "police_involvement_supervisor"):
            if getattr(self, name) not in self.order:
                raise ValueError(f"{name}: {getattr(self, name)} is not in order")
        return self


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
    """One edition of the guidance. A case keeps the edition that it was opened under (H9)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    source: Text
    notes: tuple[Text, ...] = ()
    helpline: Text
    police_involvement_notices: Annotated[tuple[Text, ...], Field(min_length=1)]
    late_entry_after_hours: PositiveInt
    limits: tuple[Limit, ...]
    checks: Annotated[tuple[MinimumCheck, ...], Field(min_length=1)]
    agencies: Annotated[tuple[Agency, ...], Field(min_length=1)]
    alerts: AlertLadder
    spent_convictions: SpentConvictions
    relationships: Relationships
    ages: Ages
    ranks: Ranks
    contact_attempts: ContactAttempts
    closing_duties: ClosingDuties
    forms_of_words: FormsOfWords

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _unique("checks: system", [check.system for check in self.checks])
        _unique("agencies: code", [agency.code for agency in self.agencies])
        _unique("relationships: code", [kind.code for kind in self.relationships.eligible])
        settled: set[tuple[ClockKind, Route, Applies]] = set()
        for limit in self.limits:
            for applies_to in (limit.applies_to, Applies.ALWAYS):
                if (limit.clock, limit.route, applies_to) in settled:
                    raise ValueError(
                        f"limits: {limit.clock} on {limit.route} is settled before the one that "
                        f"applies to {limit.applies_to}"
                    )
            settled.add((limit.clock, limit.route, limit.applies_to))
        if missing := sorted(set(Outcome) - set(self.closing_duties)):
            raise ValueError(f"closing_duties: missing {', '.join(missing)}")
        if missing_words := sorted(set(FormOfWords) - set(self.forms_of_words)):
            raise ValueError(f"forms_of_words: missing {', '.join(missing_words)}")
        if self.helpline not in self.forms_of_words[FormOfWords.NOT_PROGRESSED]:
            raise ValueError("forms_of_words: not_progressed does not give the helpline")  # H4.4
        return self

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
