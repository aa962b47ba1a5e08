"""The command line says what is wrong in a line; the settings are all told in the example file."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import clock
from app.access.demonstration import AUDIENCE, ISSUER, open_issuer, subject_of
from app.access.rules import Role
from app.access.tokens import KeyStore, TokenReader
from app.cli import app
from app.settings import Settings, settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Call":
    monkeypatch.chdir(tmp_path)
    return Call(monkeypatch, tmp_path)


class Call:
    """A command in a folder and an environment of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
        self._monkeypatch, self.data = monkeypatch, data

    def __call__(self, *command: str, **variables: str) -> Result:
        for name in ("DATABASE_URL", *(f"CLARES_LAW_{field.upper()}" for field in Settings.model_fields)):
            self._monkeypatch.delenv(name, raising=False)
        for name, value in {"CLARES_LAW_DATA_DIR": str(self.data), **variables}.items():
            self._monkeypatch.setenv(name, value)
        settings.cache_clear()
        try:
            return CliRunner().invoke(app, command)
        finally:
            settings.cache_clear()


@pytest.mark.parametrize(
    "command", ["run", "serve", "worker", "migrate", "demo", "token", "walkthrough", "explain", "editions"]
)
def test_every_command_has_help(call: Call, command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert command in result.output


@pytest.mark.parametrize("role", list(Role))
def test_token_names_the_demonstrations_account_for_the_role(call: Call, role: Role) -> None:
    result = call("token", "--role", role.value, "--minutes", "5")
    reader = TokenReader(issuer=ISSUER, audience=AUDIENCE, keys=KeyStore.from_jwks(open_issuer(call.data).jwks()))
    claims = reader.read(result.output.strip(), now=clock.real_now())
    assert claims.subject == subject_of(role)
    assert claims.expires_at - claims.issued_at == timedelta(minutes=5)


PRODUCTION = {
    "CLARES_LAW_ENVIRONMENT": "production",
    "CLARES_LAW_DATABASE_URL": "postgresql://nobody@/nowhere",
    "CLARES_LAW_TOKEN_ISSUER": "https://issuer.example",
    "CLARES_LAW_TOKEN_AUDIENCE": "clares-law",
    "CLARES_LAW_TRANSIT_URL": "https://vault.example:8200",
    "CLARES_LAW_TRANSIT_TOKEN_FILE": "/nowhere/token",
}


@pytest.mark.parametrize("command", [["run", "--detached"], ["demo"], ["token", "--role", "auditor"]])
def test_production_refuses_what_belongs_to_the_demonstration(call: Call, command: list[str]) -> None:
    result = call(*command, **PRODUCTION)
    assert result.exit_code == 1
    assert "belongs to the demonstration" in result.output
    assert not list(call.data.iterdir())


def test_production_names_each_setting_that_is_missing(call: Call) -> None:
    result = call("serve", CLARES_LAW_ENVIRONMENT="production")
    assert result.exit_code == 1
    assert "CLARES_LAW_DATABASE_URL, CLARES_LAW_TOKEN_ISSUER" in result.output


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"CLARES_LAW_TRANSIT_URL": ""}, "production needs CLARES_LAW_TRANSIT_URL"),
        ({"CLARES_LAW_TRANSIT_TOKEN_FILE": ""}, "needs CLARES_LAW_TRANSIT_TOKEN_FILE"),
        ({"CLARES_LAW_TRANSIT_URL": "http://vault.example:8200"}, "without https://"),
        ({"CLARES_LAW_WITNESS_URL": "http://witness.example"}, "CLARES_LAW_WITNESS_URL without https://"),
        ({"CLARES_LAW_CASE_KEYS_FILE": "/nowhere/keys"}, "refuses CLARES_LAW_CASE_KEYS_FILE"),
    ],
)
def test_production_keeps_its_keys_in_a_transit_engine(call: Call, given: dict[str, str], says: str) -> None:
    result = call("serve", **PRODUCTION | given)
    assert result.exit_code == 1
    assert says in result.output


def test_production_refuses_a_moved_clock(call: Call) -> None:
    result = call("worker", **PRODUCTION, CLARES_LAW_CLOCK="/tmp/hour")
    assert result.exit_code == 1
    assert "refuses CLARES_LAW_CLOCK" in result.output


@pytest.mark.parametrize("command", ["serve", "worker", "migrate"])
def test_a_missing_database_is_named(call: Call, command: str) -> None:
    result = call(command)
    assert result.exit_code == 1
    assert "DATABASE_URL" in result.output


def test_an_unreachable_database_is_told_without_its_password(call: Call) -> None:
    address = f"postgresql://somebody:correct-horse@/nowhere?host={call.data}"
    result = call("migrate", DATABASE_URL=address)
    assert result.exit_code == 1
    assert "somebody:***@" in result.output
    assert "correct-horse" not in result.output


def test_the_example_lists_every_setting() -> None:
    listed = set(re.findall(r"^(CLARES_LAW_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    known = {f"CLARES_LAW_{field.upper()}" for field in Settings.model_fields}
    assert listed - {"CLARES_LAW_APP_PASSWORD", "CLARES_LAW_WORKER_PASSWORD"} == known


def test_the_example_can_be_copied_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    monkeypatch.chdir(tmp_path)
    read = Settings()
    assert read.environment == "demonstration"
    assert read.token_issuer is None
    assert read.clock is None
