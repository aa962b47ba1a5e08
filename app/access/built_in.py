"""The demonstration's identity provider: a small standard one, at which anybody signs in as anybody.

Authorization code with PKCE for people, client credentials for systems. What it knows it keeps in memory: it lives in
the one API process of a demonstration. Production refuses it.

Source: OpenID Connect Core 1.0, Discovery 1.0; RFC 6749, 7636, 9068, 9207.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.sessions import new_secret
from app.access.sign_in import challenge_of
from app.access.tables import StaffMember
from app.access.tokens import DemonstrationIssuer

CODE_LASTS = timedelta(minutes=1)
TOKEN_LASTS = timedelta(hours=1)
MOST_CODES = 1000
"""Codes that wait to be redeemed; the oldest are forgotten."""


class AskedWrongly(Exception):
    """An OAuth error: `code` for the client, the text for its developer."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


@dataclass(frozen=True)
class Person:
    """Somebody whom one can be, and as what."""

    subject: str
    name: str
    roles: tuple[str, ...]


async def people(session: AsyncSession) -> list[Person]:
    """Everybody with an account in the demonstration."""
    found = await session.scalars(select(StaffMember).where(col(StaffMember.active)).order_by(col(StaffMember.name)))
    return [Person(one.subject, one.name, tuple(one.roles)) for one in found]


@dataclass(frozen=True)
class Registered:
    """A client that the provider knows: with addresses to send people back to, or a system with a right of its own."""

    id: str
    secret: str = field(repr=False)
    redirect_uris: frozenset[str] = frozenset()
    is_system: bool = False


@dataclass(frozen=True)
class Authorization:
    """What a client asked for: a request that is in order."""

    client: Registered
    redirect_uri: str
    challenge: str
    state: str | None
    nonce: str | None


@dataclass(frozen=True)
class _Code:
    asked: Authorization
    who: Person
    authenticated_at: datetime
    expires_at: datetime


@dataclass
class BuiltInProvider:
    """Signs with the demonstration's key for the clients that it knows by their ids."""

    issuer: DemonstrationIssuer
    clients: Mapping[str, Registered]
    _codes: dict[str, _Code] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """What the discovery document says (Discovery 1.0, section 3)."""
        at = self.issuer.issuer
        return {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "jwks_uri": f"{at}/jwks",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile"],
            "claims_supported": ["sub", "name", "auth_time", "nonce", "azp", "at_hash"],
            "prompt_values_supported": ["login"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorization(self, asked: Mapping[str, str]) -> Authorization:
        """The request of an authorization, checked. Raises AskedWrongly, which is shown and sent back nowhere."""
        client = self.clients.get(asked.get("client_id", ""))
        if client is None or asked.get("redirect_uri") not in client.redirect_uris:
            raise AskedWrongly("invalid_request", "No client is registered with that id and that redirect_uri.")
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            raise AskedWrongly("invalid_request", "Ask with response_type=code and a scope that has openid.")
        challenge = asked.get("code_challenge", "")
        if asked.get("code_challenge_method") != "S256" or len(challenge) != len(challenge_of("")):
            raise AskedWrongly("invalid_request", "Ask with code_challenge_method=S256 and its code_challenge.")
        return Authorization(client, asked["redirect_uri"], challenge, asked.get("state"), asked.get("nonce"))

    def sign_in(self, asked: Authorization, who: Person, *, now: datetime) -> str:
        """Where the browser goes once somebody has been chosen. Whoever chooses signs in at `now`, each time anew."""
        code = new_secret()
        while len(self._codes) >= MOST_CODES:
            self._codes.pop(next(iter(self._codes)))
        self._codes[code] = _Code(asked, who, now, now + CODE_LASTS)
        given = {"code": code, "iss": self.issuer.issuer} | ({"state": asked.state} if asked.state else {})
        return f"{asked.redirect_uri}?{urlencode(given)}"

    def tokens(self, form: Mapping[str, str], authorization: str | None, *, now: datetime) -> dict[str, Any]:
        """The answer of the token endpoint. Raises AskedWrongly."""
        client = self._client(form, authorization)
        match form.get("grant_type"):
            case "authorization_code":
                return self._redeem(client, form, now=now)
            case "client_credentials" if client.is_system:
                # A system signs in nowhere: it has no auth_time, and so never takes one of the gravest decisions.
                return self._answer(self._access_token(client.id, client, None, now=now))
            case "client_credentials":
                raise AskedWrongly("unauthorized_client", "That client is not a system.")
            case _:
                raise AskedWrongly("unsupported_grant_type", "Ask for authorization_code or client_credentials.")

    def _client(self, form: Mapping[str, str], authorization: str | None) -> Registered:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        if authorization is not None:
            kind, _, encoded = authorization.partition(" ")
            try:
                given = base64.b64decode(encoded, validate=True).decode() if kind.lower() == "basic" else ""
            except (binascii.Error, UnicodeDecodeError):
                given = ""
            name, secret = (unquote(part) for part in given.partition(":")[::2])
        client = self.clients.get(name)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise AskedWrongly("invalid_client", "The client's id and secret do not fit.")
        return client

    def _redeem(self, client: Registered, form: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or now >= code.expires_at or code.asked.client != client:
            raise AskedWrongly("invalid_grant", "The code is not known, spent, too old or another client's.")
        if form.get("redirect_uri") != code.asked.redirect_uri:
            raise AskedWrongly("invalid_grant", "The redirect_uri is not the one that the code was sent to.")
        verifier = form.get("code_verifier", "")
        if not verifier.isascii() or not hmac.compare_digest(challenge_of(verifier), code.asked.challenge):
            raise AskedWrongly("invalid_grant", "The code_verifier does not answer the code_challenge.")
        signed_in = int(code.authenticated_at.timestamp())
        access_token = self._access_token(code.who.subject, client, signed_in, now=now)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        nonce = {"nonce": code.asked.nonce} if code.asked.nonce else {}
        id_token = self.issuer.issue(
            code.who.subject,
            now=now,
            lifetime=TOKEN_LASTS,
            audience=client.id,
            auth_time=signed_in,
            azp=client.id,
            at_hash=base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            name=code.who.name,
            **nonce,
        )
        return self._answer(access_token) | {"id_token": id_token}

    def _access_token(self, subject: str, client: Registered, signed_in: int | None, *, now: datetime) -> str:
        return self.issuer.issue(subject, now=now, lifetime=TOKEN_LASTS, auth_time=signed_in, client_id=client.id)

    def _answer(self, access_token: str) -> dict[str, Any]:
        seconds = int(TOKEN_LASTS.total_seconds())
        return {"access_token": access_token, "token_type": "Bearer", "expires_in": seconds}
