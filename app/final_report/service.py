"""Writing the closing report, sending it on, and the duties that stand before closing (H8.1, H8.2)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import CONCLUDED
from app.cases.schemas import Recorded
from app.cases.service import must_be_at, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.disclosure.service import conclude
from app.errors import Obstacle
from app.evidence.sealed import plain_columns
from app.final_report.document import asked_at, assemble, keys_of_party
from app.final_report.rules import wrong_with_submission, wrong_with_support
from app.final_report.schemas import (
    FinalReportIn,
    IntelligenceSubmissionIn,
    OffenderManagementIn,
    SupportGivenIn,
)
from app.final_report.tables import (
    FinalReport,
    FinalReportKey,
    IntelligenceSubmission,
    OffenderManagement,
    SupportGiven,
)
from app.final_report.terms import SubmissionKind
from app.process import Stage
from app.safeguarding.service import act_keys, answer_duties, record_act
from app.safeguarding.terms import DutyKind
from app.storage.statements import row as row_of


async def write_final_report(
    session: AsyncSession, case: Case, given: FinalReportIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Write the closing report from the record itself; a newer one supersedes and is submitted anew (H8.1).

    A case whose decisions are all carried out comes to its end first; one that is not is refused with what is open.
    """
    if case.stage is Stage.DISCLOSURE:
        await conclude(session, case, actor=actor, now=now)
    must_be_at(case, Stage.FINAL_REPORT)
    before = await newest_report(session, case.id)
    document = await assemble(session, case, actor=actor, now=now)
    row = FinalReport(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        reference=case.reference,
        force=document.force,
        outcome=document.outcome,
        asked_at=asked_at(case),
        grading=given.grading,
        narrative=given.narrative,
        document=document.model_dump(mode="json"),
        supersedes_id=before.id if before else None,
    )
    session.add(row)
    await session.flush()
    keys = {key for one in document.parties if one.role is PartyRole.SUBJECT for key in keys_of_party(one)}
    own = {"case_id": case.id, "force_id": case.force_id, "report_id": row.id}
    if keys:
        await session.execute(insert(FinalReportKey), [{**own, "match_key": key} for key in sorted(keys)])
    sentence = "Final report corrected by a newer one." if before else "Final report written."
    await note(session, case, "final_report", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def newest_report(session: AsyncSession, case_id: UUID) -> Row[Any] | None:
    """The report that holds, without its texts: the one that no other supersedes."""
    newer = aliased(FinalReport)
    superseded = select(col(newer.id)).where(col(newer.supersedes_id) == col(FinalReport.id)).exists()
    query = select(*plain_columns(FinalReport)).where(col(FinalReport.case_id) == case_id, ~superseded)
    return await row_of(session, query)


async def record_submission(
    session: AsyncSession, case: Case, given: IntelligenceSubmissionIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep where intelligence was sent: significant information at any time, the final report after it (H8.1)."""
    keys = act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at)
    report = await newest_report(session, case.id) if given.kind is SubmissionKind.FINAL else None
    wrong = wrong_with_submission(
        given.kind,
        submitted_at=keys["occurred_at"],
        written_at=report.recorded_at if report else None,
    )
    row = IntelligenceSubmission(
        **keys,
        **given.model_dump(exclude={"occurred_at"}),
        report_id=None if report is None or wrong else report.id,
    )
    sentence = f"Submitted to {given.system.replace('_', ' ')} ({given.kind})."
    return await record_act(session, case, row, "intelligence_submission", sentence, actor=actor, now=now, wrong=wrong)


async def record_support_given(
    session: AsyncSession, case: Case, given: SupportGivenIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep that services and the helpline were given by word (H4.4); with the helpline left out it is still owed."""
    await must_be_party(
        session, case, given.party_id, PartyRole.APPLICANT, PartyRole.POTENTIAL_VICTIM, field="party_id"
    )
    row = SupportGiven(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    wrong = wrong_with_support(helpline_given=given.helpline_given, left_in_writing=given.left_in_writing)
    if given.helpline_given:
        answer = "Local services and the helpline given by word."
        await answer_duties(session, case, DutyKind.SUPPORT_BY_WORD, answer=answer, actor=actor, now=now)
    sentence = "Local services given by word."
    return await record_act(session, case, row, "support_given", sentence, actor=actor, now=now, wrong=wrong)


async def consider_offender_management(
    session: AsyncSession, case: Case, given: OffenderManagementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep a supervisor's consideration of how the subject is managed, where no forum sat (H8.2)."""
    row = OffenderManagement(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    answer = "Considered by a supervisor: MAPPA, IOM and MATAC."
    await answer_duties(session, case, DutyKind.OFFENDER_MANAGEMENT, answer=answer, actor=actor, now=now)
    wrong = []
    if case.stage not in CONCLUDED:
        says = "Offender management was considered before the application had ended: consider again what came since."
        wrong = [Obstacle("before_the_end", says, "H8.2")]
    sentence = "A supervisor considered offender management."
    return await record_act(session, case, row, "offender_management", sentence, actor=actor, now=now, wrong=wrong)
