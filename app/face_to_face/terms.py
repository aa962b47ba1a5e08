"""The vocabulary of the meeting. Pure."""

from enum import StrEnum


class Pack(StrEnum):
    """What became of the general information pack that was offered (H2.2)."""

    TAKEN = "taken"
    KEPT_BY_POLICE = "kept_by_police"
    """Unsafe to take: its details are then given by word."""
