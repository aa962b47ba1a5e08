"""What the command line shows as tables: a count explained (H10.5), and the editions side by side (H9)."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.clock import in_london
from app.deadlines.calendar import Calendar, Due
from app.deadlines.explaining import Start
from app.editions.comparing import compared
from app.editions.rules import Edition


def show_editions(editions: Sequence[Edition]) -> None:
    """Print what each edition says, side by side."""
    console = Console(highlight=False)
    shown = Table(show_lines=True, header_style="bold")
    shown.add_column("", style="bold", ratio=1, overflow="fold")
    for one in editions:
        shown.add_column(Text(one.name), ratio=2, overflow="fold")
    for part in compared(editions):
        shown.add_row(Text(part.title.upper()), *[""] * len(editions))
        for line in part.lines:
            shown.add_row(Text(line.heading), *map(Text, line.said))
    console.print(shown)


def show_working(start: Start, counted: Due, calendar: Calendar) -> None:
    """Print when it is due and every day counted or skipped, each with why."""
    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("From", Text(f"{in_london(counted.started_at)} London ({counted.started_at:%Y-%m-%dT%H:%MZ})"))
    if start.read_as:
        facts.add_row("", Text(start.read_as))
    if counted.calendar_version:
        facts.add_row("Rule", f"{counted.rule}; the day after is day 1")
        facts.add_row("Calendar", Text(f"{calendar.division}: {calendar.version}"))
    else:
        facts.add_row("Rule", f"{counted.rule}, elapsed")
    facts.add_row("Due on", f"{counted.due_on:%a %-d %b %Y} ({counted.due_on.isoformat()})")
    ends = ", when that day ends" if counted.calendar_version else ""
    facts.add_row("Due at", Text(f"{in_london(counted.due_at)} London ({counted.due_at:%Y-%m-%dT%H:%MZ}){ends}"))
    console.print(facts)

    days = Table(box=None, padding=(0, 2), header_style="bold")
    days.add_column("Day", justify="right")
    days.add_column("Date")
    days.add_column("Why")
    for day in counted.working:
        style = None if day.counted else "dim"
        number = "" if day.number is None else str(day.number)
        days.add_row(
            number, f"{day.date:%a %-d %b %Y}", Text(day.why if day.counted else f"skipped: {day.why}"), style=style
        )
    console.print(days)
