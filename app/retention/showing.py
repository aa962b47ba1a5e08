"""How long a case is kept and why, as it is shown: every date with its working (H12.2)."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case
from app.clock import LONDON
from app.retention.freezing import freezes_of
from app.retention.rules import Kept, KeptOn, working
from app.retention.schemas import DecisionView, RetentionDates, RetentionView
from app.retention.tables import Retention, RetentionAgreement, RetentionDecision
from app.storage.base import columns_of

_NOT_CLOSED = "The case has not closed: its group and the date of its review are settled when it does (H12.2)."


async def retention_of(session: AsyncSession, case: Case) -> RetentionView:
    """The dates of a case with their working, what its reviews decided, and what freezes it."""
    dates = (await session.execute(select(*columns_of(Retention)).where(col(Retention.case_id) == case.id))).first()
    decisions = await _decisions(session, case)
    freezes = await freezes_of(session, case.id)
    in_force = [one.because for one in freezes if one.lifted_at is None]
    moved = [
        KeptOn(one.recorded_at.astimezone(LONDON).date(), one.review_on, one.ground)
        for one in decisions
        if one.review_on is not None
    ]
    return RetentionView(
        case_id=case.id,
        dates=RetentionDates.model_validate(dates) if dates else None,
        working=working(_kept(dates), moved, in_force) if dates else [_NOT_CLOSED],
        decisions=decisions,
        freezes=freezes,
        frozen=bool(in_force),
    )


def _kept(row: Any) -> Kept:
    return Kept(
        group=row.group_code,
        title=row.title,
        source=row.source,
        mark=row.mark,
        closed_on=row.closed_on,
        keep_years=row.keep_years,
        review_again_years=row.review_again_years,
        keep_until=row.keep_until,
        review_on=row.review_on,
    )


async def _decisions(session: AsyncSession, case: Case) -> list[DecisionView]:
    answered: dict[str, Any] = {
        "agreed": RetentionAgreement.agrees,
        "answered_by": RetentionAgreement.recorded_by,
        "answered_at": RetentionAgreement.recorded_at,
        "answer": RetentionAgreement.reason,
    }
    query = (
        select(*columns_of(RetentionDecision), *(col(one).label(name) for name, one in answered.items()))
        .outerjoin(RetentionAgreement, col(RetentionAgreement.decision_id) == col(RetentionDecision.id))
        .where(col(RetentionDecision.case_id) == case.id)
        .order_by(col(RetentionDecision.recorded_at), col(RetentionDecision.id))
    )
    return [DecisionView.model_validate(row) for row in (await session.execute(query)).all()]
