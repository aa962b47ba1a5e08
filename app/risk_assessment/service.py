"""Recording risk assessments, and taking a case on past steps whose acts are recorded already (H5.2, H2.10)."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.risk import grade_risk
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_party, party_ids
from app.cases.tables import Case, PartyRole
from app.deadlines.service import meet, open_due_at
from app.editions.terms import ClockKind
from app.face_to_face.service import go_on as go_on_from_meeting
from app.initial_checks.rules import outside_the_case
from app.process import Move, Stage
from app.risk_assessment.rules import AssessmentFacts, made_too_early, unassessed
from app.risk_assessment.schemas import RiskAssessmentIn
from app.risk_assessment.tables import RiskAssessment
from app.safeguarding.service import act_keys, owe_immediate_safeguarding, record_act

Service = Callable[..., Awaitable[Recorded]]


async def record_assessment(
    session: AsyncSession, case: Case, given: RiskAssessmentIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep an assessment and its grade. When every potential victim has one signed off, the case goes on (H5.2)."""
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    keys = act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at)
    graded = await grade_risk(
        session,
        case,
        given.risk,
        by=actor,
        now=now,
        occurred_at=given.occurred_at,
        potential_victim_id=given.potential_victim_id,
    )
    await session.flush()
    row = RiskAssessment(
        **keys, **given.model_dump(exclude={"occurred_at", "risk"}), grade=given.risk.grade, risk_grade_id=graded
    )
    if given.risk.immediate:
        await owe_immediate_safeguarding(
            session, case, actor=actor, now=now, potential_victim_id=given.potential_victim_id
        )
    done = await record_act(
        session,
        case,
        row,
        "risk_assessment",
        "Risk assessment signed off." if given.signed_off else "Risk assessment recorded, not signed off yet.",
        actor=actor,
        now=now,
        wrong=[
            *made_too_early(case.stage),
            *outside_the_case(case.stage, occurred_at=row.occurred_at, first_contact_at=case.first_contact_at),
        ],
        due_at=await open_due_at(session, case.id, ClockKind.RISK_ASSESSMENT),
    )
    await go_on(session, case, actor=actor, now=now)
    return done


async def go_on(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """Take a case past the meeting and the assessment where these are recorded, in whatever order they were typed.

    The assessment's clock is met by the last first signature (H9.1); while it is only projected it is left alone.
    """
    await go_on_from_meeting(session, case, actor=actor, now=now)
    signed = await _first_signed(session, case.id)
    if not signed or unassessed(await _potential_victims(session, case.id), signed):
        return
    if case.stage is Stage.RISK_ASSESSMENT:
        sentence = "Every potential victim's risk is assessed and signed off; on to categorisation."
        await advance(session, case, Move.ASSESSED, by=actor, now=now, sentence=sentence)
    await meet(session, case.id, ClockKind.RISK_ASSESSMENT, done_at=max(signed.values()), now=now)


def then_go_on(service: Service) -> Service:
    """The same service, after which the case goes on past what is recorded already: acts come as they come (H2.10)."""

    async def going_on(session: AsyncSession, case: Case, given: Any, *, actor: Actor, now: datetime) -> Recorded:
        done = await service(session, case, given, actor=actor, now=now)
        await go_on(session, case, actor=actor, now=now)
        return done

    return going_on


async def assessed_potential_victims(session: AsyncSession, case_id: UUID) -> set[UUID]:
    """The potential victims whose assessment is signed off."""
    return set(await _first_signed(session, case_id))


async def assessment_facts(session: AsyncSession, case: Case) -> AssessmentFacts:
    """Where the assessments of a case stand."""
    return AssessmentFacts(
        potential_victims=frozenset(await _potential_victims(session, case.id)),
        signed=frozenset(await assessed_potential_victims(session, case.id)),
    )


async def _potential_victims(session: AsyncSession, case_id: UUID) -> list[UUID]:
    return await party_ids(session, case_id, PartyRole.POTENTIAL_VICTIM)


async def _first_signed(session: AsyncSession, case_id: UUID) -> dict[UUID, datetime]:
    query = (
        select(col(RiskAssessment.potential_victim_id), func.min(col(RiskAssessment.occurred_at)))
        .where(col(RiskAssessment.case_id) == case_id, col(RiskAssessment.signed_off))
        .group_by(col(RiskAssessment.potential_victim_id))
    )
    return {row[0]: row[1] for row in await session.execute(query)}
