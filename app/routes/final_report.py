"""Stage 8: the closing report, its submission, closing; and retrieval by the intelligence units of every force."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.access.rules import Permission
from app.cases.schemas import Receipt
from app.doors import CaseDoor, Door, decides, reads, records, requires
from app.evidence.terms import Category
from app.final_report import closing, earlier, retrieval, service
from app.final_report.schemas import (
    CaseReportView,
    ClosingIn,
    ClosingView,
    EarlierCase,
    FinalReportIn,
    FinalReportSearchIn,
    FinalReportsFound,
    FinalReportSummary,
    FinalReportView,
    IntelligenceSubmissionIn,
    IntelligenceSubmissionView,
    OffenderManagementIn,
    OffenderManagementView,
    SupportGivenIn,
    SupportGivenView,
)
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.paging import Cursor, Limit, Page, after_moment, encode, page
from app.routes.reading import StrictRoute

router = APIRouter(prefix="/v1/applications/{case_id}", tags=["8 final report"], route_class=StrictRoute)
retrieved = APIRouter(prefix="/v1/final-reports", tags=["8 retrieval by intelligence units"], route_class=StrictRoute)

Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
IntelligenceReader = Annotated[CaseDoor, reads(Permission.RECORD_SUBMISSION)]
IntelligenceUnit = Annotated[Door, requires(Permission.RETRIEVE_FINAL_REPORTS)]


@router.post("/final-report", status_code=201, responses=ERRORS_OF_DECISION)
async def write_final_report(
    body: FinalReportIn, door: Annotated[CaseDoor, decides(Permission.WRITE_FINAL_REPORT)]
) -> Receipt:
    """Write the closing report from the record itself, whatever the outcome; a newer one supersedes (H8.1)."""
    return await door.decide(
        service.write_final_report, body, though_late=True
    )  # everybody has been told, or it has ended


@router.get("/final-report", responses=ERRORS_OF_CASE)
async def read_final_reports_of_case(door: IntelligenceReader) -> list[CaseReportView]:
    """The closing report and those it supersedes, oldest first."""
    await door.read()
    return await retrieval.reports_of_case(door.session, door.case)


@router.post("/intelligence-submissions", status_code=201, responses=ERRORS_OF_ACT)
async def record_submission(
    body: IntelligenceSubmissionIn, door: Annotated[CaseDoor, records(Permission.RECORD_SUBMISSION)]
) -> Receipt:
    """Record where intelligence was sent: during the case without delay, or the final report at its end (H8.1)."""
    return await door.record(service.record_submission, body)


@router.get("/intelligence-submissions", responses=ERRORS_OF_CASE)
async def read_submissions(door: IntelligenceReader) -> list[IntelligenceSubmissionView]:
    """Submissions, oldest first."""
    return await door.history(IntelligenceSubmissionView)


@router.post("/support-given", status_code=201, responses=ERRORS_OF_ACT)
async def record_support_given(
    body: SupportGivenIn, door: Annotated[CaseDoor, records(Permission.RECORD_CONTACT)]
) -> Receipt:
    """Record that local services and the helpline were given, by word (H4.4)."""
    return await door.record(service.record_support_given, body)


@router.get("/support-given", responses=ERRORS_OF_CASE)
async def read_support_given(door: Reader) -> list[SupportGivenView]:
    """Support given, oldest first."""
    return await door.history(SupportGivenView)


@router.post("/offender-management", status_code=201, responses=ERRORS_OF_ACT)
async def consider_offender_management(
    body: OffenderManagementIn, door: Annotated[CaseDoor, records(Permission.SUPERVISE)]
) -> Receipt:
    """Record how the management of the subject was considered where no forum sat (H8.2)."""
    return await door.record(service.consider_offender_management, body)


@router.get("/offender-management", responses=ERRORS_OF_CASE)
async def read_offender_management(door: Reader) -> list[OffenderManagementView]:
    """Considerations, oldest first."""
    return await door.history(OffenderManagementView)


@router.post("/closing", status_code=201, responses=ERRORS_OF_DECISION)
async def close_case(body: ClosingIn, door: Annotated[CaseDoor, decides(Permission.CLOSE_CASE)]) -> Receipt:
    """Close the case; refused with everything that is still owed (H8.2)."""
    return await door.decide(closing.close_case, body)


@router.get("/closing", responses=ERRORS_OF_CASE)
async def read_closing(door: Reader) -> list[ClosingView]:
    """When the case was closed."""
    return await door.history(ClosingView)


@router.get("/earlier-applications", responses=ERRORS_OF_CASE)
async def read_earlier_applications(
    door: Annotated[CaseDoor, reads(Permission.SEARCH_CASES)],
) -> list[EarlierCase]:
    """Other applications about the same people, as known now, and what came of those of the own force (H8.3, H12.6)."""
    await door.read()
    found = await earlier.earlier_cases(door.session, door.case)
    door.shows(one.case_id for one in found)
    return found


@retrieved.get("", responses=ERRORS)
async def list_final_reports(
    door: IntelligenceUnit, cursor: Cursor = None, limit: Limit = 50
) -> Page[FinalReportSummary]:
    """The final reports of every force that hold, newest first."""
    await door.log(Category.CONSULTATION)
    found = await retrieval.list_reports(door.session, actor=door.actor, limit=limit, after=after_moment(cursor))
    return page(found, limit, lambda last: encode(last.recorded_at.isoformat(), last.id))


@retrieved.post("/search", status_code=200, responses=ERRORS)
async def search_final_reports(body: FinalReportSearchIn, door: IntelligenceUnit) -> FinalReportsFound:
    """The final reports about a subject, of every force, and the pattern they show; a body, so that no URL tells."""
    door.looks_for(surname=body.surname, given_names=body.given_names)
    await door.log(Category.CONSULTATION)
    return await retrieval.search_reports(door.session, body, actor=door.actor)


@retrieved.get("/{report_id}", responses=ERRORS_OF_CASE)
async def read_final_report(report_id: UUID, door: IntelligenceUnit) -> FinalReportView:
    """One final report, whole, of whichever force. It gives no reach into the case."""
    found = await retrieval.read_report(door.session, report_id, actor=door.actor)
    case_id, force_id = await retrieval.case_of_report(door.session, report_id)
    await door.log(Category.CONSULTATION, case_id=case_id, force_id=force_id, event_id=found.id)
    return found
