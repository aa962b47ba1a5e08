"""Clocks as an iCalendar: the lines that RFC 5545 asks for, folded and escaped."""

from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.deadlines.ical import Entry, calendar_text, escaped, folded

ONE, TWO = (UUID(int=number) for number in (1, 2))
STAMP = datetime(2026, 5, 5, 9, tzinfo=UTC)


def test_days_are_whole_days_and_hours_are_instants() -> None:
    text = calendar_text(
        [
            Entry(ONE, "DVDS-A: initial checks due", date(2026, 5, 6), datetime(2026, 5, 6, 9, tzinfo=UTC)),
            Entry(TWO, "DVDS-A: whole case due", date(2026, 12, 31)),
        ],
        stamp=STAMP,
    )
    assert text.endswith("\r\n")
    lines = text.split("\r\n")[:-1]
    assert lines[:3] == ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Clare's Law case service//Clocks//EN"]
    first = lines[lines.index("BEGIN:VEVENT") : lines.index("END:VEVENT")]
    assert first[1:4] == [
        f"UID:{ONE}@clocks.clares-law",
        "DTSTAMP:20260505T090000Z",
        "DTSTART:20260506T090000Z",
    ]
    assert "DTSTART;VALUE=DATE:20261231" in lines
    assert "DTEND;VALUE=DATE:20270101" in lines
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 2


def test_text_is_escaped() -> None:
    assert escaped("a\\b;c,d\r\ne") == "a\\\\b\\;c\\,d\\ne"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=400))
def test_no_line_is_longer_than_75_octets_and_unfolding_gives_it_back(line: str) -> None:
    pieces = folded(line).split("\r\n")
    assert all(len(piece.encode()) <= 75 for piece in pieces)
    assert all(piece.startswith(" ") for piece in pieces[1:])
    assert pieces[0] + "".join(piece[1:] for piece in pieces[1:]) == line
