"""Names, identifiers and matching (H1.4, H3.5)."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.names import account_keys, normalise_name
from app.people.rules import (
    PNC_CHECK_LETTERS,
    Described,
    InvalidPncId,
    Likeness,
    age_on,
    canonical_pnc_id,
    invented_date_problem,
    likeness,
    line_problem,
    match_keys,
    narrative_problem,
    placeholder_problem,
    taken_as_one,
    unborn_problem,
)

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "pnc-identifiers.json"
PUBLISHED = json.loads(SHARED.read_text()) if SHARED.exists() else {"valid": [], "invalid": []}

VALID = [
    ("2002/0073319Z", "2002/0073319Z"),
    ("02/73319Z", "2002/0073319Z"),
    (" 02/73319z ", "2002/0073319Z"),
    ("20020073319Z", "2002/0073319Z"),
    ("0273319Z", "2002/0073319Z"),
    ("2002/73319Z", "2002/0073319Z"),
    ("81/34U", "1981/0000034U"),
    *map(tuple, PUBLISHED["valid"]),
]
INVALID = [
    "",
    "02",
    "02/73319",
    "02/73319A",
    "02/73319O",
    "02-73319Z",
    "02/73319ZZ",
    "200273319Z0",
    "02/00073319Z",
    "٠٢/٧٣٣١٩Z",
    "2999/0000001A",
    *PUBLISHED["invalid"],
]


@pytest.mark.parametrize(("typed", "kept"), VALID)
def test_a_pnc_id_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert canonical_pnc_id(typed, this_year=2026) == kept


@pytest.mark.parametrize("typed", INVALID)
def test_what_is_no_pnc_id_is_refused(typed: str) -> None:
    with pytest.raises(InvalidPncId, match=r"PNC"):
        canonical_pnc_id(typed, this_year=2026)


pnc_parts = st.tuples(st.integers(1927, 2026), st.integers(1, 9_999_999))


def _pnc(year: int, serial: int) -> str:
    check = PNC_CHECK_LETTERS[(year % 100 * 10_000_000 + serial) % 23]
    return f"{year}/{serial:07d}{check}"


@given(pnc_parts)
def test_every_form_of_a_pnc_id_agrees(parts: tuple[int, int]) -> None:
    year, serial = parts
    kept = _pnc(year, serial)
    short = f"{year % 100:02d}/{serial}{kept[-1]}"
    for form in (kept, kept.replace("/", ""), short, short.replace("/", ""), kept.lower()):
        assert canonical_pnc_id(form, this_year=2026) == kept


@given(pnc_parts, st.integers(5, 11), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(parts: tuple[int, int], place: int, by: int) -> None:
    digits = list(_pnc(*parts))
    digits[place] = str((int(digits[place]) + by) % 10)
    with pytest.raises(InvalidPncId):
        canonical_pnc_id("".join(digits), this_year=2026)


def test_a_two_digit_year_is_never_in_the_future() -> None:
    check = _pnc(2027, 1)[-1]
    assert canonical_pnc_id(f"27/1{check}", this_year=2027).startswith("2027/")
    assert canonical_pnc_id(f"27/1{check}", this_year=2026).startswith("1927/")


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2008, 5, 4), date(2026, 5, 3), 17),
        (date(2008, 5, 4), date(2026, 5, 4), 18),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(2008, 2, 29), date(2028, 2, 29), 20),
        (date(2026, 5, 4), date(2026, 5, 4), 0),
    ],
)
def test_age(born: date, day: date, age: int) -> None:
    assert age_on(born, day) == age


def test_nobody_has_an_age_before_birth() -> None:
    with pytest.raises(ValueError, match="before the day of birth"):
        age_on(date(2026, 5, 4), date(2026, 5, 3))


@pytest.mark.parametrize(
    "alike",
    [
        ("O'Brien", "O’BRIEN", "o brien", "OBrien", "O\u02bcBrien"),
        ("Anne-Marie", "Anne Marie", "ANNEMARIE", "Anne\u2011Marie", "Anne\u00a0Marie"),
        ("José", "Jose\u0301", "JOSE"),
        ("Łukasz", "Lukasz"),
        ("Strauß", "STRAUSS"),
        ("Søren", "soren"),
        ("Ｓｍｉｔｈ", "Smith"),
    ],
)
def test_spellings_that_are_one_name(alike: tuple[str, ...]) -> None:
    assert len({normalise_name(name) for name in alike}) == 1


def test_other_scripts_keep_their_letters() -> None:
    assert normalise_name("Мария") != normalise_name("Марина")
    assert normalise_name("मीना") != normalise_name("मुनि")
    assert normalise_name("王") == "王"


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise_name(normalise_name(text)) == normalise_name(text)


def test_aliases_meet_and_other_people_do_not() -> None:
    born = date(1990, 1, 2)
    one = match_keys(pnc_id=None, surnames=["Smith", "O’Neil"], given_names=["Ann"], born=born)
    other = match_keys(pnc_id=None, surnames=["oneil"], given_names=["Annabel", "Bo"], born=born)
    assert one & other
    assert not one & match_keys(pnc_id=None, surnames=["Smith"], given_names=["Ann"], born=date(1990, 2, 1))
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in one | other)


def test_a_pnc_id_meets_alone_and_a_name_needs_a_date_of_birth() -> None:
    named = match_keys(pnc_id="2002/0073319Z", surnames=["Smith"], given_names=["Al"], born=None)
    alone = match_keys(pnc_id="2002/0073319Z", surnames=[], given_names=[], born=None)
    assert named == alone
    assert len(named) == 1
    assert not match_keys(pnc_id=None, surnames=["-"], given_names=["A"], born=date(1990, 1, 2))


@pytest.mark.parametrize(
    "text",
    ["a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "\ud800", "a\udfff", "\ufffe", "\ufdd0", "\U0001ffff"],
)
def test_what_cannot_be_kept_anywhere(text: str) -> None:
    assert narrative_problem(text)
    assert line_problem(text)


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\tb", "\u202eabc", "a\u2066b", "a\u2028b"])
def test_what_a_narrative_keeps_and_a_line_does_not(text: str) -> None:
    assert narrative_problem(text) is None
    assert line_problem(text)


@pytest.mark.parametrize("text", ["", "Zoë O’Brien", "محمد", "שרה\u200f", "王秀英", "👩‍👧", "e\u0301"])
def test_names_are_kept(text: str) -> None:
    assert line_problem(text) is None
    assert narrative_problem(text) is None


@given(st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Zs"])))
def test_ordinary_text_has_no_problem(text: str) -> None:
    assert line_problem(text) is None


@pytest.mark.parametrize(
    "name",
    [
        "Unknown",
        "UNKNOWN",
        "n/k",
        "N/A",
        "n.a.",
        "Not Known",
        "xxx",
        "XX",
        "test",
        "T.B.C.",
        "???",
        "-",
    ],
)
def test_stand_ins_for_a_name(name: str) -> None:
    problem = placeholder_problem(name)
    assert problem is not None
    assert "blank" in problem


@pytest.mark.parametrize("name", ["", "  ", "Na", "Null", "Ng", "Xu", "Anon", "Testa", "Nkosi", "王"])
def test_real_names_and_blanks_are_not_stand_ins(name: str) -> None:
    assert placeholder_problem(name) is None


def test_an_invented_date_of_birth() -> None:
    assert invented_date_problem(date(1900, 1, 1))
    assert invented_date_problem(date(1990, 1, 1)) is None


def _like(given: str | None = "Alan", surname: str | None = "Merrick", born: int | None = 11, **more: str) -> Described:
    return Described(
        pnc_id=more.get("pnc_id"),
        surnames=tuple(name for name in (surname, more.get("alias")) if name),
        given_names=(given,) if given else (),
        born=None if born is None else date(1984, 2, born),
    )


@pytest.mark.parametrize(
    ("other", "one_person"),
    [
        (_like(), True),
        (_like("A."), True),
        (_like("alan peter"), True),
        (_like(born=None), True),
        (_like(surname=None), True),
        (_like(surname="Stone", alias="MERRICK"), True),
        (_like("Andrew"), False),  # a twin has the same key
        (_like(born=12), False),
        (_like(surname="Stone"), False),
        (_like(given=None, born=None), False),
        (_like(given=None, surname=None, born=None), False),
    ],
)
def test_who_is_taken_to_be_one_person(other: Described, one_person: bool) -> None:
    assert taken_as_one(_like(), other) is one_person
    assert taken_as_one(other, _like()) is one_person


def test_the_pnc_identifier_settles_who_it_is() -> None:
    known = _like(pnc_id="2002/0073319Z")
    assert taken_as_one(known, _like("Bo", "Stone", 1, pnc_id="2002/0073319Z"))
    assert not taken_as_one(known, _like(pnc_id="1981/0000034U"))


def test_a_birth_that_lies_ahead_is_a_problem() -> None:
    assert unborn_problem(date(2026, 5, 5), today=date(2026, 5, 4))
    assert unborn_problem(date(2026, 5, 4), today=date(2026, 5, 4)) is None


BORN = date(1984, 2, 11)


@pytest.mark.parametrize(
    ("account", "born", "expected"),
    [
        ("PC Alan Merrick", BORN, Likeness.CERTAIN),
        ("MERRICK, Alan Peter", BORN, Likeness.CERTAIN),
        ("DI A. Merrick", None, Likeness.POSSIBLE),
        ("Alan Mérrick, control room", None, Likeness.POSSIBLE),
        ("Alan Merrick", date(1991, 1, 1), Likeness.POSSIBLE),  # mistyped
        ("A. Merrick", date(1991, 1, 1), None),
        ("Peter Merrick", BORN, Likeness.CERTAIN),  # by the second name
        ("Al Merrick", BORN, Likeness.POSSIBLE),
        ("Al Merrick", None, Likeness.POSSIBLE),
        ("PC 4321 Merrick", BORN, Likeness.POSSIBLE),
        ("PC 4321 Merrick", date(1991, 1, 1), None),
        ("Alan Vane", BORN, Likeness.POSSIBLE),  # another surname since
        ("Otto Vane", BORN, None),
        ("PC Paula Merrick", None, None),
        ("Merrick", None, None),
        ("PC Alan Merricks", None, None),
        ("", None, None),
    ],
)
def test_an_account_is_likened_to_a_person_by_name_and_date_of_birth(
    account: str, born: date | None, expected: Likeness | None
) -> None:
    person = Described(pnc_id=None, surnames=("Merrick", "Stone"), given_names=("Alan Peter",), born=BORN)
    assert likeness(person, keys=account_keys(account), born=born) is expected


def test_a_surname_of_two_words_and_an_alias_are_likened_too() -> None:
    person = Described(pnc_id=None, surnames=("Hill", "Smith-Jones"), given_names=("Ann",), born=None)
    assert likeness(person, keys=account_keys("Sgt Ann Smith Jones"), born=BORN) is Likeness.POSSIBLE
    assert likeness(person, keys=account_keys("Ann Hill"), born=BORN) is Likeness.POSSIBLE
    nameless = Described(pnc_id=None, surnames=("Hill",), given_names=(), born=BORN)
    assert likeness(nameless, keys=account_keys("Ann Hill"), born=BORN) is Likeness.POSSIBLE
    assert likeness(nameless, keys=account_keys("Ann Hill"), born=None) is None
