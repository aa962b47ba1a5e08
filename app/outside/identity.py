"""The identity provider: what it publishes of itself, its keys, and the exchange of a code for tokens.

OpenID Connect Discovery 1.0, Core 1.0; RFC 6749 (section 4.1.3), 7636 (PKCE), 8414, 9207. What comes is limited in time
and size, no redirect is followed, and every address that the provider names must be as safe as its own.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx

from app.errors import Unauthenticated, Unavailable

TIMEOUT_SECONDS = 5.0
"""For each whole answer, since somebody waits for it."""
MOST_BYTES = 512 * 1024
KEPT_SECONDS = 3600.0
"""How long what the provider says of itself is believed."""

_WELL_KNOWN = "/.well-known/openid-configuration"


class ProviderUnavailable(Unavailable):
    """No answer of the identity provider, or one that is none; try again."""

    code = "provider_unavailable"


class CodeRefused(Unauthenticated):
    """The provider gives no tokens for this code."""

    code = "sign_in_failed"


@dataclass(frozen=True)
class Endpoints:
    """What of a provider's metadata is used here."""

    authorization: str
    token: str
    keys: str
    secret_in_header: bool = True
    """Whether the client's secret travels as HTTP Basic (the standard's default) or in the form."""


@dataclass(frozen=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Client:
    """Ourselves as the provider knows us; no secret: a public client, held by PKCE alone."""

    id: str
    secret: str | None = field(default=None, repr=False)


class IdentityProvider(Protocol):
    """A provider of OpenID Connect."""

    async def endpoints(self) -> Endpoints:
        """Where to send people and ask for tokens and keys. Raises ProviderUnavailable."""
        ...

    async def key_set(self) -> Mapping[str, Any]:
        """The JSON Web Key Set, as it is published now. Raises ProviderUnavailable."""
        ...

    async def redeem(self, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """Exchange a code for tokens, once. Raises CodeRefused or ProviderUnavailable."""
        ...


class OpenIdProvider:
    """The provider whose issuer is configured, over httpx."""

    def __init__(
        self,
        issuer: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        most_bytes: int = MOST_BYTES,
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`timeout` is in seconds and for each whole answer; `transport` is the network unless a test brings one.

        Its certificate must verify by the authorities in `ca_file`, else by the public ones.
        """
        self._issuer, self._timeout, self._most_bytes, self._transport = issuer, timeout, most_bytes, transport
        self._known: tuple[Endpoints, float] | None = None
        # Made once: it reads a file of certificates, for which no request is to wait.
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()

    async def endpoints(self) -> Endpoints:
        """As the protocol says; asked for anew after an hour."""
        if self._known is not None and time.monotonic() - self._known[1] < KEPT_SECONDS:
            return self._known[0]
        found = await self._json("GET", self._issuer.rstrip("/") + _WELL_KNOWN)
        self._known = (self._read(found), time.monotonic())
        return self._known[0]

    async def key_set(self) -> Mapping[str, Any]:
        """As the protocol says. Where the keys are is asked anew, too: providers move them."""
        self._known = None
        return await self._json("GET", (await self.endpoints()).keys)

    async def redeem(self, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """As the protocol says."""
        at = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth: httpx.BasicAuth | None = None
        if client.secret is not None and at.secret_in_header:
            # Both halves form-encoded first (RFC 6749, 2.3.1).
            auth = httpx.BasicAuth(quote(client.id, safe=""), quote(client.secret, safe=""))
        else:
            form["client_id"] = client.id
            if client.secret is not None:
                form["client_secret"] = client.secret
        found = await self._json("POST", at.token, data=form, auth=auth)
        id_token, access_token = found.get("id_token"), found.get("access_token")
        if not isinstance(id_token, str):
            raise CodeRefused("The identity provider answered without saying who signed in.")
        return Tokens(id_token, access_token if isinstance(access_token, str) else None)

    def _read(self, metadata: Mapping[str, Any]) -> Endpoints:
        if metadata.get("issuer") != self._issuer:
            raise ProviderUnavailable("The identity provider calls itself by another name than the one configured.")
        named = [metadata.get(f"{name}_endpoint") for name in ("authorization", "token")] + [metadata.get("jwks_uri")]
        if not all(isinstance(one, str) and self._as_safe(one) for one in named):
            raise ProviderUnavailable("The identity provider names an address that is missing or not safe to use.")
        authorization, token, keys = (str(one) for one in named)
        ways = metadata.get("token_endpoint_auth_methods_supported")
        in_header = not isinstance(ways, list) or "client_secret_basic" in ways
        return Endpoints(authorization, token, keys, in_header)

    def _as_safe(self, address: str) -> bool:
        parts, own = urlsplit(address), urlsplit(self._issuer)
        if parts.scheme == "https":
            return parts.hostname is not None
        return (parts.scheme, parts.hostname) == ("http", own.hostname) and own.scheme == "http"

    async def _json(self, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
        try:
            async with (
                asyncio.timeout(self._timeout),
                # A provider on this machine is never behind a proxy.
                httpx.AsyncClient(
                    transport=self._transport,
                    verify=self._tls,
                    timeout=self._timeout,
                    follow_redirects=False,
                    trust_env=self._issuer.startswith("https://"),
                    headers={"Accept": "application/json"},
                ) as http,
                http.stream(method, url, **sent) as answer,
            ):
                raw = bytearray()
                async for part in answer.aiter_bytes():
                    raw += part
                    if len(raw) > self._most_bytes:
                        raise ProviderUnavailable("The identity provider's answer is too long.")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise ProviderUnavailable(f"The identity provider gave no whole answer ({type(error).__name__}).") from None
        if method == "POST" and answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            raise CodeRefused("The identity provider refused the sign-in. Begin it again.")
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if answer.status_code != HTTPStatus.OK or not isinstance(found, dict):
            raise ProviderUnavailable(f"The identity provider answered {answer.status_code}, and no JSON of use.")
        return found


@dataclass
class FakeProvider:
    """Publishes what it is given; redeems each code of `tokens` once and keeps what it was asked with."""

    keys: Mapping[str, Any]
    at: Endpoints = field(
        default_factory=lambda: Endpoints("https://idp.example/authorize", "https://idp.example/token", "unused")
    )
    tokens: dict[str, Tokens] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    fetched: int = 0

    async def endpoints(self) -> Endpoints:
        """Where the fake would be."""
        return self.at

    async def key_set(self) -> Mapping[str, Any]:
        """The keys, counted."""
        self.fetched += 1
        return self.keys

    async def redeem(self, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """The tokens of the code, which is then spent."""
        self.asked.append((code, verifier, redirect_uri))
        found = self.tokens.pop(code, None)
        if found is None:
            raise CodeRefused("The identity provider refused the sign-in. Begin it again.")
        return found
