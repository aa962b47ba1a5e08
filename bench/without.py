"""The service without its log, without its sealing, or without both: what either costs is the difference.

`python -m bench.without STARTER logging sealing` serves as `clares-law serve` does, after parts of it were replaced in
this process. No setting leads here, and nothing in `app` knows of it.

Without logging, nobody is noted as touched and no row of the log is owed: no `access_log` with its individuals and
cases, and so none of its triggers, of which one queues the row for the tree. What a log does not need stays: the person
looked up, the context of row-level security, the reason asked for, masking.

Without sealing, a text goes to the same column in plain UTF-8 and is read back from there: no envelope, no key made or
kept or read along, no lock on the table of keys. Records are still queued for the tree, and their views still work out
digests that they answer with. Such a server opens no text that another has sealed, nor another its own, so each is
asked about cases that it was told of itself.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

LOGGING, SEALING = "logging", "sealing"


def leave_out(parts: Sequence[str]) -> None:
    """Replace these parts in this process; before anything else of the service is imported, since names are copied."""
    if LOGGING in parts:
        _leave_out_logging()
    if SEALING in parts:
        _leave_out_sealing()


def _leave_out_logging() -> None:
    from app.evidence import owing

    for noted in ("owe_row", "touch", "show", "combine", "withhold"):
        setattr(owing, noted, _nothing)
    from app.doors.door import Door

    Door.log = _nothing_later  # type: ignore[method-assign]


def _leave_out_sealing() -> None:
    from app.evidence import sealed

    def to_column(self: sealed.Sealed, value: Any, dialect: Any) -> bytes | None:
        if value is None:
            return None
        return (json.dumps(value, ensure_ascii=False) if self.as_json else str(value)).encode()

    def from_column(self: sealed.Sealed, value: bytes | None, dialect: Any) -> Any:
        if value is None:
            return None
        return json.loads(value) if self.as_json else value.decode()

    sealed.give_key = sealed.have_keys = _nothing_later
    sealed._sealed_in = lambda mapper: {}
    sealed.Sealed.process_bind_param = to_column  # type: ignore[method-assign]
    sealed.Sealed.process_result_value = from_column  # type: ignore[method-assign]
    del sealed.Sealed.column_expression


def _nothing(*_given: Any, **_more: Any) -> None:
    return None


async def _nothing_later(*_given: Any, **_more: Any) -> None:
    return None


if __name__ == "__main__":
    leave_out(sys.argv[2:])
    from app.cli import serve

    serve(int(sys.argv[1]))
