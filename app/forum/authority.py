"""The emergency authority: disclosure before the forum can sit (H6.8)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.clock import LONDON
from app.deadlines.service import end
from app.deadlines.tables import EndedBecause
from app.editions import edition
from app.editions.terms import ClockKind
from app.errors import AlreadyDecided, Obstacle, refuse_if
from app.forum.rules import obstacles_to_emergency
from app.forum.schemas import EmergencyAuthorityIn
from app.forum.service import live_decision, must_not_be_subject
from app.forum.tables import DecisionReturn, EmergencyAuthority
from app.initial_checks.rules import immediate_safeguarding_first
from app.initial_checks.service import checks_facts, meet_once_answered
from app.process import Move, Stage
from app.safeguarding.rules import no_current_plan
from app.safeguarding.service import act_keys, current_plan, newest_immediate_risk_at, owe_once
from app.safeguarding.terms import DutyKind

_WAIVED = (
    ClockKind.FACE_TO_FACE,
    ClockKind.RISK_ASSESSMENT,
    ClockKind.CATEGORISE_AND_REFER,
)
_MAY_BE_MISSING = (Stage.INITIAL_CHECKS, Stage.FACE_TO_FACE, Stage.RISK_ASSESSMENT, Stage.CATEGORISATION)


async def authorise_emergency(
    session: AsyncSession, case: Case, given: EmergencyAuthorityIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Authorise disclosure for one potential victim because it cannot wait; the forum reviews it next time (H6.8).

    Only meeting, full assessment and quorum may be missing. The clocks of what is waived end, keeping any breach;
    that of the checks runs on until each is answered. A decision of the forum to disclose, or one that awaits its
    second person, leaves nothing to authorise; a confirmed one not to disclose is overtaken and goes back to the forum.
    """
    must_be_at(case, *_MAY_BE_MISSING, Stage.FORUM)
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    if given.recipient_id is not None:
        must_not_be_subject((await must_be_party(session, case, given.recipient_id, field="recipient_id")).role)
    overtaken = await live_decision(session, case.id, given.potential_victim_id)
    if overtaken is not None and overtaken.disclose:
        raise AlreadyDecided("The forum has decided to disclose to this potential victim; its decision stands.")
    if overtaken is not None and overtaken.confirmed_at is None:
        raise AlreadyDecided(
            "The forum's decision for this potential victim awaits its second person: have it confirmed or refused."
        )
    refuse_if(await _obstacles(session, case, given, actor=actor, now=now))
    row = EmergencyAuthority(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        rank=actor.rank or "",
        **given.model_dump(mode="json", exclude={"potential_victim_id", "recipient_id"}),
        potential_victim_id=given.potential_victim_id,
        recipient_id=given.recipient_id,
    )
    session.add(row)
    if overtaken is not None:
        session.add(_returned(case, overtaken.id, given, actor=actor, now=now))
    await session.flush()
    sentence = "Disclosure was authorised as an emergency; the forum reviews it at its next meeting."
    if case.stage is Stage.FORUM:
        await note(session, case, Move.EMERGENCY_AUTHORISED.value, sentence, by=actor, now=now, about_id=row.id)
    else:
        await advance(session, case, Move.EMERGENCY_AUTHORISED, by=actor, now=now, sentence=sentence, about_id=row.id)
    await end(session, case.id, EndedBecause.EMERGENCY_WAIVER, *_WAIVED, ended_at=now)
    await meet_once_answered(session, case, now=now)
    review = Obstacle(
        "emergency_review",
        "Disclosure was authorised as an emergency: the forum reviews it at its next meeting.",
        "H6.8",
    )
    await owe_once(
        session,
        case,
        DutyKind.EMERGENCY_REVIEW,
        review,
        actor=actor,
        now=now,
        potential_victim_id=given.potential_victim_id,
    )
    return Recorded(row.id)


def _returned(
    case: Case, decision_id: UUID, given: EmergencyAuthorityIn, *, actor: Actor, now: datetime
) -> DecisionReturn:
    """The decision not to disclose that the emergency overtakes no longer stands: the forum decides anew (H6.8)."""
    return DecisionReturn(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        decision_id=decision_id,
        potential_victim_id=given.potential_victim_id,
        reason=given.why_it_cannot_wait,
    )


async def _obstacles(
    session: AsyncSession, case: Case, given: EmergencyAuthorityIn, *, actor: Actor, now: datetime
) -> list[Obstacle]:
    scheme = edition(case.edition)
    checks = await checks_facts(session, case)
    plan = await current_plan(session, given.potential_victim_id)
    risk_at = await newest_immediate_risk_at(session, case.id, given.potential_victim_id)
    return [
        *obstacles_to_emergency(
            rank_suffices=scheme.rank_suffices(actor.rank or "", least=scheme.ranks.emergency_authoriser),
            least_rank=scheme.ranks.emergency_authoriser,
            open_checks=[check.system for check in checks.open_checks],
            accepted=given.open_checks_accepted,
        ),
        *immediate_safeguarding_first(owed=checks.immediate_safeguarding_owed),
        *no_current_plan(plan, newest_immediate_risk_at=risk_at, today=now.astimezone(LONDON).date()),
    ]
