"""Which checks are open, and what stands against the initial decision and against telling nothing (H4). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.editions.rules import Edition
from app.editions.terms import Route, Searched
from app.errors import Obstacle
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.process import Move, Stage


@dataclass(frozen=True)
class CheckAnswer:
    """What one search of a system gave."""

    system: str
    party_id: UUID
    result: CheckResult
    visor_marker: bool | None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True)
class Search:
    """A minimum search of the case: which system, on whose name, and how it stands."""

    system: str
    title: str
    searched: Searched
    party_id: UUID
    answered_at: datetime | None = None
    """When the system first answered, hit or nil."""
    unavailable: bool = False
    """Tried, and never answered yet."""

    @property
    def open(self) -> bool:
        """Not done, or unavailable so far."""
        return self.answered_at is None


@dataclass(frozen=True)
class ChecksFacts:
    """Where the initial checks of a case stand."""

    searches: tuple[Search, ...]
    identity: IdentityResult | None = None
    immediate_safeguarding_owed: bool = False
    agreement_awaited: bool = False
    """A decision not to progress waits for its second person (H4.4)."""

    @property
    def open_checks(self) -> tuple[Search, ...]:
        """The minimum searches that are not answered: not done, or unavailable so far."""
        return tuple(search for search in self.searches if search.open)

    @property
    def answered_at(self) -> datetime | None:
        """When the last minimum search was first answered; None while one is open."""
        if self.open_checks:
            return None
        return max((search.answered_at for search in self.searches if search.answered_at), default=None)


@dataclass(frozen=True)
class ProposedDecision:
    """What the rules ask of an initial decision before it is taken."""

    course: Course
    route: Route
    by_supervisor: bool
    applicant_contact_planned: bool = True
    prioritised: bool | None = None


def visor_marker_shown(edition: Edition, answers: Iterable[CheckAnswer], subjects: Iterable[UUID]) -> bool:
    """Whether the newest answer on the subject, of the system that shows it, shows a ViSOR marker (H4.1)."""
    on, asked = set(subjects), edition.shows_visor_marker
    shown = [a for a in answers if a.system == asked and a.party_id in on and a.visor_marker is not None]
    return bool(shown and max(shown, key=lambda a: (a.occurred_at, a.recorded_at, a.visor_marker)).visor_marker)


def minimum_searches(
    edition: Edition, parties: Mapping[Searched, Sequence[UUID]], answers: Sequence[CheckAnswer]
) -> tuple[Search, ...]:
    """Every minimum search of a case and how it stands: each system, on each party whose name it asks for (H4.1).

    An answer supersedes an unavailable system, whichever was typed first; a later failure does not undo an answer.
    """
    marker = visor_marker_shown(edition, answers, parties.get(Searched.SUBJECT, ()))
    tried: dict[tuple[str, UUID], list[CheckAnswer]] = {}
    for answer in answers:
        tried.setdefault((answer.system, answer.party_id), []).append(answer)
    return tuple(
        _search(check.system, check.title, searched, party_id, tried.get((check.system, party_id), []))
        for check in edition.minimum_checks(visor_marker=marker)
        for searched in check.searched
        for party_id in parties.get(searched, ())
    )


def _search(system: str, title: str, searched: Searched, party_id: UUID, tries: Sequence[CheckAnswer]) -> Search:
    answered = [one.occurred_at for one in tries if one.result is not CheckResult.UNAVAILABLE]
    return Search(system, title, searched, party_id, min(answered, default=None), bool(tries) and not answered)


def obstacles_to_initial_decision(facts: ChecksFacts, proposed: ProposedDecision) -> list[Obstacle]:
    """What stands against an initial decision (H2.4, H4.3, H5.2)."""
    found = immediate_safeguarding_first(owed=facts.immediate_safeguarding_owed)
    found += checks_not_done(facts)
    if proposed.course is Course.DO_NOT_PROGRESS:
        found += _checks_unavailable(facts, "not to progress")
        found += subject_unidentified(facts)
    elif not proposed.by_supervisor and any(search.unavailable for search in facts.searches):
        says = "A minimum check is unavailable: try it again, or a supervisor decides to progress with it open."
        found.append(Obstacle("supervisor_progresses_with_check_open", says, "H4.3"))
    if proposed.route is Route.RIGHT_TO_ASK and not proposed.applicant_contact_planned:
        says = "Say in applicant_contact how the applicant will be contacted."
        found.append(Obstacle("applicant_contact_not_planned", says, "H4.3"))
    return found + _priority(proposed)


def _priority(proposed: ProposedDecision) -> list[Obstacle]:
    considered = proposed.prioritised is not None
    if proposed.route is Route.RIGHT_TO_ASK:
        says = "Only a right to know is prioritised: leave prioritised out."
        return [Obstacle("priority_of_right_to_know", says, "H5.2")] if considered else []
    if proposed.course is Course.PROGRESS and not considered:
        says = (
            "Say whether this right to know is prioritised: a potential victim at high or medium risk, or a serial "
            "perpetrator; if it is not, say why not."
        )
        return [Obstacle("priority_not_considered", says, "H5.2")]
    return []


def obstacles_to_no_disclosure(facts: ChecksFacts) -> list[Obstacle]:
    """What the checks set against deciding to tell nothing (H4.3, H4.5): nil is neither *not done* nor *unknown*."""
    return [*checks_not_done(facts), *_checks_unavailable(facts, "not to disclose"), *subject_unidentified(facts)]


def checks_not_done(facts: ChecksFacts) -> list[Obstacle]:
    """One obstacle for each minimum search that nobody has tried (H4.3)."""
    return [
        Obstacle("check_not_done", f"{_named(search, facts)} is not done: search it and record the answer.", "H4.3")
        for search in facts.open_checks
        if not search.unavailable
    ]


def _checks_unavailable(facts: ChecksFacts, deciding: str) -> list[Obstacle]:
    return [
        Obstacle(
            "check_unavailable",
            f"{_named(search, facts)} is unavailable so far: try it again; without its answer nobody decides "
            f"{deciding}.",
            "H4.3",
        )
        for search in facts.open_checks
        if search.unavailable
    ]


def checks_unanswered(facts: ChecksFacts) -> list[Obstacle]:
    """One obstacle for each minimum search that a case went on without, and that must still be answered (H4.1)."""
    return [
        Obstacle(
            "check_unanswered",
            f"{_named(search, facts)} is still unanswered: search it again and record the answer.",
            "H4.1",
        )
        for search in facts.open_checks
    ]


def subject_unidentified(facts: ChecksFacts) -> list[Obstacle]:
    """A subject recorded as unidentified is not a nil (H4.5)."""
    if facts.identity is not IdentityResult.UNIDENTIFIED:
        return []
    says = (
        "The subject is recorded as unidentified, and that is not a nil: identify the subject first, if need be at the "
        "meeting."
    )
    return [Obstacle("subject_unidentified", says, "H4.5")]


def immediate_safeguarding_first(*, owed: bool) -> list[Obstacle]:
    """Where immediate risk was found, the action and the safety plan come before any decision (H2.4)."""
    if not owed:
        return []
    says = "Immediate risk: record the immediate safeguarding action and a robust safety plan before this decision."
    return [Obstacle("immediate_safeguarding_first", says, "H2.4")]


def _named(search: Search, facts: ChecksFacts) -> str:
    alike = sum((one.system, one.searched) == (search.system, search.searched) for one in facts.searches)
    return f"{search.title} on {'the' if alike == 1 else 'a'} {search.searched.replace('_', ' ')}"


def move_after(route: Route, *, prioritised: bool | None) -> Move:
    """Where a case that progresses goes (H5.1, H5.2)."""
    if route is Route.RIGHT_TO_ASK:
        return Move.PROGRESSED_TO_MEETING
    return Move.PROGRESSED_TO_ASSESSMENT if prioritised else Move.PROGRESSED_TO_CATEGORISATION


def outside_the_case(stage: Stage, *, occurred_at: datetime, first_contact_at: datetime | None) -> list[Obstacle]:
    """What is irregular about an act on a case that is not open, or dated before it began (H2.10, H8.3)."""
    found = []
    if stage is Stage.INTAKE:
        found.append(Obstacle("case_not_opened", "Recorded on a draft: open the application first.", "H3.5"))
    if stage in (Stage.FINAL_REPORT, Stage.CLOSED):
        says = "Recorded after the case had ended: consider whether it re-opens the question as a linked case."
        found.append(Obstacle("case_concluded", says, "H8.3"))
    if first_contact_at is not None and occurred_at < first_contact_at:
        says = "Dated before the initial contact of this case: check the time, and whether it belongs to this case."
        found.append(Obstacle("before_first_contact", says, "H3.5"))
    return found


def support_by_word(helpline: str) -> Obstacle:
    """What a right-to-ask applicant is still owed when the case does not go on (H4.4)."""
    says = f"Give the applicant details of local services and of the helpline {helpline}, by word: nothing in writing."
    return Obstacle("support_by_word", says, "H4.4")
