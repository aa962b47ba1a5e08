"""Times in leaves: a row that was put in by the ordinary way and dated elsewhere is named, from the export alone."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.errors import ClaresLawError
from app.evidence.blocks import Block, Numbered
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.notes import Checkpoint, Signer
from app.evidence.verifying import DoesNotHold, NotProven, read_witness, verify_log

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRODUCTION, DEMONSTRATION = Signer("evidence.test/dvds", KEY), Signer("evidence.test/demonstration", KEY)
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)

Row = tuple[str, timedelta]
"""A kind, and how long after AT a row of it is dated."""


def verdict(rows: Sequence[Row], signer: Signer = PRODUCTION, *, signed: timedelta, waits: Sequence[str] = ()) -> str:
    """What a verifier finds in an export of rows that were numbered and witnessed in their order."""
    peaks, leaves, lines = Peaks(), list[Numbered](), list[dict[str, Any]]()
    for number, (kind, after) in enumerate(rows):
        column = "logged_at" if kind == "access_log" else "recorded_at"
        record = uuid4()
        told = json.dumps({"kind": kind, "row": {"id": str(record), column: f"{AT + after:%Y-%m-%dT%H:%M:%S.%fZ}"}})
        lines.append({"leaf": number, "kind": kind, "id": str(record), "told": told, "now": told, "salted": True})
        leaves.append(Numbered(kind, record, leaf_hash(told.encode())))
        peaks.extend([leaves[-1].hash])
    note = signer.sign(Checkpoint(signer.name, peaks.size, peaks.root).text)
    lines += [{"record": True, "kind": one.split()[0], "id": one.split()[1], "waits": True} for one in waits]
    history = read_witness([Block(0, leaves, note, AT + signed).line()], signer.public)
    told_lines = [json.dumps(one).encode() for one in ({"export": 1}, *lines)]
    return verify_log(told_lines, history, signer.public)


LOGGED: Row = ("access_log", timedelta())
FIVE_YEARS = timedelta(days=5 * 365)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([LOGGED, ("disclosure", -FIVE_YEARS)], r"disclosure .* \(number 1\) is dated 2021-11-21 .* numbered after"),
        ([LOGGED, ("access_log", timedelta(minutes=-61))], r"access_log .* \(number 1\) is dated 2026-11-20 08:59:00"),
        ([("disclosure", timedelta(days=2))], r"disclosure .* \(number 0\) is dated 2026-11-22 .* witness was told"),
    ],
)
def test_a_row_dated_before_what_was_numbered_before_it_or_after_it_was_signed_is_named(
    rows: list[Row], says: str
) -> None:
    with pytest.raises(DoesNotHold, match=says):
        verdict(rows, signed=timedelta(minutes=1))


def test_a_worker_that_was_away_and_what_was_there_before_it_accuse_nobody() -> None:
    earlier: Row = ("disclosure", -FIVE_YEARS)  # of before the tree was, numbered first
    late = [earlier, LOGGED, ("disclosure", timedelta(minutes=-59)), ("access_log", timedelta(minutes=-1))]
    says = verdict(late, signed=timedelta(days=3))
    assert says.startswith("It holds: all 4 records")
    assert "The copy of the witness ends at 4 records, signed 2026-11-23 10:00:00 UTC, root " in says


def test_a_demonstration_moves_the_times_of_records_and_not_of_the_log() -> None:
    says = verdict([LOGGED, ("disclosure", -FIVE_YEARS)], DEMONSTRATION, signed=timedelta())
    assert "this is a demonstration" in says
    with pytest.raises(DoesNotHold, match="access_log"):
        verdict([LOGGED, ("access_log", -FIVE_YEARS)], DEMONSTRATION, signed=timedelta())


def test_what_waits_is_named_and_is_no_success() -> None:
    waits = [f"disclosure {uuid4()}", f"closing {uuid4()}"]
    with pytest.raises(NotProven, match=f"It holds: all 1 records.* Not proven are 2 .*: {waits[0]}, {waits[1]}\\."):
        verdict([LOGGED], signed=timedelta(), waits=waits)
    assert issubclass(NotProven, ClaresLawError)  # whoever asks by the command is answered status 1
