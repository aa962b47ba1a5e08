"""The words of retention. Pure."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a review comes to."""

    KEEP = "keep"
    ERASE = "erase"


class FrozenBecause(StrEnum):
    """Why a case may not be erased, whatever its dates say (H12.5)."""

    DEATH = "death"
    """A potential victim has died."""
    GRAVE_HARM = "grave_harm"
    """A potential victim was gravely hurt."""
    LEGAL_PROCEEDINGS = "legal_proceedings"
    """The case is, or may become, part of proceedings: a hold."""


class Becomes(StrEnum):
    """What becomes of a column of a case's table when the case is erased."""

    KEPT = "kept"
    """It says nothing of a person, or figures need it (H12.4)."""
    MARKED = "marked"
    """Free text becomes a mark that it was erased; what was empty stays so."""
    EMPTIED = "emptied"
    YEAR = "year"
    """A date becomes the first day of its year."""
    DELETED = "deleted"
    """Every row of the case in that table is deleted."""
    SEALED = "sealed"
    """Rows stay as they were written: their free text is sealed, and the key is deleted."""
