"""Who of a force can be told now, read once for many alerts; and the one place that decides whom one alert reaches."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import known_roles
from app.access.tables import StaffMember
from app.access.telling import may_be_told, withheld_cases
from app.channels.rules import Colleague, Recipient, who_is_told
from app.channels.tables import Absence, AlertPreference, WebhookSubscription
from app.editions.terms import AlertLevel
from app.settings import settings


@dataclass(frozen=True)
class Directory:
    """The active staff of some forces, who of them is away, and the systems that each force has named."""

    colleagues: Mapping[str, Mapping[UUID, Colleague]]
    away: Mapping[UUID, UUID | None]
    subscriptions: Mapping[str, list[UUID]]
    withheld: Collection[UUID]
    """Cases of which not everybody may be told (H2.8)."""


async def directory(
    session: AsyncSession, force_ids: Collection[str], case_ids: Collection[UUID], *, now: datetime
) -> Directory:
    """Read who can be told in these forces about these cases, as things stand at `now`."""
    found = select(
        col(StaffMember.id),
        col(StaffMember.force_id),
        col(StaffMember.roles),
        col(StaffMember.email),
        col(AlertPreference.mail),
        col(AlertPreference.digest),
    ).outerjoin(AlertPreference, col(AlertPreference.staff_id) == col(StaffMember.id))
    rows = await session.execute(found.where(col(StaffMember.active), col(StaffMember.force_id).in_(force_ids)))
    colleagues: dict[str, dict[UUID, Colleague]] = defaultdict(dict)
    for one in rows:
        single = settings().smtp_host is not None and one.mail is not False and not one.digest
        colleagues[one.force_id][one.id] = Colleague(one.id, known_roles(one.roles), one.email if single else None)
    subscribed = await session.execute(
        select(col(WebhookSubscription.id), col(WebhookSubscription.force_id)).where(
            col(WebhookSubscription.force_id).in_(force_ids), col(WebhookSubscription.disabled_at).is_(None)
        )
    )
    subscriptions: dict[str, list[UUID]] = defaultdict(list)
    for row in subscribed:
        subscriptions[row.force_id].append(row.id)
    withheld = await withheld_cases(session, case_ids)
    return Directory(colleagues, await _away(session, force_ids, now=now), subscriptions, withheld)


async def _away(session: AsyncSession, force_ids: Collection[str], *, now: datetime) -> dict[UUID, UUID | None]:
    """Who of these forces is absent, with the deputy; of two absences at once, the one recorded last."""
    query = (
        select(col(Absence.staff_id), col(Absence.deputy_id))
        .join(StaffMember, col(StaffMember.id) == col(Absence.staff_id))
        .where(
            col(StaffMember.force_id).in_(force_ids),
            col(Absence.absent_from) <= now,
            col(Absence.absent_until) > now,
            col(Absence.ended_at).is_(None),
        )
        .order_by(col(Absence.recorded_at), col(Absence.id))
    )
    return {row.staff_id: row.deputy_id for row in await session.execute(query)}


async def recipients(
    session: AsyncSession,
    known: Directory,
    level: AlertLevel,
    *,
    case_id: UUID,
    force_id: str,
    holder: UUID | None,
) -> list[Recipient]:
    """Whom an alert of one case reaches: nobody from whom the case is withheld (H2.8)."""
    colleagues = known.colleagues.get(force_id, {})
    if case_id in known.withheld:
        seeing = await may_be_told(session, case_id, colleagues)
        colleagues = {staff_id: one for staff_id, one in colleagues.items() if staff_id in seeing}
    return who_is_told(level, holder=holder, colleagues=colleagues, away=known.away)
