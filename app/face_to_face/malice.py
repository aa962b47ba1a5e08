"""The finding that a request is malicious, and the second person's agreement (H5.1a)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import advance, must_be_at, note
from app.cases.tables import Case
from app.deadlines.service import end
from app.deadlines.tables import EndedBecause
from app.editions.terms import Outcome
from app.errors import AlreadyDecided, Conflict, refuse_if
from app.evidence.sealed import plain_columns
from app.face_to_face.rules import obstacles_to_malicious_finding
from app.face_to_face.schemas import MaliciousAgreementIn, MaliciousFindingIn
from app.face_to_face.tables import MaliciousFinding, MaliciousFindingAgreement
from app.initial_checks.rules import immediate_safeguarding_first
from app.intake.continuing import continue_as_right_to_know
from app.intake.tables import ReceivedFrom
from app.process import Move, Stage
from app.safeguarding.service import act_keys, open_duties, owe_offender_management
from app.safeguarding.terms import DutyKind
from app.storage.statements import row as row_of

FOUND_AT = (Stage.FACE_TO_FACE, Stage.RISK_ASSESSMENT, Stage.CATEGORISATION)
"""Where malice can be found: once the case goes on, and before the forum has it."""

_AWAITING_AGREEMENT: Select[Any] = (
    select(*plain_columns(MaliciousFinding))
    .outerjoin(MaliciousFindingAgreement, col(MaliciousFindingAgreement.finding_id) == col(MaliciousFinding.id))
    .where(col(MaliciousFinding.case_id) == bindparam("case_id"), col(MaliciousFindingAgreement.id).is_(None))
)


class FindingAwaitsAgreement(AlreadyDecided):
    """A finding of malice waits for its second person."""

    code = "finding_awaits_agreement"


class NoFindingToAgree(Conflict):
    """No finding of malice waits for a second person."""

    code = "no_finding_to_agree"


async def find_malicious(
    session: AsyncSession, case: Case, given: MaliciousFindingIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Find, with reasons, that the request is malicious. Nothing changes until a second person agrees (H5.1a)."""
    must_be_at(case, *FOUND_AT)
    if await finding_awaiting_agreement(session, case.id) is not None:
        raise FindingAwaitsAgreement("A finding of malice awaits a second person, who agrees to it or refuses it.")
    refuse_if(obstacles_to_malicious_finding(case.route))
    row = MaliciousFinding(**act_keys(case, actor=actor, now=now, occurred_at=None), reasons=given.reasons)
    session.add(row)
    sentence = "The request was found malicious; the finding awaits a second person's agreement."
    await note(session, case, "malicious_finding", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def agree_malicious_finding(
    session: AsyncSession, case: Case, given: MaliciousAgreementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """A second person agrees, and the request ends; carrying on as right to know is decided first (H5.1a).

    Raises WrongStage, NoFindingToAgree, and Refused where it is the same person or immediate safeguarding is owed.
    """
    must_be_at(case, *FOUND_AT)
    found = await finding_awaiting_agreement(session, case.id)
    if found is None:
        raise NoFindingToAgree("No finding of malice awaits a second person.")
    obstacles = same_person(
        found.recorded_by, actor.staff_id, doing="Whoever agrees to a finding of malice", rule="H5.1a"
    )
    if given.agrees:
        owed = await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING)
        obstacles += immediate_safeguarding_first(owed=bool(owed))
    refuse_if(obstacles)

    linked = None
    if given.carry_on_as_right_to_know and given.carry_on_reason:
        linked = await continue_as_right_to_know(
            session,
            case,
            given.carry_on_reason,
            actor=actor,
            now=now,
            received_from=ReceivedFrom.CONTACT_WITH_POLICE,
        )
    row = MaliciousFindingAgreement(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        finding_id=found.id,
        continued_as_id=linked.id if linked else None,
        **given.model_dump(),
    )
    session.add(row)
    if given.agrees:
        await _end_request(session, case, row, carried_on=linked is not None, actor=actor, now=now)
    else:
        sentence = "A second person refused the finding of malice: the request goes on."
        await note(session, case, "agreement_refused", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id, opened=linked.id if linked else None)


async def _end_request(
    session: AsyncSession,
    case: Case,
    agreed: MaliciousFindingAgreement,
    *,
    carried_on: bool,
    actor: Actor,
    now: datetime,
) -> None:
    await advance(
        session,
        case,
        Move.MALICIOUS,
        by=actor,
        now=now,
        sentence="The request ended as malicious: a second person agreed.",
        about_id=agreed.id,
        outcome=Outcome.MALICIOUS,
    )
    because = EndedBecause.CONVERSION if carried_on else EndedBecause.NON_PROGRESSION
    await end(session, case.id, because, ended_at=now)
    await owe_offender_management(session, case, actor=actor, now=now)


async def finding_awaiting_agreement(session: AsyncSession, case_id: UUID) -> Row[Any] | None:
    """The finding of malice that no second person has answered yet, without its reasons."""
    return await row_of(session, _AWAITING_AGREEMENT, case_id=case_id)
