"""What an erasure in the log accounts for: records emptied or gone, of that case, numbered before it. Pure.

Everything is read from leaves, which the witness saw, and nothing from rows: neither a row of `erasure` that somebody
put in nor a rule that somebody changed accounts for anything. A leaf says itself what erasing takes out of its record.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.evidence.records import DELETED, EMPTIED

_LONDON = ZoneInfo("Europe/London")
_ERASURE, _DECISION, _AGREEMENT = "erasure", "retention_decision", "retention_agreement"
_RETENTION, _FREEZE, _LIFTING, _LIFTED = "retention", "case_freeze", "freeze_lifting", "freeze_lifting_answer"
_KINDS = frozenset({_ERASURE, _DECISION, _AGREEMENT, _RETENTION, _FREEZE, _LIFTING, _LIFTED})

Row = Mapping[str, Any]


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

    def __init__(self) -> None:
        self._found: dict[str, dict[str, list[tuple[int, Row]]]] = defaultdict(lambda: defaultdict(list))

    def take(self, number: int, leaf: Mapping[str, Any]) -> None:
        """A leaf under its number, as the witness saw it."""
        kind, row = str(leaf.get("kind")), leaf["row"]
        if kind in _KINDS:
            self._found[str(row.get("case_id"))][kind].append((number, row))

    def account_for(self, number: int, leaf: Mapping[str, Any]) -> bool:
        """Whether the case of a record was erased after the record was numbered."""
        case = str(leaf["row"].get("case_id"))
        return any(number < erased and self._holds(erased, row) for erased, row in self._of(case, _ERASURE))

    def _of(self, case: str, kind: str, before: int | None = None) -> Iterator[tuple[int, Row]]:
        if case in self._found:
            yield from (one for one in self._found[case][kind] if before is None or one[0] < before)

    def _holds(self, number: int, erasure: Row) -> bool:
        case, until = str(erasure.get("case_id")), str(erasure.get("keep_until"))
        decided = any(
            row.get("id") == erasure.get("decision_id")
            and row.get("recorded_by") == erasure.get("decided_by")
            and row.get("verdict") == "erase"
            for _, row in self._of(case, _DECISION, number)
        )
        agreed = any(
            row.get("id") == erasure.get("agreement_id")
            and row.get("decision_id") == erasure.get("decision_id")
            and row.get("recorded_by") == erasure.get("agreed_by") != erasure.get("decided_by")
            and row.get("agrees") is True
            for _, row in self._of(case, _AGREEMENT, number)
        )
        kept = any(row.get("keep_until") == until for _, row in self._of(case, _RETENTION, number))
        due = kept and until <= _day(erasure.get("erased_at"))
        return decided and agreed and due and not self._is_frozen(case, number)

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


def _day(moment: Any) -> str:
    """The day of a moment as people of the service count it; before all others where it is none."""
    try:
        return datetime.fromisoformat(moment).astimezone(_LONDON).date().isoformat()
    except (ValueError, TypeError, OverflowError):
        return ""
