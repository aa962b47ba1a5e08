"""The card that a start of the demonstration prints: where it is, who may come in, what to try."""

import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from app import clock
from app.access.demonstration import LIFETIME, token_for
from app.access.rules import Role
from app.settings import Settings
from app.starting import address_of


def show(chosen: Settings) -> None:
    """Print the card. Tokens and commands stand on lines of their own, unbroken, to be copied."""
    console = Console(highlight=False)
    address = address_of(chosen)
    now = clock.real_now()

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("Interactive docs", f"{address}/docs")
    facts.add_row("Sign in", f"{address}/v1/sign-in?return_to=/docs (any of the staff, no password)")
    facts.add_row("Data, kept", _short(chosen.data_dir))
    facts.add_row("Logs", f"{_short(chosen.data_dir / 'logs')}/serve.log and worker.log")
    facts.add_row("To end it all", "Ctrl-C")
    console.print(Panel(facts, title="Clare's Law, demonstration: every case is fictional", expand=False))

    console.print(f"[bold]A token for every role[/bold], good until {clock.in_london(now + LIFETIME)}:")
    for role in Role:
        console.print(f"[bold]{role.value}[/bold]")
        console.print(token_for(role, chosen.data_dir, now=now), markup=False, soft_wrap=True)

    console.print("\n[bold]Three commands to try[/bold] in another terminal:")
    for command in _commands(chosen, address):
        console.print(f"  {command}", markup=False, soft_wrap=True)
    console.file.flush()


def _commands(chosen: Settings, address: str) -> list[str]:
    program = Path(sys.executable).with_name("clares-law")
    mint = f"{shlex.quote(_short(program))} token --role"
    if "data_dir" in chosen.model_fields_set:
        mint = f"CLARES_LAW_DATA_DIR={shlex.quote(str(chosen.data_dir.resolve()))} {mint}"

    def get(path: str, role: Role) -> str:
        return f'curl -s -H "Authorization: Bearer $({mint} {role.value})" {address}{path}'

    return [
        f"curl -s {address}/health/ready",
        get("/v1/applications", Role.PUBLIC_PROTECTION_OFFICER),
        get("/v1/alerts", Role.PUBLIC_PROTECTION_SUPERVISOR),
    ]


def _short(path: Path) -> str:
    """Relative to where the reader stands, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
