"""A real PostgreSQL for every test that asks: one server a run, one fresh database a test, made from a template."""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as tries

from app.settings import settings
from app.storage.embedded import EmbeddedServer, start
from app.storage.migrations import bootstrap, upgrade
from tests.world import World, let_go, open_world, populate

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
ROOM = 2**31  # bytes
# Properties say what is so, not how fast; the same examples at every run, and others at length (make test-long).
tries.register_profile("run", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
tries.register_profile("long", deadline=None, suppress_health_check=[HealthCheck.too_slow])
tries.load_profile("run")
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_settings_of_another_test() -> Iterator[None]:
    """What a test read from its environment is not what the next one finds."""
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """A PostgreSQL server for this run."""
    with tempfile.TemporaryDirectory(prefix="clares-law-tests-", dir=_in_memory()) as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        with start(Path(folder) / "postgres", settings=FAST) as server:
            yield server


def _in_memory() -> str | None:
    """Where copying a thousand files takes a tenth of the time, if there is room; else wherever such folders go."""
    memory = Path("/dev/shm")
    roomy = memory.is_mount() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return str(memory) if roomy else None


@pytest.fixture(scope="session")
def template(postgres: EmbeddedServer) -> str:
    """A migrated database with two forces, their partners and their staff."""
    _execute(postgres, "CREATE DATABASE template_world")
    url = postgres.url("postgres", "template_world")
    bootstrap(url)
    upgrade(url)
    populate(url)
    return "template_world"


@pytest.fixture
def database(postgres: EmbeddedServer, template: str) -> Iterator[str]:
    """The URL of a fresh database."""
    with fresh_database(postgres, template) as url:
        yield url


@contextmanager
def fresh_database(postgres: EmbeddedServer, template: str) -> Iterator[str]:
    """The URL of a database like the template, for as long as the block."""
    name = f"world_{os.getpid()}_{next(_numbers)}"
    _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    url = postgres.url("postgres", name)
    yield url
    let_go(url)
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def world(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The service in this process over a fresh database, with staff of every role and an hour that can be moved."""
    async with open_world(database, tmp_path, monkeypatch) as opened:
        yield opened


def _execute(postgres: EmbeddedServer, statement: str) -> None:
    url = postgres.url("postgres", "postgres").replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
