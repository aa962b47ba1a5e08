"""The service on a machine whose clock can be stepped: `MACHINE_CLOCK` names a file with the seconds that it is off.

`python -m tests.faults.stepped worker` is `clares-law worker` there. What measures a duration is let alone, as a step
of a real machine's clock lets it alone.
"""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import apscheduler.executors.base
import apscheduler.schedulers.base

import app.clock
from app.cli import app as command

_OFF_BY = Path(os.environ["MACHINE_CLOCK"])
_true_now = app.clock.real_now


class SteppedDatetime(datetime):
    """`datetime` as that machine knows it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """The machine's time."""
        return stepped_now().astimezone(tz)


def stepped_now() -> datetime:
    """The machine's time, in UTC."""
    return _true_now() + timedelta(seconds=float(_OFF_BY.read_text()))


app.clock.real_now = stepped_now
apscheduler.schedulers.base.datetime = SteppedDatetime
apscheduler.executors.base.datetime = SteppedDatetime

if __name__ == "__main__":
    command()
