"""The closing report put together from the record itself (H8.1): whole in itself, and without the words disclosed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import Force
from app.cases.schemas import Parties, PartyView
from app.cases.service import parties
from app.cases.tables import Case, PartyRole
from app.deadlines.schemas import ClockView
from app.deadlines.showing import clocks_of, is_late
from app.editions.terms import ClockKind
from app.final_report.earlier import earlier_cases
from app.final_report.looking_back import settled, when_decided, when_delivered
from app.final_report.rules import keys_of_subject
from app.final_report.schemas import (
    ReportDocument,
    ReportedClock,
    ReportedDates,
    ReportedDeviation,
    ReportedEarlier,
    ReportedParty,
    ReportedRequest,
)
from app.intake.tables import InitialContact
from app.people.schemas import AliasView
from app.process import TRANSITIONS, Stage
from app.storage.base import columns_of
from app.timeline.tables import Event

HANDLING = ["official_sensitive", "the_subject_never_learns_of_an_application"]
"""How the report is handled by whoever reads it (H12.2, H12.3)."""


async def assemble(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> ReportDocument:
    """The report on a case that has come to its end."""
    assert case.outcome is not None  # the database holds that to the stage
    known = await parties(session, case.id)
    past = await settled(session, case, with_digests=True)
    clocks = await clocks_of(session, case.id, now=now)
    force = await session.get_one(Force, case.force_id)
    earlier = await earlier_cases(session, case)
    return ReportDocument(
        reference=case.reference,
        force=force.name,
        edition=case.edition,
        route=case.route,
        outcome=case.outcome,
        handling=HANDLING,
        request=await _request(session, case),
        parties=[_party(one, known) for one in known.everyone],
        dates=ReportedDates(
            **_dates_of_steps(clocks),
            first_contact_at=asked_at(case),
            decided_at=when_decided(past),
            delivered_at=when_delivered(past),
            ended_at=await _ended_at(session, case.id),
        ),
        clocks=[_clock(one) for one in clocks],
        decisions=past.decisions,
        conclusions=past.conclusions,
        earlier_applications=[
            ReportedEarlier(reference=one.reference, force=one.force, about=one.about) for one in earlier
        ],
        written_by=actor.name,
    )


def asked_at(case: Case) -> datetime:
    """When the application first reached the police, under whichever case (H8.4)."""
    began = case.whole_case_from or case.first_contact_at
    assert began is not None  # the database holds that to every stage after intake
    return began


async def _request(session: AsyncSession, case: Case) -> ReportedRequest:
    columns = columns_of(InitialContact)
    first = select(*columns).where(columns.case_id == case.id).order_by(columns.recorded_at).limit(1)
    row = (await session.execute(first)).mappings().one()
    shown = {name: row[name] for name in ReportedRequest.model_fields if name != "route"}
    return ReportedRequest(route=case.route, **shown)


def _party(one: PartyView, known: Parties) -> ReportedParty:
    person = one.person
    return ReportedParty(
        id=one.id,
        role=one.role,
        applied=one.is_applicant,
        given_names=person.given_names,
        surname=person.surname,
        born=person.born,
        born_estimated=person.born_estimated,
        pnc_id=person.pnc_id,
        aliases=person.aliases,
        addresses=person.addresses if one.role is PartyRole.SUBJECT else [],
        relationship=one.relationship,
        connection=one.connection,
        police_employment=one.police_employment,
        not_to_be_revealed_to=_hidden_from(one, known),
    )


def _hidden_from(one: PartyView, known: Parties) -> list[PartyRole]:
    """The subject learns of nobody's part; a third party who asked is kept from the potential victim too (H2.7)."""
    if one.role is PartyRole.SUBJECT:
        return []
    if one.role is PartyRole.APPLICANT:
        return [PartyRole.SUBJECT, PartyRole.POTENTIAL_VICTIM]
    return [PartyRole.SUBJECT]


_STEP_OF = {
    ClockKind.INITIAL_CHECKS: "checks_at",
    ClockKind.FACE_TO_FACE: "meeting_at",
    ClockKind.RISK_ASSESSMENT: "assessed_at",
    ClockKind.CATEGORISE_AND_REFER: "referred_at",
}


def _dates_of_steps(clocks: list[ClockView]) -> dict[str, datetime | None]:
    met = {clock.kind: clock.met_at for clock in clocks}
    return {name: met.get(kind) for kind, name in _STEP_OF.items()}


def _clock(one: ClockView) -> ReportedClock:
    return ReportedClock(
        kind=one.kind,
        due_at=one.due_at,
        met_at=one.met_at,
        ended_at=one.ended_at,
        ended_because=one.ended_because,
        late=is_late(one),
        deviations=[ReportedDeviation.model_validate(deviation) for deviation in one.deviations],
    )


async def _ended_at(session: AsyncSession, case_id: UUID) -> datetime | None:
    """When the case came to its end: the newest event that leads to the closing report."""
    moves = {move.value for (_, move), to in TRANSITIONS.items() if to is Stage.FINAL_REPORT}
    query = (
        select(col(Event.recorded_at))
        .where(col(Event.case_id) == case_id, col(Event.kind).in_(moves))
        .order_by(col(Event.position).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


def keys_of_party(party: ReportedParty) -> frozenset[str]:
    """The keys by which a party of a report meets the same person in another."""
    named: list[ReportedParty | AliasView] = [party, *party.aliases]
    return keys_of_subject(
        pnc_id=party.pnc_id,
        surnames=[one.surname for one in named if one.surname],
        given_names=[one.given_names for one in named if one.given_names],
        born=party.born,
    )
