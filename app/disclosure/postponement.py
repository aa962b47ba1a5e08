"""Delivery that waits, for an investigation; the clocks run on (H7.7)."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import must_be_at, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.cases.touching import people_of, touch_people
from app.disclosure.conclusions import obstacles_to_postponing
from app.disclosure.rules import london_day
from app.disclosure.schemas import PostponementEndIn, PostponementIn, PostponementView
from app.disclosure.service import all_have_current_plans, facts
from app.disclosure.tables import Postponement, PostponementEnd
from app.errors import Conflict, refuse_if
from app.process import Stage
from app.safeguarding.service import act_keys
from app.storage.base import columns_of


class NotPostponed(Conflict):
    """No postponement is in force."""

    code = "not_postponed"


async def is_postponed(session: AsyncSession, case_id: UUID, potential_victim_id: UUID | None, *, today: date) -> bool:
    """Whether delivery to this potential victim waits: by a postponement of its own, or of every delivery."""
    whose = _whose(None)
    if potential_victim_id is not None:
        whose = or_(whose, _whose(potential_victim_id))
    return await _in_force(session, case_id, whose, today=today) is not None


def _whose(potential_victim_id: UUID | None) -> ColumnElement[bool]:
    return col(Postponement.potential_victim_id).is_not_distinct_from(potential_victim_id)


async def _in_force(session: AsyncSession, case_id: UUID, whose: ColumnElement[bool], *, today: date) -> UUID | None:
    """A postponement that is neither ended nor past its review date."""
    query = (
        select(col(Postponement.id))
        .outerjoin(PostponementEnd, col(PostponementEnd.postponement_id) == col(Postponement.id))
        .where(
            col(Postponement.case_id) == case_id,
            col(Postponement.review_on) > today,
            col(PostponementEnd.id).is_(None),
            whose,
        )
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def postpone(
    session: AsyncSession, case: Case, given: PostponementIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Let delivery wait, the investigator having been asked; the clocks run on (H7.7)."""
    must_be_at(case, Stage.FORUM, Stage.DISCLOSURE)
    victim, today = given.potential_victim_id, london_day(now)
    if victim is not None:
        await must_be_party(session, case, victim, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id")
    waiting = [victim] if victim else (await facts(session, case)).unconcluded
    refuse_if(
        obstacles_to_postponing(
            already_postponed=await is_postponed(session, case.id, victim, today=today),
            review_on=given.review_on,
            today=today,
            plans_are_current=await all_have_current_plans(session, case, waiting, today=today),
        )
    )
    row = Postponement(**act_keys(case, actor=actor, now=now, occurred_at=None), **given.model_dump())
    session.add(row)
    await session.flush()
    what = "Delivery to one potential victim" if victim else "Delivery"
    sentence = f"{what} postponed until its review on {given.review_on:%-d %b %Y}; the clocks run on."
    await note(session, case, "postponed", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def end_postponement(
    session: AsyncSession, case: Case, given: PostponementEndIn, *, actor: Actor, now: datetime
) -> Recorded:
    """End the postponement in force before its review date."""
    active = await _in_force(session, case.id, _whose(given.potential_victim_id), today=london_day(now))
    if active is None:
        says = (
            "No such postponement is in force: none was made for that potential victim, or for every one where none "
            "is named, or it was ended, or its review date came."
        )
        raise NotPostponed(says)
    row = PostponementEnd(
        **act_keys(case, actor=actor, now=now, occurred_at=None), postponement_id=active, reason=given.reason
    )
    session.add(row)
    await session.flush()
    await note(session, case, "postponement_ended", "The postponement was ended.", by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def postponements_of(session: AsyncSession, case: Case) -> list[PostponementView]:
    """Every postponement, oldest first, and how it ended."""
    query = (
        select(
            *columns_of(Postponement),
            *people_of(Postponement).values(),
            col(PostponementEnd.recorded_at).label("ended_at"),
            col(PostponementEnd.reason).label("end_reason"),
        )
        .outerjoin(PostponementEnd, col(PostponementEnd.postponement_id) == col(Postponement.id))
        .where(col(Postponement.case_id) == case.id)
        .order_by(col(Postponement.recorded_at))
    )
    found = (await session.execute(query)).all()
    touch_people(session, case.id, Postponement, found)
    return [PostponementView.model_validate(row) for row in found]
