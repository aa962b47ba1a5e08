"""Initial contacts: the first opens a case, a further one joins it under the first clock (H3.2, H3.5)."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.access.tables import Force
from app.cases.risk import grade_risk
from app.cases.rules import CONCLUDED, happened_at, late_entry
from app.cases.schemas import Recorded
from app.cases.service import note, parties
from app.cases.tables import Case, Party
from app.clock import in_london
from app.deadlines.calendar import Calendar
from app.deadlines.known_calendars import calendar_of
from app.deadlines.moving import move_start
from app.deadlines.policy import ClockPlan, clocks_at_opening
from app.editions import edition
from app.editions.terms import Route
from app.errors import Obstacle, WrongStage
from app.evidence.owing import combine, touch
from app.intake.rules import earlier_first_contact, risk_not_graded_again
from app.intake.schemas import ContactIn, InitialContactView
from app.intake.tables import InitialContact
from app.process import Stage
from app.safeguarding.service import act_keys, owe, owe_crime, owe_immediate_safeguarding, rows_of
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import rows

_party = columns_of(Party)
_PEOPLE = select(_party.person_id).where(_party.case_id == bindparam("case_id"))


async def contacts_of(session: AsyncSession, case: Case) -> list[InitialContactView]:
    """What was said at each contact, oldest first: the one that opened the case and those that joined it (H3.2, H3.5).

    The database shows no contact to whoever may not see what an applicant said: such a reader's list is empty (H2.7).
    What was said is about everybody in the case, so all of them are logged as touched (H12.1).
    """
    found = await rows_of(session, case.id, InitialContactView)
    if found:
        touch(session, case.id, *(one.person_id for one in await rows(session, _PEOPLE, case_id=case.id)))
    return found


async def join_contact(
    session: AsyncSession, case: Case, contact: ContactIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Join a further contact to an open case, under the first clock; risk is graded again (H3.5).

    Raises WrongStage for a draft, which has no clock yet, and for a case that has ended.
    """
    if case.stage is Stage.INTAKE:
        raise WrongStage("This is a draft, and no clock runs for it: open the application.")
    if case.stage in CONCLUDED:
        raise WrongStage("This case has ended: open a new application that follows it.")
    return await join(session, case, contact, actor=actor, now=now)


async def join(
    session: AsyncSession,
    case: Case,
    contact: ContactIn,
    *,
    flags: Iterable[Obstacle] = (),
    actor: Actor,
    now: datetime,
) -> Recorded:
    """Keep a further contact in a case that is known to be open, with what a supervisor should see of it."""
    combine(session, case.id)
    wrong = [*flags]
    if contact.risk is None:
        wrong.append(risk_not_graded_again())
    began = happened_at(contact.first_contact_at, now=now, field="first_contact_at")
    if case.first_contact_at is not None and began < case.first_contact_at:
        wrong.append(earlier_first_contact())
        await _count_from(session, case, began, actor=actor, now=now)
    row, kept = await keep_contact(session, case, contact, flags=wrong, actor=actor, now=now)
    sentence = "A further contact about the same people joined this case, under its first clock."
    await note(
        session, case, "contact_joined", sentence, by=actor, now=now, occurred_at=row.occurred_at, about_id=row.id
    )
    return Recorded(row.id, flags=kept)


async def keep_contact(
    session: AsyncSession,
    case: Case,
    contact: ContactIn,
    *,
    flags: Iterable[Obstacle] = (),
    actor: Actor,
    now: datetime,
) -> tuple[InitialContact, tuple[Obstacle, ...]]:
    """Keep what was said at a contact, and what is owed for it; late typing goes before a supervisor too (H10.7)."""
    told = contact.information
    began = happened_at(contact.first_contact_at, now=now, field="first_contact_at")
    row = InitialContact(
        **act_keys(case, actor=actor, now=now, occurred_at=began),
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
    within = edition(case.edition).late_entry_after_hours
    found = (*flags, *late_entry(began, now=now, within_hours=within, due_at=None))
    for flag in found:
        owe(session, case, DutyKind.SUPERVISOR_REVIEW, flag, actor=actor, now=now, about_id=row.id)
    if contact.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    if contact.risk:
        await grade_risk(session, case, contact.risk, by=actor, now=now, occurred_at=began)
        if contact.risk.immediate:
            await owe_immediate_safeguarding(session, case, actor=actor, now=now)
    return row, found


def plans_from_contact(case: Case, calendar: Calendar, *, applicant_is_potential_victim: bool) -> list[ClockPlan]:
    """The clocks of a case from its first contact; the whole case counts from an earlier one, if any (H8.4)."""
    ask = case.route is Route.RIGHT_TO_ASK
    return clocks_at_opening(
        edition(case.edition),
        route=case.route,
        first_contact_at=case.first_contact_at if ask else case.whole_case_from,
        received_at=None if ask else case.first_contact_at,
        applicant_is_potential_victim=applicant_is_potential_victim,
        prioritised=bool(case.prioritised),
        calendar=calendar,
    )


async def _count_from(session: AsyncSession, case: Case, began: datetime, *, actor: Actor, now: datetime) -> None:
    """Let an open case have begun earlier than was known: its clocks move, each move told with was, now and why."""
    assert case.first_contact_at is not None  # the database holds that to every stage after intake
    was, case.first_contact_at, case.first_contact_recorded_at = case.first_contact_at, began, now
    if case.whole_case_from is not None:
        case.whole_case_from = min(case.whole_case_from, began)
    known = await parties(session, case.id)
    calendar = await calendar_of(session, (await session.get_one(Force, case.force_id)).division)
    plans = plans_from_contact(case, calendar, applicant_is_potential_victim=known.applicant_is_potential_victim)
    why = f"the first contact was {in_london(began)}, not {in_london(was)}"
    for move in await move_start(session, plans, case_id=case.id, calendar=calendar):
        sentence = (
            f"{move.kind.replace('_', ' ').capitalize()}: was due {in_london(move.was_due_at)}, now due "
            f"{in_london(move.due_at)}, because {why}."
        )
        await note(session, case, "clock_moved", sentence, by=actor, now=now)
