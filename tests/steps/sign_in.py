"""Signing in: the service with a provider behind it, and a browser that keeps cookies as a browser does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine

from app import clock
from app.access.built_in import BuiltInProvider
from app.access.demonstration import AUDIENCE, BROWSER, ISSUER, SYSTEM, secret_of
from app.access.tokens import DemonstrationIssuer, KeyStore, TokenReader
from app.doors.provided import built_in_of, identity_of
from app.main import Held, create_app, hold
from app.outside.identity import FakeProvider, IdentityProvider, OpenIdProvider, Tokens
from app.settings import Settings
from app.storage.engine import sessions
from tests.world import World

PUBLIC = "http://127.0.0.1:8000"
BUILT_IN = f"{PUBLIC}/identity"
CLIENT = "clares-law-browser"
SESSION, ATTEMPT = "__Host-clares-law", "__Host-clares-law-sign-in"


@dataclass
class Browser:
    """Keeps cookies, follows nothing by itself."""

    http: httpx.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request with the cookies that are held; what the answer sets is kept."""
        held = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**({"Cookie": held} if held else {}), **(headers or {})}
        answer = await self.http.request(method, path, headers=sent, **more)
        for line in answer.headers.get_list("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                assert name.startswith("__Host-"), line
                assert morsel["secure"] and morsel["httponly"] and morsel["path"] == "/" and not morsel["domain"], line
                assert morsel["samesite"] == "lax", line
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.send("GET", path, **more)

    async def own_page(self, method: str, path: str, **more: Any) -> httpx.Response:
        """What a page of the service itself sends."""
        headers = {"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin", **more.pop("headers", {})}
        return await self.send(method, path, headers=headers, **more)


@dataclass
class Desk:
    """The service over a world, with an identity provider behind it."""

    world: World
    app: FastAPI
    http: httpx.AsyncClient
    provider: IdentityProvider
    chosen: Settings

    def browser(self) -> Browser:
        """A fresh one."""
        return Browser(self.http)

    @property
    def fake(self) -> FakeProvider:
        """The provider that redeems what a test has put there."""
        assert isinstance(self.provider, FakeProvider)
        return self.provider

    async def signed_in(self, subject: str, browser: Browser | None = None, **query: Any) -> Browser:
        """Somebody signed in through the built-in provider, as a browser goes."""
        browser = browser or self.browser()
        answer = await browser.get(f"/v1/sign-in?{urlencode(query)}")
        assert answer.status_code == 303, answer.text
        page = await browser.get(answer.headers["Location"])
        assert page.status_code == 200, page.text
        assert f"as={subject}" in page.text
        chosen = await browser.get(f"{answer.headers['Location']}&as={subject}")
        back = await browser.get(chosen.headers["Location"])
        assert back.status_code == 303, back.text
        return browser

    async def came_back(self, browser: Browser, subject: str, *, query: str = "", **claims: Any) -> httpx.Response:
        """A sign-in with an id token as the fake provider makes it; a claim given as None is left out."""
        asked = await self.asked(browser, query)
        code = f"code-{len(self.fake.asked)}-{asked['state'][:6]}"
        access = claims.pop("access_token", None)
        said = {"nonce": asked["nonce"], "name": f"Staff {subject}", **claims}
        audience = said.pop("audience", CLIENT)
        token = self.world.issuer.issue(
            subject,
            now=clock.real_now(),
            lifetime=timedelta(hours=1),
            audience=audience,
            **{name: value for name, value in said.items() if value is not None or name == "auth_time"},
        )
        self.fake.tokens[code] = Tokens(token, access)
        return await browser.get(f"/v1/sign-in/callback?{urlencode({'state': asked['state'], 'code': code})}")

    async def asked(self, browser: Browser, query: str = "") -> dict[str, str]:
        """Begin a sign-in; what the provider was asked for."""
        answer = await browser.get(f"/v1/sign-in{query}")
        assert answer.status_code == 303, answer.text
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@cache
def _service(built_in: bool) -> FastAPI:
    """The service, with the provider's routes or without, built once: what it holds is changed for each test."""
    provider = BuiltInProvider(DemonstrationIssuer(BUILT_IN, AUDIENCE), {}) if built_in else None
    return create_app(
        Held(sessions(create_async_engine("postgresql+psycopg:///nowhere")), _nobody(), built_in=provider)
    )


def _nobody() -> TokenReader:
    return TokenReader(ISSUER, AUDIENCE, KeyStore.from_jwks({"keys": []}))


@asynccontextmanager
async def desk(
    world: World, folder: Path, *, built_in: bool = False, issuer: str | None = None, **settings: Any
) -> AsyncIterator[Desk]:
    """The service with a provider behind it, asked over HTTP: the built-in one, or that of an issuer which runs.

    With neither it is a fake one, which signs with the world's key.
    """
    data = folder / "data"
    data.mkdir(exist_ok=True)
    chosen = Settings(
        data_dir=data,
        token_issuer=issuer or (BUILT_IN if built_in else ISSUER),
        token_audience=AUDIENCE,
        public_url=PUBLIC,
        sign_in_client_id=BROWSER,
        sign_in_client_secret_file=secret_of(BROWSER, data),
        built_in_identity=built_in,
        **settings,
    )
    assert world.api is not None
    itself = _Itself()
    provider: IdentityProvider = FakeProvider(world.issuer.jwks())
    if built_in or issuer:
        provider = OpenIdProvider(str(chosen.token_issuer), timeout=30, transport=itself if built_in else None)
    identity = identity_of(chosen, provider)
    held = Held(world.api.state.sessions, identity.tokens, identity.admission, identity.sign_in, built_in_of(chosen))
    app = _service(built_in)
    hold(app, held)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    itself.inner = transport
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
        yield Desk(world, app, http, provider, chosen)


class _Itself(httpx.AsyncBaseTransport):
    """Leads to the service itself, once it is there."""

    inner: httpx.AsyncBaseTransport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.inner.handle_async_request(request)


async def token_of_system(at: Desk) -> str:
    """A bearer token of the demonstration's system, by client credentials."""
    secret = secret_of(SYSTEM, at.chosen.data_dir).read_text()
    answer = await at.http.post(f"{BUILT_IN}/token", data={"grant_type": "client_credentials"}, auth=(SYSTEM, secret))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])
