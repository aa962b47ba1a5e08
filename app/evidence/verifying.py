"""Whether the record holds: receipts, the whole log, and checkpoints, from the witness and the public key alone. Pure.

No database and no network. Whoever changed the database may have worked out every hash in it anew: what is believed is
what the log's key signed and what the witness kept. What does not hold is named: its kind, its id, its number.
"""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.evidence.blocks import Numbered
from app.evidence.dating import in_utc
from app.evidence.history import DoesNotHold, Doubt, History, NoEvidence, NotProven, read_witness
from app.evidence.judging import leaf_in, verify_log
from app.evidence.merkle import includes, is_consistent, leaf_hash
from app.evidence.notes import Checkpoint, NoteRefused, PublicKey, from_base64
from app.evidence.receipts import ConsistencyView, ReceiptView

__all__ = [
    "DoesNotHold",
    "History",
    "NoEvidence",
    "NotProven",
    "checkpoint_of",
    "proof_of",
    "proven",
    "read_witness",
    "text_of",
    "verify_consistency",
    "verify_log",
    "verify_receipt",
]


def text_of(raw: bytes) -> str:
    """What a file says, byte for byte: no line end of it is another. Raises NoEvidence."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NoEvidence("This is no text in UTF-8, as receipts, checkpoints and proofs are.") from None


def verify_receipt(raw: str, history: History, key: PublicKey) -> str:
    """Whether a receipt holds; a sentence for people. Raises DoesNotHold, NoEvidence."""
    try:
        receipt = ReceiptView.model_validate_json(raw)
    except ValidationError:
        raise NoEvidence("This is no receipt.") from None
    signed, _ = proven(receipt, history, key)
    return (
        f"It holds: {receipt.kind} {receipt.id} is record number {receipt.number} of {signed.size} under a checkpoint "
        f"that {signed.origin} signed and the witness kept; it was told of the record at "
        f"{in_utc(history.signings.of(receipt.number))}. {history.says}"
    )


def proven(receipt: ReceiptView, history: History, key: PublicKey) -> tuple[Checkpoint, dict[str, Any]]:
    """The checkpoint of a receipt that holds, and its leaf. Raises DoesNotHold, NoEvidence."""
    try:
        proof = [from_base64(one) for one in receipt.proof]
        leaf = leaf_in(receipt.leaf)
    except (NoteRefused, ValueError):
        raise NoEvidence("This is no receipt.") from None
    named = Doubt(receipt.number, receipt.kind, str(receipt.id), "")
    try:
        signed = Checkpoint.open(receipt.checkpoint, key)
    except NoteRefused as error:
        raise DoesNotHold(f"The checkpoint of {named} fails. {error}") from None
    digest = leaf_hash(receipt.leaf.encode())
    if not includes(digest, receipt.number, signed.size, proof, signed.root):
        raise DoesNotHold(f"The proof does not lead from {named} to the root that was signed.")
    if leaf.get("kind") != receipt.kind or leaf["row"].get("id") != str(receipt.id):
        raise DoesNotHold(f"The leaf in the receipt is of another record than {named}.")
    if leaf.get("missing"):
        raise DoesNotHold(f"{named}was gone when it was numbered: nothing acknowledges it.")
    if leaf["row"].get("case_id") != (str(receipt.case_id) if receipt.case_id else None):
        raise DoesNotHold(f"The leaf of {named}is of another case than the receipt says.")
    if history.roots.get(signed.size) != signed.root:
        raise DoesNotHold(f"The witness never saw the checkpoint over {signed.size} records that {named} is under.")
    if history.leaves[receipt.number] != Numbered(receipt.kind, receipt.id, digest):
        raise DoesNotHold(f"The witness saw another record than {named} under this number.")
    return signed, leaf


def verify_consistency(old: Checkpoint, new: Checkpoint, *, proof: Sequence[bytes] | None, history: History) -> str:
    """Whether one checkpoint is the beginning of another, by a proof or else by the witness. Raises DoesNotHold."""
    if old.size > new.size:
        raise DoesNotHold(f"The old checkpoint is over {old.size} records, the new one over {new.size} only.")
    if proof is not None:
        holds = is_consistent(old.size, new.size, old.root, new.root, proof)
    else:
        holds = history.roots.get(old.size) == old.root and history.roots.get(new.size) == new.root
    if not holds:
        raise DoesNotHold(
            f"The checkpoint over {old.size} records is not the beginning of that over {new.size}: "
            f"what was recorded before number {old.size} was changed between them."
        )
    return f"It holds: the first {old.size} records of {new.origin} are the same under both checkpoints, of {new.size}."


def checkpoint_of(raw: str, key: PublicKey) -> Checkpoint:
    """The checkpoint in a note, a receipt, or a proof of consistency. Raises NoEvidence, DoesNotHold."""
    note = raw
    if raw.lstrip().startswith("{"):
        try:
            told = json.loads(raw)
            note = str(told.get("checkpoint") or told.get("note") or told.get("second"))
        except (ValueError, RecursionError):
            raise NoEvidence("This is no checkpoint, no receipt and no proof.") from None
    try:
        return Checkpoint.open(note, key)
    except NoteRefused as error:
        raise DoesNotHold(f"The checkpoint fails. {error}") from None


def proof_of(raw: str) -> list[bytes]:
    """The hashes of a proof of consistency. Raises NoEvidence."""
    try:
        return [from_base64(one) for one in ConsistencyView.model_validate_json(raw).proof]
    except (ValidationError, NoteRefused):
        raise NoEvidence("This is no proof of consistency.") from None
