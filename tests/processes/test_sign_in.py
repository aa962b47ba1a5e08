"""Over real HTTP: the demonstration as it is started signs in a person by a browser's way, and a system by its own."""

import httpx

from app.access.demonstration import SYSTEM
from app.access.rules import Role
from tests.processes.test_run import Demonstration, demonstration, running, tokens_on
from tests.steps.sign_in import Browser

__all__ = ["demonstration"]


async def test_the_demonstration_signs_in_a_person_and_a_system(demonstration: Demonstration) -> None:
    address = f"http://127.0.0.1:{demonstration.port}"
    with running(demonstration) as (_, card, _):
        assert any(f"{address}/v1/sign-in" in line for line in card)
        async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as http:
            browser = Browser(http)
            begun = await browser.get("/v1/sign-in?return_to=/docs")
            assert begun.headers["Location"].startswith(f"{address}/identity/authorize?")
            chosen = await browser.get(f"{begun.headers['Location']}&as=demo-public_protection_supervisor")
            arrived = await browser.get(chosen.headers["Location"])
            assert (arrived.status_code, arrived.headers["Location"]) == (303, "/docs")
            me = (await browser.get("/v1/session")).json()
            assert (me["by"], me["roles"]) == ("session", [Role.PUBLIC_PROTECTION_SUPERVISOR])
            assert len((await browser.get("/v1/applications")).json()["items"]) > 3
            headers = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
            assert (await browser.send("DELETE", "/v1/session", headers=headers)).status_code == 204

            discovered = (await http.get("/identity/.well-known/openid-configuration")).json()
            secret = (demonstration.data / f"{SYSTEM}.secret").read_text()
            asked = {"grant_type": "client_credentials"}
            given = (await http.post(discovered["token_endpoint"], data=asked, auth=(SYSTEM, secret))).json()
            system = {"Authorization": f"Bearer {given['access_token']}"}
            assert (await http.get("/v1/session", headers=system)).status_code == 401, "no account yet"
            administrator = {"Authorization": f"Bearer {tokens_on(card)[Role.ADMINISTRATOR]}"}
            body = {"subject": SYSTEM, "name": "Control room system", "roles": [Role.CONTROL_ROOM]}
            assert (await http.post("/v1/staff", json=body, headers=administrator)).status_code == 201
            assert (await http.get("/v1/session", headers=system)).json()["roles"] == [Role.CONTROL_ROOM]
