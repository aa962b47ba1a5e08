"""A closed case is given its review, reviewed on the day, kept or erased by two people (H12.2)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import CaseNotFound, note
from app.cases.tables import Case
from app.clock import LONDON
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import close_tasks_about
from app.errors import AlreadyDecided, Conflict, Unprocessable, refuse_if
from app.evidence.keys import key_ring
from app.process import Stage
from app.retention.freezing import frozen_because, is_frozen
from app.retention.rules import (
    ErasingFacts,
    kept,
    obstacles_to_erasing,
    obstacles_to_keeping_until,
    obstacles_to_review,
)
from app.retention.schedule import schedule
from app.retention.schemas import AgreementIn, ErasureView, RetentionDecisionIn, ReviewDue
from app.retention.tables import Erasure, Retention, RetentionAgreement, RetentionDecision
from app.retention.terms import Verdict
from app.safeguarding.service import act_keys
from app.storage.base import columns_of

_AWAITING = (
    select(RetentionDecision)
    .outerjoin(RetentionAgreement, col(RetentionAgreement.decision_id) == col(RetentionDecision.id))
    .where(
        col(RetentionDecision.case_id) == bindparam("case_id"),
        col(RetentionDecision.verdict) == Verdict.ERASE,
        col(RetentionAgreement.id).is_(None),
    )
)


class ErasureAwaitsAgreement(AlreadyDecided):
    """A decision to erase waits for its second person."""

    code = "erasure_awaits_agreement"


class NoErasureToAgree(Conflict):
    """No decision to erase waits for a second person."""

    code = "no_erasure_to_agree"


def schedule_review(session: AsyncSession, case: Case, *, now: datetime) -> None:
    """Give a case that closes its group and the date of its review, by the schedule of this day."""
    assert case.outcome is not None  # a case without one does not close
    risk = case.risk[0] if case.risk else None
    found = kept(schedule().group_for(case.outcome, risk), closed_on=now.astimezone(LONDON).date())
    session.add(
        Retention(
            case_id=case.id,
            force_id=case.force_id,
            schedule=schedule().name,
            group_code=found.group,
            title=found.title,
            source=found.source,
            mark=found.mark,
            closed_on=found.closed_on,
            keep_years=found.keep_years,
            review_again_years=found.review_again_years,
            keep_until=found.keep_until,
            review_on=found.review_on,
        )
    )


async def decide_retention(
    session: AsyncSession, case: Case, given: RetentionDecisionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep a case until another day, with the ground; or have it erased, once a second person agrees.

    Raises Refused, ErasureAwaitsAgreement, and Unprocessable where the ground does not go with the verdict.
    """
    if await _awaiting(session, case.id) is not None:
        raise ErasureAwaitsAgreement("A decision to erase this case awaits a second person, who agrees or refuses.")
    if given.ground not in (known := schedule().grounds_for(given.verdict)):
        raise Unprocessable(f"ground must be one of: {', '.join(known)}.", field="ground")
    held, today = await _retention(session, case.id), now.astimezone(LONDON).date()
    of = await _facts(session, case, held)
    if given.review_on is None:
        refuse_if(obstacles_to_erasing(of, today=today))
    else:
        refuse_if(obstacles_to_review(of, today=today))
        assert held is not None  # no dates are an obstacle
        refuse_if(obstacles_to_keeping_until(given.review_on, today=today, review_again_years=held.review_again_years))
        held.review_on = given.review_on
    row = RetentionDecision(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    session.add(row)
    await session.flush()
    if given.review_on is not None:
        await _close_task(session, case, f"Kept until {given.review_on:%-d %B %Y}.", now=now)
        sentence = f"Reviewed and kept until {given.review_on:%-d %B %Y}."
    else:
        sentence = "Reviewed: to be erased, once a second person agrees."
    await note(session, case, "retention_decided", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def agree_erasure(
    session: AsyncSession, case: Case, given: AgreementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """A second person agrees, and the case is erased in this transaction; or refuses, and its review stays due.

    Raises NoErasureToAgree, and Refused where it is the same person, or the case was frozen meanwhile.
    """
    decided = await _awaiting(session, case.id)
    if decided is None:
        raise NoErasureToAgree("No decision to erase this case awaits a second person.")
    today = now.astimezone(LONDON).date()
    obstacles = same_person(
        decided.recorded_by, actor.staff_id, doing="Whoever agrees to an erasure and who decided it", rule="H12.2"
    )
    if given.agrees:
        held = await _retention(session, case.id)
        obstacles += obstacles_to_erasing(await _facts(session, case, held), today=today)
    refuse_if(obstacles)
    row = RetentionAgreement(
        **act_keys(case, actor=actor, now=now, occurred_at=None), decision_id=decided.id, **given.model_dump()
    )
    session.add(row)
    await session.flush()
    if not given.agrees:
        sentence = "A second person refused the erasure: the case is kept, and its review stays due."
        await note(session, case, "erasure_refused", sentence, by=actor, now=now, about_id=row.id)
        return Recorded(row.id)
    await _close_task(session, case, "Erased.", now=now)
    await session.execute(select(func.erase_case(case.id, row.id, today, now)))
    key_ring().forget_case(case.id)
    await session.refresh(case)
    return Recorded(row.id, erased=True)


async def _awaiting(session: AsyncSession, case_id: UUID) -> RetentionDecision | None:
    return (await session.scalars(_AWAITING, {"case_id": case_id})).one_or_none()


async def _retention(session: AsyncSession, case_id: UUID) -> Retention | None:
    return (await session.scalars(select(Retention).where(col(Retention.case_id) == case_id))).one_or_none()


async def _facts(session: AsyncSession, case: Case, held: Retention | None) -> ErasingFacts:
    return ErasingFacts(
        closed=case.stage is Stage.CLOSED,
        keep_until=held.keep_until if held else None,
        review_on=held.review_on if held else None,
        frozen=await frozen_because(session, case.id),
    )


async def _close_task(session: AsyncSession, case: Case, says: str, *, now: datetime) -> None:
    await close_tasks_about(session, kind=TaskKind.REVIEW_DUE, about=str(case.id), says=says, now=now)


async def reviews_due(
    session: AsyncSession, *, today: date, force_id: str, after: tuple[date, UUID] | None, limit: int
) -> Sequence[ReviewDue]:
    """The closed cases of a force whose review is due, the longest due first. They carry references only."""
    retention = columns_of(Retention)
    answered = exists().where(col(RetentionAgreement.decision_id) == col(RetentionDecision.id))
    awaits = exists().where(
        and_(
            col(RetentionDecision.case_id) == retention.case_id,
            col(RetentionDecision.verdict) == Verdict.ERASE,
            ~answered,
        )
    )
    shown: list[Any] = [
        *(retention[name] for name in ("id", "case_id", "group_code", "closed_on", "review_on")),
        col(Case.reference),
        col(Case.outcome),
        is_frozen(retention.case_id).label("frozen"),
        awaits.label("awaits_second_person"),
    ]
    query = (
        select(*shown)
        .join(Case, col(Case.id) == retention.case_id)
        .where(retention.force_id == force_id, retention.review_on <= today, col(Case.erased_at).is_(None))
        .order_by(retention.review_on, retention.case_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(retention.review_on, retention.case_id) > after)
    return [ReviewDue.model_validate(row) for row in (await session.execute(query)).all()]


async def erasure_of(session: AsyncSession, case_id: UUID) -> ErasureView:
    """The proof of a case that was erased. CaseNotFound for one that was not, or is not the reader's to see."""
    shown: list[Any] = [
        *columns_of(Erasure),
        *(col(one) for one in (Case.reference, Case.outcome, Case.first_contact_at, Case.closed_at)),
    ]
    query = select(*shown).join(Case, col(Case.id) == col(Erasure.case_id)).where(col(Erasure.case_id) == case_id)
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise CaseNotFound
    return ErasureView.model_validate(found)
