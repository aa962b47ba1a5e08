"""Rewrapping the keys of cases to the newest key-encryption key, and proving that what is held opens.

No record changes: only the rows of `case_key` do. A key is rewrapped outside of any transaction and put in place of
exactly the one that was read, so that workers beside each other, readers and writers need not wait for one another.
"""

from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import ClaresLawError
from app.evidence.keys import KeyRefused, KeyRing, KeyService, KeyServiceDown
from app.evidence.tables import CaseKey
from app.storage.base import columns_of, table_of
from app.storage.engine import DatabaseRole
from app.storage.migrations import newest_case_key
from app.storage.statements import rows, write

BATCH = 100
_FIRST = UUID(int=0)

_key = columns_of(CaseKey)
_OLDER = (
    select(_key.case_id, _key.wrapped)
    .where(_key.key_version < bindparam("newest"), _key.case_id > bindparam("after"))
    .order_by(_key.case_id)
    .limit(BATCH)
)
_OLDER_THAN = select(func.count().label("number")).where(_key.key_version < bindparam("version"))
_PUT = (
    update(table_of(CaseKey))
    .where(_key.case_id == bindparam("whose"), _key.wrapped == bindparam("was"))
    .values(wrapped=bindparam("becomes"), key_version=bindparam("under"))
)
_log = structlog.get_logger()


class OtherKeys(ClaresLawError):
    """The keys are not those of this database."""

    code: ClassVar[str] = "other_keys"


class StillWrapped(ClaresLawError):
    """Keys of cases are still under the versions that were to be withdrawn."""

    code: ClassVar[str] = "still_wrapped"


async def rewrap(opened: async_sessionmaker[AsyncSession], service: KeyService) -> int:
    """Rewrap every key of an older version, a batch at a time; how many were. What is interrupted goes on next time.

    One that the service will not open stays as it is, and is logged by its case's id. Raises KeyServiceDown.
    """
    newest, after, done = await service.newest(), _FIRST, 0
    while True:
        async with opened() as session:
            older = await rows(session, _OLDER, newest=newest, after=after)
        if not older:
            return done
        fresh = []
        for one in older:
            try:
                wrapped = await service.rewrap(one.case_id, one.wrapped)
            except KeyRefused:
                _log.error("case_key_not_rewrapped", case_id=str(one.case_id))
                continue
            put = {"whose": one.case_id, "was": one.wrapped}
            fresh.append({**put, "becomes": wrapped.key, "under": wrapped.version})
        if fresh:
            async with opened.begin() as session:
                await write(session, _PUT, fresh)
        after, done = older[-1].case_id, done + len(fresh)


async def withdraw_before(opened: async_sessionmaker[AsyncSession], service: KeyService, version: int) -> None:
    """Let no older version unwrap any more; raises StillWrapped while any key of a case needs one."""
    async with opened() as session:
        (older,) = await rows(session, _OLDER_THAN, version=version)
    if older.number:
        raise StillWrapped(
            f"{older.number} keys of cases are wrapped under a version before {version}: "
            "clares-law keys rewrap, and then again."
        )
    await service.withdraw_before(version)


async def must_open(url: str, role: DatabaseRole, ring: KeyRing) -> None:
    """Raise OtherKeys where the key service does not open what the database holds; one that is down is let pass."""
    held = newest_case_key(url, role)
    if held is None:
        return
    try:
        await ring.data_key(*held)
    except KeyRefused:
        raise OtherKeys(
            "The key service does not open the keys of this database's cases: it is another one, or its older "
            "versions were withdrawn too early. Name the file or the engine that the database was written with."
        ) from None
    except KeyServiceDown:
        _log.warning("key_service_down_at_start")
