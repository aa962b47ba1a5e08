"""Other applications about the same people, worked out anew whenever they are asked for (H3.5, H8.3, H12.6)."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.tables import Force
from app.cases.pointers import Keys, pointed_at
from app.cases.schemas import Parties
from app.cases.service import parties
from app.cases.tables import Case, CasePointer, PartyRole
from app.disclosure.tables import Disclosure
from app.editions.terms import Route
from app.final_report.schemas import EarlierCase


async def earlier_applications_of(session: AsyncSession, case: Case) -> list[EarlierCase]:
    """Other applications about the people of a case, with what came of those of the own force."""
    return await earlier_cases(session, case, await parties(session, case.id))
