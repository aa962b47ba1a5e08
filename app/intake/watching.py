"""Attempts to open a case that is withheld from whoever tries: refused like an unknown one, and notified (H2.8).

The request itself does nothing that it would not do for a random id; the log tells of it, and the worker reads the log.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import AccessKind, CaseAccess, CaseGrant, CaseRestriction, RefusalSeen, StaffMember
from app.cases.service import note
from app.cases.tables import Case
from app.clock import in_london
from app.evidence.tables import LogRow
from app.intake.accounts import acting
from app.intake.rules import attempted
from app.safeguarding.service import open_duties, owe
from app.safeguarding.terms import DutyKind
from app.storage.base import shares_any

BATCH = 100


async def watch_attempts(session: AsyncSession, *, now: datetime) -> int:
    """Owe an answer for every attempt on a case by an account that it is withheld from; how many refusals were seen.

    One duty for each account while it is open. A refusal is seen once, however many workers look.
    """
    entry = and_(
        col(CaseAccess.case_id) == col(LogRow.case_id),
        col(CaseAccess.staff_id) == col(LogRow.staff_id),
        col(CaseAccess.ended_at).is_(None),
    )
    excluded = exists().where(entry, col(CaseAccess.kind) == AccessKind.EXCLUDED)
    allowed = exists().where(entry, col(CaseAccess.kind) == AccessKind.ALLOWED)
    on_agenda = exists().where(
        col(CaseGrant.case_id) == col(LogRow.case_id),
        col(CaseGrant.staff_id) == col(LogRow.staff_id),
        col(CaseGrant.ended_at).is_(None),
    )
    professional_standards = exists().where(
        col(StaffMember.id) == col(LogRow.staff_id),
        col(StaffMember.force_id) == col(Case.force_id),
        shares_any(StaffMember.roles, {Role.PROFESSIONAL_STANDARDS}),
    )
    restricted = exists().where(col(CaseRestriction.case_id) == col(LogRow.case_id))
    withheld = or_(excluded, and_(restricted, ~allowed, ~on_agenda, ~professional_standards))
    query = (
        select(col(LogRow.id), col(LogRow.staff_id), col(LogRow.logged_at), Case, withheld.label("withheld"))
        .join(Case, col(Case.id) == col(LogRow.case_id))
        .where(
            col(LogRow.refused),
            col(LogRow.staff_id).is_not(None),
            or_(excluded, restricted),
            ~exists().where(col(RefusalSeen.log_id) == col(LogRow.id)),
        )
        .order_by(col(LogRow.logged_at))
        .limit(BATCH)
    )
    refusals = (await session.execute(query)).all()
    for refusal in refusals:
        seen = insert(RefusalSeen).values(log_id=refusal.id).on_conflict_do_nothing().returning(col(RefusalSeen.log_id))
        if (await session.scalars(seen)).one_or_none() and refusal.withheld:
            await _notify(session, refusal.Case, refusal.staff_id, tried_at=refusal.logged_at, now=now)
    return len(refusals)


async def _notify(session: AsyncSession, case: Case, staff_id: UUID, *, tried_at: datetime, now: datetime) -> None:
    why, by = attempted(in_london(tried_at)), acting(staff_id, case)
    await note(session, case, why.code, "An attempt to open this case was refused: it is withheld.", by=by, now=now)
    open_ones = await open_duties(session, case.id, DutyKind.POLICE_INVOLVEMENT)
    if not any(duty.code == why.code and duty.about_id == staff_id for duty in open_ones):
        owe(session, case, DutyKind.POLICE_INVOLVEMENT, why, actor=by, now=now, about_id=staff_id)
