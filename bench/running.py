"""What is measured, running: PostgreSQL, the service and the floor, each a process of its own, for one run."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from app import clock, starting
from app.access.demonstration import AUDIENCE, ISSUER, LIFETIME, open_issuer, publish
from app.access.tokens import DemonstrationIssuer
from app.clock import CLOCK_SWITCH
from app.settings import ROOT, settings
from app.storage.embedded import SUPERUSER
from app.storage.migrations import conninfo

FORCE = "northmoor"
_STAFF = {
    "control_room": "control_room",
    "officer": "public_protection_officer",
    "supervisor": "public_protection_supervisor",
}


@dataclass(frozen=True)
class Server:
    """One process that answers HTTP on 127.0.0.1."""

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """What the process has used of the processors until now, its kernel's share included."""
        ticks = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """The service and the floor, the database as its superuser sees it, and tokens of staff."""

    service: Server
    floor: Server
    superuser_url: str
    superuser: str
    environment: dict[str, str]
    issuer: DemonstrationIssuer
    folder: Path

    def token(self, staff: str) -> str:
        """A token of `control_room`, `officer` or `supervisor`."""
        return self.issuer.issue(staff, now=clock.real_now(), lifetime=LIFETIME)

    def send(self, request: Sequence[Any]) -> dict[str, Any]:
        """One request to the service, and its answer."""
        method, path, headers, body = request
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {said.decode()}")
        found: dict[str, Any] = json.loads(said)
        return found

    def listen(self, requests: Sequence[Sequence[Any]]) -> list[list[str]]:
        """The statements that the service sends for each request."""
        asked, answered = self.folder / "asked.json", self.folder / "answered.json"
        asked.write_text(json.dumps(requests))
        command = [sys.executable, "-m", "bench.listening", str(asked), str(answered)]
        subprocess.run(command, check=True, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL)
        found: list[list[str]] = json.loads(answered.read_text())
        return found


@contextlib.contextmanager
def running(say: starting.Say) -> Iterator[Running]:
    """Start everything on a fresh database with default durability; stop and remove it at the end of the block."""
    settings().data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=settings().data_dir) as name:
        folder = Path(name)
        chosen = settings().model_copy(update={"data_dir": folder, "database_url": None, "clock": None})
        with starting.database(chosen, say) as where:
            starting.prepare(where.owner, "demonstration", say)
            superuser_url = make_url(where.owner).set(username=SUPERUSER).render_as_string(hide_password=False)
            _put_in_staff(conninfo(superuser_url))
            issuer = open_issuer(folder)
            environment = {name: value for name, value in os.environ.items() if name != CLOCK_SWITCH} | {
                "CLARES_LAW_DATABASE_URL": where.app,
                "CLARES_LAW_TOKEN_ISSUER": ISSUER,
                "CLARES_LAW_TOKEN_AUDIENCE": AUDIENCE,
                "CLARES_LAW_TOKEN_JWKS_FILE": str(publish(issuer, folder)),
                "CLARES_LAW_HOST": "127.0.0.1",
            }
            starter = str(os.getpid())
            with (
                _process(["app.cli", "serve", "--starter", starter], environment, folder) as service,
                _process(["bench.floor_app", starter], environment, folder) as floor,
            ):
                yield Running(service, floor, superuser_url, conninfo(superuser_url), environment, issuer, folder)


def _put_in_staff(superuser: str) -> None:
    with psycopg.connect(superuser) as connection:
        connection.execute("INSERT INTO force VALUES (%s, 'Northmoor Police', 'england-and-wales')", [FORCE])
        for subject, role in _STAFF.items():
            connection.execute(
                "INSERT INTO staff_member (id, subject, name, force_id, roles, active, name_keys, compared) "
                "VALUES (%s, %s, %s, %s, %s, true, '{}', true)",
                [uuid4(), subject, f"Staff {subject}", FORCE, [role]],
            )


def staff_id(superuser: str, subject: str) -> str:
    """The id of a member of staff."""
    with psycopg.connect(superuser) as connection:
        row = connection.execute("SELECT id FROM staff_member WHERE subject = %s", [subject]).fetchone()
    if row is None:
        raise LookupError(subject)
    return str(row[0])


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(module: list[str], environment: dict[str, str], folder: Path) -> Iterator[Server]:
    port = _free_port()
    log = folder / f"{module[0]}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=environment | {"CLARES_LAW_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_answer(child, port, log)
        yield Server(port, child.pid)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_answer(child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    limit = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"A server did not start. The end of its log:\n{log.read_text(errors='replace')[-3000:]}")
