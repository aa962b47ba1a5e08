"""A supervisor ends the attempts to tell; and which attempts count (H7.6)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import must_be_at, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.disclosure.conclusions import obstacles_to_non_completion
from app.disclosure.rules import london_day
from app.disclosure.schemas import NonCompletionIn
from app.disclosure.service import (
    applicant_of,
    conclude_if_whole,
    conclusions,
    facts,
    has_current_plan,
    must_be_deliverable,
)
from app.disclosure.tables import NonCompletion
from app.editions import edition
from app.errors import AlreadyDecided, Conflict, refuse_if
from app.forum.schemas import StandingDecision
from app.forum.service import standing_decision
from app.process import Stage
from app.safeguarding.service import act_keys
from app.safeguarding.tables import ContactAttempt
from app.safeguarding.terms import ContactOutcome

_REACHED = (ContactOutcome.SPOKE, ContactOutcome.DECLINED)


class NothingOwed(Conflict):
    """No neutral words are owed in this case."""

    code = "nothing_owed"


async def record_non_completion(
    session: AsyncSession, case: Case, given: NonCompletionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """A supervisor ends the attempts to tell; the safety plan stays (H7.6)."""
    decision = await _what_is_given_up(session, case, given)
    victim = given.potential_victim_id
    refuse_if(
        obstacles_to_non_completion(
            decided=victim is None or (decision is not None and decision.confirmed_at is not None),
            reason=given.reason,
            failed=await _failed_to_tell(session, case, decision, victim),
            wanted=edition(case.edition).contact_attempts,
            plan_is_current=victim is None or await has_current_plan(session, case, victim, today=london_day(now)),
        )
    )
    row = NonCompletion(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        **given.model_dump(),
        decision_id=decision.id if decision else None,
    )
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


async def _failed_to_tell(
    session: AsyncSession, case: Case, decision: StandingDecision | None, victim: UUID | None
) -> list[datetime]:
    """When whoever is to be told was tried in vain since the decision."""
    applicant = await applicant_of(session, case.id)
    sought = {victim, decision.recipient_id if decision else None}
    if applicant is not None and (decision is None or not decision.disclose):
        sought.add(applicant.id)
    since = decision.confirmed_at if decision else None
    return await failed_attempts(session, case, [one for one in sought if one is not None], since=since)


async def failed_attempts(
    session: AsyncSession, case: Case, party_ids: Collection[UUID], *, since: datetime | None = None
) -> list[datetime]:
    """When each of these parties was tried in vain since being last reached, from `since` on where it is given."""
    query = (
        select(col(ContactAttempt.party_id), col(ContactAttempt.occurred_at), col(ContactAttempt.outcome))
        .where(col(ContactAttempt.case_id) == case.id, col(ContactAttempt.party_id).in_(party_ids))
        .order_by(col(ContactAttempt.occurred_at), col(ContactAttempt.recorded_at))
    )
    failed: dict[UUID, list[datetime]] = {}
    for party_id, at, outcome in (await session.execute(query)).all():
        failed[party_id] = [] if outcome in _REACHED else [*failed.get(party_id, []), at]
    return [at for moments in failed.values() for at in moments if since is None or at >= since]
