"""Applications that end early: withdrawn (H8.4), the subject has died (H4.5), not completed (H7.6)."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import CONCLUDED, same_person
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, must_be_party
from app.cases.tables import Case, PartyRole
from app.clock import LONDON
from app.deadlines.service import end
from app.deadlines.tables import EndedBecause
from app.disclosure.conclusions import spaced, too_few_attempts
from app.disclosure.non_completion import failed_attempts
from app.disclosure.service import facts as disclosure_facts
from app.editions import edition
from app.editions.terms import Outcome
from app.errors import AlreadyDecided, Obstacle, Unprocessable, refuse_if
from app.evidence.sealed import plain_columns
from app.final_report.looking_back import settled
from app.final_report.rules import (
    LeftBehind,
    nobody_withdraws,
    not_by_safe_means,
    obstacles_to_dropping,
    wrong_with_withdrawal,
)
from app.final_report.schemas import NotCompletedIn, SubjectDeceasedIn, WithdrawalDecisionIn, WithdrawalIn
from app.final_report.tables import (
    NotCompleted,
    OffenderManagement,
    SubjectDeceased,
    Withdrawal,
    WithdrawalDecision,
)
from app.forum.meetings import leave_agenda
from app.forum.service import standing_decisions
from app.initial_checks.schemas import IdentityIn
from app.initial_checks.service import identify_subject
from app.initial_checks.tables import SubjectIdentity
from app.initial_checks.terms import IdentityResult
from app.intake.continuing import UNTESTED, continue_as_right_to_know
from app.process import Move, Stage
from app.safeguarding.service import act_keys, answer_duties, open_duties, owe_offender_management, record_act
from app.safeguarding.terms import DutyKind
from app.storage.statements import row as row_of

_NEWEST_WITHDRAWAL: Select[Any] = (
    select(*plain_columns(Withdrawal))
    .where(col(Withdrawal.case_id) == bindparam("case_id"))
    .order_by(col(Withdrawal.recorded_at).desc())
    .limit(1)
)
_UNDECIDED = (
    Stage.INITIAL_CHECKS,
    Stage.FACE_TO_FACE,
    Stage.RISK_ASSESSMENT,
    Stage.CATEGORISATION,
    Stage.FORUM,
)


async def record_withdrawal(
    session: AsyncSession, case: Case, given: WithdrawalIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep that the applicant no longer asks; the application goes on until a supervisor has decided (H8.4)."""
    row = Withdrawal(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    wrong = wrong_with_withdrawal(route=case.route, by_safe_means=given.by_safe_means, ended=case.stage in CONCLUDED)
    sentence = "The applicant withdrew; a supervisor decides whether it goes on as a right to know."
    return await record_act(session, case, row, "withdrawal", sentence, actor=actor, now=now, wrong=wrong)


async def decide_withdrawal(
    session: AsyncSession, case: Case, given: WithdrawalDecisionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Decide on the newest withdrawal, as another than who recorded it: end the application, or carry it on (H8.4)."""
    must_be_at(case, *_UNDECIDED, Stage.DISCLOSURE)
    withdrawal = await _newest_withdrawal(session, case.id)
    dropped = await _obstacles_to_dropping(session, case, withdrawal) if withdrawal and not given.carry_on else []
    refuse_if([*_obstacles_to_withdrawal(case, withdrawal, actor), *dropped])
    assert withdrawal is not None  # no withdrawal is one of the obstacles
    linked = None
    if given.carry_on:
        grading = given.grading or UNTESTED
        linked = await continue_as_right_to_know(session, case, given.reason, actor=actor, now=now, grading=grading)
    row = WithdrawalDecision(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        withdrawal_id=withdrawal.id,
        carried_on=given.carry_on,
        reason=given.reason,
        continued_as=linked.id if linked else None,
    )
    because = EndedBecause.CONVERSION if given.carry_on else EndedBecause.WITHDRAWAL
    sentence = "Withdrawn and " + ("carried on as right to know." if linked else "not carried on.")
    ended = await _end(session, case, row, Move.WITHDRAWN, Outcome.WITHDRAWN, because, sentence, actor=actor, now=now)
    return replace(ended, opened=linked.id if linked else None)


def _obstacles_to_withdrawal(case: Case, withdrawal: Row[Any] | None, actor: Actor) -> list[Obstacle]:
    found = nobody_withdraws(route=case.route)
    if withdrawal is None:
        says = "No withdrawal is recorded: record how the applicant confirmed it, and what was considered of duress."
        return [*found, Obstacle("no_withdrawal", says, "H8.4")]
    doing = "Who decides on a withdrawal and who recorded it"
    return [
        *found,
        *not_by_safe_means(by_safe_means=withdrawal.by_safe_means),
        *same_person(withdrawal.recorded_by, actor.staff_id, doing=doing, rule="H8.4"),
    ]


async def withdrawal_awaits_decision(session: AsyncSession, case: Case) -> bool:
    """Whether an applicant withdrew from a case that has not ended, so that a supervisor must decide on it (H8.4)."""
    if case.stage in CONCLUDED or nobody_withdraws(route=case.route):
        return False
    return await _newest_withdrawal(session, case.id) is not None


async def _obstacles_to_dropping(session: AsyncSession, case: Case, withdrawal: Row[Any]) -> list[Obstacle]:
    stage_7 = await disclosure_facts(session, case)
    decided = await standing_decisions(session, case.id)
    left = LeftBehind(
        undelivered=any(victim in decided and decided[victim].disclose for victim in stage_7.unconcluded),
        emergency_unreviewed=bool(await open_duties(session, case.id, DutyKind.EMERGENCY_REVIEW)),
        neutral_words_owed=stage_7.neutral_owed and not stage_7.neutral_settled,
        duress_suspected=withdrawal.duress_suspected,
    )
    return obstacles_to_dropping(left)


async def _newest_withdrawal(session: AsyncSession, case_id: UUID) -> Row[Any] | None:
    return await row_of(session, _NEWEST_WITHDRAWAL, case_id=case_id)


async def end_subject_deceased(
    session: AsyncSession, case: Case, given: SubjectDeceasedIn, *, actor: Actor, now: datetime
) -> Recorded:
    """End the application because the subject has died, which has been verified (H4.5)."""
    must_be_at(case, *_UNDECIDED, Stage.DISCLOSURE)
    if given.died_on is not None and given.died_on > now.astimezone(LONDON).date():
        raise Unprocessable("That day has not come yet. Leave it out if it is not known.", field="died_on")
    await _find_deceased(session, case, given, actor=actor, now=now)
    row = SubjectDeceased(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    move, because = Move.SUBJECT_DECEASED, EndedBecause.NON_PROGRESSION
    sentence = "The subject has died; the death was verified."
    await answer_duties(
        session, case, DutyKind.SUBJECT_TO_BE_TOLD, answer="The subject has died.", actor=actor, now=now
    )
    return await _end(session, case, row, move, Outcome.SUBJECT_DECEASED, because, sentence, actor=actor, now=now)


async def _find_deceased(
    session: AsyncSession, case: Case, given: SubjectDeceasedIn, *, actor: Actor, now: datetime
) -> None:
    """Keep the finding on the subject's identity that the death is, unless it is the newest already (H4.5)."""
    newest = (
        select(col(SubjectIdentity.result))
        .where(col(SubjectIdentity.case_id) == case.id)
        .order_by(col(SubjectIdentity.recorded_at).desc())
        .limit(1)
    )
    if (await session.scalars(newest)).one_or_none() == IdentityResult.DECEASED:
        return
    finding = IdentityIn(result=IdentityResult.DECEASED, record=given.verified_by, how=given.verified_how)
    await identify_subject(session, case, finding, actor=actor, now=now)


async def end_not_completed(
    session: AsyncSession, case: Case, given: NotCompletedIn, *, actor: Actor, now: datetime
) -> Recorded:
    """End an application before anything is decided: somebody was not reached, declined, is unsafe to reach (H7.6)."""
    must_be_at(case, *_UNDECIDED)
    await must_be_party(
        session, case, given.party_id, PartyRole.APPLICANT, PartyRole.POTENTIAL_VICTIM, field="party_id"
    )
    if (await settled(session, case)).decisions:
        raise AlreadyDecided("A decision stands in this case: what it asks for is delivered, or ended there.")
    failed = await failed_attempts(session, case, [given.party_id])
    wanted = edition(case.edition).contact_attempts
    refuse_if(too_few_attempts(given.because, failed=failed, wanted=wanted))
    row = NotCompleted(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        **given.model_dump(),
        attempts=spaced(failed, spacing_hours=wanted.spacing_hours),
    )
    move, because = Move.NOT_COMPLETED, EndedBecause.NON_COMPLETION
    sentence = f"Not completed: {given.because.replace('_', ' ')}. The safety plan stays."
    return await _end(session, case, row, move, Outcome.NOT_COMPLETED, because, sentence, actor=actor, now=now)


async def _end(
    session: AsyncSession,
    case: Case,
    row: Any,
    move: Move,
    outcome: Outcome,
    because: EndedBecause,
    sentence: str,
    *,
    actor: Actor,
    now: datetime,
) -> Recorded:
    """Keep the decision, move to the closing report, end the clocks unmet, and owe what no forum considered."""
    session.add(row)
    await session.flush()
    await advance(session, case, move, by=actor, now=now, sentence=sentence, about_id=row.id, outcome=outcome)
    await end(session, case.id, because, ended_at=now)
    await leave_agenda(session, case.id, now=now)
    if not await offender_management_considered(session, case):
        await owe_offender_management(session, case, actor=actor, now=now)
    return Recorded(row.id)


async def offender_management_considered(session: AsyncSession, case: Case) -> bool:
    """Whether a forum, or a supervisor in its place, considered the management of the subject (H6.5, H8.2)."""
    query = select(col(OffenderManagement.id)).where(col(OffenderManagement.case_id) == case.id).limit(1)
    if (await session.scalars(query)).first() is not None:
        return True
    return (await settled(session, case)).forum_sat
