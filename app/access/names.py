"""Names as they are compared, never as they are kept or shown. Pure."""

import re
import unicodedata

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


def account_keys(name: str) -> tuple[str, ...]:
    """The name of an account as it is compared with persons: each word, and the words from each on as one surname.

    "PC Anna Smith Jones" may be of a person with the surname Jones or Smith Jones.
    """
    words = [key for word in name.replace(",", " ").split() if (key := normalise_name(word))]
    return tuple(dict.fromkeys([*words, *("".join(words[start:]) for start in range(len(words)))]))


def surnames_of(name: str) -> frozenset[str]:
    """The surnames that an account's name may end in: every run of words up to the last, but not the whole name."""
    words = [key for word in name.replace(",", " ").split() if (key := normalise_name(word))]
    return frozenset("".join(words[start:]) for start in range(1, len(words)))


def is_own_name(account: str, *, surname: str | None, given_names: str | None) -> bool:
    """Whether somebody with an account of this name looks for a person of that very name.

    By a surname alone as well: whoever wants to know what is held on him- or herself need not type more.
    """
    given = {key for word in (given_names or "").split() if (key := normalise_name(word))}
    return normalise_name(surname or "") in surnames_of(account) and given <= set(account_keys(account))
