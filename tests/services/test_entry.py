"""Whoever stays longer than one request is looked at anew: the session, the token's end, the account."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app import clock
from app.access.claimed import Claimed
from app.access.entry import Entry
from app.access.rules import Role
from app.access.sessions import Limits, begin_session, end_sessions_of, find_session
from app.access.tables import SessionEnd
from app.errors import Unauthenticated
from tests.world import STAFF, World

LIMITS = Limits()


async def test_a_stream_ends_with_the_session_the_token_or_the_account(world: World) -> None:
    assert world.api is not None
    now, officer = clock.real_now(), STAFF["officer"].id
    async with world.api.state.sessions.begin() as db:
        token = await begin_session(db, officer, claimed_roles=None, authenticated_at=now, limits=LIMITS, now=now)
        found = await find_session(db, token, limits=LIMITS, now=now)
        assert found is not None
        came = Entry(found.subject, found.expires_at, session_id=found.id)
        assert (await came.person(db, limits=LIMITS, now=now)).staff_id == officer
        narrowed = replace(came, claimed=Claimed(roles=frozenset({Role.AUDITOR})))
        assert (await narrowed.person(db, limits=LIMITS, now=now)).roles == frozenset()

        for moment in (now + LIMITS.idle, now + LIMITS.absolute):
            with pytest.raises(Unauthenticated):
                await came.person(db, limits=LIMITS, now=moment)
        bearer = Entry("officer", now + timedelta(minutes=1))
        assert (await bearer.person(db, limits=LIMITS, now=now)).staff_id == officer
        with pytest.raises(Unauthenticated):
            await bearer.person(db, limits=LIMITS, now=now + timedelta(minutes=1))

        assert await end_sessions_of(db, officer, because=SessionEnd.ADMINISTRATOR, now=now) == 1
        with pytest.raises(Unauthenticated):
            await came.person(db, limits=LIMITS, now=now)
    world.execute("UPDATE staff_member SET active = false WHERE subject = 'officer'")
    async with world.api.state.sessions() as db:
        with pytest.raises(Unauthenticated):
            await bearer.person(db, limits=LIMITS, now=now)


async def test_a_session_kept_busy_is_used_up_all_the_same_and_forgotten_a_day_later(world: World) -> None:
    assert world.api is not None
    now, officer = clock.real_now(), STAFF["officer"].id
    async with world.api.state.sessions.begin() as db:
        token = await begin_session(db, officer, claimed_roles=[], authenticated_at=None, limits=LIMITS, now=now)
        for minutes in range(10, 480, 10):
            moment = now + timedelta(minutes=minutes)
            assert await find_session(db, token, limits=LIMITS, now=moment) is not None, minutes
        assert await find_session(db, token, limits=LIMITS, now=now + LIMITS.absolute) is None
        later = now + LIMITS.absolute + timedelta(days=1, seconds=1)
        await begin_session(db, officer, claimed_roles=None, authenticated_at=None, limits=LIMITS, now=later)
    assert len(world.rows("SELECT id FROM browser_session")) == 1
