"""The figures of a run, as tables: only ratios tell anything, since the machine is whatever it is."""

import os
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.load import Round
from bench.measuring import STEADY_RATE, Measured
from bench.running import BY_HAND, SERVICE, SERVICES


def against_floors(console: Console, found: Sequence[Measured]) -> None:
    """The service beside the same statements by hand, and those beside pgbench."""
    table = Table(title="Medians over the rounds; ratios are medians of each round's own ratio")
    table.add_column("request")
    for side in (SERVICE, BY_HAND):
        for name in (f"{side}\nreq/s", "p50\nms", "p99\nms", "CPU\nms", "SQL\nms"):
            table.add_column(name, justify="right")
    for name in ("service /\nby hand", "the same\nby CPU", "pgbench\ntps", "by hand /\npgbench"):
        table.add_column(name, justify="right")
    for one in found:
        if BY_HAND not in one.rounds:
            continue
        to_pgbench = [mine.rate / plain for mine, plain in zip(one.rounds[BY_HAND], one.pgbench, strict=False)]
        table.add_row(
            one.name,
            *_figures(one.rounds[SERVICE]),
            *_figures(one.rounds[BY_HAND]),
            f"[bold]{_median(one.ratios(_rate, SERVICE, BY_HAND))}[/]",
            _median(one.ratios(_whole, BY_HAND, SERVICE)),
            f"{statistics.median(one.pgbench):,.0f}" if one.pgbench else "-",
            f"{statistics.median(to_pgbench):.3f}" if to_pgbench else "-",
        )
    console.print(table)


def against_less(console: Console, found: Sequence[Measured]) -> None:
    """What is left of the speed where the log is kept and texts are sealed; 1.00 would be: it costs nothing."""
    table = Table(title="The service beside itself without its log, its sealing, both: 1.00 would cost nothing")
    table.add_column("request")
    table.add_column("service\nreq/s", justify="right")
    for name in SERVICES[1:]:
        for kind in ("requests", "CPU", "SQL"):
            table.add_column(f"/ {name}\nby {kind}", justify="right")
    for one in found:
        cells = [f"{statistics.median(each.rate for each in one.rounds[SERVICE]):,.0f}"]
        for name in SERVICES[1:]:
            cells.append(f"[bold]{_median(one.ratios(_rate, SERVICE, name))}[/]")
            cells += [_median(one.ratios(kind, name, SERVICE)) for kind in (_own, _database)]
        table.add_row(one.name, *cells)
    console.print(table)


def the_rest(console: Console, found: Sequence[Measured], calm: Round, *, said: str) -> None:
    """Under what conditions all that was measured, and whether what it rests on held."""
    console.print(said)
    console.print(
        f"Case files at {STEADY_RATE:.0f} a second: "
        f"p50 {calm.percentile(50):.1f} ms, p99 {calm.percentile(99):.1f} ms, {calm.refused} refused."
    )
    console.print(
        "CPU is the server process's own for one request, SQL that of PostgreSQL's processes, the kernel's share "
        "included: they stay true when other work holds the processors back; a ratio by CPU alone is of their sum. "
        f"Load average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    )
    shares = [one.client_share for each in found for rounds in each.rounds.values() for one in rounds]
    console.print(f"The client took at most {max(shares):.0%} of one processor.")
    for one in found:
        if one.unlogged:
            console.print(f"[red]{one.name}: log rows and answers differ by {one.unlogged}.[/]")
        if one.drift:
            console.print(f"[yellow]{one.name}: the floor has fallen behind the service: it {one.drift}.[/]")
    if not any(one.unlogged for one in found):
        console.print("Log rows equal answers in every round of the service.")


def _figures(rounds: Sequence[Round]) -> list[str]:
    return [
        f"{statistics.median(one.rate for one in rounds):,.0f}",
        *(f"{statistics.median(one.percentile(percent) for one in rounds):,.1f}" for percent in (50, 99)),
        *(f"{statistics.median(kind(one) for one in rounds):.2f}" for kind in (_own, _database)),
    ]


def _rate(one: Round) -> float:
    return one.rate


def _own(one: Round) -> float:
    return one.processor


def _database(one: Round) -> float:
    return one.database


def _whole(one: Round) -> float:
    return one.processor + one.database


def _median(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f}"
