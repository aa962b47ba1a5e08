"""Tokens: what is refused, with which reason, and that what is accepted is exactly what was signed."""

import base64
import json
import stat
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.access.claims import MAX_TOKEN_CHARACTERS, TokenRefused
from app.access.tokens import DemonstrationIssuer, KeyStore, TokenReader
from tests.access.forging import (
    AUDIENCE,
    CLAIMS,
    EC_KEY,
    GOOD,
    HEADER,
    ISSUER,
    KEYS,
    NOW,
    OTHER_EC_KEY,
    RSA_KEY,
    SMALL_RSA_KEY,
    T,
    b64,
    ec_jwk,
    es256,
    hs256,
    nothing,
    public_bytes,
    rs256,
    signed,
    with_claims,
    with_header,
)


def reader(keys: KeyStore = KEYS) -> TokenReader:
    return TokenReader(ISSUER, AUDIENCE, keys)


def reason_for(token: str, *, now: datetime = NOW, by: TokenReader | None = None) -> str:
    with pytest.raises(TokenRefused) as refused:
        (by or reader()).read(token, now=now)
    return refused.value.reason


HEAD, BODY, SIGNATURE = GOOD.split(".")
SIGNATURE_BYTES = base64.urlsafe_b64decode(SIGNATURE + "==")
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
KID_TWICE = '{"alg":"ES256","kid":"ec","kid":"ec"}'
TWO_SUBJECTS = json.dumps(CLAIMS)[:-1] + ',"sub":"superuser"}'
JSON_FORM = json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE})

FORGERIES: list[tuple[str, str, str]] = [
    # form
    ("empty", "", "not_compact"),
    ("one part", HEAD, "not_compact"),
    ("no signature part", f"{HEAD}.{BODY}", "not_compact"),
    ("fourth part", f"{GOOD}.{SIGNATURE}", "not_compact"),
    ("fourth empty part", f"{GOOD}.", "not_compact"),
    ("JSON serialisation", JSON_FORM, "not_compact"),
    ("space before", f" {GOOD}", "not_compact"),
    ("newline after", f"{GOOD}\n", "not_compact"),
    ("space inside", f"{HEAD}. {BODY}.{SIGNATURE}", "not_compact"),
    ("NUL after", f"{GOOD}\x00", "not_compact"),
    ("non-ASCII letter", f"{HEAD}.{BODY}.é{SIGNATURE[1:]}", "not_compact"),
    ("non-ASCII digit", f"{HEAD}.{BODY}.٣{SIGNATURE[1:]}", "not_compact"),
    ("half a character", f"{GOOD}\ud800", "not_compact"),
    ("padding", f"{GOOD}==", "not_compact"),
    ("standard base64", f"{HEAD}.{BODY}.+/{SIGNATURE[2:]}", "not_compact"),
    ("impossible length", f"{HEAD}.{BODY}.{SIGNATURE[:-1]}", "not_compact"),
    ("too long", with_claims(note="n" * MAX_TOKEN_CHARACTERS), "too_long"),
    # header
    ("empty header", f".{BODY}.{SIGNATURE}", "header_unreadable"),
    ("header not JSON", signed("ES256", CLAIMS, es256()), "header_unreadable"),
    ("header a list", signed('["ES256"]', CLAIMS, es256()), "header_unreadable"),
    ("header NaN", signed('{"alg":"ES256","n":NaN}', CLAIMS, es256()), "header_unreadable"),
    ("header not UTF-8", f"{b64(bytes([255]))}.{BODY}.{SIGNATURE}", "header_unreadable"),
    ("header half a character", with_header(note="\ud800"), "header_unreadable"),
    ("header nested", signed("[" * 3000, CLAIMS, es256()), "header_unreadable"),
    ("header huge number", signed('{"n":' + "9" * 5000 + "}", {}, es256()), "header_unreadable"),
    ("header name twice", signed(KID_TWICE, CLAIMS, es256()), "header_unreadable"),
    ("crit", with_header(crit=["exp"], exp=T), "header_forbidden"),
    ("empty crit", with_header(crit=[]), "header_forbidden"),
    ("b64", with_header(b64=False), "header_forbidden"),
    ("jku", with_header(jku="https://evil.example/jwks"), "header_forbidden"),
    ("x5u", with_header(x5u="https://evil.example/x.pem"), "header_forbidden"),
    ("x5c", with_header(x5c=["MIIB"]), "header_forbidden"),
    (
        "embedded jwk",
        with_header(jwk=ec_jwk(OTHER_EC_KEY, "ec"), sign=es256(OTHER_EC_KEY)),
        "header_forbidden",
    ),
    ("wrong typ", with_header(typ="secevent+jwt"), "type_refused"),
    ("typ null", with_header(typ=None), "type_refused"),
    ("typ a list", with_header(typ=["JWT"]), "type_refused"),
    # algorithm
    ("alg none", with_header(alg="none", sign=nothing), "algorithm_refused"),
    ("alg None", with_header(alg="None", sign=nothing), "algorithm_refused"),
    ("alg none, no kid", signed({"alg": "none"}, CLAIMS, nothing), "algorithm_refused"),
    ("alg missing", with_header(without="alg"), "algorithm_refused"),
    ("alg null", with_header(alg=None), "algorithm_refused"),
    ("alg a list", with_header(alg=["ES256"]), "algorithm_refused"),
    ("alg of lower case", with_header(alg="es256"), "algorithm_refused"),
    ("HS256, PEM", with_header(alg="HS256", sign=hs256(public_bytes(PEM))), "algorithm_refused"),
    ("HS256, DER", with_header(alg="HS256", sign=hs256(public_bytes(DER))), "algorithm_refused"),
    ("ES384", with_header(alg="ES384"), "algorithm_refused"),
    ("RS256 named, EC key", with_header(alg="RS256", sign=rs256()), "algorithm_refused"),
    ("ES256 named, RSA key", with_header(kid="rsa"), "algorithm_refused"),
    # key
    ("kid missing", with_header(without="kid"), "key_unknown"),
    ("kid unknown", with_header(kid="nobody"), "key_unknown"),
    ("kid a number", with_header(kid=1), "key_unknown"),
    ("kid a list", with_header(kid=["ec"]), "key_unknown"),
    (
        "1024-bit RSA",
        with_header(alg="RS256", kid="small", sign=rs256(SMALL_RSA_KEY)),
        "key_unknown",
    ),
    # signature
    ("kid of another key", with_header(kid="other"), "signature_wrong"),
    ("signed by another key", with_header(sign=es256(OTHER_EC_KEY)), "signature_wrong"),
    ("no signature", f"{HEAD}.{BODY}.", "signature_wrong"),
    ("cut short", f"{HEAD}.{BODY}.{b64(SIGNATURE_BYTES[:-1])}", "signature_wrong"),
    ("half", f"{HEAD}.{BODY}.{b64(SIGNATURE_BYTES[:32])}", "signature_wrong"),
    ("zero byte after", f"{HEAD}.{BODY}.{b64(SIGNATURE_BYTES + b'0')}", "signature_wrong"),
    ("all zero", with_header(sign=lambda m: bytes(64)), "signature_wrong"),
    (
        "DER instead of r and s",
        with_header(sign=lambda m: EC_KEY.sign(m, ec.ECDSA(hashes.SHA256()))),
        "signature_wrong",
    ),
    (
        "RSA of zeros",
        with_header(alg="RS256", kid="rsa", sign=lambda m: bytes(256)),
        "signature_wrong",
    ),
    (
        "other claims",
        f"{HEAD}.{with_claims(sub='other').split('.')[1]}.{SIGNATURE}",
        "signature_wrong",
    ),
    # claims
    ("no payload", signed(HEADER, "", es256()), "claims_unreadable"),
    ("payload a list", signed(HEADER, "[]", es256()), "claims_unreadable"),
    ("claim twice", signed(HEADER, TWO_SUBJECTS, es256()), "claims_unreadable"),
    ("name twice, deep", signed(HEADER, '{"a":[{"b":1,"b":2}]}', es256()), "claims_unreadable"),
    ("exp NaN", with_claims(exp=float("nan")), "claims_unreadable"),
    ("exp infinite", with_claims(exp=float("inf")), "claims_unreadable"),
    ("exp beyond floats", signed(HEADER, '{"exp":1e999}', es256()), "claims_unreadable"),
    ("half a character", with_claims(name="\ud800"), "claims_unreadable"),
    ("NUL, deep", with_claims(roles=[{"a": "b\x00"}]), "claims_unreadable"),
    ("issuer missing", with_claims(without="iss"), "claim_missing"),
    ("another issuer", with_claims(iss="https://evil.example"), "issuer_wrong"),
    ("issuer with a slash", with_claims(iss=f"{ISSUER}/"), "issuer_wrong"),
    ("issuer a list", with_claims(iss=[ISSUER]), "issuer_wrong"),
    ("issuer null", with_claims(iss=None), "issuer_wrong"),
    ("audience missing", with_claims(without="aud"), "claim_missing"),
    ("another audience", with_claims(aud="payroll"), "audience_wrong"),
    ("audience holds ours as a part", with_claims(aud=f"{AUDIENCE}-test"), "audience_wrong"),
    ("audience an empty list", with_claims(aud=[]), "audience_wrong"),
    ("audience list without ours", with_claims(aud=["payroll", "fleet"]), "audience_wrong"),
    ("audience list with a number", with_claims(aud=[AUDIENCE, 1]), "audience_wrong"),
    ("audience an object", with_claims(aud={AUDIENCE: True}), "audience_wrong"),
    ("exp missing", with_claims(without="exp"), "claim_missing"),
    ("iat missing", with_claims(without="iat"), "claim_missing"),
    ("exp a bool", with_claims(exp=True), "claim_malformed"),
    ("exp text", with_claims(exp=str(T + 600)), "claim_malformed"),
    ("exp null", with_claims(exp=None), "claim_malformed"),
    ("exp past the calendar", with_claims(exp=10**18), "claim_malformed"),
    ("iat a bool", with_claims(iat=False), "claim_malformed"),
    ("auth_time text", with_claims(auth_time=str(T)), "claim_malformed"),
    ("signed in in the future", with_claims(auth_time=T + 31), "issued_in_future"),
    ("iat text", with_claims(iat=str(T)), "claim_malformed"),
    ("nbf text", with_claims(nbf=str(T)), "claim_malformed"),
    ("nbf null", with_claims(nbf=None), "claim_malformed"),
    ("expired", with_claims(exp=T - 30), "expired"),
    ("issued in the future", with_claims(iat=T + 31), "issued_in_future"),
    ("not yet valid", with_claims(nbf=T + 31), "not_yet_valid"),
    ("sub missing", with_claims(without="sub"), "claim_missing"),
    ("sub empty", with_claims(sub=""), "subject_refused"),
    ("sub blank", with_claims(sub="  "), "subject_refused"),
    ("sub too long", with_claims(sub="s" * 201), "subject_refused"),
    ("sub a number", with_claims(sub=17), "subject_refused"),
    ("sub with a newline", with_claims(sub="officer\n17"), "subject_refused"),
]


@pytest.mark.parametrize(("token", "reason"), [pytest.param(token, why, id=name) for name, token, why in FORGERIES])
def test_a_forgery_is_refused_for_its_own_reason(token: str, reason: str) -> None:
    assert reason_for(token) == reason


@pytest.mark.parametrize(
    "token",
    [with_claims(sub="secret\n"), signed("secret", CLAIMS, es256())],
    ids=["claim", "header"],
)
def test_a_refusal_quotes_nothing_of_the_token(token: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        reader().read(token, now=NOW)
    told = traceback.TracebackException.from_exception(refused.value)
    assert (told.__cause__, told.__suppress_context__) == (None, True)
    assert "secret" not in f"{refused.value} {refused.value.args}"


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(GOOD, id="ES256"),
        pytest.param(with_header(alg="RS256", kid="rsa", sign=rs256()), id="RS256"),
        pytest.param(with_header(without="typ"), id="no typ"),
        pytest.param(with_header(typ="at+jwt"), id="access token"),
        pytest.param(with_claims(aud=["payroll", AUDIENCE]), id="audience in a list"),
    ],
)
def test_a_good_token_names_its_subject(token: str) -> None:
    claims = reader().read(token, now=NOW)
    assert (claims.subject, dict(claims.extra)) == ("officer-17", {})
    assert (claims.issued_at, claims.expires_at) == (NOW, NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    "members",
    [
        {"exp": T - 29},
        {"iat": T + 30},
        {"nbf": T + 30},
        {"exp": T + 0.5},
        {"exp": 253402300799},
        {"sub": "s" * 200},
    ],
)
def test_the_last_value_inside_each_limit_is_accepted(members: dict[str, Any]) -> None:
    assert reader().read(with_claims(**members), now=NOW).subject


def test_extra_claims_are_kept_and_cannot_be_changed() -> None:
    claims = reader().read(with_claims(roles=["officer"], realm={"a": {"b": 1}}), now=NOW)
    assert claims.extra["roles"] == ("officer",)
    assert claims.extra["realm"]["a"]["b"] == 1
    with pytest.raises(TypeError):
        claims.extra["realm"]["a"]["b"] = 2
    assert "officer'" not in repr(claims)


def test_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="UTC offset"):
        reader().read(GOOD, now=datetime(2026, 5, 4, 9, 0))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize(("issuer", "audience"), [([ISSUER], AUDIENCE), (ISSUER, None), ("", "a")])
def test_a_reader_takes_one_issuer_and_one_audience(issuer: Any, audience: Any) -> None:
    with pytest.raises(TypeError):
        TokenReader(issuer, audience, KEYS)


# Every character a token may hold, and some that it may not.
MUTATION = st.tuples(st.integers(0, len(GOOD) - 1), st.sampled_from(["insert", "replace", "delete"]), st.characters())
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def mutated(at: int, how: str, character: str) -> str:
    before, after = GOOD[:at], GOOD[at:]
    if how == "insert":
        return before + character + after
    return before + (character if how == "replace" else "") + after[1:]


@given(mutation=MUTATION)
@settings(max_examples=300)
@example(mutation=(len(GOOD) - 1, "replace", "="))
def test_one_changed_character_is_refused(mutation: tuple[int, str, str]) -> None:
    token = mutated(*mutation)
    if token != GOOD:
        assert reason_for(token)


@pytest.mark.parametrize("end", [len(HEAD) - 1, len(HEAD) + len(BODY), len(GOOD) - 1])
def test_the_last_character_of_each_part_has_one_spelling(end: int) -> None:
    accepted = []
    for character in ALPHABET:
        token = mutated(end, "replace", character)
        try:
            reader().read(token, now=NOW)
        except TokenRefused:
            continue
        accepted.append(character)
    assert accepted == [GOOD[end]]


def test_the_demonstration_issuer_is_read_by_its_own_key_set() -> None:
    issuer = DemonstrationIssuer(ISSUER, AUDIENCE)
    token = issuer.issue("officer-17", now=NOW, lifetime=timedelta(minutes=10), force="met")
    claims = reader(KeyStore.from_jwks(issuer.jwks())).read(token, now=NOW)
    assert (claims.subject, dict(claims.extra)) == ("officer-17", {"force": "met"})
    assert claims.expires_at - claims.issued_at == timedelta(minutes=10)
    assert claims.authenticated_at == NOW, "whoever is given a token has signed in"
    assert "d" not in issuer.jwks()["keys"][0]
    stranger = KeyStore.from_jwks(DemonstrationIssuer(ISSUER, AUDIENCE).jwks())
    assert reason_for(token, by=reader(stranger)) == "key_unknown"


@pytest.mark.parametrize("claim", ["iss", "aud", "iat", "exp"])
def test_the_demonstration_issuer_sets_its_own_claims(claim: str) -> None:
    issuer = DemonstrationIssuer(ISSUER, AUDIENCE)
    with pytest.raises(ValueError, match=claim):
        issuer.issue("x", now=NOW, lifetime=timedelta(minutes=1), **{claim: 1})  # type: ignore[arg-type]  # the fault under test


def test_a_saved_key_keeps_its_name_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    issuer, path = DemonstrationIssuer(ISSUER, AUDIENCE), tmp_path / "issuer.pem"
    issuer.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = DemonstrationIssuer.load(path, issuer=ISSUER, audience=AUDIENCE)
    assert again.jwks() == issuer.jwks()
    with pytest.raises(FileExistsError):
        DemonstrationIssuer(ISSUER, AUDIENCE).save(path)
    path.chmod(0o640)
    with pytest.raises(PermissionError):
        DemonstrationIssuer.load(path, issuer=ISSUER, audience=AUDIENCE)


P384_KEY = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize("key", [P384_KEY, RSA_KEY], ids=["P-384", "RSA"])
def test_only_a_p256_key_is_loaded(tmp_path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path = tmp_path / "issuer.pem"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    with pytest.raises(ValueError, match=r"curve"):
        DemonstrationIssuer.load(path, issuer=ISSUER, audience=AUDIENCE)
