"""Recording the meeting with the applicant, from which the later clocks count (H5.1, H9.2)."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.cases.risk import grade_risk
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_party, note
from app.cases.tables import Case, Party, PartyRole
from app.clock import LONDON
from app.deadlines.calendar import Calendar
from app.deadlines.policy import ClockPlan, clocks_at_meeting
from app.deadlines.service import meet, meet_earlier, open_due_at, start
from app.editions import edition
from app.editions.terms import ClockKind, Route
from app.face_to_face.malice import FOUND_AT, finding_awaiting_agreement
from app.face_to_face.rules import Meeting, MeetingFacts, irregularities, was_earlier
from app.face_to_face.schemas import MeetingIn
from app.face_to_face.tables import FaceToFaceMeeting
from app.initial_checks.rules import outside_the_case
from app.initial_checks.schemas import IdentityIn
from app.initial_checks.service import identify_subject
from app.people.rules import age_on
from app.people.tables import Person
from app.process import Move, Stage
from app.safeguarding.service import act_keys, owe_crime, owe_immediate_safeguarding, record_act
from app.storage.base import columns_of, table_of
from app.storage.statements import rows

_meeting, _party = columns_of(FaceToFaceMeeting), columns_of(Party)
_MET = (
    select(_meeting.occurred_at)
    .select_from(table_of(FaceToFaceMeeting).join(table_of(Party), _party.id == _meeting.party_id))
    .where(_meeting.case_id == bindparam("case_id"), _party.is_applicant)
)
_NOT_COLUMNS = {"occurred_at", "crime_alleged", "risk", "subject_identity"}


async def record_meeting(
    session: AsyncSession, case: Case, given: MeetingIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep a meeting that was held. The first with the applicant meets its clock and starts those that count from it,
    however late or early it was (H9.2); one that was earlier still and is typed later takes its place (H10.7). The
    case then goes on, where the initial decision has been taken."""
    party = await must_be_party(
        session, case, given.party_id, PartyRole.APPLICANT, PartyRole.POTENTIAL_VICTIM, field="party_id"
    )
    known_at = await completed_meeting_at(session, case)
    row = FaceToFaceMeeting(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude=_NOT_COLUMNS),
    )
    meeting = _as_the_rules_see_it(given, party, age=await _age(session, party, row.occurred_at))
    earlier = meeting.with_applicant and was_earlier(
        row.occurred_at, known_at=known_at, first_contact_at=case.first_contact_at
    )
    done = await record_act(
        session,
        case,
        row,
        "face_to_face_meeting",
        "Face-to-face meeting held.",
        actor=actor,
        now=now,
        wrong=[
            *irregularities(
                meeting,
                stage=case.stage,
                route=case.route,
                held_before=known_at is not None,
                earlier=earlier,
                edition=edition(case.edition),
            ),
            *outside_the_case(case.stage, occurred_at=row.occurred_at, first_contact_at=case.first_contact_at),
        ],
        due_at=await open_due_at(session, case.id, ClockKind.FACE_TO_FACE),
    )
    await _keep_what_was_learned(session, case, given, party, row.occurred_at, actor=actor, now=now)
    if case.outcome is None and party.is_applicant:
        if known_at is None:
            await meet(session, case.id, ClockKind.FACE_TO_FACE, done_at=row.occurred_at, now=now)
            await _start_clocks(session, case, party, met_at=row.occurred_at)
        elif earlier:
            await meet_earlier(session, case.id, ClockKind.FACE_TO_FACE, done_at=row.occurred_at, now=now)
            await _start_clocks(session, case, party, met_at=row.occurred_at, anew=True)
            sentence = "The clocks that are open count from this meeting: it was earlier than the one recorded before."
            await note(session, case, "clocks_counted_anew", sentence, by=actor, now=now, about_id=row.id)
    await go_on(session, case, actor=actor, now=now)
    return done


def _as_the_rules_see_it(given: MeetingIn, party: Party, *, age: int | None) -> Meeting:
    return Meeting(
        with_applicant=party.is_applicant,
        age=age,
        suitable_adult=given.suitable_adult is not None,
        public_protection=given.public_protection,
        public_protection_reason=given.public_protection_reason is not None,
        warnings_given=given.warnings_given,
        identity_verified=given.identity_verified_by is not None,
        undertaking_explained=given.undertaking_explained,
        advice_given=given.safeguarding_advice is not None,
        pack=given.pack,
        pack_details_by_word=given.pack_details_by_word,
        written_material_left=given.written_material_left is not None,
    )


async def _age(session: AsyncSession, party: Party, occurred_at: datetime) -> int | None:
    born = (await session.get_one(Person, party.person_id)).born
    day = occurred_at.astimezone(LONDON).date()
    return None if born is None or born > day else age_on(born, day)


async def _keep_what_was_learned(
    session: AsyncSession,
    case: Case,
    given: MeetingIn,
    party: Party,
    occurred_at: datetime,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """A crime alleged, a grade of risk, the subject identified: each as if it had been recorded by itself."""
    if given.crime_alleged:
        await owe_crime(session, case, actor=actor, now=now)
    if given.risk:
        victim = party.id if party.role is PartyRole.POTENTIAL_VICTIM else None
        await grade_risk(
            session, case, given.risk, by=actor, now=now, occurred_at=occurred_at, potential_victim_id=victim
        )
        if given.risk.immediate:
            await owe_immediate_safeguarding(session, case, actor=actor, now=now, potential_victim_id=victim)
    if given.subject_identity:
        found = IdentityIn(occurred_at=occurred_at, **given.subject_identity.model_dump())
        await identify_subject(session, case, found, actor=actor, now=now)


async def _start_clocks(
    session: AsyncSession, case: Case, applicant: Party, *, met_at: datetime, anew: bool = False
) -> None:
    """Assessment and referral run side by side from the actual meeting; projections give way to them (H9.2)."""

    def plans(calendar: Calendar) -> list[ClockPlan]:
        return clocks_at_meeting(
            edition(case.edition),
            route=case.route,
            met_at=met_at,
            applicant_is_potential_victim=applicant.role is PartyRole.POTENTIAL_VICTIM,
            prioritised=bool(case.prioritised),
            calendar=calendar,
        )

    await start(session, case, plans, anew=anew)


async def go_on(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> None:
    """Take a case past the meeting once the applicant has been met, were it before the initial decision."""
    if case.stage is Stage.FACE_TO_FACE and await completed_meeting_at(session, case) is not None:
        sentence = "The applicant has been met; on to the full risk assessment."
        await advance(session, case, Move.MET, by=actor, now=now, sentence=sentence)


async def completed_meeting_at(session: AsyncSession, case: Case) -> datetime | None:
    """When the applicant was first met, whichever meeting was typed first; None until then.

    One dated before the initial contact is a slip of the pen, and counts only while there is no other.
    """
    held = [one.occurred_at for one in await rows(session, _MET, case_id=case.id)]
    within = [at for at in held if case.first_contact_at is None or at >= case.first_contact_at]
    return min(within or held, default=None)


async def meeting_facts(session: AsyncSession, case: Case) -> MeetingFacts:
    """Where the meeting of a case stands."""
    met_at = await completed_meeting_at(session, case) if case.route is Route.RIGHT_TO_ASK else None
    awaited = case.stage in FOUND_AT and await finding_awaiting_agreement(session, case.id) is not None
    return MeetingFacts(case.route, completed_at=met_at, finding_awaits_agreement=awaited)
