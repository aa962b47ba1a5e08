"""What a token says: its compact form, its JSON, its claims, and why it is refused. No signature is judged here.

Claims are checked here rather than by a library, which reads the machine's clock, takes times written as text and cuts
off fractions. Pure.

Source: RFC 7515 (JWS), 7519 (JWT), 8725 (best practice).
"""

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NoReturn, Self

MAX_TOKEN_CHARACTERS = 8 * 1024
MAX_SUBJECT_CHARACTERS = 200
READ_BY_NAME = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf", "auth_time"})

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


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


@dataclass(frozen=True)
class Claims:
    """What a valid token says. `extra` holds the remaining claims, read-only at every depth."""

    subject: str
    issued_at: datetime
    expires_at: datetime
    audiences: tuple[str, ...]
    authenticated_at: datetime | None
    """When the person last proved who it is (`auth_time`); None where the issuer does not say, or it is a system."""
    extra: Mapping[str, Any] = field(repr=False)


def compact_parts(token: str) -> tuple[Mapping[str, Any], bytes]:
    """The header and the payload of a compact JWS, unverified (RFC 7515, 7.1). Raises `TokenRefused`."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        refuse(Reason.TOO_LONG)
    try:
        raw_header, payload, _ = (base64url(part) for part in token.split("."))
    except ValueError:  # a part that is not base64url, or more or fewer than three of them
        refuse(Reason.NOT_COMPACT)
    try:
        return json_object(raw_header), payload
    except ValueError:
        refuse(Reason.HEADER_UNREADABLE)


def read_claims(payload: bytes, *, issuer: str, audience: str, now: datetime, leeway: timedelta) -> Claims:
    """What the payload of a verified token says to this audience. `now` is real time, which no switch moves.

    Required: `iss`, `aud` (a string or a list of them), `sub`, `exp`, `iat`; `nbf` and `auth_time` are respected. The
    leeway stretches each limit of time. Raises `TokenRefused`.
    """
    try:
        claims = json_object(payload)
    except ValueError:
        refuse(Reason.CLAIMS_UNREADABLE)

    if _required(claims, "iss") != issuer:
        refuse(Reason.ISSUER_WRONG)
    named = _required(claims, "aud")
    audiences = named if isinstance(named, tuple) else (named,)
    if not all(isinstance(one, str) for one in audiences) or audience not in audiences:
        refuse(Reason.AUDIENCE_WRONG)

    expires_at = _moment(_required(claims, "exp"))
    issued_at = _moment(_required(claims, "iat"))
    authenticated_at = _moment(claims["auth_time"]) if "auth_time" in claims else None
    # The leeway moves `now`, not the claim: a claim near the end of the calendar overflows.
    if now - leeway >= expires_at:
        refuse(Reason.EXPIRED)
    if now + leeway < issued_at:
        refuse(Reason.ISSUED_IN_FUTURE)
    if authenticated_at is not None and now + leeway < authenticated_at:
        refuse(Reason.ISSUED_IN_FUTURE)
    if "nbf" in claims and now + leeway < _moment(claims["nbf"]):
        refuse(Reason.NOT_YET_VALID)

    extra = {name: value for name, value in claims.items() if name not in READ_BY_NAME}
    subject = _subject(_required(claims, "sub"))
    return Claims(subject, issued_at, expires_at, audiences, authenticated_at, MappingProxyType(extra))


def refuse(reason: Reason) -> NoReturn:
    # Without the cause: errors of parsers quote what they could not parse.
    raise TokenRefused(reason) from None


def base64url(text: str) -> bytes:
    """Decode the one canonical spelling: no padding, no stray character, no loose bits."""
    # The decoder skips what it does not know; spelling the bytes again shows what it skipped.
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def to_base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def json_object(raw: bytes) -> Mapping[str, Any]:
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
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise ValueError("text with NUL or half a character")
    if isinstance(value, dict):
        return MappingProxyType({_frozen(name): _frozen(one) for name, one in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(one) for one in value)
    return value


def _required(claims: Mapping[str, Any], name: str) -> Any:
    if name not in claims:
        refuse(Reason.CLAIM_MISSING)
    return claims[name]


def _moment(value: Any) -> datetime:
    # A bool is an int to Python and not a time to anybody.
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(Reason.CLAIM_MALFORMED)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        refuse(Reason.CLAIM_MALFORMED)


def _subject(value: Any) -> str:
    fits = isinstance(value, str) and value.strip() and len(value) <= MAX_SUBJECT_CHARACTERS
    if not fits or not value.isprintable():
        refuse(Reason.SUBJECT_REFUSED)
    return str(value)
