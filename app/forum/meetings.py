"""Meetings of the forum: who sits, and what is on the agenda (H6.1, H6.2, H6.7)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import PERMISSIONS, Actor, Permission, known_roles
from app.access.tables import Agency, CaseGrant, StaffMember
from app.cases.schemas import Recorded
from app.cases.service import must_be_at, note
from app.cases.tables import Case
from app.cases.withholding import allow_members
from app.categorisation.tables import Referral
from app.clock import LONDON
from app.editions.terms import POLICE
from app.errors import Conflict, NotFound, Unprocessable
from app.forum.schemas import AgendaIn, AttendanceIn, MeetingIn, MinutesIn, TakenOffIn
from app.forum.sight import conflicted_in, end_grants, tells_nothing
from app.forum.tables import (
    AgendaItem,
    DecisionReturn,
    EmergencyAuthority,
    ForumAttendance,
    ForumMeeting,
    ForumMember,
    ForumMinutes,
)
from app.forum.terms import Attendance, ItemEnd
from app.forum.views import AgendaItemView, MeetingSummary, MeetingView, MemberView
from app.process import Stage
from app.safeguarding.service import act_keys, record_act
from app.storage.base import columns_of


class MeetingNotFound(NotFound):
    """No such meeting, or not one of yours."""

    code = "meeting_not_found"

    def __init__(self) -> None:
        super().__init__("No meeting is held under that address, or it is not yours to see.")


class ItemNotFound(NotFound):
    """No such item on that agenda, or not yours to see."""

    code = "item_not_found"

    def __init__(self) -> None:
        super().__init__("No item is held under that address, or it is not yours to see.")


class ItemEnded(Conflict):
    """The case is no longer on this agenda."""

    code = "item_ended"


class AlreadyOnAgenda(Conflict):
    """The case is on an agenda."""

    code = "already_on_agenda"


class MeetingTooEarly(Conflict):
    """The meeting was held before the case came to the forum."""

    code = "meeting_too_early"


class MeetingNotHeld(Conflict):
    """The meeting's day has not come."""

    code = "meeting_not_held"


async def arrange_meeting(session: AsyncSession, given: MeetingIn, *, actor: Actor, now: datetime) -> UUID:
    """Arrange a meeting of the force's forum; its chair must be able to decide at a forum."""
    meeting = ForumMeeting(
        force_id=actor.serves_force_id,
        held_on=given.held_on,
        kind=given.kind,
        is_marac=given.is_marac,
        chair_id=given.chair_id,
        arranged_at=now,
        arranged_by=actor.staff_id,
    )
    chair = await session.get(StaffMember, given.chair_id)
    if chair is None or not _may_chair(chair):
        raise Unprocessable("chair_id must name somebody who may chair the forum.", field="chair_id")
    session.add(meeting)
    await session.flush()
    members = dict.fromkeys([given.chair_id, *given.members])
    await _list_members(session, meeting, members, field="members", actor=actor, now=now)
    return meeting.id


def _may_chair(person: StaffMember) -> bool:
    return any(Permission.DECIDE_AT_FORUM in PERMISSIONS[role] for role in known_roles(person.roles))


async def _list_members(
    session: AsyncSession, meeting: ForumMeeting, staff_ids: Iterable[UUID], *, field: str, actor: Actor, now: datetime
) -> None:
    """List members, each under the agency of the own account: nobody sits for an agency by being typed so."""
    wanted = set(staff_ids)
    query = (
        select(
            col(StaffMember.id),
            col(Agency.kind),
            func.coalesce(col(StaffMember.force_id), col(Agency.force_id)).label("sits_with"),
        )
        .outerjoin(Agency, col(Agency.id) == col(StaffMember.agency_id))
        .where(col(StaffMember.id).in_(wanted), col(StaffMember.active))
    )
    found = [row for row in (await session.execute(query)).all() if row.sits_with == meeting.force_id]
    if len(found) != len(wanted):
        raise Unprocessable("Each member must be active staff of this force or of an agency of its forum.", field=field)
    session.add_all(
        ForumMember(
            meeting_id=meeting.id,
            staff_id=row.id,
            agency=row.kind or POLICE,
            listed_at=now,
            listed_by=actor.staff_id,
        )
        for row in found
    )
    await session.flush()
    for item in await _held_items(session, meeting.id):
        await _let_in(session, meeting, item, actor=actor, now=now)


async def _let_in(
    session: AsyncSession, meeting: ForumMeeting, item: AgendaItem, *, actor: Actor, now: datetime
) -> None:
    """Let whoever sits at the meeting see the case of an item, but for those with a conflict of interest in it (H6.2).

    By the item, until it ends; the police, where the case is withheld, by name too (H2.8).
    """
    apart = await conflicted_in(session, item.case_id)
    members = await listed_members(session, meeting.id)
    held = select(col(CaseGrant.staff_id)).where(col(CaseGrant.item_id) == item.id)
    known = set(await session.scalars(held))
    session.add_all(
        CaseGrant(staff_id=row.staff_id, item_id=item.id, case_id=item.case_id, granted_at=now)
        for row in members
        if row.staff_id not in apart | known
    )
    police = [row.staff_id for row in members if row.agency == POLICE and row.staff_id not in apart]
    case = await session.get_one(Case, item.case_id)
    await allow_members(session, case, police, actor=actor, now=now)


async def _held_items(session: AsyncSession, meeting_id: UUID) -> list[AgendaItem]:
    """The open items of a meeting, their cases held: one that somebody is ending is waited for, and open no more."""
    is_open = (col(AgendaItem.meeting_id) == meeting_id, col(AgendaItem.ended_at).is_(None))
    on_it = select(col(AgendaItem.case_id)).where(*is_open)
    held = select(col(Case.id)).where(col(Case.id).in_(on_it)).order_by(col(Case.id)).with_for_update(key_share=True)
    await session.execute(held)
    return list(await session.scalars(select(AgendaItem).where(*is_open)))


async def meeting_at(session: AsyncSession, meeting_id: UUID, *, actor: Actor) -> ForumMeeting:
    """The meeting, for staff of its force and for its members; for anybody else it is not there."""
    meeting = await session.get(ForumMeeting, meeting_id)
    if meeting is None:
        raise MeetingNotFound
    if meeting.force_id != actor.force_id and await session.get(ForumMember, (meeting_id, actor.staff_id)) is None:
        raise MeetingNotFound
    return meeting


async def _held_meeting(session: AsyncSession, meeting_id: UUID, *, actor: Actor) -> ForumMeeting:
    """The meeting, held until the transaction ends: nobody is listed while an item is put on, nor the other way."""
    meeting = await meeting_at(session, meeting_id, actor=actor)
    await session.execute(select(col(ForumMeeting.id)).where(col(ForumMeeting.id) == meeting_id).with_for_update())
    return meeting


def _day(moment: datetime) -> date:
    return moment.astimezone(LONDON).date()


async def meetings_of(session: AsyncSession, *, actor: Actor) -> list[MeetingSummary]:
    """The meetings that a person may see, newest first: those of the own force, or those sat at. At most 200."""
    query = (
        select(*columns_of(ForumMeeting)).order_by(col(ForumMeeting.held_on).desc(), col(ForumMeeting.id)).limit(200)
    )
    if actor.is_partner:
        sat_at = select(col(ForumMember.meeting_id)).where(col(ForumMember.staff_id) == actor.staff_id)
        query = query.where(col(ForumMeeting.id).in_(sat_at))
    else:
        query = query.where(col(ForumMeeting.force_id) == actor.force_id, tells_nothing(actor))
    return [MeetingSummary.model_validate(row) for row in (await session.execute(query)).all()]


async def read_meeting(session: AsyncSession, meeting_id: UUID, *, actor: Actor) -> MeetingView:
    """A meeting with its members and the items that row-level security shows to the reader."""
    meeting = await meeting_at(session, meeting_id, actor=actor)
    return MeetingView(
        **MeetingSummary.model_validate(meeting).model_dump(),
        members=await members_of(session, meeting_id),
        agenda=await agenda_of(session, meeting_id),
    )


async def members_of(session: AsyncSession, meeting_id: UUID) -> list[MemberView]:
    """Who sits at a meeting, with the newest attendance."""
    attendance = await newest_attendance(session, meeting_id)
    return [
        MemberView(staff_id=row.staff_id, name=row.name, agency=row.agency, attendance=attendance.get(row.staff_id))
        for row in await listed_members(session, meeting_id)
    ]


async def agenda_of(session: AsyncSession, meeting_id: UUID) -> list[AgendaItemView]:
    """The items of a meeting, in the order in which they were put on."""
    query = (
        select(*columns_of(AgendaItem), col(Case.reference))
        .join(Case, col(Case.id) == col(AgendaItem.case_id))
        .where(col(AgendaItem.meeting_id) == meeting_id)
        .order_by(col(AgendaItem.opened_at), col(AgendaItem.id))
    )
    return [AgendaItemView.model_validate(row) for row in (await session.execute(query)).all()]


async def listed_members(session: AsyncSession, meeting_id: UUID) -> Sequence[Row[UUID, str, str]]:
    """Each member's id, name and agency."""
    query = (
        select(col(ForumMember.staff_id), col(StaffMember.name), col(ForumMember.agency))
        .join(StaffMember, col(StaffMember.id) == col(ForumMember.staff_id))
        .where(col(ForumMember.meeting_id) == meeting_id)
        .order_by(col(ForumMember.agency), col(StaffMember.name))
    )
    return (await session.execute(query)).all()


async def newest_attendance(session: AsyncSession, meeting_id: UUID) -> dict[UUID, Attendance]:
    """What was recorded last of each member of whom anything was."""
    query = (
        select(col(ForumAttendance.staff_id), col(ForumAttendance.attendance))
        .where(col(ForumAttendance.meeting_id) == meeting_id)
        .order_by(col(ForumAttendance.position))
    )
    return {row.staff_id: row.attendance for row in (await session.execute(query)).all()}


async def record_attendance(
    session: AsyncSession, meeting_id: UUID, given: AttendanceIn, *, actor: Actor, now: datetime
) -> None:
    """Keep who is there; whoever is not listed yet is listed, and sees the open items from then on.

    Apologies may come before the meeting's day; nobody is present before it.
    """
    meeting = await _held_meeting(session, meeting_id, actor=actor)
    if any(one.attendance is Attendance.PRESENT for one in given.members) and meeting.held_on > _day(now):
        raise MeetingNotHeld("The meeting's day has not come: record who is present when it sits.")
    listed = {row.staff_id for row in await listed_members(session, meeting_id)}
    unlisted = {one.staff_id for one in given.members} - listed
    await _list_members(session, meeting, unlisted, field="members", actor=actor, now=now)
    for one in given.members:
        session.add(
            ForumAttendance(
                meeting_id=meeting_id,
                staff_id=one.staff_id,
                attendance=one.attendance,
                recorded_at=now,
                recorded_by=actor.staff_id,
            )
        )
        await session.flush()  # one by one: the order in which they were given is the order that counts


async def put_on_agenda(
    session: AsyncSession, case: Case, given: AgendaIn, *, meeting_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Put a case that waits for the forum on the agenda; the meeting's partners see it until the item ends.

    A meeting held before the case came to the forum never sat on it, so that its quorum counts for nothing (H6.1).
    """
    must_be_at(case, Stage.FORUM)
    if await open_item_of(session, case.id) is not None:
        raise AlreadyOnAgenda("The case is on an agenda already. Take it off there first, or decide it there.")
    meeting = await _held_meeting(session, meeting_id, actor=actor)
    came_at = await _came_at(session, case.id)
    if came_at is not None and meeting.held_on < _day(came_at):
        raise MeetingTooEarly("The meeting was held before the case came to the forum: arrange another.")
    item = AgendaItem(
        case_id=case.id,
        force_id=case.force_id,
        meeting_id=meeting_id,
        opened_at=now,
        opened_by=actor.staff_id,
    )
    session.add(item)
    await session.flush()
    await _let_in(session, meeting, item, actor=actor, now=now)
    sentence = f"Put on the agenda of the forum of {meeting.held_on:%d %B %Y}."
    await note(session, case, "on_agenda", sentence, by=actor, now=now, about_id=item.id)
    return Recorded(item.id)


async def _came_at(session: AsyncSession, case_id: UUID) -> datetime | None:
    """When the case came to the forum, by referral or else by an emergency authority, or last came back to it."""
    referred = select(func.max(col(Referral.recorded_at))).where(col(Referral.case_id) == case_id)
    authorised = select(func.min(col(EmergencyAuthority.recorded_at))).where(col(EmergencyAuthority.case_id) == case_id)
    returned = select(func.max(col(DecisionReturn.recorded_at))).where(col(DecisionReturn.case_id) == case_id)
    came = func.coalesce(referred.scalar_subquery(), authorised.scalar_subquery())
    return await session.scalar(select(func.greatest(came, returned.scalar_subquery())))


async def open_item_of(session: AsyncSession, case_id: UUID) -> AgendaItem | None:
    """The agenda item on which a case waits, if there is one."""
    query = select(AgendaItem).where(col(AgendaItem.case_id) == case_id, col(AgendaItem.ended_at).is_(None))
    return (await session.scalars(query)).one_or_none()


async def case_of_item(session: AsyncSession, meeting_id: UUID, item_id: UUID, *, actor: Actor) -> UUID:
    """The case that an item is about, for whoever may see the item; a partner also sat at its meeting.

    The police of the case see it wherever it was decided, also when they took the case over afterwards (H8.5).
    """
    if actor.is_partner:
        await meeting_at(session, meeting_id, actor=actor)
    query = select(col(AgendaItem.case_id)).where(
        col(AgendaItem.id) == item_id, col(AgendaItem.meeting_id) == meeting_id
    )
    case_id = (await session.scalars(query)).one_or_none()
    if case_id is None:
        raise ItemNotFound
    return case_id


async def open_item(session: AsyncSession, item_id: UUID) -> AgendaItem:
    """The item, if it is still open."""
    item = await session.get_one(AgendaItem, item_id)
    if item.ended_at is not None:
        raise ItemEnded("The item has ended: the case was decided or taken off this agenda.")
    return item


async def take_off_agenda(
    session: AsyncSession, case: Case, given: TakenOffIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Take a case off an agenda; partners no longer see it. A decision that waits for its second person waits on."""
    item = await open_item(session, item_id)
    await end_item(session, item, ItemEnd.TAKEN_OFF, now=now)
    item.ended_reason = given.reason
    sentence = "Taken off the agenda."
    await note(session, case, "off_agenda", sentence, by=actor, now=now, about_id=item.id)
    return Recorded(item.id)


async def leave_agenda(session: AsyncSession, case_id: UUID, *, now: datetime) -> None:
    """Take a case off whatever agenda it waits on, because it ended otherwise (withdrawn, not completed ...)."""
    item = await open_item_of(session, case_id)
    if item is not None:
        await end_item(session, item, ItemEnd.TAKEN_OFF, now=now)


async def end_item(session: AsyncSession, item: AgendaItem, because: ItemEnd, *, now: datetime) -> None:
    """End an item, and with it what partners see of the case through it."""
    item.ended_at, item.ended_because = now, because
    await end_grants(session, item.case_id, now=now)


async def write_minutes(
    session: AsyncSession, case: Case, given: MinutesIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Keep the minutes of an item (H6.2)."""
    row = ForumMinutes(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at), item_id=item_id, minutes=given.minutes
    )
    return await record_act(session, case, row, "forum_minutes", "The item was minuted.", actor=actor, now=now)
