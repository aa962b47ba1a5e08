"""Editions for tests alone, and how a test lets the service find them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.editions import all_editions
from app.settings import settings

FOLDER = Path(__file__).parent


@contextmanager
def further_editions(folder: Path = FOLDER) -> Iterator[Path]:
    """Name a folder of further editions to this process for as long as the block lasts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CLARES_LAW_EDITIONS_DIR", str(folder))
        _forget()
        yield folder
    _forget()


def _forget() -> None:
    settings.cache_clear()
    all_editions.cache_clear()
