"""What the witness saw, every root in it worked out anew; and how it is said that something does not hold. Pure."""

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from app.errors import ClaresLawError
from app.evidence.blocks import Block, NoBlock, Numbered
from app.evidence.dating import Signings, in_utc
from app.evidence.merkle import HASH_BYTES, Peaks
from app.evidence.notes import Checkpoint, NoteRefused, PublicKey

_MOST_KINDS = 2**16 - 1


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


_ID_BYTES = 16
_RECORD = _ID_BYTES + HASH_BYTES


class Seen:
    """The records that the witness saw, in the order of their numbers: 50 bytes each, since there are millions."""

    def __init__(self) -> None:
        self._kinds: dict[str, int] = {}
        self._names: list[str] = []
        self._of_kind, self._told = array("H"), bytearray()

    def extend(self, leaves: Iterable[Numbered]) -> None:
        """Take the next. Raises DoesNotHold."""
        for one in leaves:
            kind = self._kinds.setdefault(one.kind, len(self._kinds))
            if kind == len(self._names):
                self._names.append(one.kind)
            if kind > _MOST_KINDS:
                raise DoesNotHold("The witness was told of more kinds of record than there are.")
            self._of_kind.append(kind)
            self._told += one.id.bytes + one.hash

    def __len__(self) -> int:
        return len(self._of_kind)

    def __getitem__(self, number: int) -> Numbered:
        number = range(len(self))[number]  # which knows what lies outside
        kind = self._names[self._of_kind[number]]
        told = bytes(self._told[number * _RECORD : (number + 1) * _RECORD])
        return Numbered(kind, UUID(bytes=told[:_ID_BYTES]), told[_ID_BYTES:])

    def __iter__(self) -> Iterator[Numbered]:
        return (self[number] for number in range(len(self)))


class Roots(Mapping[int, bytes]):
    """The root at each size that was signed: 40 bytes each."""

    def __init__(self) -> None:
        self._sizes, self._told = array("q"), bytearray()

    def add(self, size: int, root: bytes) -> None:
        """Take the next, of no smaller size; over one size there is one."""
        if not self._sizes or size > self._sizes[-1]:
            self._sizes.append(size)
            self._told += root

    def __getitem__(self, size: int) -> bytes:
        place = bisect_left(self._sizes, size)
        if place == len(self._sizes) or self._sizes[place] != size:
            raise KeyError(size)
        return bytes(self._told[place * HASH_BYTES : (place + 1) * HASH_BYTES])

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)


@dataclass
class History:
    """What the witness saw: every record in order, and the root at each size that was signed, and when."""

    leaves: Seen = field(default_factory=Seen)
    roots: Roots = field(default_factory=Roots)
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
        history.roots.add(signed.size, signed.root)
    return history


def _second_history(history: History, block: Block) -> str:
    if block.start > len(history.leaves):
        return f"The witness lacks the records from number {len(history.leaves)} to {block.start - 1}."
    for number, one in enumerate(block.leaves, block.start):
        if number >= len(history.leaves) or history.leaves[number] != one:
            seen = Doubt(number, one.kind, str(one.id), "is the first record that differs")
            return f"The witness was told two histories, two roots over one size: {seen}."
    return f"The witness was told two roots over {block.end} records, the last of them number {block.end - 1}."


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
