"""Bearer tokens: whom a signed token names, or why it is refused. The only importer of `jose`.

python-jose alone tries every key of a set, ignores `crit` and accepts small keys and absent claims,
so each token passes a fixed order of checks here: form, header, key, signature, claims. Nothing of
a token is believed before its signature holds. Claims are checked here rather than by
`jose.jwt`, which reads the machine's clock, takes times written as text and cuts off fractions.

Source: RFC 7515 (JWS), 7517 (JWK), 7518 (algorithms), 7519 (JWT), 8725 (best practice).
"""

import base64
import hashlib
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NoReturn, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jws, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError

from app.clock import aware

MAX_TOKEN_CHARACTERS = 8 * 1024
MAX_SUBJECT_CHARACTERS = 200
MIN_RSA_BITS = 2048
P256_BYTES = 32

RS256 = "RS256"
ES256 = "ES256"
TOKEN_TYPES = ("JWT", "at+jwt")
# Each of these would let the token choose its own key, or change what the signature covers.
FORBIDDEN_IN_HEADER = frozenset({"crit", "b64", "jku", "x5u", "jwk", "x5c"})
PRIVATE_OR_SYMMETRIC = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
READ_BY_NAME = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf"})
STAMPED_BY_ISSUER = READ_BY_NAME - {"nbf"}

UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class Reason(StrEnum):
    """Why a token is refused: a stable value, and `says` for people. Neither quotes the token."""

    says: str

    def __new__(cls, code: str, says: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.says = says
        return member

    TOO_LONG = "too_long", f"The token is longer than {MAX_TOKEN_CHARACTERS} characters."
    NOT_COMPACT = "not_compact", "The token is not three base64url parts joined by two dots."
    HEADER_UNREADABLE = "header_unreadable", "The header is not a JSON object, each name once."
    HEADER_FORBIDDEN = "header_forbidden", "The header brings a key or asks for an extension."
    TYPE_REFUSED = "type_refused", "The header's type is neither JWT nor at+jwt."
    ALGORITHM_REFUSED = "algorithm_refused", "The algorithm is not that of the key named."
    KEY_UNKNOWN = "key_unknown", "The header names no key that the issuer publishes."
    KEYS_UNAVAILABLE = "keys_unavailable", "The issuer's keys cannot be fetched now."
    SIGNATURE_WRONG = "signature_wrong", "The signature does not fit the token and its key."
    CLAIMS_UNREADABLE = "claims_unreadable", "The claims are not a JSON object, each name once."
    CLAIM_MISSING = "claim_missing", "A claim that every token must carry is missing."
    CLAIM_MALFORMED = "claim_malformed", "A claim that must be a time is no number that names one."
    ISSUER_WRONG = "issuer_wrong", "The token comes from another issuer."
    AUDIENCE_WRONG = "audience_wrong", "The token is meant for another service."
    EXPIRED = "expired", "The token has expired; sign in again."
    NOT_YET_VALID = "not_yet_valid", "The token is not valid yet."
    ISSUED_IN_FUTURE = "issued_in_future", "The token says that it was issued in the future."
    SUBJECT_REFUSED = "subject_refused", "The subject is empty, too long or not plain text."


class TokenRefused(Exception):
    """The token proves nothing. `reason` is for machines, the text for people."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.says)
        self.reason: str = reason.value


class KeySetRefused(Exception):
    """The document is not a JSON Web Key Set at all."""


class KeysUnavailable(Exception):
    """What a `refetch` raises where the issuer does not answer in time, or not in reason."""


@dataclass(frozen=True)
class Claims:
    """What a valid token says. `extra` holds the remaining claims, read-only at every depth."""

    subject: str
    issued_at: datetime
    expires_at: datetime
    extra: Mapping[str, Any] = field(repr=False)


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

        A key must state `kid` and `alg`; `use` and `key_ops`, where stated, must allow verifying.
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


def verify_compact(token: str, find_key: Callable[[str], VerificationKey | None]) -> bytes:
    """The payload of a compact JWS whose signature holds; it need not be JSON (RFC 7515, 5.2).

    `find_key` is asked only for a `kid` in a header that is otherwise in order, so that a stray
    token starts no fetch. Raises `TokenRefused`.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        _refuse(Reason.TOO_LONG)
    try:
        raw_header, payload, _ = (_base64url(part) for part in token.split("."))
    except ValueError:  # a part that is not base64url, or more or fewer than three of them
        _refuse(Reason.NOT_COMPACT)
    try:
        header = _json_object(raw_header)
    except ValueError:
        _refuse(Reason.HEADER_UNREADABLE)

    if not FORBIDDEN_IN_HEADER.isdisjoint(header):
        _refuse(Reason.HEADER_FORBIDDEN)
    if "typ" in header and header["typ"] not in TOKEN_TYPES:
        _refuse(Reason.TYPE_REFUSED)
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in (RS256, ES256):
        _refuse(Reason.ALGORITHM_REFUSED)
    key = find_key(kid) if isinstance(kid, str) else None
    if key is None:
        _refuse(Reason.KEY_UNKNOWN)
    if algorithm != key.algorithm:
        _refuse(Reason.ALGORITHM_REFUSED)

    try:
        jws.verify(token, key.key, algorithms=[key.algorithm])
    except JOSEError:
        _refuse(Reason.SIGNATURE_WRONG)
    return payload


class TokenReader:
    """Reads the tokens of one issuer for one audience.

    `refetch` brings the issuer's keys anew where a token names a `kid` not held; it must have its
    own timeout and size cap, and is called at most once in `min_refetch_interval_s` seconds, so
    that made-up names cannot turn this service against the issuer. Safe among threads.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: KeyStore,
        refetch: Callable[[], KeyStore] | None = None,
        min_refetch_interval_s: float = 60,
        leeway_seconds: float = 30,
    ) -> None:
        for name, value in (("issuer", issuer), ("audience", audience)):
            if not isinstance(value, str) or not value:
                raise TypeError(f"The {name} is one string that is not empty.")
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._refetch = refetch
        self._refetch_interval = timedelta(seconds=min_refetch_interval_s)
        self._refetched_at: datetime | None = None
        self._refetching = Lock()
        self._leeway = timedelta(seconds=leeway_seconds)

    def read(self, token: str, *, now: datetime) -> Claims:
        """Whom the token names. `now` is real time, which no switch moves.

        Required: `iss`, `aud` (a string or a list of them), `sub`, `exp`, `iat`; `nbf` is
        respected. The leeway stretches each limit of time. Raises `TokenRefused`.
        """
        now = aware(now)
        payload = verify_compact(token, lambda kid: self._find_key(kid, now=now))
        try:
            claims = _json_object(payload)
        except ValueError:
            _refuse(Reason.CLAIMS_UNREADABLE)

        issuer = _required(claims, "iss")
        if not isinstance(issuer, str) or issuer != self._issuer:
            _refuse(Reason.ISSUER_WRONG)
        audience = _required(claims, "aud")
        audiences = audience if isinstance(audience, tuple) else (audience,)
        if not all(isinstance(one, str) for one in audiences) or self._audience not in audiences:
            _refuse(Reason.AUDIENCE_WRONG)

        expires_at = _moment(_required(claims, "exp"))
        issued_at = _moment(_required(claims, "iat"))
        # The leeway moves `now`, not the claim: a claim near the end of the calendar overflows.
        if now - self._leeway >= expires_at:
            _refuse(Reason.EXPIRED)
        if now + self._leeway < issued_at:
            _refuse(Reason.ISSUED_IN_FUTURE)
        if "nbf" in claims and now + self._leeway < _moment(claims["nbf"]):
            _refuse(Reason.NOT_YET_VALID)

        extra = {name: value for name, value in claims.items() if name not in READ_BY_NAME}
        subject = _subject(_required(claims, "sub"))
        return Claims(subject, issued_at, expires_at, MappingProxyType(extra))

    def _find_key(self, kid: str, *, now: datetime) -> VerificationKey | None:
        found = self._keys.find(kid)
        if found is not None or self._refetch is None:
            return found
        with self._refetching:
            # Whoever waited for the lock finds the keys that came meanwhile.
            if self._refetched_lately(now):
                return self._keys.find(kid)
            self._refetched_at = now
            try:
                self._keys = self._refetch()
            except (KeysUnavailable, KeySetRefused) as error:
                raise TokenRefused(Reason.KEYS_UNAVAILABLE) from error
            return self._keys.find(kid)

    def _refetched_lately(self, now: datetime) -> bool:
        # Either side of `now`: a machine's clock set back must not switch fetching off for long.
        last = self._refetched_at
        return last is not None and abs(now - last) < self._refetch_interval


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
            "x": _to_base64url(point.x.to_bytes(P256_BYTES, "big")),
            "y": _to_base64url(point.y.to_bytes(P256_BYTES, "big")),
        }
        canonical = json.dumps(public, sort_keys=True, separators=(",", ":")).encode()
        self.kid = _to_base64url(hashlib.sha256(canonical).digest())
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

    def issue(self, subject: str, *, now: datetime, lifetime: timedelta, **claims: Any) -> str:
        """A token for the subject, valid from `now` (real time) for the lifetime.

        `claims` are added; a claim that the issuer sets itself cannot be given (`ValueError`).
        """
        if taken := STAMPED_BY_ISSUER.intersection(claims):
            raise ValueError(f"The issuer sets {', '.join(sorted(taken))} itself.")
        issued_at = int(aware(now).timestamp())
        stamped = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
        }
        return jwt.encode(
            claims | stamped,
            jwk.construct(self._key, ES256),  # type: ignore[arg-type] # takes key objects too
            algorithm=ES256,
            headers={"kid": self.kid},
        )


def _refuse(reason: Reason) -> NoReturn:
    # Without the cause: errors of parsers quote what they could not parse.
    raise TokenRefused(reason) from None


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
    match published.get("kty"), published.get("alg"):
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
    raw = _base64url(text) if isinstance(text, str) else b""
    if not raw or (length is not None and len(raw) != length):
        raise ValueError(f"{name} is missing or of the wrong length")
    return int.from_bytes(raw, "big")


def _base64url(text: str) -> bytes:
    """Decode the one canonical spelling: no padding, no stray character, no loose bits."""
    # The decoder skips what it does not know; spelling the bytes again shows what it skipped.
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _to_base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def _to_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _json_object(raw: bytes) -> Mapping[str, Any]:
    """A JSON object, read-only, or `ValueError`: also for a name given twice, at any depth."""
    try:
        parsed = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_each_name_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
        frozen = _frozen(parsed)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    match frozen:
        case Mapping():
            return frozen
        case _:
            raise ValueError("not an object")


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _frozen(value: Any) -> Any:
    """Objects and lists made read-only; text that a database cannot hold is a `ValueError`."""
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise ValueError("text with NUL or half a character")
    if isinstance(value, dict):
        return MappingProxyType({_frozen(name): _frozen(one) for name, one in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return value


def _required(claims: Mapping[str, Any], name: str) -> Any:
    if name not in claims:
        _refuse(Reason.CLAIM_MISSING)
    return claims[name]


def _moment(value: Any) -> datetime:
    # A bool is an int to Python and not a time to anybody.
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(Reason.CLAIM_MALFORMED)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        _refuse(Reason.CLAIM_MALFORMED)


def _subject(value: Any) -> str:
    fits = isinstance(value, str) and value.strip() and len(value) <= MAX_SUBJECT_CHARACTERS
    if not fits or not value.isprintable():
        _refuse(Reason.SUBJECT_REFUSED)
    return str(value)
