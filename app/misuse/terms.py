"""The kinds of touch that somebody should look at."""

from enum import StrEnum


class Misuse(StrEnum):
    """What the log may show of an account."""

    OWN_RECORD = "own_record"
    SAME_ADDRESS = "same_address"
    SAME_SURNAME = "same_surname"
    OWN_NAME = "own_name"
    OUT_OF_FORCE = "out_of_force"
    OFF_SHIFT = "off_shift"
    BULK = "bulk"
    CASE_OF_NOTE = "case_of_note"
