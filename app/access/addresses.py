"""Addresses as they are compared: by a keyed hash of what names the house, never in clear. Pure."""

import hashlib
import hmac
import re

from app.access.names import normalise_name

_POSTCODE = re.compile(r"\b([A-Z]{1,2}[0-9][A-Z0-9]?)\s*([0-9][A-Z]{2})\b", re.IGNORECASE)
_ABOUT = b"clares-law address 1\0"


def address_form(text: str) -> str:
    """What names a house: its postcode and its numbers, or the name before the first comma; else the whole line.

    "Flat 2, 4 Quarry Lane, Northmoor NM1 2AB" and "flat 2 4 Quarry La. NM12AB" agree.
    """
    postcode = _POSTCODE.search(text)
    if postcode is None:
        return normalise_name(text)
    numbers = re.findall(r"[0-9]+[A-Za-z]?\b", text[: postcode.start()])
    house = "-".join(numbers).casefold() or normalise_name(text[: postcode.start()].split(",")[0])
    return f"{house}|{postcode[1]}{postcode[2]}".casefold()


def address_key(text: str, secret: bytes) -> str:
    """HMAC-SHA-256 of the house, in hexadecimal: it can be compared, and not guessed without the secret."""
    return hmac.new(secret, _ABOUT + address_form(text).encode(), hashlib.sha256).hexdigest()
