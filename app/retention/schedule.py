"""The retention schedule, read and checked once: that of this release, or a force's own (H12.2)."""

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.editions.lines import line_of
from app.editions.rules import Misplaced
from app.errors import ClaresLawError
from app.retention.rules import Schedule
from app.settings import settings

_OWN = Path(__file__).parent / "schedule.toml"


class ScheduleInvalid(ClaresLawError):
    """A file is no retention schedule; the text names the file, and line and key of every fault."""

    code = "schedule_invalid"

    def __init__(self, file: str, faults: Iterable[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"{file}:{line}: {says}" for line, says in sorted(faults)))


def parse(text: str, *, file: str) -> Schedule:
    """The schedule that a TOML text describes. ScheduleInvalid otherwise."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise ScheduleInvalid(file, [(1, str(fault))]) from fault
    try:
        return Schedule.model_validate(data)
    except ValidationError as fault:
        raise ScheduleInvalid(file, [_located(text, error) for error in fault.errors(include_url=False)]) from fault


def _located(text: str, error: Any) -> tuple[int, str]:
    raised = error.get("ctx", {}).get("error")
    place = (*error["loc"], *(raised.at if isinstance(raised, Misplaced) else ()))
    says = str(raised) if isinstance(raised, ValueError) else error["msg"]
    return line_of(text, place), ": ".join(filter(None, (".".join(map(str, place)), says)))


def schedule() -> Schedule:
    """The schedule in force. ScheduleInvalid where the file that the settings name is none."""
    return _read(settings().retention_file or _OWN)


@cache
def _read(file: Path) -> Schedule:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "this is no text in UTF-8"
        raise ScheduleInvalid(str(file), [(1, str(why))]) from fault
    return parse(text, file=file.name if file == _OWN else str(file))
