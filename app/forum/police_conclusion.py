"""What the police conclude: without it nobody discloses (H6.3)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.schemas import Recorded
from app.cases.service import must_be_at, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.errors import refuse_if
from app.evidence.sealed import plain_columns
from app.forum.meetings import open_item
from app.forum.rules import Sitting, obstacles_to_police_conclusion
from app.forum.schemas import PoliceConclusionIn
from app.forum.sitting import sitting_on
from app.forum.tables import PoliceConclusion
from app.process import Stage
from app.safeguarding.service import act_keys


async def record_police_conclusion(
    session: AsyncSession, case: Case, given: PoliceConclusionIn, *, item_id: UUID, actor: Actor, now: datetime
) -> Recorded:
    """Record by name whether the police conclude disclosure to be necessary to protect from crime (H6.3)."""
    must_be_at(case, Stage.FORUM)
    item = await open_item(session, item_id)
    await must_be_party(
        session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
    )
    sitting = await sitting_on(session, item, case, now=now)
    of_the_force = actor.force_id == case.force_id
    refuse_if(obstacles_to_police_conclusion(sitting, by=actor.staff_id, of_the_force=of_the_force))
    row = PoliceConclusion(
        **act_keys(case, actor=actor, now=now, occurred_at=None), item_id=item_id, **given.model_dump()
    )
    session.add(row)
    await session.flush()
    sentence = (
        f"The police member recorded that the police {'' if given.necessary else 'do not '}conclude disclosure to be "
        "necessary for a potential victim."
    )
    await note(session, case, "police_conclusion", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def police_conclusion(
    session: AsyncSession, item_id: UUID, potential_victim_id: UUID, sitting: Sitting
) -> Row[Any] | None:
    """The newest conclusion of one potential victim on an item, unless whoever recorded it no longer counts."""
    query: Select[Any] = (
        select(*plain_columns(PoliceConclusion))
        .where(
            col(PoliceConclusion.item_id) == item_id,
            col(PoliceConclusion.potential_victim_id) == potential_victim_id,
        )
        .order_by(col(PoliceConclusion.position).desc())
    )
    counting = {seat.staff_id for seat in sitting.seats if seat.counts}
    return next((row for row in (await session.execute(query)).all() if row.recorded_by in counting), None)
