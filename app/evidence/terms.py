"""The kinds of processing that the law names, and what the log may be read for."""

from enum import StrEnum


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
