"""One case between two forces: the first offers it, the force where the potential victim lives accepts (H8.5).

Until then the first owns it. Clocks run on, every row moves with the case, and it is counted once.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.access.rules import Actor, Permission
from app.access.service import reach
from app.access.tables import Force
from app.cases.rules import CONCLUDED
from app.cases.schemas import Receipt, Recorded
from app.cases.service import case_in_reach, case_still_in_reach, note
from app.cases.tables import Case
from app.cases.withholding import allow_holder
from app.errors import AlreadyDecided, NotFound, Obstacle, Unprocessable, refuse_if
from app.evidence.owing import show
from app.final_report.rules import obstacles_to_transfer
from app.final_report.schemas import TransferAcceptanceIn, TransferIn, TransferView
from app.final_report.tables import TransferAcceptance, TransferOffer
from app.forum.tables import AgendaItem
from app.process import Stage
from app.safeguarding.service import act_keys, open_duties
from app.safeguarding.terms import DutyKind


class TransferNotFound(NotFound):
    """No such offer, or none to this force."""

    code = "transfer_not_found"

    def __init__(self) -> None:
        super().__init__("No case is offered to your force under that address.")


async def offer_transfer(
    session: AsyncSession, case: Case, given: TransferIn, *, actor: Actor, now: datetime
) -> Recorded:
    """Offer the case to another force once checks are decided and everybody is safe; a newer offer replaces it."""
    to = await session.get(Force, given.to_force_id)
    if to is None or to.id == case.force_id:
        raise Unprocessable("to_force_id must name another force.", field="to_force_id")
    refuse_if(await _obstacles(session, case))
    row = TransferOffer(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        reference=case.reference,
        from_force_id=case.force_id,
        to_force_id=to.id,
        reason=given.reason,
        replaces_id=await _standing_offer(session, case.id),
    )
    session.add(row)
    await session.flush()
    sentence = f"Offered to {to.name}; until it accepts, this force owns the case."
    await note(session, case, "transfer_offered", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def _obstacles(session: AsyncSession, case: Case) -> list[Obstacle]:
    listed = select(col(AgendaItem.id)).where(col(AgendaItem.case_id) == case.id, col(AgendaItem.ended_at).is_(None))
    return obstacles_to_transfer(
        checks_decided=case.stage not in (Stage.INTAKE, Stage.INITIAL_CHECKS),
        ended=case.stage in CONCLUDED,
        immediate_safeguarding_owed=bool(await open_duties(session, case.id, DutyKind.IMMEDIATE_SAFEGUARDING)),
        on_agenda=(await session.scalars(listed)).first() is not None,
    )


async def _standing_offer(session: AsyncSession, case_id: UUID) -> UUID | None:
    """The newest offer that nobody has accepted yet."""
    newer = aliased(TransferOffer)
    replaced = select(col(newer.id)).where(col(newer.replaces_id) == col(TransferOffer.id)).exists()
    accepted = select(col(TransferAcceptance.id)).where(col(TransferAcceptance.offer_id) == col(TransferOffer.id))
    query = select(col(TransferOffer.id)).where(col(TransferOffer.case_id) == case_id, ~replaced, ~accepted.exists())
    return (await session.scalars(query)).one_or_none()


async def transfers(session: AsyncSession) -> list[TransferView]:
    """Offers from and to the own force, newest first; of the case itself nothing but its reference."""
    sender, receiver = aliased(Force), aliased(Force)
    newer = aliased(TransferOffer)
    replaced = select(col(newer.id)).where(col(newer.replaces_id) == col(TransferOffer.id)).exists()
    shown: list[Any] = [
        col(TransferOffer.id),
        col(TransferOffer.case_id),
        col(TransferOffer.reference),
        col(sender.name).label("from_force"),
        col(receiver.name).label("to_force"),
        col(TransferOffer.reason),
        col(TransferOffer.recorded_at).label("offered_at"),
        col(TransferAcceptance.recorded_at).label("accepted_at"),
        col(TransferAcceptance.note),
        replaced.label("replaced"),
    ]
    query = (
        select(*shown)
        .join(sender, col(sender.id) == col(TransferOffer.from_force_id))
        .join(receiver, col(receiver.id) == col(TransferOffer.to_force_id))
        .outerjoin(TransferAcceptance, col(TransferAcceptance.offer_id) == col(TransferOffer.id))
        .order_by(col(TransferOffer.recorded_at).desc(), col(TransferOffer.id))
        .limit(500)
    )
    found = (await session.execute(query)).all()
    show(session, [row.case_id for row in found])
    return [TransferView.model_validate(row) for row in found]


async def accept_transfer(
    session: AsyncSession, offer_id: UUID, given: TransferAcceptanceIn, *, actor: Actor, now: datetime
) -> Receipt:
    """Take the case over: from now on it is this force's, with everything in it and its clocks as they run."""
    offer = await session.get(TransferOffer, offer_id)
    if offer is None or offer.to_force_id != actor.force_id:
        raise TransferNotFound
    # The case is still the other force's: this transaction reaches it as it would a case on an agenda.
    await reach(session, actor, also=(offer.case_id,))
    case, _ = await case_still_in_reach(session, offer.case_id, actor=actor, permission=Permission.SUPERVISE)
    if await _standing_offer(session, case.id) != offer.id:
        raise AlreadyDecided("This offer has been accepted, or a newer one replaced it.")
    refuse_if(await _obstacles(session, case))
    session.expunge(offer)  # its force changes by cascade, behind the session's back
    await allow_holder(session, case, actor.staff_id, by=actor.staff_id, now=now)
    case.force_id, case.assigned_to = offer.to_force_id, None
    case.version += 1
    await session.flush()
    row = TransferAcceptance(
        **act_keys(case, actor=actor, now=now, occurred_at=None),
        offer_id=offer.id,
        from_force_id=offer.from_force_id,
        to_force_id=offer.to_force_id,
        note=given.note,
    )
    session.add(row)
    await session.flush()
    sentence = "Accepted from another force, which is no longer its owner. The clocks run on."
    await note(session, case, "transfer_accepted", sentence, by=actor, now=now, about_id=row.id)
    return Receipt(id=row.id, case_id=case.id, reference=case.reference, stage=case.stage, version=case.version)


async def accepted_before(session: AsyncSession, acceptance_id: UUID) -> Receipt:
    """What a repeated acceptance is answered with: the case as it stands now."""
    row = await session.get_one(TransferAcceptance, acceptance_id)
    case = await case_in_reach(session, row.case_id, for_change=False)
    return Receipt(id=row.id, case_id=case.id, reference=case.reference, stage=case.stage, version=case.version)
