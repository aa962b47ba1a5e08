"""A PostgreSQL that keeps what it has committed, whatever becomes of it, and can be killed."""

import contextlib
import itertools
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from app.storage import embedded
from app.storage.embedded import EmbeddedServer
from app.storage.migrations import bootstrap, conninfo, upgrade
from tests.faults.fleet import Hour, eventually
from tests.world import START, populate

KEEPING = {"track_commit_timestamp": "on"}  # when an alert was truly there; what is kept is kept by default
_OTHERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()
"""
_numbers = itertools.count()


@dataclass
class Durable:
    """A server with default durability over one data folder; its address stays the same from start to start."""

    server: EmbeddedServer

    def url(self, database: str) -> str:
        """The superuser's URL."""
        return self.server.url(embedded.SUPERUSER, database)

    def execute(self, statement: str) -> None:
        """A statement outside any transaction."""
        with psycopg.connect(conninfo(self.url("postgres")), autocommit=True) as connection:
            connection.execute(statement.encode())

    def kill(self) -> None:
        """SIGKILL to the postmaster; what it had started notices and ends."""
        family = [self.server.pid, *_children(self.server.pid)]
        os.kill(self.server.pid, signal.SIGKILL)
        eventually(lambda: all(_is_gone(pid) for pid in family), "every process of the server ends")

    def kill_session(self, url: str, chance: random.Random) -> None:
        """SIGKILL to a session of a database; its death is the server's too: it ends all sessions and recovers.

        Return when the server has taken note, which a session of our own tells by ending: from then on it
        lets nobody in before it has recovered. Until then it would answer as if nothing had happened.
        """
        with psycopg.connect(conninfo(url), autocommit=True) as watching:

            def taken_note() -> bool:
                try:
                    others = [pid for (pid,) in watching.execute(_OTHERS)]
                except psycopg.OperationalError:
                    return True
                with contextlib.suppress(IndexError, ProcessLookupError):  # none yet, or it ended by itself
                    os.kill(chance.choice(others), signal.SIGKILL)
                return False

            eventually(taken_note, "the server ends every session")

    def start(self) -> None:
        """Start on what the killed server left, which recovers what was committed."""
        self.server.stop()  # collects the dead one and lets its folder go
        self.server = embedded.start(self.server.data, settings=KEEPING)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture(scope="session")
def durable() -> Iterator[Durable]:
    """A server of its own with a migrated template, so that its death is no other test's."""
    with tempfile.TemporaryDirectory(prefix="clares-law-faults-") as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        server = Durable(embedded.start(Path(folder) / "postgres", settings=KEEPING))
        try:
            server.execute("CREATE DATABASE template_world")
            bootstrap(server.url("template_world"))
            upgrade(server.url("template_world"))
            populate(server.url("template_world"))
            yield server
        finally:
            server.server.stop()


@pytest.fixture
def place(durable: Durable) -> Iterator[str]:
    """The superuser's URL of a fresh database on that server."""
    name = f"faults_{next(_numbers)}"
    durable.execute(f"CREATE DATABASE {name} TEMPLATE template_world")
    yield durable.url(name)
    durable.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def hour(tmp_path: Path) -> Hour:
    """The hour of the scheme, a Tuesday at nine, in a file of the test's own."""
    return Hour(tmp_path / "clock", START)
