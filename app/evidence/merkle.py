"""The Merkle tree of RFC 9162, section 2.1, over SHA-256: hashes, roots, proofs and their verification. Pure.

A proof is told twice: as the *spans* of leaves that its hashes stand for, which whoever keeps the tree looks up and
folds, and as the hashes themselves, which a verifier walks through. A span begins where a subtree of its size would,
so that complete subtrees alone make it up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

HASH_BYTES = 32
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

Span = tuple[int, int]
"""From the first leaf to the one after the last."""
Node = tuple[int, int]
"""A complete subtree: its level (of 2 to the power of level leaves) and its place among those of its level."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf; the prefix keeps a leaf from passing for a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a span, or of a tree, from those of its complete subtrees, left to right."""
    if not hashes:
        return EMPTY
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def nodes_of(span: Span) -> list[Node]:
    """The complete subtrees that make up a span, left to right."""
    place, end = span
    found = []
    for level in reversed(range((end - place).bit_length())):
        if (end - place) >> level:
            found.append((level, place >> level))
            place += 1 << level
    return found


@dataclass
class Peaks:
    """A tree that grows: its size and the roots of its complete subtrees, left to right. Costs what is added."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> Iterator[tuple[Node, bytes]]:
        """Add the hash of a leaf; every subtree that this completes, the leaf itself first. Read it to the end."""
        yield (0, self.size), leaf
        place, level = self.size, 0
        while place & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            place, level = place >> 1, level + 1
            yield (level, place), leaf
        self.hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add the hashes of leaves, where nobody asks which subtrees they complete."""
        for leaf in leaves:
            for _ in self.append(leaf):
                continue

    @property
    def root(self) -> bytes:
        """The root of the tree as it is."""
        return fold(self.hashes)


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What the inclusion proof of leaf `index` in a tree of `size` stands for, in its order. Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """What the proof stands for that `first` leaves are the beginning of `second`. Raises ValueError."""
    if not 0 < first <= second:
        raise ValueError("the first tree has leaves, and no more than the second")
    start, end, found = 0, second, []
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    if start:
        found.append((start, end))
    return found[::-1]


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows the hash `leaf` at `index` of the tree of `size` with `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the tree of `first` leaves as the beginning of that of `second` (RFC 9162, 2.1.4.2).

    A tree without leaves proves nothing: False.
    """
    if first == second:
        return first > 0 and not proof and first_root == second_root
    if not 0 < first < second or not proof or not _are_hashes(first_root, second_root, *proof):
        return False
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
