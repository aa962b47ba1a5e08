"""The composite reads over all stages."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Permission
from app.access.service import seeing_whole
from app.access.tables import Agency, StaffMember
from app.casefile.rules import MAKE_SAFE, PLAN_AT_ONCE, PLAN_MEANWHILE, Planned, deviation_to_answer, what_next
from app.casefile.schemas import (
    CaseFile,
    Colleague,
    DecisionView,
    EventView,
    FollowedBy,
    NextStep,
    PartiesView,
    VictimStanding,
)
from app.casefile.steps import Standing, standing
from app.cases.schemas import CaseHeader, FlagView, GradeView, Parties, PartyView
from app.cases.service import parties
from app.cases.tables import Case
from app.deadlines.showing import clocks_of, is_late
from app.editions.terms import ClockKind
from app.evidence.owing import show, touch
from app.safeguarding.lateness import obstacles_to_going_on
from app.safeguarding.schemas import DutyView
from app.safeguarding.service import open_duties, rows_of
from app.safeguarding.terms import DutyKind
from app.storage.base import columns_of
from app.storage.statements import rows
from app.timeline.service import events

_case, _staff = columns_of(Case), columns_of(StaffMember)
_later = (
    select(_case.id, _case.reference, _case.follows_because.label("because"))
    .where(_case.follows_id == bindparam("case_id"))
    .subquery()
)
_AROUND = select(
    select(_staff.name).where(_staff.id == bindparam("assigned_to")).scalar_subquery().label("assigned_name"),
    select(func.coalesce(func.json_agg(_later.table_valued()), literal_column("'[]'")))
    .scalar_subquery()
    .label("followed_by"),
)
"""Who holds a case, and the cases that follow it."""


async def case_file(session: AsyncSession, case: Case, *, actor: Actor, now: datetime) -> CaseFile:
    """The case in one read. What stands and what comes next is worked out from everybody in it; who is shown is read as
    the reader may see it, and no service of ours can show more (H2.7).
    """
    people = await parties(session, case.id)
    clocks = await clocks_of(session, case.id, now=now)
    duties = await open_duties(session, case.id)
    async with seeing_whole(session) as more:
        everybody = await parties(session, case.id) if more else people
        stands = await standing(session, case, everybody, duties, actor=actor, now=now)
    (around,) = await rows(session, _AROUND, case_id=case.id, assigned_to=case.assigned_to)
    unsafe = any(duty.kind is DutyKind.IMMEDIATE_SAFEGUARDING for duty in duties)
    late = await obstacles_to_going_on(session, case, now=now, clocks=clocks)
    first = (*((MAKE_SAFE, PLAN_AT_ONCE) if unsafe else ()), *((PLAN_MEANWHILE,) if late else ()))
    waiting = [one for clock in clocks for one in clock.deviations if one.authorised is None]
    further = [*stands.further, *(deviation_to_answer(one.id) for one in waiting)]
    due = {clock.kind: clock.due_at for clock in clocks if clock.seconds_left is not None}
    touch(session, case.id, *(one.person.id for one in _everyone(people)))
    planned = what_next(
        case.stage, due=due, obstacles=stands.obstacles, done=stands.done, further=further, first=first, late=late
    )
    tells_route = actor.may(Permission.SEE_ROUTE)
    followed_by = [FollowedBy.model_validate(one) for one in around.followed_by]
    show(session, [case.follows_id if tells_route else None, *(one.id for one in followed_by)])
    return CaseFile(
        **CaseHeader.model_validate(case).model_dump(),
        urgent=case.urgent_since is not None,
        assigned_name=around.assigned_name,
        parties=PartiesView(
            subject=people.subject,
            potential_victims=list(people.potential_victims),
            applicant=people.applicant,
            other_applicants=list(people.other_applicants),
            children=list(people.children),
        ),
        victims=[_victim(one.id, stands) for one in people.potential_victims],
        clocks=[one for one in clocks if tells_route or one.kind is ClockKind.WHOLE_CASE],
        late=any(is_late(clock) for clock in clocks),
        risk=_newest(await grades(session, case)),
        duties=[DutyView.model_validate(duty) for duty in duties],
        what_next=[_step(one, case.id, actor) for one in planned],
        blocks_closing=[FlagView.model_validate(one) for one in stands.blocks_closing],
        followed_by=followed_by,
    )


def _everyone(people: Parties) -> list[PartyView]:
    one_each = [one for one in (people.subject, people.applicant) if one is not None]
    return [*one_each, *people.potential_victims, *people.other_applicants, *people.children]


def _victim(victim: UUID, stands: Standing) -> VictimStanding:
    decision, conclusion = stands.decisions.get(victim), stands.conclusions.get(victim)
    return VictimStanding(
        potential_victim_id=victim,
        police_category=stands.categories.get(victim),
        decision=None if decision is None else DecisionView.model_validate(decision),
        concluded_as=None if conclusion is None else conclusion.how,
        concluded_at=None if conclusion is None else conclusion.at,
    )


def _step(planned: Planned, case_id: UUID, actor: Actor) -> NextStep:
    step = planned.step
    return NextStep(
        action=step.action,
        does=step.does,
        kind=step.kind,
        path=step.path if step.path.startswith("/") else f"/v1/applications/{case_id}/{step.path}",
        permission=step.permission,
        who=list(planned.who),
        you_may=actor.may(step.permission),
        due_at=planned.due_at,
        blocked_by=[FlagView.model_validate(one) for one in planned.blocked_by],
    )


async def grades(session: AsyncSession, case: Case) -> list[GradeView]:
    """Every grade of risk, oldest first."""
    return await rows_of(session, case.id, GradeView)


def _newest(graded: Iterable[GradeView]) -> list[GradeView]:
    newest = {one.potential_victim_id: one for one in graded}
    return list(newest.values())


async def timeline(session: AsyncSession, case: Case, *, after: int, limit: int) -> list[EventView]:
    """What happened, a page at a time."""
    found = await events(session, case.id, after=after, limit=limit)
    return [EventView.model_validate(dict(row)) for row in found]


async def colleagues(session: AsyncSession, actor: Actor) -> list[Colleague]:
    """Active staff of the own force and of the agencies that sit with it, by name."""
    partners = select(col(Agency.id)).where(col(Agency.force_id) == actor.serves_force_id)
    ours = or_(col(StaffMember.force_id) == actor.serves_force_id, col(StaffMember.agency_id).in_(partners))
    query = select(*columns_of(StaffMember)).where(ours, col(StaffMember.active)).order_by(col(StaffMember.name))
    return [Colleague.model_validate(row) for row in (await session.execute(query)).all()]
