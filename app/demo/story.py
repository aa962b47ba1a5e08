"""A case told from its first contact on: each act goes through the case's door at its own moment in the past.

As at every front door, the services decide, the version of the case rises with each act, and the log keeps who
touched what. A story is one transaction: it is there as a whole or not at all.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.rules import Actor
from app.access.service import reach
from app.cases.holding import assign
from app.cases.schemas import AssignmentIn, Parties, PartyView
from app.cases.service import case_in_reach, parties
from app.cases.tables import Case
from app.clock import LONDON
from app.demo import staff
from app.doors import CaseDoor, CaseService, Door
from app.errors import ClaresLawError
from app.evidence.owing import settle
from app.evidence.terms import Category
from app.forum import meetings
from app.forum.schemas import AgendaIn, AttendanceIn, MeetingIn, MemberAttendanceIn
from app.forum.terms import Attendance
from app.intake.drafts import keep_draft
from app.intake.schemas import ApplicationIn, DraftIn
from app.intake.service import open_application
from app.safeguarding.schemas import DutyAnswerIn
from app.safeguarding.service import answer_duty

_ACTION = "demonstration"


class StoryInFuture(ClaresLawError):
    """A story would tell of what has not happened yet."""

    code: ClassVar[str] = "story_in_future"


class _Title(BaseModel):
    """What a story is known by, whenever it is told."""

    story: str


class Story:
    """One fictional case. `moment` is when its next act happens; it never passes `now`."""

    _first: Door

    def __init__(
        self, session: AsyncSession, cast: Mapping[str, Actor], opened_by: str, *, begins: datetime, now: datetime
    ) -> None:
        self.session, self.begins, self.moment = session, begins, begins
        self.people = Parties()
        self._cast, self._opened_by, self._now = cast, opened_by, now
        self._case: Case | None = None

    @property
    def case(self) -> Case:
        """The case, once it is opened."""
        assert self._case is not None, "the story opens its case first"
        return self._case

    @property
    def subject(self) -> UUID:
        """The person asked about."""
        assert self.people.subject is not None
        return self.people.subject.id

    @property
    def victims(self) -> list[PartyView]:
        """The potential victims by name."""
        return sorted(self.people.potential_victims, key=lambda one: one.person.given_names or "")

    @property
    def victim(self) -> UUID:
        """The first of them."""
        return self.victims[0].id

    @property
    def applicant(self) -> UUID:
        """The party who asks."""
        assert self.people.applicant is not None
        return self.people.applicant.id

    def later(self, *, days: int = 0, hours: float = 0, minutes: int = 0) -> "Story":
        """Let time pass before the next act."""
        self.moment += timedelta(days=days, hours=hours, minutes=minutes)
        if self.moment > self._now:
            raise StoryInFuture("A story of the demonstration passes the present.")
        return self

    async def claim(self, key: str) -> bool:
        """Whether nobody told this story before; it is then this transaction's, under the opener's request key."""
        opener = self._cast[self._opened_by]
        await reach(self.session, opener, whole=True)  # the rules of every act read everybody, whoever acts
        self._first = self._door(self._opened_by)
        self._first.idempotency_key = key
        return await self._first.answered(_Title(story=key)) is None

    async def draft(self, draft: DraftIn) -> None:
        """Keep an application begun."""
        kept = await keep_draft(self.session, draft, actor=self._first.actor, now=self.moment)
        await self._first.opened(kept.id, kept.version)

    async def open(self, application: ApplicationIn, *, held_by: str = staff.OFFICER) -> None:
        """Open the case, and have a supervisor give it to an officer."""
        actor = self._first.actor
        opened = await open_application(self.session, application, actor=actor, now=self.moment)
        await self._first.opened(opened.id, opened.version)
        await settle(self.session)
        # A partner's case is the force's from now on.
        await reach(self.session, actor, force_id=actor.serves_force_id, whole=True)
        self._case = await case_in_reach(self.session, opened.id, for_change=True)
        self.people = await parties(self.session, opened.id)
        supervisor = staff.SUPERVISOR if actor.serves_force_id == staff.OWN else staff.OTHER_SUPERVISOR
        order = AssignmentIn(staff_id=staff.staff_id_of(held_by), reason="Next on the unit's rota.")
        await self.later(minutes=10).act(supervisor, assign, order)

    async def act(self, by: str, service: CaseService, given: BaseModel) -> UUID:
        """One act or decision at the story's moment; the id of the row that it made."""
        receipt = await CaseDoor(**self._shared(by), case=self.case).record(service, given)
        await settle(self.session)
        return receipt.id

    async def answer(self, by: str, duty_id: UUID, given: DutyAnswerIn) -> None:
        """Answer a duty."""
        await self.act(by, partial(answer_duty, duty_id=str(duty_id)), given)

    async def sits(self, *, in_days: int = 0) -> UUID:
        """The forum sits on the case, at once with everybody present, or later with everybody invited; the item."""
        door = self._door(staff.CHAIR)
        ids = [staff.staff_id_of(one) for one in staff.QUORUM]
        meeting = await meetings.arrange_meeting(
            self.session,
            MeetingIn(
                held_on=(self.moment + timedelta(days=in_days)).astimezone(LONDON).date(),
                is_marac=True,
                chair_id=ids[0],
                members=ids,
            ),
            actor=door.actor,
            now=door.now,
        )
        await door.log(Category.COLLECTION, event_id=meeting)
        agenda = AgendaIn(case_id=self.case.id)
        item = await self.act(staff.CHAIR, partial(meetings.put_on_agenda, meeting_id=meeting), agenda)
        if not in_days:
            there = [MemberAttendanceIn(staff_id=one, attendance=Attendance.PRESENT) for one in ids]
            given = AttendanceIn(members=there)
            await meetings.record_attendance(self.session, meeting, given, actor=door.actor, now=door.now)
            await door.log(Category.ALTERATION, event_id=meeting)
        return item

    def _door(self, by: str) -> Door:
        return Door(**self._shared(by))

    def _shared(self, by: str) -> dict[str, Any]:
        return {
            "session": self.session,
            "actor": self._cast[by],
            "now": self.moment,
            "request_id": _ACTION,
            "response": Response(),
            "action": _ACTION,
            "path": _ACTION,
        }
