"""The vocabulary of stage 7. Pure."""

from enum import StrEnum


class ItemKind(StrEnum):
    """What is told (H7.8)."""

    CONVICTION = "conviction"
    OUT_OF_COURT_DISPOSAL = "out_of_court_disposal"
    BEHAVIOUR = "behaviour"


class Handling(StrEnum):
    """The handling code of the 3x5x2 grading: may be shared lawfully, or only on the owner's conditions."""

    P = "P"
    C = "C"


class RecipientWarning(StrEnum):
    """The three things a recipient is told first (H7.1); the values are forms of words of the edition."""

    SAFEGUARDING_ONLY = "warning_safeguarding_only"
    UNDERTAKING = "warning_undertaking"
    PROCEEDINGS = "warning_proceedings"


class Undertaking(StrEnum):
    """The recipient's answer to the undertaking (H7.1)."""

    SIGNED = "signed"
    REFUSED = "refused"


class Signature(StrEnum):
    """The recipient's signature on the police copy (H7.2)."""

    SIGNED = "signed"
    REFUSED = "refused"


class Pack(StrEnum):
    """The general information pack (H2.2): kept by the police where unsafe to take, its details given by word."""

    TAKEN = "taken"
    KEPT_BY_POLICE = "kept_by_police"


class NoticeKind(StrEnum):
    """How not disclosing is ended."""

    NO_INFORMATION = "no_information"
    """Told in person that there is no information to disclose (H7.4)."""
    NEUTRAL = "neutral"
    """A third-party applicant, where disclosure goes elsewhere (H7.4a)."""
    RECORDED = "recorded"
    """Right to know: kept to be found when the subject comes up again (H7.5)."""


class NotCompletedReason(StrEnum):
    """Why nobody could be told, or an application went no further (H7.6)."""

    NOT_REACHED = "not_reached"
    WITHDREW = "withdrew"
    DECLINED_TO_HEAR = "declined_to_hear"
    UNSAFE_TO_REACH = "unsafe_to_reach"


class ConcludedAs(StrEnum):
    """How it ended for one potential victim."""

    DELIVERED = "delivered"
    TOLD = "told"
    RECORDED = "recorded"
    NOT_COMPLETED = "not_completed"
