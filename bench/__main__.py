"""`python -m bench`: the whole run, and its report."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from app import clock
from bench import cases, pgbench, report, requests
from bench.measuring import Lengths, drift, everywhere, measure, statements, steady
from bench.requests import Asked
from bench.running import BY_HAND, SERVICE, SERVICES, Running, running, staff_id

OPEN_SHARE = 0.1
_READ_CASES = 500  # different cases asked for in turn
_TOLD_CASES = 60  # more than connections, so that few wait for another's case

console = Console(width=max(Console().width, 150))  # the tables are read in files too
command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    seconds: Annotated[float, typer.Option(help="Of each round.")] = 3.0,
    rounds: Annotated[int, typer.Option(help="Of each request on each server.")] = 3,
    number: Annotated[int, typer.Option("--cases", help="Cases present.")] = 10_000,
    connections: Annotated[int, typer.Option(help="Requests under way at once.")] = 32,
    quick: Annotated[bool, typer.Option("--quick", help="Short rounds: for trying, not for telling.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Measure this request alone; may be repeated.")] = None,
    listing: Annotated[bool, typer.Option("--statements", help="Only print what the service sends.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Only the worker's sweep, among few clocks and many.")] = False,
) -> None:
    """Measure the service beside hand-written SQL, pgbench and itself without log and sealing, in turn."""
    if sweep:
        from bench.sweep import measure as measure_sweep

        measure_sweep(_say, console)
        return
    lengths = Lengths(1.0, 2, connections) if quick else Lengths(seconds, rounds, connections)
    with running(_say) as place:
        _put_in_cases(place, 1 if listing else number)
        asked = [one for one in _asked(place) if not only or one[SERVICE].name in only]
        sent = statements(place, [one[SERVICE] for one in asked])
        if listing:
            _print_statements([one[SERVICE].name for one in asked], sent)
            return
        _say("Making pgbench's tables")
        floor = pgbench.find(place.superuser_url, clients=connections)
        found = []
        for one, heard in zip(asked, sent, strict=True):
            _say(f"Measuring: {one[SERVICE].name}")
            found.append(measure(place, one, floor, lengths))
            found[-1].drift = drift(one[SERVICE].name, heard) if BY_HAND in one else ""
        _say("Reading at a steady rate")
        calm = steady(place, asked[0][SERVICE], lengths.seconds)
    report.against_floors(console, found)
    report.against_less(console, found)
    said = (
        f"{number:,} cases in one force, {OPEN_SHARE:.0%} of them open; {connections} connections; "
        f"{lengths.rounds} rounds of {lengths.seconds:g} s on each server, alternating; one process each."
    )
    report.the_rest(console, found, calm, said=said)
    if floor is None:
        console.print("[yellow]No pgbench was found beside the server's binaries or on PATH: that floor is skipped.[/]")


def _say(text: str) -> None:
    console.print(f"[dim]{text}[/]")


def _put_in_cases(place: Running, number: int) -> None:
    _say(f"Putting in {number:,} cases")
    opened = _open(place)
    officer = staff_id(place.superuser, "officer")
    headers = {
        "Authorization": f"Bearer {place.token('supervisor')}",
        "If-Match": f'"{opened["version"]}"',
        "Content-Type": "application/json",
    }
    order = f'{{"staff_id": "{officer}", "reason": "Next on the rota."}}'
    place.send(["POST", f"/v1/applications/{opened['id']}/assignment", headers, order])
    cases.multiply(place.superuser, opened["id"], number - 1, open_share=OPEN_SHARE)


def _open(place: Running, *, at: str = SERVICE) -> dict[str, Any]:
    return place.send(requests.opening(place.token("control_room"), now=clock.real_now()).example(), to=at)


def _asked(place: Running) -> list[dict[str, Asked]]:
    """What each server is asked. Sealed texts are those that the server itself was told: no other can open them."""
    officer, opener, now = place.token("officer"), place.token("control_room"), clock.real_now()
    read = cases.open_cases(place.superuser, _READ_CASES)
    names = cases.surnames(place.superuser, read)
    by = staff_id(place.superuser, "officer")
    told = {name: _cases_to_tell_in(place, name) for name in SERVICES}
    telling = {name: requests.telling(officer, told[name], by=by) for name in SERVICES}
    return [
        everywhere(lambda: requests.case_file(officer, read), by_hand=True),
        everywhere(lambda: requests.worklist(officer), by_hand=True),
        everywhere(lambda: requests.search(officer, names), by_hand=True),
        everywhere(lambda: requests.opening(opener, now=now), by_hand=True),
        telling,
        {name: requests.words(officer, _records(place, name, telling[name])) for name in SERVICES},
    ]


def _cases_to_tell_in(place: Running, server: str) -> list[tuple[str, str]]:
    """Cases opened at one of the servers, each with the party who may be told."""
    opened = [str(_open(place, at=server)["id"]) for _ in range(_TOLD_CASES)]
    return cases.potential_victims(place.superuser, opened)


def _records(place: Running, server: str, telling: Asked) -> list[tuple[str, str]]:
    """One telling recorded at the server in each of its cases: (case, record)."""
    kept = [place.send(telling.example(), to=server) for _ in range(_TOLD_CASES)]
    return [(one["case_id"], one["id"]) for one in kept]


def _print_statements(names: Sequence[str], sent: Sequence[list[str]]) -> None:
    for name, heard in zip(names, sent, strict=True):
        console.rule(name)
        for statement in heard:
            console.print(statement, markup=False, highlight=False)


if __name__ == "__main__":
    command()
