"""The command line: the service's processes, its database, and the demonstration."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from app import clock
from app.access.rules import Role
from app.deadlines.calendar import Division
from app.errors import ClaresLawError
from app.lifeline import end_with
from app.proving import evidence, verify
from app.settings import Settings, settings

if TYPE_CHECKING:
    from app.storage.engine import DatabaseRole


class PlainErrors(TyperGroup):
    """Says what is wrong in one line: a traceback helps nobody who set a variable wrongly."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what the service raises on purpose ends it with status 1."""
        try:
            return super().invoke(ctx)
        except ClaresLawError as error:
            says = str(error)
        except ValidationError as error:
            says = "\n".join(
                f"{'.'.join(map(str, wrong['loc'])) or 'settings'}: {wrong['msg'].removeprefix('Value error, ')}"
                for wrong in error.errors()
            )
        typer.echo(f"clares-law: {says}", err=True)
        raise typer.Exit(1)


app = typer.Typer(
    cls=PlainErrors,
    help="The case service of the Domestic Violence Disclosure Scheme (Clare's Law).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

calendar = typer.Typer(help="The bank holidays that dates are counted by.", no_args_is_help=True)
app.add_typer(calendar, name="calendar")

keys = typer.Typer(help="The key-encryption keys that the keys of cases are wrapped under.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(evidence, name="evidence")
app.add_typer(verify, name="verify")

Starter = Annotated[int | None, typer.Option(hidden=True, help="The process that this one ends with: its parent.")]


class NoDatabase(ClaresLawError):
    """No database is named."""

    code: ClassVar[str] = "no_database"


class NobodySweeps(ClaresLawError):
    """Every worker is silent."""

    code: ClassVar[str] = "nobody_sweeps"


class DemonstrationOnly(ClaresLawError):
    """Production has no use for it."""

    code: ClassVar[str] = "demonstration_only"


def _database_url(chosen: Settings) -> str:
    if chosen.database_url is None:
        raise NoDatabase("Set DATABASE_URL, or start the demonstration, which brings a database: clares-law run")
    return chosen.database_url


def _fit(url: str, chosen: Settings, role: "DatabaseRole") -> None:
    """Refuse a start with an edition that is no edition, without a secret of the service's own, over a database that
    this process does not fit, or with keys that are not the database's."""
    import asyncio

    from app.editions import all_editions, require_as_used
    from app.evidence.keys import key_ring
    from app.evidence.rotating import must_open
    from app.retention.schedule import schedule
    from app.storage.keyfile import service_key
    from app.storage.migrations import editions_of_open_cases, refuse_other_kind

    all_editions()
    schedule()
    service_key(chosen)
    refuse_other_kind(url, chosen.environment, role)
    require_as_used(editions_of_open_cases(url, role))
    asyncio.run(must_open(url, role, key_ring()))


def _demonstration() -> Settings:
    chosen = settings()
    if chosen.environment != "demonstration":
        raise DemonstrationOnly(
            "CLARES_LAW_ENVIRONMENT says production, and this belongs to the demonstration. "
            "Production has: migrate, found, serve, worker."
        )
    return chosen


def _say(text: str) -> None:
    typer.echo(text)


@app.command()
def run(
    starter: Starter = None,
    detached: Annotated[bool, typer.Option(help="Keep running when the process that started this one ends.")] = False,
) -> None:
    """Run the demonstration: a database, fictional cases at every stage, the API and the worker. Ctrl-C ends it all."""
    if not detached:
        end_with(starter or os.getppid())
    chosen = _demonstration()
    _say("Starting the demonstration")  # before what takes a second to load
    from app import starting
    from app.card import show

    starting.run(chosen, say=_say, show_card=lambda: show(chosen))


@app.command()
def serve(starter: Starter = None) -> None:
    """Serve the API on CLARES_LAW_HOST and CLARES_LAW_PORT, over a database that 'migrate' has prepared."""
    if starter:
        end_with(starter)
    import uvicorn

    from app.storage.engine import DatabaseRole

    chosen = settings()
    _fit(_database_url(chosen), chosen, DatabaseRole.APP)
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=chosen.host,
        port=chosen.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker(
    starter: Starter = None,
    check: Annotated[bool, typer.Option(help="Sweep nothing; fail where no worker has swept lately.")] = False,
) -> None:
    """Sweep the statutory clocks into alerts every few seconds. Any number of workers may run."""
    if starter:
        end_with(starter)
    import asyncio

    from app import tables  # noqa: F401 - foreign keys are strings: what a sweep writes points to tables of every package
    from app.jobs import jobs, last_sweep, tell_of_witness
    from app.logs import configure
    from app.scheduler import work
    from app.storage.engine import DatabaseRole

    chosen = settings()
    url = _database_url(chosen)
    _fit(url, chosen, DatabaseRole.WORKER)
    if check:
        age = asyncio.run(last_sweep(url))
        if age is None or age > chosen.heartbeat_stale_seconds:
            raise NobodySweeps("No worker has swept lately." if age else "No worker has ever swept.")
        return
    configure(chosen.log_level)
    asyncio.run(tell_of_witness(url))
    asyncio.run(work(url, jobs(sweep_every=chosen.sweep_seconds)))


@app.command()
def migrate(
    bootstrap: Annotated[
        bool, typer.Option(help="First make the database's roles; needs a login that may create roles.")
    ] = False,
    check: Annotated[bool, typer.Option(help="Change nothing; fail where tables and migrations disagree.")] = False,
    app_password: Annotated[
        str | None, typer.Option(envvar="CLARES_LAW_APP_PASSWORD", help="With --bootstrap: the API's login.")
    ] = None,
    worker_password: Annotated[
        str | None, typer.Option(envvar="CLARES_LAW_WORKER_PASSWORD", help="With --bootstrap: the worker's login.")
    ] = None,
) -> None:
    """Prepare the database: its tables, the kind of installation that it belongs to, the bank holidays."""
    from app import starting
    from app.storage import migrations
    from app.storage.engine import DatabaseRole

    chosen = settings()
    if check:
        starting.check_drift(chosen, _say)
        return
    url = _database_url(chosen)
    if bootstrap:
        given = {DatabaseRole.APP: app_password, DatabaseRole.WORKER: worker_password}
        migrations.bootstrap(url, passwords={role: password for role, password in given.items() if password})
    starting.prepare(url, chosen.environment, _say)
    _say("The database is ready.")


@app.command()
def demo() -> None:
    """Put the demonstration's force and fictional cases into the database; 'run' does so by itself."""
    import asyncio

    from app import starting

    chosen = _demonstration()
    with starting.database(chosen, _say) as where:
        starting.prepare(where.owner, chosen.environment, _say)
        asyncio.run(starting.load_demonstration(where, _say))


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="What the token's owner is in the demonstration's force.")],
    minutes: Annotated[int, typer.Option(min=1, max=7 * 24 * 60, help="How long the token is good for.")] = 12 * 60,
) -> None:
    """Print a bearer token for one of the demonstration's staff. Production's tokens come from the force's provider."""
    from app.access.demonstration import token_for

    chosen = _demonstration()
    lifetime = timedelta(minutes=minutes)
    typer.echo(token_for(role, chosen.data_dir, now=clock.real_now(), lifetime=lifetime))


@app.command()
def found(
    force: Annotated[str, typer.Option(help="A short name of the force, used in every record: northmoor.")],
    name: Annotated[str, typer.Option(help="Its name as staff know it.")],
    administrator: Annotated[str, typer.Option(help="The `sub` of its first administrator's tokens.")],
    division: Annotated[Division, typer.Option(help="Whose bank holidays it keeps.")] = Division.ENGLAND_AND_WALES,
) -> None:
    """Set up a force and its first administrator, who then adds staff and agencies over the API."""
    import asyncio

    from app import starting
    from app.storage.engine import DatabaseRole
    from app.storage.migrations import refuse_other_kind

    chosen = settings()
    url = _database_url(chosen)
    refuse_other_kind(url, chosen.environment, DatabaseRole.OWNER)
    asyncio.run(starting.found(url, force_id=force, name=name, division=division.value, administrator=administrator))
    _say(f"{name} is set up.")


@contextmanager
def _prepared(*, as_worker: bool = False) -> Iterator[str]:
    """The database that the settings name, or for the demonstration its own, as the API or the worker reaches it."""
    from app import starting, tables  # noqa: F401 - foreign keys are strings
    from app.storage.engine import DatabaseRole
    from app.storage.migrations import refuse_other_kind

    chosen = settings()
    if chosen.database_url is None and chosen.environment == "demonstration":
        with starting.database(chosen, _say, beside=True) as where:
            starting.prepare(where.owner, chosen.environment, _say)
            yield where.worker if as_worker else where.app
        return
    url = _database_url(chosen)
    refuse_other_kind(url, chosen.environment, DatabaseRole.WORKER if as_worker else DatabaseRole.APP)
    yield url


@calendar.command(name="import")
def import_calendar(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file as GOV.UK's bank-holidays.json.")],
    removing: Annotated[
        list[datetime] | None,
        typer.Option(formats=["%Y-%m-%d"], help="A day that the file has lost and that is meant to go."),
    ] = None,
) -> None:
    """Take in a published list of bank holidays; the worker then moves the open clocks that it concerns."""
    import asyncio

    from app import starting

    gone: list[date] = [day.date() for day in removing or ()]
    with _prepared() as url:
        changes = asyncio.run(starting.import_calendar(url, file.read_bytes(), removing=gone))
    for one in changes:
        _say(f"{one.division}  {one.day.isoformat()}  was: {one.was or 'no holiday'}  now: {one.now or 'no holiday'}")
    _say(f"Days changed: {len(changes)}" if changes else "Nothing changed: the list is the one held.")


@calendar.command(name="show")
def show_calendars() -> None:
    """Print which list of bank holidays is held for each division."""
    import asyncio

    from app import starting
    from app.clock import in_london

    with _prepared() as url:
        held = asyncio.run(starting.held_calendars(url))
    for one in held:
        checked = f"compared {in_london(one.checked_at)}" if one.checked_at else "never compared since"
        _say(f"{one.division}: {one.version}; {one.source}; {checked}")


@keys.command()
def rotate() -> None:
    """Make a newer key-encryption key; the worker rewraps the key of every case to it, and no record changes."""
    import asyncio

    from app.evidence.keys import key_ring

    newest = asyncio.run(key_ring().service.rotate())
    _say(f"Version {newest} wraps from now on. The worker rewraps what is older; at once: clares-law keys rewrap")


@keys.command()
def rewrap() -> None:
    """Rewrap the keys of cases that are under an older version, as the worker does by itself. Safe to repeat."""
    import asyncio

    from app import starting, tables  # noqa: F401 - foreign keys are strings

    with _prepared(as_worker=True) as url:
        done = asyncio.run(starting.rewrap_keys(url))
    _say(f"Keys rewrapped: {done}")


@keys.command()
def withdraw(
    before: Annotated[int, typer.Option(min=2, help="The first version that goes on unwrapping.")],
) -> None:
    """Let older key-encryption keys unwrap no more; refused while the key of any case is under one."""
    import asyncio

    from app import starting, tables  # noqa: F401 - foreign keys are strings

    with _prepared(as_worker=True) as url:
        asyncio.run(starting.withdraw_keys(url, before))
    _say(f"No version before {before} unwraps any more.")


@app.command()
def process() -> None:
    """Print the stages and how a case leaves each, as the README carries them."""
    from app.process import as_table

    typer.echo(as_table())


@app.command()
def editions(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, each edition whole.")] = False) -> None:
    """Print the editions of the guidance side by side: limits, checks, agencies, alerts, words. Needs no database."""
    from app.editions import all_editions

    found = list(all_editions().values())
    if as_json:
        whole = {one.name: {"content_version": one.content_version, **one.model_dump(mode="json")} for one in found}
        typer.echo(json.dumps(whole, indent=2))
        return
    from app.showing import show_editions

    show_editions(found)


@app.command()
def explain(
    start: Annotated[
        str,
        typer.Option("--from", metavar="WHEN", help="London time, or with an offset; a date alone is its first hour."),
    ],
    working_days: Annotated[str | None, typer.Option(metavar="N", help="Count so many working days.")] = None,
    hours: Annotated[str | None, typer.Option(metavar="N", help="Count so many elapsed hours.")] = None,
    calendar_days: Annotated[str | None, typer.Option(metavar="N", help="Count so many days, none skipped.")] = None,
    division: Annotated[
        str, typer.Option(metavar="NAME", help=f"Whose bank holidays: {', '.join(Division)}.")
    ] = Division.ENGLAND_AND_WALES,
    holidays_file: Annotated[
        Path | None,
        typer.Option(help="Bank holidays instead of the division's: an ISO date a line, # begins a comment."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say when a limit ends and show each day counted or skipped, and why. Needs no database."""
    from app.deadlines import explaining

    begun = explaining.read_start(start)
    rule = explaining.read_rule(working_days=working_days, hours=hours, calendar_days=calendar_days)
    whose = explaining.read_division(division)
    calendar = explaining.calendar_for(whose, holidays_file)
    counted = explaining.explain(begun, rule, calendar)
    if as_json:
        typer.echo(json.dumps(explaining.as_json(begun, counted, calendar), indent=2))
        return
    from app.showing import show_working

    show_working(begun, counted, calendar)


@app.command()
def walkthrough(
    url: Annotated[str | None, typer.Option(help="Where the service runs; left out, as the settings say.")] = None,
) -> None:
    """Take one right-to-ask and one right-to-know case from first contact to the closing report, over HTTP."""
    from app.walkthrough import walk

    walk(_demonstration(), url=url)


if __name__ == "__main__":
    app(prog_name="clares-law")
