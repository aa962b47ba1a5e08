"""Bearer tokens: whom a signed token names, or why it is refused. The only importer of `jose`.

python-jose alone tries every key of a set, ignores `crit` and accepts small keys and absent claims,
so each token passes a fixed order of checks here: form, header, key, signature, claims. Nothing of
a token is believed before its signature holds.

Source: RFC 7515 (JWS), 7517 (JWK), 7518 (algorithms), 8725 (best practice).
"""

import asyncio
import contextlib
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jws, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError

from app.access.claims import (
    Claims,
    Reason,
    TokenRefused,
    base64url,
    compact_parts,
    read_claims,
    refuse,
    to_base64url,
)
from app.clock import aware

MIN_RSA_BITS = 2048
P256_BYTES = 32

RS256 = "RS256"
ES256 = "ES256"
TOKEN_TYPES = ("JWT", "at+jwt")
# Each of these would let the token choose its own key, or change what the signature covers.
FORBIDDEN_IN_HEADER = frozenset({"crit", "b64", "jku", "x5u", "jwk", "x5c"})
PRIVATE_OR_SYMMETRIC = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ALGORITHM_OF = {"RSA": RS256, "EC": ES256}
STAMPED_BY_ISSUER = frozenset({"iss", "aud", "sub", "iat", "exp"})


class KeySetRefused(Exception):
    """The document is not a JSON Web Key Set at all."""


class KeyNotHeld(TokenRefused):
    """The token, in order so far, names a key that is not held: the issuer may have published it since."""

    def __init__(self) -> None:
        super().__init__(Reason.KEY_UNKNOWN)


class KeysUnavailable(Exception):
    """What a `refetch` raises where the issuer does not answer in time, or not in reason."""


@dataclass(frozen=True)
class VerificationKey:
    """One public key and the one algorithm that it may verify."""

    kid: str
    algorithm: str
    key: Key = field(repr=False)


@dataclass(frozen=True)
class DroppedKey:
    """A key of the set that is not used, and why."""

    kid: str | None
    why: str


class KeyStore:
    """Public keys by `kid`, and the published keys that were not fit to keep (`dropped`)."""

    def __init__(self, keys: Mapping[str, VerificationKey], dropped: tuple[DroppedKey, ...]):
        self._keys = MappingProxyType(dict(keys))
        self.dropped = dropped

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any]) -> Self:
        """Keep what may verify RS256 (RSA, 2048 bits or more) or ES256 (P-256); drop the rest.

        A key must state `kid`. Where it states no `alg`, as large providers do not, it verifies the one of the two
        that its kind can: a key never has two. `use` and `key_ops`, where stated, must allow verifying.
        A `kid` given twice is dropped each time, since nobody can say which key it names.
        Raises `KeySetRefused` where there is no list of objects under `keys`. RFC 7517.
        """
        published = jwks.get("keys") if isinstance(jwks, Mapping) else None
        if not isinstance(published, list) or not all(isinstance(k, Mapping) for k in published):
            raise KeySetRefused("A key set is an object with a list of key objects under 'keys'.")
        named = Counter(k["kid"] for k in published if isinstance(k.get("kid"), str))
        keys: dict[str, VerificationKey] = {}
        dropped: list[DroppedKey] = []
        for one in published:
            kid = one.get("kid")
            if not isinstance(kid, str) or not kid:
                dropped.append(DroppedKey(None, "no kid"))
            elif named[kid] > 1:
                dropped.append(DroppedKey(kid, "kid given more than once"))
            else:
                try:
                    keys[kid] = _verification_key(kid, one)
                except ValueError as error:
                    dropped.append(DroppedKey(kid, str(error)))
        return cls(keys, tuple(dropped))

    def find(self, kid: str) -> VerificationKey | None:
        """The key of that name, if it is held."""
        return self._keys.get(kid)

    def __len__(self) -> int:
        return len(self._keys)


def verify_compact(
    token: str, find_key: Callable[[str], VerificationKey | None], *, types: tuple[str, ...] = TOKEN_TYPES
) -> bytes:
    """The payload of a compact JWS whose signature holds; it need not be JSON (RFC 7515, 5.2).

    `find_key` is asked only for a `kid` in a header that is otherwise in order, so that a stray
    token starts no fetch. Raises `TokenRefused`.
    """
    header, payload = compact_parts(token)
    if not FORBIDDEN_IN_HEADER.isdisjoint(header):
        refuse(Reason.HEADER_FORBIDDEN)
    if "typ" in header and header["typ"] not in types:
        refuse(Reason.TYPE_REFUSED)
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in (RS256, ES256):
        refuse(Reason.ALGORITHM_REFUSED)
    if not isinstance(kid, str):
        refuse(Reason.KEY_UNKNOWN)
    key = find_key(kid)
    if key is None:
        raise KeyNotHeld
    if algorithm != key.algorithm:
        refuse(Reason.ALGORITHM_REFUSED)

    try:
        jws.verify(token, key.key, algorithms=[key.algorithm])
    except JOSEError:
        refuse(Reason.SIGNATURE_WRONG)
    return payload


class KeyRing:
    """The keys of one issuer, brought anew while the service runs: an unknown `kid` is asked for, old keys are renewed.

    `refetch` must have its own timeout and size cap. It is called at most once in `min_refetch_interval_s` seconds, so
    that made-up names cannot turn this service against the issuer; after a failure once in `retry_s`. Keys older than
    `stale_after_s` are fetched again, so that one which the issuer has withdrawn is gone within that time. Without
    `refetch` the keys stay as they are: they come from a file.
    """

    def __init__(
        self,
        keys: KeyStore,
        refetch: Callable[[], Awaitable[KeyStore]] | None = None,
        *,
        min_refetch_interval_s: float = 60,
        retry_s: float = 5,
        stale_after_s: float = 3600,
    ) -> None:
        self._keys = keys
        self._refetch = refetch
        self._interval = timedelta(seconds=min_refetch_interval_s)
        self._retry = timedelta(seconds=retry_s)
        self._stale_after = timedelta(seconds=stale_after_s)
        self._tried_at: datetime | None = None
        self._fetched_at: datetime | None = None
        self._failed = False
        self._refetching = asyncio.Lock()

    def find(self, kid: str) -> VerificationKey | None:
        """The key of that name, if it is held."""
        return self._keys.find(kid)

    def is_stale(self, *, now: datetime) -> bool:
        """Whether the keys are to be renewed by whoever asks: they were fetched long ago, and nobody is at it."""
        if self._fetched_at is None or self._refetching.locked():
            return False
        return abs(now - self._fetched_at) >= self._stale_after

    async def renew(self, *, now: datetime) -> None:
        """Fetch the keys, unless that was done lately. Raises `TokenRefused` where the issuer does not answer.

        Whoever waits here while another fetches finds the keys that came.
        """
        if self._refetch is None:
            return
        async with self._refetching:
            # Either side of `now`: a machine's clock set back must not switch fetching off for long.
            pause = self._retry if self._failed else self._interval
            if self._tried_at is not None and abs(now - self._tried_at) < pause:
                return
            self._tried_at, self._failed = now, True
            try:
                self._keys = await self._refetch()
            except (KeysUnavailable, KeySetRefused) as error:
                raise TokenRefused(Reason.KEYS_UNAVAILABLE) from error
            self._fetched_at, self._failed = now, False


class TokenReader:
    """Reads the tokens of one issuer for one audience."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: KeyStore | KeyRing,
        *,
        types: tuple[str, ...] = TOKEN_TYPES,
        leeway_seconds: float = 30,
    ) -> None:
        for name, value in (("issuer", issuer), ("audience", audience)):
            if not isinstance(value, str) or not value:
                raise TypeError(f"The {name} is one string that is not empty.")
        self._issuer = issuer
        self._audience = audience
        self._keys = keys if isinstance(keys, KeyRing) else KeyRing(keys)
        self._types = types
        self._leeway = timedelta(seconds=leeway_seconds)

    def read(self, token: str, *, now: datetime) -> Claims:
        """Whom the token names, by the keys that are held. `now` is real time. Raises `TokenRefused`."""
        now = aware(now)
        payload = verify_compact(token, self._keys.find, types=self._types)
        return read_claims(payload, issuer=self._issuer, audience=self._audience, now=now, leeway=self._leeway)

    async def read_fetching(self, token: str, *, now: datetime) -> Claims:
        """The same; where the token names a key that is not held, the issuer's keys are fetched once.

        Keys grown old are renewed first; while the issuer does not answer, the old ones stay good.
        """
        now = aware(now)
        if self._keys.is_stale(now=now):
            with contextlib.suppress(TokenRefused):
                await self._keys.renew(now=now)
        try:
            return self.read(token, now=now)
        except KeyNotHeld:
            await self._keys.renew(now=now)
        return self.read(token, now=now)


class DemonstrationIssuer:
    """Stands in for a force's identity provider: signs ES256 tokens with a key pair of its own.

    The `kid` is the key's RFC 7638 thumbprint, so that a saved key keeps its name.
    """

    def __init__(self, issuer: str, audience: str, private_key: ec.EllipticCurvePrivateKey | None = None) -> None:
        """With no key given, makes one that lives in memory only. Refuses any curve but P-256."""
        key = private_key or ec.generate_private_key(ec.SECP256R1())
        if key.curve.name != ec.SECP256R1.name:
            raise ValueError("ES256 needs a key on the curve P-256.")
        self.issuer = issuer
        self.audience = audience
        self._key = key
        point = key.public_key().public_numbers()
        public = {
            "crv": "P-256",
            "kty": "EC",
            "x": to_base64url(point.x.to_bytes(P256_BYTES, "big")),
            "y": to_base64url(point.y.to_bytes(P256_BYTES, "big")),
        }
        canonical = json.dumps(public, sort_keys=True, separators=(",", ":")).encode()
        self.kid = to_base64url(hashlib.sha256(canonical).digest())
        self._jwk = public | {"kid": self.kid, "use": "sig", "alg": ES256}

    @classmethod
    def load(cls, path: Path, *, issuer: str, audience: str) -> Self:
        """From an unencrypted PEM file. Refuses a file that others can read, and any other key."""
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PermissionError(f"{path} is open to others: set its mode to 0600.")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        match key:
            case ec.EllipticCurvePrivateKey():
                return cls(issuer, audience, key)
            case _:
                raise ValueError(f"{path} holds no elliptic-curve key.")

    def save(self, path: Path) -> None:
        """To a new PEM file of mode 0600. A file that is there stays: raises `FileExistsError`."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # Made with its mode, since a file narrowed afterwards has been open for a moment.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)

    def jwks(self) -> dict[str, Any]:
        """The public half, as an identity provider publishes it."""
        return {"keys": [dict(self._jwk)]}

    def issue(
        self, subject: str, *, now: datetime, lifetime: timedelta, audience: str | None = None, **claims: Any
    ) -> str:
        """A token for the subject, valid from `now` (real time) for the lifetime.

        `claims` are added; a claim that the issuer sets itself cannot be given (`ValueError`). The person counts as
        having signed in at `now`, unless `auth_time` says otherwise, or None: a system signs in nowhere.
        """
        if taken := STAMPED_BY_ISSUER.intersection(claims):
            raise ValueError(f"The issuer sets {', '.join(sorted(taken))} itself.")
        issued_at = int(aware(now).timestamp())
        stamped = {
            "iss": self.issuer,
            "aud": audience or self.audience,
            "sub": subject,
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
        }
        if claims.setdefault("auth_time", issued_at) is None:
            del claims["auth_time"]
        return jwt.encode(
            claims | stamped,
            jwk.construct(self._key, ES256),  # type: ignore[arg-type] # takes key objects too
            algorithm=ES256,
            headers={"kid": self.kid},
        )


def _verification_key(kid: str, published: Mapping[str, Any]) -> VerificationKey:
    """Build the key, or raise `ValueError` with the reason that it cannot be used."""
    if not PRIVATE_OR_SYMMETRIC.isdisjoint(published):
        raise ValueError("not a public key")
    if published.get("use", "sig") != "sig":
        raise ValueError("use is not sig")
    operations = published.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("key_ops do not allow verify")
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    kty = published.get("kty")
    match kty, published.get("alg", _ALGORITHM_OF.get(kty) if isinstance(kty, str) else None):
        case "RSA", "RS256":
            modulus, exponent = _integer(published, "n"), _integer(published, "e")
            if modulus.bit_length() < MIN_RSA_BITS:
                raise ValueError(f"RSA of fewer than {MIN_RSA_BITS} bits")
            public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
            algorithm = RS256
        case "EC", "ES256":
            if published.get("crv") != "P-256":
                raise ValueError("curve is not P-256")
            x, y = (_integer(published, name, length=P256_BYTES) for name in ("x", "y"))
            public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            algorithm = ES256
        case _:
            raise ValueError("kty and alg are neither RSA with RS256 nor EC with ES256")
    key = jwk.construct(public, algorithm)  # type: ignore[arg-type] # takes key objects too
    return VerificationKey(kid, algorithm, key)


def _integer(published: Mapping[str, Any], name: str, *, length: int | None = None) -> int:
    text = published.get(name)
    raw = base64url(text) if isinstance(text, str) else b""
    if not raw or (length is not None and len(raw) != length):
        raise ValueError(f"{name} is missing or of the wrong length")
    return int.from_bytes(raw, "big")
