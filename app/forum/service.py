"""Deciding at the forum, and what stands of it (H6.3 to H6.5)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy import case as case_when
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, must_be_party, note, party_ids
from app.cases.tables import Case, PartyRole
from app.categorisation.rules import obstacles_to_words
from app.categorisation.service import names_to_keep_apart, police_categories, representations_considered
from app.categorisation.terms import Category
from app.clock import LONDON
from app.deadlines.service import meet
from app.editions.terms import ClockKind, Route
from app.errors import AlreadyDecided, Obstacle, Unprocessable, refuse_if
from app.evidence.sealed import plain_columns
from app.forum.meetings import end_item, open_item, open_item_of
from app.forum.police_conclusion import police_conclusion
from app.forum.rules import Proposal, obstacles_to_deciding, obstacles_to_sitting
from app.forum.schemas import DecisionIn, ForumFacts, StandingDecision
from app.forum.sitting import sitting_on
from app.forum.tables import (
    DecisionConfirmation,
    DecisionReturn,
    EmergencyAuthority,
    ForumDecision,
    ForumMeeting,
)
from app.forum.terms import ItemEnd, Verdict
from app.initial_checks.rules import checks_not_done, immediate_safeguarding_first, obstacles_to_no_disclosure
from app.initial_checks.service import checks_facts
from app.process import Move, Stage
from app.safeguarding.service import act_keys, answer_duties, open_duties, owe
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import rows

_authority = columns_of(EmergencyAuthority)
_EMERGENCIES = (
    select(
        *plain_columns(EmergencyAuthority),
        _authority.recipient_described.label("recipient_described"),
        _authority.already_managed.is_not(None).label("consult_offender_manager"),
    )
    .where(_authority.case_id == bindparam("case_id"))
    .order_by(_authority.position)
)


async def decide_at_forum(
    session: AsyncSession, case: Case, given: DecisionIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Record what the forum decides for one potential victim (H6.3); refused with every obstacle at once.

    A decision to disclose stands at once; one not to disclose waits for a second person (H6.4). When a decision of
    the forum stands for every potential victim, the case goes on and the item ends.
    """
    must_be_at(case, Stage.FORUM)
    item = await open_item(session, item_id)
    await _must_name_parties(session, case, given)
    if await live_decision(session, case.id, given.potential_victim_id) is not None:
        raise AlreadyDecided(
            "A decision for this potential victim stands, or awaits its second person, who confirms or refuses it."
        )
    sitting = await sitting_on(session, item, case, now=now)
    concluded = await police_conclusion(session, item_id, given.potential_victim_id, sitting)
    checks = await checks_facts(session, case)
    refuse_if(
        [
            *immediate_safeguarding_first(owed=checks.immediate_safeguarding_owed),
            *obstacles_to_sitting(sitting, deciding=actor.staff_id, today=now.astimezone(LONDON).date()),
            *obstacles_to_deciding(
                _proposal(given),
                categorised=given.potential_victim_id in await categorised(session, case.id),
                representations_considered=await representations_considered(
                    session, case.id, given.potential_victim_id
                ),
                police_conclude_necessary=concluded.necessary if concluded else None,
            ),
            *(checks_not_done(checks) if given.disclose else obstacles_to_no_disclosure(checks)),
            *await _obstacles_to_what_is_said(session, case, given),
        ]
    )
    row = ForumDecision(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        item_id=item_id,
        police_conclusion_id=concluded.id if concluded else None,
        police_conclude_necessary=bool(concluded and concluded.necessary),
        **given.model_dump(exclude={"delivery", "offender_management"}),
        delivery=given.delivery.model_dump() if given.delivery else None,
        consult_offender_manager=given.offender_management.already_managed is not None,
        offender_management=given.offender_management.model_dump(mode="json"),
    )
    session.add(row)
    await session.flush()
    considered_too = "The forum considered offender management with its decision."
    await answer_duties(session, case, DutyKind.OFFENDER_MANAGEMENT, answer=considered_too, actor=actor, now=now)
    if given.subject_to_be_told:
        says = (
            "The forum decided that the subject is told: speak the words settled, and record them as they were spoken."
        )
        why = Obstacle("subject_to_be_told", says, "H6.3")
        kind, about = DutyKind.SUBJECT_TO_BE_TOLD, given.potential_victim_id
        owe(session, case, kind, why, actor=actor, now=now, potential_victim_id=about, about_id=row.id)
    what = "to disclose" if given.disclose else "not to disclose, awaiting confirmation by a second person"
    sentence = f"The forum decided for a potential victim: {what}."
    await note(session, case, "forum_decided", sentence, by=actor, now=now, about_id=row.id)
    if given.disclose:
        await now_stands(session, case, row, actor=actor, now=now)
    return Recorded(row.id)


async def categorised(session: AsyncSession, case_id: UUID) -> set[UUID]:
    """The potential victims with a police category, or with the concern that an emergency authority found (H6.8)."""
    query = select(col(EmergencyAuthority.potential_victim_id)).where(col(EmergencyAuthority.case_id) == case_id)
    return {*await police_categories(session, case_id), *await session.scalars(query)}


async def _must_name_parties(session: AsyncSession, case: Case, given: DecisionIn) -> None:
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    if given.recipient_id is not None:
        recipient = await must_be_party(session, case, given.recipient_id, field="recipient_id")
        must_not_be_subject(recipient.role)


def must_not_be_subject(role: PartyRole) -> None:
    """Nothing is disclosed to the subject."""
    if role is PartyRole.SUBJECT:
        raise Unprocessable("recipient_id must not name the subject.", field="recipient_id")


def _proposal(given: DecisionIn) -> Proposal:
    return Proposal(
        category=given.category,
        disclose=given.disclose,
        pressing_need=given.pressing_need,
        proportionate=given.proportionate,
        what=given.what,
        has_recipient=given.recipient_id is not None or given.recipient_described is not None,
        has_delivery=given.delivery is not None,
        subject_to_be_told=given.subject_to_be_told,
    )


async def _obstacles_to_what_is_said(session: AsyncSession, case: Case, given: DecisionIn) -> list[Obstacle]:
    """Words for the subject and for an offender manager are settled, and name no applicant (H2.7)."""
    applicants, subjects = await names_to_keep_apart(session, case)
    obstacles = []
    if given.subject_to_be_told:
        obstacles += obstacles_to_words(
            given.words_for_subject, to="the subject", applicants_names=applicants, subjects_names=subjects
        )
    if given.offender_management.already_managed is not None:
        obstacles += obstacles_to_words(
            given.offender_management.words_for_manager,
            to="the offender manager",
            applicants_names=applicants,
            subjects_names=subjects,
        )
    return obstacles


async def now_stands(
    session: AsyncSession, case: Case, decision: ForumDecision | Row[Any], *, actor: Actor, now: datetime
) -> None:
    """A decision stands: the emergency is reviewed, and with the last potential victim's the case goes on."""
    for duty in await open_duties(session, case.id, DutyKind.EMERGENCY_REVIEW):
        if duty.potential_victim_id == decision.potential_victim_id:
            duty.answered_at, duty.answered_by = now, actor.staff_id
            duty.answer = "Reviewed: the forum decided for this potential victim."
    standing = {row.potential_victim_id: row for row in await live_decisions(session, case.id) if row.confirmed_at}
    if set(await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)) - set(standing):
        return
    sentence = "The forum has decided for every potential victim."
    await advance(session, case, Move.DECIDED, by=actor, now=now, sentence=sentence, about_id=decision.id)
    if case.route is Route.RIGHT_TO_KNOW and not any(row.disclose for row in standing.values()):
        await meet(session, case.id, ClockKind.WHOLE_CASE, done_at=now, now=now)  # H9.1
    if (item := await open_item_of(session, case.id)) is not None:
        await end_item(session, item, ItemEnd.DECIDED, now=now)


async def subject_to_be_told_no_longer(
    session: AsyncSession, case: Case, decision_ids: Collection[UUID], *, answer: str, actor: Actor, now: datetime
) -> None:
    """Answer what these decisions owe of telling the subject: it was done, or they stand no longer (H6.3)."""
    for duty in await open_duties(session, case.id, DutyKind.SUBJECT_TO_BE_TOLD):
        if duty.about_id in decision_ids:
            duty.answered_at, duty.answered_by, duty.answer = now, actor.staff_id, answer


async def live_decision(session: AsyncSession, case_id: UUID, potential_victim_id: UUID) -> Row[Any] | None:
    """The forum's decision for one potential victim that stands or waits for its second person, if there is one."""
    live = await live_decisions(session, case_id)
    return next((row for row in live if row.potential_victim_id == potential_victim_id), None)


async def live_decisions(session: AsyncSession, case_id: UUID) -> list[Row[Any]]:
    """The forum's decisions that were neither refused nor returned; `confirmed_at` is empty while one waits."""
    return [row for row in await _decisions(session, case_id) if row.verdict != Verdict.REFUSE and not row.returned]


async def _decisions(session: AsyncSession, case_id: UUID) -> list[Row[Any]]:
    columns = columns_of(ForumDecision)
    query: Select[Any] = (
        select(
            *plain_columns(ForumDecision),
            columns.recipient_described.label("recipient_described"),
            columns.pressing_need.is_not(None).label("pressing_need"),
            columns.proportionate.is_not(None).label("proportionate"),
            col(DecisionConfirmation.verdict),
            col(DecisionConfirmation.recorded_at).label("answered_at"),
            col(DecisionReturn.id).is_not(None).label("returned"),
            _confirmed_at().label("confirmed_at"),
        )
        .outerjoin(DecisionConfirmation, col(DecisionConfirmation.decision_id) == columns.id)
        .outerjoin(DecisionReturn, col(DecisionReturn.decision_id) == columns.id)
        .where(columns.case_id == case_id)
        .order_by(columns.position)
    )
    return list(await rows(session, query))


def _confirmed_at() -> Any:
    """When a decision began to stand: at once to disclose, else when confirmed."""
    return case_when(
        (col(ForumDecision.disclose), col(ForumDecision.recorded_at)),
        (col(DecisionConfirmation.verdict) == Verdict.CONFIRM, col(DecisionConfirmation.recorded_at)),
    )


async def standing_decision(session: AsyncSession, case_id: UUID, potential_victim_id: UUID) -> StandingDecision | None:
    """What holds for one potential victim now, if anything does."""
    return (await standing_decisions(session, case_id)).get(potential_victim_id)


async def standing_decisions(session: AsyncSession, case_id: UUID) -> Mapping[UUID, StandingDecision]:
    """What holds for each potential victim that has something.

    The decision of the forum that stands, or an emergency authority given since the last one began to stand. An older
    authority is spent, also when that decision is returned.
    """
    decided = [row for row in await _decisions(session, case_id) if row.confirmed_at]
    found = {row.potential_victim_id: _from_forum(row) for row in decided if not row.returned}
    last = {row.potential_victim_id: row.confirmed_at for row in decided}
    for row in await rows(session, _EMERGENCIES, case_id=case_id):
        spent_at = last.get(row.potential_victim_id)
        if spent_at is None or row.recorded_at > spent_at:
            found[row.potential_victim_id] = _from_emergency(row)
    return found


def _from_forum(row: Row[Any]) -> StandingDecision:
    return StandingDecision(
        id=row.id,
        potential_victim_id=row.potential_victim_id,
        source="forum",
        disclose=row.disclose,
        category=row.category,
        police_conclude_necessary=row.police_conclude_necessary,
        pressing_need=row.pressing_need,
        proportionate=row.proportionate,
        recipient_id=row.recipient_id,
        recipient_described=row.recipient_described,
        subject_to_be_told=row.subject_to_be_told,
        consult_offender_manager=row.consult_offender_manager,
        decided_at=row.recorded_at,
        confirmed_at=row.confirmed_at,
    )


def _from_emergency(row: Row[Any]) -> StandingDecision:
    return StandingDecision(
        id=row.id,
        potential_victim_id=row.potential_victim_id,
        source="emergency",
        disclose=True,
        category=Category.CONCERN,
        police_conclude_necessary=True,
        pressing_need=True,
        proportionate=True,
        recipient_id=row.recipient_id,
        recipient_described=row.recipient_described,
        subject_to_be_told=False,
        consult_offender_manager=row.consult_offender_manager,
        decided_at=row.recorded_at,
        confirmed_at=row.recorded_at,
    )


async def facts(session: AsyncSession, case: Case) -> ForumFacts:
    """What the forum still owes the case."""
    everyone = await party_ids(session, case.id, PartyRole.POTENTIAL_VICTIM)
    live = await live_decisions(session, case.id)
    standing = {row.potential_victim_id for row in live if row.confirmed_at}
    item = await open_item_of(session, case.id)
    meeting = await session.get_one(ForumMeeting, item.meeting_id) if item else None
    considered = [await representations_considered(session, case.id, one) for one in everyone]
    undecided = set(everyone) - standing
    return ForumFacts(
        on_agenda_of=meeting.held_on if meeting else None,
        undecided=len(undecided),
        awaiting_confirmation=len({row.potential_victim_id for row in live} - standing),
        representations_not_considered=considered.count(False),
        uncategorised=len(undecided - await categorised(session, case.id)),
    )
