"""How stage 7 ends for each potential victim and for the case; postponement and non-completion (H7.6, H7.7, H9.1)."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, must_be_party, note, party_ids
from app.cases.tables import Case, Party, PartyRole
from app.deadlines.service import end, meet
from app.deadlines.tables import EndedBecause
from app.disclosure.conclusions import (
    Conclusion,
    DisclosureFacts,
    obstacles_to_concluding,
    obstacles_to_non_completion,
    obstacles_to_postponing,
    outcome,
    spaced,
    whole_case_met,
)
from app.disclosure.rules import london_day
from app.disclosure.schemas import (
    NonCompletionIn,
    PostponementEndIn,
    PostponementIn,
    PostponementView,
)
from app.disclosure.tables import Disclosure, NonCompletion, NonDisclosureNotice, Postponement, PostponementEnd
from app.disclosure.terms import ConcludedAs, NoticeKind
from app.editions import edition
from app.editions.terms import ClockKind, Route
from app.errors import AlreadyDecided, Conflict, refuse_if
from app.forum.schemas import StandingDecision
from app.forum.service import standing_decision, standing_decisions
from app.process import Move, Stage
from app.safeguarding.rules import plan_is_current
from app.safeguarding.service import act_keys, current_plan, newest_immediate_risk_at
from app.safeguarding.tables import ContactAttempt, ContactOutcome
from app.storage.base import columns_of


class NotPostponed(Conflict):
    """No postponement is in force."""

    code = "not_postponed"


class NothingOwed(Conflict):
    """No neutral words are owed in this case."""

    code = "nothing_owed"


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
        col(Disclosure.case_id) == case.id, col(Disclosure.recipient_id).is_distinct_from(but)
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def conclusions(session: AsyncSession, case: Case) -> dict[UUID, Conclusion]:
    """How it ended for each potential victim for whom it has ended.

    Delivered: the decision was carried out, at its first telling. Told: the applicant heard the words after the
    decision not to disclose was confirmed. Recorded: a right to know, as of that confirmation.
    """
    await session.flush()
    decided = await standing_decisions(session, case.id)
    ended = {
        **await _not_completed(session, case.id),
        **await _not_disclosed(session, case, decided),
        **await _delivered(session, case.id),
    }
    order = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    return {victim: ended[victim] for victim in order if victim in ended}


async def _delivered(session: AsyncSession, case_id: UUID) -> dict[UUID, Conclusion]:
    query = (
        select(col(Disclosure.potential_victim_id), func.min(col(Disclosure.occurred_at)))
        .where(
            col(Disclosure.case_id) == case_id,
            col(Disclosure.carries_out_decision),
            col(Disclosure.supersedes_id).is_(None),
        )
        .group_by(col(Disclosure.potential_victim_id))
    )
    return {victim: Conclusion(ConcludedAs.DELIVERED, at) for victim, at in (await session.execute(query)).all()}


async def _not_disclosed(
    session: AsyncSession, case: Case, decided: Mapping[UUID, StandingDecision]
) -> dict[UUID, Conclusion]:
    applicant = await applicant_of(session, case.id)
    elsewhere = applicant is not None and await disclosed_elsewhere(session, case, but=applicant.id)
    columns = columns_of(NonDisclosureNotice)
    query = select(*columns).where(columns.case_id == case.id).order_by(columns.occurred_at)
    found: dict[UUID, Conclusion] = {}
    for notice in (await session.execute(query)).all():
        for victim in notice.potential_victim_ids:
            decision = decided.get(victim)
            if victim in found or decision is None or decision.disclose or decision.confirmed_at is None:
                continue
            if notice.kind == NoticeKind.RECORDED:
                if case.route is Route.RIGHT_TO_KNOW:
                    found[victim] = Conclusion(ConcludedAs.RECORDED, decision.confirmed_at)
                continue
            heard = applicant is not None and notice.told_id == applicant.id
            heard = heard and (notice.in_person if notice.kind == NoticeKind.NO_INFORMATION else elsewhere)
            if heard and notice.occurred_at >= decision.confirmed_at:
                found[victim] = Conclusion(ConcludedAs.TOLD, notice.occurred_at)
    return found


async def _not_completed(session: AsyncSession, case_id: UUID) -> dict[UUID, Conclusion]:
    query = select(col(NonCompletion.potential_victim_id), col(NonCompletion.occurred_at)).where(
        col(NonCompletion.case_id) == case_id
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
    return DisclosureFacts(ended, tuple(one for one in victims if one not in ended), owed, settled)


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
    else:
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
    """Delivery comes after the decisions, or at the forum under an emergency authority (H6.8)."""
    emergency = decision is not None and decision.source == "emergency"
    must_be_at(case, Stage.DISCLOSURE, *((Stage.FORUM,) if emergency else ()))


async def active_postponement(session: AsyncSession, case_id: UUID, *, today: date) -> UUID | None:
    """The postponement in force: neither ended nor past its review date (H7.7)."""
    query = (
        select(col(Postponement.id))
        .outerjoin(PostponementEnd, col(PostponementEnd.postponement_id) == col(Postponement.id))
        .where(
            col(Postponement.case_id) == case_id,
            col(Postponement.review_on) > today,
            col(PostponementEnd.id).is_(None),
        )
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def postpone(
    session: AsyncSession, case: Case, given: PostponementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Let delivery wait, the investigator having been asked; the clocks run on (H7.7)."""
    must_be_at(case, Stage.FORUM, Stage.DISCLOSURE)
    today = london_day(now)
    state = await facts(session, case)
    refuse_if(
        obstacles_to_postponing(
            already_postponed=await active_postponement(session, case.id, today=today) is not None,
            review_on=given.review_on,
            today=today,
            plans_are_current=await all_have_current_plans(session, case, state.unconcluded, today=today),
        )
    )
    row = Postponement(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    session.add(row)
    await session.flush()
    sentence = f"Delivery postponed until its review on {given.review_on:%-d %b %Y}; the clocks run on."
    await note(session, case, "postponed", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def end_postponement(
    session: AsyncSession, case: Case, given: PostponementEndIn, *, actor: Actor, now: datetime
) -> Recorded:
    """End the postponement in force before its review date."""
    active = await active_postponement(session, case.id, today=london_day(now))
    if active is None:
        raise NotPostponed("No postponement is in force: none was made, or it was ended, or its review date came.")
    row = PostponementEnd(
        **act_keys(case, actor=actor, now=now, occurred_at=None), postponement_id=active, reason=given.reason
    )
    session.add(row)
    await session.flush()
    await note(session, case, "postponement_ended", "The postponement was ended.", by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def postponements_of(session: AsyncSession, case: Case) -> list[PostponementView]:
    """Every postponement, oldest first, and how it ended."""
    query = (
        select(
            *columns_of(Postponement),
            col(PostponementEnd.recorded_at).label("ended_at"),
            col(PostponementEnd.reason).label("end_reason"),
        )
        .outerjoin(PostponementEnd, col(PostponementEnd.postponement_id) == col(Postponement.id))
        .where(col(Postponement.case_id) == case.id)
        .order_by(col(Postponement.recorded_at))
    )
    return [PostponementView.model_validate(row) for row in (await session.execute(query)).all()]


async def record_non_completion(
    session: AsyncSession, case: Case, given: NonCompletionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """A supervisor ends the attempts to tell; the safety plan stays (H7.6)."""
    decision = await _what_is_given_up(session, case, given)
    scheme = edition(case.edition).contact_attempts
    victim = given.potential_victim_id
    moments = await _attempts(session, case, decision, victim)
    refuse_if(
        obstacles_to_non_completion(
            decided=victim is None or (decision is not None and decision.confirmed_at is not None),
            reason=given.reason,
            spaced_attempts=spaced(moments, spacing_hours=scheme.spacing_hours),
            minimum=scheme.minimum,
            spacing_hours=scheme.spacing_hours,
            plan_is_current=victim is None or await has_current_plan(session, case, victim, today=london_day(now)),
        )
    )
    row = NonCompletion(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    session.add(row)
    await session.flush()
    whom = "the potential victim" if victim else "the third-party applicant in neutral words"
    sentence = f"Attempts to tell {whom} were ended by a supervisor: {given.reason.replace('_', ' ')}."
    await note(session, case, "not_completed_for_one", sentence, by=actor, now=now, about_id=row.id)
    await conclude_if_whole(session, case, actor=actor, now=now)
    return Recorded(row.id)


async def _what_is_given_up(session: AsyncSession, case: Case, given: NonCompletionIn) -> StandingDecision | None:
    """The decision that will not be carried out; raises where it is out of order or ended already."""
    if given.potential_victim_id is None:
        must_be_at(case, Stage.DISCLOSURE)
        state = await facts(session, case)
        if not state.neutral_owed:
            raise NothingOwed("No neutral words are owed here: name the potential victim whom nobody could tell.")
        if state.neutral_settled:
            raise AlreadyDecided("The neutral words were given, or the attempts to give them ended, already.")
        return None
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    decision = await standing_decision(session, case.id, given.potential_victim_id)
    must_be_deliverable(case, decision)
    if given.potential_victim_id in await conclusions(session, case):
        raise AlreadyDecided("It is concluded for this potential victim already; the case file says how.")
    return decision


async def _attempts(
    session: AsyncSession, case: Case, decision: StandingDecision | None, victim: UUID | None
) -> list[datetime]:
    """When whoever is to be told was tried in vain since the decision."""
    applicant = await applicant_of(session, case.id)
    sought = {victim, decision.recipient_id if decision else None}
    if applicant is not None and (decision is None or not decision.disclose):
        sought.add(applicant.id)
    query = select(col(ContactAttempt.occurred_at)).where(
        col(ContactAttempt.case_id) == case.id,
        col(ContactAttempt.party_id).in_([one for one in sought if one is not None]),
        col(ContactAttempt.outcome) != ContactOutcome.SPOKE,
    )
    if decision is not None and decision.confirmed_at is not None:
        query = query.where(col(ContactAttempt.occurred_at) >= decision.confirmed_at)
    return list(await session.scalars(query))
