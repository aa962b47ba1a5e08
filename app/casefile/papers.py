"""The papers of an agenda item: what the forum reads before it decides, for as long as the item stands (H2.7, H6.3)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.casefile.schemas import AssessmentAtItem, EmergencyAtItem, ItemPapers, PreparedItem, VictimPapers
from app.cases.tables import Case, Party, PartyRole, RiskGrade
from app.categorisation.schemas import (
    CategorisationView,
    ReferralView,
    RepresentationsAnswerView,
    RepresentationsView,
)
from app.categorisation.terms import RepresentationsChoice
from app.disclosure.items import items_of
from app.errors import NotFound
from app.evidence.owing import touch
from app.forum.items import NOT_TO_BE_REVEALED
from app.forum.tables import AgendaItem
from app.risk_assessment.tables import RiskAssessment
from app.safeguarding.schemas import SafetyPlanView
from app.safeguarding.service import rows_of
from app.storage.base import columns_of
from app.storage.statements import row, rows

_item, _party = columns_of(AgendaItem), columns_of(Party)
_assessment, _grade = columns_of(RiskAssessment), columns_of(RiskGrade)
_ENDED = select(_item.ended_at).where(_item.id == bindparam("item_id"))
_ABOUT = (
    select(_party.id, _party.person_id, _party.role)
    .where(_party.case_id == bindparam("case_id"), _party.role.in_([PartyRole.SUBJECT, PartyRole.POTENTIAL_VICTIM]))
    .order_by(_party.id)
)
_FOUND = [_assessment[name] for name in AssessmentAtItem.model_fields if name != "reason"]
_SIGNED = (
    select(_assessment.potential_victim_id, *_FOUND, _grade.reason)
    .join(RiskGrade, _grade.id == _assessment.risk_grade_id)
    .where(_assessment.case_id == bindparam("case_id"), _assessment.signed_off)
    .order_by(_assessment.recorded_at, _assessment.id)
)


class PapersWithdrawn(NotFound):
    """The item has ended, and its papers lie before the forum no longer."""

    code = "papers_withdrawn"

    def __init__(self) -> None:
        super().__init__("The item has ended: its papers lie before the forum no longer.")


class OfVictim(Protocol):
    """A record about one potential victim."""

    @property
    def potential_victim_id(self) -> UUID:
        """Whom it is about."""
        ...


V = TypeVar("V", bound=OfVictim)


async def papers_of(session: AsyncSession, case: Case, *, item_id: UUID, now: datetime) -> ItemPapers:
    """What an open item is decided on: categories, assessments, plans, authorities, representations, what may be told.

    Nothing of who applied, of any contact, of how anybody is reached. What would identify an earlier victim or a
    source is counted and not shown, since it can be told to nobody (H7.8). Raises PapersWithdrawn for an ended item.
    """
    found = await row(session, _ENDED, item_id=item_id)
    if found is None or found.ended_at is not None:
        raise PapersWithdrawn
    about = await rows(session, _ABOUT, case_id=case.id)
    touch(session, case.id, *(one.person_id for one in about))
    categories = _newest(await rows_of(session, case.id, CategorisationView))
    signed = await rows(session, _SIGNED, case_id=case.id)
    assessments = {one.potential_victim_id: AssessmentAtItem.model_validate(one) for one in signed}
    plans = _newest(await rows_of(session, case.id, SafetyPlanView))
    authorities = _newest(await rows_of(session, case.id, EmergencyAtItem))
    referred = await rows_of(session, case.id, ReferralView)
    considered = await rows_of(session, case.id, RepresentationsView)
    answers = await rows_of(session, case.id, RepresentationsAnswerView)
    held = [one for one in await items_of(session, case, now=now) if not one.superseded]
    told = [one for one in held if not one.identifies_earlier_victim_or_source]
    return ItemPapers(
        not_to_be_revealed=NOT_TO_BE_REVEALED,
        referral=referred[-1] if referred else None,
        potential_victims=[
            VictimPapers(
                potential_victim_id=one.id,
                categorisation=categories.get(one.id),
                risk_assessment=assessments.get(one.id),
                safety_plan=plans.get(one.id),
                emergency_authority=authorities.get(one.id),
            )
            for one in about
            if one.role is PartyRole.POTENTIAL_VICTIM
        ],
        representations=considered,
        representations_answers=answers,
        representations_awaited=_awaited(considered, answers),
        prepared_items=[PreparedItem.model_validate(one) for one in told],
        prepared_items_kept_back=len(held) - len(told),
    )


def _newest(found: Iterable[V]) -> dict[UUID, V]:
    """By potential victim; they come oldest first."""
    return {one.potential_victim_id: one for one in found}


def _awaited(considered: Iterable[RepresentationsView], answers: Iterable[RepresentationsAnswerView]) -> bool:
    answered = {one.representations_id for one in answers}
    return any(one.choice is RepresentationsChoice.SOUGHT and one.id not in answered for one in considered)
