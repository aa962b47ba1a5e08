"""The bank holidays to start with are those that GOV.UK publishes (H10.1)."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from app.deadlines.bank_holidays import FIRST_PUBLISHED, LAST_PUBLISHED, published
from app.deadlines.calendar import Division

GOV_UK = Path(__file__).resolve().parents[2].parent / "shared/data/gov-uk-bank-holidays.json"


@pytest.mark.skipif(not GOV_UK.is_file(), reason="the published list is not beside this repository")
@pytest.mark.parametrize("division", list(Division))
def test_the_seed_is_what_gov_uk_publishes(division: Division) -> None:
    events = json.loads(GOV_UK.read_text(encoding="utf-8"))[division.value]["events"]
    expected = {date.fromisoformat(event["date"]): event["title"] for event in events}
    assert dict(published(division).holidays) == expected
    assert {min(expected).year, max(expected).year} == {FIRST_PUBLISHED, LAST_PUBLISHED}


@pytest.mark.parametrize(
    ("division", "ordinary", "more"),
    [
        (Division.ENGLAND_AND_WALES, 8, {2012: 9, 2022: 10, 2023: 9}),
        (Division.SCOTLAND, 9, {2012: 10, 2022: 11, 2023: 10}),
        (Division.NORTHERN_IRELAND, 10, {2012: 11, 2022: 12, 2023: 11}),
    ],
)
def test_the_seed_has_as_many_days_a_year_as_were_published(
    division: Division, ordinary: int, more: dict[int, int]
) -> None:
    counts = Counter(day.year for day in published(division).holidays)
    years = range(FIRST_PUBLISHED, LAST_PUBLISHED + 1)
    assert counts == {year: more.get(year, ordinary) for year in years}


@pytest.mark.parametrize(
    ("division", "day", "title"),
    [
        (Division.ENGLAND_AND_WALES, "2020-05-08", "Early May bank holiday (VE day)"),
        (Division.ENGLAND_AND_WALES, "2021-12-27", "Christmas Day"),
        (Division.SCOTLAND, "2017-01-02", "2nd January"),
        (Division.SCOTLAND, "2017-01-03", "New Year’s Day"),
        (Division.SCOTLAND, "2023-01-02", "New Year’s Day"),
        (Division.SCOTLAND, "2024-12-02", "St Andrew’s Day"),
        (Division.SCOTLAND, "2026-06-15", None),
        (Division.SCOTLAND, "2026-04-06", None),  # Easter Monday is no bank holiday there
        (Division.NORTHERN_IRELAND, "2026-07-13", "Battle of the Boyne (Orangemen’s Day)"),
    ],
)
def test_the_titles_of_the_seed(division: Division, day: str, title: str | None) -> None:
    assert published(division).holidays.get(date.fromisoformat(day)) == title
