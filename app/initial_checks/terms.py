"""The vocabulary of the initial checks. Pure."""

from enum import StrEnum


class CheckResult(StrEnum):
    """What a search gave (H4.1). Not searched at all is no result, and nil is not that."""

    HIT = "hit"
    NIL = "nil"
    UNAVAILABLE = "unavailable"


class IdentityResult(StrEnum):
    """What is known of who the subject is (H4.5)."""

    CONFIRMED = "confirmed"
    UNIDENTIFIED = "unidentified"
    DECEASED = "deceased"


class Course(StrEnum):
    """Whether the case goes on (H4.3)."""

    PROGRESS = "progress"
    DO_NOT_PROGRESS = "do_not_progress"
