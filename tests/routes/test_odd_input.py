"""Bad input gets a clear answer and nothing is lost; a failure tells nobody what was typed."""

import contextlib
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from app.main import doors
from tests.steps import intake
from tests.world import World

NOT_JSON: dict[str, str | bytes] = {
    "a key twice": '{"route": "right_to_ask", "route": "right_to_know"}',
    "NaN": '{"route": NaN}',
    "too large a number": '{"route": 90071992547409930}',
    "an endless number": '{"route": 1e999}',
    "too large a number with a point": '{"route": 1e18}',
    "the first number that is not exact": '{"route": -9007199254740992.0}',
    "half a surrogate pair": '{"route": "\\ud800"}',
    "NUL": '{"route": "\\u0000"}',
    "too deep": '{"route": ' + "[" * 40 + "]" * 40 + "}",
    "far too deep": "[" * 20_000,
    "cut off": '{"route": ',
    "not UTF-8": b"\xff\xfe",
}
NUMBERS = {
    "too large a number",
    "an endless number",
    "too large a number with a point",
    "the first number that is not exact",
}
NAMED = {*NUMBERS, "half a surrogate pair", "NUL"}


@pytest.mark.parametrize("case", NOT_JSON)
async def test_what_no_record_could_keep_is_a_clear_422(world: World, case: str) -> None:
    headers = {"Authorization": f"Bearer {world.as_('control_room').token}", "Content-Type": "application/json"}
    with world.unchanged(refusals=0):
        answer = await world.http.post("/v1/applications", content=NOT_JSON[case], headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["fields"][0]["field"] == ("body.route" if case in NAMED else "body")


async def test_no_body_carries_a_number_that_no_leaf_could_keep(world: World) -> None:
    """Wherever it stands, and whatever form reads it."""
    asked = 0
    with world.unchanged(refusals=0):
        for door in doors():
            for method in (door.methods or set()) - {"GET", "HEAD", "DELETE"}:
                for typed in ("1e18", "-1e18", "9007199254740992.0", "9007199254740993"):
                    path = re.sub(r"{[^}]+}", str(uuid4()), door.path)
                    content = f'{{"within": [{{"of": {typed}}}]}}'
                    headers = {"Content-Type": "application/json"}
                    answer = await world.http.request(method, path, content=content, headers=headers)
                    assert answer.status_code == 422, (door.path, answer.text)
                    assert answer.json()["fields"] == [
                        {"field": "body.within.0.of", "says": "A number is out of range."}
                    ], door.path
                    asked += 1
    assert asked > 200


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00", "1770000000", 1770000000])
async def test_a_time_that_cannot_be_is_a_clear_422(world: World, moment: object) -> None:
    body = intake.right_to_ask(world, first_contact_at=moment)
    with world.unchanged():
        answer = await world.as_("control_room").post("/v1/applications", body)
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["field"] == "body.first_contact_at"


async def test_methods_that_no_route_has_are_405_with_what_is_allowed(world: World) -> None:
    for method, path, allowed in (
        ("POST", "/openapi.json", {"GET", "HEAD"}),
        ("DELETE", "/docs", {"GET"}),
        ("PUT", "/v1/applications", {"GET", "POST"}),
    ):
        answer = await world.http.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == allowed, path


@pytest.mark.parametrize("cursor", ["x", "WyLCsiJd", "W10=", "bnVsbA==", "WyIyMDI2IiwgIngiXQ=="])
async def test_a_cursor_that_is_not_ours_is_a_clear_422(world: World, cursor: str) -> None:
    case = await intake.opened(world)
    for path in ("/v1/applications", f"/v1/applications/{case}/timeline", "/v1/alerts"):
        answer = await world.as_("supervisor").get(path, params={"cursor": cursor})
        assert answer.status_code == 422, (path, answer.text)


async def test_a_failure_is_a_500_whose_log_line_tells_no_name(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(self: AsyncSession) -> None:
        raise RuntimeError("duplicate row (Merrick, Joanna Tarrant, 4 Quarry Lane)")

    monkeypatch.setattr(AsyncSession, "commit", fail)
    answer = await world.as_("control_room").post("/v1/applications", intake.right_to_ask(world))
    monkeypatch.undo()
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
    said = capsys.readouterr()
    for secret in ("Merrick", "Tarrant", "Quarry"):
        assert secret not in said.out + said.err + answer.text
    assert "RuntimeError" in said.out + said.err


async def test_a_partner_reads_no_record_beyond_the_item(world: World) -> None:
    case = await intake.opened(world)
    records = [
        door.path
        for door in doors()
        if door.path.startswith("/v1/applications/{case_id}/") and "GET" in (door.methods or ())
    ]
    refused = 0
    for path in records:
        if path.count("{") == 1 and not path.endswith("/clocks"):
            answer = await world.as_("idva").get(path.replace("{case_id}", case))
            assert answer.status_code == 403, path
            refused += 1
    assert refused > 25


async def test_whoever_hangs_up_within_the_body_is_no_failure_of_the_service(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"route": '
        raise ClientDisconnect

    headers = {"Authorization": f"Bearer {world.as_('control_room').token}", "Content-Type": "application/json"}
    with world.unchanged(refusals=0), contextlib.suppress(AssertionError):  # no answer comes, and none can
        await world.http.post("/v1/applications", content=body(), headers=headers)
    logged = capsys.readouterr().out
    assert '"status": 499' in logged
    assert '"level": "error"' not in logged
