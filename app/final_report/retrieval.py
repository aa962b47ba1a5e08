"""Final reports for the intelligence units of every force: added to submission, never instead of it (H8.1).

The transaction reaches the reports, their keys and their submissions of every force, and nothing else of a case.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, case, exists, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.rules import Actor
from app.access.service import reach
from app.cases.tables import Case, PartyRole
from app.cases.touching import touch_parties
from app.errors import NotFound
from app.evidence.owing import combine, show
from app.evidence.sealed import have_keys, plain_columns
from app.final_report.document import keys_of_party
from app.final_report.rules import ReportFacts, keys_of_subject, pattern
from app.final_report.schemas import (
    CaseReportView,
    FinalReportSearchIn,
    FinalReportsFound,
    FinalReportSummary,
    FinalReportView,
    IntelligenceSubmissionView,
    PatternView,
    ReportDocument,
)
from app.final_report.tables import Closing, FinalReport, FinalReportKey, IntelligenceSubmission
from app.retention.tables import Erasure
from app.safeguarding.service import rows_of
from app.storage.base import columns_of
from app.storage.statements import row as row_of
from app.storage.statements import rows

SEARCH_LIMIT = 200
"""Reports about one person in one answer."""


class ReportNotFound(NotFound):
    """No such report."""

    code = "final_report_not_found"

    def __init__(self) -> None:
        super().__init__("No final report is held under that address.")


async def list_reports(
    session: AsyncSession, *, actor: Actor, limit: int, after: tuple[datetime, UUID] | None
) -> list[FinalReportSummary]:
    """The reports that hold, of every force, newest first: one more than `limit`, from after a moment and id."""
    await _reach_every_force(session, actor)
    query = _standing(actor).order_by(col(FinalReport.recorded_at).desc(), col(FinalReport.id).desc())
    if after is not None:
        query = query.where(tuple_(col(FinalReport.recorded_at), col(FinalReport.id)) < tuple_(*after))
    found = await rows(session, query.limit(limit + 1))
    show(session, [one.of_case for one in found[:limit]])
    return [FinalReportSummary.model_validate(one) for one in found]


async def reports_of_case(session: AsyncSession, case: Case) -> list[CaseReportView]:
    """The closing report of a case and those it supersedes, oldest first; the log names all parties in them."""
    found = await rows_of(session, case.id, CaseReportView)
    await _touch_parties_of(session, case.id, *(one.document for one in found))
    return found


async def _touch_parties_of(session: AsyncSession, case_id: UUID, *documents: ReportDocument) -> None:
    await touch_parties(session, case_id, {party.id for document in documents for party in document.parties})


async def read_report(session: AsyncSession, report_id: UUID, *, actor: Actor) -> FinalReportView:
    """One report, superseded or not, with where it was submitted; of the own force, the log names its parties."""
    await _reach_every_force(session, actor)
    query = _reports(actor, "narrative", "document").where(col(FinalReport.id) == report_id)
    row = await row_of(session, query)
    if row is None:
        raise ReportNotFound
    sent = columns_of(IntelligenceSubmission)
    submissions = select(*sent).where(sent.case_id == row.of_case).order_by(sent.recorded_at, sent.id)
    closed = select(col(Closing.recorded_at)).where(col(Closing.case_id) == row.of_case)
    document = ReportDocument.model_validate(row.document)
    if row.case_id is not None:  # persons of another force's case are beyond this transaction's reach
        await _touch_parties_of(session, row.case_id, document)
    return FinalReportView(
        **FinalReportSummary.model_validate(row).model_dump(),
        narrative=row.narrative,
        document=document,
        submissions=[
            IntelligenceSubmissionView.model_validate(one) for one in (await session.execute(submissions)).all()
        ],
        closed_at=(await session.scalars(closed)).one_or_none(),
    )


async def case_of_report(session: AsyncSession, report_id: UUID) -> tuple[UUID, str]:
    """The case of a report that was read in this transaction, and its force, for the log alone: a unit is not told."""
    query = select(col(FinalReport.case_id), col(FinalReport.force_id)).where(col(FinalReport.id) == report_id)
    case_id, force_id = (await session.execute(query)).one()
    return case_id, force_id


async def search_reports(session: AsyncSession, about: FinalReportSearchIn, *, actor: Actor) -> FinalReportsFound:
    """The reports about a subject, and what they show together: several cases that make a pattern are combined."""
    await _reach_every_force(session, actor)
    keys = keys_asked(about)
    found = select(col(FinalReportKey.report_id)).where(col(FinalReportKey.match_key).in_(keys))
    query = (
        _standing(actor)
        .where(col(FinalReport.id).in_(found))
        .order_by(col(FinalReport.recorded_at).desc(), col(FinalReport.id).desc())
        .limit(SEARCH_LIMIT + 1)
    )
    reports = await rows(session, query)
    shown = reports[:SEARCH_LIMIT]
    joined = {row.of_case for row in shown}
    show(session, joined)
    if len(joined) > 1:
        combine(session, *joined)
    await have_keys(session, {row.of_case for row in shown})
    held = columns_of(FinalReport)
    written = await rows(
        session,
        select(held.id, held.document.label("document")).where(held.id.in_(bindparam("ids", expanding=True))),
        ids=[row.id for row in shown],
    )
    documents = {row.id: row.document for row in written}
    return FinalReportsFound(
        reports=[FinalReportSummary.model_validate(row) for row in shown],
        pattern=PatternView.model_validate(pattern(_facts(shown, documents))),
        more=len(reports) > SEARCH_LIMIT,
    )


def keys_asked(about: FinalReportSearchIn) -> frozenset[str]:
    """The keys of a search. A given name narrows: then surname and date of birth alone find nothing."""
    asked: dict[str, Any] = {"pnc_id": about.pnc_id, "surnames": [about.surname] if about.surname else []}
    wide = keys_of_subject(**asked, given_names=[], born=about.born)
    if about.given_names is None:
        return wide
    all_keys = keys_of_subject(**asked, given_names=[about.given_names], born=about.born)
    by_pnc_id = keys_of_subject(pnc_id=about.pnc_id, surnames=[], given_names=[], born=None)
    return (all_keys - wide) | by_pnc_id


def _facts(reports: Iterable[Row[Any]], documents: Mapping[UUID, Any]) -> list[ReportFacts]:
    return [
        ReportFacts(
            case_id=row.of_case,
            force=row.force,
            asked_at=row.asked_at,
            outcome=row.outcome,
            potential_victims=tuple(
                keys_of_party(one)
                for one in ReportDocument.model_validate(documents[row.id]).parties
                if one.role is PartyRole.POTENTIAL_VICTIM
            ),
        )
        for row in reports
    ]


def _reports(actor: Actor, *texts: str) -> Select[Any]:
    """Reports with some of their texts, each with its case's id for the force that holds the case and nobody else; of
    no erased case."""
    columns = columns_of(FinalReport)
    own = case((columns.force_id == actor.force_id, columns.case_id), else_=None).label("case_id")
    shown = [column for column in plain_columns(FinalReport) if column.name != "case_id"]
    opened = [columns[text].label(text) for text in texts]
    erased = exists().where(col(Erasure.case_id) == columns.case_id)
    return select(*shown, *opened, columns.case_id.label("of_case"), own).where(~erased)


def _standing(actor: Actor) -> Select[Any]:
    newer = aliased(FinalReport)
    superseded = select(col(newer.id)).where(col(newer.supersedes_id) == col(FinalReport.id)).exists()
    return _reports(actor).where(~superseded)


async def _reach_every_force(session: AsyncSession, actor: Actor) -> None:
    await reach(session, actor, national=True)
