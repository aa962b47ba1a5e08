"""Rewrapping the keys of cases to the newest key-encryption key, and proving that what is held opens.

No record changes: only the rows of `case_key` do. A key is rewrapped outside of any transaction and put in place of
exactly the one that was read, so that workers beside each other, readers and writers need not wait for one another.
"""

import asyncio
from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import ClaresLawError
from app.evidence.keys import KeyRefused, KeyRing, KeyService, KeyServiceDown, NoSuchVersion
from app.evidence.tables import CaseKey
from app.evidence.vouching import is_vouched_for, voucher
from app.storage.base import columns_of, table_of
from app.storage.engine import DatabaseRole
from app.storage.migrations import outermost_case_keys
from app.storage.statements import rows, write

BATCH = 100
LOCK_SECONDS = 1
WITHDRAWAL_SECONDS = 3.0
"""While older versions are withdrawn, who opens a case waits: together shorter than anybody waits for a lock."""
_FIRST = UUID(int=0)

_key = columns_of(CaseKey)
_OLDER = (
    select(_key.case_id, _key.wrapped, _key.public_half, _key.vouched)
    .where(_key.key_version < bindparam("newest"), _key.case_id > bindparam("after"))
    .order_by(_key.case_id)
    .limit(BATCH)
)
_AT_MOST = text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
_HELD_BEFORE = select(func.case_keys_held_before(bindparam("version")))
_PUT = (
    update(table_of(CaseKey))
    .where(_key.case_id == bindparam("whose"), _key.wrapped == bindparam("was"))
    .values(wrapped=bindparam("becomes"), vouched=bindparam("voucher"))
)
_LOCK_NOT_AVAILABLE = "55P03"
_log = structlog.get_logger()


class OtherKeys(ClaresLawError):
    """The keys are not those of this database."""

    code: ClassVar[str] = "other_keys"


class NotAllHeld(ClaresLawError):
    """Keys of cases are gone or not as the service wrote them: put back, they may need any version."""

    code: ClassVar[str] = "keys_not_held"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"{number} keys of cases are gone or not as they were written; the log names each case. "
            "Put back, they may need the older versions: nothing was withdrawn."
        )


class StillWrapped(ClaresLawError):
    """Keys of cases are still under the versions that were to be withdrawn."""

    code: ClassVar[str] = "still_wrapped"


async def rewrap(opened: async_sessionmaker[AsyncSession], service: KeyService) -> int:
    """Rewrap every key of an older version, a batch at a time; how many were. What is interrupted goes on next time.

    One that the key service will not open, or that this service does not vouch for, stays as it is and is logged by its
    case's id: vouched for anew, a forged one would pass for its own. Raises KeyServiceDown.
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
                if not is_vouched_for(one.case_id, one.public_half, one.wrapped, one.vouched):
                    raise KeyRefused
                wrapped = await service.rewrap(one.case_id, one.wrapped)
            except KeyRefused:
                _log.error("case_key_not_rewrapped", case_id=str(one.case_id))
                continue
            put = {"whose": one.case_id, "was": one.wrapped}
            vouched = voucher(one.case_id, one.public_half, wrapped.key)
            fresh.append({**put, "becomes": wrapped.key, "voucher": vouched})
        if fresh:
            async with opened.begin() as session:
                await write(session, _PUT, fresh)
        after, done = older[-1].case_id, done + len(fresh)


async def withdraw_before(opened: async_sessionmaker[AsyncSession], service: KeyService, version: int) -> None:
    """Let no older version unwrap any more.

    Raises NoSuchVersion, StillWrapped while any key of a case needs an older one, KeyServiceDown.

    No key is made meanwhile, and one that was being made as this began is waited for: it might be under an older one.
    """
    newest = await service.newest()
    if version > newest:
        raise NoSuchVersion(newest)
    async with opened.begin() as session:
        await session.execute(_AT_MOST)
        try:
            older = await session.scalar(_HELD_BEFORE, {"version": version})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise StillWrapped("Keys of cases are being made at this moment: ask again.") from None
        if older:
            raise StillWrapped(
                f"{older} keys of cases are wrapped under a version before {version}: "
                "clares-law keys rewrap, and then again."
            )
        try:
            async with asyncio.timeout(WITHDRAWAL_SECONDS):
                await service.withdraw_before(version)
        except TimeoutError:
            raise KeyServiceDown from None


async def must_open(url: str, role: DatabaseRole, ring: KeyRing) -> None:
    """Raise OtherKeys where the key service does not open what the database holds; one that is down is let pass."""
    try:
        for case_id, wrapped in outermost_case_keys(url, role):
            await ring.data_key(case_id, wrapped)
    except KeyRefused:
        raise OtherKeys(
            "The key service does not open the keys of this database's cases: it is another one, or its older "
            "versions were withdrawn too early. Name the file or the engine that the database was written with."
        ) from None
    except KeyServiceDown:
        _log.warning("key_service_down_at_start")
