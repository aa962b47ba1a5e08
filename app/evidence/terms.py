"""The kinds of processing that the law names."""

from enum import StrEnum


class Category(StrEnum):
    """The kinds of processing that section 62(1) of the Data Protection Act 2018 names."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DISCLOSURE = "disclosure"
    COMBINATION = "combination"
    ERASURE = "erasure"
