"""The tree of RFC 9162: the published vectors, a tree worked out the slow way, and no proof that was touched."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.merkle import (
    EMPTY,
    Node,
    Peaks,
    Span,
    consistency_spans,
    fold,
    includes,
    inclusion_spans,
    is_consistent,
    leaf_hash,
    node_hash,
    nodes_of,
)

_VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "merkle-rfc6962.json"
_GREATEST = 70


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """As the definition has it (2.1.1)."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(slow_root(leaves[:half]), slow_root(leaves[half:]))


class Grown:
    """A tree that kept every subtree it completed."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.peaks = Peaks()
        self.nodes: dict[Node, bytes] = {}
        for leaf in leaves:
            self.nodes.update(self.peaks.append(leaf))

    def proof(self, spans: list[Span]) -> list[bytes]:
        """The hashes that spans stand for."""
        return [fold([self.nodes[node] for node in nodes_of(span)]) for span in spans]


LEAVES = [leaf_hash(str(number).encode()) for number in range(_GREATEST)]
TREE = Grown(LEAVES)


def test_every_published_vector() -> None:
    if not _VECTORS.is_file():
        pytest.skip("the published vectors are not beside this repository")
    vectors = json.loads(_VECTORS.read_text())
    tried = 0
    for one in vectors["inclusion"]:
        held = includes(
            _bytes(one["leafHash"]), one["leafIdx"], one["treeSize"], _proof(one["proof"]), _bytes(one["root"])
        )
        assert held is not one["wantErr"], one["name"]
        tried += 1
    for one in vectors["consistency"]:
        roots = _bytes(one["root1"]), _bytes(one["root2"])
        held = is_consistent(one["size1"], one["size2"], *roots, _proof(one["proof"]))
        assert held is not one["wantErr"], one["name"]
        tried += 1
    assert tried == 196


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(texts: list[Any] | None) -> list[bytes]:
    return [_bytes(one) for one in texts or []]


def test_roots_are_those_of_the_definition_however_the_tree_grew() -> None:
    assert Peaks().root == EMPTY
    for size in range(1, _GREATEST + 1):
        root = slow_root(LEAVES[:size])
        assert Grown(LEAVES[:size]).peaks.root == root
        kept = nodes_of((0, size))
        peaks = Peaks(size, [TREE.nodes[node] for node in kept])
        assert peaks.root == root
        peaks.extend(LEAVES[size:])
        assert peaks.root == TREE.peaks.root


def test_every_proof_of_every_small_tree() -> None:
    for size in range(1, _GREATEST + 1):
        root = slow_root(LEAVES[:size])
        for index in range(size):
            assert includes(LEAVES[index], index, size, TREE.proof(inclusion_spans(index, size)), root)
        for first in range(1, size + 1):
            proof = TREE.proof(consistency_spans(first, size))
            assert is_consistent(first, size, slow_root(LEAVES[:first]), root, proof)


def test_what_is_in_no_tree_has_no_proof() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="not in the tree"):
            inclusion_spans(index, size)
    for first, second in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="no more than the second"):
            consistency_spans(first, second)


@given(st.data())
def test_no_inclusion_proof_that_was_touched_is_accepted(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, _GREATEST))
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = TREE.proof(inclusion_spans(index, size)), slow_root(LEAVES[:size]), LEAVES[index]
    assert includes(leaf, index, size, proof, root)
    match data.draw(st.sampled_from(["leaf", "root", "index", "element", "shorter", "longer", "swapped", "size"])):
        case "leaf":
            leaf = _touched(data, leaf)
        case "root":
            root = _touched(data, root)
        case "index":
            index = data.draw(st.integers(-3, size + 3).filter(lambda other: other != index))
        case "size":
            other = data.draw(st.integers(0, _GREATEST * 3).filter(lambda other: other != size))
            if _asks_for(index, other) == _asks_for(index, size):
                return  # a proof does not tell these two sizes apart: the signed checkpoint does
            size = other
        case "element":
            proof = _one_touched(data, proof)
        case "shorter":
            proof = proof[:-1] if proof else [root]
        case "longer":
            proof = [*proof, data.draw(st.sampled_from(LEAVES))]
        case "swapped":
            proof = proof[::-1] if len(proof) > 1 else [root]
    assert not includes(leaf, index, size, proof, root)


def _asks_for(index: int, size: int) -> list[bool] | None:
    """On which side each hash of a proof stands: what a verifier does with it."""
    return [start > index for start, _ in inclusion_spans(index, size)] if 0 <= index < size else None


@given(st.data())
def test_no_consistency_proof_that_was_touched_is_accepted(data: st.DataObject) -> None:
    second = data.draw(st.integers(2, _GREATEST))
    first = data.draw(st.integers(1, second - 1))
    proof = TREE.proof(consistency_spans(first, second))
    old, new = slow_root(LEAVES[:first]), slow_root(LEAVES[:second])
    assert is_consistent(first, second, old, new, proof)
    match data.draw(st.sampled_from(["old", "new", "element", "shorter", "longer", "backwards", "nothing"])):
        case "old":
            old = _touched(data, old)
        case "new":
            new = _touched(data, new)
        case "element":
            proof = _one_touched(data, proof)
        case "shorter":
            proof = proof[:-1]
        case "longer":
            proof = [*proof, data.draw(st.sampled_from(LEAVES))]
        case "backwards":
            first, second, old, new = second, first, new, old
        case "nothing":
            first = 0
    assert not is_consistent(first, second, old, new, proof)


def _touched(data: st.DataObject, value: bytes) -> bytes:
    place, bit = data.draw(st.integers(0, len(value) - 1)), 1 << data.draw(st.integers(0, 7))
    return value[:place] + bytes([value[place] ^ bit]) + value[place + 1 :]


def _one_touched(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    if not proof:
        return [EMPTY]
    place = data.draw(st.integers(0, len(proof) - 1))
    return [*proof[:place], _touched(data, proof[place]), *proof[place + 1 :]]
