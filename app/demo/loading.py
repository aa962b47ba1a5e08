"""Putting the demonstration into a database, once."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import col

from app.access.rules import Actor
from app.access.service import actor_for
from app.access.tables import Installation
from app.demo import staff
from app.demo.cases import STORIES, Told
from app.demo.story import Story
from app.storage.migrations import OtherKind

Sessions = async_sessionmaker[AsyncSession]


async def load(
    app_sessions: Sessions, *, owner_sessions: Sessions, now: datetime, say: Callable[[str], None]
) -> None:
    """Put in forces, agencies, staff and fictional cases, dated back from `now`; a second time adds nothing.

    Cases are made as the API's database role by the services themselves. Raises OtherKind where the database is not
    a demonstration's.
    """
    async with owner_sessions.begin() as session:
        kind = await session.scalar(select(col(Installation.kind)))
        if kind != "demonstration":
            raise OtherKind("Fictional cases go into a demonstration's database only, and this is none.")
        await staff.keep_staff(session)
    async with app_sessions.begin() as session:
        cast = {one.subject: await actor_for(session, one.subject) for one in staff.ACCOUNTS}
    told = 0
    for one in STORIES:
        told += await _tell(one, app_sessions, cast, now=now, say=say if told == 0 else _quietly)
    if told:
        say(f"Loaded {told} fictional cases")


def _quietly(text: str) -> None:
    """The first case is announced, the others come with it."""


async def _tell(
    one: Told, app_sessions: Sessions, cast: dict[str, Actor], *, now: datetime, say: Callable[[str], None]
) -> bool:
    """Tell one story unless it was told before; whether it was told now."""
    async with app_sessions.begin() as session:
        story = Story(session, cast, one.title, begins=one.begins(now), now=now)
        if await story.told_before(one.opened_by):
            return False
        say("Loading fictional cases")
        await one.tell(story)
    return True
