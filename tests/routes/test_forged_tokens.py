"""Forged tokens against live routes: each is 401, before anything is looked at, and leaves nothing behind."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from app import clock
from app.access.demonstration import AUDIENCE, ISSUER
from app.access.tokens import KeyStore, TokenReader
from tests.access.forging import EC_KEY, OTHER_EC_KEY, ec_jwk, es256, hs256, nothing, signed
from tests.steps import intake
from tests.world import World

KID = "published"
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PEM, DER = (
    EC_KEY.public_key().public_bytes(encoding, SPKI)
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
)
RAW = json.dumps(ec_jwk(EC_KEY, KID)).encode()
T = int(clock.real_now().timestamp())
HEADER = {"alg": "ES256", "kid": KID, "typ": "JWT"}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "officer", "iat": T, "exp": T + 3600, "auth_time": T}
EVIL = ec_jwk(OTHER_EC_KEY, KID)


def forged(
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | str | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    *,
    without: str = "",
) -> str:
    """The good token, but for what is given."""
    head = {name: value for name, value in (HEADER | (header or {})).items() if name != without}
    said = claims if isinstance(claims, str) else CLAIMS | (claims or {})
    return signed(head, said, sign or es256())


FORGERIES = {
    "alg none": forged({"alg": "none"}, sign=nothing),
    "alg None": forged({"alg": "None"}, sign=nothing),
    "alg none, with its signature": forged({"alg": "none"}),
    "HS256 with the public key as PEM": forged({"alg": "HS256"}, sign=hs256(PEM)),
    "HS256 with the public key as PEM, stripped": forged({"alg": "HS256"}, sign=hs256(PEM.strip())),
    "HS256 with the public key as DER": forged({"alg": "HS256"}, sign=hs256(DER)),
    "HS256 with the published key's JSON": forged({"alg": "HS256"}, sign=hs256(RAW)),
    "HS256 with nothing": forged({"alg": "HS256"}, sign=hs256(b"")),
    "kid a path": forged({"kid": "../../../../dev/null"}, sign=hs256(b"")),
    "kid a path, HS256": forged({"alg": "HS256", "kid": "/dev/null"}, sign=hs256(b"")),
    "kid SQL": forged({"kid": "x' UNION SELECT 'key' --"}),
    "kid a command": forged({"kid": f"{KID}|id"}),
    "kid missing": forged(without="kid"),
    "kid a list": forged({"kid": [KID]}),
    "kid null": forged({"kid": None}),
    "kid unknown": forged({"kid": "nobody"}),
    "kid with a NUL": forged({"kid": f"{KID}\0"}),
    "jku": forged({"jku": "https://evil.example/jwks"}, sign=es256(OTHER_EC_KEY)),
    "jku of the issuer": forged({"jku": f"{ISSUER}/jwks"}),
    "x5u": forged({"x5u": "https://evil.example/chain.pem"}, sign=es256(OTHER_EC_KEY)),
    "x5c": forged({"x5c": [base64.b64encode(DER).decode()]}, sign=es256(OTHER_EC_KEY)),
    "embedded jwk": forged({"jwk": EVIL}, sign=es256(OTHER_EC_KEY)),
    "embedded jwk, well signed": forged({"jwk": ec_jwk(EC_KEY, KID)}),
    "crit": forged({"crit": ["exp"]}),
    "crit unknown": forged({"crit": ["hours"], "hours": 1}),
    "wrong typ": forged({"typ": "secevent+jwt"}),
    "typ of a logout": forged({"typ": "logout+jwt"}),
    "another key": forged(sign=es256(OTHER_EC_KEY)),
    "no signature": forged(sign=nothing),
    "signature of zeros": forged(sign=lambda m: bytes(64)),
    "expired": forged(claims={"iat": T - 7200, "exp": T - 3600}),
    "exp null": forged(claims={"exp": None}),
    "exp missing": forged(claims=json.dumps({name: value for name, value in CLAIMS.items() if name != "exp"})),
    "exp text": forged(claims={"exp": str(T + 3600)}),
    "issued in the future": forged(claims={"iat": T + 7200, "exp": T + 9000}),
    "not valid yet": forged(claims={"nbf": T + 7200}),
    "signed in in the future": forged(claims={"auth_time": T + 7200}),
    "another audience": forged(claims={"aud": "payroll"}),
    "audience list without us": forged(claims={"aud": ["payroll"]}),
    "another issuer": forged(claims={"iss": "https://evil.example"}),
    "issuer a list": forged(claims={"iss": [ISSUER, "https://evil.example"]}),
    "a claim twice": forged(claims=json.dumps(CLAIMS)[:-1] + ',"sub":"administrator"}'),
    "subject a list": forged(claims={"sub": ["officer"]}),
    "not a token": "officer",
    "empty parts": "..",
    "four parts": forged() + ".x",
    "too long": "a" * 9000,
}


@pytest.fixture
async def service(world: World) -> World:
    """The world, whose provider publishes the key that good tokens are signed with here."""
    assert world.api is not None
    world.api.state.tokens = TokenReader(ISSUER, AUDIENCE, KeyStore.from_jwks({"keys": [ec_jwk(EC_KEY, KID)]}))
    return world


async def test_every_forgery_is_401_on_every_kind_of_route_and_nothing_else_happens(
    world: World, service: World
) -> None:
    good = {"Authorization": f"Bearer {forged()}"}
    opened = await service.http.get("/v1/session", headers=good)
    assert opened.status_code == 200, "so that a refusal below is for the forgery alone"
    case = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/v1/session", None),
        ("GET", f"/v1/applications/{case}", None),
        ("POST", "/v1/applications", intake.right_to_ask(world)),
        ("DELETE", "/v1/session", None),
    ]
    with world.unchanged(refusals=0):
        for name, token in FORGERIES.items():
            for method, path, body in asked:
                headers = {"Authorization": f"Bearer {token}"}
                answer = await service.http.request(method, path, headers=headers, json=body)
                assert answer.status_code == 401, (name, method, path, answer.text)
                assert answer.headers["WWW-Authenticate"] == "Bearer", name
                said = answer.json()
                assert said["type"] == "urn:clares-law:problem:no_token", name
                assert len(token) < 8 or token not in answer.text, name


@pytest.mark.parametrize("value", ["Basic b2ZmaWNlcjpvZmZpY2Vy", "Bearer", "Bearer ", "bearer  x", "Token x", "x"])
async def test_what_is_no_bearer_token_is_401(world: World, value: str) -> None:
    with world.unchanged(refusals=0):
        assert (await world.http.get("/v1/session", headers={"Authorization": value})).status_code == 401
