"""How the case stands before what comes next: each stage is asked for its own facts and its own obstacles."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.casefile import rules
from app.cases.schemas import Parties
from app.cases.tables import Case
from app.categorisation.rules import obstacles_to_referral
from app.categorisation.service import facts as categorisation_facts
from app.categorisation.service import police_categories
from app.categorisation.terms import Category
from app.disclosure.clearance import readiness
from app.disclosure.conclusions import Conclusion, obstacles_to_concluding
from app.disclosure.rules import not_ready
from app.disclosure.service import conclusions, everybody_answered
from app.disclosure.service import facts as disclosure_facts
from app.editions.terms import Route
from app.errors import Obstacle
from app.face_to_face.rules import missing_for_meeting
from app.face_to_face.service import meeting_facts
from app.final_report.closing import what_blocks_closing
from app.final_report.ending import withdrawal_awaits_decision
from app.final_report.service import newest_report
from app.forum.schemas import StandingDecision
from app.forum.service import facts as forum_facts
from app.forum.service import standing_decisions
from app.forum.tables import AgendaItem, DecisionConfirmation, DecisionReturn, ForumDecision
from app.initial_checks.rules import ProposedDecision, checks_not_done, obstacles_to_initial_decision
from app.initial_checks.service import checks_facts
from app.initial_checks.terms import Course
from app.process import Stage
from app.risk_assessment.rules import missing_assessments
from app.risk_assessment.service import assessment_facts
from app.safeguarding.lateness import obstacles_to_going_on
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind

_CATEGORISED = (Stage.CATEGORISATION, Stage.FORUM, Stage.DISCLOSURE, Stage.FINAL_REPORT, Stage.CLOSED)


@dataclass
class Standing:
    """What stands against each next step, which steps are done, what further steps wait, and what blocks closing."""

    obstacles: dict[str, list[Obstacle]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    further: list[rules.Step] = field(default_factory=list)
    blocks_closing: list[Obstacle] = field(default_factory=list)
    categories: Mapping[UUID, Category] = field(default_factory=dict)
    decisions: Mapping[UUID, StandingDecision] = field(default_factory=dict)
    conclusions: Mapping[UUID, Conclusion] = field(default_factory=dict)

    def waits_for(self, step: rules.Step, missing: Iterable[Obstacle]) -> None:
        """The step is done once nothing is missing."""
        if found := list(missing):
            self.obstacles[step.action] = found
        else:
            self.done.add(step.action)


async def standing(
    session: AsyncSession, case: Case, people: Parties, duties: Iterable[Duty], *, actor: Actor, now: datetime
) -> Standing:
    """The facts of the stage that the case is at, and of each potential victim so far; `duties` are the open ones."""
    stands = Standing()
    if case.stage in _CATEGORISED:
        stands.categories = await police_categories(session, case.id)
        stands.decisions = await standing_decisions(session, case.id)
        stands.conclusions = await conclusions(session, case)
    if ask := _OF_STAGE.get(case.stage):
        await ask(session, case, people, stands, actor, now)
    await _second_person(session, case, stands)
    owed = any(duty.kind is DutyKind.SUBJECT_TO_BE_TOLD for duty in duties)
    if owed and await everybody_answered(session, case):
        stands.further.append(rules.TELL_SUBJECT)
    return stands


async def _second_person(session: AsyncSession, case: Case, stands: Standing) -> None:
    """What somebody else must still answer before the case can end, whatever stage it has come to since."""
    if (await meeting_facts(session, case)).finding_awaits_agreement:
        stands.further.append(rules.AGREE_MALICIOUS)
    if await withdrawal_awaits_decision(session, case):
        stands.further.append(rules.DECIDE_WITHDRAWAL)


async def _initial_checks(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    facts = await checks_facts(session, case)
    unavailable = [
        Obstacle("check_unavailable", f"{one.title} is unavailable so far: try it again.", "H4.3")
        for one in facts.open_checks
        if one.unavailable
    ]
    stands.waits_for(rules.RECORD_CHECKS, [*checks_not_done(facts), *unavailable])
    if facts.agreement_awaited:
        stands.done.add(rules.DECIDE_INITIALLY.action)
        stands.further.append(rules.AGREE_NOT_TO_PROGRESS)
        return
    proposed = ProposedDecision(
        course=Course.PROGRESS,
        route=case.route,
        by_supervisor=actor.is_supervisor,
        prioritised=None if case.route is Route.RIGHT_TO_ASK else False,
    )
    stands.obstacles[rules.DECIDE_INITIALLY.action] = obstacles_to_initial_decision(facts, proposed)


async def _face_to_face(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    stands.waits_for(rules.MEET, missing_for_meeting(await meeting_facts(session, case)))


async def _risk_assessment(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    stands.waits_for(rules.ASSESS, missing_assessments(await assessment_facts(session, case)))


async def _categorisation(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    facts = await categorisation_facts(session, case)
    if not facts.uncategorised:
        stands.done.add(rules.CATEGORISE.action)
    stands.obstacles[rules.REFER.action] = obstacles_to_referral(facts)


async def _forum(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    facts = await forum_facts(session, case)
    if not facts.representations_not_considered:
        stands.done.add(rules.REPRESENT.action)
    if facts.awaiting_confirmation:
        stands.further += await _confirmations(session, case.id)
    if facts.awaiting_confirmation == facts.undecided:
        stands.done.add(rules.DECIDE_AT_FORUM.action)
    if any(one.source == "emergency" for one in stands.decisions.values()):
        stands.further += rules.STEPS[Stage.DISCLOSURE]
        await _disclosure(session, case, people, stands, actor, now)


async def _confirmations(session: AsyncSession, case_id: UUID) -> list[rules.Step]:
    """One step for each decision not to disclose that awaits its second person."""
    named: list[Any] = [
        col(AgendaItem.meeting_id),
        col(ForumDecision.item_id),
        col(ForumDecision.id).label("decision_id"),
    ]
    query = (
        select(*named)
        .join(AgendaItem, col(AgendaItem.id) == col(ForumDecision.item_id))
        .outerjoin(DecisionConfirmation, col(DecisionConfirmation.decision_id) == col(ForumDecision.id))
        .outerjoin(DecisionReturn, col(DecisionReturn.decision_id) == col(ForumDecision.id))
        .where(
            col(ForumDecision.case_id) == case_id,
            ~col(ForumDecision.disclose),
            col(DecisionConfirmation.id).is_(None),
            col(DecisionReturn.id).is_(None),
        )
        .order_by(col(ForumDecision.position))
    )
    waiting = (await session.execute(query)).mappings()
    return [replace(rules.CONFIRM, path=rules.CONFIRM.path.format(**row)) for row in waiting]


async def _disclosure(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    to_tell = [
        one.id
        for one in people.potential_victims
        if one.id in stands.decisions and stands.decisions[one.id].disclose and one.id not in stands.conclusions
    ]
    untold = [one for one in people.potential_victims if one.id not in stands.conclusions and one.id not in to_tell]
    if not to_tell:
        stands.done |= {step.action for step in rules.TO_TELL}
    facts = await disclosure_facts(session, case)
    if not untold and not (facts.neutral_owed and not facts.neutral_settled):
        stands.done.add(rules.NOTIFY.action)
    if case.stage is Stage.DISCLOSURE and not obstacles_to_concluding(facts):
        stands.further.append(rules.REPORT)  # delivered in an emergency, and reviewed by the forum since
    if case.subject_identified_at is not None:
        stands.done.add(rules.IDENTIFY.action)
    missing = [obstacle for victim in to_tell for obstacle in not_ready(await readiness(session, case, victim, at=now))]
    if any(stands.decisions[one].source != "emergency" for one in to_tell):
        missing += await obstacles_to_going_on(session, case, now=now)
    stands.obstacles[rules.CLEAR.action] = missing
    if to_tell and not any(one.code == "no_current_safety_plan" for one in missing):
        stands.done.add(rules.PLAN.action)


async def _final_report(
    session: AsyncSession, case: Case, people: Parties, stands: Standing, actor: Actor, now: datetime
) -> None:
    stands.blocks_closing = await what_blocks_closing(session, case, now=now)
    stands.obstacles[rules.CLOSE.action] = stands.blocks_closing
    if any(one.code == "check_unanswered" for one in stands.blocks_closing):
        stands.further.append(rules.RECORD_CHECKS)
    if await newest_report(session, case.id) is not None:
        stands.done.add(rules.REPORT.action)
        if not any(one.code == "report_submitted" for one in stands.blocks_closing):
            stands.done.add(rules.SUBMIT.action)


_Ask = Callable[[AsyncSession, Case, Parties, Standing, Actor, datetime], Awaitable[None]]
_OF_STAGE: dict[Stage, _Ask] = {
    Stage.INITIAL_CHECKS: _initial_checks,
    Stage.FACE_TO_FACE: _face_to_face,
    Stage.RISK_ASSESSMENT: _risk_assessment,
    Stage.CATEGORISATION: _categorisation,
    Stage.FORUM: _forum,
    Stage.DISCLOSURE: _disclosure,
    Stage.FINAL_REPORT: _final_report,
}
