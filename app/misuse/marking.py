"""Marking a case, so that whoever touches it without holding it is looked at (H1.3).

Nothing of it stands in the case: no event, no new version. Who works the case must not see that it is marked.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock
from app.access.rules import Actor
from app.cases.tables import Case
from app.errors import AlreadyDecided, NotFound
from app.misuse.schemas import OfNoteIn, OfNoteView
from app.misuse.tables import CaseOfNote
from app.storage.base import columns_of


class MarkedAlready(AlreadyDecided):
    """The case is marked."""

    code = "marked_already"


class NotMarked(NotFound):
    """The case is not marked."""

    code = "not_marked"

    def __init__(self) -> None:
        super().__init__("This case is not marked.")


async def mark(session: AsyncSession, case: Case, given: OfNoteIn, *, actor: Actor, now: datetime) -> OfNoteView:
    """Mark the case from now on. Raises MarkedAlready."""
    row = CaseOfNote(
        case_id=case.id, force_id=case.force_id, reason=given.reason, marked_at=now, marked_by=actor.staff_id
    )
    kept = await session.scalars(
        insert(CaseOfNote)
        .values(row.model_dump(exclude={"since"}))
        .on_conflict_do_nothing()
        .returning(col(CaseOfNote.id))
    )
    if kept.one_or_none() is None:
        raise MarkedAlready("This case is marked already; its mark stands.")
    return OfNoteView.model_validate(row)


async def unmark(session: AsyncSession, case: Case, given: OfNoteIn, *, actor: Actor, now: datetime) -> OfNoteView:
    """Mark it no longer; the mark and its reason are kept. Raises NotMarked."""
    query = select(CaseOfNote).where(col(CaseOfNote.case_id) == case.id, col(CaseOfNote.ended_at).is_(None))
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise NotMarked
    row.ended_at, row.ended_by, row.ended_because = now, actor.staff_id, given.reason
    row.ended_since = clock.real_now()
    return OfNoteView.model_validate(row)


async def marked_before(session: AsyncSession, mark_id: UUID) -> OfNoteView:
    """The mark that a repeated request made or ended, as it stands."""
    return OfNoteView.model_validate(await session.get_one(CaseOfNote, mark_id))


async def marks(session: AsyncSession, case_id: UUID) -> list[OfNoteView]:
    """The marks of a case, oldest first, those that ended included."""
    columns = columns_of(CaseOfNote)
    query = select(*columns).where(columns.case_id == case_id).order_by(columns.marked_at, columns.id)
    return [OfNoteView.model_validate(row) for row in (await session.execute(query)).all()]
