"""Tokens signed here with `cryptography`, never with the library under guard: good ones and forgeries."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from app.access.tokens import KeyStore

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
T = int(NOW.timestamp())
ISSUER, AUDIENCE = "https://identity.example", "clares-law"

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
SMALL_RSA_KEY = rsa.generate_private_key(65537, 1024)
Signer = Callable[[bytes], bytes]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def es256(key: ec.EllipticCurvePrivateKey = EC_KEY) -> Signer:
    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def rs256(key: rsa.RSAPrivateKey = RSA_KEY) -> Signer:
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def hs256(secret: bytes) -> Signer:
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


def nothing(message: bytes) -> bytes:
    return b""


def ec_jwk(key: ec.EllipticCurvePrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    point = key.public_key().public_numbers()
    x, y = b64(point.x.to_bytes(32, "big")), b64(point.y.to_bytes(32, "big"))
    public = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return public | {"kid": kid, "use": "sig", "alg": "ES256"} | members


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    named = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256"}
    return named | {"n": number(public.n), "e": number(public.e)} | members


JWKS = {
    "keys": [
        ec_jwk(EC_KEY, "ec"),
        ec_jwk(OTHER_EC_KEY, "other"),
        rsa_jwk(RSA_KEY, "rsa"),
        rsa_jwk(SMALL_RSA_KEY, "small"),
    ]
}
KEYS = KeyStore.from_jwks(JWKS)
HEADER = {"alg": "ES256", "kid": "ec", "typ": "JWT"}
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "officer-17", "iat": T, "exp": T + 600}


def signed(header: str | dict[str, Any], payload: str | dict[str, Any], sign: Signer) -> str:
    parts = [p if isinstance(p, str) else json.dumps(p) for p in (header, payload)]
    message = ".".join(b64(part.encode("utf-8", "surrogatepass")) for part in parts)
    return f"{message}.{b64(sign(message.encode()))}"


def with_header(*, without: str = "", sign: Signer | None = None, **members: Any) -> str:
    header = {name: value for name, value in (HEADER | members).items() if name != without}
    return signed(header, CLAIMS, sign or es256())


def with_claims(*, without: str = "", **members: Any) -> str:
    claims = {name: value for name, value in (CLAIMS | members).items() if name != without}
    return signed(HEADER, claims, es256())


def public_bytes(encoding: serialization.Encoding) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return EC_KEY.public_key().public_bytes(encoding, form)


GOOD = signed(HEADER, CLAIMS, es256())
