"""The service as it is run: an API process and a worker process over one database, and an hour that both read."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from app.access.demonstration import AUDIENCE, ISSUER, publish
from app.access.tokens import DemonstrationIssuer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds of real time, generous: what is asserted is that it happens, not how soon
_ERROR = '"level": "error"'


@dataclass(frozen=True)
class Service:
    """An API and a worker that run; the hour stands in `clock_file` and is only ever moved forward."""

    url: str
    http: httpx.AsyncClient
    issuer: DemonstrationIssuer
    clock_file: Path
    processes: Sequence["Process"]

    def must_run(self) -> None:
        """Fail with the end of its log where a process has ended by itself."""
        for process in self.processes:
            assert process.child.poll() is None, f"{process.command} ended by itself:\n{process.tail()}"

    def logs(self) -> str:
        """The last lines that each process wrote."""
        return "\n".join(process.tail() for process in self.processes)


@dataclass(frozen=True)
class Process:
    """One process of the service and where it writes."""

    command: str
    child: "subprocess.Popen[bytes]"
    log: Path

    @classmethod
    def start(
        cls,
        command: str,
        environment: dict[str, str],
        folder: Path,
        *,
        name: str | None = None,
        module: str = "app.cli",
    ) -> "Process":
        """Start one command of the service; it ends with the tests, however these end."""
        log = folder / f"{name or command}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", module, command, "--starter", str(os.getpid())],
                cwd=folder,  # away from a developer's .env
                env={"CLARES_LAW_DATA_DIR": str(folder / "data"), "PGAPPNAME": name or command, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return cls(command, child, log)

    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def stop(self) -> None:
        """Ask it to end, and wait; what does not end is killed."""
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def environment_of(url: str) -> dict[str, str]:
    """What a process of the service over a database is given, and nothing that a developer set."""
    given = {
        "CLARES_LAW_DATABASE_URL": url,
        "CLARES_LAW_SWEEP_SECONDS": "0.1",
        "CLARES_LAW_BANK_HOLIDAYS_URL": "off",
        "PYTHONPATH": str(ROOT),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CLARES_LAW_", "DATABASE_"))}
    return inherited | given


@asynccontextmanager
async def running(
    url: str,
    folder: Path,
    *,
    at: datetime,
    more: Mapping[str, str] | None = None,
    module: str = "app.cli",
) -> AsyncIterator[Service]:
    """The service over a prepared database, at an hour of the scheme, until the end of the block."""
    issuer = DemonstrationIssuer(ISSUER, AUDIENCE)
    clock_file, port = folder / "clock", free_port()
    clock_file.write_text(at.isoformat())
    environment = environment_of(url) | {
        "CLARES_LAW_PORT": str(port),
        "CLARES_LAW_TOKEN_ISSUER": ISSUER,
        "CLARES_LAW_TOKEN_AUDIENCE": AUDIENCE,
        "CLARES_LAW_TOKEN_JWKS_FILE": str(publish(issuer, folder)),
        "CLARES_LAW_CLOCK": str(clock_file),
        **(more or {}),
    }
    processes = [Process.start(command, environment, folder, module=module) for command in ("serve", "worker")]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
            service = Service(url, http, issuer, clock_file, processes)
            await _ready(service)
            yield service
            service.must_run()
            errors = [line for one in processes for line in one.log.read_text().splitlines() if _ERROR in line]
            assert not errors, f"logged as errors: {errors[:5]}"
    finally:
        for process in processes:
            process.stop()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


async def _ready(service: Service) -> None:
    limit = time.monotonic() + PATIENCE
    while True:
        service.must_run()
        try:
            if (await service.http.get("/health/ready")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < limit, f"the service is not ready after {PATIENCE:.0f} seconds:\n{service.logs()}"
        await asyncio.sleep(0.05)
