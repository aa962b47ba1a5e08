"""A disclosure in court: these words are what was recorded, shown offline, without the key of the case."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from app.cli import app
from app.evidence import keys
from app.evidence.keys import KeyRing
from app.evidence.notes import Signer, from_base64, to_base64
from app.evidence.receipts import OpeningView
from app.evidence.sealing import Place, SealBroken, open_with
from app.evidence.verifying import DoesNotHold, History, NoEvidence, read_witness
from app.evidence.words import Proven, verify_words
from app.outside.transit import KeptKeys
from app.outside.witness import FakeWitness
from app.storage.migrations import conninfo
from tests.arrange import data_key
from tests.evidence.numbering import SIGNER, number_all, numbering
from tests.ready import Ready, made_ready
from tests.steps import disclosure as steps
from tests.steps import intake
from tests.world import World

WORDS = '\ufeffHe said:\r\n\t"No one\u202e will know".  \n\nÉ E\u0301 \U0001f6aa \n'
"""With all that a text is easily changed by: line ends, marks of order and direction, blanks at its end."""


@dataclass(frozen=True)
class Court:
    """What is laid before a court, and another record of the same case."""

    opening: bytes
    other: bytes
    witness: FakeWitness

    @property
    def history(self) -> History:
        return read_witness(self.witness.lines, SIGNER.public)

    def verified(self, opening: bytes) -> Proven:
        return verify_words(opening, self.history, SIGNER.public)


@pytest.fixture
async def ready(world: World) -> Ready:
    """A case in which words may be told."""
    return await made_ready(world)


def address(ready: Ready, record: str) -> str:
    return steps.path(ready.case, f"disclosures/{record}/opening")


async def opened(ready: Ready, record: str, *, by: str = "standards") -> bytes:
    answer = await ready.world.as_(by).get(address(ready, record))
    assert answer.status_code == 200, answer.text
    return answer.content


async def witnessed(ready: Ready, witness: FakeWitness) -> None:
    async with numbering(ready.world.url, witness) as sequencer:
        await number_all(sequencer)


@pytest.fixture
async def court(ready: Ready) -> Court:
    """Two records, disclosed and opened over HTTP."""
    witness = FakeWitness()
    kept = await steps.disclose(ready.world, ready.case, ready.told(words=WORDS, beyond_script="She asked when."))
    other = await steps.disclose(ready.world, ready.case, ready.told(words="Other words.", beyond_script="Nothing."))
    await witnessed(ready, witness)
    return Court(await opened(ready, kept["id"]), await opened(ready, other["id"]), witness)


async def test_the_words_are_proven_byte_for_byte_offline(court: Court, tmp_path: Path) -> None:
    command = commands(tmp_path, court)
    shown = command("words.json")
    assert (shown.exit_code, shown.stdout_bytes) == (0, WORDS.encode()), shown.stderr
    receipt = json.loads(court.opening)["receipt"]
    size = receipt["checkpoint"].split("\n")[1]
    assert f"recorded under number {receipt['number']}, by the checkpoint of size {size} that" in shown.stderr
    written = command("words.json", "--out", tmp_path / "words.txt")
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "words.txt").read_bytes() == WORDS.encode()
    assert command("words.json", "--column", "beyond_script").stdout == "She asked when."
    for more in (["--column", "partner"], ["--key", "no+key"], ["--witness", tmp_path / "words.json"]):
        odd = command("words.json", *more)
        assert (odd.exit_code, odd.stdout) == (1, "") and "Traceback" not in odd.stderr, more
    (tmp_path / "changed.json").write_bytes(court.opening.replace(b'"number":', b'"number":1'))
    changed = command("changed.json", "--out", tmp_path / "none.txt")
    assert (changed.exit_code, changed.stdout) == (1, "") and "The proof does not lead" in changed.stderr
    assert not (tmp_path / "none.txt").exists()


def commands(folder: Path, court: Court) -> Callable[..., Result]:
    (folder / "words.json").write_bytes(court.opening)
    (folder / "witness").write_bytes(b"".join(one + b"\n" for one in court.witness.lines))

    def command(opening: str, *more: Any) -> Result:
        evidence = ["--witness", folder / "witness", "--key", SIGNER.public]
        given = ["verify", "words", folder / opening, *evidence, *more]
        return CliRunner().invoke(app, [str(word) for word in given])

    return command


async def test_what_was_sealed_while_the_key_service_was_down_is_proven_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptKeys()
    ring = KeyRing(kept, remembers=0)
    monkeypatch.setattr(keys, "_ring", lambda chosen: ring)
    monkeypatch.setattr(keys, "_REST", 0.0)
    ready, witness = await made_ready(world), FakeWitness()
    kept.down = True
    record = (await steps.disclose(world, ready.case, ready.told(words=WORDS)))["id"]
    await witnessed(ready, witness)
    assert (await world.as_("standards").get(address(ready, record))).status_code == 503
    kept.down = False
    opening = await opened(ready, record)
    envelopes = [from_base64(one["envelope"]) for one in json.loads(opening)["texts"]]
    assert {one[0] for one in envelopes} == {2}
    proven = verify_words(opening, read_witness(witness.lines, SIGNER.public), SIGNER.public)
    assert proven.text("words") == WORDS


async def test_no_byte_of_an_opening_can_be_another(court: Court) -> None:
    history = court.history
    assert verify_words(court.opening, history, SIGNER.public).text("words") == WORDS

    @settings(max_examples=400)
    @given(place=st.integers(0, len(court.opening) - 1), instead=st.integers(0, 255))
    def changed(place: int, instead: int) -> None:
        if court.opening[place] == instead:
            return
        touched = court.opening[:place] + bytes((instead,)) + court.opening[place + 1 :]
        with pytest.raises((DoesNotHold, NoEvidence)):
            verify_words(touched, history, SIGNER.public)

    @settings(max_examples=100)
    @given(place=st.integers(0, len(court.opening) - 1), more=st.binary(min_size=1, max_size=2))
    def lengthened_or_cut(place: int, more: bytes) -> None:
        for touched in (court.opening[:place] + more + court.opening[place:], court.opening[:place]):
            if touched != court.opening:
                with pytest.raises((DoesNotHold, NoEvidence)):
                    verify_words(touched, history, SIGNER.public)

    changed()
    lengthened_or_cut()
    for more in (b"\n", b" "):
        with pytest.raises(NoEvidence, match="byte for byte"):
            verify_words(court.opening + more, history, SIGNER.public)


async def test_each_part_that_was_exchanged_is_named(court: Court) -> None:
    true, other = json.loads(court.opening), json.loads(court.other)
    assert court.verified(court.opening).text("words") == WORDS
    receipt, texts = true["receipt"], {one["column"]: one for one in true["texts"]}
    others = {one["column"]: one for one in other["texts"]}

    def with_receipt(**changed: Any) -> dict[str, Any]:
        return {**true, "receipt": receipt | changed}

    def with_words(**changed: Any) -> dict[str, Any]:
        return {**true, "texts": [texts[one] | (changed if one == "words" else {}) for one in texts]}

    def bit_of(text: str, place: int) -> str:
        raw = bytearray(from_base64(text))
        raw[place] ^= 1
        return to_base64(bytes(raw))

    words = texts["words"]
    for changed, says in (
        (with_receipt(number=receipt["number"] + 1), "proof does not lead"),
        (with_receipt(leaf=receipt["leaf"].replace("signed", "refused")), "proof does not lead"),
        (with_receipt(proof=receipt["proof"][:-1]), "proof does not lead"),
        (with_receipt(checkpoint=receipt["checkpoint"].replace("\n", "\n1", 1)), "checkpoint of"),
        (with_receipt(kind="closing"), "of another record"),
        (with_receipt(id=other["receipt"]["id"]), "of another record"),
        (with_receipt(case_id=str(uuid4())), "of another case"),
        (with_receipt(case_id=None), "of another case"),
        (true | {"receipt": other["receipt"]}, "is not the one that was recorded"),
        (true | {"texts": other["texts"]}, "is not the one that was recorded"),
        (
            true | {"texts": [others["words"], *(texts[one] for one in texts if one != "words")]},
            "disclosure.words is not",
        ),
        (true | {"texts": [one for one in true["texts"] if one != words]}, "shows other texts"),
        (true | {"texts": [*true["texts"], words]}, "shows other texts"),
        (with_words(column="present"), "shows other texts"),
        (with_words(envelope=texts["place"]["envelope"]), "envelope of disclosure.words is not the one"),
        (with_words(secret=texts["place"]["secret"]), "secret of disclosure.words is not the one"),
        (with_words(secret=others["words"]["secret"]), "secret of disclosure.words is not the one"),
        (with_words(secret=""), "secret of disclosure.words is not the one"),
        (with_words(secret=bit_of(words["secret"], 0)), "secret of disclosure.words is not the one"),
        *(
            (with_words(envelope=bit_of(words["envelope"], at)), "envelope of disclosure.words is not the one")
            for at in (0, 1, 40, 70, -1)
        ),
    ):
        with pytest.raises(DoesNotHold, match=says):
            court.verified(OpeningView.model_validate(changed).model_dump_json().encode())


async def test_words_that_were_sealed_anew_by_whoever_has_the_key_do_not_hold(ready: Ready, court: Court) -> None:
    opening = json.loads(court.opening)
    receipt = opening["receipt"]
    (words,) = (one for one in opening["texts"] if one["column"] == "words")
    place = Place(UUID(ready.case), UUID(receipt["id"]), "disclosure.words")
    key = data_key(ready.world, ready.case)
    forged = key.seal("He said nothing.", place)
    was = sha256(from_base64(words["envelope"])).hexdigest()
    words |= {"envelope": to_base64(forged), "secret": to_base64(key.secret_of(forged, place))}
    with pytest.raises(DoesNotHold, match="its SHA-256 differs"):
        court.verified(_written(opening))
    receipt["leaf"] = receipt["leaf"].replace(was, sha256(forged).hexdigest())
    with pytest.raises(DoesNotHold, match="proof does not lead"):
        court.verified(_written(opening))


def _written(opening: dict[str, Any]) -> bytes:
    return OpeningView.model_validate(opening).model_dump_json().encode()


async def test_another_witness_or_another_key_proves_nothing(court: Court) -> None:
    with pytest.raises(DoesNotHold, match="never saw"):
        verify_words(court.opening, read_witness([], SIGNER.public), SIGNER.public)
    lines = court.witness.lines
    note = json.loads(court.opening)["receipt"]["checkpoint"]
    (known,) = (at for at, line in enumerate(lines) if json.loads(line)["note"] == note)
    seen = json.loads(lines[known])
    own = next(leaf for leaf in seen["leaves"] if leaf[1] == json.loads(court.opening)["receipt"]["id"])

    def refused(says: str) -> None:
        touched = json.dumps(seen).encode()
        with pytest.raises(DoesNotHold, match=says):
            verify_words(court.opening, read_witness([*lines[:known], touched], SIGNER.public), SIGNER.public)

    for leaf in seen["leaves"]:
        was, leaf[2] = leaf[2], sha256(leaf[2].encode()).hexdigest()
        refused("not over what the witness saw")
        leaf[2] = was
    for place, instead in ((0, "closing"), (1, str(uuid4()))):
        was, own[place] = own[place], instead
        refused("saw another record")
        own[place] = was
    for place in range(len(note)):
        seen["note"] = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
        refused(r"checkpoint|witness")
    other = Signer(SIGNER.name, Ed25519PrivateKey.generate()).public
    with pytest.raises(DoesNotHold, match="checkpoint of"):
        verify_words(court.opening, court.history, other)


async def test_who_may_open_a_record_and_what_the_log_says_of_it(ready: Ready) -> None:
    world, witness = ready.world, FakeWitness()
    kept = await steps.disclose(world, ready.case, ready.told(words=WORDS))
    early = await world.as_("standards").get(address(ready, kept["id"]))
    receipt = await world.as_("standards").get(kept["receipt"])
    assert (early.status_code, early.json()) == (202, receipt.json())
    assert early.json()["acknowledged"] is False
    await witnessed(ready, witness)
    openings = [await opened(ready, kept["id"], by=by) for by in ("standards", "supervisor", "head")]
    assert len(set(openings)) == 1
    logged = world.rows(
        "SELECT category, reason, fields, case_id, recipient FROM access_log "
        "WHERE action = 'open_for_court' AND event_id = %s ORDER BY recorded_in",
        kept["id"],
    )
    assert [row["fields"] for row in logged] == [["acknowledged", "says"], *([["receipt", "texts"]] * 3)]
    assert {(row["category"], row["reason"], str(row["case_id"]), row["recipient"]) for row in logged} == {
        ("consultation", "proceedings", ready.case, None)
    }
    for somebody, status in (
        ("officer", 403),
        ("auditor", 403),
        ("control_room", 403),
        ("intelligence", 403),
        ("chair", 403),
        ("other_supervisor", 404),
    ):
        refused = await world.as_(somebody).get(address(ready, kept["id"]))
        assert refused.status_code == status, somebody
        assert "secret" not in refused.text


async def test_no_secret_of_another_record_comes_out(ready: Ready, court: Court) -> None:
    world = ready.world
    first, second = (json.loads(one)["receipt"]["id"] for one in (court.opening, court.other))
    elsewhere = await intake.opened(world, intake.right_to_ask(world, subject=intake.SUBJECT | {"surname": "Other"}))
    for path in (
        steps.path(elsewhere, f"disclosures/{first}/opening"),
        address(ready, ready.case),
        address(ready, ready.decision),
        address(ready, "nothing"),
    ):
        assert (await world.as_("standards").get(path)).status_code == 404
    shown = {one["secret"] for one in json.loads(court.opening)["texts"]}
    assert shown.isdisjoint(one["secret"] for one in json.loads(court.other)["texts"])
    envelopes = world.rows("SELECT words_sealed, place_sealed, present_sealed FROM disclosure WHERE id = %s", second)
    for secret in map(base64.b64decode, shown):
        for name, envelope in envelopes[0].items():
            with pytest.raises(SealBroken):
                column = f"disclosure.{name.removesuffix('_sealed')}"
                open_with(secret, bytes(envelope), Place(UUID(ready.case), UUID(second), column))
    # Brought to another row past every guard, an envelope gives nothing away there.
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        words = "(SELECT words_sealed FROM disclosure WHERE id = %s)"
        connection.execute(f"UPDATE disclosure SET words_sealed = {words} WHERE id = %s".encode(), [second, first])
    with capture_logs() as logged:
        broken = await world.as_("standards").get(address(ready, first))
    assert (broken.status_code, broken.json()["type"]) == (500, "urn:clares-law:problem:seal_broken")
    assert "secret" not in broken.text
    told = next(one for one in logged if one["event"] == "sealed_text_unreadable")
    assert (told["row_id"], told["column"]) == (first, "disclosure.words")
