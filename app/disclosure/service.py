"""How stage 7 ends for each potential victim and for the case (H9.1)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.rules import Actor
from app.cases.service import advance, must_be_at, party_ids
from app.cases.tables import Case, Party, PartyRole
from app.deadlines.service import end, meet
from app.deadlines.tables import EndedBecause
from app.disclosure.conclusions import (
    Conclusion,
    DisclosureFacts,
    obstacles_to_concluding,
    outcome,
    whole_case_met,
)
from app.disclosure.tables import Disclosure, NonCompletion, NonDisclosureNotice
from app.disclosure.terms import ConcludedAs, NoticeKind
from app.editions.terms import ClockKind, Route
from app.errors import refuse_if
from app.evidence.sealed import plain_columns
from app.forum.schemas import StandingDecision
from app.forum.service import standing_decisions
from app.forum.tables import DecisionReturn
from app.process import Move, Stage
from app.safeguarding.rules import plan_is_current
from app.safeguarding.service import current_plan, newest_immediate_risk_at
from app.storage.base import columns_of


async def applicant_of(session: AsyncSession, case_id: UUID) -> Row[UUID, PartyRole] | None:
    """The applicant's id and part, where somebody asked."""
    query = select(col(Party.id), col(Party.role)).where(col(Party.case_id) == case_id, col(Party.is_applicant))
    return (await session.execute(query)).one_or_none()


async def disclosed_elsewhere(session: AsyncSession, case: Case, *, but: UUID | None) -> bool:
    """Whether in this case something is, or is decided to be, disclosed to somebody else than the applicant (H7.4a)."""
    decided = await standing_decisions(session, case.id)
    if any(decision.disclose and decision.recipient_id != but for decision in decided.values()):
        return True
    query = select(col(Disclosure.id)).where(
        col(Disclosure.case_id) == case.id, newest_record(), col(Disclosure.recipient_id).is_distinct_from(but)
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


def newest_record() -> ColumnElement[bool]:
    """That no correction supersedes a record of a disclosure: of each telling the newest record counts (H7.2)."""
    newer = aliased(Disclosure)
    return ~select(col(newer.id)).where(col(newer.supersedes_id) == col(Disclosure.id)).exists()


async def everybody_answered(session: AsyncSession, case: Case, *, by: datetime | None = None) -> bool:
    """Whether it has ended for every potential victim, or had `by` a time: before that nobody tells the subject."""
    ended = await conclusions(session, case)
    victims = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    return all(one in ended and (by is None or ended[one].at <= by) for one in victims)


async def conclusions(session: AsyncSession, case: Case) -> dict[UUID, Conclusion]:
    """How it ended for each potential victim for whom it has ended, since the forum last took the decision back.

    Delivered: the decision was carried out, at its first telling. Told: the applicant heard the words after the
    decision not to disclose was confirmed. Recorded: a right to know, as of that confirmation. Not completed: the
    attempts to carry out the decision that stands were ended.
    """
    await session.flush()
    decided = await standing_decisions(session, case.id)
    returned = await _returned(session, case.id)
    told = await _tellings(session, case.id)
    delivered = {
        victim: [moment for moment in moments if victim not in returned or moment >= returned[victim]]
        for victim, moments in told.items()
    }
    ended = {
        **await _not_completed(session, case.id, decided),
        **await _not_disclosed(session, case, decided, returned),
        **{victim: Conclusion(ConcludedAs.DELIVERED, min(moments)) for victim, moments in delivered.items() if moments},
    }
    order = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    return {
        victim: replace(ended[victim], told_before=victim in told and not delivered[victim])
        for victim in order
        if victim in ended
    }


async def _returned(session: AsyncSession, case_id: UUID) -> dict[UUID, datetime]:
    """When the case last went back to the forum for each potential victim for whom it did."""
    query = (
        select(col(DecisionReturn.potential_victim_id), func.max(col(DecisionReturn.recorded_at)).label("at"))
        .where(col(DecisionReturn.case_id) == case_id)
        .group_by(col(DecisionReturn.potential_victim_id))
    )
    return {row.potential_victim_id: row.at for row in (await session.execute(query)).all()}


async def _tellings(session: AsyncSession, case_id: UUID) -> dict[UUID, list[datetime]]:
    """When words that carried a decision out were spoken about each potential victim."""
    query = select(col(Disclosure.potential_victim_id), col(Disclosure.occurred_at)).where(
        col(Disclosure.case_id) == case_id, col(Disclosure.carries_out_decision), newest_record()
    )
    found: dict[UUID, list[datetime]] = {}
    for victim, at in (await session.execute(query)).all():
        found.setdefault(victim, []).append(at)
    return found


async def _not_disclosed(
    session: AsyncSession, case: Case, decided: Mapping[UUID, StandingDecision], returned: Mapping[UUID, datetime]
) -> dict[UUID, Conclusion]:
    applicant = await applicant_of(session, case.id)
    elsewhere = applicant is not None and await disclosed_elsewhere(session, case, but=applicant.id)
    columns = columns_of(NonDisclosureNotice)
    notices = select(*plain_columns(NonDisclosureNotice))
    query = notices.where(columns.case_id == case.id).order_by(columns.occurred_at)
    found: dict[UUID, Conclusion] = {}
    for notice in (await session.execute(query)).all():
        for victim in notice.potential_victim_ids:
            decision = decided.get(victim)
            if victim in found or decision is None or decision.disclose or decision.confirmed_at is None:
                continue
            if notice.kind == NoticeKind.RECORDED:
                anew = victim not in returned or notice.recorded_at >= returned[victim]
                if case.route is Route.RIGHT_TO_KNOW and anew:
                    found[victim] = Conclusion(ConcludedAs.RECORDED, decision.confirmed_at)
                continue
            heard = applicant is not None and notice.told_id == applicant.id
            heard = heard and (notice.in_person if notice.kind == NoticeKind.NO_INFORMATION else elsewhere)
            if heard and notice.occurred_at >= decision.confirmed_at:
                found[victim] = Conclusion(ConcludedAs.TOLD, notice.occurred_at)
    return found


async def _not_completed(
    session: AsyncSession, case_id: UUID, decided: Mapping[UUID, StandingDecision]
) -> dict[UUID, Conclusion]:
    query = select(col(NonCompletion.potential_victim_id), col(NonCompletion.occurred_at)).where(
        col(NonCompletion.case_id) == case_id,
        col(NonCompletion.decision_id).in_([decision.id for decision in decided.values()]),
    )
    return {
        victim: Conclusion(ConcludedAs.NOT_COMPLETED, at)
        for victim, at in (await session.execute(query)).all()
        if victim is not None
    }


async def facts(session: AsyncSession, case: Case) -> DisclosureFacts:
    """Where stage 7 stands."""
    ended = await conclusions(session, case)
    victims = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    applicant = await applicant_of(session, case.id)
    owed = settled = False
    if applicant is not None and applicant.role == PartyRole.APPLICANT:
        owed = await disclosed_elsewhere(session, case, but=applicant.id)
        settled = await _neutral_settled(session, case.id, applicant.id)
    unconcluded = tuple(one for one in victims if one not in ended)
    decided = await standing_decisions(session, case.id)
    undecided = tuple(one for one in unconcluded if one not in decided)
    return DisclosureFacts(ended, unconcluded, owed, settled, undecided)


async def _neutral_settled(session: AsyncSession, case_id: UUID, applicant_id: UUID) -> bool:
    given = select(col(NonDisclosureNotice.id)).where(
        col(NonDisclosureNotice.case_id) == case_id,
        col(NonDisclosureNotice.kind) == NoticeKind.NEUTRAL,
        col(NonDisclosureNotice.told_id) == applicant_id,
    )
    ended = select(col(NonCompletion.id)).where(
        col(NonCompletion.case_id) == case_id, col(NonCompletion.potential_victim_id).is_(None)
    )
    return bool((await session.scalars(given.union_all(ended).limit(1))).all())


async def conclude(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """Take a case whose every potential victim is concluded to its final report, or refuse with what is missing."""
    must_be_at(case, Stage.DISCLOSURE)
    state = await facts(session, case)
    refuse_if(obstacles_to_concluding(state))
    await _conclude(session, case, state, actor=actor, now=now)


async def conclude_if_whole(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """After an act: settle the whole-case clock once nobody is left, and conclude the case where nothing is owed.

    The clock does not wait for the neutral words, nor for the forum to review an emergency delivery.
    """
    state = await facts(session, case)
    await _settle_clock(session, case, state, now=now)
    if case.stage is Stage.DISCLOSURE and not obstacles_to_concluding(state):
        await _conclude(session, case, state, actor=actor, now=now)


async def _settle_clock(session: AsyncSession, case: Case, state: DisclosureFacts, *, now: datetime) -> None:
    """Meet or end the whole-case clock once it has ended for everybody.

    Under the right to know a confirmed decision not to disclose meets it, recorded for finding or not yet (H9.1).
    Attempts that were ended end it once the forum has decided: until then it may decide that somebody is told.
    """
    ended = list(state.conclusions.values())
    decided = await standing_decisions(session, case.id) if case.route is Route.RIGHT_TO_KNOW else {}
    for victim in state.unconcluded:
        decision = decided.get(victim)
        if decision is None or decision.disclose or decision.confirmed_at is None:
            return
        ended.append(Conclusion(ConcludedAs.RECORDED, decision.confirmed_at))
    last = max(conclusion.at for conclusion in ended)
    if whole_case_met(ended):
        await meet(session, case.id, ClockKind.WHOLE_CASE, done_at=last, now=now)
    elif case.stage is not Stage.FORUM:
        await end(session, case.id, EndedBecause.NON_COMPLETION, ClockKind.WHOLE_CASE, ended_at=last)


async def _conclude(session: AsyncSession, case: Case, state: DisclosureFacts, *, actor: Actor, now: datetime) -> None:
    await _settle_clock(session, case, state, now=now)
    how = outcome(state.conclusions.values())
    sentence = f"Concluded for every potential victim: {how.replace('_', ' ')}. The final report is next."
    await advance(session, case, Move.CONCLUDED, by=actor, now=now, sentence=sentence, outcome=how)


async def has_current_plan(session: AsyncSession, case: Case, potential_victim_id: UUID, *, today: date) -> bool:
    """Whether a safety plan of this potential victim still answers the risk (H7.0)."""
    return plan_is_current(
        await current_plan(session, potential_victim_id),
        newest_immediate_risk_at=await newest_immediate_risk_at(session, case.id, potential_victim_id),
        today=today,
    )


async def all_have_current_plans(session: AsyncSession, case: Case, victims: Collection[UUID], *, today: date) -> bool:
    """Whether each of these potential victims has one."""
    for victim in victims:
        if not await has_current_plan(session, case, victim, today=today):
            return False
    return True


def must_be_deliverable(case: Case, decision: StandingDecision | None) -> None:
    """Delivery follows the decision on this potential victim, and waits for nobody else's (H2.0, H6.8)."""
    decided = decision is not None and decision.disclose and decision.confirmed_at is not None
    must_be_at(case, Stage.DISCLOSURE, *((Stage.FORUM,) if decided else ()))
