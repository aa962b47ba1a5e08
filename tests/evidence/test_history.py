"""What a verifier keeps of the witness: compact, and the same as if every record and root were kept whole."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.blocks import Numbered
from app.evidence.dating import Signings
from app.evidence.history import DoesNotHold, Roots, Seen

HASHES = st.binary(min_size=32, max_size=32)
LEAVES = st.lists(st.builds(Numbered, st.sampled_from(["event", "item", "access_log"]), st.uuids(), HASHES))


@given(LEAVES, LEAVES)
def test_records_are_kept_as_they_were_told(first: list[Numbered], second: list[Numbered]) -> None:
    seen = Seen()
    seen.extend(first)
    seen.extend(second)
    assert list(seen) == [seen[number] for number in range(len(seen))] == first + second
    for outside in (len(seen), -len(seen) - 1):
        with pytest.raises(IndexError):
            seen[outside]


@given(st.dictionaries(st.integers(0, 2**62), HASHES), st.integers(0, 2**62))
def test_roots_are_found_by_their_size(known: dict[int, bytes], other: int) -> None:
    roots = Roots()
    for size in sorted(known):
        roots.add(size, known[size])
        roots.add(size, bytes(32))  # told again: one root for one size
    assert roots == known
    assert roots.get(other) == known.get(other)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10**15)), max_size=9), st.integers(0, 90))
def test_signings_tell_the_moment_of_the_first_that_covers_a_number(steps: list[tuple[int, int]], number: int) -> None:
    signings, size, told = Signings(), 0, list[tuple[int, datetime]]()
    for more, microseconds in steps:
        size += more
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        assert signings.add(size, at) is (not told or at >= told[-1][1])
        told.append((size, at))
    assert signings.of(number) == next((at for size, at in told if size > number), None)
    assert signings.last == (told[-1] if told else None)


def test_a_witness_of_more_kinds_than_there_can_be_is_none() -> None:
    with pytest.raises(DoesNotHold, match="more kinds of record than there are"):
        Seen().extend(Numbered(str(number), UUID(int=number), bytes(32)) for number in range(2**16 + 1))
