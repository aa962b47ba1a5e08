"""The verbatim record: what was said is kept whatever was wrong with it, and never changed (H7.2, H2.10)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import CONCLUDED, happened_at, not_compared
from app.cases.schemas import Recorded
from app.cases.service import known_id, must_be_party
from app.cases.tables import Case, PartyRole
from app.cases.touching import people_of, touch_people
from app.categorisation.service import told_of_a_third_party
from app.deadlines.service import open_due_at, reopen
from app.disclosure.clearance import is_of_the_force, readiness, recipient_facts
from app.disclosure.items import item_facts
from app.disclosure.rules import (
    Clearance,
    Recipient,
    corrects_another,
    decided_afterwards,
    held,
    london_day,
    names,
    no_longer_carries_out,
    no_suitable_adult,
    not_cleared,
    not_of_the_force,
    not_ready,
    not_tellable,
    not_told_first,
    once,
    stood_at,
    without_decision,
    wrong_at_the_door,
    wrong_recipient,
)
from app.disclosure.schemas import DisclosureIn, VerbatimView
from app.disclosure.service import conclude_if_whole
from app.disclosure.tables import DeliveryClearance, Disclosure
from app.editions import edition
from app.editions.terms import ClockKind
from app.errors import NotFound, Obstacle, Unprocessable
from app.evidence.opening import opening_of
from app.evidence.receipts import NotYetView, OpeningView
from app.evidence.sealed import Unread, plain_columns, rather_unread
from app.forum.schemas import StandingDecision
from app.forum.service import standing_decision
from app.forum.tables import DecisionConfirmation, DecisionReturn, EmergencyAuthority, ForumDecision
from app.forum.terms import Verdict
from app.initial_checks.rules import outside_the_case
from app.safeguarding.service import act_keys, owe_crime, record_act
from app.storage.base import CaseRow, columns_of, shown_columns
from app.storage.statements import row as row_of
from app.storage.statements import rows

_AS_JSON = {"reconsideration", "partner", "interpreter"}
_RECIPIENT = ("recipient_id", "recipient_described")
_DELIVERY = (
    "potential_victim_id",
    *_RECIPIENT,
    "delivered_by",
    "occurred_at",
    "decision_id",
    "clearance_id",
    "item_ids",
)


def _without_texts(table: type[CaseRow]) -> Select[Any]:
    """One row of a case without its texts, but for how a recipient is described."""
    columns = columns_of(table)
    wanted = (columns.case_id == bindparam("case_id"), columns.id == bindparam("id"))
    described = columns.recipient_described.label("recipient_described")
    return select(*plain_columns(table), described).where(*wanted)


_SUPERSEDED, _CLEARANCE = _without_texts(Disclosure), _without_texts(DeliveryClearance)


class DisclosureNotFound(NotFound):
    """No such record in this case."""

    code = "disclosure_not_found"

    def __init__(self) -> None:
        super().__init__("No such record of a disclosure is held in this case.")


async def record_disclosure(
    session: AsyncSession, case: Case, given: DisclosureIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what was said, byte for byte; whatever was wrong goes before a supervisor. A correction supersedes.

    The logged recipient of one who is only described is the record itself, which describes that person. Recorded also
    while nobody can open what was decided: a supervisor then compares.
    """
    with rather_unread() as left:
        return await _record(session, case, given, left, actor=actor, now=now)


async def _record(
    session: AsyncSession, case: Case, given: DisclosureIn, left: Unread, *, actor: Actor, now: datetime
) -> Recorded:
    victim = given.potential_victim_id
    await must_be_party(session, case, victim, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id")
    own = await is_of_the_force(session, case, given.delivered_by, field="delivered_by")
    before = await _superseded(session, case, given)
    occurred_at = happened_at(given.occurred_at or (before.occurred_at if before else None), now=now)
    recipient = await recipient_facts(session, case, given, on=london_day(occurred_at))
    clearance = await _clearance(session, case, given)
    named = given.decision_id or (clearance.decision_id if clearance else None)
    row = Disclosure(
        **act_keys(case, actor=actor, now=now, occurred_at=occurred_at),
        **given.model_dump(exclude={"occurred_at", "crime_alleged", "decision_id", *_AS_JSON}),
        **given.model_dump(include=_AS_JSON, mode="json"),
        decision_id=named,
        carries_out_decision=False,
    )
    wrong = await _wrong_in_the_telling(session, case, given, recipient, occurred_at=occurred_at, now=now)
    if before is not None and _same_delivery(before, row):
        # What was decided and permitted was looked at with the record that this corrects.
        row.carries_out_decision = before.carries_out_decision
    else:
        decision = await standing_decision(session, case.id, victim)
        row.carries_out_decision = _carries_out(row, decision, clearance, recipient)
        wrong = [*await _not_permitted(session, case, row, decision, clearance, recipient), *wrong]
    wrong += [*not_of_the_force(of_the_force=own), *not_compared(unread=left.any)]
    if given.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    if before is not None:
        told = recipient.party_id or row.id
        return await _correct(session, case, before, row, wrong, told=told, actor=actor, now=now)
    outside = outside_the_case(case.stage, occurred_at=occurred_at, first_contact_at=case.first_contact_at)
    made = await record_act(
        session,
        case,
        row,
        "disclosed",
        f"Disclosed in words that are kept verbatim; the undertaking was {row.undertaking}.",
        actor=actor,
        now=now,
        wrong=once([*outside, *wrong]),
        due_at=await open_due_at(session, case.id, ClockKind.WHOLE_CASE),
        recipient=recipient.party_id or row.id,
    )
    await conclude_if_whole(session, case, actor=actor, now=now)
    return made


async def _superseded(session: AsyncSession, case: Case, given: DisclosureIn) -> Row[Any] | None:
    """The record that is corrected; a record is corrected once, and its correction after that."""
    if given.supersedes_id is None:
        return None
    before = await row_of(session, _SUPERSEDED, case_id=case.id, id=given.supersedes_id)
    if before is None:
        raise Unprocessable("supersedes_id must name a record of a disclosure of this case.", field="supersedes_id")
    newer = select(col(Disclosure.id)).where(col(Disclosure.supersedes_id) == before.id)
    if (await session.scalars(newer)).one_or_none() is not None:
        raise Unprocessable("That record is superseded already: name the newest.", field="supersedes_id")
    return before


def _same_delivery(before: Row[Any], row: Disclosure) -> bool:
    """Whether a correction leaves alone who was told about whom, when, and on what permission."""
    return all(getattr(before, name) == getattr(row, name) for name in _DELIVERY)


async def _correct(
    session: AsyncSession,
    case: Case,
    before: Row[Any],
    row: Disclosure,
    wrong: list[Obstacle],
    *,
    told: UUID,
    actor: Actor,
    now: datetime,
) -> Recorded:
    """Keep a correction. What follows from the record follows from it now; a case that has ended stays as reported.

    One by which somebody else was `told` is a disclosure to that recipient, of whom the log does not know yet (H12.1).
    """
    another = any(getattr(before, name) != getattr(row, name) for name in _RECIPIENT)
    wrong = [
        *corrects_another(same_potential_victim=before.potential_victim_id == row.potential_victim_id),
        *no_longer_carries_out(before=before.carries_out_decision, now=row.carries_out_decision),
        *wrong,
    ]
    sentence = "The record of a disclosure was corrected by a new one; the earlier one is kept."
    made = await record_act(
        session,
        case,
        row,
        "disclosure_corrected",
        sentence,
        actor=actor,
        now=now,
        wrong=once(wrong),
        recipient=told if another else None,
    )
    if case.stage not in CONCLUDED and not _same_delivery(before, row):
        await reopen(session, case.id, ClockKind.WHOLE_CASE)
    await conclude_if_whole(session, case, actor=actor, now=now)
    return made


async def _clearance(session: AsyncSession, case: Case, given: DisclosureIn) -> Clearance | None:
    if given.clearance_id is None:
        return None
    row = await row_of(session, _CLEARANCE, case_id=case.id, id=given.clearance_id)
    if row is None:
        says = "clearance_id must name a clearance of this case; leave it out where there was none."
        raise Unprocessable(says, field="clearance_id")
    return Clearance(
        potential_victim_id=row.potential_victim_id,
        decision_id=row.decision_id,
        recipient_id=row.recipient_id,
        recipient_described=row.recipient_described,
        delivered_by=row.delivered_by,
        item_ids=frozenset(row.item_ids),
        cleared_at=row.recorded_at,
        overtaken_at=await _overtaken_at(session, row),
    )


async def _overtaken_at(session: AsyncSession, clearance: Row[Any]) -> datetime | None:
    """When the decision that a clearance rests on first ceased to stand: returned, or replaced by a newer one."""
    victim, since = clearance.potential_victim_id, clearance.recorded_at
    returned = select(col(DecisionReturn.recorded_at)).where(col(DecisionReturn.decision_id) == clearance.decision_id)
    to_disclose = select(col(ForumDecision.recorded_at)).where(
        col(ForumDecision.potential_victim_id) == victim,
        col(ForumDecision.disclose),
        col(ForumDecision.recorded_at) > since,
    )
    not_to_disclose = (
        select(col(DecisionConfirmation.recorded_at))
        .join(ForumDecision, col(ForumDecision.id) == col(DecisionConfirmation.decision_id))
        .where(
            col(ForumDecision.potential_victim_id) == victim,
            col(DecisionConfirmation.verdict) == Verdict.CONFIRM,
            col(DecisionConfirmation.recorded_at) > since,
        )
    )
    authorised = select(col(EmergencyAuthority.recorded_at)).where(
        col(EmergencyAuthority.potential_victim_id) == victim, col(EmergencyAuthority.recorded_at) > since
    )
    moments = await session.scalars(returned.union_all(to_disclose, not_to_disclose, authorised))
    return min(moments, default=None)


def _carries_out(
    row: Disclosure, decision: StandingDecision | None, clearance: Clearance | None, recipient: Recipient
) -> bool:
    """Whether the words carried a decision out: it stood when they were spoken, and was to tell this recipient.

    A clearance shows that its decision stood, also where another replaced it before the words were typed. One that
    was given afterwards shows that nothing had been looked at.
    """
    if clearance is not None:
        if clearance.cleared_at > row.occurred_at:
            return False
        if _held(clearance, row, recipient):
            return True
    return (
        decision is not None
        and decision.disclose
        and names(decision, recipient)
        and stood_at(decision, row.occurred_at)
    )


def _held(clearance: Clearance, row: Disclosure, recipient: Recipient) -> bool:
    return held(
        clearance, potential_victim_id=row.potential_victim_id, recipient=recipient, occurred_at=row.occurred_at
    )


async def _not_permitted(
    session: AsyncSession,
    case: Case,
    row: Disclosure,
    decision: StandingDecision | None,
    clearance: Clearance | None,
    recipient: Recipient,
) -> list[Obstacle]:
    """What lacked of clearance, decision and readiness. Only a clearance that still held answers for the decision."""
    found = not_cleared(
        clearance,
        potential_victim_id=row.potential_victim_id,
        decision_id=row.decision_id,
        recipient=recipient,
        delivered_by=row.delivered_by,
        item_ids=frozenset(row.item_ids),
        occurred_at=row.occurred_at,
        used_already=await _used_already(session, row),
    )
    if clearance is None or not _held(clearance, row, recipient):
        found += without_decision(decision, named=row.decision_id)
        found += decided_afterwards(decision, occurred_at=row.occurred_at)
        found += wrong_recipient(recipient, decision)
    return [*found, *not_ready(await readiness(session, case, row.potential_victim_id, at=row.occurred_at))]


async def _wrong_in_the_telling(
    session: AsyncSession,
    case: Case,
    given: DisclosureIn,
    recipient: Recipient,
    *,
    occurred_at: datetime,
    now: datetime,
) -> list[Obstacle]:
    """What was wrong with what was told and how, whoever permitted it."""
    items = await item_facts(session, case, given.item_ids, at=occurred_at, on=london_day(occurred_at))
    interpreter, partner = given.interpreter, given.partner
    spoken = (given.words, given.beyond_script or "")
    return [
        *await told_of_a_third_party(session, case, spoken, to=given.recipient_id),
        *no_suitable_adult(recipient),
        *not_tellable(items, rule=edition(case.edition).spent_convictions.rule),
        *not_told_first(given.told_first()),
        *wrong_at_the_door(
            nothing_handed_over=given.nothing_handed_over,
            signed_by_deliverer=given.signed_by_deliverer,
            interpreter_is_family=interpreter is not None and interpreter.is_family,
            interpreter_approved=interpreter is None or interpreter.approved,
            partner_account_signed=partner is None or partner.account_signed,
            partner_same_day=partner is None or london_day(occurred_at) == london_day(now),
        ),
    ]


async def _used_already(session: AsyncSession, row: Disclosure) -> bool:
    if row.clearance_id is None or row.supersedes_id is not None:
        return False
    query = select(col(Disclosure.id)).where(
        col(Disclosure.clearance_id) == row.clearance_id, col(Disclosure.supersedes_id).is_(None)
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def known_disclosure(session: AsyncSession, case_id: UUID, disclosure_id: str) -> UUID:
    """The id of a record in the case, for whoever is shown it: whom it names is logged. Raises DisclosureNotFound."""
    columns = columns_of(Disclosure)
    known = known_id(disclosure_id, DisclosureNotFound())
    query = select(columns.id, *people_of(Disclosure).values()).where(columns.case_id == case_id, columns.id == known)
    found = await rows(session, query)
    if not found:
        raise DisclosureNotFound
    touch_people(session, case_id, Disclosure, found)
    return known


async def opening(session: AsyncSession, record: UUID) -> OpeningView | NotYetView:
    """What proves to a court that the words of a known record are the words that were recorded."""
    return await opening_of(session, Disclosure, record)


async def verbatim(session: AsyncSession, case: Case, disclosure_id: str) -> VerbatimView:
    """The whole record with its words, as they were said."""
    columns = columns_of(Disclosure)
    known = known_id(disclosure_id, DisclosureNotFound())
    shown = (*shown_columns(Disclosure), *people_of(Disclosure).values())
    found = await rows(session, select(*shown).where(columns.case_id == case.id, columns.id == known))
    if not found:
        raise DisclosureNotFound
    touch_people(session, case.id, Disclosure, found)
    return VerbatimView.model_validate(found[0])
