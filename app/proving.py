"""The commands of the auditor: what the database holds is exported, and verified where the service cannot reach."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from app import clock
from app.settings import settings

if TYPE_CHECKING:
    from app.evidence.notes import PublicKey
    from app.evidence.verifying import History

evidence = typer.Typer(help="The proof of the record: its public key, and the auditor's export.", no_args_is_help=True)
verify = typer.Typer(
    help="Whether the record holds, from the witness and the public key alone: no database, no network.",
    no_args_is_help=True,
)

_HELD = typer.Argument(exists=True, dir_okay=False)
_Witness = Annotated[Path, typer.Option("--witness", exists=True, dir_okay=False, help="A copy of the witness.")]
_Key = Annotated[
    str, typer.Option("--key", help="The public key, a file with it, or the answer of /v1/evidence/key, kept.")
]


@evidence.command(name="key")
def show_key() -> None:
    """Print the public key that checkpoints are verified by. Keep it where whoever keeps the database cannot reach."""
    from app.evidence.signing import signer_of

    typer.echo(str(signer_of(settings()).public))


@evidence.command(name="export")
def export_log(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write it.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds given to the worker to sign over what is new.")] = 30.0,
) -> None:
    """Write every leaf, every covered record as it is now and every checkpoint, for 'clares-law verify log'."""
    import asyncio

    with _database() as url:
        asyncio.run(export_to(url, file, wait=wait))
    typer.echo(f"Written: {file}")


async def export_to(url: str, file: Path, *, wait: float) -> None:
    """Write the auditor's export; what has just come in is given so many seconds to be signed over."""
    from sqlalchemy import text

    from app import tables  # noqa: F401 - records are found by the names of their tables
    from app.evidence.exporting import export, settled
    from app.storage.engine import DatabaseRole, engine_for, sessions

    engine = engine_for(url, DatabaseRole.AUDITOR, pool_size=1)
    opened = sessions(engine)
    try:
        told_before = await settled(opened, seconds=wait)
        async with opened() as session, session.begin():
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            with _whole(file) as output:
                async for line in export(session, told_before=told_before, at=clock.real_now()):
                    output.write(line)
    finally:
        await engine.dispose()


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """A file of the owner's alone that is there when it is whole."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as output:
            yield output
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _database() -> Iterator[str]:
    """The database that the settings name, or for the demonstration its own, as the auditor reaches it."""
    from app import starting

    chosen = settings()
    if chosen.database_url is not None:
        yield chosen.database_url
    elif chosen.environment == "production":
        raise starting.CannotStart("Set DATABASE_URL to a login that is a member of clares_law_auditor.")
    else:
        with starting.database(chosen, typer.echo, beside=True) as where:
            yield where.auditor


@verify.command(name="receipt")
def receipt_holds(receipt: Annotated[Path, _HELD], witness: _Witness, key: _Key) -> None:
    """Whether the record of a receipt stands in the log that was signed and witnessed."""
    from app.evidence.verifying import text_of, verify_receipt

    known = _key(key)
    typer.echo(verify_receipt(text_of(receipt.read_bytes()), _history(witness, known), known))


@verify.command(name="words")
def words_hold(
    opening: Annotated[Path, _HELD],
    witness: _Witness,
    key: _Key,
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="Write the words there instead.")] = None,
    column: Annotated[str, typer.Option(help="Which text of the record to print; all are verified.")] = "words",
) -> None:
    """Print the words of an opening, byte for byte, if they are what was recorded; what is proven goes to stderr."""
    from app.evidence.words import verify_words

    known = _key(key)
    proven = verify_words(opening.read_bytes(), _history(witness, known), known)
    words = proven.text(column).encode()
    if out:
        with _whole(out) as output:
            output.write(words)
    else:
        typer.echo(words, nl=False)
    typer.echo(proven.says, err=True)


@verify.command(name="log")
def log_holds(export: Annotated[Path, _HELD], witness: _Witness, key: _Key) -> None:
    """Whether a whole export holds; else the first record that does not. Copy the witness before you export."""
    from app.evidence.verifying import verify_log

    known = _key(key)
    with export.open("rb") as told:
        typer.echo(verify_log(told, _history(witness, known), known))


@verify.command(name="consistency")
def checkpoints_agree(
    old: Annotated[Path, _HELD],
    new: Annotated[Path, _HELD],
    key: _Key,
    witness: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A copy of the witness.")] = None,
    proof: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The answer of /v1/evidence/consistency.")
    ] = None,
) -> None:
    """Whether nothing before OLD was changed by NEW, by a proof or by the witness. Each: a checkpoint or a receipt."""
    from app.evidence.verifying import History, checkpoint_of, proof_of, text_of, verify_consistency

    if (witness is None) == (proof is None):
        raise typer.BadParameter("name either --witness or --proof")
    known = _key(key)
    first, second = (checkpoint_of(text_of(one.read_bytes()), known) for one in (old, new))
    history = _history(witness, known) if witness else History()
    hashes = proof_of(text_of(proof.read_bytes())) if proof else None
    typer.echo(verify_consistency(first, second, proof=hashes, history=history))


def _history(witness: Path, key: "PublicKey") -> "History":
    from app.evidence.verifying import read_witness

    with witness.open("rb") as lines:
        return read_witness(lines, key)


def _key(given: str) -> "PublicKey":
    from app.evidence.notes import PublicKey
    from app.evidence.receipts import KeyView
    from app.evidence.verifying import text_of

    file = Path(given)
    said = text_of(file.read_bytes()) if file.is_file() else given
    with suppress(ValueError):
        said = KeyView.model_validate_json(said).public_key
    return PublicKey.parse(said)
