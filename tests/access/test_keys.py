"""The issuer's keys while the service runs: fetched when a token names a new one, and seldom."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.access.claims import TokenRefused
from app.access.tokens import KeyRing, KeySetRefused, KeyStore, KeysUnavailable, TokenReader
from tests.access.forging import (
    AUDIENCE,
    GOOD,
    ISSUER,
    KEYS,
    NOW,
    RSA_KEY,
    nothing,
    rsa_jwk,
    with_claims,
    with_header,
)


class Provider:
    """Publishes a key set and counts how often it is asked."""

    def __init__(self, *answers: KeyStore | Exception, seconds: float = 0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.asked = 0

    async def __call__(self) -> KeyStore:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


NO_KEYS = KeyStore.from_jwks({"keys": []})
WITHOUT_EC = KeyStore.from_jwks({"keys": [rsa_jwk(RSA_KEY, "rsa")]})


def fetching(provider: Provider, keys: KeyStore = NO_KEYS) -> TokenReader:
    return TokenReader(ISSUER, AUDIENCE, KeyRing(keys, provider, min_refetch_interval_s=60, retry_s=5))


async def reason_for(token: str, by: TokenReader, **later: Any) -> str:
    with pytest.raises(TokenRefused) as refused:
        await by.read_fetching(token, now=NOW + timedelta(**later))
    return refused.value.reason


async def subject_of(token: str, by: TokenReader, **later: Any) -> str:
    return (await by.read_fetching(token, now=NOW + timedelta(**later))).subject


async def test_an_unknown_key_is_fetched_once() -> None:
    provider = Provider(KEYS)
    by = fetching(provider)
    assert await subject_of(GOOD, by) == await subject_of(GOOD, by) == "officer-17"
    assert provider.asked == 1


async def test_made_up_names_start_no_more_than_one_fetch_an_interval() -> None:
    provider = Provider(KEYS, KEYS)
    by = fetching(provider, KEYS)
    for n in range(20):
        assert await reason_for(with_header(kid=f"made-up-{n}"), by) == "key_unknown"
    assert provider.asked == 1
    assert await subject_of(GOOD, by)
    assert await reason_for(with_header(kid="made-up"), by, seconds=60) == "key_unknown"
    assert provider.asked == 2


async def test_a_machine_clock_set_back_does_not_stop_fetching() -> None:
    provider = Provider(NO_KEYS, KEYS)
    by = fetching(provider)
    assert await reason_for(GOOD, by, days=-365) == "key_unknown"
    assert await subject_of(GOOD, by)


@pytest.mark.parametrize("failure", [KeysUnavailable("timed out"), KeySetRefused("no keys")])
async def test_a_failed_fetch_refuses_the_token_keeps_the_keys_and_is_tried_again_soon(failure: Exception) -> None:
    provider = Provider(failure, WITHOUT_EC)
    by = fetching(provider, KEYS)
    assert await reason_for(with_header(kid="new"), by) == "keys_unavailable"
    assert await subject_of(GOOD, by)
    assert await reason_for(with_header(kid="new"), by) == "key_unknown"
    assert provider.asked == 1
    assert await reason_for(with_header(kid="new"), by, seconds=5) == "key_unknown"
    assert provider.asked == 2


async def test_a_withdrawn_key_is_gone_after_the_fetch() -> None:
    by = fetching(Provider(WITHOUT_EC), KEYS)
    assert await reason_for(with_header(kid="new"), by) == "key_unknown"
    assert await reason_for(GOOD, by) == "key_unknown"


async def test_keys_fetched_an_hour_ago_are_renewed_and_stay_good_while_the_issuer_is_silent() -> None:
    long = with_claims(exp=int(NOW.timestamp()) + 100_000)
    provider = Provider(KEYS, KeysUnavailable("timed out"), WITHOUT_EC)
    by = fetching(provider)
    assert await subject_of(long, by)
    assert await subject_of(long, by, minutes=59)
    assert provider.asked == 1
    assert await subject_of(long, by, minutes=60)
    assert provider.asked == 2
    assert await reason_for(long, by, minutes=61) == "key_unknown"
    assert provider.asked == 3


@pytest.mark.parametrize("token", [with_header(alg="none", kid="new", sign=nothing), with_header(kid=["new"])])
async def test_a_token_that_cannot_be_good_starts_no_fetch(token: str) -> None:
    provider = Provider()
    await reason_for(token, fetching(provider))
    assert provider.asked == 0


async def test_many_requests_with_a_new_key_fetch_once_and_nobody_else_waits() -> None:
    # A slow answer, so that the others arrive while it is under way.
    provider = Provider(KEYS, seconds=0.1)
    by, turns = fetching(provider), 0

    async def others() -> None:
        nonlocal turns
        while provider.asked == 0 or not asked.done():
            turns += 1
            await asyncio.sleep(0.005)

    asked = asyncio.gather(*(subject_of(GOOD, by) for _ in range(8)))
    await asyncio.gather(asked, others())
    assert (await asked, provider.asked) == (["officer-17"] * 8, 1)
    assert turns > 1, "the loop went on while the provider was asked"
