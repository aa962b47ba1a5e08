"""What the provider claims: id tokens that are not believed, roles and force that both sides must agree on."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest

from app import clock
from app.access.claimed import ClaimNames, claimed_by
from app.access.demonstration import AUDIENCE
from app.access.rules import Role
from app.access.sign_in import challenge_of
from app.misuse.facts import accounts
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.access.forging import b64
from tests.routes.test_withholding import opened
from tests.steps import intake
from tests.steps.sign_in import CLIENT, SESSION, Desk, desk
from tests.world import OTHER, OWN, STAFF, World

CLAIMS: dict[str, Any] = {
    "claim_roles": "realm_access.roles",
    "claim_force": "force",
    "claim_agency": "agency",
    "claim_role_map": {"DVDS-Officers": "public_protection_officer", "DVDS-Forum": "forum_member"},
}


@pytest.fixture
async def at(world: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """The service with a provider whose claims are not asked for: accounts alone decide."""
    async with desk(world, tmp_path) as opened:
        yield opened


@pytest.fixture
async def asking(world: World, tmp_path: Path) -> AsyncIterator[Desk]:
    """The service with a provider that is asked for roles, force and agency."""
    async with desk(world, tmp_path, **CLAIMS) as opened:
        yield opened


def says(*roles: str, force: str | None = OWN, **more: Any) -> dict[str, Any]:
    """The claims of somebody with the provider's names of roles."""
    return {"realm_access": {"roles": list(roles)}, "force": force, **more}


def account(world: World, subject: str) -> dict[str, Any] | None:
    query = "SELECT name, roles, claimed_roles, force_id, agency_id, compared FROM staff_member WHERE subject = %s"
    found = world.rows(query, subject)
    return found[0] if found else None


# Id tokens.


async def test_a_sign_in_asks_with_pkce_and_nonce_and_redeems_with_the_same(at: Desk) -> None:
    browser = at.browser()
    asked = await at.asked(browser, "?step_up=true")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid profile"
    assert asked["redirect_uri"].endswith("/v1/sign-in/callback")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    kept = at.world.rows("SELECT t::text AS kept FROM sign_in_attempt t")[0]["kept"]
    secret = browser.cookies["__Host-clares-law-sign-in"]
    assert not any(one in kept for one in (asked["state"], asked["nonce"], asked["code_challenge"], secret))
    assert (await at.came_back(browser, "officer")).status_code == 303
    _, verifier, redirect_uri = at.fake.asked[-1]
    assert redirect_uri == asked["redirect_uri"]
    assert 43 <= len(verifier) <= 128
    assert challenge_of(verifier) != asked["code_challenge"], "each attempt has a verifier of its own"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["x"]},
        {"audience": AUDIENCE},
        {"azp": "another-client"},
        {"at_hash": "x"},
        {"at_hash": "x", "access_token": "token"},
        {"nbf": 4_000_000_000},
        {"auth_time": 4_000_000_000},
        {"auth_time": "now"},
        {"auth_time": None, "query": "?step_up=true"},
    ],
)
async def test_an_id_token_that_is_not_the_answer_signs_nobody_in(at: Desk, claims: dict[str, Any]) -> None:
    browser = at.browser()
    answer = await at.came_back(browser, "officer", **claims)
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:clares-law:problem:sign_in_failed")
    assert at.world.rows("SELECT id FROM browser_session") == []
    assert SESSION not in browser.cookies


async def test_an_id_token_with_azp_and_at_hash_that_fit_is_believed(at: Desk) -> None:
    fits = b64(hashlib.sha256(b"token").digest()[:16])
    browser = at.browser()
    answer = await at.came_back(browser, "officer", azp=CLIENT, at_hash=fits, access_token="token")
    assert answer.status_code == 303, answer.text


async def test_somebody_unknown_or_closed_is_not_let_in_and_the_known_leave_a_row(at: Desk) -> None:
    world = at.world
    assert (await at.came_back(at.browser(), "stranger")).status_code == 401
    assert world.rows("SELECT * FROM access_log") == []
    assert account(world, "stranger") is None
    world.execute("UPDATE staff_member SET active = false WHERE subject = 'officer'")
    assert (await at.came_back(at.browser(), "officer")).status_code == 401
    logged = world.rows("SELECT action, staff_id, refused, force_id FROM access_log")
    assert logged == [{"action": "sign_in", "staff_id": STAFF["officer"].id, "refused": True, "force_id": OWN}]


async def test_without_configured_claims_the_account_alone_decides(at: Desk) -> None:
    browser = at.browser()
    assert (await at.came_back(browser, "officer", **says("forum_chair", force=OTHER))).status_code == 303
    assert (await browser.get("/v1/session")).json()["roles"] == ["public_protection_officer"]
    kept = account(at.world, "officer")
    assert kept and (kept["roles"], kept["claimed_roles"]) == (["public_protection_officer"], None)


# Roles and force.


@pytest.mark.parametrize(
    ("claims", "status", "roles"),
    [
        (says("DVDS-Officers"), 200, ["public_protection_officer"]),
        (says("public_protection_officer", "administrator"), 200, ["public_protection_officer"]),
        (says("DVDS-Forum"), 200, []),
        (says(), 200, []),
        ({"force": OWN}, 200, []),
        (says("DVDS-Officers", force=OTHER), 401, None),
        (says("DVDS-Officers", force=None), 401, None),
        (says("DVDS-Officers", agency="northmoor-idva"), 401, None),
        ({"realm_access": "public_protection_officer", "force": OWN}, 200, []),
        (
            {"realm_access": {"roles": "public_protection_officer auditor"}, "force": [OWN]},
            200,
            ["public_protection_officer"],
        ),
        ({"realm_access": {"roles": [{"a": 1}, 7, None]}, "force": OWN}, 200, []),
    ],
)
async def test_a_bearer_token_has_the_rights_that_account_and_token_agree_on(
    asking: Desk, claims: dict[str, Any], status: int, roles: list[str] | None
) -> None:
    given = {name: value for name, value in claims.items() if value is not None}
    token = asking.world.issuer.issue("officer", now=clock.real_now(), lifetime=timedelta(hours=1), **given)
    with asking.world.unchanged(refusals=0):
        answer = await asking.http.get("/v1/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status, answer.text
    assert answer.json().get("roles") == roles


@pytest.mark.parametrize("stored", ["head_of_public_protection", "public_protection_supervisor"])
async def test_a_role_that_the_token_does_not_claim_opens_no_restricted_case(asking: Desk, stored: str) -> None:
    world = asking.world
    world.execute("UPDATE staff_member SET roles = %s WHERE subject = 'head'", ["public_protection_officer", stored])
    case = await opened(world)
    found = {}
    for roles in (("DVDS-Officers", stored), ("DVDS-Officers",)):
        token = world.issuer.issue("head", now=clock.real_now(), lifetime=timedelta(hours=1), **says(*roles))
        sent = {"Authorization": f"Bearer {token}", "Access-Reason": "cover"}
        read = await asking.http.get(f"/v1/applications/{case}", headers=sent)
        listed = await asking.http.get("/v1/applications", headers=sent)
        duties = await asking.http.get("/v1/duties", headers=sent)
        found[roles] = read.status_code, case in listed.text, case in duties.text
    assert list(found.values()) == [(200, True, True), (404, False, False)]


async def test_a_calendars_address_shows_no_more_than_the_last_sign_in_claimed(asking: Desk) -> None:
    world, browser = asking.world, asking.browser()
    assert (await asking.came_back(browser, "officer", **says("DVDS-Officers"))).status_code == 303
    await intake.opened(world)
    world.execute("UPDATE application SET assigned_to = %s", STAFF["officer"].id)
    path = (await browser.own_page("POST", "/v1/calendar-feeds")).json()["path"]
    assert "BEGIN:VEVENT" in (await asking.http.get(path)).text
    given = says()
    assert (await asking.came_back(asking.browser(), "officer", **given)).status_code == 303
    world.execute("UPDATE staff_member SET roles = '{public_protection_officer}' WHERE subject = 'officer'")
    assert (await asking.http.get(path)).status_code == 404


async def test_a_role_revoked_at_either_side_is_gone_at_the_next_request(asking: Desk) -> None:
    world, browser = asking.world, asking.browser()
    assert (await asking.came_back(browser, "officer", **says("DVDS-Officers"))).status_code == 303
    assert (await browser.get("/v1/applications")).status_code == 200
    administrator, path = world.as_("administrator"), f"/v1/staff/{STAFF['officer'].id}"
    await administrator.put(path, {"roles": ["control_room"]})
    assert (await browser.get("/v1/session")).json()["roles"] == [], "the token does not claim the new one"
    with world.unchanged():
        assert (await browser.get("/v1/applications")).status_code == 403
    await administrator.put(path, {"roles": ["public_protection_officer"]})
    assert (await asking.came_back(browser, "officer", **says())).status_code == 303
    assert (await browser.get("/v1/applications")).status_code == 403, "the provider claims it no longer"


async def test_the_first_sign_in_of_somebody_unknown_makes_the_account(asking: Desk) -> None:
    world, browser = asking.world, asking.browser()
    answer = await asking.came_back(browser, "new-one", **says("DVDS-Officers", "Payroll", name="PC Ann Ew"))
    assert answer.status_code == 303, answer.text
    assert account(world, "new-one") == {
        "name": "PC Ann Ew",
        "roles": ["public_protection_officer"],
        "claimed_roles": ["public_protection_officer"],
        "force_id": OWN,
        "agency_id": None,
        "compared": False,
    }
    assert (await browser.get("/v1/applications")).status_code == 200
    assert world.rows("SELECT category FROM access_log WHERE action = 'sign_in'") == [{"category": "collection"}]
    partner = await asking.came_back(
        asking.browser(), "new-partner", **says("DVDS-Forum", force=None, agency="northmoor-idva")
    )
    assert partner.status_code == 303, partner.text
    made = account(world, "new-partner")
    assert made and (made["force_id"], made["agency_id"], made["roles"]) == (None, "northmoor-idva", ["forum_member"])


@pytest.mark.parametrize(
    "claims",
    [
        says(),
        says("Payroll"),
        says("DVDS-Officers", force="nowhere"),
        says("DVDS-Officers", force=None),
        says("DVDS-Officers", agency="nowhere"),
        says("DVDS-Forum", force=OTHER, agency="northmoor-idva"),
        says("DVDS-Officers", agency="northmoor-idva"),
        says("administrator", "DVDS-Officers"),
        says("DVDS-Officers", name="line\nbreak"),
    ],
)
async def test_somebody_unknown_whose_claims_do_not_fit_gets_no_account(asking: Desk, claims: dict[str, Any]) -> None:
    with asking.world.unchanged(refusals=0):
        assert (await asking.came_back(asking.browser(), "new-one", **claims)).status_code == 401


async def test_later_sign_ins_keep_the_account_in_line_and_what_an_administrator_took_stays_taken(asking: Desk) -> None:
    world = asking.world

    async def sign_in(*roles: str, name: str = "PC Ann Ew") -> list[str]:
        answer = await asking.came_back(asking.browser(), "new-one", **says(*roles, name=name))
        assert answer.status_code == 303, answer.text
        kept = account(world, "new-one")
        assert kept and kept["name"] == name
        return list(kept["roles"])

    officer, member, chair = "public_protection_officer", "forum_member", "forum_chair"
    assert await sign_in(officer, member) == [officer, member]
    world.execute("UPDATE staff_member SET compared = true WHERE subject = 'new-one'")
    staff_id = world.rows("SELECT id FROM staff_member WHERE subject = 'new-one'")[0]["id"]
    await world.as_("administrator").put(f"/v1/staff/{staff_id}", {"roles": [officer]})
    assert await sign_in(officer, member) == [officer]
    assert await sign_in(officer) == [officer]
    assert await sign_in(officer, member) == [officer], "a group that its owner leaves and joins gives nothing back"
    assert await sign_in(officer, member, chair) == [officer, chair]
    assert await sign_in(member, chair) == [chair]
    world.execute("UPDATE staff_member SET compared = true WHERE subject = 'new-one'")
    assert await sign_in(chair, name="DS Ann Other") == [chair]
    kept = account(world, "new-one")
    assert kept and kept["compared"] is False, "a new name is compared with the parties of every case (H2.8)"
    keys = world.rows("SELECT name_keys FROM staff_member WHERE subject = 'new-one'")[0]["name_keys"]
    assert {"other", "ew"} <= set(keys), "a former name is compared as well"
    await world.as_("administrator").put(f"/v1/staff/{staff_id}", {"roles": [chair, member]})
    given_back = await sign_in(chair, member, name="DS Ann Other")
    assert set(given_back) == {chair, member}, "an administrator gives it back"


async def test_a_new_name_makes_nobody_a_stranger_to_a_case(asking: Desk) -> None:
    world = asking.world
    for name in ("PC Alan Merrick", "PC Alan Ew"):
        answer = await asking.came_back(asking.browser(), "new-one", **says("DVDS-Officers", name=name))
        assert answer.status_code == 303, answer.text
    world.execute("UPDATE staff_member SET compared = true")
    case = await intake.opened(world)
    new = world.rows("SELECT id, compared, former_surnames FROM staff_member WHERE subject = 'new-one'")[0]
    assert new["former_surnames"] == ["alanmerrick", "merrick"]
    withheld = world.rows("SELECT case_id, kind FROM case_access WHERE staff_id = %s", new["id"])
    assert [(str(one["case_id"]), one["kind"]) for one in withheld] == [(case, "excluded")]
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine)() as session:
        account = (await accounts(session, [new["id"]]))[new["id"]]
    await engine.dispose()
    assert {"merrick", "ew"} <= account.surnames
    assert {"merrick", "ew"} <= set(account.keys)


async def test_a_sign_in_waits_for_the_administrator_who_closes_the_account(asking: Desk) -> None:
    world = asking.world
    assert (await asking.came_back(asking.browser(), "officer", **says("DVDS-Officers"))).status_code == 303
    with psycopg.connect(conninfo(world.url)) as administers:
        administers.execute("UPDATE staff_member SET active = false WHERE subject = 'officer'")
        coming = asyncio.create_task(asking.came_back(asking.browser(), "officer", **says("DVDS-Officers")))
        await asyncio.wait([coming], timeout=2)
        assert not coming.done(), "it waits for what is being changed"
        administers.execute("UPDATE browser_session SET ended_at = now(), ended_because = 'account_closed'")
        administers.commit()
    assert (await coming).status_code == 401
    assert world.rows("SELECT 1 FROM browser_session WHERE ended_at IS NULL") == []


async def test_claims_that_nobody_may_hold_together_refuse_a_known_account_and_change_nothing(asking: Desk) -> None:
    world = asking.world
    assert (await asking.came_back(asking.browser(), "new-one", **says("DVDS-Officers"))).status_code == 303
    with world.unchanged():
        answer = await asking.came_back(asking.browser(), "new-one", **says("DVDS-Officers", "administrator"))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:clares-law:problem:roles_do_not_fit")


def test_a_claim_is_found_by_its_own_name_before_its_path() -> None:
    names = ClaimNames(
        roles="https://northmoor.example/roles", force="org.force", role_of=MappingProxyType({"a": "auditor"})
    )
    said = claimed_by({"https://northmoor.example/roles": ("a", "x"), "org": {"force": "northmoor"}}, names)
    assert (said.roles, said.force) == (frozenset({Role.AUDITOR}), "northmoor")
    assert claimed_by({"org": "x"}, names).force is None
    assert claimed_by({"org.force": "y", "org": {"force": "x"}}, names).force == "y"
