"""Applications begun and not yet opened (H3.5)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import case_in_reach, must_be_at
from app.cases.tables import Case
from app.editions import DEFAULT_EDITION
from app.errors import Conflict
from app.intake.blank import blank_case
from app.intake.schemas import DraftIn, DraftView
from app.intake.tables import Draft
from app.process import Stage


class DraftCompleted(Conflict):
    """The draft was completed: what it held joined a case that was open already."""

    code = "draft_completed"

    def __init__(self) -> None:
        super().__init__("This draft was completed: it joined the open case that holds the same people.")


async def keep_draft(session: AsyncSession, draft: DraftIn, *, actor: Actor, now: datetime) -> DraftView:
    """Keep an application begun; no clock runs, so a request that has reached the police is opened, not drafted."""
    case = blank_case(draft.route, DEFAULT_EDITION, force_id=actor.serves_force_id, by=actor.staff_id, now=now)
    session.add(case)
    await session.flush()
    row = Draft(case_id=case.id, force_id=case.force_id, typed=draft.typed)
    session.add(row)
    return _draft(case, row)


async def rewrite_draft(session: AsyncSession, case: Case, draft: DraftIn, *, actor: Actor, now: datetime) -> Recorded:
    """Replace what a draft holds."""
    row = await _open_draft(session, case)
    row.typed = draft.typed
    case.route = draft.route
    return Recorded(row.id)


async def read_draft(session: AsyncSession, case: Case) -> DraftView:
    """A draft as it was left."""
    return _draft(case, await _open_draft(session, case))


async def draft_before(session: AsyncSession, case_id: UUID) -> DraftView:
    """What a repeated request is answered with: the draft as it stands now."""
    return await read_draft(session, await case_in_reach(session, case_id, for_change=False))


async def draft_to_open(session: AsyncSession, draft_id: UUID) -> Case:
    """The case of a draft, held to be opened."""
    case = await case_in_reach(session, draft_id, for_change=True)
    await _open_draft(session, case)
    return case


async def complete_into(session: AsyncSession, draft_id: UUID, joined: Case) -> None:
    """Say that a draft was completed by joining an open case: it is open no longer."""
    case = await case_in_reach(session, draft_id, for_change=True)
    row = await _open_draft(session, case)
    row.joined_id = joined.id


async def _open_draft(session: AsyncSession, case: Case) -> Draft:
    must_be_at(case, Stage.INTAKE)
    row = (await session.scalars(select(Draft).where(col(Draft.case_id) == case.id))).one()
    if row.joined_id is not None:
        await case_in_reach(session, row.joined_id, for_change=False)  # withheld, it is not told of (H2.8)
        raise DraftCompleted
    return row


def _draft(case: Case, row: Draft) -> DraftView:
    return DraftView(id=case.id, reference=case.reference, version=case.version, route=case.route, typed=row.typed)
