"""Times in leaves: a row that was put in by the ordinary way and dated elsewhere is named, from the export alone."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import SQLModel

from app import tables  # noqa: F401 - kinds of leaf are found by the names of their tables
from app.errors import ClaresLawError
from app.evidence.blocks import Block, Numbered
from app.evidence.merkle import Peaks, leaf_hash
from app.evidence.notes import Checkpoint, Signer
from app.evidence.records import DATED, DATED_BY_THE_DATABASE, LEAVES, LOG, UNDATED
from app.evidence.verifying import DoesNotHold, NotProven, read_witness, verify_log
from tests.architecture.test_erasure_rules import python_type

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRODUCTION, DEMONSTRATION = Signer("evidence.test/dvds", KEY), Signer("evidence.test/demonstration", KEY)
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)

Row = tuple[str, timedelta] | tuple[str, timedelta, str]
"""A kind, and how long after AT a row of it is dated; and in which one of its columns alone, where it has several."""


def columns_of(kind: str) -> list[str]:
    """The columns by which a kind of row tells when it was put in."""
    return [table[kind] for table in (DATED, DATED_BY_THE_DATABASE) if kind in table]


def times(kind: str, after: timedelta, one: str | None = None) -> dict[str, str]:
    """Everything by which a kind of row tells when it was put in; all but `one` of it as of AT."""
    found = {}
    for column in columns_of(kind):
        at = AT + (after if one in (None, column) else timedelta())
        day = python_type(SQLModel.metadata.tables[kind].c[column]) is date
        found[column] = f"{at:%Y-%m-%d}" if day else f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
    return found


def verdict(
    rows: Sequence[Row],
    signer: Signer = PRODUCTION,
    *,
    signed: timedelta,
    waits: Sequence[str] = (),
    without: str | None = None,
) -> str:
    """What a verifier finds in an export of rows that were numbered and witnessed in their order."""
    peaks, leaves, lines = Peaks(), list[Numbered](), list[dict[str, Any]]()
    for number, (kind, *dated) in enumerate(rows):
        record = uuid4()
        dates = {name: told for name, told in times(kind, *dated).items() if name != without}
        told = json.dumps({"kind": kind, "row": {"id": str(record), **dates}})
        lines.append({"leaf": number, "kind": kind, "id": str(record), "told": told, "now": told, "salted": True})
        leaves.append(Numbered(kind, record, leaf_hash(told.encode())))
        peaks.extend([leaves[-1].hash])
    note = signer.sign(Checkpoint(signer.name, peaks.size, peaks.root).text)
    lines += [{"record": True, "kind": one.split()[0], "id": one.split()[1], "waits": True} for one in waits]
    history = read_witness([Block(0, leaves, note, AT + signed).line()], signer.public)
    told_lines = [json.dumps(one).encode() for one in ({"export": 1}, *lines)]
    return verify_log(told_lines, history, signer.public)


LOGGED: Row = (LOG, timedelta())
FIVE_YEARS = timedelta(days=5 * 365)


COLUMNS = [(kind, column) for table in (DATED, DATED_BY_THE_DATABASE) for kind, column in table.items()]


def test_every_kind_of_leaf_tells_when_it_was_put_in_or_why_not() -> None:
    assert set(LEAVES) == {*DATED, *DATED_BY_THE_DATABASE, *UNDATED}
    assert not set(UNDATED) & {*DATED, *DATED_BY_THE_DATABASE}
    assert all(UNDATED.values())
    for kind in LEAVES:
        columns = SQLModel.metadata.tables[kind].c
        moments = {one.name: one for one in columns if python_type(one) is datetime}
        by_database = {name for name, one in moments.items() if one.server_default is not None}
        assert by_database == {DATED_BY_THE_DATABASE[kind]} if kind in DATED_BY_THE_DATABASE else not by_database
        if "recorded_at" in moments:
            assert DATED[kind] == "recorded_at"
        for name in columns_of(kind):
            assert python_type(columns[name]) in (date, datetime), name
            assert not columns[name].nullable, name
        if kind in UNDATED:
            assert not moments


@pytest.mark.parametrize(("kind", "column"), COLUMNS)
def test_a_row_of_any_kind_is_named_where_any_of_its_times_is_not_that_of_when_it_was_put_in(
    kind: str, column: str
) -> None:
    minute = timedelta(minutes=1)
    says = rf"{kind} \S+ \(number 1\) is dated 20"
    with pytest.raises(DoesNotHold, match=says):
        verdict([LOGGED, (kind, -FIVE_YEARS, column)], signed=minute)
    with pytest.raises(DoesNotHold, match=says):
        verdict([LOGGED, (kind, timedelta(days=2), column)], signed=minute)
    of_database = DATED_BY_THE_DATABASE.get(kind) == column
    if of_database:
        with pytest.raises(DoesNotHold, match=says):
            verdict([LOGGED, (kind, -FIVE_YEARS, column)], DEMONSTRATION, signed=minute)
    elif kind != "erasure":  # one without all that it rests on is named in any case
        assert "It holds" in verdict([LOGGED, (kind, -FIVE_YEARS, column)], DEMONSTRATION, signed=minute)
        assert "It holds" in verdict([LOGGED, (kind, timedelta())], signed=minute)


def test_a_row_that_tells_no_time_at_all_is_named() -> None:
    with pytest.raises(DoesNotHold, match=r"disclosure \S+ \(number 1\) does not tell when it was put in"):
        verdict([LOGGED, ("disclosure", timedelta(), "no column")], signed=timedelta(), without="recorded_at")


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
