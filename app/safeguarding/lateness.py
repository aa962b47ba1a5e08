"""What a late case asks for: an interim plan before it goes on, and deviations that somebody answers for (H10.6)."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import CONCLUDED, same_person
from app.cases.schemas import Recorded
from app.cases.service import known_id, must_be_party, note
from app.cases.tables import Case, Party, PartyRole
from app.deadlines.calendar import london_day
from app.deadlines.deviations import deviations_of
from app.deadlines.schemas import ClockView
from app.deadlines.service import deviate
from app.deadlines.showing import clocks_of, is_late
from app.deadlines.tables import Deviation, DeviationAnswer
from app.editions import edition
from app.editions.terms import ClockKind
from app.errors import AlreadyDecided, NotFound, Obstacle, Unprocessable, refuse_if
from app.process import Stage
from app.safeguarding.rules import no_interim_plan, obstacles_to_deviation
from app.safeguarding.schemas import DeviationAnswerIn, DeviationIn, InterimPlanIn, Meanwhile
from app.safeguarding.service import act_keys, record_act
from app.safeguarding.tables import InterimPlan


class NoSuchClock(Unprocessable):
    """The case has no such clock."""

    code = "no_such_clock"

    def __init__(self, field: str) -> None:
        super().__init__("The case has no such clock; its case file lists those that it has.", field=field)


class DeviationNotFound(NotFound):
    """No such deviation in this case."""

    code = "deviation_not_found"

    def __init__(self) -> None:
        super().__init__("No such deviation is held in this case.")


async def obstacles_to_going_on(
    session: AsyncSession, case: Case, *, now: datetime, clocks: Iterable[ClockView] | None = None
) -> list[Obstacle]:
    """What stands against any decision that takes a late case on: no late case proceeds silently (H2.6, H10.6).

    Asked until the case has come to its end; a clock that was met late, or ended past its limit, is late for good.
    """
    if case.stage in (Stage.INTAKE, *CONCLUDED):
        return []
    known = await clocks_of(session, case.id, now=now) if clocks is None else clocks
    return await _unplanned(session, case.id, {one.kind for one in known if is_late(one)}, now=now)


async def _unplanned(
    session: AsyncSession, case_id: UUID, late: Collection[ClockKind], *, now: datetime
) -> list[Obstacle]:
    if not late:
        return []
    wanted: list[Any] = [col(Party.id), col(InterimPlan.clocks), col(InterimPlan.review_on)]
    query = (
        select(*wanted)
        .outerjoin(InterimPlan, and_(col(InterimPlan.potential_victim_id) == col(Party.id)))
        .where(col(Party.case_id) == case_id, col(Party.role) == PartyRole.POTENTIAL_VICTIM)
        .order_by(col(InterimPlan.recorded_at))
    )
    plans: dict[UUID, list[Meanwhile]] = {}
    for victim, answered, review_on in await session.execute(query):
        of_victim = plans.setdefault(victim, [])
        if answered is not None:
            of_victim.append(Meanwhile(frozenset(map(ClockKind, answered)), review_on))
    return no_interim_plan(late, plans, today=london_day(now))


async def record_interim_plan(
    session: AsyncSession, case: Case, plan: InterimPlanIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep what holds for one potential victim while a duty is late (H2.6). NoSuchClock for one the case has not."""
    await must_be_party(
        session, case, plan.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    if not set(plan.clocks) <= {one.kind for one in await clocks_of(session, case.id, now=now)}:
        raise NoSuchClock("clocks")
    row = InterimPlan(
        **act_keys(case, actor=actor, now=now, occurred_at=plan.occurred_at),
        **plan.model_dump(exclude={"occurred_at", "clocks"}),
        clocks=[kind.value for kind in ClockKind if kind in plan.clocks],
    )
    sentence = "Interim safeguarding and communication plan recorded."
    return await record_act(session, case, row, "interim_plan", sentence, actor=actor, now=now)


async def record_deviation(
    session: AsyncSession, case: Case, given: DeviationIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Keep why a limit is not kept; it moves no clock, and awaits a supervisor (H10.6). NoSuchClock as above."""
    if not await deviate(session, case.id, given.clock):
        raise NoSuchClock("clock")
    row = Deviation(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = f"Deviation from a limit: {given.clock.replace('_', ' ')}. It awaits a supervisor; the clock runs on."
    wrong = obstacles_to_deviation(edition(case.edition))
    return await record_act(session, case, row, "deviation", sentence, actor=actor, now=now, wrong=wrong)


async def answer_deviation(
    session: AsyncSession, case: Case, given: DeviationAnswerIn, *, actor: Actor, now: datetime, deviation_id: str
) -> Recorded:
    """A supervisor authorises a deviation or does not, as another than who recorded it where the edition says so.

    Refused to authorise what the edition does not know, or while the interim plan that goes with it is missing (H10.6).
    """
    wanted = known_id(deviation_id, DeviationNotFound())
    found = next((one for one in await deviations_of(session, case.id) if one.id == wanted), None)
    if found is None:
        raise DeviationNotFound
    if found.authorised is not None:
        raise AlreadyDecided("This deviation is answered already; its answer stands beside the clock.")
    scheme = edition(case.edition)
    obstacles: list[Obstacle] = []
    if scheme.deviations.second_person:
        obstacles += same_person(
            found.recorded_by, actor.staff_id, doing="Whoever answers a deviation from a limit", rule="H10.6"
        )
    if given.authorises:
        obstacles += obstacles_to_deviation(scheme)
        obstacles += await _unplanned(session, case.id, {found.clock}, now=now)
    refuse_if(obstacles)
    row = DeviationAnswer(
        **act_keys(case, actor=actor, now=now, occurred_at=None), deviation_id=found.id, **given.model_dump()
    )
    session.add(row)
    verb = "authorised" if given.authorises else "not authorised"
    sentence = f"Deviation from a limit {verb}: {found.clock.replace('_', ' ')}."
    await note(session, case, "deviation_answered", sentence, by=actor, now=now, about_id=found.id)
    return Recorded(row.id)
