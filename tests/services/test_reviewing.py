"""What the worker does for retention, and what the database holds to whoever asks it."""

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.editions.terms import RiskLevel
from app.jobs import prune_settled, review_retention
from app.retention.rules import kept
from app.retention.schedule import schedule
from app.scheduler import Worker
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo, downgrade, upgrade
from tests.arrange import insert
from tests.steps import intake, retention
from tests.world import OWN, STAFF, World

APP = f"-c role={DatabaseRole.APP.value}"


async def work(world: World) -> None:
    """One turn of the jobs of retention."""
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    worker = Worker(sessions(engine))
    await review_retention(worker, world.now)
    await prune_settled(worker, world.now)
    await engine.dispose()


def asked(world: World) -> list[str]:
    """The roles that open tasks of retention are put before."""
    found = world.rows("SELECT for_role FROM task WHERE kind = 'review_due' AND closed_at IS NULL")
    return [row["for_role"] for row in found]


async def test_a_review_that_is_due_is_put_before_the_head_once_and_erases_nothing(world: World) -> None:
    case = await retention.closed(world)
    await work(world)
    assert asked(world) == []
    world.forward(days=366 * 6)
    await work(world)
    await work(world)
    assert asked(world) == ["head_of_public_protection"]
    assert world.rows("SELECT erased_at FROM application WHERE id = %s", case) == [{"erased_at": None}]
    (task,) = (await world.as_("head").must_get("/v1/tasks"))["items"]
    await world.as_("head").must_post(f"/v1/tasks/{task['id']}/answer", {"answer": "Seen."})
    await work(world)
    assert asked(world) == []
    world.forward(days=31)
    await work(world)
    assert asked(world) == ["head_of_public_protection"]
    await retention.decide(world, case, verdict="keep", ground="links", review_on="2036-01-01")
    assert asked(world) == []
    await work(world)
    assert asked(world) == []


async def test_from_closing_to_the_proof_of_erasure(world: World) -> None:
    case = await retention.closed(world)
    world.forward(days=366 * 6)
    await work(world)
    (task,) = (await world.as_("head").must_get("/v1/tasks"))["items"]
    assert task["about"] == case
    assert (await retention.decide(world, case)).status_code == 201
    assert asked(world) == ["head_of_public_protection"]  # it is settled by the second person
    assert (await retention.agree(world, case)).status_code == 201
    assert asked(world) == []
    world.forward(days=400)
    await work(world)
    assert asked(world) == []
    proof = await world.as_("standards").must_get(retention.path(case, "erasure"))
    assert (proof["decided_by"], proof["agreed_by"]) == (str(STAFF["head"].id), str(STAFF["standards"].id))


async def test_a_restricted_case_is_put_before_those_who_see_it_and_a_frozen_one_before_nobody(world: World) -> None:
    case = await retention.closed(world)
    frozen = await retention.closed(world, intake.right_to_ask(world, subject={"surname": "Elsewhere"}))
    await retention.freeze(world, frozen)
    insert(
        world,
        "case_restriction",
        case_id=case,
        force_id=OWN,
        reason="A party is police.",
        restricted_at=world.now,
        restricted_by=STAFF["head"].id,
        leading_ranks=["inspector"],
    )
    world.forward(days=366 * 6)
    await work(world)
    assert asked(world) == ["professional_standards"]
    due = (await world.as_("head").must_get("/v1/retention/reviews"))["items"]
    assert {one["case_id"]: one["frozen"] for one in due} == {case: False, frozen: True}
    insert(
        world,
        "case_access",
        case_id=case,
        force_id=OWN,
        staff_id=STAFF["head"].id,
        kind="excluded",
        reason="A party.",
        recorded_at=world.now,
        recorded_by=STAFF["standards"].id,
    )
    seen = (await world.as_("head").must_get("/v1/retention/reviews"))["items"]
    assert [one["case_id"] for one in seen] == [frozen]


async def test_what_served_to_send_or_to_recognise_is_pruned_and_the_log_never(world: World) -> None:
    key = {"Idempotency-Key": "once-and-only-0001"}
    await world.as_("control_room").must_post("/v1/applications", intake.right_to_ask(world), headers=key)
    shared = {"force_id": OWN, "channel": "mail", "message": "digest", "staff_id": STAFF["officer"].id, "tries": 1}
    ends: tuple[dict[str, Any], ...] = ({"delivered_at": world.now}, {"given_up_at": world.now}, {})
    for number, ended in enumerate(ends):
        stamped = {"created_at": world.now, "next_try_at": world.now, "content": {}, "idempotency_key": str(number)}
        insert(world, "outbox", **shared, **stamped, **ended)
    logged = world.rows("SELECT count(*) AS n FROM access_log")
    await work(world)
    count = "SELECT (SELECT count(*) FROM outbox) AS waiting, (SELECT count(*) FROM answered_request) AS answered"
    assert world.rows(count) == [{"waiting": 3, "answered": 1}]
    world.forward(days=91)
    await work(world)
    assert world.rows(count) == [{"waiting": 1, "answered": 0}]
    assert world.rows("SELECT count(*) AS n FROM access_log") == logged


def _erase(world: World, case: str, agreement: str, today: date, *, force: str = OWN) -> None:
    with psycopg.connect(conninfo(world.url), options=APP) as connection:
        connection.execute(
            "SELECT set_config('app.force_id', %s, true), set_config('app.withheld', '{}', true)", [force]
        )
        connection.execute("SELECT erase_case(%s, %s, %s, now())", [case, agreement, today])


async def test_the_database_itself_refuses_to_erase_without_two_people_too_early_or_for_another(world: World) -> None:
    case = await retention.due(world)
    await retention.decide(world, case)
    decision = world.rows("SELECT id, recorded_by FROM retention_decision")[0]
    act = {"case_id": case, "force_id": OWN, "occurred_at": world.now, "recorded_at": world.now}
    with pytest.raises(errors.RestrictViolation, match="by two people"):
        _erase(world, case, str(decision["id"]), world.now.date())
    committed = insert(
        world,
        "retention_agreement",
        **act,
        decision_id=decision["id"],
        agrees=True,
        reason="x",
        recorded_by=STAFF["standards"].id,
    )
    with pytest.raises(errors.RestrictViolation, match="by two people"):  # made in another transaction
        _erase(world, case, committed, world.now.date())
    for attempt in (
        "UPDATE application SET erased_at = now()",
        "UPDATE retention SET keep_until = '2026-01-01'",
        "DELETE FROM event",
        "DELETE FROM person_address",
        "INSERT INTO erasure SELECT gen_random_uuid()",
    ):
        with psycopg.connect(conninfo(world.url), options=APP) as connection, pytest.raises(psycopg.Error):
            connection.execute("SELECT set_config('app.force_id', %s, true)", [OWN])
            connection.execute("SELECT set_config('app.withheld', '{}', true)")
            connection.execute("SELECT set_config('app.erasing', %s, true)", [case])
            connection.execute(attempt.encode())
    with pytest.raises(errors.RestrictViolation):
        world.execute("UPDATE application SET erased_at = now()")  # not even a superuser, by mistake


@pytest.mark.parametrize("early", [True, False])
async def test_the_database_holds_to_the_years_and_to_one_person_for_one_answer(world: World, early: bool) -> None:
    case = await retention.closed(world)
    second = STAFF["standards"].id if early else STAFF["head"].id
    if not early:
        world.forward(days=366 * 6)
    act = "%s, %s, now(), now(), %s"
    with psycopg.connect(conninfo(world.url), options=APP) as connection:
        connection.execute("SELECT set_config('app.force_id', %s, true), set_config('app.withheld', '{}', true)", [OWN])
        connection.execute(
            "INSERT INTO retention_decision (id, case_id, force_id, occurred_at, recorded_at, recorded_by, verdict, "
            f"ground, reason) VALUES (%s, {act}, 'erase', 'x', 'x')".encode(),
            ["5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10", case, OWN, STAFF["head"].id],
        )
        connection.execute(
            "INSERT INTO retention_agreement (id, case_id, force_id, occurred_at, recorded_at, recorded_by, "
            f"decision_id, agrees, reason) VALUES (%s, {act}, %s, true, 'x')".encode(),
            [
                "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f11",
                case,
                OWN,
                second,
                "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10",
            ],
        )
        says = "kept longer" if early else "two people"
        with pytest.raises(errors.RestrictViolation, match=says):
            connection.execute(
                "SELECT erase_case(%s, '5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f11', %s, now())", [case, world.now.date()]
            )


async def test_production_does_not_believe_a_clock_that_runs_ahead(world: World) -> None:
    case = await retention.due(world)
    await retention.decide(world, case)
    world.execute("UPDATE installation SET kind = 'production'")
    with world.unchanged():
        refused = await retention.agree(world, case)
    assert refused.status_code == 409
    assert clock.real_now().year < 2032


async def test_a_column_without_a_rule_stops_the_erasure(world: World) -> None:
    case = await retention.due(world)
    await retention.decide(world, case)
    world.execute("ALTER TABLE safety_plan ADD COLUMN whispered text")
    with world.unchanged():
        assert (await retention.agree(world, case)).status_code == 409


async def test_the_key_of_the_case_goes_and_that_of_a_frozen_one_stays(world: World) -> None:
    other = await retention.closed(world, intake.right_to_ask(world, subject={"surname": "Elsewhere"}))
    case = await retention.due(world)
    await retention.decide(world, case)
    assert (await retention.agree(world, case)).status_code == 201
    assert [str(row["case_id"]) for row in world.rows("SELECT case_id FROM case_key")] == [other]
    await retention.freeze(world, other)
    with pytest.raises(psycopg.Error, match="frozen"):
        world.execute("DELETE FROM case_key")


async def test_an_erasure_that_is_interrupted_has_erased_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await retention.due(world)
    await retention.decide(world, case)

    async def fail(self: AsyncSession) -> None:
        raise ConnectionError("the machine is gone")

    before = world.snapshot()
    with monkeypatch.context() as broken:
        broken.setattr(AsyncSession, "commit", fail)
        assert (await retention.agree(world, case)).status_code == 500
    assert world.snapshot() == before
    again = await retention.agree(world, case)
    assert again.status_code == 201, again.text


async def test_cases_closed_before_have_the_dates_that_the_rules_find(world: World) -> None:
    cases = [await intake.opened(world, intake.right_to_ask(world, subject={"surname": f"S{n}"})) for n in range(6)]
    kinds = (
        ("disclosed", None, None),
        ("withdrawn", "high", None),
        ("subject_deceased", "high", None),
        ("malicious", "standard", None),
        ("no_disclosure", None, world.now),
        ("not_progressed", None, None),
    )
    for number, (case, (outcome, grade, urgent)) in enumerate(zip(cases, kinds, strict=True)):
        world.execute(
            "UPDATE application SET stage = 'closed', outcome = %s, current_grade = %s, graded_at = %s, "
            "urgent_since = %s, closed_at = %s WHERE id = %s",
            outcome,
            grade,
            world.now,
            urgent,
            world.now.replace(year=2028, month=2, day=29, hour=23) + timedelta(hours=number),
            case,
        )
    downgrade(world.url, "0015")
    upgrade(world.url)
    found = world.rows(
        "SELECT r.*, a.outcome, a.urgent_since, a.current_grade, a.closed_at FROM retention r "
        "JOIN application a ON a.id = r.case_id"
    )
    assert len(found) == len(cases)
    for row in found:
        grade = row["current_grade"]
        risk = RiskLevel.URGENT if row["urgent_since"] else RiskLevel(grade) if grade else None
        expected = kept(
            schedule().group_for(row["outcome"], risk), closed_on=row["closed_at"].astimezone(clock.LONDON).date()
        )
        assert (row["group_code"], row["title"], row["source"]) == (expected.group, expected.title, expected.source)
        assert (row["closed_on"], row["keep_until"]) == (expected.closed_on, expected.keep_until)
        assert (row["keep_years"], row["review_again_years"]) == (expected.keep_years, expected.review_again_years)


async def test_production_asks_its_own_clock_for_the_day_of_the_review_too(world: World) -> None:
    case = await retention.due(world)
    await retention.decide(world, case)
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE retention SET closed_on = '2014-01-01', keep_until = '2020-01-01', review_on = '2032-01-01'"
        )
        connection.execute("UPDATE installation SET kind = 'production'")
    with world.unchanged():
        assert (await retention.agree(world, case)).status_code == 409
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE retention SET review_on = '2020-01-01'")
    assert (await retention.agree(world, case)).status_code == 201
