"""What the stages before this one settled, as a closing report and the rules of closing ask for it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.cases.tables import Case, Grade, RiskGrade
from app.categorisation.service import police_categories
from app.categorisation.terms import Category
from app.disclosure.service import conclusions, newest_record
from app.disclosure.tables import Disclosure
from app.disclosure.terms import ConcludedAs
from app.final_report.schemas import ReportedConclusion, ReportedDecision
from app.forum.service import standing_decisions
from app.storage.statements import rows


@dataclass(frozen=True)
class Settled:
    """Decisions and what came of them."""

    decisions: list[ReportedDecision]
    conclusions: list[ReportedConclusion]
    told: frozenset[UUID] = frozenset()
    """About whom something was disclosed, also under a decision that was returned to the forum since."""

    @property
    def forum_sat(self) -> bool:
        """Whether a forum decided, and so considered offender management (H6.5); an emergency authority did not."""
        return any(one.source == "forum" for one in self.decisions)

    def concluded(self, potential_victim_id: UUID, *ways: ConcludedAs) -> bool:
        """Whether it ended in one of these ways for a potential victim; delivered, whatever was decided since."""
        if ConcludedAs.DELIVERED in ways and potential_victim_id in self.told:
            return True
        return any(one.potential_victim_id == potential_victim_id and one.how in ways for one in self.conclusions)


async def settled(session: AsyncSession, case: Case, *, with_digests: bool = False) -> Settled:
    """The standing decision of each potential victim, and how it ended; for a report with the words' digests."""
    decided = await standing_decisions(session, case.id)
    digests = await _digests(session, case.id) if with_digests else {}
    ended = await conclusions(session, case)
    return Settled(
        decisions=[
            ReportedDecision(
                potential_victim_id=potential_victim_id,
                source=one.source,
                category=one.category,
                disclose=one.disclose,
                decided_at=one.decided_at,
            )
            for potential_victim_id, one in decided.items()
        ],
        conclusions=[
            ReportedConclusion(
                potential_victim_id=potential_victim_id,
                how=one.how,
                at=one.at,
                verbatim_sha256=digests.get(potential_victim_id),
            )
            for potential_victim_id, one in ended.items()
        ],
        told=frozenset(potential_victim_id for potential_victim_id, one in ended.items() if one.was_told),
    )


async def _digests(session: AsyncSession, case_id: UUID) -> dict[UUID, str]:
    """SHA-256 of the newest verbatim record of each potential victim; the words themselves stay where they are.

    A record that a correction moved to another potential victim is no record of this one any more.
    """
    of_each: list[Any] = [col(Disclosure.potential_victim_id), col(Disclosure.words).label("words")]
    query: Select[Any] = (
        select(*of_each)
        .where(col(Disclosure.case_id) == case_id, newest_record())
        .order_by(col(Disclosure.recorded_at))
    )
    told = await rows(session, query)
    return {row.potential_victim_id: hashlib.sha256(row.words.encode("utf-8")).hexdigest() for row in told}


async def at_risk(session: AsyncSession, case: Case, potential_victim_ids: list[UUID]) -> set[UUID]:
    """Whom a safety plan is owed: concern was found, harm was immediate once, or the newest grade is above standard.

    A grade of the case as a whole holds for every potential victim.
    """
    query = (
        select(col(RiskGrade.potential_victim_id), col(RiskGrade.grade), col(RiskGrade.immediate))
        .where(col(RiskGrade.case_id) == case.id)
        .order_by(col(RiskGrade.occurred_at), col(RiskGrade.recorded_at))
    )
    grades = (await session.execute(query)).all()
    police = await police_categories(session, case.id)
    forum = await standing_decisions(session, case.id)
    found = {one for one, category in police.items() if category is Category.CONCERN}
    found |= {one for one, decision in forum.items() if decision.category is Category.CONCERN}
    for one in potential_victim_ids:
        own = [row for row in grades if row.potential_victim_id in (one, None)]
        if own and (own[-1].grade is not Grade.STANDARD or any(row.immediate for row in own)):
            found.add(one)
    return found


def when_decided(known: Settled) -> datetime | None:
    """When the last decision was taken."""
    return max((one.decided_at for one in known.decisions), default=None)


def when_delivered(known: Settled) -> datetime | None:
    """When the last disclosure was delivered."""
    delivered = [one.at for one in known.conclusions if one.how == ConcludedAs.DELIVERED]
    return max(delivered, default=None)
