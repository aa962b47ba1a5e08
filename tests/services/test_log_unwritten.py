"""What cannot be logged does not happen and is not answered: 503, come back later, and not a byte (H12.1)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import psycopg
import pytest

from app.doors import Door
from app.evidence.terms import Category
from app.main import Held, hold
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.serving import served
from tests.steps import intake
from tests.world import STAFF, World, reader_of

TABLES = ("access_log", "access_log_individual")
NOBODY = "5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10"
FULL = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END
    $$
"""


@contextmanager
def locked(world: World, table: str) -> Iterator[None]:
    """Somebody holds the table against every writer."""
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


@contextmanager
def revoked(world: World, table: str) -> Iterator[None]:
    """The service may not write the table any more."""
    world.execute(f"REVOKE INSERT ON {table} FROM {DatabaseRole.APP.value}")
    yield
    world.execute(f"GRANT INSERT ON {table} TO {DatabaseRole.APP.value}")


@contextmanager
def full(world: World, table: str) -> Iterator[None]:
    """There is no room on the disk for another row."""
    world.execute(FULL)
    world.execute(f"CREATE TRIGGER no_room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()")
    yield
    world.execute("DROP FUNCTION no_room() CASCADE")


@contextmanager
def dropped(world: World, table: str) -> Iterator[None]:
    """The database says yes, and keeps no row."""
    world.execute(
        "CREATE FUNCTION keeps_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "
        f"CREATE TRIGGER keeps_nothing BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION keeps_nothing()"
    )
    yield
    world.execute("DROP FUNCTION keeps_nothing() CASCADE")


@asynccontextmanager
async def impatient(world: World) -> AsyncIterator[None]:
    """The service waits for a lock no longer than a moment."""
    assert world.api is not None
    engine = engine_for(world.url, DatabaseRole.APP, pool_size=5, lock_timeout=0.2)
    hold(world.api, Held(sessions(engine), reader_of(world.issuer)))
    yield
    await engine.dispose()


Asked = tuple[str, str, str, dict[str, Any]]


def touching_nobody(case: str) -> list[Asked]:
    """Lists, streams, settings, and refusals of every kind."""
    return [
        ("officer", "GET", "/v1/applications", {}),
        ("officer", "GET", f"/v1/applications/{case}/timeline", {}),
        ("officer", "GET", "/v1/alerts", {}),
        ("officer", "GET", "/v1/alerts/stream", {}),
        ("officer", "GET", "/v1/duties", {}),
        ("auditor", "GET", "/v1/access-log?purpose=lawfulness", {}),
        ("administrator", "GET", f"/v1/applications/{case}", {}),
        ("officer", "GET", f"/v1/applications/{NOBODY}", {}),
        ("supervisor", "POST", f"/v1/applications/{case}/assignment", {"json": {"staff_id": NOBODY, "reason": "x"}}),
        ("officer", "POST", f"/v1/applications/{case}/closing", {"json": {}, "headers": {"If-Match": '"99"'}}),
        ("officer", "POST", f"/v1/applications/{case}/crime-references", {"json": {"nothing": 1}}),
    ]


def touching_somebody(world: World, case: str) -> list[Asked]:
    """A case file, a search, a joined contact, a new case."""
    victim = intake.parties(world, case)["potential_victim"][0]
    attempt = {"party_id": victim, "means": "telephone", "outcome": "no_answer"}
    other = {"surname": "Quimby", "given_names": "Otto", "born": "1970-05-06"}
    return [
        ("officer", "GET", f"/v1/applications/{case}", {"headers": {"Access-Reason": "cover"}}),
        ("officer", "POST", "/v1/applications/search", {"json": {"surname": "Merrick"}}),
        ("officer", "POST", f"/v1/applications/{case}/contact-attempts", {"json": attempt}),
        ("control_room", "POST", "/v1/applications", {"json": intake.right_to_ask(world)}),
        ("control_room", "POST", "/v1/applications", {"json": intake.right_to_ask(world, subject=other)}),
    ]


async def answers(world: World, http: httpx.AsyncClient, asked: list[Asked]) -> list[httpx.Response]:
    found = []
    for key, method, path, more in asked:
        headers = {"Authorization": f"Bearer {world.as_(key).token}", **more.get("headers", {})}
        found.append(await http.request(method, path, **{**more, "headers": headers}))
    return found


def nothing_said(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.content, answer.headers.get("Retry-After")) == (503, b"", "2")


@pytest.mark.parametrize("broken", [locked, revoked, full, dropped])
@pytest.mark.parametrize("table", TABLES)
async def test_nothing_is_answered_that_cannot_be_logged(world: World, broken: Any, table: str) -> None:
    case = await intake.opened(world)
    asked = touching_somebody(world, case) + (touching_nobody(case) if table == "access_log" else [])
    before = world.snapshot()
    async with impatient(world):
        with broken(world, table):
            silent = await answers(world, world.http, asked)
        assert [(one.request.url.path, one.status_code, one.content) for one in silent if not nothing_said(one)] == []
        assert world.snapshot() == before
        spoken = await answers(world, world.http, asked)
    assert all(one.content and one.status_code != 503 for one in spoken)


@pytest.mark.parametrize("broken", [locked, revoked, full])
async def test_a_server_sends_no_byte_of_it_either(world: World, broken: Any) -> None:
    case = await intake.opened(world)
    asked = touching_somebody(world, case) + touching_nobody(case)
    before = world.snapshot()
    async with (
        impatient(world),
        served(world) as port,
        httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        with broken(world, "access_log"):
            silent = await answers(world, http, asked)
    assert all(nothing_said(one) for one in silent)
    assert world.snapshot() == before


@pytest.mark.parametrize("broken", [locked, revoked, full])
async def test_a_calendar_is_not_given_out_unlogged(world: World, broken: Any) -> None:
    made = await world.as_("officer").must_post("/v1/calendar-feeds")
    async with impatient(world):
        with broken(world, "access_log"):
            assert nothing_said(await world.http.get(made["path"]))
        assert (await world.http.get(made["path"])).text.startswith("BEGIN:VCALENDAR")


async def test_a_door_that_forgets_its_row_answers_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await intake.opened(world)

    async def forget(self: Door, category: Category, **more: Any) -> None:
        return None

    before = world.rows("SELECT count(*) AS n FROM access_log")
    with monkeypatch.context() as forgetful:
        forgetful.setattr(Door, "log", forget)
        for path in (f"/v1/applications/{case}", "/v1/applications", f"/v1/applications/{case}/earlier-applications"):
            answer = await world.as_("supervisor").get(path)
            if path.endswith("earlier-applications"):
                assert answer.json() == [], "nothing is shown, so nothing is owed"
            else:
                assert (answer.status_code, answer.content) == (503, b""), path
    assert world.rows("SELECT count(*) AS n FROM access_log") == before


async def test_colleagues_are_listed_with_a_row(world: World) -> None:
    assert (await world.as_("supervisor").must_get("/v1/staff")) != []
    (row,) = world.rows("SELECT action, category, fields FROM access_log")
    assert (row["action"], row["category"]) == ("list_staff", "consultation")
    assert "name" in row["fields"]


async def test_what_row_level_security_bars_is_not_taken_for_a_log_that_cannot_be_written(world: World) -> None:
    """A write barred elsewhere is a 404 as ever, and is logged."""
    case = await intake.opened(world)
    world.execute(f"REVOKE INSERT ON contact_attempt FROM {DatabaseRole.APP.value}")
    ((key, method, path, more),) = touching_somebody(world, case)[2:3]
    (answer,) = await answers(world, world.http, [(key, method, path, more)])
    assert answer.status_code == 404
    refused = world.rows("SELECT staff_id, decision FROM access_log WHERE refused")
    assert refused == [{"staff_id": STAFF["officer"].id, "decision": "not_found"}]


async def test_no_schema_takes_the_log_or_the_record_aside(world: World) -> None:
    """A schema named as the role is looked in first by default, and the owner of the tables may make one."""
    case = await intake.opened(world)
    for role in (DatabaseRole.APP, DatabaseRole.WORKER, DatabaseRole.AUDITOR):
        world.execute(f"CREATE SCHEMA {role.value}")
        for table in ("access_log", "application"):
            world.execute(f"CREATE TABLE {role.value}.{table} (LIKE public.{table} INCLUDING ALL)")
        world.execute(f"GRANT ALL ON SCHEMA {role.value} TO {role.value}")
        world.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {role.value} TO {role.value}")
    before = world.rows("SELECT count(*) AS n FROM public.access_log")[0]["n"]
    assert (await world.as_("officer").must_get(f"/v1/applications/{case}"))["id"] == case
    assert world.rows("SELECT count(*) AS n FROM public.access_log") == [{"n": before + 1}]
    for role in (DatabaseRole.APP, DatabaseRole.WORKER, DatabaseRole.AUDITOR):
        assert not world.rows(f"SELECT 1 FROM {role.value}.access_log")
        engine = engine_for(world.url, role, pool_size=1)
        async with engine.connect() as connection:
            found = (await connection.exec_driver_sql("SELECT 'access_log'::regclass::oid")).scalar_one()
        await engine.dispose()
        assert world.rows("SELECT 'public.access_log'::regclass::oid AS oid") == [{"oid": found}]
