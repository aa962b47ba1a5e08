"""How stage 7 ends: notices, postponement, non-completion, and when a case is concluded (H7.4 to H7.7, H9.1). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from app.disclosure.terms import ConcludedAs, NotCompletedReason, NoticeKind
from app.editions.rules import ContactAttempts
from app.editions.terms import Outcome
from app.errors import Obstacle


@dataclass(frozen=True)
class Conclusion:
    """How it ended for one potential victim, and when; also where something was told under an earlier decision."""

    how: ConcludedAs
    at: datetime
    told_before: bool = False
    """Something was told under a decision that has been returned to the forum since."""

    @property
    def was_told(self) -> bool:
        """Whether anything was disclosed about this potential victim."""
        return self.told_before or self.how is ConcludedAs.DELIVERED


@dataclass(frozen=True)
class DisclosureFacts:
    """Where stage 7 stands: who is concluded, who is not, and whether the third-party applicant has had neutral words.

    `neutral_owed`: a third party asked and disclosure goes to somebody else. `neutral_settled`: the words were given,
    or a supervisor ended the attempts to give them. `undecided`: of the unconcluded, those for whom no decision stands.
    """

    conclusions: Mapping[UUID, Conclusion]
    unconcluded: tuple[UUID, ...]
    neutral_owed: bool
    neutral_settled: bool
    undecided: tuple[UUID, ...] = ()


def obstacles_to_concluding(facts: DisclosureFacts) -> list[Obstacle]:
    """What is still to be done before the case goes to its final report."""
    found = []
    if facts.undecided:
        says = (
            f"Potential victims on whom the forum has not decided: {len(facts.undecided)}. Return the case to the "
            "forum for them."
        )
        found.append(Obstacle("not_decided", says, "H9.1"))
    if left := len(facts.unconcluded) - len(facts.undecided):
        says = (
            f"Potential victims not concluded: {left}. For each, record the delivery, the notice of "
            "no disclosure, or why it was not completed."
        )
        found.append(Obstacle("not_concluded", says, "H9.1"))
    if facts.neutral_owed and not facts.neutral_settled:
        says = "Disclosure went elsewhere: give the third-party applicant the neutral words and record it."
        found.append(Obstacle("neutral_words_owed", says, "H7.4a"))
    return found


def outcome(conclusions: Iterable[Conclusion]) -> Outcome:
    """Disclosed if anybody was told, else not completed if anybody could not be, else no disclosure."""
    ended = list(conclusions)
    if any(conclusion.was_told for conclusion in ended):
        return Outcome.DISCLOSED
    given_up = any(conclusion.how is ConcludedAs.NOT_COMPLETED for conclusion in ended)
    return Outcome.NOT_COMPLETED if given_up else Outcome.NO_DISCLOSURE


def whole_case_met(conclusions: Iterable[Conclusion]) -> bool:
    """Whether the whole-case duty is met and not merely ended: nobody was left untold (H9.1, H9.3)."""
    return all(conclusion.how is not ConcludedAs.NOT_COMPLETED for conclusion in conclusions)


@dataclass(frozen=True)
class NoticeFacts:
    """What the rules ask of a notice of not disclosing."""

    kind: NoticeKind
    right_to_ask: bool
    third_party_applicant: bool
    all_decided_not_to_disclose: bool
    """Every potential victim it concludes has a confirmed decision not to disclose, made before it."""
    any_decided_to_disclose: bool
    """For one of those it concludes, the decision that stands is to disclose."""
    disclosed_elsewhere: bool
    """In this case something is disclosed to somebody else than the applicant."""
    told_is_applicant: bool
    told_is_subject: bool
    in_person: bool
    written_left: bool
    words_are_the_editions: bool


def wrong_with_notice(facts: NoticeFacts) -> list[Obstacle]:
    """What a supervisor must see to."""
    neutral = facts.kind is NoticeKind.NEUTRAL
    found = []
    if facts.written_left:
        says = "Something written was left: get it back safely, and look at the risk again."
        found.append(Obstacle("written_left", says, "H2.2"))
    if facts.right_to_ask == (facts.kind is NoticeKind.RECORDED):
        says = (
            "A right to ask ends by telling the applicant, not by a record alone."
            if facts.right_to_ask
            else "A right to know has no applicant to tell: decision and rationale are recorded."
        )
        found.append(Obstacle("wrong_route", says, "H7.4" if facts.right_to_ask else "H7.5"))
    if not neutral and facts.any_decided_to_disclose:
        says = "The decision that stands for a potential victim is to disclose."
        found.append(Obstacle("decision_is_to_disclose", says, "H7.4"))
    elif not neutral and not facts.all_decided_not_to_disclose:
        says = "No confirmed decision not to disclose stood for every potential victim it concludes."
        found.append(Obstacle("no_confirmed_decision", says, "H6.4"))
    if facts.kind is NoticeKind.RECORDED:
        return found
    if facts.told_is_subject:
        found.append(Obstacle("subject_told", "The subject was told: look at the risk at once.", "H7.4"))
    elif not facts.told_is_applicant:
        found.append(Obstacle("told_another", "Somebody else than the applicant was told.", "H7.4"))
    if not facts.words_are_the_editions:
        says = "The words differ from the edition's: the same words are used whatever the reason."
        found.append(Obstacle("words_differ", says, "H7.4a" if neutral else "H7.4"))
    if neutral:
        if not facts.third_party_applicant or not facts.disclosed_elsewhere:
            says = "Neutral words are for a third-party applicant where disclosure goes elsewhere, and for nobody else."
            found.append(Obstacle("neutral_out_of_place", says, "H7.4a"))
        return found
    if not facts.in_person:
        says = "The applicant was not told in person: arrange to tell in person."
        found.append(Obstacle("not_in_person", says, "H7.4"))
    if facts.third_party_applicant and facts.disclosed_elsewhere:
        says = "The third-party applicant was told that there is nothing, where disclosure goes elsewhere."
        found.append(Obstacle("neutral_words_due", says, "H7.4a"))
    return found


def obstacles_to_postponing(
    *, already_postponed: bool, review_on: date, today: date, plans_are_current: bool
) -> list[Obstacle]:
    """Why delivery may not be made to wait (H7.7)."""
    found = []
    if already_postponed:
        says = "A postponement is in force: end it, or wait for its review date."
        found.append(Obstacle("already_postponed", says, "H7.7"))
    if review_on <= today:
        says = "The review date has come already: set one ahead."
        found.append(Obstacle("review_not_ahead", says, "H7.7"))
    if not plans_are_current:
        says = "A potential victim has no current interim safety plan: record one first."
        found.append(Obstacle("no_current_safety_plan", says, "H7.7"))
    return found


def spaced(attempts: Iterable[datetime], *, spacing_hours: int) -> int:
    """How many attempts count, each at least so many elapsed hours after the one counted before (H7.6)."""
    count, last = 0, None
    for moment in sorted(attempts):
        if last is None or moment - last >= timedelta(hours=spacing_hours):
            count, last = count + 1, moment
    return count


def too_few_attempts(
    reason: NotCompletedReason, *, failed: Iterable[datetime], wanted: ContactAttempts
) -> list[Obstacle]:
    """Whoever is given up as not reached has been tried as often, and as far apart, as the edition says (H7.6).

    `failed` are the attempts in vain since the person was last reached.
    """
    if reason is not NotCompletedReason.NOT_REACHED:
        return []
    counted = spaced(failed, spacing_hours=wanted.spacing_hours)
    if counted >= wanted.minimum:
        return []
    says = (
        f"Attempts that count: {counted} of {wanted.minimum}, each at least {wanted.spacing_hours} hours after the "
        "last, since the person was last reached and since any decision. Go on trying, by the agreed safe means."
    )
    return [Obstacle("too_few_attempts", says, "H7.6")]


def obstacles_to_non_completion(
    *,
    decided: bool,
    reason: NotCompletedReason,
    failed: Iterable[datetime],
    wanted: ContactAttempts,
    plan_is_current: bool,
) -> list[Obstacle]:
    """Why the attempts to tell may not be ended yet (H7.6)."""
    found = []
    if not decided:
        says = "No decision stands for this potential victim: there is nothing to complete yet."
        found.append(Obstacle("no_standing_decision", says, "H7.6"))
    found += too_few_attempts(reason, failed=failed, wanted=wanted)
    if not plan_is_current:
        says = "The safety plan stays, and there is no current one: record it first."
        found.append(Obstacle("no_current_safety_plan", says, "H7.6"))
    return found
