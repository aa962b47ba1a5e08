"""The rules of stage 7 (H7)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.categorisation.terms import Category
from app.convictions.schemas import LengthIn, ProceedingIn, SentenceIn
from app.convictions.sentences import AgeAtConviction, Length, SentenceType
from app.disclosure.conclusions import (
    Conclusion,
    DisclosureFacts,
    NoticeFacts,
    obstacles_to_concluding,
    outcome,
    spaced,
    too_few_attempts,
    whole_case_met,
    wrong_with_notice,
)
from app.disclosure.rules import (
    Clearance,
    ItemFacts,
    Readiness,
    Recipient,
    ToldFirst,
    decided_afterwards,
    held,
    names,
    not_cleared,
    not_tellable,
    obstacles_to_clearance,
    once,
)
from app.disclosure.terms import ConcludedAs, NotCompletedReason, NoticeKind, RecipientWarning, Undertaking
from app.editions.rules import ContactAttempts
from app.editions.terms import Outcome, SpentRule
from app.errors import Obstacle
from app.forum.schemas import StandingDecision

NOON = datetime(2026, 5, 5, 11, 0, tzinfo=UTC)
VICTIM, DECISION = uuid4(), uuid4()
STANDING = StandingDecision(
    id=DECISION,
    potential_victim_id=VICTIM,
    source="forum",
    disclose=True,
    category=Category.CONCERN,
    police_conclude_necessary=True,
    pressing_need=True,
    proportionate=True,
    recipient_id=VICTIM,
    recipient_described=None,
    subject_to_be_told=False,
    consult_offender_manager=False,
    decided_at=NOON,
    confirmed_at=NOON,
)
GOOD: dict[str, Any] = {
    "decision": STANDING,
    "named": DECISION,
    "readiness": Readiness(
        subject_identified=True, plan_is_current=True, immediate_safeguarding_open=False, postponed=False
    ),
    "items": [ItemFacts()],
    "spent_rule": SpentRule.REFUSED_UNLESS_AUTHORISED,
    "recipient": Recipient(VICTIM, None),
    "first": ToldFirst(frozenset(RecipientWarning), Undertaking.SIGNED, None),
    "consultation": None,
}


def codes(found: list[Obstacle]) -> list[str]:
    assert all(obstacle.says.endswith(".") and obstacle.rule.startswith("H") for obstacle in found)
    return [obstacle.code for obstacle in found]


def test_nothing_stands_against_a_good_clearance() -> None:
    assert obstacles_to_clearance(**GOOD) == []


@pytest.mark.parametrize(
    "lacking",
    [
        replace(STANDING, category=Category.NO_CONCERN),
        replace(STANDING, police_conclude_necessary=False),
        replace(STANDING, pressing_need=False),
        replace(STANDING, proportionate=False),
    ],
)
def test_every_limb_is_needed(lacking: StandingDecision) -> None:
    assert len(codes(obstacles_to_clearance(**{**GOOD, "decision": lacking}))) == 1


items = st.builds(ItemFacts, *[st.booleans()] * 6)


@given(st.lists(items, min_size=1, max_size=4), items, st.sampled_from(SpentRule))
def test_a_further_item_never_makes_a_set_tellable(held: list[ItemFacts], more: ItemFacts, rule: SpentRule) -> None:
    assert set(codes(not_tellable(held, rule=rule))) <= set(codes(not_tellable([*held, more], rule=rule)))


@given(items)
def test_blocked_is_never_laxer_and_no_authority_opens_it(item: ItemFacts) -> None:
    lax = set(codes(not_tellable([item], rule=SpentRule.REFUSED_UNLESS_AUTHORISED)))
    strict = set(codes(not_tellable([item], rule=SpentRule.BLOCKED)))
    assert lax <= strict
    assert ("item_spent" in strict) == item.spent


OFFICER = uuid4()
HER = Recipient(VICTIM, None)
CLEARED = Clearance(VICTIM, DECISION, VICTIM, None, OFFICER, frozenset({VICTIM}), NOON)


def delivered(at: datetime = NOON, **changed: Any) -> list[str]:
    told: dict[str, Any] = {
        "potential_victim_id": VICTIM,
        "decision_id": DECISION,
        "recipient": HER,
        "delivered_by": OFFICER,
        "item_ids": frozenset({VICTIM}),
        **changed,
    }
    return codes(not_cleared(CLEARED, occurred_at=at, used_already=False, **told))


def test_a_clearance_holds_for_its_own_london_day() -> None:
    assert delivered() == []
    assert delivered(datetime(2026, 5, 5, 22, 59, tzinfo=UTC)) == []
    assert delivered(datetime(2026, 5, 5, 23, 0, tzinfo=UTC)) == ["cleared_on_another_day"]
    assert delivered(NOON - timedelta(seconds=1)) == ["cleared_afterwards"]
    assert delivered(item_ids=frozenset({VICTIM, DECISION})) == ["items_not_cleared"]
    assert delivered(decision_id=OFFICER) == ["other_decision_cleared"]
    assert delivered(recipient=Recipient(None, "Her mother")) == ["recipient_not_cleared"]


def test_who_is_only_described_is_compared_by_the_words() -> None:
    mother = replace(STANDING, recipient_id=None, recipient_described="Her mother, Mrs O\u2019Hara")
    assert names(mother, Recipient(None, "her mother  MRS O'HARA."))
    assert not names(mother, Recipient(None, "Her neighbour"))
    assert not names(mother, HER)
    assert not names(STANDING, Recipient(None, "Her mother"))


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_a_clearance_holds_from_when_it_was_given_until_its_decision_is_overtaken(told: int, overtaken: int) -> None:
    cleared = replace(CLEARED, overtaken_at=NOON + timedelta(minutes=overtaken))
    at = NOON + timedelta(minutes=told)
    assert held(cleared, potential_victim_id=VICTIM, recipient=HER, occurred_at=at) == (0 <= told < overtaken)


def test_words_before_the_decision_do_not_carry_it_out() -> None:
    assert codes(decided_afterwards(STANDING, occurred_at=NOON - timedelta(seconds=1))) == ["decided_afterwards"]
    assert decided_afterwards(STANDING, occurred_at=NOON) == []
    assert decided_afterwards(None, occurred_at=NOON) == []


def test_each_code_is_said_once_in_order() -> None:
    one, two = Obstacle("one", "x.", "H7.0"), Obstacle("two", "x.", "H7.0")
    assert once([one, two, one]) == [one, two]


NOTICE = NoticeFacts(
    kind=NoticeKind.NO_INFORMATION,
    right_to_ask=True,
    third_party_applicant=False,
    all_decided_not_to_disclose=True,
    any_decided_to_disclose=False,
    disclosed_elsewhere=False,
    told_is_applicant=True,
    told_is_subject=False,
    in_person=True,
    written_left=False,
    words_are_the_editions=True,
)


def test_a_third_party_never_hears_that_there_is_nothing_where_disclosure_goes_elsewhere() -> None:
    third = replace(NOTICE, third_party_applicant=True)
    assert codes(wrong_with_notice(third)) == []
    assert codes(wrong_with_notice(replace(third, disclosed_elsewhere=True))) == ["neutral_words_due"]
    neutral = replace(third, kind=NoticeKind.NEUTRAL, in_person=False)
    assert codes(wrong_with_notice(neutral)) == ["neutral_out_of_place"]
    assert codes(wrong_with_notice(replace(neutral, disclosed_elsewhere=True))) == []


ways = st.builds(Conclusion, st.sampled_from(ConcludedAs), st.just(NOON))


@given(st.lists(ways, min_size=1, max_size=5))
def test_disclosed_if_anybody_was_told_and_met_if_nobody_was_left(ended: list[Conclusion]) -> None:
    how = {conclusion.how for conclusion in ended}
    assert (outcome(ended) is Outcome.DISCLOSED) == (ConcludedAs.DELIVERED in how)
    assert (outcome(ended) is Outcome.NO_DISCLOSURE) == how.isdisjoint(
        {ConcludedAs.DELIVERED, ConcludedAs.NOT_COMPLETED}
    )
    assert whole_case_met(ended) == (ConcludedAs.NOT_COMPLETED not in how)


def test_what_is_missing_before_a_case_is_concluded() -> None:
    assert codes(obstacles_to_concluding(DisclosureFacts({}, (VICTIM,), True, False))) == [
        "not_concluded",
        "neutral_words_owed",
    ]
    assert obstacles_to_concluding(DisclosureFacts({}, (), True, True)) == []
    late = DisclosureFacts({}, (VICTIM, DECISION), False, False, undecided=(VICTIM,))
    assert codes(obstacles_to_concluding(late)) == ["not_decided", "not_concluded"]


def test_what_was_told_before_a_return_is_disclosed_all_the_same() -> None:
    assert outcome([Conclusion(ConcludedAs.TOLD, NOON, told_before=True)]) is Outcome.DISCLOSED


@pytest.mark.parametrize(
    ("hours", "enough"),
    [((), False), ((0, 24), False), ((0, 24, 47), False), ((0, 24, 48), True), ((48, 0, 24), True)],
)
def test_whoever_is_not_reached_was_tried_often_and_far_apart(hours: tuple[int, ...], enough: bool) -> None:
    wanted = ContactAttempts(minimum=3, spacing_hours=24)
    failed = [NOON + timedelta(hours=hour) for hour in hours]
    assert (too_few_attempts(NotCompletedReason.NOT_REACHED, failed=failed, wanted=wanted) == []) is enough
    for reason in set(NotCompletedReason) - {NotCompletedReason.NOT_REACHED}:
        assert too_few_attempts(reason, failed=failed, wanted=wanted) == []


@given(st.lists(st.integers(0, 500), max_size=12), st.integers(1, 72))
def test_attempts_that_count_are_spaced(hours: list[int], spacing: int) -> None:
    moments = [NOON + timedelta(hours=hour) for hour in hours]
    count = spaced(moments, spacing_hours=spacing)
    assert count == spaced(moments[::-1], spacing_hours=spacing)
    assert count <= len(set(hours))
    span = max(hours, default=0) - min(hours, default=0)
    assert count <= span // spacing + 1


def test_a_sentence_as_it_is_typed_is_the_one_the_act_is_worked_out_on() -> None:
    typed = ProceedingIn(
        conviction_date=date(2020, 1, 1),
        age_at_conviction=AgeAtConviction.ADULT,
        sentences=[
            SentenceIn(type=SentenceType.PRISON, start=date(2020, 1, 1), length=LengthIn(months=8)),
            SentenceIn(type=SentenceType.RESTRAINING_ORDER, start=date(2020, 1, 1), length="indefinite"),
        ],
    )
    prison, order = typed.as_proceeding().sentences
    assert (prison.length, order.length) == (Length(months=8), "indefinite")
    with pytest.raises(ValueError, match="never one proceeding"):
        ProceedingIn(
            conviction_date=date(2020, 1, 1),
            age_at_conviction=AgeAtConviction.ADULT,
            sentences=[
                SentenceIn(type=SentenceType.FINE, start=date(2020, 1, 1)),
                SentenceIn(type=SentenceType.SIMPLE_CAUTION, start=date(2020, 1, 1)),
            ],
        )
