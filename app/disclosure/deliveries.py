"""The verbatim record: what was said is kept whatever was wrong with it, and never changed (H7.2, H2.10)."""

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import happened_at
from app.cases.schemas import Recorded
from app.cases.service import known_id, must_be_party
from app.cases.tables import Case, PartyRole
from app.deadlines.service import open_due_at
from app.disclosure.clearance import must_be_staff, readiness, recipient_facts
from app.disclosure.items import item_facts
from app.disclosure.rules import (
    Clearance,
    Recipient,
    london_day,
    names,
    no_suitable_adult,
    not_cleared,
    not_ready,
    not_tellable,
    not_told_first,
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
from app.forum.service import standing_decision
from app.initial_checks.rules import outside_the_case
from app.safeguarding.service import act_keys, owe_crime, record_act
from app.storage.base import columns_of

_AS_JSON = {"reconsideration", "partner", "interpreter"}


class DisclosureNotFound(NotFound):
    """No such record in this case."""

    code = "disclosure_not_found"

    def __init__(self) -> None:
        super().__init__("No such record of a disclosure is held in this case.")


async def record_disclosure(
    session: AsyncSession, case: Case, given: DisclosureIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what was said, byte for byte; whatever was wrong goes before a supervisor. A correction supersedes.

    The logged recipient of one who is only described is the record itself, which describes that person.
    """
    victim = given.potential_victim_id
    await must_be_party(session, case, victim, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id")
    await must_be_staff(session, given.delivered_by, field="delivered_by")
    await _must_be_superseded(session, case, given)
    occurred_at = happened_at(given.occurred_at, now=now)
    recipient = await recipient_facts(session, case, given, on=london_day(occurred_at))
    clearance = await _clearance(session, case, given)
    wrong = await _wrong(session, case, given, recipient, clearance, occurred_at=occurred_at, now=now)
    decision = await standing_decision(session, case.id, victim)
    decided = decision is not None and decision.disclose and names(decision, recipient)
    cleared = (
        clearance is not None
        and clearance.potential_victim_id == victim
        and clearance.recipient_id == recipient.party_id
    )
    utf8 = given.words.encode("utf-8")
    row = Disclosure(
        **act_keys(case, actor=actor, now=now, occurred_at=occurred_at),
        **given.model_dump(exclude={"occurred_at", "crime_alleged", *_AS_JSON}),
        **given.model_dump(include=_AS_JSON, mode="json"),
        sha256=hashlib.sha256(utf8).hexdigest(),
        byte_length=len(utf8),
        carries_out_decision=decided or cleared,
    )
    if given.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    if given.supersedes_id is not None:
        sentence = "The record of a disclosure was corrected by a new one; the earlier one is kept."
        return await record_act(session, case, row, "disclosure_corrected", sentence, actor=actor, now=now, wrong=wrong)
    made = await record_act(
        session,
        case,
        row,
        "disclosed",
        f"Disclosed in words that are kept verbatim; the undertaking was {row.undertaking}.",
        actor=actor,
        now=now,
        wrong=wrong,
        due_at=await open_due_at(session, case.id, ClockKind.WHOLE_CASE),
        recipient=recipient.party_id or row.id,
    )
    await conclude_if_whole(session, case, actor=actor, now=now)
    return made


async def _must_be_superseded(session: AsyncSession, case: Case, given: DisclosureIn) -> None:
    if given.supersedes_id is None:
        return
    before = await session.get(Disclosure, given.supersedes_id)
    if before is None or before.case_id != case.id or before.potential_victim_id != given.potential_victim_id:
        says = "supersedes_id must name a record of a disclosure about the same potential victim of this case."
        raise Unprocessable(says, field="supersedes_id")


async def _clearance(session: AsyncSession, case: Case, given: DisclosureIn) -> Clearance | None:
    if given.clearance_id is None:
        return None
    row = await session.get(DeliveryClearance, given.clearance_id)
    if row is None or row.case_id != case.id:
        says = "clearance_id must name a clearance of this case; leave it out where there was none."
        raise Unprocessable(says, field="clearance_id")
    return Clearance(
        row.potential_victim_id, row.recipient_id, row.delivered_by, frozenset(row.item_ids), row.recorded_at
    )


async def _wrong(
    session: AsyncSession,
    case: Case,
    given: DisclosureIn,
    recipient: Recipient,
    clearance: Clearance | None,
    *,
    occurred_at: datetime,
    now: datetime,
) -> list[Obstacle]:
    """What a supervisor must see. Decision and readiness were looked at by a clearance that fits, else here."""
    uncleared = not_cleared(
        clearance,
        potential_victim_id=given.potential_victim_id,
        recipient_id=recipient.party_id,
        delivered_by=given.delivered_by,
        item_ids=frozenset(given.item_ids),
        occurred_at=occurred_at,
        used_already=await _used_already(session, given),
    )
    if uncleared:
        decision = await standing_decision(session, case.id, given.potential_victim_id)
        uncleared += without_decision(decision, named=given.decision_id)
        uncleared += not_ready(await readiness(session, case, given.potential_victim_id, at=occurred_at))
        uncleared += wrong_recipient(recipient, decision)
    items = await item_facts(session, case, given.item_ids, at=occurred_at, on=london_day(occurred_at))
    interpreter, partner = given.interpreter, given.partner
    outside = outside_the_case(case.stage, occurred_at=occurred_at, first_contact_at=case.first_contact_at)
    return [
        *(outside if given.supersedes_id is None else ()),  # a record is corrected whenever an error is found
        *uncleared,
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


async def _used_already(session: AsyncSession, given: DisclosureIn) -> bool:
    if given.clearance_id is None or given.supersedes_id is not None:
        return False
    query = select(col(Disclosure.id)).where(
        col(Disclosure.clearance_id) == given.clearance_id, col(Disclosure.supersedes_id).is_(None)
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def verbatim(session: AsyncSession, case: Case, disclosure_id: str) -> VerbatimView:
    """The whole record with its words, as they were said."""
    columns = columns_of(Disclosure)
    known = known_id(disclosure_id, DisclosureNotFound())
    query = select(*columns).where(columns.case_id == case.id, columns.id == known)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise DisclosureNotFound
    return VerbatimView.model_validate(row)
