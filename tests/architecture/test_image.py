"""The image and the composition say what the repository has: files, commands, settings; and keep their guard up."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
COMPOSE = re.sub(r"(?m)^#.*", "", (ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = import_module("yaml").safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "clares-law"}
PASSWORDS = {"CLARES_LAW_APP_PASSWORD", "CLARES_LAW_WORKER_PASSWORD"}
KNOWN = {f"CLARES_LAW_{field.upper()}" for field in Settings.model_fields} | PASSWORDS


def said(instruction: str) -> list[str]:
    """What stands behind each instruction of one kind, in order."""
    return [line.split(maxsplit=1)[1] for line in DOCKERFILE if line.startswith(f"{instruction} ")]


def test_everything_that_is_copied_exists_and_is_let_into_the_build() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in said("COPY") if not line.startswith("--from") for name in line.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_what_runs_is_named_in_exec_form_so_that_signals_reach_it() -> None:
    assert json.loads(said("ENTRYPOINT")[0]) == ["clares-law"]
    assert json.loads(said("CMD")[0]) == ["serve"]
    probe = json.loads(said("HEALTHCHECK")[0].partition("CMD ")[2])
    assert "/health/live" in probe[-1]
    compile(probe[-1], "healthcheck", "exec")
    assert said("USER")[-1] not in ("", "root", "0")


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_of_the_composition_is_one_of_the_services(name: str) -> None:
    probe = OURS[name].get("healthcheck", {}).get("test", ["CMD", "clares-law", *OURS[name]["command"]])
    assert probe[:2] == ["CMD", "clares-law"]
    for command in (OURS[name]["command"], probe[2:]):
        result = CliRunner().invoke(app, [*command, "--help"])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_service_runs_without_power_and_its_environment_is_one_that_it_reads(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["environment"]) <= KNOWN
    chosen = {variable for line in said("ENV") for variable in re.findall(r"(CLARES_LAW_\w+)=", line)}
    assert chosen <= KNOWN


def test_no_secret_has_a_default() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?\}", COMPOSE))
    assert asked >= PASSWORDS | {"POSTGRES_PASSWORD", "CLARES_LAW_TOKEN_ISSUER", "CLARES_LAW_SECRETS_KEY_FILE"}
    files = {
        "CLARES_LAW_SIGN_IN_CLIENT_SECRET_FILE",
        "CLARES_LAW_TOKEN_JWKS_FILE",
        "CLARES_LAW_CA_FILE",
        "CLARES_LAW_WITNESS_TOKEN_FILE",
    }
    harmless = {"CLARES_LAW_LOG_LEVEL", "CLARES_LAW_PORT", *files}  # a file is nowhere unless it is named
    assert set(re.findall(r"\$\{(\w+):-[^}]+\}", COMPOSE)) == harmless
    assert not re.findall(r"\$(?:\w|\{\w+\})", COMPOSE), "a variable that is neither asked for nor has a default"
    example = (ROOT / ".env.example").read_text().splitlines()
    assert {f"{name}=" for name in asked} <= set(example)
