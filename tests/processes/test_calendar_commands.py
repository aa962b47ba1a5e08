"""Bank holidays by hand, for an installation without a way out: 'calendar import' and 'calendar show'."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.settings import settings
from tests.rules.test_published_file import as_file

Call = Callable[..., Result]


@pytest.fixture
def call(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Call]:
    """The commands over a database that is prepared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", database)
    settings.cache_clear()
    yield lambda *command: CliRunner().invoke(app, ["calendar", *command])
    settings.cache_clear()


def written(folder: Path, listed: dict[str, Any]) -> str:
    path = folder / "bank-holidays.json"
    path.write_text(json.dumps(listed))
    return str(path)


def test_show_says_which_list_is_held(call: Call) -> None:
    shown = call("show")
    assert shown.exit_code == 0, shown.output
    assert "england-and-wales: GOV.UK 2012-2028, " in shown.output
    assert len(shown.output.splitlines()) == 3


def test_an_imported_file_says_what_changed_and_a_second_time_nothing(call: Call, tmp_path: Path) -> None:
    listed = as_file()
    listed["scotland"]["events"].append({"title": "World Cup", "date": "2026-06-15"})
    path = written(tmp_path, listed)
    first = call("import", path)
    assert first.output.splitlines() == ["scotland  2026-06-15  was: no holiday  now: World Cup", "Days changed: 1"]
    again = call("import", path)
    assert (again.exit_code, again.output) == (0, "Nothing changed: the list is the one held.\n")
    assert "compared" in call("show").output


def test_a_file_that_has_lost_a_day_is_refused_until_a_person_names_it(call: Call, tmp_path: Path) -> None:
    listed = as_file()
    for event in listed["england-and-wales"]["events"]:
        if event["date"] == "2028-05-01":
            event["date"] = "2028-05-08"
    path = written(tmp_path, listed)
    refused = call("import", path)
    assert refused.exit_code == 1
    assert "england-and-wales has lost 2028-05-01." in refused.output
    wrong = call("import", path, "--removing", "2028-05-29")
    assert wrong.exit_code == 1
    assert "2028-05-29 is no day that the file has lost." in wrong.output
    assert call("show").output.count("GOV.UK 2012-2028, change") == 0
    assert call("import", path, "--removing", "2028-05-01").output.splitlines()[-1] == "Days changed: 2"
