"""Rights that see far are given before a second pair of eyes: professional standards hear of each (H1.3).

One administrator may give them; nobody may do so unseen. [ours]
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access import administration
from app.access.changes import Changed
from app.access.rules import Actor, Role
from app.access.schemas import StaffChangeIn, StaffIn, StaffView
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.misuse.service import whose


async def add_staff(session: AsyncSession, given: StaffIn, *, actor: Actor, now: datetime) -> StaffView:
    """Add an account, and have what it may do looked at."""
    made, changed = await administration.add_staff(session, given, actor=actor)
    await ask_about(session, changed, now=now)
    return made


async def change_staff(
    session: AsyncSession, staff_id: UUID, given: StaffChangeIn, *, actor: Actor, now: datetime
) -> StaffView:
    """Change what an account may do, and have it looked at."""
    shown, changed = await administration.change_staff(session, staff_id, given, actor=actor)
    await ask_about(session, changed, now=now)
    return shown


async def ask_about(session: AsyncSession, changed: Changed | None, *, now: datetime) -> None:
    """Put what lets anybody see restricted cases or read the log before professional standards of the force.

    That is a far-seeing role; a supervising role or a rank by which the account leads restricted cases; and whatever
    leaves nobody who leads by rank or as head, so that every supervisor does. It is kept from the account that was
    changed, which at a sign-in is also whoever brought it about; an administrator sees no such task by the role. Where
    professional standards are nobody else, the head is asked.
    """
    if changed is None or not (changed.far_seeing or changed.leading):
        return
    by = "by a sign-in" if changed.changed_by in (None, changed.staff_id) else f"by account {changed.changed_by}"
    others = ", ".join(str(one) for one in sorted(changed.leading - {changed.staff_id}))
    beside = f" Since then these lead restricted cases, as nobody does by rank or as head: {others}." if others else ""
    await open_task(
        session,
        kind=TaskKind.RIGHTS_GIVEN,
        says=f"Account {changed.staff_id} was {_made(changed)} {by}.{beside} Was it meant to be? Change {changed.id}.",
        for_role=await whose(session, changed.staff_id, changed.force_id, None),
        force_id=changed.force_id,
        about=str(changed.id),
        kept_from=changed.staff_id,
        now=now,
    )


def _made(changed: Changed) -> str:
    made = []
    if changed.far_seeing:
        made.append(f"made {', '.join(role.replace('_', ' ') for role in Role if role in changed.far_seeing)}")
    if changed.staff_id in changed.leading and Role.HEAD_OF_PUBLIC_PROTECTION not in changed.far_seeing:
        made.append("let lead restricted cases")
    return " and ".join(made) or "changed"
