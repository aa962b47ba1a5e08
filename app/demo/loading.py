"""Putting the demonstration into a database, once."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.access.service import actor_for
from app.access.tables import Installation
from app.demo import staff
from app.demo.cases import STORIES, Told
from app.demo.story import Story
from app.storage.migrations import OtherKind

_TOLD = text("UPDATE installation SET told = array_append(told, :key)")

Sessions = async_sessionmaker[AsyncSession]


async def load(app_sessions: Sessions, *, owner_sessions: Sessions, now: datetime, say: Callable[[str], None]) -> None:
    """Put in forces, agencies, staff and fictional cases, dated back from `now`; a second time adds nothing.

    The cases are made by the services themselves, as the API's database role. Raises OtherKind where the database is
    not a demonstration's.
    """
    async with owner_sessions.begin() as session:
        installation = await session.scalar(select(Installation))
        if installation is None or installation.kind != "demonstration":
            raise OtherKind("Fictional cases go into the database of a demonstration, and this is none.")
        there = set(installation.told)
        await staff.keep_staff(session)
    async with app_sessions.begin() as session:
        cast = {one.subject: await actor_for(session, one.subject) for one in staff.ACCOUNTS}
    missing = [one for one in STORIES if _key(one) not in there]
    if missing:
        say(f"Loading {len(missing)} fictional cases")
    for one in missing:
        async with app_sessions.begin() as session:
            story = Story(session, cast, one.opened_by, begins=one.begins(now), now=now)
            if await story.claim(_key(one)):
                await one.tell(story)
        # Apart, by whoever may: where this is not reached, the claim above is still there at the next start.
        async with owner_sessions.begin() as session:
            await session.execute(_TOLD, {"key": _key(one)})


def _key(one: Told) -> str:
    return f"demonstration-{one.title.replace(' ', '-')}"
