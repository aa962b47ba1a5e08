"""Imports every table, so that the metadata is whole (Alembic, tests)."""

import importlib
from pathlib import Path

for _found in sorted(Path(__file__).parent.glob("*/tables.py")):
    importlib.import_module(f"app.{_found.parent.name}.tables")
