"""What is measured, running, each a process of its own, for one run.

PostgreSQL; the service; the service without parts of its work; the floor.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from app import clock, starting
from app.access.demonstration import AUDIENCE, ISSUER, LIFETIME, open_issuer, publish
from app.access.tokens import DemonstrationIssuer
from app.clock import CLOCK_SWITCH
from app.settings import ROOT, settings
from app.storage import embedded, migrations
from app.storage.embedded import SUPERUSER
from app.storage.engine import DatabaseRole
from bench.without import LOGGING, SEALING

FORCE = "northmoor"
_DATABASE = "bench"
_CONNECTIONS = "200"  # a pool for each server, and pgbench's
_STAFF = {
    "control_room": "control_room",
    "officer": "public_protection_officer",
    "supervisor": "public_protection_supervisor",
}

SERVICE, WITHOUT_LOGGING, WITHOUT_SEALING, WITHOUT_BOTH, BY_HAND = (
    "service",
    "without logging",
    "without sealing",
    "without both",
    "by hand",
)
_LEFT_OUT = {WITHOUT_LOGGING: [LOGGING], WITHOUT_SEALING: [SEALING], WITHOUT_BOTH: [LOGGING, SEALING]}
SERVICES = (SERVICE, *_LEFT_OUT)
"""The service and what is left of it, by name."""


@dataclass(frozen=True)
class Server:
    """One process that answers HTTP on 127.0.0.1."""

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """What the process has used of the processors until now, its kernel's share included."""
        return _used(self.pid)


def _used(pid: int, *, by_ended_children: bool = False) -> float:
    first = 13 if by_ended_children else 11
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[first : first + 2]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """The servers by name, the database as its superuser sees it, and tokens of staff."""

    servers: Mapping[str, Server]
    postmaster: int
    superuser_url: str
    superuser: str
    environment: dict[str, str]
    issuer: DemonstrationIssuer
    folder: Path

    def token(self, staff: str) -> str:
        """A token of `control_room`, `officer` or `supervisor`."""
        return self.issuer.issue(staff, now=clock.real_now(), lifetime=LIFETIME)

    def database_seconds(self) -> float:
        """What PostgreSQL's processes have used of the processors until now, those that have ended included."""
        used = _used(self.postmaster, by_ended_children=True)
        for child in Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                used += _used(int(child))
        return used

    def send(self, request: Sequence[Any], *, to: str = SERVICE) -> dict[str, Any]:
        """One request to one of the servers, and its answer."""
        method, path, headers, body = request
        connection = http.client.HTTPConnection("127.0.0.1", self.servers[to].port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        if answer.status not in (200, 201, 202):
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
        with embedded.start(folder / "postgres", say=say, settings={"max_connections": _CONNECTIONS}) as database:
            migrations.make_database(database.url(SUPERUSER, "postgres"), _DATABASE)
            superuser_url = database.url(SUPERUSER, _DATABASE)
            migrations.bootstrap(superuser_url, open_to_socket=True)
            starting.prepare(database.url(DatabaseRole.OWNER, _DATABASE), "demonstration", say)
            _put_in_staff(migrations.conninfo(superuser_url))
            issuer = open_issuer(folder)
            environment = {name: value for name, value in os.environ.items() if name != CLOCK_SWITCH} | {
                "CLARES_LAW_DATABASE_URL": database.url(DatabaseRole.APP, _DATABASE),
                "CLARES_LAW_TOKEN_ISSUER": ISSUER,
                "CLARES_LAW_TOKEN_AUDIENCE": AUDIENCE,
                "CLARES_LAW_TOKEN_JWKS_FILE": str(publish(issuer, folder)),
                "CLARES_LAW_DATA_DIR": str(folder),
                "CLARES_LAW_HOST": "127.0.0.1",
                "CLARES_LAW_POOL_TIMEOUT_SECONDS": "60",  # on a machine that others use, waiting is no failure
                "CLARES_LAW_LOCK_TIMEOUT_SECONDS": "60",
            }
            starter = str(os.getpid())
            commands = {
                SERVICE: ["app.cli", "serve", "--starter", starter],
                **{name: ["bench.without", starter, *parts] for name, parts in _LEFT_OUT.items()},
                BY_HAND: ["bench.floor_app", starter],
            }
            with contextlib.ExitStack() as started:
                servers = {
                    name: started.enter_context(_process(name, command, environment, folder))
                    for name, command in commands.items()
                }
                postmaster = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
                superuser = migrations.conninfo(superuser_url)
                yield Running(servers, postmaster, superuser_url, superuser, environment, issuer, folder)


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
def _process(name: str, module: list[str], environment: dict[str, str], folder: Path) -> Iterator[Server]:
    port = _free_port()
    log = folder / f"{name}.log"
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
