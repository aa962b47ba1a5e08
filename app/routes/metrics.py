"""What Prometheus reads: counts over all forces, ages and lags. No case, no name, no force.

A worker counts the rows, since no request reaches those of more than one force; here the counts are only shown.
"""

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.deadlines.watch import Watched

MEASURES = {
    "clocks_open": ("step", "Clocks that are neither met nor ended."),
    "clocks_due_today": ("step", "Open clocks whose last day is today."),
    "clocks_breached": ("step", "Open clocks that are past due."),
    "outbox_waiting": ("channel", "Messages that wait to be sent."),
    "outbox_failing": ("channel", "Messages that wait and were tried in vain."),
    "outbox_given_up": ("channel", "Messages that no try could deliver; each is a task for a person."),
    "case_keys_unusable": ("because", "Keys of cases that are gone without an erasure, or changed past the service."),
}
"""Each measure of the worker's counts: what its label is, and what it says."""


class _Gauges(Collector):
    def __init__(self, found: Watched) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        found = self._found
        yield _plain("workers_alive", "Workers that have swept lately.", found.workers)
        yield _plain("sweep_age_seconds", "Seconds since any worker last swept.", found.sweep_age)
        yield _plain("sweep_lag_seconds", "Seconds that the oldest alert due waits to be recorded.", found.sweep_lag)
        yield _plain("counts_age_seconds", "Seconds since a worker last counted.", found.tally_age)
        for measure, (label, says) in MEASURES.items():
            gauge = GaugeMetricFamily(f"clares_law_{measure}", says, labels=[label])
            for counted, value, number in found.tallies:
                if counted == measure:
                    gauge.add_metric([value], number)
            yield gauge


def _plain(name: str, says: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"clares_law_{name}", says, value=float("inf") if value is None else value)


def exposition(found: Watched) -> bytes:
    """The process's own metrics and the service's, in Prometheus's text form."""
    ours = CollectorRegistry()
    ours.register(_Gauges(found))
    return generate_latest(REGISTRY) + generate_latest(ours)
