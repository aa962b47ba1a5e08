"""Which published file may replace the bank holidays held (H10.3)."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines.bank_holidays import FIRST_PUBLISHED, LAST_PUBLISHED, published, version_of
from app.deadlines.calendar import Division
from app.deadlines.published_file import FileRefused, Held, lost, merged, read

GOV_UK = Path(__file__).resolve().parents[2].parent / "shared/data/gov-uk-bank-holidays.json"
ENGLAND = Division.ENGLAND_AND_WALES
DAYS = dict(published(ENGLAND).holidays)


def held(proclaimed: frozenset[date] = frozenset()) -> Held:
    return Held(DAYS | dict.fromkeys(proclaimed, "Proclaimed"), proclaimed, FIRST_PUBLISHED, LAST_PUBLISHED)


def year_of(year: int, number: int = 8) -> dict[date, str]:
    return {date(year, 1, 4) + timedelta(days=7 * n): f"Holiday {n}" for n in range(number)}


def as_file(**changed: Any) -> dict[str, Any]:
    """A file of what was published, in the shape of GOV.UK's."""
    listed: dict[str, Any] = {
        division.value: {
            "division": division.value,
            "events": [
                {"title": title, "date": day.isoformat(), "notes": "", "bunting": True}
                for day, title in published(division).holidays.items()
            ],
        }
        for division in Division
    }
    return listed | changed


def test_a_file_in_the_shape_of_gov_uk_is_read() -> None:
    assert read(json.dumps(as_file()).encode()) == {one: dict(published(one).holidays) for one in Division}


@pytest.mark.skipif(not GOV_UK.is_file(), reason="the published list is not beside this repository")
@pytest.mark.parametrize("division", list(Division))
def test_the_published_file_changes_nothing_of_the_seed(division: Division) -> None:
    calendar = published(division)
    kept = Held(calendar.holidays, frozenset(), FIRST_PUBLISHED, LAST_PUBLISHED)
    assert merged(division, kept, read(GOV_UK.read_bytes())[division]) == dict(calendar.holidays)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "JSON"),
        (b"<!DOCTYPE html>", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 200_000, "JSON"),
        (b"[]", "object"),
        (b"{}", "scotland is missing"),
        (json.dumps({**as_file(), "scotland": None}).encode(), "scotland"),
        (json.dumps(as_file(scotland={"division": "scotland", "events": []})).encode(), "events"),
        (json.dumps(as_file(scotland=as_file()["northern-ireland"])).encode(), "calls itself otherwise"),
        (
            json.dumps(
                as_file(scotland={"division": "scotland", "events": [{"title": "A", "date": 20260101}]})
            ).encode(),
            "date",
        ),
        (
            json.dumps(
                as_file(scotland={"division": "scotland", "events": [{"title": "A\n", "date": "2026-01-01"}]})
            ).encode(),
            "title",
        ),
        (
            json.dumps(
                as_file(scotland={"division": "scotland", "events": [{"title": "A", "date": "2026-01-01"}] * 2})
            ).encode(),
            "more than once",
        ),
    ],
)
def test_a_file_of_another_shape_is_refused_and_says_where(raw: bytes, says: str) -> None:
    with pytest.raises(FileRefused) as refused:
        read(raw)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 2_000


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda it: json.dumps(it).encode()))
def test_whatever_is_no_such_file_is_refused_and_never_a_crash(raw: bytes) -> None:
    with pytest.raises(FileRefused):
        read(raw)


@given(st.sets(st.sampled_from(sorted(day for day in DAYS if day.year < LAST_PUBLISHED)), min_size=1, max_size=20))
def test_a_file_that_has_lost_a_day_is_refused_unless_a_person_says_that_it_is_to_go(gone: set[date]) -> None:
    listed = {day: title for day, title in DAYS.items() if day not in gone}
    within = {day for day in gone if day.year >= min(listed).year}
    assert lost(held(), listed) == within
    if not within:
        return
    with pytest.raises(FileRefused) as refused:
        merged(ENGLAND, held(), listed)
    assert min(within).isoformat() in str(refused.value)
    before = {day: title for day, title in DAYS.items() if day.year < min(listed).year}
    assert merged(ENGLAND, held(), listed, removing=within) == before | listed


def test_a_moved_day_is_lost_once_and_found_again_elsewhere() -> None:
    listed = {day: title for day, title in DAYS.items() if day != date(2028, 5, 1)} | {date(2028, 5, 8): "Moved"}
    with pytest.raises(FileRefused, match="2028-05-01"):
        merged(ENGLAND, held(), listed)
    assert merged(ENGLAND, held(), listed, removing=[date(2028, 5, 1)]) == listed


def test_a_proclaimed_day_stays_until_the_file_has_it_and_then_is_the_files() -> None:
    day = date(2028, 6, 5)
    assert merged(ENGLAND, held(frozenset({day})), DAYS)[day] == "Proclaimed"
    assert merged(ENGLAND, held(frozenset({day})), {**DAYS, day: "Jubilee"})[day] == "Jubilee"


@given(st.integers(FIRST_PUBLISHED, LAST_PUBLISHED))
def test_the_years_before_a_file_begins_stay_as_they_are_held(first: int) -> None:
    listed = {day: title for day, title in DAYS.items() if day.year >= first} | year_of(2029)
    assert merged(ENGLAND, held(), listed) == DAYS | year_of(2029)


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ({day: title for day, title in DAYS.items() if day.year < 2028}, "ends in 2027, and is held to 2028"),
        (year_of(2030), "begins in 2030"),
        (DAYS | year_of(2029, 7), "7 days in 2029"),
        (DAYS | year_of(2029, 30), "30 days in 2029"),
        (DAYS | year_of(2030), "0 days in 2029"),
        (DAYS | year_of(2027, 30), "days in 2027"),
    ],
)
def test_a_year_that_is_lost_or_not_whole_is_refused(listed: dict[date, str], says: str) -> None:
    with pytest.raises(FileRefused) as refused:
        merged(ENGLAND, held(), listed)
    assert says in str(refused.value)


def test_many_losses_are_named_in_part() -> None:
    listed = {day: title for day, title in DAYS.items() if day.year not in (2020, 2021)}
    with pytest.raises(FileRefused, match=r"2020-01-01, .* \(and 11 more\)"):
        merged(ENGLAND, held(), listed)


@given(st.permutations(sorted(DAYS)))
def test_the_version_follows_from_the_days_and_from_nothing_else(order: list[date]) -> None:
    days = {day: DAYS[day] for day in order}
    assert version_of(days, 2012, 2028) == published(ENGLAND).version


@given(st.sampled_from(sorted(DAYS)))
def test_another_list_has_another_version(day: date) -> None:
    without = {held: title for held, title in DAYS.items() if held != day}
    versions = {
        version_of(DAYS, 2012, 2028),
        version_of(without, 2012, 2028),
        version_of({**DAYS, day: "Another title"}, 2012, 2028),
        version_of(DAYS, 2012, 2028, change=2),
    }
    assert len(versions) == 4
