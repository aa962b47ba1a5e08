"""The meeting as it sits on one item: its quorum, and who took part (H6.1, H6.2)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.schemas import Parties
from app.cases.service import parties
from app.cases.tables import Case
from app.clock import LONDON
from app.editions import edition
from app.forum.meetings import listed_members, newest_attendance
from app.forum.rules import Seat, Sitting
from app.forum.sight import conflicted_in
from app.forum.tables import AgendaItem, ForumAttendance, ForumDecision, ForumMeeting, PoliceConclusion
from app.forum.terms import Attendance
from app.intake.rules import under_age


async def sitting_on(session: AsyncSession, item: AgendaItem, case: Case, *, now: datetime) -> Sitting:
    """The meeting as it sits on one item: the quorum that this case needs, and who counts towards it (H6.1)."""
    meeting = await session.get_one(ForumMeeting, item.meeting_id)
    attendance = await newest_attendance(session, meeting.id)
    conflicted = await conflicted_in(session, case.id)
    affected = children_affected(await parties(session, case.id), case, now=now)
    return Sitting(
        required=edition(case.edition).quorum(children_affected=affected),
        seats=tuple(
            Seat(
                row.staff_id,
                row.agency,
                present=attendance.get(row.staff_id) is Attendance.PRESENT,
                conflicted=row.staff_id in conflicted,
            )
            for row in await listed_members(session, meeting.id)
        ),
        chair_id=meeting.chair_id,
        held_on=meeting.held_on,
    )


async def took_part(session: AsyncSession, item: AgendaItem) -> set[UUID]:
    """Who ever took part in an item: present at its meeting at any time, chaired, concluded for the police, decided.

    A later correction of the attendance takes nobody's part back.
    """
    present = select(col(ForumAttendance.staff_id)).where(
        col(ForumAttendance.meeting_id) == item.meeting_id, col(ForumAttendance.attendance) == Attendance.PRESENT
    )
    chaired = select(col(ForumMeeting.chair_id)).where(col(ForumMeeting.id) == item.meeting_id)
    concluded = select(col(PoliceConclusion.recorded_by)).where(col(PoliceConclusion.item_id) == item.id)
    decided = select(col(ForumDecision.recorded_by)).where(col(ForumDecision.item_id) == item.id)
    return set(await session.scalars(present.union(chaired, concluded, decided)))


def children_affected(known: Parties, case: Case, *, now: datetime) -> bool:
    """Whether a child is a party, or a party is under the edition's age of a child (H2.9, H6.1)."""
    births = [party.person.born for party in known.everyone]
    today = now.astimezone(LONDON).date()
    return bool(known.children) or under_age(births, edition=edition(case.edition), today=today)
