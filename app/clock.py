"""The only place that asks what time it is.

Two kinds of time run through the service. *Scheme time* (`now`) dates contacts, checks, clocks and alerts; a
journey may move it by the file that `CLARES_LAW_CLOCK` names, and every process then reads the same moved hour.
*Real time* (`real_now`) dates tokens and log rows, which no switch may move. Production refuses the switch.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
CLOCK_SWITCH = "CLARES_LAW_CLOCK"
AGREES_WITHIN = timedelta(minutes=5)
"""How far a machine's time may be from the database's for the machine to sweep and to sign."""


def real_now() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that may


def is_moved() -> bool:
    """Whether scheme time is what a switch file says, and not the machine's."""
    return bool(os.environ.get(CLOCK_SWITCH))


def now() -> datetime:
    """Scheme time, aware, in UTC: what the switch file says (ISO 8601 with an offset), else the machine's."""
    switch = os.environ.get(CLOCK_SWITCH)
    if not switch:
        return real_now()
    return aware(datetime.fromisoformat(Path(switch).read_text().strip()))


def aware(moment: datetime) -> datetime:
    """The same instant in UTC; a time without an offset is refused, since nobody can say which hour it names."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no UTC offset")
    return moment.astimezone(UTC)


def in_london(moment: datetime) -> str:
    """A moment as staff read it: 'Mon 4 May 2026 16:40'."""
    return f"{moment.astimezone(LONDON):%a %-d %b %Y %H:%M}"
