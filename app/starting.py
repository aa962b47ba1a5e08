"""One command to a running service: database, migrations, demonstration data, API and worker, in that order.

Whatever ends the launcher ends the rest. Asked by a signal, it stops the API and the worker first and the database
last; killed, the kernel tells each of them (`lifeline`, `storage.embedded`).
"""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import ClassVar, NoReturn

from alembic.util import CommandError

from app import clock
from app.access.administration import found_force
from app.access.demonstration import AUDIENCE, BROWSER, open_issuer, publish, secret_of
from app.clock import CLOCK_SWITCH
from app.deadlines.calendars import DayChange, calendars
from app.deadlines.known_calendars import seed_calendars
from app.deadlines.refreshing import take_in
from app.deadlines.schemas import CalendarView
from app.deadlines.tables import DaySource
from app.editions import all_editions, require_as_used
from app.errors import ClaresLawError
from app.evidence.keys import key_ring
from app.evidence.rotating import NotAllHeld, must_open, rewrap, withdraw_before
from app.jobs import agree_with_witness
from app.retention.held_keys import unusable_keys
from app.retention.schedule import schedule
from app.settings import Settings
from app.storage import embedded, migrations
from app.storage.engine import DatabaseRole, engine_for, sessions

Say = Callable[[str], None]

DATABASE = "clares_law"
_READY_LIMIT = 60.0  # seconds
_STOP_LIMIT = 15.0
_LOOK_EVERY = 0.1
_LOG_TAIL = 15  # lines
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotStart(ClaresLawError):
    """The service cannot be started; the text says what to do."""

    code: ClassVar[str] = "cannot_start"


class Drifted(ClaresLawError):
    """The tables in the code and the migrations disagree."""

    code: ClassVar[str] = "drifted"


class ProcessEnded(ClaresLawError):
    """One of the processes ended by itself, so that the others were stopped."""

    code: ClassVar[str] = "process_ended"


class StopAsked(BaseException):
    """Ctrl-C or its like. No Exception, so that nobody takes it for a failure on the way."""


@dataclass(frozen=True)
class Database:
    """The URL that each process takes: over the embedded server's socket, every role is a login of its own."""

    owner: str
    app: str
    worker: str
    auditor: str
    server_pid: int | None = None


@contextlib.contextmanager
def database(chosen: Settings, say: Say, *, beside: bool = False) -> Iterator[Database]:
    """The database with its roles: the one that the settings name, else an embedded server for as long as needed.

    `beside` lets a command work on the server of a demonstration that runs.
    """
    url = chosen.database_url
    if url is not None:
        migrations.bootstrap(url)
        yield Database(url, url, url, url)
        return
    folder = chosen.data_dir / "postgres"
    if beside and (found := embedded.running(folder)):
        yield _reached(found)
        return
    say("Starting PostgreSQL")
    with embedded.start(folder, say=say) as server:
        migrations.make_database(server.url(embedded.SUPERUSER, "postgres"), DATABASE)
        migrations.bootstrap(server.url(embedded.SUPERUSER, DATABASE), open_to_socket=True)
        yield _reached(server)


def _reached(server: embedded.RunningServer) -> Database:
    return Database(
        owner=server.url(DatabaseRole.OWNER, DATABASE),
        app=server.url(DatabaseRole.APP, DATABASE),
        worker=server.url(DatabaseRole.WORKER, DATABASE),
        auditor=server.url(DatabaseRole.AUDITOR, DATABASE),
        server_pid=server.pid,
    )


def prepare(owner_url: str, kind: str, say: Say) -> None:
    """Bring the schema to the newest migration, mark the database as `kind`, and put in the bank holidays."""
    migrations.refuse_other_kind(owner_url, kind, DatabaseRole.OWNER, unmarked=True)
    if not migrations.is_current(owner_url):
        say("Applying migrations")
        migrations.upgrade(owner_url)
    migrations.claim(owner_url, kind)
    asyncio.run(_seed_calendars(owner_url))


async def _seed_calendars(owner_url: str) -> None:
    engine = engine_for(owner_url, DatabaseRole.OWNER, pool_size=1)
    async with sessions(engine)() as session, session.begin():
        await seed_calendars(session)
    await engine.dispose()


def check_drift(chosen: Settings, say: Say) -> None:
    """Raise where the tables in the code and the migrations disagree; without a database, on one made for it."""
    if chosen.database_url is not None:
        _check_drift(chosen.database_url)
        return
    with tempfile.TemporaryDirectory() as folder:
        empty = chosen.model_copy(update={"data_dir": Path(folder)})
        with database(empty, say) as where:
            migrations.upgrade(where.owner)
            _check_drift(where.owner)


def _check_drift(url: str) -> None:
    try:
        migrations.drift(url)
    except CommandError as error:
        raise Drifted(str(error)) from error


async def found(url: str, *, force_id: str, name: str, division: str, administrator: str) -> None:
    """Set up a force and its first administrator; the login must be able to act as the owner."""
    owner = engine_for(url, DatabaseRole.OWNER, pool_size=1)
    async with sessions(owner).begin() as session:
        await found_force(session, force_id=force_id, name=name, division=division, administrator=administrator)
    await owner.dispose()


async def import_calendar(app_url: str, raw: bytes, *, removing: Sequence[date]) -> list[DayChange]:
    """Take in a published file of bank holidays by hand; raises FileRefused and then changes nothing."""
    app = engine_for(app_url, DatabaseRole.APP, pool_size=1)
    async with sessions(app).begin() as session:
        changes = await take_in(session, raw, source=DaySource.FILE, removing=removing, now=clock.now())
    await app.dispose()
    return changes


async def held_calendars(app_url: str) -> list[CalendarView]:
    """Each division's list as it is held."""
    app = engine_for(app_url, DatabaseRole.APP, pool_size=1)
    async with sessions(app)() as session:
        held = await calendars(session)
    await app.dispose()
    return held


async def rewrap_keys(worker_url: str) -> int:
    """Rewrap the keys of cases to the newest key-encryption key; how many were."""
    worker = engine_for(worker_url, DatabaseRole.WORKER, pool_size=1)
    done = await rewrap(sessions(worker), key_ring().service)
    await worker.dispose()
    return done


async def withdraw_keys(worker_url: str, before: int) -> None:
    """Withdraw key-encryption keys that no case needs any more; raises NotAllHeld, StillWrapped where one may."""
    worker = engine_for(worker_url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(worker)() as session:
        unusable = sum((await unusable_keys(session)).values())
    if unusable:
        raise NotAllHeld(unusable)
    await withdraw_before(sessions(worker), key_ring().service, before)
    await worker.dispose()


async def load_demonstration(where: Database, say: Say) -> None:
    """Put in the fictional force and its cases; what is there already stays."""
    from app.demo import load  # every stage's services: loaded after the lines that say what is going on

    owner = engine_for(where.owner, DatabaseRole.OWNER, pool_size=1)
    app = engine_for(where.app, DatabaseRole.APP, pool_size=2)
    await load(sessions(app), owner_sessions=sessions(owner), now=clock.now(), say=say)
    await app.dispose()
    await owner.dispose()


def run(chosen: Settings, *, say: Say, show_card: Callable[[], None]) -> None:
    """Run the demonstration until a signal asks for its end; raises where it cannot start or a part of it ends."""
    _listen_for_signals()
    try:
        all_editions()  # one that is no edition is told before anything is started
        schedule()
        _refuse_taken_port(chosen)
        chosen.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with database(chosen, say) as where:
            prepare(where.owner, chosen.environment, say)
            require_as_used(migrations.editions_of_open_cases(where.app, DatabaseRole.APP))
            asyncio.run(must_open(where.app, DatabaseRole.APP, key_ring()))
            asyncio.run(load_demonstration(where, say))
            asyncio.run(agree_with_witness(where.worker))
            with _processes(chosen, where, say) as running:
                _await_ready(chosen, running)
                show_card()
                while True:
                    _refuse_ended(running, where.server_pid)
                    time.sleep(_LOOK_EVERY)
    except StopAsked:
        _last_words(say, "Stopped.")


def _listen_for_signals() -> None:
    def asked(number: int, frame: FrameType | None) -> NoReturn:
        _ignore_signals()
        raise StopAsked

    for number in _STOP_SIGNALS:
        # A hang-up is ignored where nohup asked for that. Ctrl-C is always ours, also behind '&'.
        if number is signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, asked)


def _ignore_signals() -> None:
    """Stopping has its own limits; a second Ctrl-C would only leave things half stopped."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _last_words(say: Say, text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        say(text)


def _refuse_taken_port(chosen: Settings) -> None:
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection of the last run may linger
        try:
            trial.bind((chosen.host, chosen.port))
        except OSError as error:
            raise CannotStart(
                f"Port {chosen.port} on {chosen.host} cannot be used ({error.strerror}). "
                "Stop what uses it, or name another port: CLARES_LAW_PORT=8001 make run"
            ) from error


@dataclass(frozen=True)
class Process:
    """A child of the launcher and where it writes."""

    name: str
    child: "subprocess.Popen[bytes]"
    log: Path

    @classmethod
    def start(cls, name: str, command: str, environment: Mapping[str, str], logs: Path) -> "Process":
        """Start one command of this program, in a session of its own: Ctrl-C is the launcher's to answer."""
        log = logs / f"{command}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as output:
            child = subprocess.Popen(
                # -P: a folder named app where the launcher was started is not this program.
                [sys.executable, "-P", "-m", "app.cli", command, "--starter", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return cls(name, child, log)

    def end(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])


@contextlib.contextmanager
def _processes(chosen: Settings, where: Database, say: Say) -> Iterator[list[Process]]:
    """The API and the worker, stopped together at the end of the block."""
    say("Starting the API and the worker")
    logs = chosen.data_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    address = address_of(chosen)
    issuer = open_issuer(chosen.data_dir, f"{address}/identity")
    environment = os.environ | {
        "CLARES_LAW_TOKEN_ISSUER": issuer.issuer,
        "CLARES_LAW_TOKEN_AUDIENCE": AUDIENCE,
        "CLARES_LAW_TOKEN_JWKS_FILE": str(publish(issuer, chosen.data_dir).resolve()),
        "CLARES_LAW_BUILT_IN_IDENTITY": "true",
        "CLARES_LAW_PUBLIC_URL": address,
        "CLARES_LAW_SIGN_IN_CLIENT_ID": BROWSER,
        "CLARES_LAW_SIGN_IN_CLIENT_SECRET_FILE": str(secret_of(BROWSER, chosen.data_dir).resolve()),
    }
    if chosen.clock is not None:
        environment[CLOCK_SWITCH] = str(chosen.clock)
    running: list[Process] = []
    try:
        for name, command, url in (("API", "serve", where.app), ("worker", "worker", where.worker)):
            running.append(Process.start(name, command, environment | {"CLARES_LAW_DATABASE_URL": url}, logs))
        yield running
    finally:
        _ignore_signals()
        _last_words(say, "Stopping the API and the worker")
        _stop(running)


def _stop(running: Sequence[Process]) -> None:
    for process in running:
        process.child.terminate()
    limit = time.monotonic() + _STOP_LIMIT
    for process in running:
        try:
            process.child.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.child.kill()
            process.child.wait()


def _refuse_ended(running: Sequence[Process], server_pid: int | None = None) -> None:
    """Raise where a process ended by itself, with the end of its log."""
    for process in running:
        if (code := process.child.poll()) is not None:
            raise ProcessEnded(
                f"The {process.name} ended by itself (exit status {code}). The end of {process.log}:\n{process.end()}"
            )
    if server_pid is not None and os.waitid(os.P_PID, server_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        raise ProcessEnded("PostgreSQL ended by itself. Its log stands in the data folder: postgres/server.log.")


def _await_ready(chosen: Settings, running: Sequence[Process]) -> None:
    """Return when the API answers and a worker sweeps."""
    limit = time.monotonic() + _READY_LIMIT
    while not _is_ready(chosen):
        _refuse_ended(running)
        if time.monotonic() > limit:
            raise CannotStart(
                f"The service is not ready after {_READY_LIMIT:.0f} seconds. "
                f"See {' and '.join(str(process.log) for process in running)}."
            )
        time.sleep(_LOOK_EVERY)


def reachable_host(host: str) -> str:
    """Where a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def address_of(chosen: Settings) -> str:
    """The service's address for a client on this machine."""
    host = reachable_host(chosen.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{chosen.port}"


def _is_ready(chosen: Settings) -> bool:
    connection = http.client.HTTPConnection(reachable_host(chosen.host), chosen.port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False
