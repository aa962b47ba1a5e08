"""The second person on a decision not to disclose, and the way back to the forum (H6.4)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, must_be_party, note
from app.cases.tables import Assignment, Case, PartyRole
from app.categorisation.tables import Categorisation, Referral
from app.deadlines.service import reopen
from app.editions.terms import ClockKind
from app.errors import AlreadyDecided, Conflict, NotFound, Obstacle, refuse_if
from app.evidence.sealed import plain_columns
from app.forum.rules import chair_conflicted, no_quorum, obstacles_to_confirming
from app.forum.schemas import ConfirmationIn, ReturnIn
from app.forum.service import live_decisions, now_stands, subject_to_be_told_no_longer
from app.forum.sight import conflicted_in
from app.forum.sitting import sitting_on, took_part
from app.forum.tables import AgendaItem, DecisionConfirmation, DecisionReturn, ForumDecision
from app.forum.terms import Verdict
from app.initial_checks.rules import immediate_safeguarding_first
from app.process import Move, Stage
from app.safeguarding.service import act_keys, open_duties
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import row as row_of

_decision = columns_of(ForumDecision)
_DECISION: Select[Any] = select(*plain_columns(ForumDecision)).where(
    _decision.case_id == bindparam("case_id"),
    _decision.item_id == bindparam("item_id"),
    _decision.id == bindparam("id"),
)


class DecisionNotFound(NotFound):
    """No such decision on this item."""

    code = "decision_not_found"

    def __init__(self) -> None:
        super().__init__("No decision of this item is held under that address.")


class NothingToConfirm(Conflict):
    """A decision to disclose needs no second person."""

    code = "nothing_to_confirm"


async def confirm_decision(
    session: AsyncSession,
    case: Case,
    given: ConfirmationIn,
    *,
    item_id: UUID,
    decision_id: UUID,
    actor: Actor,
    now: datetime,
) -> Recorded:
    """Confirm a decision not to disclose, or refuse it and so return it to the forum: the clock runs on (H6.4).

    The case need not be on the agenda any more: a decision that waits is answered wherever the case went meanwhile.
    """
    must_be_at(case, Stage.FORUM)
    decision = await row_of(session, _DECISION, case_id=case.id, item_id=item_id, id=decision_id)
    if decision is None:
        raise DecisionNotFound
    if decision.disclose:
        raise NothingToConfirm("A decision to disclose stands without a second person.")
    if all(row.id != decision_id or row.confirmed_at for row in await live_decisions(session, case.id)):
        raise AlreadyDecided("This decision has been confirmed or refused already.")
    refuse_if(await _obstacles(session, case, given.verdict, item_id=item_id, actor=actor, now=now))
    row = DecisionConfirmation(
        **act_keys(case, actor=actor, now=now, occurred_at=None), decision_id=decision_id, **given.model_dump()
    )
    session.add(row)
    await session.flush()
    confirmed = given.verdict is Verdict.CONFIRM
    sentence = f"A decision not to disclose was {'confirmed' if confirmed else 'refused and returned to the forum'}."
    await note(session, case, f"no_disclosure_{given.verdict.value}", sentence, by=actor, now=now, about_id=row.id)
    if confirmed:
        await now_stands(session, case, decision, actor=actor, now=now)
    return Recorded(row.id)


async def _obstacles(
    session: AsyncSession, case: Case, verdict: Verdict, *, item_id: UUID, actor: Actor, now: datetime
) -> list[Obstacle]:
    """Who may answer; and to confirm, that the meeting's quorum holds without those conflicted since."""
    item = await session.get_one(AgendaItem, item_id)
    sitting = await sitting_on(session, item, case, now=now)
    found = obstacles_to_confirming(
        actor.staff_id,
        held_by=await _held_by(session, case),
        chair_id=sitting.chair_id,
        took_part=await took_part(session, item),
        conflicted=await conflicted_in(session, case.id),
    )
    if verdict is Verdict.REFUSE:
        return found
    owed = bool(await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING))
    return [*immediate_safeguarding_first(owed=owed), *found, *chair_conflicted(sitting), *no_quorum(sitting)]


async def _held_by(session: AsyncSession, case: Case) -> set[UUID]:
    """Everybody who ever held the case, or put the police's finding on it before the forum."""
    held = select(col(Assignment.staff_id)).where(col(Assignment.case_id) == case.id)
    found = select(col(Categorisation.recorded_by)).where(col(Categorisation.case_id) == case.id)
    referred = select(col(Referral.recorded_by)).where(col(Referral.case_id) == case.id)
    return {*await session.scalars(held.union(found, referred)), *([case.assigned_to] if case.assigned_to else ())}


async def return_to_forum(
    session: AsyncSession, case: Case, given: ReturnIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Take the case back to the forum: the decisions for those named no longer stand, the others do.

    Somebody may be named on whom nothing is decided yet, as a potential victim whom the delivery brought to light.
    """
    must_be_at(case, Stage.DISCLOSURE)
    standing = {row.potential_victim_id: row.id for row in await live_decisions(session, case.id)}
    rows = []
    for number, potential_victim_id in enumerate(dict.fromkeys(given.potential_victim_ids)):
        field = f"potential_victim_ids.{number}"
        await must_be_party(session, case, potential_victim_id, PartyRole.POTENTIAL_VICTIM, field=field)
        rows.append(
            DecisionReturn(
                **act_keys(case, actor=actor, now=now, occurred_at=None),
                decision_id=standing.get(potential_victim_id),
                potential_victim_id=potential_victim_id,
                reason=given.reason,
            )
        )
    session.add_all(rows)
    await session.flush()
    returned = [row.decision_id for row in rows if row.decision_id is not None]
    answer = "The decision was returned to the forum, which says anew whether the subject is told."
    await subject_to_be_told_no_longer(session, case, returned, answer=answer, actor=actor, now=now)
    sentence = f"Returned to the forum for {len(rows)} of the potential victims."
    await advance(session, case, Move.RETURNED_TO_FORUM, by=actor, now=now, sentence=sentence, about_id=rows[0].id)
    await reopen(session, case.id, ClockKind.WHOLE_CASE)
    return Recorded(rows[0].id)
