"""A provider that is not ours (npm: oidc-provider) signs in a person and a system, over HTTP on this machine.

Run where node is there and npm can install it; named as skipped where not.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from app.access.demonstration import AUDIENCE, BROWSER, secret_of
from app.access.sign_in import CALLBACK
from tests.steps import intake
from tests.steps.sign_in import PUBLIC, Browser, desk
from tests.world import OWN, World

PACKAGE = "oidc-provider@9"
SYSTEM, SYSTEM_SECRET = "control-room-system", "a secret of the system's own, long enough"
RESOURCE = "urn:clares-law:api"
CLAIMS: dict[str, Any] = {
    "claim_roles": "realm_access.roles",
    "claim_force": "force",
    "claim_role_map": {"DVDS-Officers": "public_protection_officer"},
}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="no node here"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the provider in it."""
    folder = tmp_path_factory.mktemp("provider")
    shutil.copy(Path(__file__).with_name("oidc_provider.mjs"), folder)
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", PACKAGE]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm does not get {PACKAGE} from its registry in time")
    if done.returncode:
        pytest.skip(f"npm cannot install {PACKAGE} here")
    return folder


@dataclass
class Running:
    """The provider, answering."""

    issuer: str
    data: Path


@pytest.fixture
def provider(installed: Path, tmp_path: Path) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    data = tmp_path / "data"
    data.mkdir()
    given = {
        "PORT": str(port),
        "REDIRECT_URI": PUBLIC + CALLBACK,
        "BROWSER_SECRET": secret_of(BROWSER, data).read_text(),
        "SYSTEM_SECRET": SYSTEM_SECRET,
        "AUDIENCE": AUDIENCE,
    }
    with (
        (tmp_path / "provider.log").open("wb") as log,
        subprocess.Popen(
            ["node", "oidc_provider.mjs"],
            cwd=installed,
            env=os.environ | given,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as running,
    ):
        try:
            assert running.stdout is not None
            assert any("listening" in line for line in running.stdout), (tmp_path / "provider.log").read_text()
            yield Running(f"http://127.0.0.1:{port}", data)
        finally:
            running.kill()


async def through_its_pages(address: str, login: str) -> str:
    """A person at the provider's own forms; the address that it sends the browser back to."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(address)
        for _ in range(10):
            if answer.is_redirect:
                goes = urljoin(str(answer.url), answer.headers["Location"])
                if goes.startswith(PUBLIC + CALLBACK):
                    return goes
                answer = await http.get(goes)
                continue
            assert answer.status_code == 200, answer.text
            prompt = "login" if 'value="login"' in answer.text else "consent"
            form = {"prompt": prompt} | ({"login": login, "password": "any"} if prompt == "login" else {})
            answer = await http.post(answer.url, data=form)
    raise AssertionError("the provider never sent the browser back")


async def test_a_person_signs_in_at_a_provider_that_is_not_ours(
    world: World, provider: Running, tmp_path: Path
) -> None:
    case = await intake.opened(world)
    async with desk(world, tmp_path, issuer=provider.issuer, step_up_minutes=10, **CLAIMS) as at:
        for query in ("", "?step_up=true"):
            browser = Browser(at.http)
            begun = await browser.get(f"/v1/sign-in{query}")
            assert begun.status_code == 303, begun.text
            back = await through_its_pages(begun.headers["Location"], "newcomer")
            assert f"iss={provider.issuer.replace(':', '%3A').replace('/', '%2F')}" in back
            arrived = await browser.get(back)
            assert arrived.status_code == 303, arrived.text
        me = (await browser.get("/v1/session")).json()
        assert (me["name"], me["force_id"], me["roles"]) == ("Person newcomer", OWN, ["public_protection_officer"])
        assert me["signed_in_at"] is not None, "the provider was asked to sign in anew, and says when"
        assert (await browser.get(f"/v1/applications/{case}", headers={"Access-Reason": "cover"})).status_code == 200
        again = await browser.get(back)
        assert again.status_code == 401
    made = world.rows("SELECT name, roles, force_id FROM staff_member WHERE subject = 'newcomer'")
    assert made == [{"name": "Person newcomer", "roles": ["public_protection_officer"], "force_id": OWN}]


async def test_a_system_comes_in_with_a_token_of_a_provider_that_is_not_ours(
    world: World, provider: Running, tmp_path: Path
) -> None:
    body = {"subject": SYSTEM, "name": "Control room system", "roles": ["control_room", "public_protection_officer"]}
    await world.as_("administrator").must_post("/v1/staff", body)
    async with httpx.AsyncClient(trust_env=False) as http:
        form = {"grant_type": "client_credentials", "resource": RESOURCE, "scope": "cases"}
        given = await http.post(
            f"{provider.issuer}/token", data=form, auth=(SYSTEM, SYSTEM_SECRET.replace(" ", "%20").replace("'", "%27"))
        )
    assert given.status_code == 200, given.text
    bearer = {"Authorization": f"Bearer {given.json()['access_token']}"}
    async with desk(world, tmp_path, issuer=provider.issuer, **CLAIMS) as at:
        me = (await at.http.get("/v1/session", headers=bearer)).json()
        assert (me["roles"], me["by"], me["signed_in_at"]) == (["control_room"], "bearer", None)
        kept = await at.http.post("/v1/applications", json=intake.right_to_ask(world), headers=bearer)
        assert kept.status_code == 201, kept.text
