"""Journeys over real HTTP with a real worker: one API and one worker a test process, started with the first journey
and ended with the last: transactions of theirs would hold back what tests of one process wait to see settled.

Time only moves forward in a running service: each journey begins on a Tuesday at nine, later than the one before it
in the order of files and of tests has ended. Run in another order, a journey gets a fresh service of its own.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date, datetime

import psycopg
import pytest

from app.clock import LONDON, aware
from app.storage.embedded import EmbeddedServer
from app.storage.migrations import conninfo
from tests.journeys.journey import Journey
from tests.journeys.running import Service, running

Serve = Callable[[datetime], Awaitable[Service]]

_numbers = itertools.count()

TUESDAYS = {
    # test_applicant_asks.py: the spring bank holiday of 25 May lies in the first
    "test_disclosed_and_signed": date(2026, 5, 5),
    "test_third_party_asks": date(2026, 6, 2),
    "test_no_concern": date(2026, 7, 7),
    # test_ended_early.py: the summer bank holiday of 31 August lies in the second
    "test_not_progressed": date(2026, 8, 4),
    "test_withdrawn_and_carried_on": date(2026, 8, 11),
    "test_malicious": date(2026, 9, 15),
    "test_subject_deceased": date(2026, 9, 29),
    "test_not_completed": date(2026, 10, 6),
    # test_late_and_wrong.py: the clocks go back in the first
    "test_late_at_every_step": date(2026, 10, 20),
    "test_delivered_without_clearance": date(2027, 1, 12),
    # test_police_learn.py: Easter, and the clocks going forward, lie in the second
    "test_right_to_know_disclosed": date(2027, 2, 23),
    "test_found_again": date(2027, 3, 23),
    # test_unusual_courses.py: the spring bank holiday of 31 May lies in the second
    "test_emergency": date(2027, 5, 4),
    "test_two_potential_victims": date(2027, 5, 25),
    "test_identified_at_the_meeting": date(2027, 6, 29),
}


@pytest.fixture(scope="package")
async def serve(
    postgres: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serve]:
    """Gives the running service, its hour moved to a moment; a fresh one where that would go back."""
    current: Service | None = None
    async with AsyncExitStack() as running_ones:

        async def serve_at(moment: datetime) -> Service:
            nonlocal current
            if current is None or aware(datetime.fromisoformat(current.clock_file.read_text())) > moment:
                name = f"journeys_{next(_numbers)}"
                with psycopg.connect(conninfo(postgres.url("postgres", "postgres")), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
                fresh = running(postgres.url("postgres", name), tmp_path_factory.mktemp(name), at=moment)
                current = await running_ones.enter_async_context(fresh)
            return current

        yield serve_at


@pytest.fixture
async def journey(serve: Serve, request: pytest.FixtureRequest) -> AsyncIterator[Journey]:
    """A world of the running service at the Tuesday on which this journey begins."""
    name: str = request.node.name
    start = datetime.combine(TUESDAYS[name], datetime.min.time().replace(hour=9), tzinfo=LONDON)
    service = await serve(aware(start))
    place = name.removeprefix("test_").replace("_", "").capitalize()
    opened = Journey(service.url, service.http, service.issuer, service.clock_file, service=service, name=place)
    opened.set_time(start)
    await opened.swept()
    yield opened
    service.must_run()
