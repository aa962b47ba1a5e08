"""The auditor's commands: key, export, verify; what they say, and what they end with."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import ClaresLawError
from app.evidence.merkle import Peaks
from app.evidence.notes import Checkpoint
from app.evidence.signing import NoEvidenceKey, signer_of, witness_of
from app.jobs import agree_with_witness
from app.outside.witness import FileWitness, WitnessUnreachable
from app.proving import export_to
from app.settings import Settings, settings
from tests.evidence.numbering import number_all, numbering
from tests.ready import made_ready
from tests.steps import disclosure as steps
from tests.world import World

Command = Callable[..., Result]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """A command, with the data folder of the test and no database."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("CLARES_LAW_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


async def test_from_the_disclosure_to_the_court(world: World, tmp_path: Path, command: Command) -> None:
    ready = await made_ready(world)
    signer = signer_of(settings())
    witness = FileWitness(tmp_path / "witness.jsonl")
    receipts = []
    async with numbering(world.url, witness, signer) as sequencer:
        for number in range(2):
            kept = await steps.disclose(world, ready.case, ready.told())
            await number_all(sequencer)
            receipt = await world.as_("officer").get(kept["receipt"])
            receipts.append(tmp_path / f"receipt-{number}.json")
            _write(receipts[-1], receipt.text)
        await number_all(sequencer)
    key = tmp_path / "log.pub"
    _write(key, command("evidence", "key").output)
    evidence = ("--witness", tmp_path / "witness.jsonl", "--key", key)

    holds = command("verify", "receipt", receipts[1], *evidence)
    assert (holds.exit_code, holds.output.startswith("It holds: disclosure")) == (0, True), holds.output
    holds = command("verify", "consistency", *receipts, *evidence)
    assert (holds.exit_code, holds.output.startswith("It holds: the first")) == (0, True), holds.output
    sizes = [json.loads(_read(one))["checkpoint"].split("\n")[1] for one in receipts]
    proof = await world.as_("auditor").get(f"/v1/evidence/consistency?first={sizes[0]}&second={sizes[1]}")
    _write(tmp_path / "proof.json", proof.text)
    by_proof = command("verify", "consistency", *receipts, "--proof", tmp_path / "proof.json", "--key", key)
    assert by_proof.exit_code == 0, by_proof.output
    _write(tmp_path / "key.json", (await world.as_("auditor").get("/v1/evidence/key")).text)
    as_answered = command("verify", "receipt", receipts[1], *evidence[:2], "--key", tmp_path / "key.json")
    assert as_answered.exit_code == 0, as_answered.output
    backwards = command("verify", "consistency", *receipts[::-1], *evidence)
    assert backwards.exit_code == 1

    export = tmp_path / "export.jsonl"
    async with numbering(world.url, witness, signer) as sequencer:
        await number_all(sequencer)
    await export_to(world.url, export, wait=0)
    holds = command("verify", "log", export, *evidence)
    assert (holds.exit_code, holds.output.startswith("It holds: all")) == (0, True), holds.output
    assert steps.WORDS not in _read(export)
    assert export.stat().st_mode & 0o777 == 0o600

    record = json.loads(_read(receipts[0]))
    world.execute("ALTER TABLE disclosure DISABLE TRIGGER kept_as_written")
    world.execute("UPDATE disclosure SET occurred_at = now() WHERE id = %s", record["id"])
    await export_to(world.url, export, wait=0)
    broken = command("verify", "log", export, *evidence)
    assert broken.exit_code == 1
    named = f"disclosure {record['id']} (number {record['number']}) was changed after it was recorded."
    assert named in broken.output.replace("\n", " ")
    for words in (
        ("verify", "receipt", export, *evidence),
        ("verify", "log", receipts[0], *evidence),
        ("verify", "receipt", receipts[0], "--witness", tmp_path / "witness.jsonl", "--key", "no+key"),
    ):
        odd = command(*words)
        assert odd.exit_code == 1
        assert "Traceback" not in odd.output


def test_what_is_no_text_too_deep_or_has_other_line_ends_is_refused_in_one_line(
    tmp_path: Path, command: Command
) -> None:
    signer = signer_of(settings())
    key, witness = str(signer.public), tmp_path / "witness.jsonl"
    witness.touch()
    note = signer.sign(Checkpoint(signer.name, 0, Peaks().root).text)
    good, odd = tmp_path / "good", tmp_path / "odd"
    good.write_bytes(note.encode())
    odd.write_bytes(note.encode().replace(b"\n", b"\r\n"))
    ends = command("verify", "consistency", good, odd, "--witness", witness, "--key", key)
    assert "control characters" in ends.output.replace("\n", " "), ends.output
    half = json.dumps({"note": note.replace("\n", "\n\ud800", 1)})
    for content in (b"\xff\xfe", b'{"a":' + b"[" * 99999, half.encode()):
        odd.write_bytes(content)
        for words in (
            ("verify", "receipt", odd, "--witness", witness, "--key", key),
            ("verify", "consistency", good, odd, "--witness", witness, "--key", key),
            ("verify", "consistency", good, good, "--proof", odd, "--key", key),
            ("verify", "consistency", good, good, "--witness", witness, "--key", odd),
        ):
            found = command(*words)
            assert found.exit_code == 1, words
            assert "Traceback" not in found.output
            assert isinstance(found.exception, ClaresLawError | SystemExit), (content[:9], words, found.exception)


async def test_a_worker_over_a_database_that_the_witness_did_not_see_raises_alerts_and_numbers_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore that lost rows: nobody's deadline waits for the proof to be mended."""
    monkeypatch.setenv("CLARES_LAW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CLARES_LAW_DATABASE_URL", world.url)
    monkeypatch.setenv("CLARES_LAW_BANK_HOLIDAYS_URL", "off")
    settings.cache_clear()
    await made_ready(world)
    await agree_with_witness(world.url)
    witness = witness_of(settings())
    async with numbering(world.url, witness, signer_of(settings())) as sequencer:
        await number_all(sequencer)
    await agree_with_witness(world.url)
    world.execute("ALTER TABLE tree_node DISABLE TRIGGER ALL")
    world.execute("ALTER TABLE checkpoint DISABLE TRIGGER ALL")
    world.execute("DELETE FROM tree_node WHERE level = 0 AND place > 1")
    world.execute("DELETE FROM checkpoint")
    with pytest.raises(Exception, match=r"The witness saw .* and the database holds 2"):
        await agree_with_witness(world.url)  # so `run` does not start
    due = world.rows("SELECT * FROM leaf_due")
    log = tmp_path / "worker.log"
    hour = tmp_path / "hour"
    hour.write_text((world.now + timedelta(days=30)).isoformat())
    with log.open("wb") as output:
        command = (sys.executable, "-m", "app.cli", "worker")
        environment = {**os.environ, "CLARES_LAW_CLOCK": str(hour)}
        worker = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, env=environment)
    try:
        said = "SELECT trouble FROM sequencing WHERE EXISTS (SELECT FROM alert)"
        async with asyncio.timeout(120):
            while world.rows(said) != [{"trouble": "witness_ahead"}]:
                assert worker.returncode is None, _read(log)
                await asyncio.sleep(0.1)
    finally:
        worker.terminate()
        await worker.wait()
    assert "witness_ahead" in _read(log)
    ready = await world.http.get("/health/ready")
    assert (ready.status_code, ready.json()["worker"], ready.json()["evidence"]) == (503, "sweeping", "witness_ahead")
    assert world.rows("SELECT * FROM leaf_due") >= due
    assert not world.rows("SELECT 1 FROM checkpoint")


async def test_a_witness_that_cannot_be_reached_keeps_no_worker_from_its_alerts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLARES_LAW_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CLARES_LAW_WITNESS_FILE", str(tmp_path))  # a folder: no file to read
    settings.cache_clear()
    with pytest.raises(WitnessUnreachable):
        await witness_of(settings()).newest()
    await agree_with_witness(world.url)


def test_the_demonstration_makes_its_key_once_and_production_brings_its_own(tmp_path: Path) -> None:
    demonstration = Settings(data_dir=tmp_path)
    assert signer_of(demonstration).public == signer_of(demonstration).public
    key = tmp_path / "evidence.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    bare = demonstration.model_copy(update={"environment": "production"})
    with pytest.raises(NoEvidenceKey, match="EVIDENCE_KEY_FILE and CLARES_LAW_EVIDENCE_ORIGIN"):
        signer_of(bare)
    with pytest.raises(NoEvidenceKey, match="WITNESS_FILE or CLARES_LAW_WITNESS_URL"):
        witness_of(bare)
    named = bare.model_copy(update={"evidence_key_file": key, "evidence_origin": "evidence.force.test/dvds"})
    assert signer_of(named).public.name == "evidence.force.test/dvds"
    with pytest.raises(NoEvidenceKey, match="ends otherwise than in /demonstration"):
        signer_of(named.model_copy(update={"evidence_origin": "evidence.force.test/demonstration"}))
    key.chmod(0o644)
    with pytest.raises(NoEvidenceKey, match="chmod 600"):
        signer_of(named)
    key.write_text("no key")
    with pytest.raises(NoEvidenceKey, match="Ed25519"):
        signer_of(named)


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def _read(file: Path) -> str:
    return file.read_text()
