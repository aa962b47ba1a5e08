"""Whether these words are what was recorded: an opening, verified from the witness and the public key alone. Pure.

Four links, each named where it fails: the receipt leads to a checkpoint that was signed and witnessed; the leaf under
it tells the SHA-256 of every envelope of the record, so none can be left out, put in or exchanged; the commitment in an
envelope lets one secret open it and no other; and what it opens to is bound to the case, the record and the column.
"""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from pydantic import ValidationError

from app.evidence.notes import NoteRefused, PublicKey, from_base64
from app.evidence.receipts import OpenedText, OpeningView
from app.evidence.sealing import Place, SealBroken, open_with
from app.evidence.verifying import DoesNotHold, History, NoEvidence, proven

_SEALED = "_sealed"


@dataclass(frozen=True)
class Proven:
    """The texts of a record, by column, and the sentence for people that says what was proven of them."""

    texts: dict[str, str]
    says: str

    def text(self, column: str) -> str:
        """One of them. Raises NoEvidence where the record has none of that name."""
        if column not in self.texts:
            raise NoEvidence(f"The record has no text of that name; it has {', '.join(self.texts)}.")
        return self.texts[column]


def verify_words(raw: bytes, history: History, key: PublicKey) -> Proven:
    """The texts of an opening that holds, byte for byte as they were recorded. Raises DoesNotHold, NoEvidence."""
    try:
        opening = OpeningView.model_validate_json(raw)
    except ValidationError:
        raise NoEvidence("This is no opening of a record.") from None
    if opening.model_dump_json().encode() != raw:
        raise NoEvidence("The opening is not byte for byte as the service answers it: it was changed or written anew.")
    receipt = opening.receipt
    signed, leaf = proven(receipt, history, key)
    told = leaf["row"]
    named = f"{receipt.kind} {receipt.id}"
    digests = {
        name.removesuffix(_SEALED): value["sha256"]
        for name, value in told.items()
        if name.endswith(_SEALED) and isinstance(value, dict)
    }
    if not digests:
        raise NoEvidence(f"Nothing of {named} was sealed.")
    shown = [one.column for one in opening.texts]
    if sorted(shown) != sorted(digests):
        raise DoesNotHold(f"The opening shows other texts than were recorded of {named}: {', '.join(sorted(digests))}.")
    case_id = UUID(told["case_id"])
    texts = {
        one.column: _opened(one, digests[one.column], Place(case_id, receipt.id, f"{receipt.kind}.{one.column}"))
        for one in opening.texts
    }
    says = (
        f"It holds: the texts of {named} in case {case_id} ({', '.join(sorted(texts))}) are byte for byte what was "
        f"recorded under number {receipt.number}, by the checkpoint of size {signed.size} that {signed.origin} signed "
        f"and the witness kept. {history.says}"
    )
    return Proven(texts, says)


def _opened(one: OpenedText, digest: str, place: Place) -> str:
    try:
        envelope, secret = from_base64(one.envelope), from_base64(one.secret)
    except NoteRefused:
        raise NoEvidence(f"The envelope or the secret of {place.column} is no base64.") from None
    if sha256(envelope).hexdigest() != digest:
        raise DoesNotHold(f"The envelope of {place.column} is not the one that was recorded: its SHA-256 differs.")
    try:
        return open_with(secret, envelope, place)
    except SealBroken:
        raise DoesNotHold(f"The secret of {place.column} is not the one that its envelope was sealed by.") from None
