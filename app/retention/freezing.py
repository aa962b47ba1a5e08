"""Freezing a case from erasure, telling those who must know at once, and lifting it by two people (H12.5)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Exists, and_, bindparam, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor, Role
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import known_id, must_be_party, note
from app.cases.tables import Case, PartyRole
from app.cases.touching import people_of, touch_people
from app.deadlines.tables import TaskKind
from app.deadlines.tasks import open_task
from app.errors import AlreadyDecided, Conflict, NotFound, refuse_if
from app.retention.schemas import AgreementIn, FreezeIn, FreezeView, LiftingIn, LiftingView
from app.retention.tables import CaseFreeze, FreezeLifting, FreezeLiftingAnswer
from app.retention.terms import FrozenBecause
from app.safeguarding.service import act_keys, record_act
from app.storage.base import columns_of

TOLD = (Role.PROFESSIONAL_STANDARDS, Role.HEAD_OF_PUBLIC_PROTECTION)
"""H12.5: told at once."""

_SAYS = {
    FrozenBecause.DEATH: "a potential victim has died",
    FrozenBecause.GRAVE_HARM: "a potential victim was gravely hurt",
    FrozenBecause.LEGAL_PROCEEDINGS: "proceedings need it",
}


class FreezeNotFound(NotFound):
    """No such freeze in force in this case."""

    code = "freeze_not_found"

    def __init__(self) -> None:
        super().__init__("No freeze in force is held under that address in this case.")


class LiftingAwaitsAgreement(AlreadyDecided):
    """Somebody has asked already that the freeze be lifted."""

    code = "lifting_awaits_agreement"


class NoLiftingToAgree(Conflict):
    """Nobody has asked that the freeze be lifted."""

    code = "no_lifting_to_agree"


def _lifted(freeze_id: Any) -> Exists:
    return exists().where(
        and_(
            col(FreezeLifting.freeze_id) == freeze_id,
            col(FreezeLiftingAnswer.lifting_id) == col(FreezeLifting.id),
            col(FreezeLiftingAnswer.agrees),
        )
    )


def is_frozen(case_id: Any) -> Exists:
    """Whether any freeze of the case of a query is in force."""
    return exists().where(col(CaseFreeze.case_id) == case_id, ~_lifted(col(CaseFreeze.id)))


_IN_FORCE = (
    select(CaseFreeze)
    .where(col(CaseFreeze.case_id) == bindparam("case_id"), ~_lifted(col(CaseFreeze.id)))
    .order_by(col(CaseFreeze.recorded_at), col(CaseFreeze.id))
)
_ASKED = (
    select(FreezeLifting)
    .outerjoin(FreezeLiftingAnswer, col(FreezeLiftingAnswer.lifting_id) == col(FreezeLifting.id))
    .where(col(FreezeLifting.freeze_id) == bindparam("freeze_id"), col(FreezeLiftingAnswer.id).is_(None))
)


async def frozen_because(session: AsyncSession, case_id: UUID) -> tuple[FrozenBecause, ...]:
    """Why a case is frozen, oldest first; empty where it is not."""
    return tuple(one.because for one in await session.scalars(_IN_FORCE, {"case_id": case_id}))


async def freeze(session: AsyncSession, case: Case, given: FreezeIn, *, actor: Actor, now: datetime) -> Recorded:
    """Keep that a case may not be erased, whatever its stage. Professional standards and the head are told at once."""
    if given.potential_victim_id:
        await must_be_party(
            session, case, given.potential_victim_id, PartyRole.POTENTIAL_VICTIM, field="potential_victim_id"
        )
    row = CaseFreeze(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = f"Frozen from erasure: {_SAYS[given.because]}. Professional standards and the head of unit are told."
    made = await record_act(session, case, row, "frozen", sentence, actor=actor, now=now)
    for role in TOLD:
        await open_task(
            session,
            kind=TaskKind.CASE_FROZEN,
            says=f"Case {case.reference} is frozen from erasure: {_SAYS[given.because]}. Read it, and say what "
            "review or inquiry follows.",
            for_role=role,
            force_id=case.force_id,
            about=f"{role.value}:{row.id}",
            now=now,
            case_id=case.id,
            though_withheld=True,
        )
    return made


async def ask_lifting(
    session: AsyncSession, case: Case, given: LiftingIn, *, freeze_id: str, actor: Actor, now: datetime
) -> Recorded:
    """Ask, with the reason, that a freeze be lifted; it holds until a second person agrees."""
    held = await _in_force(session, case, freeze_id)
    if await _asked(session, held.id) is not None:
        raise LiftingAwaitsAgreement("That it be lifted awaits a second person, who agrees or refuses.")
    row = FreezeLifting(
        **act_keys(case, actor=actor, now=now, occurred_at=None), freeze_id=held.id, **given.model_dump()
    )
    session.add(row)
    sentence = "It was asked that a freeze be lifted; a second person answers."
    await note(session, case, "lifting_asked", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def answer_lifting(
    session: AsyncSession, case: Case, given: AgreementIn, *, freeze_id: str, actor: Actor, now: datetime
) -> Recorded:
    """A second person lifts a freeze, or leaves it in force."""
    held = await _in_force(session, case, freeze_id)
    asked = await _asked(session, held.id)
    if asked is None:
        raise NoLiftingToAgree("Nobody has asked that this freeze be lifted.")
    refuse_if(same_person(asked.recorded_by, actor.staff_id, doing="Whoever asks for it and who agrees", rule="H12.5"))
    row = FreezeLiftingAnswer(
        **act_keys(case, actor=actor, now=now, occurred_at=None), lifting_id=asked.id, **given.model_dump()
    )
    session.add(row)
    sentence = "A freeze was lifted by two people." if given.agrees else "A freeze stays: a second person refused."
    await note(session, case, "lifting_answered", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)


async def _in_force(session: AsyncSession, case: Case, freeze_id: str) -> CaseFreeze:
    wanted = known_id(freeze_id, FreezeNotFound())
    held = (await session.scalars(_IN_FORCE, {"case_id": case.id})).all()
    found = next((one for one in held if one.id == wanted), None)
    if found is None:
        raise FreezeNotFound
    return found


async def _asked(session: AsyncSession, freeze_id: UUID) -> FreezeLifting | None:
    return (await session.scalars(_ASKED, {"freeze_id": freeze_id})).one_or_none()


async def freezes_of(session: AsyncSession, case_id: UUID) -> list[FreezeView]:
    """Every freeze of a case, oldest first, why it was asked to lift it, and whether it was lifted."""
    freezes, asked = columns_of(CaseFreeze), await _liftings(session, case_id)
    query = select(*freezes, *people_of(CaseFreeze).values()).where(freezes.case_id == case_id)
    rows = (await session.execute(query.order_by(freezes.recorded_at, freezes.id))).all()
    touch_people(session, case_id, CaseFreeze, rows)
    found = []
    for row in (one._mapping for one in rows):
        liftings = asked.get(row["id"], [])
        told = {
            "lifted_at": next((one.answered_at for one in liftings if one.agreed), None),
            "lifting_asked_by": next((one.recorded_by for one in liftings if one.agreed is None), None),
            "liftings": liftings,
        }
        found.append(FreezeView.model_validate({**row, **told}))
    return found


async def _liftings(session: AsyncSession, case_id: UUID) -> dict[UUID, list[LiftingView]]:
    answered: dict[str, Any] = {
        "agreed": FreezeLiftingAnswer.agrees,
        "answered_by": FreezeLiftingAnswer.recorded_by,
        "answered_at": FreezeLiftingAnswer.recorded_at,
        "answer": FreezeLiftingAnswer.reason,
    }
    query = (
        select(*columns_of(FreezeLifting), *(col(one).label(name) for name, one in answered.items()))
        .outerjoin(FreezeLiftingAnswer, col(FreezeLiftingAnswer.lifting_id) == col(FreezeLifting.id))
        .where(col(FreezeLifting.case_id) == case_id)
        .order_by(col(FreezeLifting.recorded_at), col(FreezeLifting.id))
    )
    found: dict[UUID, list[LiftingView]] = {}
    for row in (await session.execute(query)).all():
        found.setdefault(row.freeze_id, []).append(LiftingView.model_validate(row))
    return found
