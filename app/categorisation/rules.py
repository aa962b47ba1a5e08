"""What a category, a request for representations and a referral need (H5.3 to H5.5). Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.access.names import normalise_name
from app.categorisation.terms import Category, Factor, RepresentationsChoice
from app.errors import Obstacle
from app.initial_checks.rules import immediate_safeguarding_first


@dataclass(frozen=True)
class FactorFound:
    """One factor as considered: whether it is present, and how the reasons answer it."""

    factor: Factor
    present: bool
    answer: str | None


@dataclass(frozen=True)
class CategorisationFacts:
    """What a referral asks of a case: potential victims without a category, and immediate safeguarding still owed."""

    uncategorised: int
    immediate_safeguarding_owed: bool
    malice_awaits_agreement: bool = False
    """A finding that the request is malicious waits for its second person (H5.1a)."""


def obstacles_to_category(
    category: Category,
    *,
    risk_of_harm: str | None,
    factors: Sequence[FactorFound],
    other_information: str | None,
) -> list[Obstacle]:
    """What stands against a category (H5.4).

    Concern is a finding that the potential victim is at risk of harm from the subject, whatever the factors. No
    concern considers every factor, answers each that is present, and never rests on the absence of convictions alone.
    """
    if category is Category.CONCERN:
        return [] if risk_of_harm else [_no_finding_of_harm()]
    considered = {found.factor: found for found in factors}
    obstacles = [_not_considered(factor) for factor in Factor if factor not in considered]
    obstacles += [_unanswered(found.factor) for found in considered.values() if found.present and not found.answer]
    if not other_information:
        obstacles.append(
            Obstacle(
                "absence_of_convictions_alone",
                "The absence of convictions alone never suffices for no concern: say in other_information what other "
                "information was looked for and why it does not suggest harm.",
                "H5.4",
            )
        )
    return obstacles


def _no_finding_of_harm() -> Obstacle:
    return Obstacle(
        "no_finding_of_harm",
        "Concern is a finding that the potential victim is at risk of harm from the subject: state it in risk_of_harm.",
        "H5.4",
    )


def _not_considered(factor: Factor) -> Obstacle:
    return Obstacle(
        "factor_not_considered",
        f"No concern considers every factor: say whether {_named(factor)} is present.",
        "H5.4",
    )


def _unanswered(factor: Factor) -> Obstacle:
    return Obstacle(
        "factor_unanswered",
        f"The factor {_named(factor)} is present: say in its answer why there is no concern all the same.",
        "H5.4",
    )


def _named(factor: Factor) -> str:
    return factor.replace("_", " ")


def obstacles_to_representations(
    choice: RepresentationsChoice,
    *,
    by_supervisor: bool,
    words: str | None,
    applicants_names: Iterable[str],
    subjects_names: Iterable[str],
) -> list[Obstacle]:
    """What stands against seeking the subject's representations (H5.5, H2.7). Not seeking them needs a reason only."""
    if choice is RepresentationsChoice.NOT_SOUGHT:
        return []
    obstacles = []
    if not by_supervisor:
        obstacles.append(
            Obstacle(
                "representations_need_supervisor",
                "Only a supervisor may have the subject's representations sought: ask one to record it.",
                "H5.5",
            )
        )
    return [
        *obstacles,
        *obstacles_to_words(words, to="the subject", applicants_names=applicants_names, subjects_names=subjects_names),
    ]


def obstacles_to_words(
    words: str | None, *, to: str, applicants_names: Iterable[str], subjects_names: Iterable[str]
) -> list[Obstacle]:
    """What stands against words for somebody who must not learn who applied, settled before they are said (H2.7)."""
    if not words:
        return [
            Obstacle(
                "words_not_settled",
                f"The words for {to} are settled beforehand: write them, without anything that identifies the "
                "applicant.",
                "H2.7",
            )
        ]
    if names_the_applicant(words, applicants_names=applicants_names, subjects_names=subjects_names):
        return [
            Obstacle(
                "words_identify_applicant",
                f"The words for {to} hold a name of the applicant: write them so that they identify nobody who asked.",
                "H2.7",
            )
        ]
    return []


def names_the_applicant(words: str, *, applicants_names: Iterable[str], subjects_names: Iterable[str]) -> bool:
    """Whether a word of the applicant's names stands in a text. A name that the subject bears too tells nothing.

    It finds the plain slip only; that words identify in other ways stays a person's judgement.
    """
    telling = _words(" ".join(applicants_names)) - _words(" ".join(subjects_names))
    return bool(telling & _words(words))


def _words(text: str) -> set[str]:
    one_form = unicodedata.normalize("NFC", text)  # an accent typed apart would part a word
    return {key for word in re.findall(r"[^\W\d_]+", one_form) if len(key := normalise_name(word)) > 1}


def obstacles_to_referral(facts: CategorisationFacts) -> list[Obstacle]:
    """What stands against referring a case to the forum (H5.3, H2.4). Either category goes there (H5.6)."""
    obstacles = immediate_safeguarding_first(owed=facts.immediate_safeguarding_owed)
    if facts.uncategorised:
        obstacles.append(
            Obstacle(
                "not_categorised",
                f"Potential victims without a category: {facts.uncategorised}. Categorise each before the referral.",
                "H5.3",
            )
        )
    if facts.malice_awaits_agreement:
        obstacles.append(
            Obstacle(
                "malice_awaits_agreement",
                "A finding that the request is malicious awaits a second person: it is agreed or refused first.",
                "H5.1a",
            )
        )
    return obstacles
