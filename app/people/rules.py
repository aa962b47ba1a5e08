"""What may be written about a person, and when two records may be the same person (H1.4, H3.5).
Pure.

A function named `..._problem` returns one sentence for the person who typed, saying what is wrong
and what to do, or `None`. It never repeats the text, which may be personal.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import product

from app.access.names import normalise_name

# The digits modulo 23 index this alphabet; I, O and S are left out because they are misread as 1, 0
# and 5.
PNC_CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
_PNC_SLASHED = re.compile(r"(?P<year>[0-9]{4}|[0-9]{2})/(?P<serial>[0-9]{1,7})(?P<check>[A-Z])")
_PNC_LONG = re.compile(r"(?P<year>[0-9]{4})(?P<serial>[0-9]{7})(?P<check>[A-Z])")
_PNC_SHORT = re.compile(r"(?P<year>[0-9]{2})(?P<serial>[0-9]{1,7})(?P<check>[A-Z])")


class InvalidPncId(ValueError):
    """Not a PNC identifier; the text says why, without repeating what was typed."""


def canonical_pnc_id(text: str, *, this_year: int) -> str:
    """The one form in which a PNC identifier is kept: `YYYY/NNNNNNNL` (H1.4).

    Read are the long form (four-digit year, seven-digit serial) and the short one (two-digit year,
    serial without its leading zeros), each with or without the slash, in either case. Without a
    slash a four-digit year needs all seven digits: otherwise where the year ends could not be told.

    The check letter is the two-digit year followed by the seven-digit serial, modulo 23, in
    `PNC_CHECK_LETTERS`. The century is not part of it, so a two-digit year is of this century up to
    `this_year` and of the last one after; a later four-digit year is refused.

    Raises `InvalidPncId`.
    """
    typed = text.strip().upper()
    match = _PNC_SLASHED.fullmatch(typed) or _PNC_LONG.fullmatch(typed) or _PNC_SHORT.fullmatch(typed)
    if match is None:
        raise InvalidPncId("A PNC identifier is a year, a serial number and a check letter, as in 2002/0073319Z.")
    year, serial, check = match["year"], match["serial"].zfill(7), match["check"]
    if check not in PNC_CHECK_LETTERS:
        raise InvalidPncId("A PNC check letter is never I, O or S; was it misread from the record?")
    if PNC_CHECK_LETTERS[int(year[-2:] + serial) % len(PNC_CHECK_LETTERS)] != check:
        raise InvalidPncId("The PNC check letter does not fit its digits: copy it again.")
    if len(year) == 2:
        century = this_year // 100 * 100
        full_year = century + int(year)
        if full_year > this_year:
            full_year -= 100
    else:
        full_year = int(year)
    if not 1900 <= full_year <= this_year:
        raise InvalidPncId("The year of that PNC identifier is outside 1900 to the present.")
    return f"{full_year}/{serial}{check}"


def age_on(born: date, day: date) -> int:
    """Whole years of age at the start of `day`.

    In England and Wales an age is attained at the start of the anniversary of birth (Family Law
    Reform Act 1969, s.9(1)). A common year has no 29 February; the common reading, followed here,
    is that a person born on that day attains the age on 1 March, once 28 February has passed.

    Raises `ValueError` for a day before the birth.
    """
    if day < born:
        raise ValueError("Nobody has an age before the day of birth.")
    # Comparing (month, day) puts 29 February between 28 February and 1 March: the rule by itself.
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def match_keys(
    *,
    pnc_id: str | None,
    surnames: Iterable[str],
    given_names: Iterable[str],
    born: date | None,
) -> frozenset[str]:
    """SHA-256 keys, in hexadecimal, by which forces find each other's records of one person (H3.5).

    One key for the PNC identifier, which comes in canonical form, and where the date of birth is
    known one for every surname and alias with every given name's initial. Two records that share a
    key may be of one person.

    A key holds no name, but names and dates are few enough to be guessed: keys are as restricted as
    the record.
    """
    plain = set()
    if pnc_id is not None:
        plain.add(f"pnc:{pnc_id}")
    if born is not None:
        families = {key for name in surnames if (key := normalise_name(name))}
        initials = {key[0] for name in given_names if (key := normalise_name(name))}
        plain |= {f"name:{family}|{initial}|{born.isoformat()}" for family, initial in product(families, initials)}
    return frozenset(hashlib.sha256(key.encode()).hexdigest() for key in plain)


@dataclass(frozen=True)
class Described:
    """What two descriptions of one person are compared by; names with every alias."""

    pnc_id: str | None
    surnames: tuple[str, ...]
    given_names: tuple[str, ...]
    born: date | None


def taken_as_one(one: Described, other: Described) -> bool:
    """Whether two people described in the same part of one case are taken to be the same person (H3.5).

    The PNC identifier settles it. Else two of surname, given name and date of birth agree and the
    third, where both have it, does not differ. Stricter than a match key, which knows a given name
    by its initial: to take twins for one person would lose a potential victim, and a person kept
    twice is only untidy.
    """
    if one.pnc_id and other.pnc_id:
        return one.pnc_id == other.pnc_id
    compared = (
        _agree(_normalised(one.surnames), _normalised(other.surnames), str.__eq__),
        _agree(_first(one.given_names), _first(other.given_names), _begins_alike),
        None if one.born is None or other.born is None else one.born == other.born,
    )
    return False not in compared and compared.count(True) > 1


def _normalised(names: tuple[str, ...]) -> set[str]:
    return {key for name in names if (key := normalise_name(name))}


def _first(names: tuple[str, ...]) -> set[str]:
    return _normalised(tuple(name.split()[0] for name in names if name.split()))


def _begins_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _agree(some: set[str], others: set[str], same: Callable[[str, str], bool]) -> bool | None:
    """Whether any two names are the same; None where one side has none."""
    return any(same(one, other) for one, other in product(some, others)) if some and others else None


class Likeness(StrEnum):
    """How far an account may be a person's (H2.8)."""

    CERTAIN = "certain"
    """Surname, given name and date of birth agree."""
    POSSIBLE = "possible"
    """Two of them agree, and the third is not known or differs as it does by marriage, by a pet name, by mistyping."""


def likeness(person: Described, *, keys: Collection[str], born: date | None) -> Likeness | None:
    """Whether an account with those `account_keys` may be the person's.

    Safer is followed (H2.0): whoever is only possibly the person is kept out until a supervisor has compared the two.
    Any two of surname, given name and date of birth suffice, but the two names not against a date that differs unless
    the given name is written out. A surname alone is no likeness, nor is a date of birth. A date that was estimated
    is none: leave it out of `person`.
    """
    given = _normalised(tuple(word for names in person.given_names for word in names.split()))
    surname = not _normalised(person.surnames).isdisjoint(keys)
    in_full = not given.isdisjoint(keys)
    in_short = any(_begins_alike(key, name) for key, name in product(keys, given))
    same_day = None if person.born is None or born is None else person.born == born
    initial = any(len(key) == 1 and name.startswith(key) for key, name in product(keys, given))
    if same_day and surname and (in_full or initial):
        return Likeness.CERTAIN
    if same_day:
        return Likeness.POSSIBLE if surname or in_full else None
    if surname and (in_full or (in_short and same_day is None)):
        return Likeness.POSSIBLE
    return None


_NARRATIVE_CONTROLS = frozenset("\n\r\t")
_LINE_BREAKS = frozenset("\n\r\t\u2028\u2029")
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _unstorable(character: str) -> str | None:
    code = ord(character)
    if unicodedata.category(character) == "Cc":
        return f"There is a control character (U+{code:04X}) in it: remove it."
    if 0xD800 <= code <= 0xDFFF:
        return "There is half a character (a lone surrogate) in it: type that part again."
    if 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE:
        return f"There is something in it that is no character (U+{code:04X}): remove it."
    return None


def narrative_problem(text: str) -> str | None:
    """Why a text of several lines cannot be kept: a control byte, half a character, a noncharacter.

    Tabs and line ends of either kind are kept as they are, and so are marks of direction: a
    narrative is evidence, and text in is text out (H7.2).
    """
    return next(
        (problem for character in text if character not in _NARRATIVE_CONTROLS and (problem := _unstorable(character))),
        None,
    )


def line_problem(text: str) -> str | None:
    """Why a name or other single line cannot be kept: what a narrative may not hold, a line break,
    a tab, or a mark that reverses the direction of what follows, since it shows staff another name
    than the one that is matched.
    """
    for character in text:
        if character in _LINE_BREAKS:
            return "It is a single line: remove the line break or tab."
        if character in _DIRECTION:
            return (
                f"There is an invisible mark in it (U+{ord(character):04X}) that makes text read "
                "in another order than it is written: type it again without copying."
            )
        if problem := _unstorable(character):
            return problem
    return None


# Compared by letters alone. Real names are left out on purpose: Na, Null, Anon and X.
# fmt: off
_PLACEHOLDERS = frozenset({
    "unknown", "unknownmale", "unknownfemale", "unknownname", "unk", "nk", "notknown",
    "notgiven", "notstated", "notprovided", "notrecorded", "namenotknown", "namenotgiven",
    "noname", "none", "refused", "withheld", "anonymous", "tbc", "tba", "tobeconfirmed",
    "tobeadvised", "test", "testing", "testtest", "dummy", "asdf", "asdfgh", "qwerty", "abc",
    "nfn", "nln", "fnu", "lnu",
})
# fmt: on
_PLACEHOLDER_SIGNS = re.compile(r"n\s*[/.\\]\s*a\.?")
_REPEATED = re.compile(r"x{2,}|z{2,}")
INVENTED_DATES_OF_BIRTH = frozenset({date(1900, 1, 1)})


def placeholder_problem(name: str) -> str | None:
    """Why a name looks invented to fill a box: "unknown", "n/k", "xxx", "test" and the like. Blank
    is no problem: a blank beats a known error (H1.4).
    """
    typed = name.strip().casefold()
    if not typed:
        return None
    key = normalise_name(typed)
    if not key or key in _PLACEHOLDERS or _PLACEHOLDER_SIGNS.fullmatch(typed) or _REPEATED.fullmatch(key):
        return "That looks like a stand-in for a name that is not known: leave it blank (rule H1.4)."
    return None


def invented_date_problem(born: date) -> str | None:
    """Why a date of birth looks invented: 1 January 1900 is what systems write for none (H1.4)."""
    if born in INVENTED_DATES_OF_BIRTH:
        return "1 January 1900 stands for no date of birth: leave it blank, or mark an estimate."
    return None


def unborn_problem(born: date, *, today: date) -> str | None:
    """Why a date of birth cannot be a person's who is no expected child: it has not come yet (H2.9)."""
    if born > today:
        return "That date of birth has not come yet; only a child may be expected."
    return None
