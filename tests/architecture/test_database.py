"""The schema holds what the code says: migrations agree, enums are checked, rows are out of reach, records are kept."""

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Enum
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills the metadata
from app.cases.rules import Graded, current_grade
from app.cases.tables import Grade
from app.storage.embedded import EmbeddedServer
from app.storage.engine import DatabaseRole
from app.storage.migrations import bootstrap, conninfo, downgrade, drift, upgrade
from tests.steps import intake
from tests.world import OTHER, OWN, STAFF, World

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"
TABLES = SQLModel.metadata.tables
OF_A_CASE = sorted(
    name for name, table in TABLES.items() if {"case_id", "force_id"} <= set(table.c.keys()) and name != "access_log"
)


@pytest.fixture
def empty(postgres: EmbeddedServer) -> Iterator[str]:
    """The URL of a database without tables."""
    with psycopg.connect(conninfo(postgres.url("postgres", "postgres")), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_one")
        yield postgres.url("postgres", "empty_one")
        connection.execute("DROP DATABASE empty_one WITH (FORCE)")


def test_migrations_go_up_agree_with_the_tables_go_down_and_up_again(empty: str) -> None:
    bootstrap(empty)
    upgrade(empty)
    drift(empty)
    downgrade(empty, "base")
    with psycopg.connect(conninfo(empty)) as connection:
        left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert left == [("alembic_version",)]
    upgrade(empty)
    drift(empty)


def grants(url: str) -> set[tuple[str, ...]]:
    """Who but its owner may do what with which table, column and function."""
    query = """
        SELECT of, part, given.grantee::regrole, given.privilege_type FROM (
            SELECT relname AS of, '' AS part, relacl AS acl, relnamespace AS schema FROM pg_class
            UNION ALL
            SELECT relname, attname, attacl, relnamespace FROM pg_attribute
            JOIN pg_class ON pg_class.oid = attrelid WHERE NOT attisdropped
            UNION ALL
            SELECT proname, '()', coalesce(proacl, acldefault('f', proowner)), pronamespace FROM pg_proc
        ) AS guarded, aclexplode(acl) AS given
        WHERE schema = 'public'::regnamespace AND given.grantee <> given.grantor
    """
    with psycopg.connect(conninfo(url)) as connection:
        return {tuple(str(part) for part in row) for row in connection.execute(query)}


def test_each_migration_taken_back_leaves_the_grants_of_the_one_before(empty: str) -> None:
    bootstrap(empty)
    revisions = sorted(path.name[:4] for path in VERSIONS.glob("0*.py"))
    upgrade(empty, revisions[0])
    for before, after in pairwise(revisions):
        granted = grants(empty)
        upgrade(empty, after)
        downgrade(empty, before)
        assert grants(empty) == granted, f"{after} taken back"
        upgrade(empty, after)


async def test_the_worker_writes_of_a_case_a_message_and_an_account_what_it_decides_and_no_more(world: World) -> None:
    written = {
        (row["table_name"], row["column_name"])
        for row in world.rows(
            "SELECT table_name, column_name FROM information_schema.column_privileges "
            "WHERE grantee = %s AND privilege_type = 'UPDATE'",
            DatabaseRole.WORKER.value,
        )
    }
    for table, columns in {
        "application": {"assigned_to", "police_involved", "pressing_at", "version"},
        "outbox": {"claimed_until", "delivered_at", "given_up_at", "last_error", "next_try_at", "tries"},
        "alert": {"chase_at", "rerouted_because"},
        "staff_member": {"compared"},
    }.items():
        assert {column for of, column in written if of == table} == columns, table
    read = "SELECT has_table_privilege(%s, 'staff_member', 'SELECT') AS whole"
    assert world.rows(read, DatabaseRole.WORKER.value) == [{"whole": False}]


async def test_cases_of_before_stand_at_the_grade_that_the_rule_finds_for_them(world: World) -> None:
    """One migration says in SQL what `current_grade` says: for every mix of grades of each victim and of the case."""
    now, by, dice = world.now, STAFF["officer"].id, random.Random(8)
    expected: dict[UUID, Grade | None] = {}
    with psycopg.connect(conninfo(world.url)) as connection, connection.cursor() as cursor:
        for number in range(300):
            case = uuid4()
            cursor.execute(
                "INSERT INTO application (id, force_id, reference, route, stage, edition, version, police_involved, "
                "created_at, created_by) "
                "VALUES (%s, %s, %s, 'right_to_ask', 'intake', 'statutory-2023', 1, false, %s, %s)",
                [case, OWN, f"NM-{number}", now, by],
            )
            victims = [uuid4() for _ in range(dice.randrange(4))]
            for victim in victims:
                cursor.execute(
                    "INSERT INTO person (id, case_id, force_id, part, born_estimated, gender, interpreter_needed) "
                    "VALUES (%s, %s, %s, 'potential_victim', false, 'not_stated', false)",
                    [victim, case, OWN],
                )
                cursor.execute(
                    "INSERT INTO party (id, case_id, force_id, person_id, role, is_applicant) "
                    "VALUES (%s, %s, %s, %s, 'potential_victim', false)",
                    [victim, case, OWN, victim],
                )
            given: list[tuple[UUID | None, Graded]] = []
            for turn in range(dice.randrange(6)):
                of = dice.choice([None, *victims])
                at = now - timedelta(hours=dice.randrange(4))
                grade = dice.choice(list(Grade))
                given.append((of, Graded(grade, at, of_whole_case=of is None)))
                cursor.execute(
                    "INSERT INTO risk_grade (id, case_id, force_id, occurred_at, recorded_at, recorded_by, "
                    "potential_victim_id, grade, immediate, reason) "
                    "VALUES (gen_random_uuid(), %s, %s, %s, %s, %s, %s, %s, false, 'x')",
                    [case, OWN, at, now + timedelta(minutes=turn), by, of, grade.value],
                )
            given.sort(key=lambda one: one[1].at)  # stable: of one moment, the one recorded later is the newer
            expected[case] = current_grade([one for of, one in given if of in (None, victim)] for victim in victims)
    downgrade(world.url, "0007")
    upgrade(world.url)
    rows = world.rows("SELECT id, current_grade, graded_at FROM application")
    assert {row["id"]: row["current_grade"] for row in rows} == expected
    assert set(expected.values()) == {None, *Grade}
    assert all((row["current_grade"] is None) == (row["graded_at"] is None) for row in rows)


async def test_every_enum_is_a_check_in_the_database_with_the_same_values(world: World) -> None:
    checks = {
        row["conname"]: row["definition"]
        for row in world.rows("SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint")
    }
    seen = 0
    for name, table in TABLES.items():
        for column in table.c:
            if isinstance(column.type, Enum):
                definition = checks[f"ck_{name}_{column.type.name}"]
                values = {part.split("'")[1] for part in definition.split("::")[:-1] if "'" in part}
                assert values == set(column.type.enums), f"{name}.{column.name}"
                seen += 1
    assert seen > 15


async def test_every_row_of_a_case_is_under_row_level_security_that_binds_its_owner_too(world: World) -> None:
    secured = {
        row["relname"]
        for row in world.rows("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    }
    assert set(OF_A_CASE) | {"application"} <= secured
    policies = {
        (row["tablename"], row["policyname"]) for row in world.rows("SELECT tablename, policyname FROM pg_policies")
    }
    for table in OF_A_CASE:
        assert {(table, "reach_read"), (table, "reach_insert"), (table, "reach_update")} <= policies
    withheld = {
        row["tablename"]
        for row in world.rows(
            "SELECT tablename FROM pg_policies WHERE policyname = 'withheld' AND permissive = 'RESTRICTIVE'"
        )
    }
    assert withheld == {*OF_A_CASE, "application", "access_log", "access_log_individual", "access_log_case"}


WRITTEN_THROUGH_GLASS = {
    "application",
    "broken_glass",
    "clock",
    "contact_attempt",
    "crime_reference",
    "duty",
    "event",
    "interim_plan",
    "outbox",
    "risk_grade",
    "safe_contact",
    "safeguarding_action",
    "safety_plan",
    "task",
}
"""Making safe and reaching people, and what follows from it: nothing else is written in a case seen through glass."""


async def test_every_row_of_a_case_is_worked_by_the_worker_and_bounded_by_the_glass(world: World) -> None:
    """A table that a later release adds without these policies fails here."""
    policies = {
        (row["tablename"], row["policyname"], row["permissive"], row["cmd"])
        for row in world.rows("SELECT tablename, policyname, permissive, cmd FROM pg_policies")
    }
    for table in (*OF_A_CASE, "application"):
        assert (table, "worker", "PERMISSIVE", "ALL") in policies, table
        for command in ("INSERT", "UPDATE", "DELETE"):
            bounded = (table, f"glass_{command.lower()}", "RESTRICTIVE", command) in policies
            assert bounded is (table not in WRITTEN_THROUGH_GLASS), (table, command)


VERBATIM = (
    "access_log",
    "account_change",
    "disclosure",
    "event",
    "forum_decision",
    "final_report",
    "non_disclosure_notice",
)


async def test_the_verbatim_record_and_the_log_take_new_rows_only_from_every_role(world: World) -> None:
    held = "SELECT privilege_type FROM information_schema.{of} WHERE grantee = %s AND table_name = %s"
    for role in DatabaseRole:
        if role is DatabaseRole.OWNER:
            continue
        for table in VERBATIM:
            whole = {row["privilege_type"] for row in world.rows(held.format(of="table_privileges"), role.value, table)}
            parts = {
                row["privilege_type"] for row in world.rows(held.format(of="column_privileges"), role.value, table)
            }
            assert whole | parts <= {"SELECT", "INSERT"}, (role, table)
    kept = {
        row["t"]
        for row in world.rows("SELECT tgrelid::regclass::text AS t FROM pg_trigger WHERE tgname = 'kept_as_written'")
    }
    assert set(VERBATIM) <= kept


async def test_what_runs_as_the_owner_runs_in_a_path_of_its_own_and_for_nobody_at_large(world: World) -> None:
    found = world.rows(
        "SELECT proname, proconfig, "
        "EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS at_large "
        "FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    names = {row["proname"] for row in found}
    assert {"agenda_of", "case_of_reference", "leaders_of", "seen_by", "withheld_from"} <= names
    for row in found:
        assert "search_path=public, pg_temp" in row["proconfig"], row["proname"]
        assert not row["at_large"], row["proname"]


async def test_who_asked_and_how_people_are_reached_is_masked_by_restrictive_policies_and_a_view(world: World) -> None:
    masked = world.rows(
        "SELECT tablename, qual FROM pg_policies WHERE policyname = 'masked' AND permissive = 'RESTRICTIVE' "
        "AND cmd = 'SELECT' AND roles = ARRAY[%s]::name[]",
        DatabaseRole.APP.value,
    )
    of_people = {name for name, table in TABLES.items() if "person_id" in table.c and "force_id" in table.c}
    assert {row["tablename"] for row in masked} == of_people | {"person", "initial_contact", "draft"}
    assert all("app.sees" in row["qual"] for row in masked)
    shown = "SELECT reloptions FROM pg_class WHERE relname = 'person_shown'"
    assert set(world.rows(shown)[0]["reloptions"]) == {"security_invoker=true", "security_barrier=true"}
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'person_shown'"
    assert {row["column_name"] for row in world.rows(columns)} == set(TABLES["person"].c.keys())


async def test_a_transaction_that_does_not_say_what_is_withheld_sees_nothing(world: World) -> None:
    await intake.opened(world)
    with psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection:
        connection.execute("SELECT set_config('app.force_id', %s, true)", [OWN])
        for table in ("application", "party", "person", "clock", "event", "case_pointer"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,), table


async def test_every_row_of_a_case_follows_it_to_another_force(world: World) -> None:
    keys = {
        row["t"]
        for row in world.rows(
            "SELECT conrelid::regclass::text AS t FROM pg_constraint WHERE contype = 'f' "
            "AND confrelid = 'application'::regclass AND confupdtype = 'c' AND array_length(conkey, 1) = 2"
        )
    }
    assert keys == set(OF_A_CASE)


async def test_no_role_of_the_service_is_a_superuser_or_bypasses_row_level_security(world: World) -> None:
    names = tuple(role.value for role in DatabaseRole)
    roles = world.rows("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY(%s)", list(names))
    assert {row["rolname"] for row in roles} == set(names)
    assert not any(row["rolsuper"] or row["rolbypassrls"] for row in roles)


async def test_without_a_context_the_api_role_sees_no_case_and_with_one_its_own_force_only(world: World) -> None:
    case = await intake.opened(world)
    with psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection:
        for context, expected in (("", []), (OTHER, []), (OWN, [case])):
            connection.execute("SELECT set_config('app.force_id', %s, true)", [context])
            connection.execute("SELECT set_config('app.withheld', '{}', true)")
            for table in ("application", "party", "person", "clock", "event"):
                column = "id" if table == "application" else "case_id"
                found = connection.execute(f"SELECT DISTINCT {column}::text FROM {table}".encode()).fetchall()
                assert [row[0] for row in found] == expected, (table, context)


async def test_the_api_role_changes_no_record_and_reads_no_log(world: World) -> None:
    await intake.opened(world)
    for statement in (
        "UPDATE event SET sentence = 'x'",
        "DELETE FROM event",
        "UPDATE initial_contact SET why = 'x'",
        "DELETE FROM application",
        "DELETE FROM person",
        "UPDATE access_log SET action = 'x'",
        "UPDATE access_log_individual SET person_id = case_id",
    ):
        with (
            psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())
    with psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection:
        connection.execute("SELECT set_config('app.force_id', %s, true)", [OWN])
        connection.execute("SELECT set_config('app.withheld', '{}', true)")
        assert connection.execute("SELECT count(*) FROM access_log").fetchone() == (0,)


async def test_not_even_a_superuser_edits_the_log_or_the_timeline_by_mistake(world: World) -> None:
    await intake.opened(world)
    for statement in (
        "UPDATE event SET sentence = 'x'",
        "DELETE FROM event",
        "TRUNCATE event",
        "UPDATE access_log SET action = 'x'",
        "DELETE FROM access_log",
        "UPDATE access_log_individual SET person_id = case_id",
        "DELETE FROM access_log_individual",
        "TRUNCATE access_log_individual",
    ):
        with pytest.raises(errors.RestrictViolation, match="kept as it was written"):
            world.execute(statement)
