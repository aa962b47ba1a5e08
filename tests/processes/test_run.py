"""`clares-law run`: one command starts everything, and whatever ends it ends everything."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.access.rules import Role

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0  # seconds, generous: what is asserted is that it happens, not how soon
LAST_LINE_OF_CARD = "/v1/alerts"


@dataclass
class Demonstration:
    """A data folder and a port; `command` starts the service on them."""

    data: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "CLARES_LAW_DATA_DIR": str(self.data),
            "CLARES_LAW_PORT": str(self.port),
            "CLARES_LAW_BANK_HOLIDAYS_URL": "off",
            "PYTHONPATH": str(ROOT),
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("CLARES_LAW_", "DATABASE_URL"))
        }
        return inherited | ours

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command or (sys.executable, "-m", "app.cli", "run"),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def get(self, path: str, token: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return Demonstration(tmp_path_factory.mktemp("run") / "data", port)


@contextlib.contextmanager
def running(
    demonstration: Demonstration, *command: str
) -> Iterator[tuple["subprocess.Popen[str]", list[str], list[int]]]:
    """The launcher, the lines of its start and card, and every process under it; none of them outlives the block."""
    with demonstration.start(*command) as launcher:
        lines, family = [], [launcher.pid]
        try:
            assert launcher.stdout is not None
            for line in launcher.stdout:
                lines.append(line.rstrip())
                if LAST_LINE_OF_CARD in line:
                    break
            else:
                pytest.fail("\n".join(lines))
            family = descendants(launcher.pid)
            yield launcher, lines, family
        finally:
            launcher.kill()
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    if not is_gone(pid):
                        os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        children = []  # it ended meanwhile
    return [pid, *(each for child in children for each in descendants(int(child)))]


def command_of(pid: int) -> bytes:
    """What it was started with; nothing where it ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_gone(pid: int) -> bool:
    """Ended, though nobody may have collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def eventually(holds: Callable[[], bool]) -> bool:
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def all_gone(family: list[int]) -> bool:
    return eventually(lambda: all(is_gone(pid) for pid in family))


def tokens_on(card: list[str]) -> dict[str, str]:
    return {role.value: card[card.index(role.value) + 1] for role in Role}


def test_first_start_answers_shows_its_card_and_ends_with_ctrl_c(demonstration: Demonstration) -> None:
    with running(demonstration) as (launcher, card, family):
        assert any(f"http://127.0.0.1:{demonstration.port}/docs" in line for line in card)
        assert len(set(tokens_on(card).values())) == len(Role)
        assert [line.split()[0] for line in card[-3:]] == ["curl"] * 3
        assert len(family) > 4, "the launcher, the API, the worker, PostgreSQL and what it is made of"
        assert demonstration.get("/docs")[0] == 200
        status, health = demonstration.get("/health/ready")
        assert (status, json.loads(health)["worker"]) == (200, "sweeping")

        refused = demonstration.start()
        says, _ = refused.communicate(timeout=PATIENCE)
        assert refused.returncode == 1
        assert f"Port {demonstration.port}" in says
        assert "CLARES_LAW_PORT=" in says
        assert "Traceback" not in says

        launcher.send_signal(signal.SIGINT)
        said, _ = launcher.communicate(timeout=PATIENCE)
        assert said.splitlines()[-1] == "Stopped."
        assert "Traceback" not in said
        assert launcher.returncode == 0
        assert all_gone(family)
    assert "ERROR" not in (demonstration.data / "logs" / "worker.log").read_text()


@pytest.fixture
def started_before(demonstration: Demonstration) -> None:
    """The demonstration has been started once, whether or not the tests above were run by this process."""
    if not (demonstration.data / "demonstration-issuer.pem").exists():
        with running(demonstration):
            pass


@pytest.mark.usefixtures("started_before")
def test_second_start_keeps_the_data_and_ends_with_the_process_that_started_it(demonstration: Demonstration) -> None:
    key = (demonstration.data / "demonstration-issuer.pem").read_bytes()
    shell = f'"{sys.executable}" -m app.cli run --starter $$ & wait'
    with running(demonstration, "sh", "-c", shell) as (starter, card, family):
        assert (demonstration.data / "demonstration-issuer.pem").read_bytes() == key
        assert not any("first start" in line or "migrations" in line for line in card)
        starter.kill()
        assert all_gone(family)


def test_the_auditor_exports_and_verifies_beside_what_runs_and_a_killed_launcher_leaves_nothing(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    with running(demonstration) as (launcher, _, family):
        key, witness, export = (str(tmp_path / name) for name in ("key.json", "witness.copy", "export.jsonl"))
        assert eventually((demonstration.data / "witness.jsonl").exists)
        Path(key).write_bytes(demonstration.get("/v1/evidence/key")[1])
        Path(witness).write_bytes((demonstration.data / "witness.jsonl").read_bytes())
        for words in (("evidence", "export", export), ("verify", "log", export, "--witness", witness, "--key", key)):
            done = demonstration.start(sys.executable, "-m", "app.cli", *words)
            says, _ = done.communicate(timeout=PATIENCE)
            assert done.returncode == 0, says
        assert says.startswith("It holds: all")
        launcher.kill()
        assert all_gone(family)


@pytest.mark.parametrize(
    ("command", "name"), [pytest.param("worker", "worker", marks=pytest.mark.long), ("serve", "API")]
)
def test_a_part_that_ends_by_itself_ends_the_whole_and_is_named(
    demonstration: Demonstration, command: str, name: str
) -> None:
    with running(demonstration) as (launcher, _, family):
        part = next(pid for pid in family[1:] if f"\0{command}\0".encode() in command_of(pid))
        os.kill(part, signal.SIGKILL)
        said, _ = launcher.communicate(timeout=PATIENCE)
        assert launcher.returncode == 1
        assert f"The {name} ended by itself" in said
        assert "Traceback" not in said
        assert all_gone(family)


def test_a_child_whose_starter_is_gone_already_does_not_begin(demonstration: Demonstration) -> None:
    orphan = demonstration.start(sys.executable, "-m", "app.cli", "worker", "--starter", "1")
    says, _ = orphan.communicate(timeout=PATIENCE)
    assert orphan.returncode == 1
    assert "has ended already" in says
