"""The identity provider over HTTP: what is believed of it, what is refused, how long one waits."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.outside.identity import Client, CodeRefused, OpenIdProvider, ProviderUnavailable

ISSUER = "https://identity.example/realms/force"
METADATA: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
}
KEYS = {"keys": [{"kid": "one"}]}
ASKED = {"code": "c", "verifier": "v", "redirect_uri": "https://service.example/v1/sign-in/callback"}
Answer = Callable[[httpx.Request], httpx.Response]


def provider(
    answers: dict[str, Answer] | None = None,
    *,
    issuer: str = ISSUER,
    metadata: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[OpenIdProvider, list[httpx.Request]]:
    """A provider that publishes METADATA and KEYS, but for what is given; and what it was asked."""
    seen: list[httpx.Request] = []
    paths: dict[str, Answer] = {
        "/.well-known/openid-configuration": lambda request: httpx.Response(200, json={**METADATA, **(metadata or {})}),
        "/keys": lambda request: httpx.Response(200, json=KEYS),
        "/token": lambda request: httpx.Response(200, json={"id_token": "i", "access_token": "a"}),
        **(answers or {}),
    }

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        found = next(one for path, one in paths.items() if request.url.path.endswith(path))
        return found(request)

    return OpenIdProvider(issuer, transport=httpx.MockTransport(answer), **more), seen


async def test_discovery_is_asked_once_an_hour_and_before_each_fetch_of_the_keys() -> None:
    by, seen = provider()
    assert (await by.endpoints()).authorization == METADATA["authorization_endpoint"]
    await by.endpoints()
    assert len(seen) == 1
    assert await by.key_set() == KEYS
    assert [request.url.path.rsplit("/", 1)[-1] for request in seen[1:]] == ["openid-configuration", "keys"]


async def test_an_issuer_that_ends_with_a_slash_is_found_where_discovery_puts_it() -> None:
    issuer = f"{ISSUER}/"
    by, seen = provider(issuer=issuer, metadata={"issuer": issuer})
    await by.endpoints()
    assert str(seen[0].url) == f"{ISSUER}/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": f"{ISSUER}/"},
        {"issuer": "https://evil.example"},
        {"issuer": [ISSUER]},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://identity.example/keys"},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "//identity.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7},
    ],
)
async def test_metadata_of_another_issuer_or_with_an_unsafe_address_is_not_believed(metadata: dict[str, Any]) -> None:
    by, _ = provider(metadata=metadata)
    with pytest.raises(ProviderUnavailable):
        await by.endpoints()


async def test_a_provider_over_plain_http_keeps_to_its_own_host() -> None:
    here = "http://127.0.0.1:9000"
    of_here = {name: value.replace(ISSUER, here) for name, value in METADATA.items()}
    by, _ = provider(issuer=here, metadata=of_here)
    assert (await by.endpoints()).token == f"{here}/token"
    by, _ = provider(issuer=here, metadata={**of_here, "jwks_uri": "http://elsewhere.example/keys"})
    with pytest.raises(ProviderUnavailable):
        await by.endpoints()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"Location": "https://evil.example"}),
        httpx.Response(404),
        httpx.Response(500, json=METADATA),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[METADATA]),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(200, content=json.dumps({**METADATA, "x": "y" * 2000}).encode()),
    ],
)
async def test_what_is_no_answer_of_use_is_said_to_be_none(answer: httpx.Response) -> None:
    by, _ = provider({"/.well-known/openid-configuration": lambda request: answer}, most_bytes=1000)
    with pytest.raises(ProviderUnavailable):
        await by.endpoints()


async def test_an_answer_that_trickles_in_is_given_up_while_others_go_on() -> None:
    async def trickle(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits that long")

    by = OpenIdProvider(ISSUER, transport=httpx.MockTransport(trickle), timeout=0.05)
    with pytest.raises(ProviderUnavailable, match="TimeoutError"):
        await by.endpoints()


@pytest.mark.parametrize(
    ("ways", "client", "header", "in_form"),
    [
        (None, Client("id", "a b%c"), "Basic aWQ6YSUyMGIlMjVj", set()),
        (["client_secret_basic", "client_secret_post"], Client("id", "s"), "Basic aWQ6cw==", set()),
        (["client_secret_post"], Client("id", "s"), None, {"client_id", "client_secret"}),
        (["none"], Client("id"), None, {"client_id"}),
    ],
)
async def test_a_code_is_redeemed_with_the_verifier_and_the_secret_as_the_provider_takes_it(
    ways: list[str] | None, client: Client, header: str | None, in_form: set[str]
) -> None:
    by, seen = provider(metadata={"token_endpoint_auth_methods_supported": ways})
    tokens = await by.redeem(client, **ASKED)
    assert (tokens.id_token, tokens.access_token) == ("i", "a")
    assert seen[-1].headers.get("Authorization") == header
    form = dict(httpx.QueryParams(seen[-1].content.decode()))
    assert form["code_verifier"] == "v"
    assert set(form) == {"grant_type", "code", "redirect_uri", "code_verifier"} | in_form
    assert repr(client) == "Client(id='id')", "the secret is in no log"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), CodeRefused),
        (httpx.Response(401, json={"error": "invalid_client"}), CodeRefused),
        (httpx.Response(200, json={"access_token": "a"}), CodeRefused),
        (httpx.Response(200, json={"id_token": 1}), CodeRefused),
        (httpx.Response(503), ProviderUnavailable),
        (httpx.Response(200, text="no"), ProviderUnavailable),
    ],
)
async def test_a_code_that_is_not_redeemed_is_refused_and_a_provider_that_fails_is_not_there(
    answer: httpx.Response, error: type[Exception]
) -> None:
    by, _ = provider({"/token": lambda request: answer})
    with pytest.raises(error):
        await by.redeem(Client("id", "s"), **ASKED)
