"""Words spoken to the subject are kept whoever authorised them, and nobody changes them (H5.5, H6.3, H2.7)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import happened_at, not_compared
from app.cases.schemas import Recorded
from app.cases.service import must_be_party, party_ids
from app.cases.tables import Case, PartyRole
from app.categorisation.rules import names_the_applicant
from app.categorisation.service import names_to_keep_apart
from app.categorisation.tables import Representations
from app.categorisation.terms import RepresentationsChoice
from app.disclosure.clearance import is_of_the_force
from app.disclosure.rules import not_of_the_force
from app.disclosure.service import everybody_answered
from app.disclosure.subject_rules import Authority, carried_out, wrong_with_words_to_subject
from app.disclosure.subject_schemas import WordsToSubjectIn
from app.disclosure.tables import WordsToSubject
from app.errors import Unprocessable
from app.evidence.sealed import Unread, plain_columns, rather_unread
from app.forum.service import subject_to_be_told_no_longer
from app.forum.tables import DecisionReturn, ForumDecision
from app.initial_checks.rules import outside_the_case
from app.process import Stage
from app.safeguarding.service import act_keys, owe_crime, record_act
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import row as row_of

_decision = columns_of(ForumDecision)
_DECISION: Select[Any] = select(
    *plain_columns(ForumDecision), _decision.words_for_subject.label("words_for_subject")
).where(_decision.case_id == bindparam("case_id"), _decision.id == bindparam("id"))


async def record_words_to_subject(
    session: AsyncSession, case: Case, given: WordsToSubjectIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what was said to the subject and what the subject answered; whatever was wrong goes before a supervisor.

    Spoken while the forum's decision stood, the words answer the duty that the decision opened. The logged recipient
    is the subject, or the record itself while nobody is recorded as one.
    """
    with rather_unread() as left:
        return await _record(session, case, given, left, actor=actor, now=now)


async def _record(
    session: AsyncSession, case: Case, given: WordsToSubjectIn, left: Unread, *, actor: Actor, now: datetime
) -> Recorded:
    victim = given.potential_victim_id
    if victim is not None:
        await must_be_party(session, case, victim, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id")
    own = await is_of_the_force(session, case, given.spoken_by, field="spoken_by")
    occurred_at = happened_at(given.occurred_at, now=now)
    authority = await _authority(session, case, given)
    if victim is None and authority is not None:
        victim = authority.potential_victim_id
    applicants, subjects = await names_to_keep_apart(session, case)
    wrong = [
        *outside_the_case(
            _stage_of_telling(case, given), occurred_at=occurred_at, first_contact_at=case.first_contact_at
        ),
        *wrong_with_words_to_subject(
            authority,
            potential_victim_id=victim,
            words=given.words,
            occurred_at=occurred_at,
            everybody_answered=await everybody_answered(session, case, by=occurred_at),
            names_applicant=names_the_applicant(given.words, applicants_names=applicants, subjects_names=subjects),
        ),
        *not_of_the_force(of_the_force=own),
        *not_compared(unread=left.any),
    ]
    row = WordsToSubject(
        **act_keys(case, actor=actor, now=now, occurred_at=occurred_at),
        **given.model_dump(exclude={"occurred_at", "crime_alleged", "potential_victim_id", "spoken_by"}),
        potential_victim_id=victim,
        spoken_by=None if given.partner is not None else given.spoken_by or actor.staff_id,
    )
    if given.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    subject = await party_ids(session, case.id, PartyRole.SUBJECT)
    made = await record_act(
        session,
        case,
        row,
        "words_to_subject",
        _sentence(given),
        actor=actor,
        now=now,
        wrong=wrong,
        recipient=subject[0] if subject else row.id,
    )
    if given.decision_id is not None and authority is not None and carried_out(authority, occurred_at=occurred_at):
        answer = "The subject was told; the words are recorded."
        await subject_to_be_told_no_longer(session, case, [given.decision_id], answer=answer, actor=actor, now=now)
    return made


def _stage_of_telling(case: Case, given: WordsToSubjectIn) -> Stage:
    """What the forum decided is told after the last potential victim was, so when the case is concluded already."""
    at_its_end = case.stage is Stage.FINAL_REPORT and given.decision_id is not None
    return Stage.DISCLOSURE if at_its_end else case.stage


def _sentence(given: WordsToSubjectIn) -> str:
    if given.decision_id is not None:
        return "The subject was told, on a decision of the forum; the words are kept."
    if given.representations_id is not None:
        return "The subject was asked for representations; the words are kept."
    return "The subject was spoken to, with no authority named; the words are kept."


async def _authority(session: AsyncSession, case: Case, given: WordsToSubjectIn) -> Authority | None:
    if given.decision_id is not None:
        return await _decided(session, case, given.decision_id)
    if given.representations_id is not None:
        return await _considered(session, case, given.representations_id)
    return None


async def _decided(session: AsyncSession, case: Case, decision_id: UUID) -> Authority:
    decision = await row_of(session, _DECISION, case_id=case.id, id=decision_id)
    if decision is None:
        raise Unprocessable("decision_id must name a decision of the forum in this case.", field="decision_id")
    returned = select(col(DecisionReturn.recorded_at)).where(col(DecisionReturn.decision_id) == decision.id)
    spoken = select(col(WordsToSubject.id)).where(
        col(WordsToSubject.decision_id) == decision.id, col(WordsToSubject.recorded_at) <= col(Duty.answered_at)
    )
    # A supervisor answered that the subject is not told after all.
    given_up = select(col(Duty.answered_at)).where(
        col(Duty.case_id) == case.id,
        col(Duty.kind) == DutyKind.SUBJECT_TO_BE_TOLD,
        col(Duty.about_id) == decision.id,
        ~spoken.exists(),
    )
    ends = [*await session.scalars(returned), *await session.scalars(given_up)]
    return Authority(
        rule="H6.3",
        permits=decision.subject_to_be_told,
        words=decision.words_for_subject,
        potential_victim_id=decision.potential_victim_id,
        since=decision.recorded_at,
        until=min((end for end in ends if end is not None), default=None),
    )


async def _considered(session: AsyncSession, case: Case, representations_id: UUID) -> Authority:
    """Representations sought stand until it is decided anew, for the same or for everybody, not to seek them."""
    asked = await session.get(Representations, representations_id)
    if asked is None or asked.case_id != case.id:
        says = "representations_id must name a consideration of representations in this case."
        raise Unprocessable(says, field="representations_id")
    scope = col(Representations.potential_victim_id)
    given_up = select(func.min(col(Representations.recorded_at))).where(
        col(Representations.case_id) == case.id,
        col(Representations.recorded_at) > asked.recorded_at,
        col(Representations.choice) == RepresentationsChoice.NOT_SOUGHT,
        scope.is_(None) | (scope == asked.potential_victim_id),
    )
    return Authority(
        rule="H5.5",
        permits=asked.choice is RepresentationsChoice.SOUGHT,
        words=asked.words,
        potential_victim_id=asked.potential_victim_id,
        since=asked.recorded_at,
        until=await session.scalar(given_up),
    )
