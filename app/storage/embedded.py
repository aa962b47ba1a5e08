"""The embedded PostgreSQL: one server, one data folder, one starter; nothing left behind.

It serves the demonstration, development and the tests. `start` makes the cluster on first use, runs
the server on a unix socket alone (no TCP; the socket folder, mode 0700, is the only lock on the
door) and returns when a real connection has been answered. The server ends with whoever started it,
however that process ends.

- *Who is alive* is told by a file lock that the server and all its backends inherit, not by
  `postmaster.pid`: a pid outlives its process and is given to others. Readiness compares that
  file's pid with the one started here.
- *First start is all or nothing*: initdb works in a folder beside the data folder, renamed when it
  is whole.
- *Parent's death*: the kernel sends the server SIGINT (fast shutdown) when the thread that forked
  it ends; hence the main thread only.
- *Root*: PostgreSQL refuses uid 0; see `footing`.

Linux only. Elsewhere, and wherever a server is already kept, set DATABASE_URL.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg

from app.storage.footing import EmbeddedServerError, Launcher, find_binaries, give, settle

__all__ = ["SUPERUSER", "EmbeddedServer", "EmbeddedServerError", "RunningServer", "find_binaries", "running", "start"]

SUPERUSER = "postgres"

_PORT = 5432  # names the socket file; no TCP port is opened
_DEFAULTS = {"max_connections": "100", "timezone": "UTC", "log_timezone": "UTC"}
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_LOG = "server.log"
_LOG_TAIL = 20  # lines
_START_LIMIT = 300.0  # seconds: recovery after a crash may be long, and killing it only begins it again
_STOP_LIMIT = 30.0


@dataclass(frozen=True)
class RunningServer:
    """A server that answers, whoever started it."""

    data: Path
    socket_dir: Path
    pid: int

    def url(self, user: str, database: str) -> str:
        """The SQLAlchemy URL of `database` for `user`; no password: the socket folder decides."""
        # The port is named so that a PGPORT in the environment does not look for another socket.
        return (
            f"postgresql+psycopg://{quote(user, safe='')}@/{quote(database, safe='')}"
            f"?host={quote(str(self.socket_dir))}&port={_PORT}"
        )


@dataclass(frozen=True)
class EmbeddedServer(RunningServer):
    """A server of this process; `with start(...) as server` stops it at the end of the block."""

    _process: "subprocess.Popen[bytes]" = field(repr=False, compare=False)
    _lock: IO[bytes] = field(repr=False, compare=False)

    def stop(self) -> None:
        """End sessions, write the data, wait, remove the socket folder. Idempotent."""
        if self._lock.closed:
            return
        for order, limit in ((signal.SIGINT, _STOP_LIMIT), (signal.SIGQUIT, 10.0)):
            self._process.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(limit)
                break
        else:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.socket_dir, ignore_errors=True)
        # Last, since until here no other start may use the folders; and in so many words, since a
        # fork of this process may share the lock.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    data: Path,
    *,
    say: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, str] = _NO_SETTINGS,
) -> EmbeddedServer:
    """Start a server on `data`, made on first use and kept afterwards; return when it answers.

    `say` hears what takes time; `settings` are PostgreSQL's own (tests pass `{"fsync": "off"}`).
    The binaries are those of `find_binaries(os.environ)`. Call from the main thread. Raises
    EmbeddedServerError, with the end of the server's log where there is one, and then leaves
    nothing running.
    """
    if sys.platform != "linux":
        raise EmbeddedServerError("The embedded server needs Linux. Set DATABASE_URL instead.")
    if threading.get_native_id() != os.getpid():
        raise EmbeddedServerError(
            "Start the embedded server from the main thread: it ends with the thread that forked it."
        )
    data = data.resolve()
    try:
        with contextlib.ExitStack() as undo:
            server = _start(data, undo, say, settings)
            undo.pop_all()
            return server
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"The database in {data} cannot be started: {error}") from error


def running(data: Path) -> RunningServer | None:
    """The server that another process runs on `data` and that answers there, for a command beside it; else None."""
    data = data.resolve()
    pid, status = _pid_file(data)
    if pid is None or status != "ready":
        return None
    try:
        socket_dir = Path((data / "postmaster.pid").read_text().splitlines()[4])
    except (OSError, IndexError):
        return None
    found = RunningServer(data, socket_dir, pid)
    return found if _answers(found) else None


def _start(
    data: Path,
    undo: contextlib.ExitStack,
    say: Callable[[str], None],
    settings: Mapping[str, str],
) -> EmbeddedServer:
    data.parent.mkdir(parents=True, exist_ok=True)
    lock = _hold(data, say)
    undo.callback(lock.close)
    _clear_stale_pid(data)
    launcher = settle(data, find_binaries(os.environ))
    socket_dir = _socket_folder(data, launcher.account)
    undo.callback(shutil.rmtree, socket_dir, ignore_errors=True)
    launcher = launcher.readable(socket_dir)

    if not (data / "PG_VERSION").exists():
        say(f"Making the database in {data} (first start only)")
        _make_cluster(data, launcher, lock, durable=settings.get("fsync") != "off")
    elif launcher.account and data.stat().st_uid != launcher.account[0]:
        give(data, launcher.account)

    fixed = {
        "listen_addresses": "",
        "port": str(_PORT),
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
    }
    options = [f"--{name}={value}" for name, value in (_DEFAULTS | dict(settings) | fixed).items()]
    with _fresh_log(data, launcher.account) as log:
        process = launcher.run("postgres", *options, data=data, output=log, keep=lock)
    server = EmbeddedServer(data, socket_dir, process.pid, process, lock)
    undo.callback(server.stop)
    _await_answer(server, process)
    say(f"PostgreSQL answers on {socket_dir}")
    return server


def _hold(data: Path, say: Callable[[str], None]) -> IO[bytes]:
    """Lock the data folder, for this process and the server it will start."""
    path = data.parent / f".{data.name}.lock"
    lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    began, told = time.monotonic(), False
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        # The server of a starter killed a moment ago still writes its data: worth waiting for,
        # anything else not.
        pid, status = _pid_file(data)
        leaving = status == "stopping"
        if time.monotonic() - began > (_STOP_LIMIT if leaving else 1.0):
            lock.close()
            raise _already_running(data, pid)
        if leaving and not told:
            say("Waiting for the previous server to finish")
            told = True
        time.sleep(0.05)


def _already_running(data: Path, pid: int | None) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"A server already runs on {data}{f' (process {pid})' if pid else ''}. "
        "Stop the program that started it, or name another data folder."
    )


def _pid_file(data: Path) -> tuple[int | None, str]:
    """The pid and status that `postmaster.pid` claims; (None, "") where it claims nothing."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (OSError, ValueError, IndexError):
        return None, ""


def _clear_stale_pid(data: Path) -> None:
    """Remove a `postmaster.pid` that PostgreSQL would believe though no server runs on `data`.

    The lock is held, so no server of ours does. A dead pid PostgreSQL itself sees through; a pid
    that is now another process, or an unreadable file, it does not.
    """
    path = data / "postmaster.pid"
    pid, _ = _pid_file(data)
    process = Path("/proc") / str(pid)
    try:
        is_server = pid is not None and (process / "comm").read_text().strip() == "postgres"
        if is_server and (process / "cwd").samefile(data):
            raise _already_running(data, pid)
    except PermissionError:
        return  # somebody else's PostgreSQL, perhaps on this data: PostgreSQL itself shall judge
    except (FileNotFoundError, ProcessLookupError):
        return
    path.unlink(missing_ok=True)


def _socket_folder(data: Path, account: tuple[int, int] | None) -> Path:
    """An empty folder of our own, short enough for a socket's 107 bytes.

    The same one for the same data, so that what a killed run left is taken over by the next and
    does not pile up.
    """
    uid = os.geteuid()
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = Path(f"/tmp/clares-law-{uid}-{digest}")  # never TMPDIR, which may be long
    with contextlib.suppress(FileNotFoundError):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, *(account or ())[:1]):
            raise EmbeddedServerError(
                f"{folder} belongs to somebody else (uid {found.st_uid}). Remove it, or name another data folder."
            )
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    if account:
        os.chown(folder, *account)
    return folder


def _make_cluster(data: Path, launcher: Launcher, lock: IO[bytes], *, durable: bool) -> None:
    """initdb beside the data folder, then rename: a killed first start never blocks the next."""
    if data.exists() and any(data.iterdir()):
        raise EmbeddedServerError(
            f"{data} is not empty and holds no PostgreSQL cluster. Move it away, or name another data folder."
        )
    prefix = f".{data.name}.initdb-"
    for leftover in data.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=data.parent))
    if launcher.account:
        os.chown(staging, *launcher.account)
    options = ["--username", SUPERUSER, "--encoding", "UTF8", *_locale(launcher.binaries)]
    options += ["--auth-local=trust", "--auth-host=reject"]
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, staging, ignore_errors=True)
        initdb = launcher.run(
            "initdb",
            *options,
            *([] if durable else ["--no-sync"]),
            data=staging,
            output=subprocess.PIPE,
            keep=lock,
        )
        undo.callback(initdb.wait)
        undo.callback(initdb.kill)
        said, _ = initdb.communicate(timeout=_START_LIMIT)
        if initdb.returncode != 0:
            raise EmbeddedServerError(
                f"The database in {data} cannot be made: initdb ended with {initdb.returncode}.\n{_tail(said)}"
            )
        staging.rename(data)


def _locale(binaries: Path) -> list[str]:
    """Code-point order, Unicode case: PostgreSQL's own since 17, the C library's before."""
    command = [str(binaries / "postgres"), "--version"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout
    found = re.search(r"\) (\d+)", shown)
    if found and int(found[1]) >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def _fresh_log(data: Path, account: tuple[int, int] | None) -> IO[bytes]:
    """An empty log inside the data folder, as private as the data it may quote; the last is .1."""
    path = data / _LOG
    if path.exists():
        path.replace(data / f"{_LOG}.1")
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    if account:
        os.chown(path, *account)
    return log


def _await_answer(server: EmbeddedServer, process: "subprocess.Popen[bytes]") -> None:
    """Return when *this* server answers; raise with its log's end when it ends or is too slow."""
    began = time.monotonic()
    while process.poll() is None:
        if _pid_file(server.data) == (server.pid, "ready") and _answers(server):
            return
        if time.monotonic() - began > _START_LIMIT:
            break
        time.sleep(0.02)
    became = "does not answer" if process.returncode is None else f"ended with {process.returncode}"
    raise EmbeddedServerError(
        f"PostgreSQL on {server.data} {became}. The end of its log:\n{_tail((server.data / _LOG).read_bytes())}"
    )


def _answers(server: RunningServer) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(
            host=str(server.socket_dir),
            port=_PORT,
            user=SUPERUSER,
            dbname="postgres",
            connect_timeout=5,
        ).close()
        return True
    return False


def _tail(log: bytes) -> str:
    return "\n".join(log.decode(errors="replace").splitlines()[-_LOG_TAIL:])
