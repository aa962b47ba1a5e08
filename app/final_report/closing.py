"""Closing a case: only with nothing owed (H8.2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, parties
from app.cases.tables import Case
from app.clock import LONDON
from app.deadlines.service import open_due_at
from app.disclosure.terms import ConcludedAs
from app.editions import edition
from app.editions.terms import ClockKind
from app.errors import Obstacle, refuse_if
from app.final_report.ending import offender_management_considered
from app.final_report.looking_back import at_risk, settled
from app.final_report.rules import ClosingFacts, OpenDuty, VictimFacts, obstacles_to_closing
from app.final_report.schemas import ClosingIn
from app.final_report.service import newest_report
from app.final_report.tables import Closing, IntelligenceSubmission, SupportGiven
from app.final_report.terms import IntelligenceSystem
from app.initial_checks.rules import checks_unanswered
from app.initial_checks.service import checks_facts
from app.intake.rules import attempted
from app.process import Move, Stage
from app.retention.service import schedule_review
from app.safeguarding.service import act_keys, current_plan, newest_immediate_risk_at, open_duties
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind

_NOTICED = (ConcludedAs.TOLD, ConcludedAs.RECORDED)


async def close_case(session: AsyncSession, case: Case, given: ClosingIn, *, actor: Actor, now: datetime) -> Recorded:
    """Close the case. It meets no clock (H9.1)."""
    must_be_at(case, Stage.FINAL_REPORT)
    refuse_if(await what_blocks_closing(session, case, now=now))
    row = Closing(**act_keys(case, actor=actor, now=now, occurred_at=None), note=given.note)
    session.add(row)
    await session.flush()
    await advance(session, case, Move.CLOSED, by=actor, now=now, sentence="Closed.", about_id=row.id)
    schedule_review(session, case, now=now)
    return Recorded(row.id)


async def what_blocks_closing(session: AsyncSession, case: Case, *, now: datetime) -> list[Obstacle]:
    """Everything that stands against closing a case that has an outcome; nothing while it has none."""
    if case.outcome is None:
        return []
    duties = edition(case.edition).duties(case.outcome)
    found = obstacles_to_closing(await facts(session, case), duties, today=now.astimezone(LONDON).date())
    return [*found, *await _checks_owed(session, case)]


async def _checks_owed(session: AsyncSession, case: Case) -> list[Obstacle]:
    """The checks that a case went on without: they are owed while their clock runs, which a closed case's may not."""
    if await open_due_at(session, case.id, ClockKind.INITIAL_CHECKS) is None:
        return []
    return checks_unanswered(await checks_facts(session, case))


async def facts(session: AsyncSession, case: Case) -> ClosingFacts:
    """What closing asks of the case."""
    known = await parties(session, case.id)
    report = await newest_report(session, case.id)
    return ClosingFacts(
        has_applicant=known.applicant is not None,
        support_given=await _support_given(session, case.id),
        offender_management_considered=await offender_management_considered(session, case),
        potential_victims=await _victims(session, case, [one.id for one in known.potential_victims]),
        # An attempt on a withheld case is answered in its own time: else whoever tries holds the case open (H2.8).
        open_duties=tuple(
            OpenDuty(duty.kind, duty.says, duty.rule)
            for duty in await open_duties(session, case.id)
            if duty.code != attempted("").code
        ),
        report_written=report is not None,
        submitted_to=await _submitted_to(session, report.id) if report else frozenset(),
    )


async def _victims(session: AsyncSession, case: Case, potential_victims: list[UUID]) -> tuple[VictimFacts, ...]:
    past = await settled(session, case)
    endangered = await at_risk(session, case, potential_victims)
    return tuple(
        [
            VictimFacts(
                at_risk=one in endangered,
                plan=await current_plan(session, one),
                newest_immediate_risk_at=await newest_immediate_risk_at(session, case.id, one),
                delivered=past.concluded(one, ConcludedAs.DELIVERED),
                noticed=past.concluded(one, *_NOTICED),
            )
            for one in potential_victims
        ]
    )


async def _support_given(session: AsyncSession, case_id: UUID) -> bool:
    """Whether support was given by word with the helpline, or the duty answered with why it could not be."""
    given = select(col(SupportGiven.id)).where(col(SupportGiven.case_id) == case_id, col(SupportGiven.helpline_given))
    answered = select(col(Duty.id)).where(
        col(Duty.case_id) == case_id, col(Duty.kind) == DutyKind.SUPPORT_BY_WORD, col(Duty.answered_at).is_not(None)
    )
    return (await session.scalars(given.union_all(answered).limit(1))).first() is not None


async def _submitted_to(session: AsyncSession, report_id: UUID) -> frozenset[IntelligenceSystem]:
    query = select(col(IntelligenceSubmission.system)).where(col(IntelligenceSubmission.report_id) == report_id)
    return frozenset(await session.scalars(query))
