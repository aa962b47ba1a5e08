"""Whether an auditor's export holds whole: one pass over its lines, beside what the witness saw. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.evidence.dating import Dates, moment
from app.evidence.erased import Erasures, Stands, as_erased, may_be_gone
from app.evidence.history import DoesNotHold, Doubt, History, NoEvidence, NotProven
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.notes import Checkpoint, NoteRefused, PublicKey

_NAMED = 50


def verify_log(export: Iterable[bytes], history: History, key: PublicKey) -> str:
    """Whether an auditor's export holds whole; a sentence for people. Raises DoesNotHold with the first that does not,
    and NotProven where all holds that is numbered, and records wait.

    Take the copy of the witness first and the export after it: what was recorded between them must be under a
    checkpoint that the key signed, and whatever the witness saw must be there.
    """
    told = _lines(export)
    head = next(told, {})
    if head.get("export") != 1:
        raise NoEvidence("This is no export of the log.")
    reading = _Reading(history, key, made_at=moment(head.get("at")))
    for one in told:
        reading.take(one)
    doubts = list(reading.doubts())
    if doubts:
        first = min(doubts, key=lambda doubt: (doubt.of_checkpoint, doubt.number is None, doubt.number or 0))
        more = f" So do {len(doubts) - 1} more." if len(doubts) > 1 else ""
        raise DoesNotHold(f"{first}.{more}")
    holds = (
        f"It holds: all {reading.peaks.size} records are as they were numbered, {len(history.leaves)} of them under "
        f"the witness and {reading.signed} under checkpoints that {key.name} signed. {history.says}"
    )
    if key.is_of_demonstration:
        holds += " Its name says that this is a demonstration: the times of its records, which it moves, mean nothing."
    unproven = ""
    if reading.waiting:
        unproven = (
            f" Not proven are {len(reading.waiting)} records that wait for the worker: {_first(reading.waiting)}."
        )
    if reading.erasing:
        cases = sorted(reading.erasing)
        unproven += (
            f" Not proven either is what erasures did that wait for the worker, to {reading.erasing.total()} records "
            f"and keys: of case {_first(cases)}."
        )
    if unproven:
        raise NotProven(holds + unproven)
    return holds


def _first(named: list[str]) -> str:
    return ", ".join(named[:_NAMED]) + (" and others" if len(named) > _NAMED else "")


class _Reading:
    """One pass over an export, line by line."""

    def __init__(self, history: History, key: PublicKey, *, made_at: datetime | None) -> None:
        self.history, self.key = history, key
        self.peaks = Peaks()
        self.waiting: list[str] = []
        self.signed = ""
        self.erasing: Counter[str] = Counter()
        """By case, what an erasure that waits would account for."""
        self._made_at = made_at
        self._dates = Dates(moved=key.is_of_demonstration)
        self._next = 0
        self._found: list[Doubt] = []
        self._unsure: list[Doubt] = []
        self._erasures = Erasures(moved=key.is_of_demonstration)
        self._unless_erased: list[tuple[str, Doubt]] = []
        self._signed: list[tuple[int, str]] = []
        """Checkpoints beyond the witness, or wrong: there may be one for each second of years, and all others hold."""
        self._roots: dict[int, bytes] = {}

    def take(self, one: dict[str, Any]) -> None:
        """Read one line of the export. Raises NoEvidence."""
        if not _is_of_its_form(one):
            raise NoEvidence("A line of the export is not of its form.")
        if "checkpoint" in one:
            beyond = one["checkpoint"] > len(self.history.leaves)
            if beyond or self._wrong_with(one["checkpoint"], one["note"]):
                self._signed.append((one["checkpoint"], one["note"]))
        elif "leaf" in one:
            self._leaf(one)
        elif "awaited" in one:
            self._awaited(one["awaited"])
        elif "keyless" in one:
            says = "has records that are sealed and no key, and was not erased: their words are lost"
            self._unless_erased.append((one["keyless"], Doubt(None, "case", one["keyless"], says)))
        elif one["waits"]:
            self.waiting.append(f"{one['kind']} {one['id']}")
        else:
            says = "is in the database and was never numbered: it was put in past the service"
            self._found.append(Doubt(None, one["kind"], one["id"], says))

    def _leaf(self, one: dict[str, Any]) -> None:
        """The leaf must be the one that the witness saw, and the record as it is now the one in the leaf."""
        number, kind, record = one["leaf"], one["kind"], one["id"]
        told = one["told"].encode(errors="replace")
        here = Doubt(number, kind, record, "stands under a number that is not its own")
        if number < self._next:
            self._found.append(here)
            return
        if number > self._next:
            self._found.append(self._lost(self._next))
        self._next = number + 1
        digest = leaf_hash(told)
        self.peaks.extend([digest])
        if number < len(self.history.leaves):
            seen = self.history.leaves[number]
            if (seen.kind, str(seen.id)) != (kind, record):
                says = f"was recorded there, and {kind} {record} stands in its place"
                self._found.append(self.history.doubt(number, says))
                return
            if seen.hash != digest:
                self._found.append(self.history.doubt(number, "was changed, and its leaf made anew"))
                return
        else:
            self._roots[self.peaks.size] = self.peaks.root
            self._unsure.append(Doubt(number, kind, record, "is under no checkpoint that the log's key signed"))
        try:
            leaf = leaf_in(one["told"])
        except ValueError:
            self._found.append(Doubt(number, kind, record, "has a leaf that tells of no record"))
            return
        if (leaf.get("kind"), leaf["row"].get("id")) != (kind, record):
            self._found.append(Doubt(number, kind, record, "has the leaf of another record"))
            return
        signed = self.history.signings.of(number)
        gone = leaf.get("missing")  # which tells nothing else
        misdated = None if gone else self._dates.wrong(leaf["row"], kind=kind, signed=signed)
        self._erasures.take(number, leaf, told_at=signed or self._by_now())
        wrong = _wrong_now(one, leaf) or misdated
        if wrong and not misdated and _is_as_erased(one, leaf):  # the erasure is numbered later
            self._unless_erased.append((str(leaf["row"].get("case_id")), Doubt(number, kind, record, wrong)))
        elif wrong:
            self._found.append(Doubt(number, kind, record, wrong))

    def _awaited(self, told: str) -> None:
        """Read what would be a leaf."""
        try:
            self._erasures.expect(leaf_in(told), told_at=self._by_now())
        except ValueError:
            raise NoEvidence("A line of the export is not of its form.") from None

    def _by_now(self) -> datetime | None:
        """By when what the witness was not told of was there: the log's newest time, and not after the export."""
        known = [one for one in (self._dates.latest, self._made_at) if one is not None]
        return min(known) if known else None

    def _lost(self, number: int) -> Doubt:
        says = "was taken away, and nothing stands under its number"
        if number < len(self.history.leaves):
            return self.history.doubt(number, says)
        return Doubt(number, "record", "of unknown id", says)

    def doubts(self) -> Iterator[Doubt]:
        """Everything that does not hold, once every line is read."""
        yield from self._found
        for case, doubt in self._unless_erased:
            stands = self._erasures.standing(case, -1 if doubt.number is None else doubt.number)
            if stands is Stands.NOT:
                yield doubt
            elif stands is Stands.WAITS:
                self.erasing[case] += 1
        for number, erasure in self._erasures.unfounded():
            yield Doubt(number, "erasure", erasure, "rests on nothing: it was not decided, agreed, due and logged")
        if self._next < len(self.history.leaves):
            yield self._lost(self._next)
        covered = len(self.history.leaves)
        for size, note in self._signed:
            wrong = self._wrong_with(size, note)
            if wrong:
                yield self._under(size, f"is the last known under a checkpoint over {size} records {wrong}")
            else:
                covered = max(covered, size)
        self.signed = "all" if covered >= self.peaks.size else str(covered)
        waits = set(self.waiting)
        unsigned = (one for one in self._unsure if one.number is not None and one.number >= covered)
        yield from (one for one in unsigned if f"{one.kind} {one.id}" not in waits)

    def _under(self, size: int, says: str) -> Doubt:
        """The record to name for a checkpoint: its last that the witness saw, or the first after those."""
        seen = len(self.history.leaves)
        if size > seen and self._unsure:
            one = self._unsure[0]
            return replace(one, says=says, of_checkpoint=True)
        if not seen:
            return Doubt(0, "record", "of unknown id", says, of_checkpoint=True)
        return replace(self.history.doubt(max(min(size, seen) - 1, 0), says), of_checkpoint=True)

    def _wrong_with(self, size: int, note: str) -> str | None:
        try:
            signed = Checkpoint.open(note, self.key)
        except NoteRefused:
            return "that the log's key never signed"
        known = (self.history.roots if size <= len(self.history.leaves) else self._roots).get(size)
        if (signed.size, signed.root) == (size, known):
            return None
        return "with another root than the witness saw: two roots for one size"


def _wrong_now(one: dict[str, Any], leaf: dict[str, Any]) -> str | None:
    """What is wrong with the record of a leaf as it is now."""
    if leaf.get("missing"):
        return "was gone when it was numbered" + (", and is back" if one["now"] is not None else "")
    if not one["salted"]:
        return "has lost the salt of its leaf, so that nobody can compare it"
    if one["now"] is None:
        return "was taken away after it was recorded"
    return None if one["now"] == one["told"] else "was changed after it was recorded"


def _is_as_erased(one: dict[str, Any], leaf: dict[str, Any]) -> bool:
    """Whether nothing but an erasure of its case would leave the record as it is now, or away."""
    if leaf.get("missing") or not one["salted"]:
        return False
    if one["now"] is None:
        return may_be_gone(leaf)
    try:
        return bool(leaf_in(one["now"]) == as_erased(leaf))
    except ValueError:
        return False


def _lines(export: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in export:
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            raise NoEvidence("A line of the export is not whole.") from None
        if not isinstance(one, dict):
            raise NoEvidence("A line of the export is not of its form.")
        yield one


def leaf_in(told: str) -> dict[str, Any]:
    """A leaf with its row. Raises ValueError where it is none."""
    try:
        leaf = json.loads(told)
    except RecursionError:
        raise ValueError from None
    if isinstance(leaf, dict) and isinstance(leaf.get("row"), dict):
        return leaf
    raise ValueError


_FORMS: tuple[dict[str, tuple[type, ...]], ...] = (
    {"checkpoint": (int,), "note": (str,)},
    {"leaf": (int,), "kind": (str,), "id": (str,), "told": (str,), "now": (str, type(None)), "salted": (bool,)},
    {"record": (bool,), "kind": (str,), "id": (str,), "waits": (bool,)},
    {"awaited": (str,)},
    {"keyless": (str,)},
)
"""The lines of an export after its first."""


def _is_of_its_form(one: dict[str, Any]) -> bool:
    return any(
        one.keys() == form.keys() and all(type(one[name]) in kinds for name, kinds in form.items()) for form in _FORMS
    )
