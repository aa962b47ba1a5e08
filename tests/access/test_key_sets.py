"""Key sets: which published keys are used, and Wycheproof's tokens, of which none that is invalid is accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.access.claims import TokenRefused
from app.access.tokens import KeySetRefused, KeyStore, verify_compact
from tests.access.forging import EC_KEY, OTHER_EC_KEY, RSA_KEY, SMALL_RSA_KEY, b64, ec_jwk, number, rsa_jwk

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in ec_jwk(EC_KEY, "x").items() if name != member}


P384_KEY = ec.generate_private_key(ec.SECP384R1())
LONG_X = b64(b"\0" + EC_KEY.public_key().public_numbers().x.to_bytes(32, "big"))
OFF_CURVE = ec_jwk(EC_KEY, "x", y=b64(b"\x01" * 32))
UNFIT_KEYS: list[tuple[str, dict[str, Any]]] = [
    ("no kid", without("kid")),
    ("empty kid", ec_jwk(EC_KEY, "")),
    ("kid a number", ec_jwk(EC_KEY, "x") | {"kid": 1}),
    ("1024-bit RSA", rsa_jwk(SMALL_RSA_KEY, "x")),
    ("RSA exponent 1", rsa_jwk(RSA_KEY, "x", e="AQ")),
    ("RSA without n", rsa_jwk(RSA_KEY, "x", n=None)),
    ("for encryption", ec_jwk(EC_KEY, "x", use="enc")),
    ("use null", ec_jwk(EC_KEY, "x", use=None)),
    ("PS256", rsa_jwk(RSA_KEY, "x", alg="PS256")),
    ("RS512", rsa_jwk(RSA_KEY, "x", alg="RS512")),
    ("alg of another kty", ec_jwk(EC_KEY, "x", alg="RS256")),
    ("P-384", ec_jwk(EC_KEY, "x", crv="P-384")),
    ("off the curve", OFF_CURVE),
    ("x padded", ec_jwk(EC_KEY, "x", x=ec_jwk(EC_KEY, "x")["x"] + "=")),
    ("x one byte longer", ec_jwk(EC_KEY, "x", x=LONG_X)),
    ("private", ec_jwk(EC_KEY, "x", d=number(EC_KEY.private_numbers().private_value))),
    ("symmetric", {"kty": "oct", "kid": "x", "use": "sig", "alg": "HS256", "k": b64(bytes(32))}),
    ("key_ops sign", ec_jwk(EC_KEY, "x", key_ops=["sign"])),
    ("key_ops encrypt", rsa_jwk(RSA_KEY, "x", key_ops=["encrypt"])),
    ("key_ops text", ec_jwk(EC_KEY, "x", key_ops="verify")),
]


@pytest.mark.parametrize("key", [pytest.param(key, id=name) for name, key in UNFIT_KEYS])
def test_an_unfit_key_is_dropped_and_the_others_stay(key: dict[str, Any]) -> None:
    keys = KeyStore.from_jwks({"keys": [key, ec_jwk(OTHER_EC_KEY, "good")]})
    assert (len(keys), len(keys.dropped)) == (1, 1)
    assert keys.find("x") is None
    assert keys.dropped[0].why


def test_a_kid_given_twice_names_no_key() -> None:
    published = [ec_jwk(EC_KEY, "ec"), ec_jwk(OTHER_EC_KEY, "ec"), rsa_jwk(RSA_KEY, "rsa")]
    keys = KeyStore.from_jwks({"keys": published})
    assert keys.find("ec") is None
    assert keys.find("rsa") is not None
    assert [dropped.why for dropped in keys.dropped] == ["kid given more than once"] * 2


@pytest.mark.parametrize(
    "key", [without("use"), without("use") | {"key_ops": ["verify"]}, without("alg"), without("") | {"x5c": ["M"]}]
)
def test_what_a_key_need_not_state_does_not_drop_it(key: dict[str, Any]) -> None:
    assert KeyStore.from_jwks({"keys": [key]}).find("x") is not None


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": ["k"]}, {"keys": None}, [], "keys"])
def test_what_is_no_key_set_is_refused(document: Any) -> None:
    with pytest.raises(KeySetRefused):
        KeyStore.from_jwks(document)


# Wycheproof: each group has one key and tokens marked valid or invalid; payloads are no JWT claims.


def wycheproof() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    path = SHARED / "vectors" / "wycheproof-jws.json"
    if not path.is_file():
        return []
    groups = json.loads(path.read_text())["testGroups"]
    return [(g.get("public", g["private"]), test) for g in groups for test in g["tests"]]


def accepts(key: dict[str, Any], token: str) -> bool:
    try:
        verify_compact(token, KeyStore.from_jwks({"keys": [key]}).find)
    except TokenRefused:
        return False
    return True


def of_accepted_kind(key: dict[str, Any]) -> bool:
    """RS256 or ES256 by the key's own word, or as the only one of the two that a key of its kind can verify."""
    return key.get("alg", {"RSA": "RS256", "EC": "ES256"}.get(key["kty"])) in ("RS256", "ES256")


VECTORS = wycheproof()
needs_vectors = pytest.mark.skipif(not VECTORS, reason="the shared vectors are not beside the tree")


@needs_vectors
def test_no_invalid_wycheproof_token_is_accepted() -> None:
    invalid = [(key, test) for key, test in VECTORS if test["result"] != "valid"]
    assert len(invalid) > 300
    assert [test["tcId"] for key, test in invalid if accepts(key, test["jws"])] == []


@needs_vectors
def test_nor_with_a_key_that_would_state_its_algorithm() -> None:
    """Some keys are dropped for want of `alg` alone; their other fault must suffice too."""
    algorithm = {"RSA": "RS256", "EC": "ES256"}
    silent = [(key, test) for key, test in VECTORS if "alg" not in key]
    assert silent
    for key, test in silent:
        assert not accepts(key | {"alg": algorithm[key["kty"]]}, test["jws"]), test["tcId"]


@needs_vectors
def test_every_valid_wycheproof_token_of_our_algorithms_is_accepted() -> None:
    valid = [(key, test) for key, test in VECTORS if test["result"] == "valid"]
    ours = {test["tcId"] for key, test in valid if of_accepted_kind(key)}
    assert {test["tcId"] for key, test in valid if accepts(key, test["jws"])} == ours
    assert len(ours) >= 8
