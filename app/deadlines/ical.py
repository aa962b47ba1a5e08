"""Clocks as an iCalendar (RFC 5545): references, clocks and times, nothing else. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from app.access.subject_access import NOT_TO_BE_RELEASED

_OCTETS = 75
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})


@dataclass(frozen=True)
class Entry:
    """One clock: a day that it is due on, or with `due_at` the instant (clocks in hours)."""

    clock_id: UUID
    summary: str
    due_on: date
    due_at: datetime | None = None


def calendar_text(entries: Iterable[Entry], *, stamp: datetime) -> str:
    """The whole calendar, lines ended by CRLF. `stamp` is when it was made."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Clare's Law case service//Clocks//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"DESCRIPTION:{escaped(NOT_TO_BE_RELEASED)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    ]
    for entry in entries:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{entry.clock_id}@clocks.clares-law",
            f"DTSTAMP:{_instant(stamp)}",
            *_when(entry),
            f"SUMMARY:{escaped(entry.summary)}",
            "CLASS:CONFIDENTIAL",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines)


def _when(entry: Entry) -> list[str]:
    if entry.due_at is not None:
        return [f"DTSTART:{_instant(entry.due_at)}"]
    following = entry.due_on + timedelta(days=1)
    return [f"DTSTART;VALUE=DATE:{entry.due_on:%Y%m%d}", f"DTEND;VALUE=DATE:{following:%Y%m%d}"]


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escaped(text: str) -> str:
    """A text value: backslash, semicolon, comma and line ends escaped."""
    return text.translate(_ESCAPED)


def folded(line: str) -> str:
    """The line in pieces of at most 75 octets, each but the first begun by a space, no letter cut in two."""
    pieces: list[str] = []
    piece, octets = "", 0
    for letter in line:
        size = len(letter.encode())
        if octets + size > _OCTETS:
            pieces.append(piece)
            piece, octets = " ", 1
        piece += letter
        octets += size
    return "\r\n".join([*pieces, piece])
