"""The initial decision, and the second person's agreement to one not to progress (H4.3, H4.4)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.risk import grade_risk
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, note
from app.cases.tables import Case
from app.deadlines.policy import plan_clock
from app.deadlines.service import end, meet, start
from app.deadlines.tables import EndedBecause
from app.editions import edition
from app.editions.terms import ClockKind, Outcome, Route
from app.errors import AlreadyDecided, Conflict, refuse_if
from app.initial_checks.rules import (
    ChecksFacts,
    ProposedDecision,
    move_after,
    obstacles_to_initial_decision,
    support_by_word,
)
from app.initial_checks.schemas import AgreementIn, InitialDecisionIn
from app.initial_checks.service import awaiting_agreement, checks_facts
from app.initial_checks.tables import InitialDecision, InitialDecisionAgreement
from app.initial_checks.terms import Course
from app.process import Move, Stage
from app.safeguarding.service import act_keys, owe, owe_immediate_safeguarding, owe_offender_management
from app.safeguarding.terms import DutyKind

_GOES_ON = {
    Move.PROGRESSED_TO_MEETING: "Initial decision: progressed, to the face-to-face meeting.",
    Move.PROGRESSED_TO_ASSESSMENT: "Initial decision: progressed and prioritised, to the full risk assessment.",
    Move.PROGRESSED_TO_CATEGORISATION: "Initial decision: progressed, to categorisation.",
}


class AgreementAwaited(AlreadyDecided):
    """A decision not to progress waits for its second person."""

    code = "agreement_awaited"


class NothingToAgree(Conflict):
    """No decision waits for a second person."""

    code = "nothing_to_agree"


async def decide_initially(
    session: AsyncSession, case: Case, given: InitialDecisionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Decide whether the case goes on (H4.3). Not to progress changes nothing until a second person agrees (H4.4).

    Raises WrongStage, AgreementAwaited, and Refused with every obstacle.
    """
    must_be_at(case, Stage.INITIAL_CHECKS)
    facts = await checks_facts(session, case)
    if facts.agreement_awaited:
        raise AgreementAwaited("A decision not to progress awaits a second person, who agrees to it or refuses it.")
    proposed = ProposedDecision(
        course=given.decision,
        route=case.route,
        by_supervisor=actor.is_supervisor,
        applicant_contact_planned=given.applicant_contact is not None,
        prioritised=given.prioritised,
    )
    refuse_if(obstacles_to_initial_decision(facts, proposed))

    graded = await grade_risk(session, case, given.risk, by=actor, now=now)
    await session.flush()
    row = InitialDecision(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        **given.model_dump(exclude={"risk"}),
        risk_grade_id=graded,
    )
    session.add(row)
    if given.risk.immediate:
        await owe_immediate_safeguarding(session, case, actor=actor, now=now)
    if given.decision is Course.PROGRESS:
        await _progress(session, case, row, facts, actor=actor, now=now)
    else:
        sentence = "Initial decision: not to progress; it awaits a second person's agreement."
        await note(session, case, "initial_decision", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def _progress(
    session: AsyncSession, case: Case, row: InitialDecision, facts: ChecksFacts, *, actor: Actor, now: datetime
) -> None:
    move = move_after(case.route, prioritised=row.prioritised)
    case.prioritised = row.prioritised
    await advance(session, case, move, by=actor, now=now, sentence=_GOES_ON[move], about_id=row.id)
    if move is Move.PROGRESSED_TO_ASSESSMENT:
        await _start_assessment_clock(session, case)
    if not facts.open_checks:
        await meet(session, case.id, ClockKind.INITIAL_CHECKS, done_at=row.occurred_at, now=now)


async def _start_assessment_clock(session: AsyncSession, case: Case) -> None:
    """A prioritised right to know is assessed within a limit that counts from receipt, where there is one (H9)."""
    received_at = case.first_contact_at
    assert received_at is not None  # held by a CHECK from the moment a case opens
    limit = edition(case.edition).limit(
        ClockKind.RISK_ASSESSMENT, route=case.route, applicant_is_potential_victim=False, prioritised=True
    )
    if limit is not None:
        await start(session, case, lambda calendar: [plan_clock(limit, received_at, calendar)])


async def agree_initial_decision(
    session: AsyncSession, case: Case, given: AgreementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """A second person agrees that the case does not progress, and it ends; or refuses, and it is decided anew (H4.4).

    The checks are looked at again: what came since may stand against it. Raises WrongStage, NothingToAgree, Refused.
    """
    must_be_at(case, Stage.INITIAL_CHECKS)
    decided = await awaiting_agreement(session, case.id)
    if decided is None:
        raise NothingToAgree("No decision not to progress awaits a second person.")
    obstacles = same_person(
        decided.recorded_by, actor.staff_id, doing="Whoever agrees to a decision not to progress", rule="H4.4"
    )
    checks = await checks_facts(session, case)
    if given.agrees:
        proposed = ProposedDecision(decided.decision, case.route, by_supervisor=actor.is_supervisor)
        obstacles += obstacles_to_initial_decision(checks, proposed)
    refuse_if(obstacles)

    row = InitialDecisionAgreement(
        **act_keys(case, actor=actor, now=now, occurred_at=None), decision_id=decided.id, **given.model_dump()
    )
    session.add(row)
    if given.agrees:
        await _end_unprogressed(session, case, decided, row, checks, actor=actor, now=now)
    else:
        sentence = "A second person refused the decision not to progress: it is decided anew."
        await note(session, case, "agreement_refused", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def _end_unprogressed(
    session: AsyncSession,
    case: Case,
    decided: Row[Any],
    agreed: InitialDecisionAgreement,
    checks: ChecksFacts,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    await advance(
        session,
        case,
        Move.NOT_PROGRESSED,
        by=actor,
        now=now,
        sentence="Not progressed: a second person agreed.",
        about_id=agreed.id,
        outcome=Outcome.NOT_PROGRESSED,
    )
    # A check that became a minimum one since (H4.1) may have been answered later than the decision.
    done_at = max(decided.occurred_at, checks.answered_at or decided.occurred_at)
    await meet(session, case.id, ClockKind.INITIAL_CHECKS, done_at=done_at, now=now)
    await end(session, case.id, EndedBecause.NON_PROGRESSION, ended_at=now)
    await owe_offender_management(session, case, actor=actor, now=now)
    if case.route is Route.RIGHT_TO_ASK:
        owed = support_by_word(edition(case.edition).helpline)
        owe(session, case, DutyKind.SUPPORT_BY_WORD, owed, actor=actor, now=now, about_id=decided.id)
