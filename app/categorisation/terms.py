"""The vocabulary of categorisation (H5.4, H5.5). Pure."""

from enum import StrEnum


class Category(StrEnum):
    """What the police find of one potential victim; provisional until the forum's (H5.6)."""

    CONCERN = "concern"
    NO_CONCERN = "no_concern"


class Factor(StrEnum):
    """What bears on the finding. Factors inform it and never compute it (H5.4)."""

    UNSPENT_CONVICTIONS = "unspent_convictions"
    SERIAL_PERPETRATOR = "serial_perpetrator"
    INTELLIGENCE_OF_PREVIOUS_VIOLENCE = "intelligence_of_previous_violence"
    CONCERNING_CONDUCT_TOWARDS_POTENTIAL_VICTIM = "concerning_conduct_towards_potential_victim"


class RepresentationsChoice(StrEnum):
    """Whether the subject is asked for representations (H5.5)."""

    SOUGHT = "sought"
    NOT_SOUGHT = "not_sought"


class RepresentationsOutcome(StrEnum):
    """What came of asking."""

    GIVEN = "given"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
