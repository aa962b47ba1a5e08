"""Carrying on an application that ended without an answer as a right to know (H8.4, H5.1a)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.pointers import keys_of, point
from app.cases.schemas import PartyView
from app.cases.service import advance, note, parties
from app.cases.tables import Case, LinkKind, PartyRole
from app.cases.withholding import carry_over
from app.clock import in_london
from app.editions.terms import Route
from app.errors import Obstacle
from app.evidence.owing import combine
from app.evidence.sealed import give_key
from app.intake.blank import blank_case
from app.intake.people import OF_THE_PART, record_party
from app.intake.service import start_clocks_of
from app.intake.tables import InitialContact, ReceivedFrom
from app.people.schemas import AddressIn, AliasIn, PersonIn, SafeContactIn
from app.process import Move
from app.safeguarding.service import act_keys, answer_duties, open_duties, owe
from app.safeguarding.terms import DutyKind

UNTESTED = "2DC"
"""3x5x2 until somebody grades it: an untested source, nothing known of the information, sharing on conditions."""

_MOVED = (DutyKind.CHILDRENS_SOCIAL_CARE, DutyKind.POLICE_INVOLVEMENT, DutyKind.IMMEDIATE_SAFEGUARDING)
"""Owed to the people, who are the same: owed in the linked case and no longer in this one."""


async def continue_as_right_to_know(
    session: AsyncSession,
    case: Case,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
    grading: str = UNTESTED,
    received_from: ReceivedFrom = ReceivedFrom.APPLICATION_WITHDRAWN,
) -> Case:
    """Open the right to know that carries on `case`, with the same people and nobody asking.

    Received now; the whole case still counts from the earlier first contact (H8.4). Open duties towards children,
    about police and of immediate risk move to it; an open crime duty is owed in both, because only a reference or
    a supervisor's reason closes it (H2.3). `grading` is 3x5x2. Not for a draft: ValueError.
    """
    if case.first_contact_at is None:
        raise ValueError("a draft has nothing to carry on")
    linked = _linked(case, actor=actor, now=now)
    session.add(linked)
    await session.flush()
    combine(session, case.id, linked.id)
    await _copy_people(session, case, linked, actor=actor, now=now)
    sentence = f"Opened as right to know, carrying on an earlier application; received {in_london(now)}."
    await advance(session, linked, Move.OPENED, by=actor, now=now, sentence=sentence, about_id=case.id)
    session.add(
        await _received(session, case, linked, reason, grading, received_from, actor=actor, now=now),
    )
    await carry_over(session, case, linked, by=actor.staff_id, now=now)
    await give_key(session, linked.id, linked.force_id)
    await start_clocks_of(session, linked, applicant_is_potential_victim=False)
    await _carry_duties(session, case, linked, actor=actor, now=now)
    sentence = f"Carried on as right to know: {linked.reference}."
    await note(session, case, "continued_as_right_to_know", sentence, by=actor, now=now, about_id=linked.id)
    return linked


def _linked(case: Case, *, actor: Actor, now: datetime) -> Case:
    linked = blank_case(Route.RIGHT_TO_KNOW, case.edition, force_id=case.force_id, by=actor.staff_id, now=now)
    linked.first_contact_at = linked.first_contact_recorded_at = now
    linked.whole_case_from = case.whole_case_from or case.first_contact_at
    linked.follows_id, linked.follows_because = case.id, LinkKind.CONTINUES_AS_RIGHT_TO_KNOW
    linked.current_grade, linked.graded_at = case.current_grade, case.graded_at
    linked.urgent_since, linked.police_involved = case.urgent_since, case.police_involved
    return linked


async def _copy_people(session: AsyncSession, case: Case, linked: Case, *, actor: Actor, now: datetime) -> None:
    """Subject, potential victims and children as recorded; a third party who asked is not of the linked case."""
    known = await parties(session, case.id)
    keys = []
    for one in known.everyone:
        if one.role is PartyRole.APPLICANT:
            continue
        described = _as_described(one)
        copy = await record_party(session, linked, one.role, described, actor=actor, now=now)
        for name in OF_THE_PART:
            setattr(copy, name, getattr(one, name))
        keys += keys_of(described, one.role)
    await session.flush()
    await point(session, linked, keys)


def _as_described(party: PartyView) -> PersonIn:
    """What was recorded of a person, unchecked: it passed the door once and is copied as it stands."""
    person = party.person
    recorded: dict[str, Any] = {name: getattr(person, name) for name in PersonIn.model_fields}
    recorded["aliases"] = [AliasIn.model_construct(**alias.model_dump()) for alias in person.aliases]
    recorded["addresses"] = [AddressIn.model_construct(**address.model_dump()) for address in person.addresses]
    if person.safe_contact:
        recorded["safe_contact"] = SafeContactIn.model_construct(**person.safe_contact.model_dump())
    return PersonIn.model_construct(**recorded)


async def _received(
    session: AsyncSession,
    case: Case,
    linked: Case,
    reason: str,
    grading: str,
    received_from: ReceivedFrom,
    *,
    actor: Actor,
    now: datetime,
) -> InitialContact:
    first = await _first_contact(session, case.id)
    return InitialContact(
        **act_keys(linked, actor=actor, now=now, occurred_at=now),
        channel=first.channel,
        taken_by=actor.name,
        why=first.why,
        risk_indicators=list(first.risk_indicators),
        consent_to_share=first.consent_to_share,
        consent_reason=first.consent_reason,
        received_from=received_from,
        received_from_detail=f"Application {case.reference}",
        source_grading=grading,
        veracity=reason,
    )


async def _first_contact(session: AsyncSession, case_id: UUID) -> InitialContact:
    query = (
        select(InitialContact)
        .where(col(InitialContact.case_id) == case_id)
        .order_by(col(InitialContact.recorded_at))
        .limit(1)
    )
    return (await session.scalars(query)).one()


async def _carry_duties(session: AsyncSession, case: Case, linked: Case, *, actor: Actor, now: datetime) -> None:
    for duty in await open_duties(session, case.id, *_MOVED, DutyKind.CRIME):
        owe(session, linked, duty.kind, Obstacle(duty.code, duty.says, duty.rule), actor=actor, now=now)
    answer = f"Owed from now on in {linked.reference}, which carries this application on."
    await answer_duties(session, case, *_MOVED, answer=answer, actor=actor, now=now)
