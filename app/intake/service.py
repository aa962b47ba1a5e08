"""Opening a case, joining a second contact to an open one, keeping drafts (H3)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.access.tables import Force
from app.cases.pointers import Keys, keys_of, one_opening_at_a_time, point, pointed_at
from app.cases.rules import happened_at
from app.cases.schemas import Recorded
from app.cases.service import access_case, advance, grade_risk, must_be_at, new_reference, note
from app.cases.tables import Case, LinkKind, Party, PartyRole
from app.clock import LONDON, in_london
from app.deadlines.policy import clocks_at_opening
from app.deadlines.service import calendar_of, clocks_of, start_clocks
from app.editions import DEFAULT_EDITION, edition
from app.editions.rules import Edition
from app.editions.terms import Route
from app.errors import Conflict, NotPermitted, Unprocessable
from app.intake.rules import childrens_referral, police_notice, relationship_problem, under_age
from app.intake.schemas import (
    ApplicationIn,
    ApplicationOpened,
    ContactIn,
    DraftIn,
    DraftView,
    EarlierApplication,
)
from app.intake.tables import Channel, Draft, InitialContact
from app.people.schemas import PersonIn
from app.people.service import record_person
from app.process import Move, Stage
from app.safeguarding.service import act_keys, owe, owe_crime, owe_immediate_safeguarding
from app.safeguarding.tables import DutyKind
from app.storage.engine import set_context

_PARTY_ONLY = {"relationship", "relationship_ended", "is_applicant", "connection", "police_employment"}


class PartnerMaySendOnly(NotPermitted):
    """A partner agency's door takes information for a right to know (H1.2)."""

    code = "partner_sends_information"


class NotReopenable(Conflict):
    """A case is followed by another only once it has ended."""

    code = "not_ended"


async def open_application(
    session: AsyncSession, application: ApplicationIn, *, actor: Actor, now: datetime
) -> ApplicationOpened:
    """Open a case and start its clocks, or join the contact to the open case that holds this pair (H3.4, H3.5)."""
    if actor.is_partner:
        _partners_door(application)
        await set_context(session, force_id=actor.serves_force_id)  # the case is the force's from its first moment
    scheme = edition(application.edition or DEFAULT_EDITION)
    _check_relationships(application, scheme)
    keys = _keys(application)
    await one_opening_at_a_time(session, keys)
    earlier = await earlier_applications(session, keys, force_id=actor.serves_force_id)
    if held := await _open_case_of_pair(session, keys):
        await join_contact(session, held, application, actor=actor, now=now)
        return await _opened(session, held, earlier, now=now, joined=True)

    case = await _blank_case(session, application, scheme, actor=actor, now=now)
    case.first_contact_at = happened_at(application.first_contact_at, now=now, field="first_contact_at")
    case.first_contact_recorded_at = now
    await session.flush()
    await _record_parties(session, case, application, actor=actor, now=now)
    await point(session, case, keys)
    sentence = f"Opened as {_named(case.route)}; initial contact {in_london(case.first_contact_at)}."
    await advance(session, case, Move.OPENED, by=actor, now=now, sentence=sentence)
    await _keep_contact(session, case, application, actor=actor, now=now)
    own = any(one.is_applicant for one in application.potential_victims)
    await start_clocks_of(session, case, scheme, applicant_is_potential_victim=own)
    await _owe_from_the_start(session, case, application, scheme, actor=actor, now=now)
    return await _opened(session, case, earlier, now=now)


def _partners_door(application: ApplicationIn) -> None:
    if application.route is not Route.RIGHT_TO_KNOW or application.channel is not Channel.PARTNER_AGENCY:
        raise PartnerMaySendOnly(
            "A partner agency sends information for a right to know, by the channel partner_agency. "
            "A person who wants to ask is put through to the police."
        )


def _check_relationships(application: ApplicationIn, scheme: Edition) -> None:
    for number, person in enumerate(application.potential_victims):
        problem = relationship_problem(person.relationship, ended=person.relationship_ended, edition=scheme)
        if problem:
            raise Unprocessable(problem, field=f"potential_victims.{number}.relationship")


def _keys(application: ApplicationIn) -> Keys:
    victims = [key for one in application.potential_victims for key in keys_of(one, PartyRole.POTENTIAL_VICTIM)]
    return [*keys_of(application.subject, PartyRole.SUBJECT), *victims]


async def earlier_applications(
    session: AsyncSession, keys: Keys, *, force_id: str, but: UUID | None = None
) -> list[EarlierApplication]:
    """Other cases about the same people; of another force's, only whom to ask (H3.5)."""
    return [
        EarlierApplication(
            reference=row.reference,
            force=row.force,
            own_force=row.force_id == force_id,
            case_id=row.own_case_id,
            about=row.role,
            stage=row.stage,
            route=row.route,
        )
        for row in await pointed_at(session, keys, but=but)
    ]


async def _open_case_of_pair(session: AsyncSession, keys: Keys) -> Case | None:
    """The open case of this force with the same subject and one of the same potential victims, if there is one."""
    found: dict[UUID, set[PartyRole]] = {}
    for row in await pointed_at(session, keys):
        same_part = any(role == row.role for role, _ in keys)
        if row.own_case_id and same_part and row.stage not in (Stage.INTAKE, Stage.FINAL_REPORT, Stage.CLOSED):
            found.setdefault(row.own_case_id, set()).add(row.role)
    pair = {PartyRole.SUBJECT, PartyRole.POTENTIAL_VICTIM}
    held = next((case_id for case_id, roles in found.items() if pair <= roles), None)
    return None if held is None else await access_case(session, held, for_change=True)


async def join_contact(
    session: AsyncSession, case: Case, contact: ContactIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Join a further contact to an open case, under the first clock; risk is graded again (H3.5)."""
    row = await _keep_contact(session, case, contact, actor=actor, now=now)
    sentence = "A further contact about the same people joined this case, under its first clock."
    await note(
        session, case, "contact_joined", sentence, by=actor, now=now, occurred_at=row.occurred_at, about_id=row.id
    )
    case.version += 1
    return Recorded(row.id)


async def _blank_case(
    session: AsyncSession, application: ApplicationIn, scheme: Edition, *, actor: Actor, now: datetime
) -> Case:
    if application.from_draft is not None:
        case = await access_case(session, application.from_draft, for_change=True)
        must_be_at(case, Stage.INTAKE)
        case.route, case.edition = application.route, scheme.name
    else:
        case = blank_case(application.route, scheme.name, force_id=actor.serves_force_id, by=actor.staff_id, now=now)
        session.add(case)
    if application.follows is not None:
        before = await access_case(session, application.follows, for_change=False)
        if before.stage not in (Stage.FINAL_REPORT, Stage.CLOSED):
            raise NotReopenable("That case is still open: record the new contact in it.")
        case.follows_id, case.follows_because = before.id, LinkKind.NEW_INFORMATION
    return case


def blank_case(route: Route, edition_name: str, *, force_id: str, by: UUID, now: datetime) -> Case:
    """A case that has not been opened yet."""
    return Case(
        force_id=force_id,
        reference=new_reference(),
        route=route,
        edition=edition_name,
        created_at=now,
        created_by=by,
    )


async def _record_parties(
    session: AsyncSession, case: Case, application: ApplicationIn, *, actor: Actor, now: datetime
) -> None:
    described: list[tuple[PartyRole, PersonIn]] = [(PartyRole.SUBJECT, application.subject)]
    described += [(PartyRole.POTENTIAL_VICTIM, one) for one in application.potential_victims]
    described += [(PartyRole.CHILD, one) for one in application.children]
    if application.third_party_applicant:
        described.append((PartyRole.APPLICANT, application.third_party_applicant))
    for role, one in described:
        await record_party(session, case, role, one, actor=actor, now=now)


async def record_party(
    session: AsyncSession, case: Case, role: PartyRole, described: PersonIn, *, actor: Actor, now: datetime
) -> Party:
    """Keep a person and the part played."""
    kept = PersonIn.model_construct(**{name: getattr(described, name) for name in PersonIn.model_fields})
    person = await record_person(session, kept, case_id=case.id, force_id=case.force_id, by=actor.staff_id, now=now)
    part: dict[str, Any] = {name: getattr(described, name) for name in _PARTY_ONLY if hasattr(described, name)}
    if role is PartyRole.APPLICANT:
        part["is_applicant"] = True
    party = Party(case_id=case.id, force_id=case.force_id, person_id=person.id, role=role, **part)
    session.add(party)
    return party


async def _keep_contact(
    session: AsyncSession, case: Case, contact: ContactIn, *, actor: Actor, now: datetime
) -> InitialContact:
    told = contact.information
    row = InitialContact(
        **act_keys(case, actor=actor, now=now, occurred_at=contact.first_contact_at),
        channel=contact.channel,
        taken_by=contact.taken_by,
        why=contact.why,
        risk_indicators=list(contact.risk_indicators),
        consent_to_share=contact.consent_to_share,
        consent_reason=contact.consent_reason,
        received_from=told.received_from if told else None,
        received_from_detail=told.detail if told else None,
        source_grading=told.grading if told else None,
        veracity=told.veracity if told else None,
    )
    session.add(row)
    if contact.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    if contact.risk:
        await grade_risk(session, case, contact.risk, by=actor, now=now, occurred_at=contact.first_contact_at)
        if contact.risk.immediate:
            await owe_immediate_safeguarding(session, case, actor=actor, now=now)
    return row


async def start_clocks_of(
    session: AsyncSession, case: Case, scheme: Edition, *, applicant_is_potential_victim: bool
) -> None:
    """Start the clocks of a case that opens; the whole case counts from an earlier first contact, if any (H8.4)."""
    force = await session.get_one(Force, case.force_id)
    calendar = await calendar_of(session, force.division)
    ask = case.route is Route.RIGHT_TO_ASK
    plans = clocks_at_opening(
        scheme,
        route=case.route,
        first_contact_at=case.first_contact_at if ask else case.whole_case_from,
        received_at=None if ask else case.first_contact_at,
        applicant_is_potential_victim=applicant_is_potential_victim,
        prioritised=False,
        calendar=calendar,
    )
    await start_clocks(
        session,
        plans,
        case_id=case.id,
        force_id=case.force_id,
        reference=case.reference,
        edition_name=scheme.name,
        calendar=calendar,
    )


async def _owe_from_the_start(
    session: AsyncSession, case: Case, application: ApplicationIn, scheme: Edition, *, actor: Actor, now: datetime
) -> None:
    people: list[Any] = [application.subject, *application.potential_victims]
    if application.third_party_applicant:
        people.append(application.third_party_applicant)
    today = now.astimezone(LONDON).date()
    if application.children or under_age((one.born for one in people), edition=scheme, today=today):
        owe(session, case, DutyKind.CHILDRENS_SOCIAL_CARE, childrens_referral(), actor=actor, now=now)
    if any(one.police_employment for one in people):
        case.police_involved = True
        for notified in scheme.police_involvement_notices:
            owe(session, case, DutyKind.POLICE_INVOLVEMENT, police_notice(notified), actor=actor, now=now)


async def _opened(
    session: AsyncSession, case: Case, earlier: list[EarlierApplication], *, now: datetime, joined: bool = False
) -> ApplicationOpened:
    return ApplicationOpened(
        id=case.id,
        reference=case.reference,
        route=case.route,
        stage=case.stage,
        version=case.version,
        clocks=await clocks_of(session, case.id, now=now),
        earlier_applications=earlier,
        joined=joined,
    )


async def opened_before(session: AsyncSession, case_id: UUID, *, now: datetime) -> ApplicationOpened:
    """What a repeated request is answered with: the case as it stands now."""
    case = await access_case(session, case_id, for_change=False)
    return await _opened(session, case, [], now=now)


async def keep_draft(session: AsyncSession, draft: DraftIn, *, actor: Actor, now: datetime) -> DraftView:
    """Keep an application begun; no clock runs, so a request that has reached the police is opened, not drafted."""
    case = blank_case(draft.route, DEFAULT_EDITION, force_id=actor.serves_force_id, by=actor.staff_id, now=now)
    session.add(case)
    await session.flush()
    row = Draft(case_id=case.id, force_id=case.force_id, typed=draft.typed)
    session.add(row)
    return _draft(case, row)


async def rewrite_draft(session: AsyncSession, case: Case, draft: DraftIn, *, actor: Actor, now: datetime) -> Recorded:
    """Replace what a draft holds."""
    must_be_at(case, Stage.INTAKE)
    row = await _draft_row(session, case.id)
    row.typed = draft.typed
    case.route = draft.route
    return Recorded(row.id)


async def read_draft(session: AsyncSession, case: Case) -> DraftView:
    """A draft as it was left."""
    must_be_at(case, Stage.INTAKE)
    return _draft(case, await _draft_row(session, case.id))


async def draft_before(session: AsyncSession, case_id: UUID) -> DraftView:
    """What a repeated request is answered with: the draft as it stands now."""
    return await read_draft(session, await access_case(session, case_id, for_change=False))


async def _draft_row(session: AsyncSession, case_id: UUID) -> Draft:
    return (await session.scalars(select(Draft).where(col(Draft.case_id) == case_id))).one()


def _draft(case: Case, row: Draft) -> DraftView:
    return DraftView(id=case.id, reference=case.reference, version=case.version, route=case.route, typed=row.typed)


def _named(route: Route) -> str:
    return route.replace("_", " ")
