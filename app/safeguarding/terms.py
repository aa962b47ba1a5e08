"""The kinds of duty, and what can come of trying to reach somebody."""

from enum import StrEnum


class DutyKind(StrEnum):
    """Something owed that only an answer closes."""

    SUPERVISOR_REVIEW = "supervisor_review"
    """An act without permission, or typed late (H2.10, H10.7)."""
    CRIME = "crime"
    """A crime is alleged: a crime reference, or a supervisor's reason (H2.3)."""
    IMMEDIATE_SAFEGUARDING = "immediate_safeguarding"
    """Immediate risk: an action and a robust safety plan before anything else (H2.4)."""
    CHILDRENS_SOCIAL_CARE = "childrens_social_care"
    """A child is affected: a referral, or the reason why not (H2.9)."""
    POLICE_INVOLVEMENT = "police_involvement"
    """A party is police: somebody must be told (H2.8)."""
    SUPPORT_BY_WORD = "support_by_word"
    """Not progressed: local services and the helpline are still given, by word (H4.4)."""
    OFFENDER_MANAGEMENT = "offender_management"
    """MAPPA, IOM, MATAC are considered whatever the decision (H6.5, H8.2)."""
    EMERGENCY_REVIEW = "emergency_review"
    """The forum reviews an emergency authority at its next meeting (H6.8)."""
    SUBJECT_TO_BE_TOLD = "subject_to_be_told"
    """The forum decided that the subject is told: the words are recorded, or a supervisor says why not (H6.3)."""


class ContactOutcome(StrEnum):
    """What came of trying to reach somebody (H2.1)."""

    SPOKE = "spoke"
    NO_ANSWER = "no_answer"
    UNSAFE_TO_SPEAK = "unsafe_to_speak"
    MISSED_APPOINTMENT = "missed_appointment"
    DECLINED = "declined"
