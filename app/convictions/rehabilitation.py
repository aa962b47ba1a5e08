"""When a conviction or caution becomes spent: the Rehabilitation of Offenders Act 1974 in England
and Wales, with the periods in force from 28 October 2023 (Police, Crime, Sentencing and Courts Act
2022, s.193), for H7.3. Pure.

The Act's periods apply whenever the conviction was, so one table serves every date of conviction.

**Months and days.** A period is added to its first day by the calendar: 22 months from 1 January
2020 and then 4 years is 1 November 2025, and a day that the month lacks becomes its last (31
January and 3 months: 30 April). The result is the first day on which the item is spent, as the
Ministry of Justice's disclosure checker counts.

Not decided here, because the record does not say it: breach of a conditional discharge (s.6(3)),
service disciplinary proceedings (s.2), and whether an offence stands in Schedule 18 of the
Sentencing Code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from app.convictions.sentences import (
    AgeAtConviction,
    DisposalKind,
    ImpossibleSentence,
    Length,
    Proceeding,
    Sentence,
    SentenceType,
    add_months,
)

_NO_END = date.max  # inside this module only: later than every date that a record can hold

_CAUTIONS: Final = frozenset({DisposalKind.CAUTION, DisposalKind.CONDITIONAL_CAUTION})

# s.6(5): another conviction is not extended by the period of a relevant order.
_NOT_EXTENDING: Final = frozenset({DisposalKind.RELEVANT_ORDER, DisposalKind.PENALTY_POINTS})

_BANDED: Final = frozenset({DisposalKind.CUSTODY, DisposalKind.SUSPENDED_CUSTODY})
_NEEDS_LENGTH: Final = _BANDED | {DisposalKind.SERVICE_DETENTION}

# Longest terms in months: suspended (Sentencing Act 2020, s.264 and s.277), DTO (the same, s.236).
_LONGEST_TERM: Final = {
    SentenceType.SUSPENDED_PRISON: 24,
    SentenceType.SUSPENDED_DETENTION: 24,
    SentenceType.DETENTION_TRAINING_ORDER: 24,
}


@dataclass(frozen=True)
class SpentOn:
    """Spent from the start of `day` on."""

    day: date


@dataclass(frozen=True)
class NeverSpent:
    """Excluded from rehabilitation (s.5(1)), or held by a later excluded sentence (s.1(1)(b))."""


@dataclass(frozen=True)
class IndefiniteOrder:
    """Not spent, and no day can be named: an order without end (s.5(2A)), or compensation not yet
    paid in full.
    """


Spent = SpentOn | NeverSpent | IndefiniteOrder


def is_spent(result: Spent, on: date) -> bool:
    """Whether an item with this result is spent on that day (H7.3)."""
    return isinstance(result, SpentOn) and on >= result.day


def rehabilitation(proceedings: Sequence[Proceeding]) -> list[Spent]:
    """When each of one person's proceedings becomes spent, in the order given.

    All that is recorded of the person belongs in one call: a further conviction within the period
    of an earlier one holds it (s.6(4), s.1(1)(b)). Raises `ImpossibleSentence`.
    """
    results = [_alone(proceeding) for proceeding in proceedings]
    convictions = [period for period in results if isinstance(period, _Period)]
    _extend(convictions)
    excluded_on = [
        proceeding.conviction_date
        for proceeding, result in zip(proceedings, results, strict=True)
        if isinstance(result, NeverSpent)
    ]
    return [_answer(result, excluded_on) if isinstance(result, _Period) else result for result in results]


@dataclass
class _Period:
    """The rehabilitation period of a conviction while s.6(4) is applied to it.

    `ends` is the day it becomes spent; `extends_to` is the same leaving out relevant orders, which
    hold their own conviction and no other (s.6(5)), and is `None` where nothing else was imposed.
    """

    convicted: date
    ends: date
    extends_to: date | None


def _answer(period: _Period, excluded_on: Iterable[date]) -> Spent:
    # s.1(1)(b): an excluded sentence, passed within the period, holds this conviction for ever.
    if any(period.convicted <= day < period.ends for day in excluded_on):
        return NeverSpent()
    return IndefiniteOrder() if period.ends == _NO_END else SpentOn(period.ends)


def _extend(periods: Sequence[_Period]) -> None:
    """s.6(4): of two convictions, the second within the period of the first, the period that would
    end earlier is extended to end with the other, whichever of them that is; s.6(5) leaves out
    relevant orders.

    An extended period can take in a further conviction, so it is repeated until nothing moves. It
    ends: ends only move later, and only to one another. Since 10 March 2014 a summary conviction
    counts like any other (s.6(6) was omitted). Convictions of one day are each within the other's
    period, which begins with that day.
    """
    ordered = sorted(periods, key=lambda period: period.convicted)
    moved = True
    while moved:
        moved = False
        for position, one in enumerate(ordered):
            for other in ordered[position + 1 :]:
                moved |= _hold(one, other)
                if one.convicted == other.convicted:
                    moved |= _hold(other, one)


def _hold(first: _Period, second: _Period) -> bool:
    before = (first.ends, first.extends_to, second.ends, second.extends_to)
    if second.convicted < first.ends:
        if second.extends_to is not None:
            first.ends = max(first.ends, second.extends_to)
        if first.extends_to is not None:
            second.ends = max(second.ends, first.extends_to)
    if first.extends_to is not None and second.extends_to is not None and second.convicted < first.extends_to:
        first.extends_to = second.extends_to = max(first.extends_to, second.extends_to)
    return before != (first.ends, first.extends_to, second.ends, second.extends_to)


def _alone(proceeding: Proceeding) -> _Period | Spent:
    """What a proceeding would be with no other: the longest of its sentences (s.6(2)), or the
    caution's day.
    """
    _refuse_mixture(proceeding)
    sentences = _single_terms(proceeding.sentences)
    for sentence in (*proceeding.sentences, *sentences):
        _refuse_impossible(sentence, proceeding.conviction_date)
    if any(_is_excluded(sentence) for sentence in sentences):
        return NeverSpent()
    youth = proceeding.age_at_conviction is AgeAtConviction.YOUTH
    convicted = proceeding.conviction_date
    try:
        ends = [(sentence.type.kind, _ends_on(sentence, convicted, youth=youth)) for sentence in sentences]
        if any(sentence.endorsed for sentence in sentences):
            # An endorsement is no relevant order, and so it holds other convictions too.
            ends.append((DisposalKind.ENDORSEMENT, add_months(convicted, 30 if youth else 60)))
    except (ValueError, OverflowError) as error:
        if isinstance(error, ImpossibleSentence):
            raise
        raise ImpossibleSentence("The rehabilitation period ends beyond the calendar.") from None
    last = max(end for _, end in ends)
    if sentences[0].type.kind in _CAUTIONS:
        return SpentOn(last)
    extending = [end for kind, end in ends if kind not in _NOT_EXTENDING]
    return _Period(convicted, last, max(extending, default=None))


def _single_terms(sentences: Sequence[Sentence]) -> list[Sentence]:
    """s.5(7): custodial terms of one proceeding that overlap or follow on one another count as a
    single term.

    The single term is of a Schedule 18 offence if any of its parts is.
    """
    terms: list[Sentence] = []
    for sentence in sorted(sentences, key=lambda sentence: sentence.start):
        for place, term in enumerate(terms):
            if joined := _joined(term, sentence):
                terms[place] = joined
                break
        else:
            terms.append(sentence)
    return terms


def _joined(first: Sentence, second: Sentence) -> Sentence | None:
    """The single term of two custodial sentences of one kind, or `None` where there is a gap."""
    kind = first.type.kind
    if second.type.kind is not kind or kind not in _BANDED:
        return None
    if not (isinstance(first.length, Length) and isinstance(second.length, Length)):
        return None
    first_ends = first.length.after(first.start)
    if second.start > first_ends:
        return None
    ends = max(first_ends, second.length.after(second.start))
    return replace(
        first,
        # The limit on one type of sentence does not bind a term that is partly of another.
        type=second.type if first.type in _LONGEST_TERM else first.type,
        length=Length(days=(ends - first.start).days),
        schedule_18=first.schedule_18 or second.schedule_18,
        endorsed=first.endorsed or second.endorsed,
    )


def _refuse_mixture(proceeding: Proceeding) -> None:
    kinds = {sentence.type.kind for sentence in proceeding.sentences}
    if not kinds:
        raise ImpossibleSentence("A conviction or caution has at least one sentence or disposal.")
    if kinds & _CAUTIONS and kinds - _CAUTIONS:
        raise ImpossibleSentence("A caution and a sentence are never one proceeding: record each.")


def _refuse_impossible(sentence: Sentence, convicted: date) -> None:
    kind = sentence.type.kind
    if sentence.start < convicted:
        raise ImpossibleSentence("A sentence does not begin before the conviction.")
    if isinstance(sentence.length, Length):
        ends = sentence.length.after(sentence.start)
        longest = _LONGEST_TERM.get(sentence.type)
        if longest is not None and ends > add_months(sentence.start, longest):
            raise ImpossibleSentence(f"A sentence of that type is at most {longest} months long.")
    elif kind in _NEEDS_LENGTH:
        if sentence.length is None:
            raise ImpossibleSentence("The length of a custodial sentence is needed.")
        if kind is not DisposalKind.CUSTODY or sentence.type in _LONGEST_TERM:
            raise ImpossibleSentence("A sentence of that type is never indefinite.")
    for event in (sentence.conditions_end, sentence.paid_on):
        if event is not None and event < sentence.start:
            raise ImpossibleSentence("Conditions end, and payment is made, on or after the start.")


def _is_excluded(sentence: Sentence) -> bool:
    """s.5(1): life and public protection sentences, and more than 48 months for a Schedule 18
    offence.
    """
    kind = sentence.type.kind
    if kind is DisposalKind.EXCLUDED:
        return True
    if kind is not DisposalKind.CUSTODY:
        return False
    if not isinstance(sentence.length, Length):
        return True  # imprisonment without a term is for life or for public protection
    return sentence.schedule_18 and sentence.length.after(sentence.start) > add_months(sentence.start, 48)


def _ends_on(sentence: Sentence, convicted: date, *, youth: bool) -> date:
    """The first day after the period for one sentence: the Table in s.5(2) with s.5(2A) to (4) and
    Schedule 2.
    """
    match sentence.type.kind:
        case DisposalKind.CUSTODY | DisposalKind.SUSPENDED_CUSTODY:
            completed = _order_ends(sentence, convicted)
            return add_months(completed, _buffer_months(sentence.start, completed, youth=youth))
        case DisposalKind.SERVICE_DETENTION:
            return add_months(_order_ends(sentence, convicted), 6 if youth else 12)
        case DisposalKind.FINE | DisposalKind.REMOVAL_FROM_SERVICE:
            return add_months(convicted, 6 if youth else 12)
        case DisposalKind.COMPENSATION:
            return sentence.paid_on or _NO_END
        case DisposalKind.COMMUNITY | DisposalKind.RELEVANT_ORDER:
            return _order_ends(sentence, convicted)
        case DisposalKind.PENALTY_POINTS:
            return add_months(sentence.start, 36)  # Road Traffic Offenders Act 1988, s.29(2)
        case DisposalKind.ENDORSEMENT:
            # The Table as it stood before 2014 is kept for endorsements (S.I. 2014/423, art. 3).
            return add_months(convicted, 30 if youth else 60)
        case DisposalKind.NO_PERIOD | DisposalKind.CAUTION:
            return convicted
        case DisposalKind.CONDITIONAL_CAUTION:
            three_months = add_months(sentence.start, 3)
            return min(three_months, sentence.conditions_end or three_months)
        case DisposalKind.EXCLUDED:
            raise AssertionError("an excluded sentence has no rehabilitation period")


def _order_ends(sentence: Sentence, convicted: date) -> date:
    if isinstance(sentence.length, Length):
        return sentence.length.after(sentence.start)
    if sentence.length is None:
        return add_months(convicted, 24)  # s.5(3): an order that names no end
    return _NO_END


def _buffer_months(start: date, completed: date, *, youth: bool) -> int:
    """Months after a completed custodial sentence: over 48 months of term, over 12, or less."""
    if completed > add_months(start, 48):
        return 42 if youth else 84
    if completed > add_months(start, 12):
        return 24 if youth else 48
    return 6 if youth else 12
