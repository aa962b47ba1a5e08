"""Recording checks and who the subject is, and saying which minimum checks are open (H4.1, H4.2, H4.5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, column, exists, select, table
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import must_be_party
from app.cases.tables import Case, Party, PartyRole
from app.deadlines.service import meet, open_due_at
from app.editions import edition
from app.editions.terms import ClockKind, Searched
from app.errors import Unprocessable
from app.evidence.owing import combine
from app.evidence.sealed import plain_columns
from app.initial_checks.rules import CheckAnswer, ChecksFacts, minimum_searches, outside_the_case
from app.initial_checks.schemas import CheckIn, IdentityIn
from app.initial_checks.tables import InitialDecision, InitialDecisionAgreement, SubjectIdentity, SystemCheck
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.process import Stage
from app.safeguarding.service import act_keys, record_act
from app.safeguarding.tables import Duty
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import row as row_of
from app.storage.statements import rows

_SEARCHED = {
    PartyRole.SUBJECT: Searched.SUBJECT,
    PartyRole.POTENTIAL_VICTIM: Searched.POTENTIAL_VICTIM,
    PartyRole.CHILD: Searched.CHILD,
}
_authority = table("emergency_authority", column("case_id"), column("occurred_at"))
"""What lets a case go on before its initial decision (H6.8); the forum's package lies above this one."""

_party, _check = columns_of(Party), columns_of(SystemCheck)
_identity, _duty = columns_of(SubjectIdentity), columns_of(Duty)
_PARTIES = select(_party.id, _party.role).where(_party.case_id == bindparam("case_id")).order_by(_party.id)
_ANSWERS = select(
    _check.system, _check.party_id, _check.result, _check.visor_marker, _check.occurred_at, _check.recorded_at
).where(_check.case_id == bindparam("case_id"), _check.occurred_at >= bindparam("since"))
_AWAITING_AGREEMENT: Select[Any] = (
    select(*plain_columns(InitialDecision))
    .outerjoin(InitialDecisionAgreement, col(InitialDecisionAgreement.decision_id) == col(InitialDecision.id))
    .where(
        col(InitialDecision.case_id) == bindparam("case_id"),
        col(InitialDecision.decision) == Course.DO_NOT_PROGRESS,
        col(InitialDecisionAgreement.id).is_(None),
    )
)
_STANDS = select(
    select(_identity.result)
    .where(_identity.case_id == bindparam("case_id"), _identity.result != IdentityResult.CONFIRMED)
    .order_by(_identity.recorded_at.desc())
    .limit(1)
    .scalar_subquery()
    .label("unconfirmed"),
    exists()
    .where(
        _duty.case_id == bindparam("case_id"),
        _duty.answered_at.is_(None),
        _duty.kind == DutyKind.IMMEDIATE_SAFEGUARDING,
    )
    .label("immediate_safeguarding_owed"),
    _AWAITING_AGREEMENT.exists().label("agreement_awaited"),
)
_IDENTITY_SENTENCES = {
    IdentityResult.CONFIRMED: "The subject's identity was confirmed against a record.",
    IdentityResult.UNIDENTIFIED: "The subject could not be identified.",
    IdentityResult.DECEASED: "The subject's death was verified.",
}


class MarkerMisplaced(Unprocessable):
    """The answer leaves out whether there is a ViSOR marker, or says so for a system that shows none."""

    code = "marker_misplaced"


async def record_check(session: AsyncSession, case: Case, given: CheckIn, *, actor: Actor, now: datetime) -> Recorded:
    """Keep what a system answered. The last open minimum check of a case that went on meets its clock (H9.1)."""
    party = await must_be_party(session, case, given.party_id, field="party_id")
    _marker_told(case, given)
    row = SystemCheck(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    minimum = edition(case.edition).check(given.system)
    title = minimum.title if minimum else given.system.replace("_", " ")
    done = await record_act(
        session,
        case,
        row,
        "check",
        f"{title} searched on the {party.role.replace('_', ' ')}: {given.result.value}.",
        actor=actor,
        now=now,
        wrong=outside_the_case(case.stage, occurred_at=row.occurred_at, first_contact_at=case.first_contact_at),
        due_at=await open_due_at(session, case.id, ClockKind.INITIAL_CHECKS),
    )
    await meet_once_answered(session, case, now=now)
    return done


def _marker_told(case: Case, given: CheckIn) -> None:
    """An answer of the system that shows it says whether there is a ViSOR marker, and no other does (H4.1)."""
    shows = edition(case.edition).shows_visor_marker
    told = given.visor_marker is not None
    if told and given.system != shows:
        raise MarkerMisplaced("This system shows no ViSOR marker: leave visor_marker out.", field="visor_marker")
    if not told and given.system == shows and given.result is not CheckResult.UNAVAILABLE:
        raise MarkerMisplaced("Say in visor_marker whether there is a ViSOR marker.", field="visor_marker")


async def meet_once_answered(session: AsyncSession, case: Case, *, now: datetime) -> None:
    """Meet the clock of a case that went on with a check open, by a supervisor's decision or an emergency authority.

    It is met when the last answer came, and not before the case went on (H9.1); while a check is open it runs.
    """
    if case.stage is Stage.INITIAL_CHECKS:
        return
    decisions = select(col(InitialDecision.occurred_at)).where(
        col(InitialDecision.case_id) == case.id, col(InitialDecision.decision) == Course.PROGRESS
    )
    authorities = select(_authority.c.occurred_at).where(_authority.c.case_id == case.id)
    decided_at = min(await session.scalars(decisions.union_all(authorities)), default=None)
    answered_at = (await checks_facts(session, case)).answered_at
    if decided_at is not None and answered_at is not None:
        await meet(session, case.id, ClockKind.INITIAL_CHECKS, done_at=max(decided_at, answered_at), now=now)


async def identify_subject(
    session: AsyncSession, case: Case, given: IdentityIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep who the subject is. The finding recorded last holds: one of *unidentified* takes a confirmation back."""
    row = SubjectIdentity(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    if given.result is IdentityResult.CONFIRMED:
        case.subject_identified_at = row.occurred_at
        combine(session, case.id)
    elif given.result is IdentityResult.UNIDENTIFIED:
        case.subject_identified_at = None
    wrong = outside_the_case(case.stage, occurred_at=row.occurred_at, first_contact_at=case.first_contact_at)
    sentence = _IDENTITY_SENTENCES[given.result]
    return await record_act(session, case, row, "subject_identity", sentence, actor=actor, now=now, wrong=wrong)


async def checks_facts(session: AsyncSession, case: Case) -> ChecksFacts:
    """Where the initial checks of a case stand: every minimum search, the subject's identity, what comes first."""
    (stands,) = await rows(session, _STANDS, case_id=case.id)
    return ChecksFacts(
        searches=minimum_searches(
            edition(case.edition), await _searched(session, case.id), await _answers(session, case)
        ),
        identity=IdentityResult.CONFIRMED if case.subject_identified_at is not None else stands.unconfirmed,
        immediate_safeguarding_owed=stands.immediate_safeguarding_owed,
        agreement_awaited=case.stage is Stage.INITIAL_CHECKS and stands.agreement_awaited,
    )


async def awaiting_agreement(session: AsyncSession, case_id: UUID) -> Row[Any] | None:
    """The decision not to progress that no second person has answered yet, without its texts (H4.4)."""
    return await row_of(session, _AWAITING_AGREEMENT, case_id=case_id)


async def _searched(session: AsyncSession, case_id: UUID) -> dict[Searched, list[UUID]]:
    found: dict[Searched, list[UUID]] = {}
    for party in await rows(session, _PARTIES, case_id=case_id):
        if party.role in _SEARCHED:
            found.setdefault(_SEARCHED[party.role], []).append(party.id)
    return found


async def _answers(session: AsyncSession, case: Case) -> Sequence[CheckAnswer]:
    """The answers that count: a check from before the first contact does not answer this application (H3.5)."""
    found = await rows(session, _ANSWERS, case_id=case.id, since=case.first_contact_at)
    return [CheckAnswer(**one._mapping) for one in found]
