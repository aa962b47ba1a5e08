"""Items that may be told, their owners' agreements, and authority to tell a spent one (H7.3, H7.8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.access.rules import Actor
from app.cases.rules import same_person
from app.cases.schemas import Recorded
from app.cases.service import known_id, note
from app.cases.tables import Case
from app.convictions.rehabilitation import Spent, SpentOn, is_spent, rehabilitation
from app.convictions.schemas import ProceedingIn
from app.convictions.service import keep_proceeding, proceedings_of
from app.disclosure.rules import ItemFacts, london_day
from app.disclosure.schemas import AgreementIn, ItemIn, ItemView, SpentAuthorisationIn
from app.disclosure.tables import Item, ItemAgreement, SpentAuthorisation
from app.disclosure.terms import Handling, ItemKind
from app.editions import edition
from app.editions.terms import SpentRule
from app.errors import NotFound, Obstacle, Unprocessable, refuse_if
from app.people.schemas import View
from app.safeguarding.service import act_keys, record_act
from app.storage.base import columns_of

V = TypeVar("V", bound=View)


class ItemNotFound(NotFound):
    """No such item in this case."""

    code = "item_not_found"

    def __init__(self) -> None:
        super().__init__("No such item is held in this case; /items lists them.")


class NoSuchItem(Unprocessable):
    """What is named is not an item of this case that can be named there."""

    code = "no_such_item"


@dataclass(frozen=True)
class _Record:
    """All items of a case, with what is known of each."""

    items: dict[UUID, Any]
    replaced_by: dict[UUID, Any]
    proceedings: dict[UUID, ProceedingIn]
    spent: dict[UUID, Spent]
    agreed: frozenset[UUID]
    authorised: frozenset[UUID]

    def current(self, item: Any) -> Any:
        """The item, or the newest that replaced it."""
        while item.id in self.replaced_by:
            item = self.replaced_by[item.id]
        return item

    def when_spent(self, item: Any) -> Spent | None:
        """When an item is spent; behaviour, with the conviction or disposal that it lies behind (H7.3)."""
        held = self.current(item)
        if held.concerns_item_id is not None:
            held = self.current(self.items[held.concerns_item_id])
        return self.spent.get(held.id)

    def facts(self, item: Any, *, at: datetime, on: date) -> ItemFacts:
        """The item as the rules ask for it: superseded before `at`, spent on the day `on`."""
        spent = self.when_spent(item)
        replaced = self.replaced_by.get(item.id)
        return ItemFacts(
            superseded=replaced is not None and replaced.recorded_at <= at,
            spent=spent is not None and is_spent(spent, on),
            spent_authorised=item.id in self.authorised,
            needs_agreement=item.owned_elsewhere or item.handling == Handling.C,
            agreed=item.id in self.agreed,
            identifies_earlier_victim_or_source=item.identifies_earlier_victim_or_source,
        )


async def _record(session: AsyncSession, case_id: UUID) -> _Record:
    """The items of a case; its convictions that are not replaced are worked out together (s.6(4))."""
    await session.flush()
    columns = columns_of(Item)
    query = select(*columns).where(columns.case_id == case_id).order_by(columns.recorded_at, columns.id)
    items = {row.id: row for row in (await session.execute(query)).all()}
    replaced_by = {row.supersedes_id: row for row in items.values() if row.supersedes_id}
    proceedings = await proceedings_of(session, case_id)
    held = [row for row in items.values() if row.proceeding_id and row.id not in replaced_by]
    worked_out = rehabilitation([proceedings[row.proceeding_id].as_proceeding() for row in held])
    agreed = select(col(ItemAgreement.item_id)).where(col(ItemAgreement.case_id) == case_id)
    authorised = select(col(SpentAuthorisation.item_id)).where(col(SpentAuthorisation.case_id) == case_id)
    return _Record(
        items,
        replaced_by,
        proceedings,
        {row.id: result for row, result in zip(held, worked_out, strict=True)},
        frozenset((await session.scalars(agreed)).all()),
        frozenset((await session.scalars(authorised)).all()),
    )


async def item_facts(
    session: AsyncSession, case: Case, item_ids: Sequence[UUID], *, at: datetime, on: date, field: str = "item_ids"
) -> list[ItemFacts]:
    """The items named, as the rules ask for them on the day of disclosure. Unprocessable where one is not there."""
    record = await _record(session, case.id)
    if any(item_id not in record.items for item_id in item_ids):
        raise NoSuchItem(f"{field} must name items of this case; /items lists them.", field=field)
    return [record.facts(record.items[item_id], at=at, on=on) for item_id in dict.fromkeys(item_ids)]


async def texts_of(session: AsyncSession, item_ids: Sequence[UUID]) -> list[str]:
    """What is proposed to be said by the items named."""
    return list(await session.scalars(select(col(Item.text)).where(col(Item.id).in_(item_ids))))


async def record_item(session: AsyncSession, case: Case, given: ItemIn, *, actor: Actor, now: datetime) -> Recorded:
    """Keep something that may be told; a newer one supersedes (H7.8).

    Behaviour that replaces behaviour lies behind the same conviction or disposal, unless another is named (H7.3).
    """
    record = await _record(session, case.id)
    if given.supersedes_id is not None and given.supersedes_id not in record.items:
        raise NoSuchItem("supersedes_id must name an item of this case.", field="supersedes_id")
    if given.supersedes_id in record.replaced_by:
        raise NoSuchItem("That item is superseded already: name the newest one.", field="supersedes_id")
    before = record.items[given.supersedes_id] if given.supersedes_id else None
    behaviour = given.kind is ItemKind.BEHAVIOUR
    if behaviour and before is not None and before.proceeding_id is not None:
        says = (
            "A conviction or disposal is replaced by one with its proceeding, so that it stays known when it is spent: "
            "record the behaviour as an item of its own, with concerns_item."
        )
        raise Unprocessable(says, field="supersedes_id")
    concerned = record.items.get(given.concerns_item) if given.concerns_item else None
    if given.concerns_item and (concerned is None or concerned.kind == ItemKind.BEHAVIOUR):
        raise NoSuchItem("concerns_item must name a conviction or disposal of this case.", field="concerns_item")
    proceeding_id = None
    if given.proceeding is not None:
        proceeding_id = await keep_proceeding(
            session, given.proceeding, case_id=case.id, force_id=case.force_id, by=actor.staff_id, now=now
        )
    row = Item(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        **given.model_dump(exclude={"occurred_at", "proceeding", "concerns_item"}),
        proceeding_id=proceeding_id,
        concerns_item_id=given.concerns_item or (before.concerns_item_id if before and behaviour else None),
    )
    words = (
        "An item that may be told was replaced." if given.supersedes_id else "An item that may be told was prepared."
    )
    return await record_act(session, case, row, "item_prepared", words, actor=actor, now=now)


async def items_of(session: AsyncSession, case: Case, *, now: datetime) -> list[ItemView]:
    """Every item, oldest first, and whether it is spent today."""
    record = await _record(session, case.id)
    return [_view(record, item, now=now) for item in record.items.values()]


def _view(record: _Record, item: Any, *, now: datetime) -> ItemView:
    facts = record.facts(item, at=now, on=london_day(now))
    spent = record.when_spent(item)
    return ItemView.model_validate(
        {
            **item._mapping,
            "proceeding": record.proceedings.get(item.proceeding_id),
            "superseded": facts.superseded,
            "spent_today": facts.spent,
            "becomes_spent_on": spent.day if isinstance(spent, SpentOn) else None,
            "owner_agreed": facts.agreed,
            "spent_authorised": facts.spent_authorised,
        }
    )


async def item_of(session: AsyncSession, case: Case, item_id: str) -> Item:
    """The item of this case, or ItemNotFound."""
    item = await session.get(Item, known_id(item_id, ItemNotFound()))
    if item is None or item.case_id != case.id:
        raise ItemNotFound
    return item


async def record_agreement(
    session: AsyncSession, case: Case, given: AgreementIn, *, actor: Actor, now: datetime, item_id: str
) -> Recorded:
    """Keep the owner's agreement that an item is told, as it is worded (H7.8)."""
    item = await item_of(session, case, item_id)
    row = ItemAgreement(
        **act_keys(case, actor=actor, now=now, occurred_at=given.occurred_at),
        item_id=item.id,
        **given.model_dump(exclude={"occurred_at"}),
    )
    sentence = "The owner of an item agreed to its being told."
    return await record_act(session, case, row, "owner_agreed", sentence, actor=actor, now=now)


async def authorise_spent(
    session: AsyncSession, case: Case, given: SpentAuthorisationIn, *, actor: Actor, now: datetime, item_id: str
) -> Recorded:
    """A supervisor, who did not prepare it, authorises on legal advice that a spent item is told (H7.3)."""
    item = await item_of(session, case, item_id)
    found = same_person(actor.staff_id, item.recorded_by, doing="Whoever authorises a spent item", rule="H7.3")
    if edition(case.edition).spent_convictions.rule is SpentRule.BLOCKED:
        says = "Under this edition no spent item is told, whoever authorises it."
        found.append(Obstacle("spent_items_blocked", says, "H7.3"))
    refuse_if(found)
    row = SpentAuthorisation(
        **act_keys(case, actor=actor, now=now, occurred_at=None), item_id=item.id, **given.model_dump()
    )
    session.add(row)
    await session.flush()
    sentence = "A supervisor authorised, on legal advice, that a spent item may be told."
    await note(session, case, "spent_item_authorised", sentence, by=actor, now=now, about_id=row.id)
    return Recorded(row.id)
