"""The rounds: each request on every server in turn, in one run, so that what else the machine does weighs on all."""

import collections
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bench import cases, load, pgbench
from bench.load import Round
from bench.requests import Asked
from bench.running import BY_HAND, SERVICE, SERVICES, Running
from bench.statements import BY_REQUEST, gists

STEADY_RATE = 200.0
_WARMING = 5
"""Requests that each connection is asked before anything counts: caches, pools, and plans of prepared statements."""


@dataclass(frozen=True)
class Lengths:
    """How long, how often, how many at once."""

    seconds: float
    rounds: int
    connections: int


@dataclass
class Measured:
    """One kind of request: what each server is asked, its rounds by the server's name, and pgbench's in between."""

    asked: dict[str, Asked]
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    pgbench: list[float] = field(default_factory=list)
    unlogged: int = 0
    """Answers of the service without a row in the log, or rows without an answer."""
    drift: str = ""
    """What the service sends and the floor does not, or the other way round."""

    @property
    def name(self) -> str:
        """Of the request."""
        return self.asked[SERVICE].name

    def ratios(self, of: Callable[[Round], float], above: str, below: str) -> list[float]:
        """Of each round's own figures on two servers."""
        pairs = zip(self.rounds[above], self.rounds[below], strict=True)
        return [of(one) / of(other) for one, other in pairs]


def measure(place: Running, asked: dict[str, Asked], floor: pgbench.Pgbench | None, lengths: Lengths) -> Measured:
    """Ask every server in turn, in an order that is turned round from one round to the next."""
    found = Measured(asked, {name: [] for name in asked})

    def ask(name: str, seconds: float, at_least: int = 0) -> Round:
        server, request = place.servers[name], asked[name]
        used, stored = server.processor_seconds(), place.database_seconds()
        answered = load.closed_loop(
            server.port,
            request.make,
            status=request.status,
            seconds=seconds,
            connections=lengths.connections,
            at_least=at_least,
        )
        answered.server_seconds = server.processor_seconds() - used
        answered.database_seconds = place.database_seconds() - stored
        return answered

    def whole() -> None:
        before = cases.count(place.superuser, "access_log")
        found.rounds[SERVICE].append(ask(SERVICE, lengths.seconds))
        logged = cases.count(place.superuser, "access_log") - before
        found.unlogged += abs(logged - found.rounds[SERVICE][-1].answered)

    order = list(asked)
    for name in order:
        ask(name, 0, at_least=_WARMING * lengths.connections)
    for _ in range(lengths.rounds):
        for name in order:
            if name == SERVICE:
                whole()
            else:
                found.rounds[name].append(ask(name, lengths.seconds))
        if floor is not None and BY_HAND in asked:
            run = floor.tpcb_like if asked[SERVICE].writes else floor.select_only
            found.pgbench.append(run(lengths.seconds / 2))
        order.reverse()  # A B, B A: a drift of the machine weighs on all alike
    return found


def steady(place: Running, asked: Asked, seconds: float) -> Round:
    """The service at a fixed rate."""
    port = place.servers[SERVICE].port
    return load.steady(port, asked.make, status=asked.status, seconds=seconds, rate=STEADY_RATE, connections=64)


def statements(place: Running, asked: Iterable[Asked]) -> list[list[str]]:
    """What the service sends for each, past what only the first request of a process reads."""
    return place.listen([one.example() for one in asked for _ in range(2)])[1::2]


def drift(name: str, heard: Sequence[str]) -> str:
    """What the service sends and the floor does not, and the other way round."""
    service, floor = collections.Counter(gists(heard)), collections.Counter(gists(BY_REQUEST[name]))
    missing = [f"{what} x{number}" for what, number in (service - floor).items()]
    surplus = [f"{what} x{number}" for what, number in (floor - service).items()]
    told = [f"lacks {', '.join(missing)}"] if missing else []
    return "; ".join([*told, *([f"still sends {', '.join(surplus)}"] if surplus else [])])


def everywhere(asked: Callable[[], Asked], *, by_hand: bool) -> dict[str, Asked]:
    """The same request for every service, each in its own turn, and for the floor where that knows it."""
    names: Iterable[str] = itertools.chain(SERVICES, [BY_HAND]) if by_hand else SERVICES
    return {name: asked() for name in names}
