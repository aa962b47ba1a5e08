"""Signed notes and checkpoints: those of others are read, ours are deterministic, what was touched is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.merkle import EMPTY, leaf_hash
from app.evidence.notes import Checkpoint, NoteRefused, PublicKey, Signer, open_note

SIGNER = Signer("evidence.test/dvds", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = Signer("evidence.test/dvds", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
CHECKPOINT = Checkpoint(SIGNER.name, 7, leaf_hash(b"seven"))
NOTE = SIGNER.sign(CHECKPOINT.text)

PUBLISHED = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_and_a_key_that_others_published_are_read() -> None:
    key = PublicKey.parse(PUBLISHED)
    assert str(key) == PUBLISHED
    assert open_note(PUBLISHED_NOTE, key).startswith("If you think")


def test_a_checkpoint_is_signed_in_the_same_bytes_each_time_and_read_back() -> None:
    assert SIGNER.sign(CHECKPOINT.text) == NOTE
    assert Checkpoint.open(NOTE, SIGNER.public) == CHECKPOINT
    assert PublicKey.parse(str(SIGNER.public)) == SIGNER.public
    assert NOTE.startswith("evidence.test/dvds\n7\n")


def test_signatures_of_others_are_passed_over() -> None:
    line = OTHER.sign(CHECKPOINT.text).splitlines(keepends=True)[-1]
    assert Checkpoint.open(NOTE + line, SIGNER.public) == CHECKPOINT
    assert Checkpoint.open(NOTE + line, OTHER.public) == CHECKPOINT


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        CHECKPOINT.text,
        NOTE.rstrip("\n"),
        NOTE.replace("—", "-"),
        NOTE.replace("\n7\n", "\n8\n"),
        NOTE.replace("\n\n", "\n\r\n"),
        NOTE + "nothing\n",
        NOTE[:-3] + "A=\n",
        OTHER.sign(CHECKPOINT.text),
    ],
)
def test_what_is_not_a_note_of_the_key_is_refused(note: str) -> None:
    with pytest.raises(NoteRefused):
        open_note(note, SIGNER.public)


@pytest.mark.parametrize(
    "text",
    [
        "evidence.test/dvds\n07\n" + CHECKPOINT.text.split("\n")[2] + "\n",
        "evidence.test/dvds\n-1\n" + CHECKPOINT.text.split("\n")[2] + "\n",
        "evidence.test/dvds\n7\nAAAA\n",
        "evidence.test/dvds\n7\n" + CHECKPOINT.text.split("\n")[2] + "\nmore\n",
        "\n7\n" + CHECKPOINT.text.split("\n")[2] + "\n",
        Checkpoint("another.test/log", 7, EMPTY).text,
    ],
)
def test_what_is_not_a_checkpoint_of_the_log_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.open(SIGNER.sign(text), SIGNER.public)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(0, 7))
def test_no_note_with_one_bit_changed_is_the_checkpoint(place: int, bit: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[place] ^= 1 << bit
    touched = raw.decode(errors="replace")
    with pytest.raises(NoteRefused):
        Checkpoint.open(touched, SIGNER.public)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u2003b"])
def test_a_name_that_no_note_could_carry_signs_nothing(name: str) -> None:
    with pytest.raises(NoteRefused):
        Signer(name, SIGNER.key)
