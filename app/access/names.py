"""Names as they are compared, never as they are kept or shown. Pure."""

import re
import unicodedata
from collections.abc import Collection

# Latin letters that Unicode does not decompose, written as people without that keyboard write them.
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ı": "i"}
)
# Combining accents, and the modifier letters that serve as apostrophes (O\u02bcBrien, \u02bbokina).
_DIACRITICS = re.compile("[\u02b0-\u02ff\u0300-\u036f]")


def normalise_name(text: str) -> str:
    """A name as it is compared, never as it is kept or shown: letters and digits only, without case
    or accents.

    Apostrophes, hyphens, full stops and spaces are dropped in all their forms, so O’Brien, O'BRIEN
    and O Brien agree, and so do Anne-Marie and Annemarie. Marks of scripts other than Latin, Greek
    and Cyrillic carry vowels and stay.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _DIACRITICS.sub("", folded).translate(_UNDECOMPOSED)
    return unicodedata.normalize("NFC", "".join(c for c in plain if unicodedata.category(c)[0] in "LMN"))


def _words(text: str) -> list[str]:
    return [key for word in text.replace(",", " ").split() if (key := normalise_name(word))]


def _runs(words: list[str]) -> list[str]:
    """The words from each on as one."""
    return ["".join(words[start:]) for start in range(len(words))]


def account_keys(name: str) -> tuple[str, ...]:
    """The name of an account as it is compared with persons: each word, and the words from each on as one surname.

    "PC Anna Smith Jones" may be of a person with the surname Jones or Smith Jones, and so may "Smith Jones, Anna".
    """
    before, _, after = name.partition(",")
    turned = [*_words(after), *_words(before)]
    return tuple(dict.fromkeys([*_words(name), *_runs(_words(name)), *_runs(turned)]))


def surnames_of(name: str) -> frozenset[str]:
    """The surnames that an account's name may end in: every run of words up to the last, but not the whole name.

    What stands before a comma, as directories turn a name, is a surname by itself.
    """
    before, _, after = name.partition(",")
    first, last = (_words(before), _words(after)) if "," in name else ([], _words(name))
    return frozenset([*_runs(first), *_runs(last)[1:]])


def is_own_name(
    account: str,
    *,
    keys: Collection[str] = (),
    former_surnames: Collection[str] = (),
    surname: str | None,
    given_names: str | None,
) -> bool:
    """Whether somebody with an account of this name, or with these keys and surnames of former ones, looks for a person
    of that very name.

    Given names count by how they begin, as they are searched for, and by an initial. By a surname alone as well:
    whoever wants to know what is held on him- or herself need not type more.
    """
    if normalise_name(surname or "") not in surnames_of(account) | set(former_surnames):
        return False
    known = {*account_keys(account), *keys}

    def fits(given: str) -> bool:
        return any(key.startswith(given) or (len(key) == 1 and given.startswith(key)) for key in known)

    given = _words(given_names or "")
    return fits("".join(given)) or all(fits(word) for word in given)
