"""`clares-law editions`, and starts that an edition stands against: one line, status 1."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.editions import all_editions, edition
from app.settings import settings
from tests.editions import FOLDER, further_editions
from tests.steps import intake
from tests.world import World


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No database, an own data folder, and nothing kept of what was read before."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CLARES_LAW_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    yield
    settings.cache_clear()
    all_editions.cache_clear()


def call(*words: str) -> Result:
    settings.cache_clear()
    all_editions.cache_clear()
    return CliRunner().invoke(app, words)


def test_the_editions_side_by_side() -> None:
    result = call("editions", "--json")
    assert result.exit_code == 0, result.output
    whole = json.loads(result.stdout)
    assert list(whole) == ["app-2013", "statutory-2023"]
    assert whole["app-2013"]["content_version"] == edition("app-2013").content_version
    assert whole["statutory-2023"]["limits"][0]["mark"] == "assumed"
    assert "spent_convictions" in whole["app-2013"]


def test_people_read_them_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with further_editions():
        shown = call("editions").stdout
    for said in (
        *("app-2013", "scotland-45", "statutory-2023"),
        "45 calendar days from initial contact [secondary: Reports of 45 days]",
        "none stated",
        "Criminal History System: subject, shows the ViSOR marker",
        "Women's Aid, always",
        "from day 3: officer, supervisor, head of public protection",
        "refused unless authorised with legal advice [assumed: ",
        "16 years",
        "chief inspector",
        "delivery recorded, safety plan where risk",
        "0800 027 1234",
    ):
        assert said in shown, said


@pytest.mark.parametrize("command", [["editions"], ["serve"], ["worker"], ["run", "--detached"]])
def test_a_broken_edition_refuses_every_start(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (FOLDER / "scotland-45.toml").read_text(encoding="utf-8")
    line = text[: text.index('mark = "assumed"')].count("\n") + 1
    file = tmp_path / "scotland-45.toml"
    file.write_text(text.replace('mark = "assumed"', 'mark = "certain"', 1), encoding="utf-8")
    monkeypatch.setenv("CLARES_LAW_EDITIONS_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@/nowhere")
    result = call(*command)
    assert result.exit_code == 1
    [said] = result.stderr.splitlines()
    assert said.startswith(
        f"clares-law: {file}:{line}: limits.0.mark: Input should be 'read', 'secondary' or 'assumed'"
    )
    assert not (tmp_path / "data").exists()


async def test_open_cases_of_an_unknown_edition_refuse_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with further_editions():
        await intake.opened(world, intake.right_to_ask(world, edition="scotland-45"))
    monkeypatch.setenv("DATABASE_URL", world.url)
    started: list[str] = []
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: started.append("serve"))
    monkeypatch.setattr("app.scheduler.work", lambda *_, **__: "worker")
    monkeypatch.setattr("asyncio.run", lambda what: started.append(what) if isinstance(what, str) else what.close())
    for command in ("serve", "worker"):
        result = call(command)
        assert result.exit_code == 1, result.output
        [said] = result.stderr.splitlines()
        assert "under the edition 'scotland-45', and here are only: app-2013, statutory-2023" in said
    assert started == []

    monkeypatch.setenv("CLARES_LAW_EDITIONS_DIR", str(FOLDER))
    for command in ("serve", "worker"):
        assert call(command).exit_code == 0
    assert started == ["serve", "worker"]

    world.execute("UPDATE application SET edition_version = '3+000000000000'")
    assert "says something else than version 3 did" in call("worker").stderr
    world.execute("UPDATE application SET edition_version = NULL")
    assert call("serve").exit_code == 0
    world.execute("UPDATE application SET edition = 'lost', stage = 'closed', closed_at = now(), outcome = 'withdrawn'")
    assert call("serve").exit_code == 0  # no open case needs it
