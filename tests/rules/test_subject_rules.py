"""What is wrong with words spoken to the subject (H2.7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.disclosure.subject_rules import Authority, carried_out, wrong_with_words_to_subject

SINCE = datetime(2026, 5, 5, 9, tzinfo=UTC)
VICTIM = uuid4()
AUTHORITY = Authority(
    "H6.3", permits=True, words="The police hold information.", potential_victim_id=VICTIM, since=SINCE
)


def wrong(
    authority: Authority | None,
    *,
    at: datetime = SINCE,
    words: str = "The police hold information.",
    answered: bool = True,
) -> set[str]:
    found = wrong_with_words_to_subject(
        authority,
        potential_victim_id=VICTIM,
        words=words,
        occurred_at=at,
        names_applicant=False,
        everybody_answered=answered,
    )
    return {one.code for one in found}


def test_words_as_settled_while_the_authority_stands_are_in_order() -> None:
    assert wrong(AUTHORITY) == set()
    assert wrong(replace(AUTHORITY, potential_victim_id=None)) == set()


def test_the_subject_is_told_after_every_potential_victim_and_asked_for_representations_before() -> None:
    assert wrong(AUTHORITY, answered=False) == {"subject_told_first"}
    assert wrong(replace(AUTHORITY, rule="H5.5"), answered=False) == set()


@given(st.integers(-48, 48), st.integers(0, 24))
def test_only_words_spoken_while_the_authority_stood_carry_it_out(hours: int, stood: int) -> None:
    at = SINCE + timedelta(hours=hours)
    authority = replace(AUTHORITY, until=SINCE + timedelta(hours=stood))
    flagged = wrong(authority, at=at) & {"spoken_before_authority", "authority_had_ended"}
    assert carried_out(authority, occurred_at=at) == (not flagged) == (0 <= hours < stood)


def test_what_forbids_carries_nothing_out_whatever_the_hour() -> None:
    forbids = replace(AUTHORITY, permits=False, words=None)
    assert wrong(forbids) == {"words_decided_against"}
    assert not carried_out(forbids, occurred_at=SINCE)


@given(st.lists(st.sampled_from([" ", "\n", "\t", "  \n"]), min_size=3, max_size=3))
def test_how_the_words_are_laid_out_says_nothing_else(gaps: list[str]) -> None:
    words = "".join(word + gap for word, gap in zip(("The", "police", "hold"), gaps, strict=True)) + "information."
    assert wrong(AUTHORITY, words=words) == set()
    assert wrong(AUTHORITY, words=f"{words} Now you know.") == {"words_not_as_settled"}


def test_a_name_of_the_applicant_is_told_whatever_authorised_the_words() -> None:
    for authority in (None, AUTHORITY):
        found = wrong_with_words_to_subject(
            authority,
            potential_victim_id=VICTIM,
            words="She asked.",
            occurred_at=SINCE,
            names_applicant=True,
            everybody_answered=True,
        )
        assert found[0].code == "words_identify_applicant"
