"""What the members see of an item: enough to decide, and nobody shown as having asked (H2.7)."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.subject_access import NOT_TO_BE_RELEASED
from app.cases.schemas import PartyView
from app.cases.service import parties
from app.cases.tables import Case
from app.categorisation.service import police_categories, representations_considered
from app.clock import LONDON
from app.evidence.owing import touch
from app.forum.meetings import agenda_of
from app.forum.police_conclusion import police_conclusion
from app.forum.sitting import sitting_on
from app.forum.tables import AgendaItem, DecisionConfirmation, ForumDecision
from app.forum.views import ConfirmationView, ItemView, PersonAtItem, PotentialVictimAtItem
from app.people.schemas import View
from app.safeguarding.rules import plan_is_current
from app.safeguarding.service import current_plan, newest_immediate_risk_at
from app.storage.base import shown_columns
from app.storage.statements import rows

V = TypeVar("V", bound=View)

NOT_TO_BE_REVEALED = (
    "Not to be revealed outside this item: nobody tells the subject, an offender manager or anyone else who applied, "
    f"or that anyone did (H2.7). {NOT_TO_BE_RELEASED}."
)


async def read_item(session: AsyncSession, case: Case, *, item_id: UUID, now: datetime) -> ItemView:
    """An item as its members see it, with what is still missing for a decision."""
    item = await session.get_one(AgendaItem, item_id)
    shown = next(one for one in await agenda_of(session, item.meeting_id) if one.id == item_id)
    sitting = await sitting_on(session, item, case, now=now)
    known = await parties(session, case.id)
    shown_people = [*known.potential_victims, *known.children, *([known.subject] if known.subject else [])]
    touch(session, case.id, *(one.person.id for one in shown_people))
    categories = await police_categories(session, case.id)
    victims = []
    for party in known.potential_victims:
        concluded = await police_conclusion(session, item_id, party.id, sitting)
        risk_at = await newest_immediate_risk_at(session, case.id, party.id)
        victims.append(
            PotentialVictimAtItem(
                **_person(party).model_dump(),
                relationship=party.relationship,
                police_category=categories.get(party.id),
                representations_considered=await representations_considered(session, case.id, party.id),
                safety_plan_current=plan_is_current(
                    await current_plan(session, party.id),
                    newest_immediate_risk_at=risk_at,
                    today=now.astimezone(LONDON).date(),
                ),
                police_conclude_necessary=concluded.necessary if concluded else None,
            )
        )
    return ItemView(
        **shown.model_dump(),
        not_to_be_revealed=NOT_TO_BE_REVEALED,
        stage=case.stage,
        subject=_person(known.subject) if known.subject else None,
        potential_victims=victims,
        children=[_person(child) for child in known.children],
        agencies_missing=[agency.title for agency in sitting.missing],
    )


def _person(party: PartyView) -> PersonAtItem:
    person = party.person
    return PersonAtItem(party_id=party.id, given_names=person.given_names, surname=person.surname, born=person.born)


async def confirmations_of(session: AsyncSession, item_id: UUID, decision_id: UUID) -> list[ConfirmationView]:
    """The second person's answer to a decision of an item, or nothing yet."""
    of_item = select(col(ForumDecision.id)).where(col(ForumDecision.item_id) == item_id)
    query = select(*shown_columns(DecisionConfirmation)).where(
        col(DecisionConfirmation.decision_id) == decision_id, col(DecisionConfirmation.decision_id).in_(of_item)
    )
    return [ConfirmationView.model_validate(row) for row in await rows(session, query)]
