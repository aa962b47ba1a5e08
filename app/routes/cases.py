"""The case as a whole: worklist, search, case file, timeline, clocks, who holds it, who is in it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from app.access.rules import Permission
from app.casefile import service as casefile
from app.casefile.schemas import CaseFile, Colleague, EventView
from app.casefile.worklist import SearchHit, SearchIn, WorklistRow, search, worklist
from app.cases import holding
from app.cases.schemas import AssignmentIn, AssignmentView, GradeView, Receipt
from app.cases.service import known_id
from app.deadlines.schemas import ClockWorking
from app.deadlines.showing import ClockNotFound, clocks_with_working, working_of
from app.doors import CaseDoor, Door, decides, reads, records, requires
from app.editions.terms import Route
from app.evidence.terms import Category
from app.intake import parties
from app.people.schemas import Moment, PersonVersionView
from app.process import Stage
from app.routes.errors import ERRORS, ERRORS_OF_ACT, ERRORS_OF_CASE, ERRORS_OF_DECISION
from app.routes.paging import Cursor, Limit, Page, after_position, after_standing, encode, page
from app.routes.reading import StrictRoute
from app.safeguarding import service as safeguarding
from app.safeguarding.schemas import RegradeIn

router = APIRouter(prefix="/v1/applications", tags=["cases"], route_class=StrictRoute)
people = APIRouter(prefix="/v1", tags=["people"], route_class=StrictRoute)

Lister = Annotated[Door, requires(Permission.LIST_CASES)]
Reader = Annotated[CaseDoor, reads(Permission.READ_RECORDS)]
Onlooker = Annotated[CaseDoor, reads(Permission.READ_CASE)]


@router.get("", responses=ERRORS)
async def read_worklist(
    door: Lister,
    stage: Stage | None = None,
    route: Route | None = None,
    assignee: UUID | None = None,
    mine: bool = False,
    unassigned: bool = False,
    urgent: bool | None = None,
    overdue: bool | None = None,
    due_before: Moment | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[WorklistRow]:
    """Cases of the own force by risk, then by time left; closed ones, the oldest first, where asked for."""
    await door.log(Category.CONSULTATION)
    found = await worklist(
        door.session,
        force_id=door.actor.serves_force_id,
        now=door.now,
        stage=stage,
        route=route,
        assignee=door.actor.staff_id if mine else assignee,
        unassigned=unassigned,
        urgent=urgent,
        overdue=overdue,
        due_before=due_before,
        after=after_standing(cursor),
        limit=limit,
    )
    shown = page(found, limit, lambda last: encode(*last.sorted_by))
    door.shows(one.id for one in shown.items)
    return shown


@router.post("/search", status_code=200, responses=ERRORS)
async def search_cases(body: SearchIn, door: Annotated[Door, requires(Permission.SEARCH_CASES)]) -> list[SearchHit]:
    """Persons of the own force's cases, by name, alias, PNC identifier or reference; a body, so that no URL tells."""
    door.looks_for(surname=body.surname, given_names=body.given_names)
    await door.log(Category.CONSULTATION)
    return list(await search(door.session, body))


@router.get("/{case_id}", responses=ERRORS_OF_CASE)
async def read_case_file(door: Onlooker) -> CaseFile:
    """The case in one read: who, stage, urgency, clocks, what comes next and who may do it, what blocks closing."""
    await door.read()
    return await casefile.case_file(door.session, door.case, actor=door.actor, now=door.now)


@router.get("/{case_id}/timeline", responses=ERRORS_OF_CASE)
async def read_timeline(door: Reader, cursor: Cursor = None, limit: Limit = 100) -> Page[EventView]:
    """What happened, in the order in which it was recorded."""
    await door.read()
    found = await casefile.timeline(door.session, door.case, after=after_position(cursor), limit=limit + 1)
    return page(found, limit, lambda last: encode(last.position))


@router.get("/{case_id}/clocks", responses=ERRORS_OF_CASE)
async def read_clocks(door: Reader) -> list[ClockWorking]:
    """The clocks of the case with their working: each day counted or skipped, and why (H10.5)."""
    await door.read()
    return await clocks_with_working(door.session, door.case.id, now=door.now)


@router.get("/{case_id}/clocks/{clock_id}/working", responses=ERRORS_OF_CASE)
async def read_working(clock_id: str, door: Reader) -> ClockWorking:
    """One clock with its working: what it counts from, by which rule, on which calendar, day by day (H10.5)."""
    await door.read()
    known = known_id(clock_id, ClockNotFound())
    return await working_of(door.session, door.case.id, known, now=door.now)


@router.get("/{case_id}/assignment", responses=ERRORS_OF_CASE)
async def read_assignments(door: Reader) -> list[AssignmentView]:
    """Who held the case from when."""
    await door.read()
    return await holding.assignments(door.session, door.case.id)


@router.post("/{case_id}/assignment", status_code=201, responses=ERRORS_OF_DECISION)
async def assign(body: AssignmentIn, door: Annotated[CaseDoor, decides(Permission.ASSIGN_CASE)]) -> Receipt:
    """Give the case to an officer of its force."""
    return await door.decide(holding.assign, body, though_late=True)


@router.get("/{case_id}/risk-grades", responses=ERRORS_OF_CASE)
async def read_grades(door: Reader) -> list[GradeView]:
    """Every grade of risk, with who, when and why (H2.6)."""
    await door.read()
    return await casefile.grades(door.session, door.case)


@router.post("/{case_id}/risk-grades", status_code=201, responses=ERRORS_OF_ACT)
async def grade_risk(body: RegradeIn, door: Annotated[CaseDoor, records(Permission.SAFEGUARD)]) -> Receipt:
    """Grade the risk anew, whenever information arrives (H2.6)."""
    return await door.record(safeguarding.grade, body)


@router.post("/{case_id}/parties", status_code=201, responses=ERRORS_OF_ACT)
async def add_party(
    body: parties.PartyOfCaseIn, door: Annotated[CaseDoor, records(Permission.OPEN_APPLICATION)]
) -> Receipt:
    """Add a potential victim or a child who came to light."""
    return await door.record(parties.add_party, body)


@router.post("/{case_id}/persons", status_code=201, responses=ERRORS_OF_ACT)
async def amend_person(
    body: parties.AmendedPersonIn, door: Annotated[CaseDoor, records(Permission.OPEN_APPLICATION)]
) -> Receipt:
    """Change what was sent of a party's person; the name held until now stays as an alias, the rest as a version."""
    return await door.record(parties.amend, body)


@router.get("/{case_id}/persons", responses=ERRORS_OF_CASE)
async def read_person_versions(door: Annotated[CaseDoor, reads(Permission.READ_RECORDS)]) -> list[PersonVersionView]:
    """What was recorded of the people until it was amended, and what was said and does not stand (H1.4)."""
    return await door.history(PersonVersionView)


@router.post("/{case_id}/safe-contacts", status_code=201, responses=ERRORS_OF_ACT)
async def agree_contact(
    body: parties.AgreedContactIn, door: Annotated[CaseDoor, records(Permission.RECORD_CONTACT)]
) -> Receipt:
    """Settle how a party may be reached safely (H2.1)."""
    return await door.record(parties.agree_contact, body)


@people.get("/staff", responses=ERRORS)
async def list_colleagues(door: Annotated[Door, requires(Permission.LIST_STAFF)]) -> list[Colleague]:
    """Active staff of the own force and of the agencies that sit with it: who may be given a case, who sits."""
    await door.log(Category.CONSULTATION)
    return await casefile.colleagues(door.session, door.actor)
