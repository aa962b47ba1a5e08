"""What a category, representations and a referral need (H5.3 to H5.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.categorisation.rules import (
    CategorisationFacts,
    FactorFound,
    names_the_applicant,
    obstacles_to_category,
    obstacles_to_referral,
    obstacles_to_representations,
)
from app.categorisation.terms import Category, Factor, RepresentationsChoice
from app.errors import Obstacle

ABSENT = [FactorFound(factor, present=False, answer=None) for factor in Factor]


def codes(obstacles: list[Obstacle]) -> list[str]:
    return [obstacle.code for obstacle in obstacles]


def no_concern(factors: list[FactorFound], other: str | None = "Records were read.") -> list[str]:
    return codes(
        obstacles_to_category(Category.NO_CONCERN, risk_of_harm=None, factors=factors, other_information=other)
    )


def test_no_concern_with_every_factor_absent_and_other_information_looked_for() -> None:
    assert no_concern(ABSENT) == []


def test_the_absence_of_convictions_alone_never_suffices() -> None:
    assert no_concern(ABSENT, other=None) == ["absence_of_convictions_alone"]


@pytest.mark.parametrize("factor", list(Factor))
def test_a_factor_present_is_answered_in_the_reasons(factor: Factor) -> None:
    others = [found for found in ABSENT if found.factor is not factor]
    assert no_concern([*others, FactorFound(factor, present=True, answer=None)]) == ["factor_unanswered"]
    assert no_concern([*others, FactorFound(factor, present=True, answer="Long ago, and of another kind.")]) == []
    assert no_concern(others) == ["factor_not_considered"]


factors_found = st.lists(
    st.builds(FactorFound, st.sampled_from(Factor), present=st.booleans(), answer=st.none() | st.just("Answered.")),
    unique_by=lambda found: found.factor,
)


@given(factors_found, st.none() | st.just("Looked for."))
def test_factors_never_compute_concern(factors: list[FactorFound], other: str | None) -> None:
    def concern(harm: str | None) -> list[str]:
        return codes(
            obstacles_to_category(Category.CONCERN, risk_of_harm=harm, factors=factors, other_information=other)
        )

    assert concern("At risk of assault.") == []
    assert concern(None) == ["no_finding_of_harm"]


@given(factors_found)
def test_no_concern_stands_exactly_where_every_factor_is_considered_and_answered(factors: list[FactorFound]) -> None:
    answered = all(found.answer or not found.present for found in factors)
    whole = {found.factor for found in factors} == set(Factor)
    assert (no_concern(factors) == []) == (answered and whole)


def seeking(words: str | None, *, by_supervisor: bool = True) -> list[str]:
    return codes(
        obstacles_to_representations(
            RepresentationsChoice.SOUGHT,
            by_supervisor=by_supervisor,
            words=words,
            applicants_names=["Joanna", "Tarrant-Ó Briain"],
            subjects_names=["Alan", "Merrick"],
        )
    )


def test_seeking_needs_a_supervisor_and_words_settled_beforehand() -> None:
    assert seeking("The police are considering information they hold about you.") == []
    assert seeking(None, by_supervisor=False) == ["representations_need_supervisor", "words_not_settled"]


@pytest.mark.parametrize("words", ["joanna asked us", "The TARRANT family", "Mrs Briain's request"])
def test_words_that_name_the_applicant_are_refused(words: str) -> None:
    assert seeking(words) == ["words_identify_applicant"]


@pytest.mark.parametrize(
    "words", ["ZOË asked.", "Zoe asked.", "Zoe\u0308 asked.", "Ｚｏë asked.", "For Łucja.", "lucja"]
)
def test_a_name_is_found_however_it_is_typed(words: str) -> None:
    assert names_the_applicant(words, applicants_names=["Zoë", "Łucja"], subjects_names=["Alan"])


def test_a_name_that_the_subject_bears_too_tells_nothing() -> None:
    assert not names_the_applicant("Mr Merrick, we hold", applicants_names=["Merrick"], subjects_names=["Merrick"])


def test_not_seeking_needs_its_reason_only() -> None:
    assert not obstacles_to_representations(
        RepresentationsChoice.NOT_SOUGHT, by_supervisor=False, words=None, applicants_names=[], subjects_names=[]
    )


def test_a_referral_names_everything_that_stands_against_it() -> None:
    assert codes(obstacles_to_referral(CategorisationFacts(2, immediate_safeguarding_owed=True))) == [
        "immediate_safeguarding_first",
        "not_categorised",
    ]
    assert obstacles_to_referral(CategorisationFacts(0, immediate_safeguarding_owed=False)) == []
    waiting = CategorisationFacts(0, immediate_safeguarding_owed=False, malice_awaits_agreement=True)
    assert codes(obstacles_to_referral(waiting)) == ["malice_awaits_agreement"]
