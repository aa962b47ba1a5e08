"""Roles, migrations and the mark of the installation, on a server of their own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings, settings
from app.starting import prepare
from app.storage import embedded, migrations
from app.storage.engine import DatabaseRole
from app.storage.migrations import DatabaseUnusable, OtherKind, conninfo

QUICK = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.EmbeddedServer]:
    with embedded.start(tmp_path_factory.mktemp("migrate") / "postgres", settings=QUICK) as started:
        yield started


@pytest.fixture
def url(server: embedded.EmbeddedServer) -> str:
    """A new database, in the superuser's hands."""
    name = f"test_{uuid4().hex}"
    migrations.make_database(server.url(embedded.SUPERUSER, "postgres"), name)
    return server.url(embedded.SUPERUSER, name)


def roles(url: str) -> dict[str, tuple[bool, bool, bool, str | None]]:
    query = (
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolpassword FROM pg_authid WHERE rolname LIKE 'clares%'"
    )
    with psycopg.connect(conninfo(url)) as connection:
        return {name: (*rest,) for name, *rest in connection.execute(query)}


def test_bootstrap_makes_every_role_without_power_and_can_be_repeated(url: str) -> None:
    migrations.bootstrap(url)
    migrations.bootstrap(url)
    assert roles(url) == {role.value: (False, False, False, None) for role in DatabaseRole}


def test_bootstrap_takes_power_back(url: str) -> None:
    migrations.bootstrap(url)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("ALTER ROLE clares_law_app SUPERUSER BYPASSRLS")
    migrations.bootstrap(url)
    assert roles(url)["clares_law_app"][:2] == (False, False)


def test_a_role_with_a_password_logs_in_and_the_server_never_saw_the_password(url: str) -> None:
    migrations.bootstrap(url, passwords={DatabaseRole.WORKER: "correct horse"})
    _, _, may_log_in, verifier = roles(url)["clares_law_worker"]
    assert may_log_in
    assert verifier is not None
    assert verifier.startswith("SCRAM-SHA-256$")
    assert not roles(url)["clares_law_owner"][2]


def test_a_login_that_only_may_create_roles_can_prepare_everything(tmp_path: Path) -> None:
    with embedded.start(tmp_path / "postgres", settings=QUICK) as fresh:
        with psycopg.connect(conninfo(fresh.url(embedded.SUPERUSER, "postgres")), autocommit=True) as connection:
            connection.execute("CREATE ROLE site LOGIN CREATEROLE")
            connection.execute("CREATE DATABASE site OWNER site")
        url = fresh.url("site", "site")
        migrations.bootstrap(url)
        migrations.bootstrap(url)
        prepare(url, "production", lambda _: None)
        assert migrations.is_current(url)


def test_a_database_of_a_newer_version_is_told(url: str) -> None:
    migrations.bootstrap(url)
    prepare(url, "production", lambda _: None)
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
    with pytest.raises(DatabaseUnusable, match="later"):
        prepare(url, "production", lambda _: None)


def test_a_login_that_may_do_nothing_is_told_so(server: embedded.EmbeddedServer, url: str) -> None:
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("CREATE ROLE visitor LOGIN")
    with pytest.raises(DatabaseUnusable, match="permission denied"):
        migrations.bootstrap(server.url("visitor", "postgres"))


def test_prepare_migrates_marks_and_brings_the_bank_holidays_once(url: str) -> None:
    migrations.bootstrap(url)
    assert not migrations.is_current(url)
    said: list[str] = []
    prepare(url, "demonstration", said.append)
    prepare(url, "demonstration", said.append)
    assert said == ["Applying migrations"]
    assert migrations.is_current(url)
    with psycopg.connect(conninfo(url)) as connection:
        divisions = connection.execute("SELECT count(*) FROM holiday_calendar").fetchone()
        assert divisions == (3,)


def test_demonstration_and_production_refuse_each_others_database(url: str) -> None:
    migrations.bootstrap(url)
    prepare(url, "production", lambda _: None)
    with pytest.raises(OtherKind, match="for demonstration, and the database is for production"):
        prepare(url, "demonstration", lambda _: None)
    with pytest.raises(OtherKind):
        migrations.refuse_other_kind(url, "demonstration", DatabaseRole.APP)
    migrations.refuse_other_kind(url, "production", DatabaseRole.APP)


def test_a_database_nobody_prepared_serves_nobody(url: str) -> None:
    migrations.bootstrap(url)
    with pytest.raises(OtherKind, match="prepared"):
        migrations.refuse_other_kind(url, "demonstration", DatabaseRole.APP)


def test_a_url_keeps_its_options_on_the_way_to_psycopg(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://a@/b?host={tmp_path}&options=-c+role%3Dc"
    assert psycopg.conninfo.conninfo_to_dict(conninfo(url)) == {
        "user": "a",
        "dbname": "b",
        "host": str(tmp_path),
        "options": "-c role=c",
    }


def test_the_settings_name_an_embedded_database_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.delenv("CLARES_LAW_DATABASE_URL", raising=False)
    assert Settings().database_url == "postgresql://elsewhere/db"
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", "postgresql://ours/db")
    assert Settings().database_url == "postgresql://ours/db"


def test_founding_says_in_a_line_what_this_login_or_this_database_does_not_allow(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations.bootstrap(url)
    prepare(url, "production", lambda _: None)
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", url)
    settings.cache_clear()
    found = CliRunner().invoke(app, ["found", "--force", "a", "--name", "A", "--administrator", "sub"])
    settings.cache_clear()
    assert found.exit_code == 1
    assert "for demonstration, and the database is for production" in found.output
    assert "Traceback" not in found.output


def test_the_workers_check_fails_until_a_worker_has_swept_lately(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.bootstrap(url)
    prepare(url, "demonstration", lambda _: None)
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", url)
    for swept, status in ((None, 1), ("interval '1 hour'", 1), ("interval '1 second'", 0)):
        if swept is not None:
            beat = f"INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), now() - {swept}, now())"
            with psycopg.connect(conninfo(url)) as connection:
                connection.execute(beat.encode())
        settings.cache_clear()
        checked = CliRunner().invoke(app, ["worker", "--check"])
        settings.cache_clear()
        assert checked.exit_code == status, checked.output
