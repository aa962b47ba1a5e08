"""When convictions and cautions become spent (H7.3)."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.convictions.rehabilitation import IndefiniteOrder, NeverSpent, Spent, SpentOn, is_spent, rehabilitation
from app.convictions.sentences import (
    INDEFINITE,
    AgeAtConviction,
    DisposalKind,
    ImpossibleSentence,
    Length,
    Proceeding,
    Sentence,
    SentenceType,
)

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "spent-convictions.json"
# The form of the published rows, with one of our own so that the test is whole without them.
CASES: list[dict[str, Any]] = [
    {
        "name": "a ban without end, and a fine soon after",
        "proceedings": [
            {
                "conviction_date": "2021-03-31",
                "age_at_conviction": "youth",
                "sentences": [
                    {"type": "disqualification", "start": "2021-03-31", "length": "indefinite"},
                    {"type": "detention", "start": "2021-03-31", "length": {"months": 13}},
                ],
                "expected": "indefinite",
            },
            {
                "conviction_date": "2022-01-10",
                "age_at_conviction": "youth",
                "sentences": [{"type": "fine", "start": "2022-01-10"}],
                "expected": "2024-04-30",
            },
        ],
    },
    *(json.loads(SHARED.read_text())["cases"] if SHARED.exists() else []),
]

ADULT, YOUTH = AgeAtConviction.ADULT, AgeAtConviction.YOUTH
DAY = date(2020, 1, 1)
T = SentenceType


def _sentence(row: dict[str, Any]) -> Sentence:
    length = row.get("length")
    ends = row.get("conditions_end")
    return Sentence(
        SentenceType(row["type"]),
        date.fromisoformat(row["start"]),
        length=Length(**length) if isinstance(length, dict) else length,
        schedule_18=row.get("schedule_18", False),
        endorsed=row.get("endorsed", False),
        conditions_end=date.fromisoformat(ends) if ends else None,
    )


def _written(result: Spent) -> str:
    match result:
        case SpentOn(day):
            return day.isoformat()
        case NeverSpent():
            return "never"
        case IndefiniteOrder():
            return "indefinite"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_whole_records(case: dict[str, Any]) -> None:
    rows = case["proceedings"]
    proceedings = [
        Proceeding(
            date.fromisoformat(row["conviction_date"]),
            AgeAtConviction(row["age_at_conviction"]),
            tuple(_sentence(sentence) for sentence in row["sentences"]),
        )
        for row in rows
    ]
    if any(row["expected"] == "error" for row in rows):
        with pytest.raises(ImpossibleSentence):
            rehabilitation(proceedings)
    else:
        assert [_written(result) for result in rehabilitation(proceedings)] == [row["expected"] for row in rows]


def one(type_: SentenceType, age: AgeAtConviction = ADULT, *, day: date = DAY, **details: Any) -> Proceeding:
    return Proceeding(day, age, (Sentence(type_, day, **details),))


def spent(*proceedings: Proceeding) -> list[str]:
    return [_written(result) for result in rehabilitation(proceedings)]


def years(n: int) -> Length:
    return Length(years=n)


def months(n: int) -> Length:
    return Length(months=n)


def in_days(n: int) -> Length:
    return Length(days=n)


@pytest.mark.parametrize(
    ("type_", "length", "adult", "youth"),
    [
        (T.PRISON, months(12), "2022-01-01", "2021-07-01"),
        (T.PRISON, Length(years=1, days=1), "2025-01-02", "2023-01-02"),
        (T.DETENTION, years(4), "2028-01-01", "2026-01-01"),
        (T.PRISON, Length(years=4, days=1), "2031-01-02", "2027-07-02"),
        (T.SUSPENDED_PRISON, months(24), "2026-01-01", "2024-01-01"),
        (T.DETENTION_TRAINING_ORDER, months(4), "2021-05-01", "2020-11-01"),
        (T.SERVICE_DETENTION, months(3), "2021-04-01", "2020-10-01"),
        (T.DISMISSAL_FROM_SERVICE, None, "2021-01-01", "2020-07-01"),
        (T.FINE, None, "2021-01-01", "2020-07-01"),
        (T.COMPENSATION_ORDER, None, "indefinite", "indefinite"),
        (T.COMMUNITY_ORDER, years(1), "2021-01-01", "2021-01-01"),
        (T.YOUTH_REHABILITATION_ORDER, None, "2022-01-01", "2022-01-01"),
        (T.CONDITIONAL_DISCHARGE, months(6), "2020-07-01", "2020-07-01"),
        (T.RESTRAINING_ORDER, INDEFINITE, "indefinite", "indefinite"),
        (T.DISQUALIFICATION, None, "2022-01-01", "2022-01-01"),
        (T.PENALTY_POINTS, None, "2023-01-01", "2023-01-01"),
        (T.ENDORSEMENT, None, "2025-01-01", "2022-07-01"),
        (T.ABSOLUTE_DISCHARGE, None, "2020-01-01", "2020-01-01"),
        (T.REPRIMAND, None, "2020-01-01", "2020-01-01"),
        (T.YOUTH_CONDITIONAL_CAUTION, None, "2020-04-01", "2020-04-01"),
        (T.PRISON, INDEFINITE, "never", "never"),
        (T.PUBLIC_PROTECTION, None, "never", "never"),
    ],
)
def test_the_table_of_section_5(type_: SentenceType, length: Length | None, adult: str, youth: str) -> None:
    assert spent(one(type_, ADULT, length=length)) == [adult]
    assert spent(one(type_, YOUTH, length=length)) == [youth]


def test_schedule_18_excludes_only_above_four_years() -> None:
    assert spent(one(T.PRISON, length=years(4), schedule_18=True)) == ["2028-01-01"]
    assert spent(one(T.PRISON, length=Length(years=4, days=1), schedule_18=True)) == ["never"]


def test_compensation_is_spent_when_paid_in_full() -> None:
    assert spent(one(T.COMPENSATION_ORDER, paid_on=date(2020, 3, 9))) == ["2020-03-09"]


def test_endorsement_outlasts_a_short_ban() -> None:
    assert spent(one(T.DISQUALIFICATION, length=months(6), endorsed=True)) == ["2025-01-01"]


def test_the_longest_sentence_of_a_conviction_counts() -> None:
    both = Proceeding(DAY, ADULT, (Sentence(T.FINE, DAY), Sentence(T.COMMUNITY_ORDER, DAY, length=years(2))))
    assert spent(both) == ["2022-01-01"]


def test_consecutive_terms_are_a_single_term() -> None:
    first, second = Sentence(T.PRISON, DAY, length=months(8)), date(2020, 9, 1)
    apart = Proceeding(DAY, ADULT, (first, Sentence(T.PRISON, second, length=months(8))))
    assert spent(apart) == ["2025-05-01"]  # 16 months and 4 years, not 8 months and 1 year
    together = Proceeding(DAY, ADULT, (first, Sentence(T.PRISON, DAY, length=months(8))))
    assert spent(together) == ["2021-09-01"]


def test_terms_with_a_gap_and_of_two_types() -> None:
    dto = Sentence(T.DETENTION_TRAINING_ORDER, DAY, length=months(24))
    follows = Sentence(T.DETENTION, date(2022, 1, 1), length=months(6))
    assert spent(Proceeding(DAY, YOUTH, (follows, dto))) == ["2024-07-01"]
    gap = Sentence(T.DETENTION, date(2022, 1, 2), length=months(6))
    assert spent(Proceeding(DAY, YOUTH, (dto, gap))) == ["2024-01-01"]
    with pytest.raises(ImpossibleSentence, match="at most 24 months"):
        spent(Proceeding(DAY, YOUTH, (dto, replace(dto, start=date(2021, 6, 1), length=months(12)))))


LATER = date(2020, 6, 1)


def test_a_further_conviction_holds_the_earlier_and_is_held_by_it() -> None:
    assert spent(one(T.FINE), one(T.PRISON, day=LATER, length=months(6))) == ["2021-12-01"] * 2
    assert spent(one(T.PRISON, length=years(2)), one(T.FINE, day=LATER)) == ["2026-01-01"] * 2


def test_an_extended_period_takes_in_a_third_conviction() -> None:
    third = one(T.FINE, day=date(2021, 11, 1))
    assert spent(one(T.FINE), one(T.PRISON, day=LATER, length=months(6)), third) == ["2022-11-01"] * 3


def test_a_conviction_on_the_day_the_earlier_is_spent_does_not_revive_it() -> None:
    assert spent(one(T.FINE), one(T.FINE, day=date(2021, 1, 1))) == ["2021-01-01", "2022-01-01"]
    assert spent(one(T.FINE), one(T.FINE, day=date(2020, 12, 31))) == ["2021-12-31"] * 2


def test_a_relevant_order_holds_its_own_conviction_only() -> None:
    order = one(T.RESTRAINING_ORDER, day=LATER, length=years(10))
    assert spent(one(T.FINE), order) == ["2021-01-01", "2030-06-01"]
    assert spent(order, one(T.FINE, day=date(2025, 1, 1))) == ["2030-06-01", "2026-01-01"]


def test_a_caution_neither_holds_nor_is_held() -> None:
    caution = one(T.CONDITIONAL_CAUTION, day=LATER)
    assert spent(one(T.FINE), caution) == ["2021-01-01", "2020-09-01"]


def test_an_excluded_sentence_holds_for_ever_what_was_unspent_and_nothing_later() -> None:
    life = one(T.LIFE_IMPRISONMENT, day=LATER)
    old, after = one(T.FINE, day=date(2010, 1, 1)), one(T.FINE, day=date(2022, 1, 1))
    assert spent(old, one(T.FINE), life, after) == ["2011-01-01", "never", "never", "2023-01-01"]


@pytest.mark.parametrize(
    "impossible",
    [
        one(T.SUSPENDED_PRISON, length=Length(months=24, days=1)),
        one(T.SUSPENDED_PRISON, length=INDEFINITE),
        one(T.DETENTION_TRAINING_ORDER, YOUTH, length=months(25)),
        one(T.PRISON),
        one(T.PRISON, length=months(0)),
        one(T.PRISON, length=months(-3)),
        one(T.PRISON, length=years(9000)),
        one(T.COMMUNITY_ORDER, length=in_days(10**12)),
        one(T.FINE, day=date(9999, 6, 1)),
        one(T.CONDITIONAL_CAUTION, conditions_end=date(2019, 12, 31)),
        one(T.COMPENSATION_ORDER, paid_on=date(2019, 12, 31)),
        Proceeding(DAY, ADULT, ()),
        Proceeding(DAY, ADULT, (Sentence(T.FINE, date(2019, 12, 31)),)),
        Proceeding(DAY, ADULT, (Sentence(T.FINE, DAY), Sentence(T.SIMPLE_CAUTION, DAY))),
    ],
)
def test_impossible_sentences_are_refused_with_a_sentence(impossible: Proceeding) -> None:
    with pytest.raises(ImpossibleSentence, match=r"^[A-Z].+\.$"):
        rehabilitation([impossible])


def test_spent_from_the_start_of_the_day() -> None:
    assert not is_spent(SpentOn(DAY), DAY - timedelta(days=1))
    assert is_spent(SpentOn(DAY), DAY)
    assert not is_spent(NeverSpent(), date.max)
    assert not is_spent(IndefiniteOrder(), date.max)


def test_every_type_has_a_kind_and_every_kind_a_type() -> None:
    assert {type_.kind for type_ in SentenceType} == set(DisposalKind)


days = st.dates(date(1980, 1, 1), date(2026, 12, 31))
ages = st.sampled_from(AgeAtConviction)
lengths = st.builds(Length, years=st.integers(0, 9), months=st.integers(1, 11))
TERMED = [T.PRISON, T.COMMUNITY_ORDER, T.RESTRAINING_ORDER, T.CONDITIONAL_DISCHARGE, T.FINE]
UNTERMED = [T.FINE, T.ABSOLUTE_DISCHARGE, T.LIFE_IMPRISONMENT, T.SIMPLE_CAUTION, T.HOSPITAL_ORDER]


@st.composite
def records(draw: st.DrawFn) -> Proceeding:
    day, age = draw(days), draw(ages)
    if draw(st.booleans()):
        return one(draw(st.sampled_from(TERMED)), age, day=day, length=draw(lengths))
    return one(draw(st.sampled_from(UNTERMED)), age, day=day)


def _order(result: Spent) -> tuple[int, date]:
    match result:
        case SpentOn(day):
            return (0, day)
        case IndefiniteOrder():
            return (1, date.max)
        case NeverSpent():
            return (2, date.max)


@settings(max_examples=150)
@given(st.lists(records(), max_size=5), records())
def test_a_further_record_never_makes_another_spent_sooner(known: list[Proceeding], further: Proceeding) -> None:
    before = rehabilitation(known)
    after = rehabilitation([*known, further])[:-1]
    assert all(_order(b) <= _order(a) for b, a in zip(before, after, strict=True))


@settings(max_examples=100)
@given(st.lists(records(), min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_records_does_not_matter(known: list[Proceeding], random: Any) -> None:
    shuffled = list(range(len(known)))
    random.shuffle(shuffled)
    results = rehabilitation([known[place] for place in shuffled])
    assert results == [rehabilitation(known)[place] for place in shuffled]


@given(days, ages, st.integers(1, 3000), st.integers(0, 3000), st.booleans())
def test_a_longer_custodial_sentence_is_never_spent_sooner(
    day: date, age: AgeAtConviction, term: int, more: int, listed: bool
) -> None:
    shorter, longer = (
        rehabilitation([one(T.PRISON, age, day=day, length=in_days(n), schedule_18=listed)])[0]
        for n in (term, term + more)
    )
    assert _order(shorter) <= _order(longer)


@given(days, st.sampled_from(TERMED), lengths)
def test_a_young_offender_never_waits_longer(day: date, type_: SentenceType, length: Length) -> None:
    youth, adult = (rehabilitation([one(type_, age, day=day, length=length)])[0] for age in (YOUTH, ADULT))
    assert _order(youth) <= _order(adult)
