"""Other applications about the same people, worked out anew whenever they are asked for (H3.5, H8.3, H12.6)."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case, CasePointer
from app.disclosure.tables import Disclosure
from app.editions.terms import Route
from app.final_report.schemas import EarlierCase
from app.intake.schemas import EarlierApplication
from app.intake.service import earlier_applications


async def earlier_cases(session: AsyncSession, case: Case) -> list[EarlierCase]:
    """Other applications about the people of a case, in the order of their references.

    Of the own force with what was asked and what came of it; of another, only whom to ask.
    """
    keys = select(col(CasePointer.role), col(CasePointer.match_key)).where(col(CasePointer.case_id) == case.id)
    wanted = [(row.role, row.match_key) for row in (await session.execute(keys)).all()]
    found = await earlier_applications(session, wanted, force_id=case.force_id, but=case.id)
    own = await _came_of(session, [one.case_id for one in found if one.case_id])
    return [_earlier(one, own.get(one.case_id) if one.case_id else None) for one in found]


def _earlier(known: EarlierApplication, own: Row[Any] | None) -> EarlierCase:
    return EarlierCase(
        **known.model_dump(),
        outcome=own.outcome if own else None,
        asked_at=own.first_contact_at if own else None,
        disclosure_asked_for=own.route is Route.RIGHT_TO_ASK if own else None,
        disclosure_made=own.disclosed if own else None,
    )


async def _came_of(session: AsyncSession, case_ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    disclosed = exists().where(col(Disclosure.case_id) == col(Case.id)).label("disclosed")
    shown: list[Any] = [col(Case.id), col(Case.outcome), col(Case.route), col(Case.first_contact_at), disclosed]
    query = select(*shown).where(col(Case.id).in_(list(case_ids)))
    return {row.id: row for row in (await session.execute(query)).all()}
