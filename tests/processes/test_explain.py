"""`clares-law explain`: a date that nobody can argue with, from the command line and without a database (H10.5)."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.shared import needs_shared, shared


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No database, and settings that would refuse to be read: a count needs neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CLARES_LAW_ENVIRONMENT", "nonsense")


def call(*words: str) -> Result:
    return CliRunner().invoke(app, ["explain", *words])


def explained(*words: str) -> dict[str, Any]:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(*words: str) -> str:
    """It ends with status 1 and one line, which is given back."""
    result = call(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("clares-law: ")
    return line.removeprefix("clares-law: ")


def test_ten_working_days_over_christmas() -> None:
    found = explained("--from", "2026-12-23T16:40", "--working-days", "10", "--division", "england-and-wales")
    assert (found["due_on"], found["due_at"]) == ("2027-01-11", "2027-01-12T00:00:00Z")
    assert found["due_at_london"] == "2027-01-12T00:00:00+00:00"
    assert found["rule"] == "10 working days"
    working = found["working"]
    assert working[0] == {"date": "2026-12-24", "counted": True, "number": 1, "why": "working day"}
    assert working[1] == {"date": "2026-12-25", "counted": False, "number": None, "why": "Christmas Day"}
    assert [day["number"] for day in working if day["counted"]] == list(range(1, 11))
    assert {day["date"]: day["why"] for day in working if not day["counted"]} == {
        "2026-12-25": "Christmas Day",
        "2026-12-26": "Saturday",
        "2026-12-27": "Sunday",
        "2026-12-28": "Boxing Day",
        "2027-01-01": "New Year’s Day",
        "2027-01-02": "Saturday",
        "2027-01-03": "Sunday",
        "2027-01-09": "Saturday",
        "2027-01-10": "Sunday",
    }


def test_people_read_the_same_in_a_table() -> None:
    shown = call("--from", "2026-12-23T16:40", "--working-days", "10").stdout
    assert "Mon 11 Jan 2027 (2027-01-11)" in shown
    assert "Tue 12 Jan 2027 00:00 London (2027-01-12T00:00Z)" in shown
    assert "skipped: Christmas Day" in shown
    assert "england-and-wales: GOV.UK" in shown


@pytest.mark.parametrize(("division", "due_on"), [("england-and-wales", "2026-01-02"), ("scotland", "2026-01-05")])
def test_each_division_has_its_days(division: str, due_on: str) -> None:
    assert explained("--from", "2025-12-31T12:00", "--working-days", "1", "--division", division)["due_on"] == due_on


def test_hours_and_calendar_days() -> None:
    found = explained("--from", "2026-12-24T16:40", "--hours", "24")
    assert (found["due_on"], found["due_at"]) == ("2026-12-25", "2026-12-25T16:40:00Z")
    found = explained("--from", "2026-12-24T16:40", "--calendar-days", "28")
    assert (found["due_on"], len(found["working"])) == ("2027-01-21", 28)


@pytest.mark.parametrize(
    ("typed", "started_at", "read_as"),
    [
        ("2026-07-01T12:00", "2026-07-01T11:00:00Z", None),
        ("2026-07-01 12:00:30", "2026-07-01T11:00:30Z", None),
        ("2026-07-01T12:00Z", "2026-07-01T12:00:00Z", None),
        ("2026-07-01T12:00+05:30", "2026-07-01T06:30:00Z", None),
        ("2026-07-01", "2026-06-30T23:00:00Z", "start of that day"),
        ("2026-10-25T01:30", "2026-10-25T00:30:00Z", "twice"),  # the clocks go back: the first
        ("2026-10-25T01:30Z", "2026-10-25T01:30:00Z", None),
        ("2026-10-25T02:00", "2026-10-25T02:00:00Z", None),
        ("2026-03-29T01:30", "2026-03-29T01:30:00Z", "forward"),  # they go forward: half an hour after the jump
        ("2026-03-29T02:00", "2026-03-29T01:00:00Z", None),
    ],
)
def test_which_hour_is_meant(typed: str, started_at: str, read_as: str | None) -> None:
    found = explained("--from", typed, "--hours", "24")
    assert found["started_at"] == started_at
    assert read_as in found["read_as"] if read_as else found["read_as"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from", "2026-12-23"], "exactly one of --working-days, --hours, --calendar-days."),
        (["--from", "2026-12-23", "--hours", "1", "--working-days", "1"], "exactly one of"),
        (["--from", "2026-12-23", "--hours", "0"], "--hours 0: a count is a whole number from 1"),
        (["--from", "2026-12-23", "--working-days", "-3"], "--working-days -3"),
        (["--from", "2026-12-23", "--working-days", "1.5"], "--working-days 1.5"),
        (["--from", "2026-12-23", "--calendar-days", "٣"], "a whole number"),
        (["--from", "2026-12-23", "--hours", "99999999999999"], "a whole number"),
        (["--from", "23/12/2026", "--hours", "1"], "--from '23/12/2026' is no date and time"),
        (["--from", "2026-02-29", "--hours", "1"], "is no date and time"),
        (["--from", "2026-12-23T25:00", "--hours", "1"], "is no date and time"),
        (["--from", "", "--hours", "1"], "is no date and time"),
        (["--from", "0001-01-01T00:00+14:00", "--hours", "1"], "is no date and time"),
        (["--from", "9999-12-31", "--hours", "48"], "beyond the year 9999"),
        (["--from", "2026-12-23", "--hours", "1", "--division", "wales"], "there are: england-and-wales, scotland"),
        (["--from", "2028-12-20", "--working-days", "10"], "held from 2012 to 2028, and the count reaches 2029-01-01"),
        (["--from", "2011-12-20", "--calendar-days", "1"], "held from 2012"),
        (["--from", "2026-12-23", "--hours", "1", "--holidays-file", "missing"], "missing: No such file"),
        (["--from", "2026-12-23", "--hours", "1", "--holidays-file", "."], "directory"),
    ],
)
def test_what_cannot_be_explained_is_told_in_a_line(words: list[str], says: str) -> None:
    assert says in refused(*words)


# --- a file of holidays ---------------------------------------------------------------------------


def test_a_file_stands_instead_of_the_division(tmp_path: Path) -> None:
    file = tmp_path / "days"
    file.write_text(
        "\ufeff# our own\r\n\r\n2026-12-24  # Founder's day\r\n  2026-12-24\r\n2026-12-29#\r\n", encoding="utf-8"
    )
    found = explained("--from", "2026-12-23T09:00", "--working-days", "2", "--holidays-file", str(file))
    assert [(day["date"][-2:], day["why"]) for day in found["working"]] == [
        ("24", "Bank holiday"),
        ("25", "working day"),
        ("26", "Saturday"),
        ("27", "Sunday"),
        ("28", "working day"),
    ]
    assert found["calendar_version"] == str(file)


def test_a_file_knows_no_last_year(tmp_path: Path) -> None:
    file = tmp_path / "days"
    file.write_text("2044-01-01\n")
    assert (
        explained("--from", "2043-12-31", "--working-days", "1", "--holidays-file", str(file))["due_on"] == "2044-01-04"
    )
    file.write_text("")
    assert (
        explained("--from", "2007-02-01", "--working-days", "1", "--holidays-file", str(file))["due_on"] == "2007-02-02"
    )


@pytest.mark.parametrize(
    "wrong", ["2026-13-01", "25.12.2026", "2026-12-25 Christmas", "20261225", "2026-12-25, 2026-12-26"]
)
def test_a_bad_line_is_named(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "days"
    file.write_text(f"# one\n\n2026-12-25\n{wrong}\n2026-12-26\n")
    assert refused("--from", "2026-12-23", "--working-days", "1", "--holidays-file", str(file)).startswith(
        f"{file}:4: "
    )


def test_a_file_of_bytes_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "days"
    file.write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in refused("--from", "2026-12-23", "--hours", "1", "--holidays-file", str(file))


@needs_shared
def test_other_public_services_agree_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "days"
    for case in shared("working-days.json")["cases"]:
        file.write_text("\n".join(case["holidays"]))
        found = explained(
            "--from", case["start"], "--working-days", str(case["working_days"]), "--holidays-file", str(file)
        )
        assert found["due_on"] == case["due_on"], case["source"]
        assert datetime.fromisoformat(found["due_at_london"]).date().toordinal() == (
            date.fromisoformat(case["due_on"]).toordinal() + 1
        )
