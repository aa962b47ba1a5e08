"""A disclosure is acknowledged by its receipt, under a checkpoint that was signed and witnessed, and not before."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app import clock
from app.evidence.merkle import Peaks, inclusion_spans, leaf_hash
from app.evidence.notes import to_base64
from app.evidence.receipts import ReceiptView
from app.evidence.verifying import (
    DoesNotHold,
    NoEvidence,
    checkpoint_of,
    proof_of,
    read_witness,
    verify_consistency,
    verify_receipt,
)
from app.outside.witness import FakeWitness
from tests.arrange import insert
from tests.evidence.numbering import SIGNER, number_all, numbering
from tests.ready import Ready, made_ready
from tests.services.test_excluded_reader import exclude
from tests.steps import disclosure as steps
from tests.steps import intake, retention
from tests.world import OWN, STAFF, World

CHECKPOINTS = "/v1/evidence/checkpoints"


@pytest.fixture
async def ready(world: World) -> Ready:
    """A case in which words may be told."""
    return await made_ready(world)


async def test_a_disclosure_is_kept_at_once_and_acknowledged_when_it_is_witnessed(ready: Ready) -> None:
    world, witness = ready.world, FakeWitness()
    answer = await world.as_("officer").post(steps.path(ready.case, "disclosures"), ready.told())
    assert answer.status_code == 202
    kept = answer.json()
    assert kept["receipt"] == steps.path(ready.case, f"disclosures/{kept['id']}/receipt")
    for wait in ("", "?wait=0.4"):
        early = await world.as_("officer").get(kept["receipt"] + wait)
        assert (early.status_code, early.json()["acknowledged"]) == (202, False)
        assert early.json()["says"].startswith("Not yet acknowledged")
    async with numbering(world.url, witness) as sequencer:
        asked = asyncio.create_task(world.as_("officer").get(kept["receipt"] + "?wait=20"))
        await asyncio.sleep(0.1)
        await number_all(sequencer)
        answer = await asked
    assert answer.status_code == 200
    history = read_witness(witness.lines, SIGNER.public)
    says = verify_receipt(answer.text, history, SIGNER.public)
    assert says.startswith(f"It holds: disclosure {kept['id']} is record number")
    assert steps.WORDS not in answer.text
    # The same one for whoever may ask, however the log grows.
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    for somebody in ("officer2", "standards"):
        assert (await world.as_(somebody).must_get(kept["receipt"])) == answer.json()
    assert (await world.as_("control_room").get(kept["receipt"])).status_code == 403
    assert (await world.as_("other_officer").get(kept["receipt"])).status_code == 404


async def test_no_receipt_that_was_touched_holds(ready: Ready) -> None:
    world, witness = ready.world, FakeWitness()
    kept = await steps.disclose(world, ready.case, ready.told())
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    true = await world.as_("officer").must_get(kept["receipt"])
    history = read_witness(witness.lines, SIGNER.public)

    def touched(**changed: Any) -> str:
        return ReceiptView.model_validate(true | changed).model_dump_json()

    verify_receipt(touched(), history, SIGNER.public)
    other = world.rows("SELECT told FROM leaf WHERE number = 0")[0]["told"].decode()
    for changed in (
        {"leaf": true["leaf"].replace("signed", "refused")},
        {"leaf": other},
        {"number": 0},
        {"proof": true["proof"][:-1]},
        {"proof": true["proof"][::-1]},
        {"kind": "closing"},
        {"id": ready.case},
        {"case_id": ready.victim},
        {"case_id": None},
        {"leaf": "{}"},
        {"leaf": '{"row": []}'},
        {"leaf": "[" * 9999},
        {"checkpoint": true["checkpoint"].replace("\n", "\n1", 1)},
    ):
        with pytest.raises((DoesNotHold, NoEvidence)):
            verify_receipt(touched(**changed), history, SIGNER.public)
    with pytest.raises(DoesNotHold, match="never saw"):
        verify_receipt(touched(), read_witness([], SIGNER.public), SIGNER.public)


async def test_whoever_waits_holds_no_connection(ready: Ready) -> None:
    kept = await steps.disclose(ready.world, ready.case, ready.told())
    more_than_the_pool_has = range(6)
    asked = [
        asyncio.create_task(ready.world.as_("officer").get(kept["receipt"] + "?wait=6")) for _ in more_than_the_pool_has
    ]
    await asyncio.sleep(1)
    assert (await ready.world.as_("officer").get(f"/v1/applications/{ready.case}")).status_code == 200
    assert {one.status_code for one in await asyncio.gather(*asked)} == {202}


async def test_what_is_asked_for_in_vain_is_no_receipt(ready: Ready) -> None:
    for path, status in (
        (steps.path(ready.case, f"disclosures/{ready.case}/receipt"), 404),
        (steps.path(ready.case, "disclosures/nothing/receipt"), 404),
        (steps.path(ready.case, f"disclosures/{ready.case}/receipt?wait=31"), 422),
    ):
        assert (await ready.world.as_("officer").get(path)).status_code == status


async def test_checkpoints_and_what_proves_that_one_is_the_beginning_of_another(ready: Ready) -> None:
    world, witness = ready.world, FakeWitness()
    assert (await world.http.get("/v1/evidence/key")).status_code == 404
    async with numbering(world.url, witness) as sequencer:
        for _ in range(4):
            await steps.disclose(world, ready.case, ready.told())
            await number_all(sequencer)
        await sequencer.say(None)
    assert (await world.http.get("/v1/evidence/key")).json() == {"public_key": str(SIGNER.public)}
    newest = await world.as_("auditor").must_get(f"{CHECKPOINTS}?limit=1")
    others = await world.as_("auditor").must_get(f"{CHECKPOINTS}?cursor={newest['next_cursor']}")
    listed = newest["items"] + others["items"]
    sizes = [one["size"] for one in listed]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(witness.lines)
    history = read_witness(witness.lines, SIGNER.public)
    for small in listed:
        for large in listed:
            query = f"/v1/evidence/consistency?first={small['size']}&second={large['size']}"
            answer = await world.as_("standards").get(query)
            assert answer.status_code == 200
            old, new = sorted((small, large), key=lambda one: int(one["size"]))
            first, second = (checkpoint_of(one["note"], SIGNER.public) for one in (old, new))
            assert verify_consistency(first, second, proof=proof_of(answer.text), history=history).startswith(
                "It holds"
            )
            assert verify_consistency(first, second, proof=None, history=history).startswith("It holds")
            if first.size < second.size:
                with pytest.raises(DoesNotHold):
                    verify_consistency(first, second, proof=proof_of(answer.text)[:-1], history=history)
                with pytest.raises(DoesNotHold):
                    verify_consistency(second, first, proof=None, history=history)
    missing = f"/v1/evidence/consistency?first={max(sizes) + 1}&second=1"
    assert (await world.as_("auditor").get(missing)).status_code == 404


async def test_a_record_that_was_gone_when_it_was_numbered_has_no_receipt(ready: Ready) -> None:
    """It is put back afterwards: nothing says that it is the same."""
    world, witness = ready.world, FakeWitness()
    kept = await steps.disclose(world, ready.case, ready.told())
    world.execute("ALTER TABLE disclosure DISABLE TRIGGER kept_as_written")
    world.execute("UPDATE disclosure SET id = %s WHERE id = %s", ready.item, kept["id"])
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    world.execute("UPDATE disclosure SET id = %s WHERE id = %s", kept["id"], ready.item)
    refused = await world.as_("officer").get(kept["receipt"])
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "record_was_missing")
    (leaf,) = world.rows("SELECT number, told FROM leaf WHERE record_id = %s", kept["id"])
    history = read_witness(witness.lines, SIGNER.public)
    leaves = [one["told"] for one in world.rows("SELECT told FROM leaf ORDER BY number")]
    made = ReceiptView(
        kind="disclosure",
        id=UUID(kept["id"]),
        case_id=UUID(ready.case),
        number=leaf["number"],
        leaf=leaf["told"].decode(),
        proof=[to_base64(one) for one in proof_over([leaf_hash(one) for one in leaves], leaf["number"])],
        checkpoint=world.rows("SELECT note FROM checkpoint")[0]["note"],
    )
    with pytest.raises(DoesNotHold, match="was gone when it was numbered"):
        verify_receipt(made.model_dump_json(), history, SIGNER.public)


def proof_over(hashes: list[bytes], number: int) -> list[bytes]:
    """An inclusion proof worked out from every leaf."""

    def root(start: int, end: int) -> bytes:
        peaks = Peaks()
        peaks.extend(hashes[start:end])
        return peaks.root

    return [root(start, end) for start, end in inclusion_spans(number, len(hashes))]


async def test_a_witness_that_disagrees_turns_readiness_red(world: World) -> None:
    world.execute("INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), %s, %s)", clock.real_now(), world.now)
    assert (await world.http.get("/health/ready")).json()["evidence"] == "agrees"
    async with numbering(world.url) as sequencer:
        await sequencer.say("witness_ahead")
        red = await world.http.get("/health/ready")
        assert (red.status_code, red.json()["evidence"]) == (503, "witness_ahead")
        # Trouble that passes by itself is told, and keeps nobody from recording.
        await sequencer.say("witness_unreachable")
        told = await world.http.get("/health/ready")
        assert (told.status_code, told.json()["evidence"]) == (200, "witness_unreachable")
        await sequencer.say(None)
    assert (await world.http.get("/health/ready")).status_code == 200


@pytest.mark.parametrize(
    "waiting",
    [
        "INSERT INTO leaf_due (kind, record_id, queued_at) VALUES ('closing', gen_random_uuid(), %s)",
        "INSERT INTO checkpoint VALUES (1, '', '', %s)",
    ],
)
async def test_what_waits_too_long_turns_readiness_red(world: World, waiting: str) -> None:
    world.execute("INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), %s, %s)", clock.real_now(), world.now)
    world.execute(waiting, clock.real_now() - timedelta(seconds=40))
    assert (await world.http.get("/health/ready")).status_code == 200
    world.execute(waiting.replace("(1,", "(2,"), clock.real_now() - timedelta(seconds=70))
    world.execute("DELETE FROM leaf_due WHERE position = (SELECT min(position) FROM leaf_due)")
    red = await world.http.get("/health/ready")
    assert (red.status_code, red.json()["evidence"]) == (503, "behind")


async def test_the_api_reads_the_leaf_that_it_asks_for_and_no_other(world: World) -> None:
    await intake.opened(world)
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    assert world.api is not None
    async with world.api.state.sessions() as session:
        assert (await session.execute(text("SELECT count(*) FROM leaf"))).scalar_one() == 0
        one = world.rows("SELECT record_id FROM leaf")[0]["record_id"]
        await session.execute(text("SELECT set_config('app.receipt_of', :one, true)"), {"one": str(one)})
        assert (await session.execute(text("SELECT record_id FROM leaf"))).scalars().all() == [one]


async def test_the_receipt_of_a_disclosure_outlives_its_case(ready: Ready) -> None:
    world, witness = ready.world, FakeWitness()
    kept = await steps.disclose(world, ready.case, ready.told())
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    before = await world.as_("officer").must_get(kept["receipt"])
    address = f"/v1/evidence/receipts/{kept['id']}"
    closed = "UPDATE application SET stage = 'closed', outcome = 'disclosed', closed_at = %s WHERE id = %s"
    world.execute(closed, world.now, ready.case)
    told = {"schedule": "retention-2026", "group_code": "x", "title": "x", "source": "x", "mark": "secondary"}
    day = world.now.date()
    years = {
        "keep_years": 6,
        "review_again_years": 5,
        "closed_on": day.replace(year=day.year - 6),
        "keep_until": day,
        "review_on": day,
    }
    insert(world, "retention", case_id=ready.case, force_id=OWN, **told, **years)
    assert (await retention.decide(world, ready.case)).status_code == 201
    answer = await retention.agree(world, ready.case)
    assert answer.status_code == 201, answer.text
    assert (await world.as_("head").get(kept["receipt"])).status_code == 410
    for reader in ("auditor", "standards"):
        after = await world.as_(reader).must_get(address)
        assert after == before
    history = read_witness(witness.lines, SIGNER.public)
    assert verify_receipt(ReceiptView.model_validate(after).model_dump_json(), history, SIGNER.public)
    assert (await world.as_("head").get(address)).status_code == 403
    assert (await world.as_("auditor").get(address[:-4] + "0000")).status_code == 404


async def test_the_auditor_has_the_receipt_of_whatever_the_log_tells_of_and_of_nothing_else(ready: Ready) -> None:
    world = ready.world
    kept = await steps.disclose(world, ready.case, ready.told())
    row = str(world.rows("SELECT id FROM access_log WHERE category = 'disclosure'")[0]["id"])
    decision = str(world.rows("SELECT id FROM forum_decision")[0]["id"])
    records = (kept["id"], decision, row)
    auditor = world.as_("auditor")
    assert (await auditor.get(f"/v1/evidence/receipts/{kept['id']}")).status_code == 404, "not yet numbered"
    async with numbering(world.url) as sequencer:
        await number_all(sequencer)
    assert (await auditor.get(kept["receipt"])).status_code == 404, "an open case is not sampled"
    kinds = [(await auditor.must_get(f"/v1/evidence/receipts/{one}"))["kind"] for one in records]
    assert kinds == ["disclosure", "forum_decision", "access_log"]
    log = "SELECT event_id, reason FROM access_log WHERE action = 'read_log' AND NOT refused ORDER BY logged_at"
    assert [(str(one["event_id"]), one["reason"]) for one in world.rows(log)] == [
        (record, "integrity") for record in records
    ]
    world.execute("UPDATE staff_member SET roles = '{auditor}' WHERE id = %s", STAFF["other_intelligence"].id)
    exclude(world, ready.case, "auditor")
    for reader in ("auditor", "other_intelligence"):
        for record in records:
            answer = await world.as_(reader).get(f"/v1/evidence/receipts/{record}")
            assert answer.status_code == 404, (reader, record)
