"""`python -m bench`: the whole run, and its report."""

import collections
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app import clock
from bench import cases, load, pgbench, requests
from bench.load import Round
from bench.requests import Asked
from bench.running import Running, Server, running, staff_id
from bench.statements import BY_REQUEST, gists

OPEN_SHARE = 0.1
_READ_CASES = 500  # different cases asked for in turn
_STEADY_RATE = 200.0

console = Console(width=max(Console().width, 150))  # the table is read in files too
command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Measured:
    """One kind of request: its rounds on the service, on the floor, and pgbench's in between."""

    asked: Asked
    service: list[Round] = field(default_factory=list)
    floor: list[Round] = field(default_factory=list)
    pgbench: list[float] = field(default_factory=list)
    unlogged: int = 0
    """Answers of the service without a row in the log, or rows without an answer."""
    drift: str = ""


@command.command()
def main(
    seconds: Annotated[float, typer.Option(help="Of each round.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Of each request on each side.")] = 3,
    number: Annotated[int, typer.Option("--cases", help="Cases present.")] = 10_000,
    connections: Annotated[int, typer.Option(help="Requests under way at once.")] = 32,
    quick: Annotated[bool, typer.Option("--quick", help="Short rounds: for trying, not for telling.")] = False,
    statements: Annotated[bool, typer.Option("--statements", help="Only print what the service sends.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Only the worker's sweep, among few clocks and many.")] = False,
) -> None:
    """Measure the service beside hand-written SQL and pgbench, in rounds that alternate."""
    if sweep:
        from bench.sweep import measure

        measure(_say, console)
        return
    if quick:
        seconds, rounds = 1.0, 2
    with running(_say) as place:
        _put_in_cases(place, 1 if statements else number)
        asked = _asked(place)
        sent = _statements(place, asked)
        if statements:
            _print_statements(asked, sent)
            return
        _say("Making pgbench's tables")
        floor = pgbench.find(place.superuser_url, clients=connections)
        found = [_measure(place, one, floor, seconds, rounds, connections) for one in asked]
        for one, heard in zip(found, sent, strict=True):
            one.drift = _drift(one.asked.name, heard)
        _say(f"Reading case files at {_STEADY_RATE:.0f} a second")
        calm = _steady(place, asked[0], seconds)
    _report(found, calm, seconds=seconds, number=number, connections=connections, pgbench_there=floor is not None)


def _say(text: str) -> None:
    console.print(f"[dim]{text}[/]")


def _put_in_cases(place: Running, number: int) -> None:
    _say(f"Putting in {number:,} cases")
    opened = place.send(requests.opening(place.token("control_room"), now=clock.real_now()).example())
    officer = staff_id(place.superuser, "officer")
    headers = {
        "Authorization": f"Bearer {place.token('supervisor')}",
        "If-Match": f'"{opened["version"]}"',
        "Content-Type": "application/json",
    }
    order = f'{{"staff_id": "{officer}", "reason": "Next on the rota."}}'
    place.send(["POST", f"/v1/applications/{opened['id']}/assignment", headers, order])
    cases.multiply(place.superuser, opened["id"], number - 1, open_share=OPEN_SHARE)


def _asked(place: Running) -> list[Asked]:
    officer = place.token("officer")
    return [
        requests.case_file(officer, cases.open_cases(place.superuser, _READ_CASES)),
        requests.worklist(officer),
        requests.opening(place.token("control_room"), now=clock.real_now()),
    ]


def _statements(place: Running, asked: Sequence[Asked]) -> list[list[str]]:
    """What the service sends for each, past what only the first request of a process reads."""
    return place.listen([one.example() for one in asked for _ in range(2)])[1::2]


def _print_statements(asked: Sequence[Asked], sent: Sequence[list[str]]) -> None:
    for one, heard in zip(asked, sent, strict=True):
        console.rule(one.name)
        for statement in heard:
            console.print(statement, markup=False, highlight=False)


def _drift(name: str, heard: Sequence[str]) -> str:
    """What the service sends and the floor does not, and the other way round."""
    service, floor = collections.Counter(gists(heard)), collections.Counter(gists(BY_REQUEST[name]))
    missing = [f"{what} x{number}" for what, number in (service - floor).items()]
    surplus = [f"{what} x{number}" for what, number in (floor - service).items()]
    told = [f"lacks {', '.join(missing)}"] if missing else []
    return "; ".join([*told, *([f"still sends {', '.join(surplus)}"] if surplus else [])])


def _measure(
    place: Running, asked: Asked, floor: pgbench.Pgbench | None, seconds: float, rounds: int, connections: int
) -> Measured:
    found = Measured(asked)

    def one(server: Server, limit: float) -> Round:
        used = server.processor_seconds()
        answered = load.closed_loop(
            server.port, asked.make, status=asked.status, seconds=limit, connections=connections
        )
        answered.server_seconds = server.processor_seconds() - used
        return answered

    def service() -> None:
        before = cases.count(place.superuser, "access_log")
        found.service.append(one(place.service, seconds))
        logged = cases.count(place.superuser, "access_log") - before
        found.unlogged += abs(logged - found.service[-1].answered)

    def by_hand() -> None:
        found.floor.append(one(place.floor, seconds))

    def plain() -> None:
        if floor is not None:
            run = floor.tpcb_like if asked.name == "opening" else floor.select_only
            found.pgbench.append(run(seconds / 2))

    _say(f"Measuring: {asked.name}")
    for server in (place.service, place.floor):
        one(server, min(1.0, seconds / 4))  # caches, plans and pools are warm before anything counts
    order: list[Callable[[], None]] = [service, by_hand]
    for _ in range(rounds):
        for run in order:
            run()
        plain()
        order.reverse()  # A B, B A: a drift of the machine weighs on both alike
    return found


def _steady(place: Running, asked: Asked, seconds: float) -> Round:
    return load.steady(
        place.service.port, asked.make, status=asked.status, seconds=seconds, rate=_STEADY_RATE, connections=64
    )


def _report(
    found: Sequence[Measured],
    calm: Round,
    *,
    seconds: float,
    number: int,
    connections: int,
    pgbench_there: bool,
) -> None:
    table = Table(title="Medians over the rounds; ratios are medians of each round's own ratio")
    table.add_column("request")
    for side in ("service", "by hand"):
        for name in (f"{side}\nreq/s", "p50\nms", "p99\nms", "CPU\nms"):
            table.add_column(name, justify="right")
    for name in ("service /\nby hand", "the same\nby CPU", "pgbench\ntps", "by hand /\npgbench"):
        table.add_column(name, justify="right")
    for one in found:
        to_hand = [mine.rate / floor.rate for mine, floor in zip(one.service, one.floor, strict=True)]
        by_processor = [floor.processor / mine.processor for mine, floor in zip(one.service, one.floor, strict=True)]
        to_pgbench = [floor.rate / plain for floor, plain in zip(one.floor, one.pgbench, strict=False)]
        table.add_row(
            one.asked.name,
            *_figures(one.service),
            *_figures(one.floor),
            f"[bold]{statistics.median(to_hand):.2f}[/]",
            f"{statistics.median(by_processor):.2f}",
            f"{statistics.median(one.pgbench):,.0f}" if one.pgbench else "-",
            f"{statistics.median(to_pgbench):.3f}" if to_pgbench else "-",
        )
    console.print(table)
    console.print(
        f"{number:,} cases in one force, {OPEN_SHARE:.0%} of them open; {connections} connections; "
        f"{len(found[0].service)} rounds of {seconds:g} s on each side, alternating; one process each."
    )
    console.print(
        f"Case files at {_STEADY_RATE:.0f} a second: "
        f"p50 {calm.percentile(50):.1f} ms, p99 {calm.percentile(99):.1f} ms, {calm.refused} refused."
    )
    console.print(
        "CPU is the server process's own, kernel included: it stays true when other work holds the processors back. "
        f"Load average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors."
    )
    shares = [one.client_share for each in found for one in (*each.service, *each.floor)]
    console.print(f"The client took at most {max(shares):.0%} of one processor.")
    for one in found:
        if one.unlogged:
            console.print(f"[red]{one.asked.name}: log rows and answers differ by {one.unlogged}.[/]")
        if one.drift:
            console.print(f"[yellow]{one.asked.name}: the floor has fallen behind the service: it {one.drift}.[/]")
    if not any(one.unlogged for one in found):
        console.print("Log rows equal answers in every round of the service.")
    if not pgbench_there:
        console.print("[yellow]No pgbench was found beside the server's binaries or on PATH: that floor is skipped.[/]")


def _figures(rounds: Sequence[Round]) -> list[str]:
    return [
        f"{statistics.median(one.rate for one in rounds):,.0f}",
        *(f"{statistics.median(one.percentile(percent) for one in rounds):,.1f}" for percent in (50, 99)),
        f"{statistics.median(one.processor for one in rounds):.2f}",
    ]


if __name__ == "__main__":
    command()
