"""The import contracts hold, and would be heard if they did not."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from app.process import Stage

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

PLANTED = {
    # Layers: an earlier stage looks forward, a door reads a route, two siblings read each other.
    "app/deadlines/policy.py": "import app.cases.rules",
    "app/people/rules.py": "import app.intake.schemas",
    "app/doors/door.py": "import app.routes.health",
    "app/safeguarding/schemas.py": "import app.convictions.rehabilitation",
    "app/clock.py": "import app.storage.base",
    # Inside a package.
    "app/people/schemas.py": "import app.people.service",
    # What decides does no input or output.
    "app/process.py": "import httpx",
    "app/cases/rules.py": "import sqlalchemy.orm",
    "app/deadlines/calendar.py": "import psycopg",
    # Routes and the database.
    "app/routes/health.py": "import app.storage.engine",
    "app/routes/reading.py": "import sqlmodel",
    # One importer of jose, one package of httpx.
    "app/access/service.py": "import jose.jwt",
    "app/people/service.py": "import httpx",
}


def lint(root: Path) -> str:
    """What import-linter says of the package in `root`; its first line is the exit status."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def copy(folder: Path) -> Path:
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def importers(report: str) -> set[str]:
    """Every module that the report blames for an import."""
    return set(re.findall(r"(app[\w.]*) -> ", report))


def test_the_contracts_hold() -> None:
    report = lint(ROOT)
    assert report.startswith("0\n"), report
    assert report.count(" KEPT") == len(CONTRACTS), report


def test_every_planted_violation_is_found(tmp_path: Path) -> None:
    root = copy(tmp_path)
    for path, line in PLANTED.items():
        (root / path).write_text(f"{(root / path).read_text()}\n{line}\n")
    report = lint(root)
    assert report.count(" BROKEN") == len(CONTRACTS), report
    planted = {path.removesuffix(".py").replace("/", ".") for path in PLANTED}
    assert planted <= importers(report), report


@pytest.mark.parametrize("name", ["helpers.py", "letters/__init__.py"])
def test_a_package_without_a_place_is_refused(tmp_path: Path, name: str) -> None:
    root = copy(tmp_path)
    (root / "app" / name).parent.mkdir(exist_ok=True)
    (root / "app" / name).write_text("")
    report = lint(root)
    assert report.startswith("1\n"), report
    assert f"app.{Path(name).parts[0].removesuffix('.py')}" in report, report


def test_layers_tell_the_stages_in_the_order_of_the_process() -> None:
    layers = next(contract["layers"] for contract in CONTRACTS if contract["id"] == "layers")
    stages = [stage.value for stage in Stage if stage is not Stage.CLOSED]
    told = [name for name in (layer.strip("()") for layer in layers) if name in stages]
    assert told == stages[::-1]
