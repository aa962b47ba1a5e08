"""A sequencer that is killed before a line of its own: `python -m tests.faults.sequencing URL WITNESS LINE...`.

For each LINE a process is forked that numbers what waits and is killed before the line of that number is run; 0 kills
nobody. What became of each is printed: `killed`, or how many lines a whole run has. The witness is written to by the
same thread, so that its lines count as well.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

import app.tables  # noqa: F401 - records are found by the names of their tables
from app.outside.witness import FileWitness
from app.storage.migrations import conninfo
from tests.evidence.numbering import number_all, numbering

_TRACED = ("/sequencer.py", "/outside/witness.py", "/checkpoints.py")
_NEW = (
    "INSERT INTO access_log (id, category, action, refused, request_id) "
    "SELECT gen_random_uuid(), 'consultation', 'read_case', false, 'r' FROM generate_series(1, 3)"
)


async def _at_once(function: Callable[..., Any], *given: Any) -> Any:
    return function(*given)


def _counting(limit: int) -> tuple[Callable[..., Any], list[int]]:
    counted = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(_TRACED):
            return None
        if event == "line":
            counted[0] += 1
            if counted[0] == limit:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace, counted


async def _number(url: str, witness: Path, limit: int) -> int:
    trace, counted = _counting(limit)
    async with numbering(url, FileWitness(witness)) as sequencer:
        sys.settrace(trace)
        await number_all(sequencer)
        sys.settrace(None)
    return counted[0]


def _tried(url: str, witness: Path, limit: int) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, str(asyncio.run(_number(url, witness, limit))).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        return "killed" if os.WIFSIGNALED(status) else said.read()


def main() -> None:
    """As the module says; something new waits before each."""
    url, witness, *lines = sys.argv[1:]
    asyncio.to_thread = _at_once  # type: ignore[assignment]  # in this process alone, so that a kill falls on a line
    for line in lines:
        with psycopg.connect(conninfo(url)) as connection:
            connection.execute(_NEW)
        sys.stdout.write(f"{_tried(url, Path(witness), int(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
