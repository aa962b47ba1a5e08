"""The private key that checkpoints are signed with: a file beside the worker, never in the database."""

import stat
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.errors import ClaresLawError
from app.evidence.blocks import Block, NoBlock
from app.evidence.notes import DEMONSTRATION, Signer
from app.outside.witness import FileWitness, HttpWitness, Witness
from app.settings import Settings
from app.storage.keyfile import make_once

_KEY_FILE = "evidence.pem"
_WITNESS_FILE = "witness.jsonl"
_ORIGIN = f"clares-law.invalid{DEMONSTRATION}"


class NoEvidenceKey(ClaresLawError):
    """There is no key to sign checkpoints with, or no name or witness for them."""

    code: ClassVar[str] = "no_evidence_key"


def signer_of(chosen: Settings) -> Signer:
    """The key that the settings name; the demonstration makes its own on first use. Raises NoEvidenceKey."""
    if chosen.environment == "production" and not (chosen.evidence_key_file and chosen.evidence_origin):
        raise NoEvidenceKey(
            "Production's worker needs CLARES_LAW_EVIDENCE_KEY_FILE and CLARES_LAW_EVIDENCE_ORIGIN: "
            "without them no checkpoint is signed and no disclosure acknowledged."
        )
    if chosen.environment == "production" and (chosen.evidence_origin or "").endswith(DEMONSTRATION):
        raise NoEvidenceKey(f"Production's CLARES_LAW_EVIDENCE_ORIGIN ends otherwise than in {DEMONSTRATION}.")
    path = chosen.evidence_key_file or _own_key(chosen.data_dir / _KEY_FILE)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o077
    except (OSError, ValueError):
        key, open_to_others = None, 0
    if not isinstance(key, Ed25519PrivateKey):
        raise NoEvidenceKey("CLARES_LAW_EVIDENCE_KEY_FILE must name a readable Ed25519 private key as PEM.")
    if open_to_others:
        raise NoEvidenceKey("The file of CLARES_LAW_EVIDENCE_KEY_FILE is open to other accounts: chmod 600.")
    return Signer(chosen.evidence_origin or _ORIGIN, key)


def witness_of(chosen: Settings) -> Witness:
    """The witness that the settings name: an address, or a file. Raises NoEvidenceKey where production names none."""
    if chosen.witness_url:
        return HttpWitness(
            chosen.witness_url, token_file=chosen.witness_token_file, ca_file=chosen.ca_file, is_line=_is_block
        )
    if chosen.witness_file is None and chosen.environment == "production":
        raise NoEvidenceKey("Production's worker needs CLARES_LAW_WITNESS_FILE or CLARES_LAW_WITNESS_URL.")
    return FileWitness(chosen.witness_file or chosen.data_dir / _WITNESS_FILE)


def _is_block(line: bytes) -> bool:
    try:
        Block.parse(line)
    except NoBlock:
        return False
    return line.endswith(b"\n")


def _own_key(path: Path) -> Path:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        make_once(path, pem.decode())
    return path
