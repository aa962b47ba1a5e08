"""A person signs in by a browser, a system by its own right; sessions end; foreign pages change nothing."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.steps import intake
from tests.steps.sign_in import ATTEMPT, BUILT_IN, PUBLIC, SESSION, Browser, Desk, desk, token_of_system
from tests.world import OWN, STAFF, World


@pytest.fixture
async def at(world: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """The service with the demonstration's own provider."""
    async with desk(world, tmp_path, built_in=True) as opened:
        yield opened


def logged(world: World, action: str) -> list[dict[str, Any]]:
    return world.rows("SELECT staff_id, refused, force_id FROM access_log WHERE action = %s ORDER BY logged_at", action)


async def test_a_person_signs_in_works_and_signs_out(at: Desk) -> None:
    world = at.world
    case = await intake.opened(world)
    browser = await at.signed_in("officer", return_to="/docs?x=1")
    assert ATTEMPT not in browser.cookies
    me = (await browser.get("/v1/session")).json()
    assert (me["staff_id"], me["by"], me["roles"]) == (
        str(STAFF["officer"].id),
        "session",
        ["public_protection_officer"],
    )
    assert me["ends_unless_used_by"] < me["ends_at"]
    assert (await browser.get(f"/v1/applications/{case}", headers={"Access-Reason": "cover"})).status_code == 200
    token = browser.cookies[SESSION]
    held = world.rows("SELECT token_hash FROM browser_session")
    assert held == [{"token_hash": hashlib.sha256(token.encode()).hexdigest()}]
    assert len(token) == 43, "256 bits"

    assert (await browser.own_page("DELETE", "/v1/session")).status_code == 204
    assert SESSION not in browser.cookies
    browser.cookies[SESSION] = token
    with world.unchanged(refusals=0):
        assert (await browser.get("/v1/session")).status_code == 401
    by = {"staff_id": STAFF["officer"].id, "refused": False, "force_id": OWN}
    assert (logged(world, "sign_in"), logged(world, "sign_out")) == ([by], [by])


async def test_the_way_back_leads_where_the_sign_in_began(at: Desk) -> None:
    browser = at.browser()
    begun = await browser.get("/v1/sign-in?return_to=/docs%3Fx%3D1")
    chosen = await browser.get(f"{begun.headers['Location']}&as=officer")
    back = await browser.get(chosen.headers["Location"])
    assert back.headers["Location"] == "/docs?x=1"


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\nb", "", "/" + "a" * 500, "/é"],
)
async def test_nobody_is_led_elsewhere_after_a_sign_in(at: Desk, path: str) -> None:
    with at.world.unchanged(refusals=0):
        answer = await at.http.get("/v1/sign-in", params={"return_to": path})
    assert answer.status_code == 422


async def test_a_state_is_good_once_in_its_own_browser_and_for_minutes(at: Desk) -> None:
    world, browser = at.world, at.browser()

    async def way_back() -> str:
        begun = await browser.get("/v1/sign-in")
        chosen = await browser.get(f"{begun.headers['Location']}&as=officer")
        return str(chosen.headers["Location"])

    # Another browser, even with a sign-in of its own under way: the attempt is spent all the same.
    address, other = await way_back(), at.browser()
    await other.get("/v1/sign-in")
    assert (await other.get(address)).status_code == 401
    assert (await browser.get(address)).status_code == 401
    # Too late.
    address = await way_back()
    world.execute("UPDATE sign_in_attempt SET expires_at = clock_timestamp()")
    assert (await browser.get(address)).status_code == 401
    # Twice.
    address, cookie = await way_back(), browser.cookies[ATTEMPT]
    assert (await browser.get(address)).status_code == 303
    browser.cookies[ATTEMPT] = cookie
    assert (await browser.get(address)).status_code == 401
    assert len(world.rows("SELECT id FROM browser_session")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"code": ""},
        {"code": "another"},
        {"error": "access_denied", "code": ""},
        {"state": ""},
        {"state": "made-up"},
    ],
)
async def test_an_answer_that_is_not_the_providers_signs_nobody_in(at: Desk, change: dict[str, str]) -> None:
    browser = at.browser()
    begun = await browser.get("/v1/sign-in")
    chosen = await browser.get(f"{begun.headers['Location']}&as=officer")
    given = {name: values[0] for name, values in parse_qs(urlsplit(chosen.headers["Location"]).query).items()}
    answer = await browser.get(f"/v1/sign-in/callback?{urlencode({**given, **change})}")
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:clares-law:problem:sign_in_failed")
    twice = await browser.get(f"/v1/sign-in/callback?{urlencode(given)}&code=other")
    assert twice.status_code == 401
    assert at.world.rows("SELECT id FROM browser_session") == []
    assert SESSION not in browser.cookies


async def test_a_session_ends_by_idleness_and_in_all(at: Desk) -> None:
    world, browser = at.world, await at.signed_in("officer")
    for column, left in (("seen_at", "14 minutes 50 seconds"), ("expires_at", "-10 seconds")):
        world.execute(f"UPDATE browser_session SET {column} = clock_timestamp() - interval '{left}'")
        assert (await browser.get("/v1/session")).status_code == 200, column
    world.execute("UPDATE browser_session SET seen_at = clock_timestamp() - interval '15 minutes'")
    with world.unchanged(refusals=0):
        assert (await browser.get("/v1/session")).status_code == 401
    world.execute("UPDATE browser_session SET seen_at = clock_timestamp()")
    assert (await browser.get("/v1/session")).status_code == 200
    world.execute("UPDATE browser_session SET expires_at = clock_timestamp()")
    assert (await browser.get("/v1/session")).status_code == 401


async def test_a_request_counts_as_use_even_when_it_is_refused(at: Desk) -> None:
    world, browser = at.world, await at.signed_in("officer")
    world.execute("UPDATE browser_session SET seen_at = clock_timestamp() - interval '10 minutes'")
    assert (await browser.get("/v1/access-log")).status_code == 403
    assert world.rows("SELECT id FROM browser_session WHERE seen_at > clock_timestamp() - interval '1 minute'")


async def test_an_administrator_ends_every_session_of_an_account_at_once(at: Desk) -> None:
    world = at.world
    one, two, other = [await at.signed_in(key) for key in ("officer", "officer", "supervisor")]
    path = f"/v1/staff/{STAFF['officer'].id}/sessions"
    for key, status in (("officer", 403), ("other_officer", 403)):
        with world.unchanged():
            token = {"Authorization": f"Bearer {world.as_(key).token}"}
            assert (await world.http.delete(path, headers=token)).status_code == status
    administrator = {"Authorization": f"Bearer {world.as_('administrator').token}"}
    elsewhere = f"/v1/staff/{STAFF['other_officer'].id}/sessions"
    with world.unchanged():
        assert (await world.http.delete(elsewhere, headers=administrator)).status_code == 404
    assert (await world.http.delete(path, headers=administrator)).json() == {"ended": 2}
    assert [(await each.get("/v1/session")).status_code for each in (one, two, other)] == [401, 401, 200]


async def test_a_closed_account_is_signed_out_and_stays_so_when_it_is_opened_again(at: Desk) -> None:
    world, browser = at.world, await at.signed_in("officer")
    administrator, path = world.as_("administrator"), f"/v1/staff/{STAFF['officer'].id}"
    for active in (False, True):
        body = {"roles": ["public_protection_officer"], "active": active}
        assert (await administrator.put(path, body)).status_code == 200
        assert (await browser.get("/v1/session")).status_code == 401


async def test_signing_in_again_in_the_same_browser_ends_the_session_before(at: Desk) -> None:
    browser = await at.signed_in("officer")
    before = browser.cookies[SESSION]
    await at.signed_in("supervisor", browser)
    assert browser.cookies[SESSION] != before
    assert (await Browser(at.http, {SESSION: before}).get("/v1/session")).status_code == 401
    assert (await browser.get("/v1/session")).json()["staff_id"] == str(STAFF["supervisor"].id)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{PUBLIC}.evil.example"},
        {"Origin": PUBLIC, "Sec-Fetch-Site": "cross-site"},
        {"Origin": PUBLIC, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_page_from_elsewhere_changes_nothing_in_the_name_of_who_is_signed_in(
    at: Desk, headers: dict[str, str]
) -> None:
    world, browser = at.world, await at.signed_in("control_room")
    with world.unchanged():
        answer = await browser.send("POST", "/v1/applications", headers=headers, json=intake.right_to_ask(world))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:clares-law:problem:from_elsewhere")
    kept = await browser.own_page("POST", "/v1/applications", json=intake.right_to_ask(world))
    assert kept.status_code == 201, kept.text


async def test_two_proofs_of_who_asks_are_none_whichever_comes_first(at: Desk) -> None:
    browser, other = await at.signed_in("officer"), await at.signed_in("standards")
    token = f"Bearer {at.world.as_('officer').token}"
    mine, theirs = f"{SESSION}={browser.cookies[SESSION]}", f"{SESSION}={other.cookies[SESSION]}"
    for sent in (
        [("Authorization", token), ("Authorization", token)],
        [("Authorization", token), ("Authorization", "Bearer x")],
        [("Authorization", "Basic x"), ("Authorization", token)],
        [("Cookie", f"{mine}; {theirs}")],
        [("Cookie", f"{theirs};a=b;{mine}")],
        [("Cookie", mine), ("Cookie", mine)],
        [("Cookie", f"{mine}; {theirs}"), ("Authorization", token)],
    ):
        with at.world.unchanged(refusals=0):
            answer = await at.http.get("/v1/session", headers=sent)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:clares-law:problem:sent_twice"), sent
    assert (await at.http.get("/v1/session", headers=[("Cookie", f"a=b; {mine}")])).status_code == 200


async def test_each_header_that_says_where_a_request_came_from_must_agree(at: Desk) -> None:
    browser = await at.signed_in("control_room")
    cookie = ("Cookie", f"{SESSION}={browser.cookies[SESSION]}")
    origin, site = ("Origin", PUBLIC), ("Sec-Fetch-Site", "same-origin")
    for sent, status in (
        ([cookie, origin, ("Origin", "https://evil.example")], 403),
        ([cookie, ("Sec-Fetch-Site", "cross-site"), site, origin], 403),
        ([cookie, ("Origin", "same-origin"), site], 403),
        ([cookie, origin, site], 201),
    ):
        answer = await at.http.post("/v1/applications", headers=sent, json=intake.right_to_ask(at.world))
        assert answer.status_code == status, (sent, answer.text)


async def test_a_bearer_token_needs_no_proof_of_origin_and_has_no_session_to_end(at: Desk) -> None:
    world = at.world
    assert (await world.as_("control_room").post("/v1/applications", intake.right_to_ask(world))).status_code == 201
    token = {"Authorization": f"Bearer {world.as_('officer').token}"}
    assert (await world.http.get("/v1/session", headers=token)).json()["by"] == "bearer"
    with world.unchanged():
        assert (await world.http.delete("/v1/session", headers=token)).status_code == 404


async def test_where_no_client_is_configured_nobody_signs_in(world: World) -> None:
    with world.unchanged(refusals=0):
        for path in ("/v1/sign-in", "/v1/sign-in/callback?state=x&code=y"):
            assert (await world.http.get(path)).status_code == 404
        cookie = {"Cookie": f"{SESSION}=made-up"}
        assert (await world.http.get("/v1/session", headers=cookie)).status_code == 401


async def test_a_system_comes_in_by_client_credentials_once_an_administrator_made_its_account(at: Desk) -> None:
    world = at.world
    token = await token_of_system(at)
    bearer = {"Authorization": f"Bearer {token}"}
    with world.unchanged(refusals=0):
        assert (await at.http.get("/v1/session", headers=bearer)).status_code == 401
    body = {"subject": "demo-system", "name": "Control room system", "roles": ["control_room"]}
    await world.as_("administrator").must_post("/v1/staff", body)
    answer = await at.http.post("/v1/applications", json=intake.right_to_ask(world), headers=bearer)
    assert answer.status_code == 201, answer.text
    assert (await at.http.get("/v1/session", headers=bearer)).json()["signed_in_at"] is None


@pytest.mark.parametrize(
    ("form", "auth", "error"),
    [
        ({"grant_type": "client_credentials"}, ("demo-system", "wrong"), "invalid_client"),
        ({"grant_type": "client_credentials"}, None, "invalid_client"),
        ({"grant_type": "password"}, ("demo-system", None), "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, ("demo-system", None), "invalid_grant"),
        ({"grant_type": "client_credentials"}, ("clares-law-browser", None), "unauthorized_client"),
    ],
)
async def test_the_built_in_provider_gives_nothing_to_who_asks_wrongly(
    at: Desk, form: dict[str, str], auth: tuple[str, str | None] | None, error: str
) -> None:
    given = auth and httpx.BasicAuth(auth[0], auth[1] or (at.chosen.data_dir / f"{auth[0]}.secret").read_text())
    answer = await at.http.post(f"{BUILT_IN}/token", data=form, auth=given or httpx.USE_CLIENT_DEFAULT)
    assert (answer.status_code, answer.json()["error"]) == (401 if error == "invalid_client" else 400, error)


async def test_the_built_in_provider_sends_nobody_to_an_address_that_is_not_registered(at: Desk) -> None:
    begun = await at.http.get("/v1/sign-in")
    address = str(begun.headers["Location"])
    for wrong in (
        address.replace("callback", "callbacks"),
        address.replace("S256", "plain"),
        address.replace("response_type=code", "response_type=token"),
        address.replace("client_id=clares", "client_id=glares"),
    ):
        answer = await at.http.get(f"{wrong}&as=officer")
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
    # Its page runs nothing, whatever another page of the service may.
    for page in (answer, await at.http.get(address)):
        assert page.headers["Content-Type"].startswith("text/html")
        assert "script-src" not in page.headers["Content-Security-Policy"]
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
