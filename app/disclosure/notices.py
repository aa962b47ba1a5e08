"""Not disclosing: told to the applicant in the edition's words, or recorded to be found again (H7.4 to H7.5)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.rules import happened_at, not_compared
from app.cases.schemas import Recorded
from app.cases.service import must_be_party
from app.cases.tables import Case, PartyRole
from app.deadlines.service import open_due_at
from app.disclosure.clearance import is_of_the_force
from app.disclosure.conclusions import NoticeFacts, wrong_with_notice
from app.disclosure.rules import not_of_the_force
from app.disclosure.schemas import NoticeIn
from app.disclosure.service import applicant_of, conclude_if_whole, disclosed_elsewhere
from app.disclosure.tables import NonDisclosureNotice
from app.disclosure.terms import NoticeKind
from app.editions import edition
from app.editions.terms import ClockKind, Route
from app.evidence.sealed import rather_unread
from app.forum.service import standing_decisions
from app.initial_checks.rules import outside_the_case
from app.safeguarding.service import act_keys, owe_crime, record_act

_SENTENCES = {
    NoticeKind.NO_INFORMATION: "The applicant was told that there is no information to disclose.",
    NoticeKind.NEUTRAL: "The third-party applicant was given the neutral words.",
    NoticeKind.RECORDED: "Not disclosing was recorded with its rationale, to be found again.",
}


async def record_notice(session: AsyncSession, case: Case, given: NoticeIn, *, actor: Actor, now: datetime) -> Recorded:
    """Keep that not disclosing was told, or recorded; whatever was wrong goes before a supervisor."""
    for victim in given.potential_victim_ids:
        await must_be_party(session, case, victim, PartyRole.POTENTIAL_VICTIM, field="potential_victim_ids")
    own = await is_of_the_force(session, case, given.told_by, field="told_by")
    occurred_at = happened_at(given.occurred_at, now=now)
    settled = None if given.kind is NoticeKind.RECORDED else edition(case.edition).words(given.kind)
    words = given.words or settled
    with rather_unread() as left:
        known = await _facts(session, case, given, occurred_at=occurred_at, words_are_the_editions=words == settled)
    wrong = [
        *outside_the_case(case.stage, occurred_at=occurred_at, first_contact_at=case.first_contact_at),
        *wrong_with_notice(known),
        *not_of_the_force(of_the_force=own),
        *not_compared(unread=left.any),
    ]
    row = NonDisclosureNotice(
        **act_keys(case, actor=actor, now=now, occurred_at=occurred_at),
        **given.model_dump(exclude={"occurred_at", "crime_alleged", "words", "told_by"}),
        words=words,
        told_by=None if given.told_id is None else given.told_by or actor.staff_id,
    )
    if given.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    due_at = await open_due_at(session, case.id, ClockKind.WHOLE_CASE)
    made = await record_act(
        session,
        case,
        row,
        f"notice_{given.kind}",
        _SENTENCES[given.kind],
        actor=actor,
        now=now,
        wrong=wrong,
        due_at=due_at,
    )
    with rather_unread():
        await conclude_if_whole(session, case, actor=actor, now=now)
    return made


async def _facts(
    session: AsyncSession, case: Case, given: NoticeIn, *, occurred_at: datetime, words_are_the_editions: bool
) -> NoticeFacts:
    applicant = await applicant_of(session, case.id)
    told = None if given.told_id is None else await must_be_party(session, case, given.told_id, field="told_id")
    standing = await standing_decisions(session, case.id)
    decided = [standing.get(victim) for victim in given.potential_victim_ids]
    return NoticeFacts(
        kind=given.kind,
        right_to_ask=case.route is Route.RIGHT_TO_ASK,
        third_party_applicant=applicant is not None and applicant.role == PartyRole.APPLICANT,
        all_decided_not_to_disclose=all(
            one is not None
            and not one.disclose
            and one.confirmed_at is not None
            and (given.kind is NoticeKind.RECORDED or one.confirmed_at <= occurred_at)
            for one in decided
        ),
        any_decided_to_disclose=any(one is not None and one.disclose for one in decided),
        disclosed_elsewhere=await disclosed_elsewhere(session, case, but=applicant.id if applicant else None),
        told_is_applicant=told is not None and told.is_applicant,
        told_is_subject=told is not None and told.role is PartyRole.SUBJECT,
        in_person=given.in_person,
        written_left=given.written_left,
        words_are_the_editions=words_are_the_editions,
    )
