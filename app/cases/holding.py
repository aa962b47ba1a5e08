"""Who holds a case, and who held it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, known_roles, may_hold_cases
from app.access.tables import StaffMember
from app.cases.schemas import AssignmentIn, AssignmentView, Recorded
from app.cases.service import note
from app.cases.tables import Assignment, Case
from app.cases.withholding import allow_holder
from app.errors import Conflict, Unprocessable
from app.storage.base import columns_of


class CannotHold(Conflict):
    """The role of the person named does not work cases."""

    code = "cannot_hold"


async def assign(session: AsyncSession, case: Case, order: AssignmentIn, *, actor: Actor, now: datetime) -> Recorded:
    """Give the case to an officer of its force; the history is kept."""
    officer = await session.get(StaffMember, order.staff_id)
    if officer is None or not officer.active or officer.force_id != case.force_id:
        raise Unprocessable("staff_id must name an active member of staff of this force.", field="staff_id")
    if not may_hold_cases(known_roles(officer.roles)):
        raise CannotHold("A case is held by a public protection officer or supervisor: give it to one of them.")
    await allow_holder(session, case, officer.id, by=actor.staff_id, now=now)
    row = Assignment(
        case_id=case.id,
        force_id=case.force_id,
        staff_id=officer.id,
        reason=order.reason,
        occurred_at=now,
        recorded_at=now,
        recorded_by=actor.staff_id,
    )
    session.add(row)
    case.assigned_to = officer.id
    await note(
        session,
        case,
        "assigned",
        f"Assigned to {officer.name}.",
        by=actor,
        now=now,
        about_id=row.id,
    )
    return Recorded(row.id)


async def assignments(session: AsyncSession, case_id: UUID) -> list[AssignmentView]:
    """Who held the case, oldest first."""
    shown = [*columns_of(Assignment), col(StaffMember.name).label("staff_name")]
    query = (
        select(*shown)
        .join(StaffMember, col(StaffMember.id) == col(Assignment.staff_id))
        .where(col(Assignment.case_id) == case_id)
        .order_by(col(Assignment.occurred_at), col(Assignment.id))
    )
    return [AssignmentView.model_validate(row) for row in (await session.execute(query)).all()]
