"""Attempts to open a case that is withheld from whoever tries: refused like an unknown one, and notified (H2.8).

The request itself does nothing that it would not do for a random id; the log tells of it, and the worker reads the log.
"""

from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, Subquery, Uuid, and_, column, func, or_, select, table, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.rules import Role
from app.access.tables import AccessKind, BrokenGlass, CaseAccess, CaseGrant, CaseRestriction, RefusalSeen, StaffMember
from app.cases.service import note
from app.cases.tables import Case, CasePointer, PartyRole
from app.clock import LONDON, in_london
from app.evidence.tables import Leaf, LogRow
from app.intake.accounts import acting
from app.intake.rules import attempted, open_elsewhere
from app.safeguarding.service import open_duties, owe
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind
from app.storage.base import shares_any
from app.timeline.tables import Event

BATCH = 100
_LEADS_TO_A_CASE = ("agenda_item", "broken_glass", "forum_action", "transfer_offer")
"""Tables of later stages, by name: a refusal may carry the id of a row instead of its case's.

Or that of any record whose receipt was asked for: the tree knows its case once it is numbered, seconds later.
"""


async def watch_attempts(session: AsyncSession, *, now: datetime) -> int:
    """Owe an answer for every attempt on a case by an account that it is withheld from; how many refusals were seen.

    One event for each account and day, and one duty while it is open. A refusal is seen once, however many workers
    look, and judged by what was in force when it was logged.
    """
    asked = _asked_for()
    entry = and_(
        col(CaseAccess.case_id) == asked.c.case_id,
        col(CaseAccess.staff_id) == col(LogRow.staff_id),
        col(CaseAccess.since) <= col(LogRow.logged_at),
        or_(col(CaseAccess.ended_since).is_(None), col(CaseAccess.ended_since) > col(LogRow.logged_at)),
    )
    excluded = _any(CaseAccess.staff_id, entry, col(CaseAccess.kind) == AccessKind.EXCLUDED)
    allowed = _any(CaseAccess.staff_id, entry, col(CaseAccess.kind) == AccessKind.ALLOWED)
    leaders = select(func.leaders_of(col(Case.id), col(Case.force_id), col(CaseRestriction.leading_ranks)))
    leads = col(LogRow.staff_id).in_(leaders.correlate(Case, CaseRestriction))
    on_agenda = _any(
        CaseGrant.staff_id,
        col(CaseGrant.case_id) == asked.c.case_id,
        col(CaseGrant.staff_id) == col(LogRow.staff_id),  # ended or not: an old address is no attempt
        col(CaseGrant.staff_id).in_(select(col(StaffMember.id)).where(col(StaffMember.agency_id).is_not(None))),
    )
    through_glass = _any(
        BrokenGlass.case_id,
        col(BrokenGlass.case_id) == asked.c.case_id,
        col(BrokenGlass.staff_id) == col(LogRow.staff_id),
        col(BrokenGlass.since) <= col(LogRow.logged_at),
        col(BrokenGlass.until) > col(LogRow.logged_at),
        or_(col(BrokenGlass.ended_since).is_(None), col(BrokenGlass.ended_since) > col(LogRow.logged_at)),
    )
    professional_standards = _any(
        StaffMember.id,
        col(StaffMember.id) == col(LogRow.staff_id),
        col(StaffMember.force_id) == col(Case.force_id),
        shares_any(StaffMember.roles, {Role.PROFESSIONAL_STANDARDS}),
    )
    restricted = col(CaseRestriction.since) <= col(LogRow.logged_at)
    withheld = or_(excluded, and_(restricted, ~leads, ~allowed, ~on_agenda, ~professional_standards, ~through_glass))
    query = (
        select(col(LogRow.id), col(LogRow.staff_id), col(LogRow.logged_at), Case, withheld.label("withheld"))
        .join(asked, asked.c.log_id == col(LogRow.id))
        .join(Case, col(Case.id) == asked.c.case_id)
        .outerjoin(CaseRestriction, col(CaseRestriction.case_id) == asked.c.case_id)
        .where(
            col(LogRow.refused),
            col(LogRow.staff_id).is_not(None),
            col(Case.erased_at).is_(None),
            or_(excluded, restricted),
            ~_any(RefusalSeen.log_id, col(RefusalSeen.log_id) == col(LogRow.id)),
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


def _asked_for() -> Subquery:
    """The case of each refusal: as logged, or that of the item, action, offer or record it was asked for through."""
    direct: Any = select(col(LogRow.id).label("log_id"), col(LogRow.case_id).label("case_id")).where(
        col(LogRow.refused), col(LogRow.case_id).is_not(None)
    )
    by_way: list[tuple[Any, Any, Any]] = [(Leaf, col(Leaf.record_id), col(Leaf.case_id))]
    for named in _LEADS_TO_A_CASE:
        one = table(named, column("id", Uuid), column("case_id", Uuid))
        by_way.append((one, one.c.id, one.c.case_id))
    through = [
        select(col(LogRow.id), case_id)
        .join(leads, record == col(LogRow.event_id))
        .where(col(LogRow.refused), col(LogRow.case_id).is_(None))
        for leads, record, case_id in by_way
    ]
    return union(direct, *through).subquery()  # an offer is a numbered record as well


def _any(of: Any, *where: ColumnElement[bool]) -> Exists:
    """Whether there is such a row; of a table of which only some columns may be read, `*` may not be asked for."""
    return select(col(of)).where(*where).exists()


async def _notify(session: AsyncSession, case: Case, staff_id: UUID, *, tried_at: datetime, now: datetime) -> None:
    why, by = attempted(in_london(tried_at)), acting(staff_id, case)
    today = datetime.combine(now.astimezone(LONDON), time(), LONDON)
    told = select(col(Event.recorded_at)).where(
        col(Event.case_id) == case.id,
        col(Event.kind) == why.code,
        col(Event.recorded_by) == staff_id,
        col(Event.recorded_at) >= today,
    )
    if (await session.scalars(told)).first():
        return
    await note(session, case, why.code, "An attempt to open this case was refused: it is withheld.", by=by, now=now)
    open_ones = await open_duties(session, case.id, DutyKind.POLICE_INVOLVEMENT)
    if not any(duty.code == why.code and duty.about_id == staff_id for duty in open_ones):
        owe(session, case, DutyKind.POLICE_INVOLVEMENT, why, actor=by, now=now, about_id=staff_id)


async def watch_pointers(session: AsyncSession, *, now: datetime) -> int:
    """Owe, in a restricted case, a look at each other case about its subject that is not restricted (H2.8).

    Whoever typed the same people again and may not see the case was not told of it; those who see it are told here.
    """
    mine, other = aliased(CasePointer), aliased(CasePointer)
    told = _any(
        Duty.id,
        col(Duty.case_id) == col(mine.case_id),
        col(Duty.about_id) == col(other.case_id),
        col(Duty.code) == open_elsewhere("").code,
    )
    query: Any = (
        select(col(mine.case_id), col(other.case_id).label("other_id"), col(other.reference))
        .distinct()
        .join(other, and_(col(other.match_key) == col(mine.match_key), col(other.case_id) != col(mine.case_id)))
        .where(
            col(mine.withheld),
            col(mine.role) == PartyRole.SUBJECT,
            col(other.role) == PartyRole.SUBJECT,
            ~col(other.withheld),
            ~told,
        )
        .limit(BATCH)
    )
    found = (await session.execute(query)).all()
    for case_id in sorted({one.case_id for one in found}):
        held = select(Case).where(col(Case.id) == case_id).with_for_update(key_share=True)
        case = (await session.scalars(held)).one()
        # Read again now that the case is held: another worker may have told of it.
        for one in (await session.execute(query.where(col(mine.case_id) == case_id))).all():
            by = acting(case.created_by, case)
            why = open_elsewhere(one.reference)
            owe(session, case, DutyKind.POLICE_INVOLVEMENT, why, actor=by, now=now, about_id=one.other_id)
        await session.flush()
    return len(found)
