"""The vocabulary of the forum (H6). Pure."""

from enum import StrEnum


class MeetingKind(StrEnum):
    """How the forum meets; between meetings it decides with the same quorum and record (H6.7)."""

    SCHEDULED = "scheduled"
    EXTRAORDINARY = "extraordinary"
    VIRTUAL = "virtual"


class Attendance(StrEnum):
    """Whether a member was there."""

    PRESENT = "present"
    APOLOGIES = "apologies"
    ABSENT = "absent"


class ItemEnd(StrEnum):
    """Why a case is no longer on an agenda."""

    DECIDED = "decided"
    TAKEN_OFF = "taken_off"


class Verdict(StrEnum):
    """What the second person says of a decision not to disclose (H6.4)."""

    CONFIRM = "confirm"
    REFUSE = "refuse"


class OffenderScheme(StrEnum):
    """The arrangements that manage offenders (H6.5)."""

    MAPPA = "mappa"
    IOM = "iom"
    MATAC = "matac"


class Monitoring(StrEnum):
    """Who follows up (H6.5)."""

    MAPPA = "mappa"
    MARAC = "marac"
    LOCAL_POLICING = "local_policing"


class ActionOutcome(StrEnum):
    """What became of an action (H6.2)."""

    DONE = "done"
    CIRCUMSTANCES_CHANGED = "circumstances_changed"
    AGENCY_DID_NOT_DO_IT = "agency_did_not_do_it"
    """It is still owed, and chased."""
