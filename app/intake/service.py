"""Opening a case, or joining an application to the open one that holds its pair (H3)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor, Permission
from app.access.service import reach
from app.cases.pointers import Keys, keys_of, one_opening_at_a_time, open_cases_of_pair, pointed_at
from app.cases.risk import weigh
from app.cases.rules import CONCLUDED, happened_at
from app.cases.schemas import Parties
from app.cases.service import advance, case_in_reach, note, parties
from app.cases.tables import Case, LinkKind
from app.cases.withholding import carry_over
from app.clock import in_london
from app.deadlines.service import start
from app.deadlines.showing import clocks_of
from app.editions import DEFAULT_EDITION, edition
from app.editions.rules import Edition
from app.editions.terms import Route
from app.errors import Conflict, NotPermitted
from app.evidence.owing import combine
from app.evidence.sealed import give_key
from app.intake.accounts import flag
from app.intake.blank import blank_case
from app.intake.contacts import join, keep_contact, plans_from_contact
from app.intake.drafts import complete_into, draft_to_open
from app.intake.people import described_in, keep_people
from app.intake.schemas import ApplicationIn, ApplicationOpened, EarlierApplication, InformationReceived
from app.intake.tables import Channel
from app.process import Move, Stage


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
    scheme = edition(application.edition or DEFAULT_EDITION)
    began = happened_at(application.first_contact_at, now=now, field="first_contact_at")
    told = described_in(application)
    keys = [key for one in told for key in keys_of(one.person, one.role)]
    await one_opening_at_a_time(session, keys)
    # Only now is it known what is withheld: the opening that was waited for may have restricted its case. For a
    # partner, the case is the force's from its first moment.
    # And the rules compare with everybody in an open case, whoever sends: nothing of it is answered (H2.7).
    await reach(session, actor, force_id=actor.serves_force_id, whole=True)
    earlier = await earlier_applications(session, keys, force_id=actor.serves_force_id)
    if held := await _open_case_of_pair(session, keys, force_id=actor.serves_force_id):
        await _join(session, held, application, actor=actor, now=now)
        return await _opened(session, held, earlier, now=now, joined=True)

    case = await _case_to_open(session, application, scheme, actor=actor, now=now)
    case.first_contact_at, case.first_contact_recorded_at = began, now
    sentence = f"Opened as {case.route.replace('_', ' ')}; initial contact {in_london(began)}."
    await advance(session, case, Move.OPENED, by=actor, now=now, sentence=sentence)
    await give_key(session, case.id, case.force_id)
    flags = await keep_people(session, case, told, known=Parties(), actor=actor, now=now)
    await keep_contact(session, case, application, flags=flags, actor=actor, now=now)
    own = any(one.is_applicant for one in application.potential_victims)
    await start_clocks_of(session, case, applicant_is_potential_victim=own)
    return await _opened(session, case, earlier, now=now)


def _partners_door(application: ApplicationIn) -> None:
    if application.route is not Route.RIGHT_TO_KNOW or application.channel is not Channel.PARTNER_AGENCY:
        raise PartnerMaySendOnly(
            "A partner agency sends information for a right to know, by the channel partner_agency. "
            "A person who wants to ask is put through to the police."
        )
    if application.follows is not None or application.from_draft is not None:
        raise PartnerMaySendOnly("A partner agency names no case: leave out follows and from_draft.")


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


async def _open_case_of_pair(session: AsyncSession, keys: Keys, *, force_id: str) -> Case | None:
    """The open case with the same subject and one of the same potential victims, held; None where it has just ended."""
    for case_id in await open_cases_of_pair(session, keys, force_id=force_id):
        case = await case_in_reach(session, case_id, for_change=True)
        if case.stage not in (Stage.INTAKE, *CONCLUDED):
            return case
    return None


async def _join(session: AsyncSession, case: Case, application: ApplicationIn, *, actor: Actor, now: datetime) -> None:
    """Keep everything that was typed in the open case that holds the pair (H3.5)."""
    if application.from_draft is not None:
        await complete_into(session, application.from_draft, case)
    if application.follows is not None:
        await _follow(session, case, application.follows, actor=actor, now=now)
    known = await parties(session, case.id)
    flags = await keep_people(session, case, described_in(application), known=known, actor=actor, now=now)
    await join(session, case, application, flags=flags, actor=actor, now=now)
    await weigh(session, case, by=actor, now=now)
    case.version += 1


async def _case_to_open(
    session: AsyncSession, application: ApplicationIn, scheme: Edition, *, actor: Actor, now: datetime
) -> Case:
    if application.from_draft is not None:
        case = await draft_to_open(session, application.from_draft)
        case.route, case.edition, case.edition_version = application.route, scheme.name, scheme.content_version
    else:
        case = blank_case(application.route, scheme.name, force_id=actor.serves_force_id, by=actor.staff_id, now=now)
        session.add(case)
    if application.follows is not None:
        await session.flush()
        await _follow(session, case, application.follows, actor=actor, now=now)
    return case


async def _follow(session: AsyncSession, case: Case, before_id: UUID, *, actor: Actor, now: datetime) -> None:
    """Link a case to an ended one that its information re-opens; a second link stands in the timeline (H8.3)."""
    before = await case_in_reach(session, before_id, for_change=False)
    if before.stage not in CONCLUDED:
        raise NotReopenable("That case is still open: record the new contact in it.")
    combine(session, case.id, before.id)
    if case.follows_id is None:
        case.follows_id, case.follows_because = before.id, LinkKind.NEW_INFORMATION
    elif case.follows_id != before.id:
        sentence = f"A contact in this case follows {before.reference} too."
        await note(session, case, "follows_too", sentence, by=actor, now=now, about_id=before.id)
    await carry_over(session, before, case, by=actor.staff_id, now=now)
    if before.police_involved:
        await flag(session, case, actor=actor, now=now)


async def start_clocks_of(session: AsyncSession, case: Case, *, applicant_is_potential_victim: bool) -> None:
    """Start the clocks of a case that opens."""
    await start(
        session,
        case,
        lambda calendar: plans_from_contact(
            case, calendar, applicant_is_potential_victim=applicant_is_potential_victim
        ),
    )


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


async def opened_before(session: AsyncSession, case_id: UUID, *, actor: Actor, now: datetime) -> ApplicationOpened:
    """What a repeated request is answered with: the case as it stands now."""
    if actor.sees_agenda_only:
        await reach(session, actor, force_id=actor.serves_force_id)  # for the reference, which is all
    case = await case_in_reach(session, case_id, for_change=False)
    return await _opened(session, case, [], now=now)


def shown_to(actor: Actor, opened: ApplicationOpened) -> ApplicationOpened | InformationReceived:
    """The answer to whoever sent it: a partner, and who only sits at the forum, hears that it is received (H2.7)."""
    if not actor.may(Permission.SEE_ROUTE):
        return InformationReceived(reference=opened.reference)
    return opened
