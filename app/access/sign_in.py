"""Signing a person in by the identity provider: authorization code with PKCE, bound to the browser that began it.

The browser holds one random secret for the time of the sign-in; `nonce` and PKCE's verifier are made from it and the
`state`, so that the row kept here, two SHA-256, helps nobody who reads it.

Source: OpenID Connect Core 1.0 (3.1), RFC 7636, 9207.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import bindparam, delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.claims import Claims, TokenRefused
from app.access.sessions import hashed, new_secret
from app.access.tables import SignInAttempt
from app.access.tokens import TokenReader
from app.errors import NotFound, Unauthenticated
from app.outside.identity import Client, IdentityProvider, Tokens
from app.storage.base import columns_of, table_of
from app.storage.statements import row, rows, write

LASTS = timedelta(minutes=10)
"""How long somebody may take at the provider."""
CALLBACK = "/v1/sign-in/callback"
_HALF = 16  # bytes: an id token repeats the left half of the SHA-256 of its access token (at_hash)

_attempt = columns_of(SignInAttempt)
_FORGET = delete(table_of(SignInAttempt)).where(_attempt.expires_at < bindparam("now")).returning(_attempt.state_hash)
_BEGIN = table_of(SignInAttempt).insert()
_TAKE = (
    delete(table_of(SignInAttempt))
    .where(_attempt.state_hash == bindparam("state_hash"))
    .returning(_attempt.browser_hash, _attempt.return_to, _attempt.step_up, _attempt.expires_at)
)


class NoSignInHere(NotFound):
    """No client at a provider is configured."""

    code = "no_sign_in_here"

    def __init__(self) -> None:
        super().__init__("Nobody signs in by a browser here: send a bearer token of the configured issuer.")


class SignInFailed(Unauthenticated):
    """Nobody was signed in."""

    code = "sign_in_failed"


@dataclass(frozen=True)
class SignIn:
    """What signing in needs: the provider, ourselves as its client, and the guard over its id tokens."""

    issuer: str
    provider: IdentityProvider
    client: Client
    id_tokens: TokenReader
    public_url: str
    scopes: str = "openid profile"

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to."""
        return self.public_url + CALLBACK


@dataclass(frozen=True)
class Begun:
    """A sign-in under way: where the browser goes now, and what it keeps for the way back."""

    address: str
    browser: str = field(repr=False)


@dataclass(frozen=True)
class Spent:
    """An attempt as it was kept, taken from the table: it cannot come back twice."""

    browser_hash: str
    return_to: str
    step_up: bool
    expires_at: datetime


@dataclass(frozen=True)
class Attempt:
    """A sign-in on its way back in the browser that began it."""

    return_to: str
    step_up: bool
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


async def begin_sign_in(session: AsyncSession, at: SignIn, *, return_to: str, step_up: bool, now: datetime) -> Begun:
    """Keep a new attempt and say where to send the browser. `now` is real time."""
    endpoints = await at.provider.endpoints()
    state, browser = new_secret(), new_secret()
    await rows(session, _FORGET, now=now)
    kept = {
        "state_hash": hashed(state),
        "browser_hash": hashed(browser),
        "return_to": return_to,
        "step_up": step_up,
        "expires_at": now + LASTS,
    }
    await write(session, _BEGIN, kept)
    asked = {
        "response_type": "code",
        "client_id": at.client.id,
        "redirect_uri": at.redirect_uri,
        "scope": at.scopes,
        "state": state,
        "nonce": _derived(browser, "nonce", state),
        "code_challenge": challenge_of(_derived(browser, "verifier", state)),
        "code_challenge_method": "S256",
    }
    if step_up:
        # Both: some providers know the one, some the other. What came of it is read from auth_time.
        asked |= {"prompt": "login", "max_age": "0"}
    joint = "&" if "?" in endpoints.authorization else "?"
    return Begun(f"{endpoints.authorization}{joint}{urlencode(asked)}", browser)


async def take_attempt(session: AsyncSession, state: str) -> Spent | None:
    """Take the attempt that a state names out of the table. The caller commits before anything is made of it."""
    found = await row(session, _TAKE, state_hash=hashed(state))
    return None if found is None else Spent(found.browser_hash, found.return_to, found.step_up, found.expires_at)


def way_back(spent: Spent | None, *, state: str, browser: str | None, now: datetime) -> Attempt:
    """The attempt for the browser that began it. Raises SignInFailed."""
    if spent is None or spent.expires_at <= now:
        raise SignInFailed("This sign-in was not begun here, is over or was finished already. Begin it again.")
    if browser is None or not hmac.compare_digest(hashed(browser), spent.browser_hash):
        raise SignInFailed("This sign-in was begun in another browser. Begin it again.")
    nonce, verifier = (_derived(browser, purpose, state) for purpose in ("nonce", "verifier"))
    return Attempt(spent.return_to, spent.step_up, nonce, verifier)


async def who_signed_in(at: SignIn, attempt: Attempt, tokens: Tokens, *, now: datetime) -> Claims:
    """Whom the provider's id token names, under the same guard as bearer tokens and what section 3.1.3.7 adds.

    Raises SignInFailed; the text names the reason and quotes nothing.
    """
    try:
        claims = await at.id_tokens.read_fetching(tokens.id_token, now=now)
    except TokenRefused as refused:
        raise SignInFailed(
            f"The provider's id token was refused ({refused.reason}). Begin the sign-in again."
        ) from None
    said = claims.extra
    if not _is(said, "nonce", attempt.nonce):
        raise SignInFailed("The provider's id token answers another sign-in (nonce). Begin it again.")
    if ("azp" in said or len(claims.audiences) > 1) and not _is(said, "azp", at.client.id):
        raise SignInFailed("The provider's id token was issued to another client (azp).")
    if "at_hash" in said and not (tokens.access_token and _is(said, "at_hash", _at_hash(tokens.access_token))):
        raise SignInFailed("The provider's id token belongs to another access token (at_hash).")
    if attempt.step_up and claims.authenticated_at is None:
        raise SignInFailed("The provider does not say when you signed in (auth_time), which is what was asked.")
    return claims


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, 4.2)."""
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def _at_hash(access_token: str) -> str:
    return _base64url(hashlib.sha256(access_token.encode()).digest()[:_HALF])


def _derived(browser: str, purpose: str, state: str) -> str:
    return _base64url(hmac.digest(browser.encode(), f"{purpose}:{state}".encode(), hashlib.sha256))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _is(said: Mapping[str, Any], name: str, expected: str) -> bool:
    found = said.get(name)
    return isinstance(found, str) and hmac.compare_digest(found.encode(), expected.encode())
