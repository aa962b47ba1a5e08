"""Whether the record holds: receipts, the whole log, and checkpoints, from the witness and the public key alone. Pure.

No database and no network. Whoever changed the database may have worked out every hash in it anew: what is believed is
what the log's key signed and what the witness kept. What does not hold is named: its kind, its id, its number.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import ValidationError

from app.errors import ClaresLawError
from app.evidence.blocks import Block, NoBlock, Numbered
from app.evidence.dating import Dates, Signings, in_utc
from app.evidence.erased import Erasures, as_erased, may_be_gone
from app.evidence.merkle import Peaks, includes, is_consistent, leaf_hash
from app.evidence.notes import Checkpoint, NoteRefused, PublicKey, from_base64
from app.evidence.receipts import ConsistencyView, ReceiptView
from app.evidence.records import LOG

_NAMED = 50


class DoesNotHold(ClaresLawError):
    """Something was changed, taken away or put in; the text names the first record that shows it."""

    code: ClassVar[str] = "does_not_hold"


class NotProven(ClaresLawError):
    """What is numbered holds, and there are records that are not; the text names them."""

    code: ClassVar[str] = "not_proven"


class NoEvidence(ClaresLawError):
    """The file is none that can be verified."""

    code: ClassVar[str] = "no_evidence"


@dataclass(frozen=True)
class Doubt:
    """A record that does not hold. One without a number was never numbered."""

    number: int | None
    kind: str
    id: str
    says: str
    of_checkpoint: bool = False
    """What is wrong is a checkpoint over the record; a record that was touched is named before it."""

    def __str__(self) -> str:
        place = "in no leaf" if self.number is None else f"number {self.number}"
        return f"{self.kind} {self.id} ({place}) {self.says}"


@dataclass
class History:
    """What the witness saw: every record in order, and the root at each size that was signed, and when."""

    leaves: list[Numbered] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    signings: Signings = field(default_factory=Signings)
    torn: int = 0
    """Lines that a crash cut short; each was written again."""

    def doubt(self, number: int, says: str) -> Doubt:
        """A record that the witness saw, and what is wrong with it."""
        seen = self.leaves[number]
        return Doubt(number, seen.kind, str(seen.id), says)

    @property
    def says(self) -> str:
        """Which copy of the witness this is, for whoever has to say what was verified against what."""
        if self.signings.last is None:
            return "The copy of the witness is empty."
        size, at = self.signings.last
        return f"The copy of the witness ends at {size} records, signed {in_utc(at)}, root {self.roots[size].hex()}."


def read_witness(lines: Iterable[bytes], key: PublicKey) -> History:
    """Read the witness from its beginning and work out every root anew. Raises DoesNotHold."""
    history, peaks = History(), Peaks()
    before = b""
    for line in lines:
        if line == before:
            continue  # sent again, and kept again
        if not _is_json(line):
            history.torn += bool(line.strip())
            continue
        before = line
        block = _block(line)
        if block.start != peaks.size:
            raise DoesNotHold(_second_history(history, block))
        peaks.extend(one.hash for one in block.leaves)
        history.leaves.extend(block.leaves)
        try:
            signed = Checkpoint.open(block.note, key)
        except NoteRefused as error:
            raise DoesNotHold(f"The witness holds a checkpoint over {block.end} records that fails. {error}") from None
        if (signed.size, signed.root) != (peaks.size, peaks.root):
            first = history.doubt(block.start, "is the first under it") if block.leaves else None
            raise DoesNotHold(f"The checkpoint over {signed.size} records is not over what the witness saw: {first}.")
        if not history.signings.add(signed.size, block.at):
            raise DoesNotHold(f"The witness was told of {signed.size} records at a time before that of fewer.")
        history.roots[signed.size] = signed.root
    return history


def _second_history(history: History, block: Block) -> str:
    if block.start > len(history.leaves):
        return f"The witness lacks the records from number {len(history.leaves)} to {block.start - 1}."
    for number, one in enumerate(block.leaves, block.start):
        if number >= len(history.leaves) or history.leaves[number] != one:
            seen = Doubt(number, one.kind, str(one.id), "is the first record that differs")
            return f"The witness was told two histories, two roots over one size: {seen}."
    return f"The witness was told two roots over {block.end} records, the last of them number {block.end - 1}."


def verify_receipt(raw: str, history: History, key: PublicKey) -> str:
    """Whether a receipt holds; a sentence for people. Raises DoesNotHold, NoEvidence."""
    try:
        receipt = ReceiptView.model_validate_json(raw)
    except ValidationError:
        raise NoEvidence("This is no receipt.") from None
    signed, _ = proven(receipt, history, key)
    return (
        f"It holds: {receipt.kind} {receipt.id} is record number {receipt.number} of {signed.size} under a checkpoint "
        f"that {signed.origin} signed and the witness kept; it was told of the record at "
        f"{in_utc(history.signings.of(receipt.number))}. {history.says}"
    )


def proven(receipt: ReceiptView, history: History, key: PublicKey) -> tuple[Checkpoint, dict[str, Any]]:
    """The checkpoint of a receipt that holds, and its leaf. Raises DoesNotHold, NoEvidence."""
    try:
        proof = [from_base64(one) for one in receipt.proof]
        leaf = _leaf_in(receipt.leaf)
    except (NoteRefused, ValueError):
        raise NoEvidence("This is no receipt.") from None
    named = Doubt(receipt.number, receipt.kind, str(receipt.id), "")
    try:
        signed = Checkpoint.open(receipt.checkpoint, key)
    except NoteRefused as error:
        raise DoesNotHold(f"The checkpoint of {named} fails. {error}") from None
    digest = leaf_hash(receipt.leaf.encode())
    if not includes(digest, receipt.number, signed.size, proof, signed.root):
        raise DoesNotHold(f"The proof does not lead from {named} to the root that was signed.")
    if leaf.get("kind") != receipt.kind or leaf["row"].get("id") != str(receipt.id):
        raise DoesNotHold(f"The leaf in the receipt is of another record than {named}.")
    if leaf.get("missing"):
        raise DoesNotHold(f"{named}was gone when it was numbered: nothing acknowledges it.")
    if leaf["row"].get("case_id") != (str(receipt.case_id) if receipt.case_id else None):
        raise DoesNotHold(f"The leaf of {named}is of another case than the receipt says.")
    if history.roots.get(signed.size) != signed.root:
        raise DoesNotHold(f"The witness never saw the checkpoint over {signed.size} records that {named} is under.")
    if history.leaves[receipt.number] != Numbered(receipt.kind, receipt.id, digest):
        raise DoesNotHold(f"The witness saw another record than {named} under this number.")
    return signed, leaf


def verify_consistency(old: Checkpoint, new: Checkpoint, *, proof: Sequence[bytes] | None, history: History) -> str:
    """Whether one checkpoint is the beginning of another, by a proof or else by the witness. Raises DoesNotHold."""
    if old.size > new.size:
        raise DoesNotHold(f"The old checkpoint is over {old.size} records, the new one over {new.size} only.")
    if proof is not None:
        holds = is_consistent(old.size, new.size, old.root, new.root, proof)
    else:
        holds = history.roots.get(old.size) == old.root and history.roots.get(new.size) == new.root
    if not holds:
        raise DoesNotHold(
            f"The checkpoint over {old.size} records is not the beginning of that over {new.size}: "
            f"what was recorded before number {old.size} was changed between them."
        )
    return f"It holds: the first {old.size} records of {new.origin} are the same under both checkpoints, of {new.size}."


def checkpoint_of(raw: str, key: PublicKey) -> Checkpoint:
    """The checkpoint in a note, a receipt, or a proof of consistency. Raises NoEvidence, DoesNotHold."""
    note = raw
    if raw.lstrip().startswith("{"):
        try:
            told = json.loads(raw)
            note = str(told.get("checkpoint") or told.get("note") or told.get("second"))
        except ValueError:
            raise NoEvidence("This is no checkpoint, no receipt and no proof.") from None
    try:
        return Checkpoint.open(note, key)
    except NoteRefused as error:
        raise DoesNotHold(f"The checkpoint fails. {error}") from None


def proof_of(raw: str) -> list[bytes]:
    """The hashes of a proof of consistency. Raises NoEvidence."""
    try:
        return [from_base64(one) for one in ConsistencyView.model_validate_json(raw).proof]
    except (ValidationError, NoteRefused):
        raise NoEvidence("This is no proof of consistency.") from None


def verify_log(export: Iterable[bytes], history: History, key: PublicKey) -> str:
    """Whether an auditor's export holds whole; a sentence for people. Raises DoesNotHold with the first that does not,
    and NotProven where all holds that is numbered, and records wait.

    Take the copy of the witness first and the export after it: what was recorded between them must be under a
    checkpoint that the key signed, and whatever the witness saw must be there.
    """
    told = _lines(export)
    if next(told, {}).get("export") != 1:
        raise NoEvidence("This is no export of the log.")
    reading = _Reading(history, key)
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
    if reading.waiting:
        named = ", ".join(reading.waiting[:_NAMED]) + (" and others" if len(reading.waiting) > _NAMED else "")
        raise NotProven(f"{holds} Not proven are {len(reading.waiting)} records that wait for the worker: {named}.")
    return holds


class _Reading:
    """One pass over an export, line by line."""

    def __init__(self, history: History, key: PublicKey) -> None:
        self.history, self.key = history, key
        self.peaks = Peaks()
        self.waiting: list[str] = []
        self.signed = ""
        self._dates = Dates(moved=key.is_of_demonstration)
        self._next = 0
        self._found: list[Doubt] = []
        self._unsure: list[Doubt] = []
        self._erasures = Erasures()
        self._unless_erased: list[tuple[dict[str, Any], Doubt]] = []
        self._signed: list[tuple[int, str]] = []
        self._roots: dict[int, bytes] = {}

    def take(self, one: dict[str, Any]) -> None:
        """Read one line of the export. Raises NoEvidence."""
        if not _is_of_its_form(one):
            raise NoEvidence("A line of the export is not of its form.")
        if "checkpoint" in one:
            self._signed.append((one["checkpoint"], one["note"]))
        elif "leaf" in one:
            self._leaf(one)
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
            leaf = _leaf_in(one["told"])
        except ValueError:
            self._found.append(Doubt(number, kind, record, "has a leaf that tells of no record"))
            return
        self._erasures.take(number, leaf)
        misdated = self._dates.wrong(leaf["row"], is_log=kind == LOG, signed=self.history.signings.of(number))
        wrong = _wrong_now(one, leaf) or misdated
        if wrong and not misdated and _is_as_erased(one, leaf):  # the erasure is numbered later
            self._unless_erased.append((leaf, Doubt(number, kind, record, wrong)))
        elif wrong:
            self._found.append(Doubt(number, kind, record, wrong))

    def _lost(self, number: int) -> Doubt:
        says = "was taken away, and nothing stands under its number"
        if number < len(self.history.leaves):
            return self.history.doubt(number, says)
        return Doubt(number, "record", "of unknown id", says)

    def doubts(self) -> Iterator[Doubt]:
        """Everything that does not hold, once every line is read."""
        yield from self._found
        for leaf, doubt in self._unless_erased:
            if doubt.number is None or not self._erasures.account_for(doubt.number, leaf):
                yield doubt
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
        return bool(_leaf_in(one["now"]) == as_erased(leaf))
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


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _block(line: bytes) -> Block:
    try:
        return Block.parse(line)
    except NoBlock as error:
        raise DoesNotHold(str(error)) from None


def _leaf_in(told: str) -> dict[str, Any]:
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
)
"""The lines of an export after its first."""


def _is_of_its_form(one: dict[str, Any]) -> bool:
    return any(
        one.keys() == form.keys() and all(type(one[name]) in kinds for name, kinds in form.items()) for form in _FORMS
    )
