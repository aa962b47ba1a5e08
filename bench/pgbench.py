"""The second floor: pgbench's built-in loads on the same server, in a database of its own."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from app.storage.embedded import SUPERUSER, EmbeddedServerError, find_binaries
from app.storage.migrations import make_database

_DATABASE = "pgbench"
_SCALE = 10
_TPS = re.compile(r"^tps = ([\d.]+)", re.M)


@dataclass(frozen=True)
class Pgbench:
    """A pgbench with its tables made."""

    program: Path
    socket_dir: str
    clients: int

    def select_only(self, seconds: float) -> float:
        """Transactions a second of one indexed read each."""
        return self._run("select-only", seconds)

    def tpcb_like(self, seconds: float) -> float:
        """Transactions a second of three updates, a read and an insert each."""
        return self._run("tpcb-like", seconds)

    def _run(self, load: str, seconds: float) -> float:
        limit = max(1, round(seconds))
        said = self._command("-n", "-M", "prepared", "-b", load, f"-c{self.clients}", "-j2", f"-T{limit}")
        found = _TPS.search(said)
        if found is None:
            raise RuntimeError(f"pgbench said no tps:\n{said}")
        return float(found[1])

    def _command(self, *options: str) -> str:
        command = [str(self.program), *options, "-h", self.socket_dir, "-p", "5432", "-U", SUPERUSER, _DATABASE]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def find(superuser_url: str, *, clients: int) -> Pgbench | None:
    """The pgbench beside the server's binaries, else the system's; its tables are made. None where there is none."""
    program = _program()
    if program is None:
        return None
    make_database(superuser_url, _DATABASE)
    found = Pgbench(program, str(make_url(superuser_url).query["host"]), clients)
    found._command("-i", "-q", "-I", "dtGvp", "-s", str(_SCALE))
    return found


def _program() -> Path | None:
    try:
        beside = find_binaries(os.environ) / "pgbench"
    except EmbeddedServerError:
        beside = Path()
    if os.access(beside, os.X_OK) and beside.is_file():
        return beside
    system = shutil.which("pgbench")
    return Path(system) if system else None
