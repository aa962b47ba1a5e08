"""Envelopes give back what went in, byte for byte, and open in their own place under their own key alone."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.sealing import DataKey, Place, SealBroken, seal_to

anything = st.text(st.characters(codec="utf-8"))
KEY, OTHER_KEY = DataKey.made(), DataKey.made()
PLACE = Place(uuid4(), uuid4(), "disclosure.words")
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
