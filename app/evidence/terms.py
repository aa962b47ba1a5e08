"""The kinds of processing that the law names, and what the log may be read for."""

from enum import StrEnum
from uuid import UUID, uuid5


class Category(StrEnum):
    """The kinds of processing that section 62(1) of the Data Protection Act 2018 names."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DISCLOSURE = "disclosure"
    COMBINATION = "combination"
    ERASURE = "erasure"


class Purpose(StrEnum):
    """What section 62(4) lets the log be read for; every reading names one (H12.1)."""

    LAWFULNESS = "lawfulness"
    """To verify the lawfulness of processing."""
    SELF_MONITORING = "self_monitoring"
    """The controller's own monitoring, internal disciplinary proceedings included."""
    INTEGRITY = "integrity"
    """The integrity and security of personal data."""
    PROCEEDINGS = "proceedings"
    """Criminal proceedings."""


ALLOWED = "allowed"
"""The decision of a row that tells of something done; a refusal's is the code that it was answered with."""

_NAMED = UUID("0d3a3f0e-6a4b-5f0c-9a52-5b9d5d1f7c11")


def id_named(kind: str, key: str) -> UUID:
    """The id by which the log names what is known by words of its own, as an agency or a day: the same for ever.

    The UUID of version 5 of `kind:key`, so that whoever reads the log can work out which it is.
    """
    return uuid5(_NAMED, f"{kind}:{key}")


OWN_NAME = "own_name H12.1"
"""The rule by which a search for the searcher's own name is told from others; the log holds no name (H12.1)."""
