"""Forgeries that go the ordinary way: rows that a superuser puts in and the true worker numbers, signs and tells."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import SQLModel

from app import clock
from app.evidence.records import DATED, DATED_BY_THE_DATABASE
from tests.architecture.test_erasure_rules import python_type
from tests.evidence.held import Held
from tests.routes.test_erased import UNCOMMON, value
from tests.world import OWN, STAFF

UNLIKE_AN_ACT = [
    "account_change",
    "alert_route",
    "broken_glass",
    "case_access",
    "case_of_note",
    "case_restriction",
    "clock_move",
    "contact_attempt",
    "person_version",
    "retention",
]
"""Kinds that tell in a column of their own when they were put in, and two that tell it as most do."""


async def _case(held: Held) -> UUID:
    found: UUID = (await held.sql("SELECT case_id FROM disclosure LIMIT 1")).scalar_one()
    return found


async def _junk_erasure(held: Held) -> str:
    """The key goes, and a row that says so is put in: of no decision, by one person, of a day long past."""
    case, made, by = await _case(held), uuid4(), STAFF["head"].id
    await held.sql("DELETE FROM case_key WHERE case_id = :case", case=case)
    await held.put_in(
        "erasure",
        {
            **{"id": made, "case_id": case, "force_id": OWN, "group_code": "other", "keep_until": date(2020, 1, 1)},
            **{"decision_id": uuid4(), "decided_by": by, "agreement_id": uuid4(), "agreed_by": by},
            "erased_at": clock.real_now(),
        },
    )
    await held.let_the_worker_number()
    return f"erasure {made} (number {await held.number_of(made)}) rests on nothing"


async def _key_alone(held: Held) -> str:
    case = await _case(held)
    await held.sql("DELETE FROM case_key WHERE case_id = :case", case=case)
    return f"case {case} (in no leaf) has records that are sealed and no key"


async def _erasure_before_its_day(held: Held) -> str:
    """Everything that an erasure rests on is put in, dated as it needs to be; and a line of the course is gone."""
    case, now = await _case(held), clock.real_now()
    ahead = now + timedelta(days=366 * 14)
    (until,) = (await held.sql("SELECT keep_until FROM retention WHERE case_id = :case", case=case)).one()
    forged = held.chance.choice(["only the day of the erasure", "a later end", "an earlier end"])
    erased_at = now if forged == "an earlier end" else ahead
    if forged != "only the day of the erasure":
        closed = now.date() if forged == "a later end" else now.date() - timedelta(days=366 * 20)
        until = closed + timedelta(days=366 * 13)
        await held.sql("ALTER TABLE retention DROP CONSTRAINT uq_retention_case_id")
        await held.put_in(
            "retention",
            {
                **{"id": uuid4(), "case_id": case, "force_id": OWN, "schedule": "s", "group_code": "other"},
                **{"title": "t", "source": "s", "mark": "secondary", "closed_on": closed, "keep_years": 6},
                **{"review_again_years": 5, "keep_until": until, "review_on": until},
            },
        )
    head, second = STAFF["head"].id, STAFF["standards"].id
    act: dict[str, Any] = {"case_id": case, "force_id": OWN, "occurred_at": now, "recorded_at": now}
    decision, agreement = uuid4(), uuid4()
    said = {"verdict": "erase", "ground": "no_policing_purpose", "reason": "Nothing since."}
    await held.put_in("retention_decision", {"id": decision, **act, "recorded_by": head, **said})
    answer = {"decision_id": decision, "agrees": True, "reason": "Agreed."}
    await held.put_in("retention_agreement", {"id": agreement, **act, "recorded_by": second, **answer})
    await held.put_in(
        "erasure",
        {
            **{"id": uuid4(), "case_id": case, "force_id": OWN, "group_code": "other", "keep_until": until},
            **{"decision_id": decision, "decided_by": head, "agreement_id": agreement, "agreed_by": second},
            "erased_at": erased_at,
        },
    )
    logged = {"category": "erasure", "action": "agree_erasure", "request_id": "r", "refused": False}
    touched = {"staff_id": second, "case_id": case, "event_id": agreement}
    await held.put_in("access_log", {"id": uuid4(), **logged, **touched})
    gone = await held.victim("event")
    await held.sql("DELETE FROM event WHERE id = :id", id=gone["record_id"])
    await held.let_the_worker_number()
    return f"event {gone['record_id']} (number {gone['number']}) was taken away"


async def _dated_back(held: Held) -> str:
    """A row of any kind, one of its times of long before it is put in."""
    kind, made, now = held.chance.choice(UNLIKE_AN_ACT), uuid4(), clock.real_now()
    columns = SQLModel.metadata.tables[kind].c
    row = {one.name: value(one, None, str(uuid4())) for one in columns if not one.computed and not one.identity}
    row = {
        name: now if isinstance(told, datetime) else told for name, told in {**row, **UNCOMMON.get(kind, {})}.items()
    }
    row["id"] = made
    dated = held.chance.choice([table[kind] for table in (DATED, DATED_BY_THE_DATABASE) if kind in table])
    before = now - timedelta(days=held.chance.randrange(2, 2000))
    row[dated] = before.date() if python_type(columns[dated]) is date else before
    if kind == "retention":
        row["keep_until"] = row["review_on"] = now.date() + timedelta(days=366 * 7)
    elif kind == "broken_glass":
        row["until"] = row["since"]
    await held.put_in(kind, row)
    await held.let_the_worker_number()
    return f"{kind} {made} (number {await held.number_of(made)}) is dated {before:%Y-%m-%d}"


FORGERIES: dict[str, Callable[[Held], Awaitable[str]]] = {
    "key destroyed under a junk erasure": _junk_erasure,
    "key destroyed": _key_alone,
    "erasure before its day": _erasure_before_its_day,
    "a row of any kind dated back": _dated_back,
}
