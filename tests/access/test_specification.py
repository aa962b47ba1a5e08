"""20,000 random pairs of a person and a case, each with a permission: what `may` says is what the database shows."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from app.access.deciding import CaseFacts, Rule, glass_holds, may
from app.access.rules import FORUM_ROLES, PERMISSIONS, Actor, Permission, Role, known_roles
from app.access.service import enter_as
from app.clock import real_now
from app.process import Stage
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.world import OTHER, OWN, World

PEOPLE, CASES = 125, 160
LEADING = ["inspector", "superintendent"]
SUPERVISING = {Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION}
SURNAMES = [f"surname{number}" for number in range(12)]
STAGES = (Stage.INTAKE, Stage.INITIAL_CHECKS, Stage.FORUM, Stage.FORUM, Stage.DISCLOSURE, Stage.CLOSED)


@dataclass
class Person:
    id: UUID
    roles: frozenset[Role]
    force: str | None
    agency: str | None
    rank: str | None
    active: bool
    surname: str | None
    """Not empty: the account is not compared yet."""


@dataclass
class File:
    id: UUID
    force: str
    stage: Stage
    restricted: bool
    surname: str
    chair: UUID
    item: UUID = field(default_factory=uuid4)
    allowed: set[UUID] = field(default_factory=set)
    excluded: set[UUID] = field(default_factory=set)
    granted: set[UUID] = field(default_factory=set)
    conflicted: set[UUID] = field(default_factory=set)
    glass: dict[UUID, str] = field(default_factory=dict)


def _people(dice: random.Random) -> list[Person]:
    found = []
    for _ in range(PEOPLE):
        partner = dice.random() < 0.15
        several = dice.choice((1, 1, 1, 2))
        roles = {Role.ADMINISTRATOR} if dice.random() < 0.04 else set(dice.sample(sorted(set(Role)), several))
        if len(roles) > 1:
            roles.discard(Role.ADMINISTRATOR)
        if dice.random() < 0.12:
            roles = {Role.AUDITOR, *dice.sample(sorted(FORUM_ROLES), dice.choice((1, 2)))}
        if partner or dice.random() < 0.15:
            roles = set(dice.sample(sorted(FORUM_ROLES), dice.choice((1, 2))))
        found.append(
            Person(
                uuid4(),
                frozenset(roles),
                None if partner else dice.choice((OWN, OWN, OTHER)),
                f"{OWN}-probation" if partner else None,
                dice.choice((None, "constable", "sergeant", "inspector", "superintendent")),
                dice.random() < 0.95,
                dice.choice(SURNAMES) if dice.random() < 0.1 else None,
            )
        )
    return found


def _files(dice: random.Random, people: list[Person]) -> list[File]:
    def some(share: float, among: Iterable[Person] = people) -> set[UUID]:
        return {one.id for one in among if dice.random() < share}

    ends = ("holds", "holds", "expired", "ended")
    able = [one for one in people if one.roles - FORUM_ROLES]
    found = []
    for _ in range(CASES):
        file = File(
            uuid4(),
            dice.choice((OWN, OWN, OTHER)),
            dice.choice(STAGES),
            dice.random() < 0.4,
            dice.choice(SURNAMES),
            dice.choice(people).id,
            allowed=some(0.1),
            excluded=some(0.08),
            granted=some(0.3, [one for one in people if one.roles & FORUM_ROLES]),
            conflicted=some(0.05),
            glass={one: dice.choice(ends) for one in some(0.15, able)},
        )
        file.allowed -= file.excluded
        found.append(file)
    return found


def _leads(person: Person, file: File, people: list[Person]) -> bool:
    """As H2.8 has it: heads, supervisors of the rank; where there is neither, every supervisor."""
    able = [
        one
        for one in people
        if one.force == file.force and one.active and one.roles & SUPERVISING and one.id not in file.excluded
    ]
    ranked = [one for one in able if Role.HEAD_OF_PUBLIC_PROTECTION in one.roles or one.rank in LEADING]
    return person in (ranked or able)


def _facts(person: Person, file: File, people: list[Person]) -> CaseFacts:
    chairs = person.force == file.force and Role.FORUM_CHAIR in person.roles
    agenda = person.id in file.granted
    if person.force is not None:
        sits = agenda or (chairs and file.stage is Stage.FORUM)
        carries_out = chairs and file.stage is Stage.DISCLOSURE and file.chair == person.id
        agenda = (sits or carries_out) and person.id not in file.conflicted
    now = real_now()
    until = now + timedelta(hours=-1 if file.glass.get(person.id) == "expired" else 1)
    return CaseFacts(
        force_id=file.force,
        closed=file.stage is Stage.CLOSED,
        on_agenda=agenda,
        restricted=file.restricted,
        allowed=person.id in file.allowed,
        leads=_leads(person, file, people),
        excluded=person.id in file.excluded,
        likely_party=person.surname == file.surname,
        glass=person.id in file.glass and glass_holds(until, ended=file.glass[person.id] == "ended", now=now),
    )


def _put(url: str, people: list[Person], files: list[File]) -> None:
    """Into the database, past the doors and row by row as the tables have them."""
    with psycopg.connect(conninfo(url)) as connection, connection.cursor() as cursor:

        def rows(table: str, found: list[dict[str, Any]]) -> None:
            names = list(found[0])
            marks = ", ".join(f"%({name})s" for name in names)
            cursor.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})".encode(), found)

        now = real_now()
        rows(
            "staff_member",
            [
                {
                    "id": one.id,
                    "subject": str(one.id),
                    "name": "Somebody",
                    "force_id": one.force,
                    "agency_id": one.agency,
                    "roles": [role.value for role in one.roles],
                    "rank": one.rank,
                    "active": one.active,
                    "name_keys": [one.surname] if one.surname else [],
                    "compared": one.surname is None,
                }
                for one in people
            ],
        )
        by = people[0].id
        keys = [{"case_id": one.id, "force_id": one.force} for one in files]
        rows(
            "application",
            [
                {
                    "id": one.id,
                    "force_id": one.force,
                    "reference": f"DVDS-{one.id}",
                    "route": "right_to_ask",
                    "stage": one.stage.value,
                    "edition": "statutory-2023",
                    "version": 1,
                    "police_involved": False,
                    "first_contact_at": now,
                    "first_contact_recorded_at": now,
                    "outcome": "disclosed" if one.stage is Stage.CLOSED else None,
                    "closed_at": now if one.stage is Stage.CLOSED else None,
                    "created_at": now,
                    "created_by": by,
                }
                for one in files
            ],
        )
        person = {"part": "subject", "born_estimated": False, "gender": "not_stated", "interpreter_needed": False}
        rows(
            "person",
            [
                {**key, **person, "id": key["case_id"], "surname_key": one.surname}
                for one, key in zip(files, keys, strict=True)
            ],
        )
        party = {"role": "subject", "is_applicant": False}
        rows("party", [{**key, **party, "id": key["case_id"], "person_id": key["case_id"]} for key in keys])
        meeting = {"held_on": now.date(), "kind": "scheduled", "is_marac": True, "arranged_at": now, "arranged_by": by}
        rows(
            "forum_meeting",
            [{**meeting, "id": one.item, "force_id": one.force, "chair_id": one.chair} for one in files],
        )
        on = {"opened_at": now, "opened_by": by}
        rows(
            "agenda_item",
            [{**key, **on, "id": one.item, "meeting_id": one.item} for one, key in zip(files, keys, strict=True)],
        )
        restricted = {"reason": "x", "restricted_at": now, "restricted_by": by, "leading_ranks": LEADING}
        each = [(one, {"case_id": one.id, "force_id": one.force}) for one in files]
        rows("case_restriction", [{**key, **restricted, "id": uuid4()} for one, key in each if one.restricted])
        entry = {"reason": "x", "recorded_at": now, "recorded_by": by}
        rows(
            "case_access",
            [
                {**key, **entry, "id": uuid4(), "staff_id": staff_id, "kind": kind}
                for one, key in each
                for kind, entered in (("allowed", one.allowed), ("excluded", one.excluded))
                for staff_id in entered
            ],
        )
        rows(
            "case_grant",
            [
                {"staff_id": staff_id, "item_id": one.item, "case_id": one.id, "granted_at": now}
                for one in files
                for staff_id in one.granted
            ],
        )
        act = {"occurred_at": now, "recorded_at": now, "recorded_by": by, "reason": "x"}
        rows(
            "conflict_of_interest",
            [
                {**key, **act, "id": uuid4(), "item_id": one.item, "staff_id": staff_id}
                for one, key in each
                for staff_id in one.conflicted
            ],
        )
        rows(
            "broken_glass",
            [
                {
                    **key,
                    "id": uuid4(),
                    "staff_id": staff_id,
                    "reason": "x",
                    "broken_at": now,
                    "since": now - timedelta(hours=2),
                    "until": now + timedelta(hours=-1 if state == "expired" else 1),
                    "ended_since": now if state == "ended" else None,
                    "ended_by": by if state == "ended" else None,
                    "ended_because": "x" if state == "ended" else None,
                }
                for one, key in each
                for staff_id, state in one.glass.items()
            ],
        )


_TOUCHED = {
    "shown": "SELECT id FROM application",
    "shown of its rows": "SELECT case_id FROM party",
    "held": "SELECT id FROM application FOR NO KEY UPDATE",
    "written": "UPDATE party SET role = role RETURNING case_id",
}
"""What one person is asked to see and to write, over all cases at once; rolled back."""


@pytest.mark.parametrize("seed", [4, 28])
async def test_what_the_law_says_is_what_the_database_does(world: World, seed: int) -> None:
    dice = random.Random(seed)
    people = _people(dice)
    files = _files(dice, people)
    _put(world.url, people, files)
    asked, decided = 0, set()
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=1)
    for person in people:
        if not person.active:
            continue
        async with sessions(engine)() as session:
            actor = await enter_as(session, str(person.id))
            assert actor.roles == known_roles(person.roles)
            found = {
                what: set(await session.scalars(text(statement))) & {one.id for one in files}
                for what, statement in _TOUCHED.items()
            }
            await session.rollback()
        for file in files:
            facts = _facts(person, file, people)
            read = may(actor, Permission.READ_CASE, facts)
            where = (sorted(person.roles), person.force, person.rank, file.force, file.stage, facts)
            for what in ("shown", "shown of its rows", "held"):
                assert (file.id in found[what]) is read.allowed, (what, read, *where)
            writes = read.allowed and read.rule is not Rule.BREAK_GLASS
            assert (file.id in found["written"]) is writes, ("written", read, *where)
            any_other = dice.choice(list(Permission))
            assert read.allowed or not may(actor, any_other, facts).allowed, (any_other, *where)
            asked += 1
            decided.add((read.allowed, read.rule))
    await engine.dispose()
    assert asked > 17_000
    assert {rule for _, rule in decided} == set(Rule) - {Rule.ACTION}, "every line of the law has spoken"


def _actor(*roles: Role, force: str | None = OWN) -> Actor:
    return Actor(uuid4(), "Somebody", frozenset(roles), force, None if force else "agency", OWN)


def test_a_second_and_lesser_role_widens_nothing_that_an_auditor_may_not_see() -> None:
    for held in ((Role.AUDITOR,), (Role.AUDITOR, Role.FORUM_MEMBER), (Role.AUDITOR, Role.FORUM_CHAIR)):
        actor = _actor(*held)
        for permission in Permission:
            audits = permission in PERMISSIONS[Role.AUDITOR]
            sits = any(permission in PERMISSIONS[role] for role in held[1:])
            opened = may(actor, permission, CaseFacts(force_id=OWN))
            assert not opened.allowed, permission
            assert may(actor, permission, CaseFacts(force_id=OWN, on_agenda=True)).allowed is sits
            assert may(actor, permission, CaseFacts(force_id=OWN, closed=True)).allowed is audits
    other = _actor(Role.AUDITOR, Role.CONTROL_ROOM)
    assert may(other, Permission.READ_CASE, CaseFacts(force_id=OWN)).rule is Rule.FORCE
    assert may(other, Permission.READ_RECEIPT, CaseFacts(force_id=OWN)).rule is Rule.CLOSED_CASES_ONLY


def test_leading_goes_with_a_supervising_role() -> None:
    facts = CaseFacts(force_id=OWN, restricted=True, leads=True)
    assert may(_actor(Role.HEAD_OF_PUBLIC_PROTECTION), Permission.READ_CASE, facts).rule is Rule.LEADS
    assert may(_actor(Role.PUBLIC_PROTECTION_OFFICER), Permission.READ_CASE, facts).rule is Rule.RESTRICTION


def test_exclusion_beats_every_role_and_every_override() -> None:
    facts = CaseFacts(
        force_id=OWN, closed=True, own=True, on_agenda=True, owes_action=True, allowed=True, leads=True, glass=True,
        excluded=True,
    )  # fmt: skip
    for permission in Permission:
        for force in (OWN, OTHER, None):
            decision = may(_actor(*Role, force=force), permission, facts)
            assert (decision.allowed, decision.rule) == (False, Rule.EXCLUSION)


def test_who_owes_an_answer_to_the_forum_gives_it_and_does_nothing_else() -> None:
    facts = CaseFacts(force_id=OTHER, owes_action=True)
    done = {one for one in Permission if may(_actor(Role.FORUM_MEMBER, force=None), one, facts).allowed}
    assert done == {Permission.READ_FORUM, Permission.UNDERTAKE_FORUM_ACTION}


def test_a_glass_holds_up_to_its_time_and_not_at_it() -> None:
    until = real_now()
    assert glass_holds(until, ended=False, now=until - timedelta(microseconds=1))
    assert not glass_holds(until, ended=False, now=until)
    assert not glass_holds(until, ended=True, now=until - timedelta(hours=1))
