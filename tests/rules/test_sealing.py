"""Envelopes give back what went in, byte for byte, and open in their own place under their own key alone."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import sealing
from app.evidence.sealing import DataKey, Place, SealBroken, open_bytes, open_with, seal_to

anything = st.text(st.characters(codec="utf-8"))
KEY, OTHER_KEY = DataKey.made(), DataKey.made()
PLACE = Place(uuid4(), uuid4(), "disclosure.words")
COMMITMENT = slice(33, 65)
TEXT = "In 2025 he was convicted of assaulting a partner."


def by_data_key(text: str) -> bytes:
    return KEY.seal(text, PLACE)


def by_public_half(text: str) -> bytes:
    return seal_to(KEY.public_half, text, PLACE)


Seal = Callable[[str], bytes]
WAYS = pytest.mark.parametrize("seal", [by_data_key, by_public_half])


@WAYS
@given(text=anything)
def test_any_text_comes_back_byte_for_byte(seal: Seal, text: str) -> None:
    assert KEY.open(seal(text), PLACE).encode() == text.encode()


@WAYS
@given(data=st.data())
def test_one_changed_bit_anywhere_is_refused(seal: Seal, data: st.DataObject) -> None:
    envelope = bytearray(seal(TEXT))
    place = data.draw(st.integers(0, len(envelope) - 1))
    envelope[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        KEY.open(bytes(envelope), PLACE)


@WAYS
@given(cut=st.integers(0, 200))
def test_a_part_of_an_envelope_is_refused(seal: Seal, cut: int) -> None:
    envelope = seal(TEXT)[: -1 - cut]
    with pytest.raises(SealBroken):
        KEY.open(bytes(envelope), PLACE)


@WAYS
@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, case_id=uuid4()),
        replace(PLACE, row_id=uuid4()),
        replace(PLACE, column="disclosure.beyond_script"),
        replace(PLACE, column="disclosure.word"),
        Place(PLACE.row_id, PLACE.case_id, PLACE.column),
    ],
)
def test_an_envelope_of_another_place_is_refused(seal: Seal, elsewhere: Place) -> None:
    with pytest.raises(SealBroken) as refused:
        KEY.open(seal(TEXT), elsewhere)
    assert TEXT not in str(refused.value)


@WAYS
def test_another_key_opens_nothing(seal: Seal) -> None:
    with pytest.raises(SealBroken):
        OTHER_KEY.open(seal(TEXT), PLACE)


@WAYS
def test_the_same_text_is_never_sealed_alike(seal: Seal) -> None:
    sealed = {seal(TEXT) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(TEXT.encode() in one for one in sealed)


def test_an_envelope_does_not_pass_for_one_of_the_other_version() -> None:
    envelope = by_data_key(TEXT)
    with pytest.raises(SealBroken):
        KEY.open(b"\x02" + envelope[1:], PLACE)
    with pytest.raises(SealBroken):
        KEY.open(b"\x03" + envelope[1:], PLACE)


@given(
    one=st.tuples(st.uuids(), st.uuids(), st.text("abc._", max_size=4)),
    other=st.tuples(st.uuids(), st.uuids(), st.text("abc._", max_size=4)),
    versions=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_no_two_places_read_alike(
    one: tuple[UUID, UUID, str], other: tuple[UUID, UUID, str], versions: tuple[int, int]
) -> None:
    alike = Place(*one).associated_with(versions[0]) == Place(*other).associated_with(versions[1])
    assert alike == ((one, versions[0]) == (other, versions[1]))


def test_a_key_shows_itself_to_nobody() -> None:
    assert KEY.secret.hex() not in repr(KEY) and repr(KEY.secret) not in repr(KEY)


@WAYS
@given(data=st.data())
def test_the_secret_of_one_envelope_opens_it_and_no_other(seal: Seal, data: st.DataObject) -> None:
    other_place = replace(PLACE, column="disclosure.place")
    shown = seal(TEXT)
    secret = KEY.secret_of(shown, PLACE)
    assert open_with(secret, shown, PLACE) == TEXT
    of_the_case = [
        (by_data_key(TEXT), PLACE),
        (by_public_half(TEXT), PLACE),
        (KEY.seal(TEXT, other_place), other_place),
        (seal_to(KEY.public_half, TEXT, other_place), other_place),
    ]
    assert secret not in [KEY.secret_of(*one) for one in of_the_case]
    envelope, place = data.draw(
        st.sampled_from([*of_the_case, (shown, other_place), (OTHER_KEY.seal(TEXT, PLACE), PLACE)])
    )
    with pytest.raises(SealBroken):
        open_with(secret, envelope, place)
    with pytest.raises(SealBroken):
        DataKey(secret).open(envelope, place)


@WAYS
@given(data=st.data())
def test_no_secret_opens_what_was_changed_and_no_changed_secret_opens(seal: Seal, data: st.DataObject) -> None:
    shown = seal(TEXT)
    secret, envelope = KEY.secret_of(shown, PLACE), bytearray(shown)
    place = data.draw(st.integers(0, len(envelope) - 1))
    envelope[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        open_with(secret, bytes(envelope), PLACE)
    with pytest.raises(SealBroken):
        KEY.secret_of(bytes(envelope), PLACE)
    other = bytearray(secret)
    other[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    for wrong in (bytes(other), secret[:-1], secret + b"\0", b""):
        with pytest.raises(SealBroken):
            open_with(wrong, shown, PLACE)


@WAYS
def test_a_wrong_commitment_is_refused_before_anything_is_opened(seal: Seal, monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = seal(TEXT)
    secret = KEY.secret_of(envelope, PLACE)
    of_another = seal(TEXT)[COMMITMENT]
    monkeypatch.setattr(sealing, "open_bytes", lambda *given: pytest.fail("it was opened"))
    for wrong in (of_another, bytes(32)):
        with pytest.raises(SealBroken):
            open_with(secret, envelope[:33] + wrong + envelope[65:], PLACE)


def test_a_ciphertext_made_to_open_under_two_keys_is_accepted_by_one_secret_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a ciphertext is easily made: its tag is linear in it. What it opens to is left out of account here."""
    monkeypatch.setattr(sealing, "_emptied", bytes.hex)
    head = sealing._Head(1, bytes(32), PLACE)
    secrets = bytes(range(32)), bytes(range(32, 64))
    keys = [sealing._derived(one, sealing._KEY) for one in secrets]
    nonce = bytes(12)
    forged = nonce + opening_under_both(keys[0], keys[1], nonce, head.bound_to)
    opened = {open_bytes(key, forged, head.bound_to) for key in keys}
    assert len(opened) == 2
    for one, other in (secrets, secrets[::-1]):
        envelope = b"\x01" + head.own + head.commitment(one) + forged
        assert open_with(one, envelope, PLACE)
        with pytest.raises(SealBroken):
            open_with(other, envelope, PLACE)


def opening_under_both(one: bytes, other: bytes, nonce: bytes, bound_to: bytes) -> bytes:
    """A block of ciphertext and its tag that AES-GCM (NIST SP 800-38D) takes under either key."""
    lengths = (8 * len(bound_to)).to_bytes(8, "big") + (128).to_bytes(8, "big")
    padded = bound_to + bytes(-len(bound_to) % 16)
    blocks = [int.from_bytes(padded[at : at + 16], "big") for at in range(0, len(padded), 16)]

    def subkey_and_mask(key: bytes) -> tuple[int, int]:
        cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        hashed, masked = cipher.update(bytes(16)), cipher.update(nonce + b"\0\0\0\x01")
        return int.from_bytes(hashed, "big"), int.from_bytes(masked, "big")

    def tag(subkey: int, mask: int, block: int) -> int:
        found = 0
        for part in (*blocks, block, int.from_bytes(lengths, "big")):
            found = times(found ^ part, subkey)
        return found ^ mask

    first, second = subkey_and_mask(one), subkey_and_mask(other)
    apart = tag(*first, 0) ^ tag(*second, 0)
    squares = times(first[0], first[0]) ^ times(second[0], second[0])
    block = times(apart, inverse(squares))
    assert tag(*first, block) == tag(*second, block)
    return block.to_bytes(16, "big") + tag(*first, block).to_bytes(16, "big")


def times(one: int, other: int) -> int:
    """The product in the field of GCM, whose first bit is the lowest power."""
    found = 0
    for bit in range(127, -1, -1):
        if other >> bit & 1:
            found ^= one
        one = one >> 1 ^ (0xE1 << 120 if one & 1 else 0)
    return found


def inverse(one: int) -> int:
    """To the power of 2 to the 128, less 2."""
    found, square = 1 << 127, one
    for _ in range(127):
        square = times(square, square)
        found = times(found, square)
    return found
