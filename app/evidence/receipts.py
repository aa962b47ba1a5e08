"""Receipts, openings, checkpoints and proofs as they are handed out, for `clares-law verify`. Pure.

None of them tells anybody's words but an opening, which is made to.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ReceiptView(BaseModel):
    """The proof that a record stands in the log under a checkpoint that was signed and witnessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    acknowledged: Literal[True] = True
    kind: str
    id: UUID
    case_id: UUID | None
    number: int = Field(ge=0, description="Of the leaf, counted from 0.")
    leaf: str = Field(description="Canonical JSON; texts are told by their digests.")
    proof: list[str] = Field(description="The inclusion proof (RFC 9162, 2.1.3), base64.")
    checkpoint: str = Field(description="A signed note (C2SP tlog-checkpoint).")


class NotYetView(BaseModel):
    """The record is kept, and no witnessed checkpoint covers it yet."""

    acknowledged: Literal[False] = False
    says: str = "Not yet acknowledged: the record is kept, and no witnessed checkpoint covers it yet. Ask again."


class OpenedText(BaseModel):
    """One sealed text of a record, and what opens it and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str = Field(description="The field of the record; in the leaf `<column>_sealed`.")
    envelope: str = Field(description="The sealed bytes, base64; their SHA-256 stands in the leaf.")
    secret: str = Field(description="The secret of this envelope alone, base64.")


class OpeningView(BaseModel):
    """A receipt, and the texts of its record to be opened without the service: for a court. Whoever has it reads them.

    It is kept byte for byte as it was answered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt: ReceiptView
    texts: list[OpenedText]


class CheckpointView(BaseModel):
    """A root that was signed."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    size: int = Field(description="How many leaves it covers.")
    note: str = Field(description="A signed note (C2SP tlog-checkpoint).")
    signed_at: datetime
    witnessed_at: datetime | None


class ConsistencyView(BaseModel):
    """The proof that the first checkpoint is the beginning of the second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    proof: list[str] = Field(description="RFC 9162, 2.1.4, base64.")


class KeyView(BaseModel):
    """What signatures are verified by. Keep a copy where the service cannot reach it."""

    public_key: str = Field(description="A C2SP verifier key: name, id, key.")
