"""Who may come in, as the settings say: whose tokens, by which keys, signed in where, for how long."""

import json
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from app.access import demonstration
from app.access.built_in import BuiltInProvider, Registered
from app.access.claimed import ClaimNames
from app.access.rules import Role
from app.access.sessions import Limits
from app.access.sign_in import CALLBACK, SignIn
from app.access.tokens import KeyRing, KeyStore, KeysUnavailable, TokenReader
from app.doors.entering import Admission
from app.outside.identity import Client, IdentityProvider, OpenIdProvider, ProviderUnavailable
from app.settings import Settings


@dataclass(frozen=True)
class Identity:
    """What the front doors hold of the identity provider; `sign_in` is None where nobody signs in by a browser."""

    tokens: TokenReader
    admission: Admission
    sign_in: SignIn | None


def identity_of(chosen: Settings, provider: IdentityProvider | None = None) -> Identity:
    """All of it, over the configured issuer or a provider that a test brings. Asks nobody yet."""
    issuer = chosen.token_issuer or demonstration.ISSUER
    provider = provider or OpenIdProvider(issuer, ca_file=chosen.ca_file)
    keys = token_keys(chosen, provider)
    return Identity(
        TokenReader(issuer, chosen.token_audience or demonstration.AUDIENCE, keys),
        admission_of(chosen),
        _sign_in(chosen, issuer, provider, keys),
    )


def built_in_of(chosen: Settings) -> BuiltInProvider | None:
    """The demonstration's own provider, where it is to be served; production's settings refuse it."""
    if not chosen.built_in_identity or chosen.sign_in_client_id is None or chosen.public_url is None:
        return None
    system = demonstration.SYSTEM
    clients = (
        Registered(chosen.sign_in_client_id, _secret(chosen) or "", frozenset({chosen.public_url + CALLBACK})),
        Registered(system, demonstration.secret_of(system, chosen.data_dir).read_text(), is_system=True),
    )
    issuer = demonstration.open_issuer(chosen.data_dir, chosen.token_issuer)
    return BuiltInProvider(issuer, {one.id: one for one in clients})


def token_keys(chosen: Settings, provider: IdentityProvider) -> KeyRing:
    """The issuer's keys: from the file that the settings name, else fetched from the provider when first needed."""
    if chosen.token_jwks_file is not None:
        return KeyRing(KeyStore.from_jwks(json.loads(chosen.token_jwks_file.read_text())))
    if chosen.token_issuer is None:
        return KeyRing(KeyStore.from_jwks({"keys": []}))

    async def fetch() -> KeyStore:
        try:
            return KeyStore.from_jwks(await provider.key_set())
        except ProviderUnavailable as error:
            raise KeysUnavailable(str(error)) from error

    return KeyRing(KeyStore.from_jwks({"keys": []}), fetch)


def admission_of(chosen: Settings) -> Admission:
    """Claims, limits of sessions, the window of step-up, the address of the service's own pages."""
    if unknown := {role for role in chosen.claim_role_map.values() if role not in set(Role)}:
        raise ValueError(f"CLARES_LAW_CLAIM_ROLE_MAP leads to what is no role: {', '.join(sorted(unknown))}")
    return Admission(
        claims=ClaimNames(
            roles=chosen.claim_roles,
            force=chosen.claim_force,
            agency=chosen.claim_agency,
            name=chosen.claim_name,
            role_of=MappingProxyType(dict(chosen.claim_role_map)),
        ),
        limits=Limits(timedelta(minutes=chosen.session_idle_minutes), timedelta(hours=chosen.session_hours)),
        step_up=chosen.step_up_window,
        origin=chosen.public_url,
    )


def _sign_in(chosen: Settings, issuer: str, provider: IdentityProvider, keys: KeyRing) -> SignIn | None:
    if chosen.sign_in_client_id is None or chosen.public_url is None:
        return None
    return SignIn(
        issuer=issuer,
        provider=provider,
        client=Client(chosen.sign_in_client_id, _secret(chosen)),
        id_tokens=TokenReader(issuer, chosen.sign_in_client_id, keys, types=("JWT",)),
        public_url=chosen.public_url,
        scopes=chosen.sign_in_scopes,
    )


def _secret(chosen: Settings) -> str | None:
    path = chosen.sign_in_client_secret_file
    if path is None:
        return None
    secret = path.read_text().strip()
    if not secret:
        raise ValueError(f"{path} holds no secret.")
    return secret
