"""The words of this stage. Pure."""

from enum import StrEnum


class IntelligenceSystem(StrEnum):
    """Where intelligence is submitted (H8.1)."""

    POLICE_INTELLIGENCE = "police_intelligence"
    PARTNER_AGENCY_INTELLIGENCE = "partner_agency_intelligence"
    PND = "pnd"
    OTHER = "other"


REPORTED_TO = (
    IntelligenceSystem.POLICE_INTELLIGENCE,
    IntelligenceSystem.PARTNER_AGENCY_INTELLIGENCE,
    IntelligenceSystem.PND,
)
"""Every final report goes to these; retrieval here is added to them, never instead."""


class SubmissionKind(StrEnum):
    """Information sent on during the case without delay, or the final report at its end (H8.1)."""

    INTERIM = "interim"
    FINAL = "final"
