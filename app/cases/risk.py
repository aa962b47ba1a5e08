"""Grading risk, and what a grade moves: the place on the worklist, the targets, the ladder of alerts (H2.4, H2.6)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import Graded, happened_at, ruling_grade
from app.cases.schemas import GradeIn
from app.cases.service import note
from app.cases.tables import Case, Party, PartyRole, RiskGrade
from app.clock import in_london
from app.deadlines.service import follow_risk

_OF_GRADE: tuple[Any, ...] = (RiskGrade.potential_victim_id, RiskGrade.grade, RiskGrade.occurred_at)


async def grade_risk(
    session: AsyncSession,
    case: Case,
    graded: GradeIn,
    *,
    by: Actor,
    now: datetime,
    occurred_at: datetime | None = None,
    potential_victim_id: UUID | None = None,
) -> UUID:
    """Keep a grade of risk. Immediate or imminent harm makes the case urgent from then on (H2.4, H2.6)."""
    row = RiskGrade(
        case_id=case.id,
        force_id=case.force_id,
        potential_victim_id=potential_victim_id,
        occurred_at=happened_at(occurred_at, now=now),
        recorded_at=now,
        recorded_by=by.staff_id,
        grade=graded.grade,
        immediate=graded.immediate,
        reason=graded.reason,
    )
    session.add(row)
    if graded.immediate and case.urgent_since is None:
        case.urgent_since = row.occurred_at
        await note(
            session,
            case,
            "made_urgent",
            "Immediate or imminent risk: the case is urgent from now on.",
            by=by,
            now=now,
        )
    await weigh(session, case, by=by, now=now)
    return row.id


async def weigh(session: AsyncSession, case: Case, *, by: Actor, now: datetime) -> None:
    """Find the current grade of the case anew, and let its open clocks follow: each tightened target is told.

    A clock that has followed a graver risk does not go back when the grade falls: the safer is followed (H2.0).
    """
    await session.flush()
    of_victim = or_(col(RiskGrade.potential_victim_id) == col(Party.id), col(RiskGrade.potential_victim_id).is_(None))
    wanted: list[Any] = [col(Party.id), *(col(one) for one in _OF_GRADE)]
    query = (
        select(*wanted)
        .outerjoin(RiskGrade, and_(col(RiskGrade.case_id) == col(Party.case_id), of_victim))
        .where(col(Party.case_id) == case.id, col(Party.role) == PartyRole.POTENTIAL_VICTIM)
        .order_by(col(RiskGrade.occurred_at), col(RiskGrade.recorded_at))
    )
    of_each: dict[UUID, list[Graded]] = {}
    for victim, own, grade, at in await session.execute(query):
        grades = of_each.setdefault(victim, [])
        if grade is not None:
            grades.append(Graded(grade, at, of_whole_case=own is None))
    ruling = ruling_grade(of_each.values())
    found = ruling.grade if ruling else None
    if found != case.current_grade:
        case.current_grade, case.graded_at = found, ruling.at if ruling else None
    for aim in await follow_risk(session, case):
        sentence = f"{aim.kind.replace('_', ' ').capitalize()}: target {in_london(aim.target_at)}. {aim.because}"
        await note(session, case, "target_tightened", sentence, by=by, now=now)
