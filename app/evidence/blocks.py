"""What the witness is told: a signed checkpoint, when, and of each record new under it the kind, id and leaf's hash.

So a verifier who has the witness alone works out every root by itself, can name the record that does not hold, and
knows by when a number was given. No personal data. Pure.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from uuid import UUID

import rfc8785

from app.errors import ClaresLawError
from app.evidence.merkle import HASH_BYTES

FORM = 1
_MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


class NoBlock(ClaresLawError):
    """The line is none that this service writes to a witness."""

    code: ClassVar[str] = "no_block"


@dataclass(frozen=True)
class Numbered:
    """A record under its number: what it is, and the hash of its leaf."""

    kind: str
    id: UUID
    hash: bytes


@dataclass(frozen=True)
class Block:
    """One line of the witness: the leaves from number `start` on, and the checkpoint over them and all before.

    `at` is the real time at which that was first signed; it never goes back from one line to the next.
    """

    start: int
    leaves: Sequence[Numbered]
    note: str
    at: datetime

    @property
    def end(self) -> int:
        """The size of the tree under its checkpoint."""
        return self.start + len(self.leaves)

    def line(self) -> bytes:
        """As it is written: the same bytes whenever it is written again."""
        told: dict[str, Any] = {
            "v": FORM,
            "from": self.start,
            "leaves": [[one.kind, str(one.id), one.hash.hex()] for one in self.leaves],
            "note": self.note,
            "at": self.at.astimezone(UTC).strftime(_MOMENT),
        }
        return rfc8785.dumps(told) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read a line. Raises NoBlock."""
        try:
            told = json.loads(line)
            if set(told) != {"v", "from", "leaves", "note", "at"} or told["v"] != FORM:
                raise ValueError
            leaves = [_numbered(*one) for one in told["leaves"]]
            if type(told["from"]) is not int or told["from"] < 0 or not isinstance(told["note"], str):
                raise ValueError
            at = datetime.strptime(told["at"], _MOMENT).replace(tzinfo=UTC)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise NoBlock("A line of the witness is none that this service writes.") from None
        return cls(told["from"], leaves, told["note"], at)


def _numbered(kind: Any, record: Any, digest: Any) -> Numbered:
    found = bytes.fromhex(digest)
    if not isinstance(kind, str) or len(found) != HASH_BYTES:
        raise ValueError
    return Numbered(kind, UUID(record), found)
