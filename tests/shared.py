"""Tables of cases that may lie beside this repository; what needs them is left out where they do not."""

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not _FOLDER.is_dir(), reason="the shared tables of cases are not beside this repository"
)


def shared(name: str) -> Any:
    """One table."""
    return json.loads((_FOLDER / name).read_text(encoding="utf-8"))
