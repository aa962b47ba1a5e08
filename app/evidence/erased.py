"""What an erasure in the log accounts for: records emptied or gone, of that case, numbered before it. Pure.

Everything is read from leaves, which the witness saw, and nothing from rows: neither a row of `erasure` that somebody
put in nor a rule that somebody changed accounts for anything. A leaf says itself what erasing takes out of its record.
What waits for its number proves nothing: an erasure that would stand with it is neither believed nor an accusation.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import Enum, auto
from typing import Any

from app.evidence.dating import day, day_of, moment
from app.evidence.records import DELETED, EMPTIED, LOG

_ERASURE, _DECISION, _AGREEMENT = "erasure", "retention_decision", "retention_agreement"
_RETENTION, _FREEZE, _LIFTING, _LIFTED = "retention", "case_freeze", "freeze_lifting", "freeze_lifting_answer"
_READ: dict[str, tuple[str, ...]] = {
    _ERASURE: ("id", "keep_until", "decision_id", "decided_by", "agreement_id", "agreed_by", "erased_at"),
    _DECISION: ("id", "recorded_by", "verdict", "review_on"),
    _AGREEMENT: ("id", "decision_id", "recorded_by", "agrees"),
    _RETENTION: ("closed_on", "keep_until"),
    _FREEZE: ("id",),
    _LIFTING: ("id", "freeze_id", "recorded_by"),
    _LIFTED: ("lifting_id", "recorded_by", "agrees"),
    LOG: ("event_id", "staff_id", "refused"),
}
"""What is read of each kind of leaf; of the log, of rows of an erasure alone."""
KINDS = frozenset(_READ)
_YEARS = 6
"""H12.2: no case is kept less, whatever a schedule says."""
_WAITING = 2**63
"""Beyond every number: under it stands what has none yet, and after all of that an erasure that has none."""

Row = Mapping[str, Any]


class Stands(Enum):
    """How an erasure stands in the log."""

    PROVEN = auto()
    WAITS = auto()
    """It would stand once what waits for its number has one."""
    NOT = auto()


def tells_of_erasing(leaf: Mapping[str, Any]) -> bool:
    """Whether a leaf is of what an erasure is, or rests on."""
    kind = str(leaf.get("kind"))
    return kind in KINDS and (kind != LOG or leaf["row"].get("category") == "erasure")


def may_be_gone(leaf: Mapping[str, Any]) -> bool:
    """Whether erasing a case deletes records of this kind."""
    return str(leaf.get("kind")) in DELETED


def as_erased(leaf: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a record once its case is erased: of what goes, that it holds what erasing leaves."""
    gone = EMPTIED.get(str(leaf.get("kind")), frozenset())
    row = {name: _left(told) for name, told in leaf["row"].items() if name not in gone}
    return {**leaf, "row": row}


def _left(told: Any) -> Any:
    if not isinstance(told, dict) or "erasable" not in told:
        return told
    return {"erased": True, **{name: value for name, value in told.items() if name != "erasable"}}


class Erasures:
    """The cases whose erasure stands in the log: two people's, when it was due, of no frozen case (H12.2, H12.5)."""

    def __init__(self, *, moved: bool) -> None:
        """`moved` is whether the clock of the scheme is a demonstration's: real time then says nothing of a day."""
        self._moved = moved
        self._found: dict[str, dict[str, list[tuple[int, Row]]]] = defaultdict(lambda: defaultdict(list))
        self._told_at: dict[int, datetime | None] = {}

    def take(self, number: int, leaf: Mapping[str, Any], *, told_at: datetime | None = None) -> None:
        """A leaf under its number, and by when it was there: as the witness saw it, and not as the leaf says."""
        if tells_of_erasing(leaf):
            kind, row = leaf["kind"], leaf["row"]
            kept = {name: row[name] for name in _READ[kind] if name in row}
            self._found[str(row.get("case_id"))][kind].append((number, kept))
            if kind == _ERASURE:
                self._told_at[number] = told_at

    def expect(self, leaf: Mapping[str, Any], *, told_at: datetime | None) -> None:
        """What would be the leaf of a record that waits for its number."""
        self.take(_WAITING + (leaf.get("kind") == _ERASURE), leaf, told_at=told_at)

    def standing(self, case: str, number: int = -1) -> Stands:
        """Whether a case was erased after a record of it was numbered."""
        found = [self._stands(case, at, row) for at, row in self._of(case, _ERASURE) if number < at]
        return next((one for one in (Stands.PROVEN, Stands.WAITS) if one in found), Stands.NOT)

    def unfounded(self) -> Iterator[tuple[int, str]]:
        """The erasures in the log that rest on nothing that one must rest on, by number and id."""
        for case in list(self._found):
            for number, row in self._of(case, _ERASURE, _WAITING):
                if self._stands(case, number, row) is Stands.NOT:
                    yield number, str(row.get("id"))

    def _of(self, case: str, kind: str, before: int | None = None) -> Iterator[tuple[int, Row]]:
        if case in self._found:
            yield from (one for one in self._found[case][kind] if before is None or one[0] < before)

    def _stands(self, case: str, number: int, erasure: Row) -> Stands:
        used = [row for _, row in self._of(case, _ERASURE, number)]
        if any(row.get("agreement_id") == erasure.get("agreement_id") for row in used):
            return Stands.NOT
        holds = self._is_agreed(case, number, erasure) and self._is_due(case, number, erasure)
        if not holds or self._is_frozen(case, number):
            return Stands.NOT
        logged = [
            at
            for at, row in self._of(case, LOG)
            if row.get("event_id") == erasure.get("agreement_id")
            and row.get("staff_id") == erasure.get("agreed_by")
            and row.get("refused") is False
        ]
        if not logged:
            return Stands.NOT
        return Stands.PROVEN if max(number, min(logged)) < _WAITING else Stands.WAITS

    def _is_agreed(self, case: str, number: int, erasure: Row) -> bool:
        """One decided it and another agreed, and nobody refused."""
        decided = [row for _, row in self._of(case, _DECISION, number) if row.get("id") == erasure.get("decision_id")]
        answers = [
            row for _, row in self._of(case, _AGREEMENT, number) if row.get("decision_id") == erasure.get("decision_id")
        ]
        if len(decided) != 1 or len(answers) != 1:
            return False
        (decision,), (agreement,) = decided, answers
        return (
            decision.get("verdict") == "erase"
            and decision.get("recorded_by") == erasure.get("decided_by") != erasure.get("agreed_by")
            and agreement.get("id") == erasure.get("agreement_id")
            and agreement.get("recorded_by") == erasure.get("agreed_by")
            and agreement.get("agrees") is True
        )

    def _is_due(self, case: str, number: int, erasure: Row) -> bool:
        """Every day that the case was ever kept until had come: as the erasure says, and as the witness knows."""
        kept = [row for _, row in self._of(case, _RETENTION, number)]
        until = [day(row.get("keep_until")) for row in kept]
        if day(erasure.get("keep_until")) not in until or not all(_is_kept_long_enough(row) for row in kept):
            return False
        until += [
            day(row.get("review_on")) for _, row in self._of(case, _DECISION, number) if row.get("verdict") == "keep"
        ]
        came = [day_of(moment(erasure.get("erased_at")))]
        if not self._moved:
            came.append(day_of(self._told_at.get(number), by_another_clock=True))
        return all(last is not None and on is not None and last <= on for last in until for on in came)

    def _is_frozen(self, case: str, number: int) -> bool:
        lifted = [
            lifting.get("freeze_id")
            for _, answer in self._of(case, _LIFTED, number)
            for _, lifting in self._of(case, _LIFTING, number)
            if answer.get("agrees") is True
            and answer.get("lifting_id") == lifting.get("id")
            and answer.get("recorded_by") != lifting.get("recorded_by")
        ]
        return any(row.get("id") not in lifted for _, row in self._of(case, _FREEZE, number))


def _is_kept_long_enough(retention: Row) -> bool:
    closed, until = day(retention.get("closed_on")), day(retention.get("keep_until"))
    if closed is None or until is None:
        return False
    return (closed.year + _YEARS, closed.month, closed.day) <= _parts(until)


def _parts(of: date) -> tuple[int, int, int]:
    return of.year, of.month, of.day
