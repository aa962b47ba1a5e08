"""What people typed over a whole case stands in no URL, log line, metric, traceback or row of the log (H12.1)."""

import re
from typing import Any

import httpx
import pytest

from tests.steps import (
    categorisation,
    disclosure,
    face_to_face,
    final_report,
    forum,
    initial_checks,
    intake,
    risk_assessment,
)
from tests.world import World

_CODE = re.compile(r"[a-z0-9_.:+-]*|[0-9T:+.Z-]*|[0-9a-f-]{36}|[1-3][A-E][PC]", re.ASCII)
"""What is no text of anybody's: codes, times, ids."""


def texts(body: Any) -> set[str]:
    """Every name, address and narrative in a body."""
    match body:
        case str() if len(body) > 3 and not _CODE.fullmatch(body):
            return {body}
        case dict():
            return set().union(*(texts(value) for value in body.values()))
        case list():
            return set().union(*(texts(value) for value in body))
    return set()


@pytest.fixture
def typed(world: World) -> tuple[set[str], list[str]]:
    """What was typed so far, and every address that was asked for."""
    said: set[str] = {"Merrick", "Tarrant", "Quarry Lane", "Joanna", "Alan Peter"}
    asked: list[str] = []

    async def note(request: httpx.Request) -> None:
        asked.append(str(request.url))
        if request.content:
            said.update(texts(httpx.Response(200, content=request.content).json()))

    world.http.event_hooks["request"].append(note)
    return said, asked


async def whole_case(world: World) -> str:
    """From the first contact to the closed case."""
    case = await intake.opened(world)
    she = intake.parties(world, case)["potential_victim"][0]
    await initial_checks.progressed(world, case)
    await initial_checks.identify(world, case)
    await face_to_face.meet(world, case)
    await risk_assessment.assess(world, case, she)
    await categorisation.to_forum(world, case)
    decision = await forum.disclosing(world, await forum.sitting(world, case), she)
    await disclosure.deliver(world, case, she, decision)
    await final_report.settle_and_close(world, case, [she])
    return case


async def refused(world: World, case: str) -> None:
    """Requests that carry names and fail: by the schema, by a rule, by the database, by a fault of ours."""
    officer = world.as_("officer")
    for body in ({"surname": "Merrick", "given_names": 5}, {"surname": "Merrick\x00"}, {"surname": ["Tarrant"]}):
        assert (await officer.post("/v1/applications/search", body)).status_code == 422
    assert (
        await officer.post("/v1/applications", intake.right_to_ask(world, first_contact_at="Joanna"))
    ).status_code == 422
    assert (await officer.get("/v1/applications/Joanna Tarrant")).status_code == 404
    world.execute("ALTER TABLE person ADD CONSTRAINT ck_person_never CHECK (surname <> 'Tarrant') NOT VALID")
    other = intake.right_to_ask(world, subject={"surname": "Quimby", "given_names": "Otto", "born": "1970-05-06"})
    assert (await world.as_("control_room").post("/v1/applications", other)).status_code == 409
    world.execute("ALTER TABLE person DROP CONSTRAINT ck_person_never")
    world.execute("ALTER TABLE person RENAME COLUMN surname TO family_name")
    assert (await officer.post("/v1/applications/search", {"surname": "Merrick"})).status_code == 500
    world.execute("ALTER TABLE person RENAME COLUMN family_name TO surname")


async def test_nothing_that_was_typed_stands_where_it_must_not(
    world: World, typed: tuple[set[str], list[str]], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    said, asked = typed
    case = await whole_case(world)
    for path in ("", "/timeline", "/final-report", "/persons"):
        await world.as_("officer").must_get(f"/v1/applications/{case}{path}")
    await world.as_("intelligence").must_post("/v1/final-reports/search", {"surname": "Merrick", "born": "1984-02-11"})
    await refused(world, case)
    urls = "\n".join(one for one in asked if "Joanna%20" not in one)
    lines = capfd.readouterr()
    metrics = (await world.http.get("/metrics")).text
    log = "\n".join(str(row) for row in world.rows("SELECT * FROM access_log"))
    people = "\n".join(str(row) for row in world.rows("SELECT * FROM access_log_individual"))
    assert "/v1/applications/{case_id}" in lines.out
    assert len(said) > 60
    assert all(len(found) > 500 for found in (urls, lines.out, metrics, log, people))
    for place, found in {
        "urls": urls,
        "log lines": lines.out + lines.err + caplog.text,
        "metrics": metrics,
        "the log": log + people,
    }.items():
        assert [one for one in said if one in found] == [], place
