"""Permission to speak: everything that H7.0 asks for, looked at on the day and at the door."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import StaffMember
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import must_be_party, note
from app.cases.tables import Case, PartyRole
from app.categorisation.rules import names_the_applicant
from app.categorisation.service import names_to_keep_apart, told_of_a_third_party
from app.disclosure.items import item_facts, texts_of
from app.disclosure.postponement import is_postponed
from app.disclosure.rules import Consultation, Readiness, Recipient, london_day, obstacles_to_clearance
from app.disclosure.schemas import ClearanceIn, ConsultationIn, ToRecipient
from app.disclosure.service import has_current_plan, must_be_deliverable
from app.disclosure.tables import DeliveryClearance
from app.editions import edition
from app.errors import Unprocessable, refuse_if
from app.forum.service import standing_decision
from app.people.rules import age_on
from app.people.tables import Person, SafeContact
from app.safeguarding.lateness import obstacles_to_going_on
from app.safeguarding.service import act_keys, open_duties
from app.safeguarding.terms import DutyKind

_AS_JSON = {"reconsideration", "offender_manager_consultation"}


async def recipient_facts(
    session: AsyncSession, case: Case, given: ToRecipient, *, on: date, safe_contact: str | None = None
) -> Recipient:
    """The recipient as the rules ask for one that day. Unprocessable where the party named is not of this case."""
    if given.recipient_id is None:
        return Recipient(None, given.recipient_described, safe_contact_known=safe_contact is not None)
    party = await must_be_party(session, case, given.recipient_id, field="recipient_id")
    agreed = select(col(SafeContact.id)).where(col(SafeContact.person_id) == party.person_id).limit(1)
    born = (await session.get_one(Person, party.person_id)).born
    young = born is not None and age_on(born, max(on, born)) < edition(case.edition).ages.suitable_adult_under
    return Recipient(
        party.id,
        None,
        is_subject=party.role is PartyRole.SUBJECT,
        safe_contact_known=(await session.scalars(agreed)).one_or_none() is not None,
        lacks_suitable_adult=young and given.suitable_adult is None,
    )


async def readiness(session: AsyncSession, case: Case, potential_victim_id: UUID, *, at: datetime) -> Readiness:
    """How the case stands for one potential victim."""
    return Readiness(
        subject_identified=case.subject_identified_at is not None,
        plan_is_current=await has_current_plan(session, case, potential_victim_id, today=london_day(at)),
        immediate_safeguarding_open=bool(await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING)),
        postponed=await is_postponed(session, case.id, potential_victim_id, today=london_day(at)),
    )


async def is_of_the_force(session: AsyncSession, case: Case, staff_id: UUID | None, *, field: str) -> bool:
    """Whether who is named is active staff of the case's force, or nobody is. Unprocessable where there is no account.

    A partner who speaks is described and not named by an account.
    """
    if staff_id is None:
        return True
    member = await session.get(StaffMember, staff_id)
    if member is None:
        raise Unprocessable(f"{field} must name a member of staff.", field=field)
    return member.active and member.force_id == case.force_id


async def _consultation(session: AsyncSession, case: Case, given: ConsultationIn | None) -> Consultation | None:
    """The consultation as the rules ask for it: words that hold the applicant's name reveal one, whatever is said."""
    if given is None:
        return None
    applicants, subjects = await names_to_keep_apart(session, case)
    named = names_the_applicant(given.words, applicants_names=applicants, subjects_names=subjects)
    return Consultation(given.reveals_no_applicant and not named)


async def clear_delivery(
    session: AsyncSession, case: Case, given: ClearanceIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Permit the telling of these items to this recipient today, or refuse with every obstacle (H7.0)."""
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    if not await is_of_the_force(session, case, given.delivered_by, field="delivered_by"):
        says = "delivered_by must name active staff of this force; describe a partner in partner_deliverer."
        raise Unprocessable(says, field="delivered_by")
    decision = await standing_decision(session, case.id, given.potential_victim_id)
    must_be_deliverable(case, decision)
    in_an_emergency = decision is not None and decision.source == "emergency"  # nothing holds that up (H6.8)
    refuse_if(
        [
            *obstacles_to_clearance(
                decision=decision,
                named=given.decision_id,
                readiness=await readiness(session, case, given.potential_victim_id, at=now),
                items=await item_facts(session, case, given.item_ids, at=now, on=london_day(now)),
                spent_rule=edition(case.edition).spent_convictions.rule,
                recipient=await recipient_facts(
                    session, case, given, on=london_day(now), safe_contact=given.recipient_safe_contact
                ),
                first=given.told_first(),
                consultation=await _consultation(session, case, given.offender_manager_consultation),
            ),
            *([] if in_an_emergency else await obstacles_to_going_on(session, case, now=now)),
            *await told_of_a_third_party(session, case, await texts_of(session, given.item_ids), to=given.recipient_id),
            *same_person(given.delivered_by, actor.staff_id, doing="Whoever clears a delivery", rule="H7.0"),
        ]
    )
    row = DeliveryClearance(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        **given.model_dump(exclude=_AS_JSON),
        **given.model_dump(include=_AS_JSON, mode="json"),
    )
    session.add(row)
    await session.flush()
    sentence = f"Delivery cleared for today; the undertaking was {row.undertaking}."
    await note(session, case, "delivery_cleared", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)
