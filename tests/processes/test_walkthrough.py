"""The walkthrough against a service that runs: it comes to its end, can be walked again, and fails loudly."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.forms import WORDS
from app.demo.staff import CHAIR
from app.outside.client import RequestRefused, ServiceUnreachable
from app.settings import Settings
from app.walkthrough import walk
from tests.journeys.running import running
from tests.services.test_demo import loaded
from tests.world import World

_CLOSED = """
SELECT route, outcome FROM application WHERE stage = 'closed' AND id IN (
    SELECT party.case_id FROM party JOIN person ON person.id = party.person_id WHERE person.surname LIKE 'Walk%%'
) ORDER BY route
"""


@pytest.fixture
async def demonstration(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """A service that runs over the demonstration's data, and the settings that a walkthrough beside it has."""
    await loaded(world)
    async with running(world.url, tmp_path, at=world.now) as service:
        service.issuer.save(tmp_path / "demonstration-issuer.pem")
        monkeypatch.setenv("CLARES_LAW_CLOCK", str(service.clock_file))
        yield Settings(data_dir=tmp_path, port=service.http.base_url.port or 0)


async def test_both_routes_are_walked_to_the_closing_report_again_and_again(
    demonstration: Settings, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(walk, demonstration)
    said = capsys.readouterr().out
    steps, _, report = said.partition("The closing report")
    lines = [line for line in steps.splitlines() if line[:3].strip().isdigit()]
    assert len(lines) == steps.count(" left"), "each step tells its clock"
    assert [line for line in lines if "409, as it should be" in line and "police conclu" in line]
    assert sum(line.endswith("on to closed") for line in lines) == 2
    document = json.loads(report[report.index("{") :])
    assert document["outcome"] == "disclosed"
    assert {clock["late"] for clock in document["document"]["clocks"]} == {False}
    assert WORDS not in said, "the words stay in the verbatim record"
    both = [{"route": "right_to_ask", "outcome": "disclosed"}, {"route": "right_to_know", "outcome": "no_disclosure"}]
    assert world.rows(_CLOSED) == both

    await asyncio.to_thread(walk, demonstration, url=f"http://127.0.0.1:{demonstration.port}")
    assert len(world.rows(_CLOSED)) == 4

    world.execute("UPDATE staff_member SET roles = '{forum_member}' WHERE subject = %s", CHAIR)
    with pytest.raises(RequestRefused) as refused:
        await asyncio.to_thread(walk, demonstration)
    assert refused.value.status == 403
    assert str(refused.value).startswith("POST /v1/forum/meetings was answered 403:")
    assert '"type": "urn:clares-law:problem:role_may_not"' in str(refused.value)


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        with pytest.raises(ServiceUnreachable, match="make run"):
            walk(Settings(data_dir=tmp_path, port=taken.getsockname()[1]))
