"""The vocabulary of the scheme that editions speak of: routes, clocks, levels, outcomes, duties.

Pure. The names are fixed, since code acts on them; what an edition says about them is data (H9).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Route(StrEnum):
    """How a case came in (H1.2)."""

    RIGHT_TO_ASK = "right_to_ask"
    RIGHT_TO_KNOW = "right_to_know"


class ClockKind(StrEnum):
    """The duties that have a clock, in the order of the table in H9."""

    INITIAL_CHECKS = "initial_checks"
    FACE_TO_FACE = "face_to_face"
    RISK_ASSESSMENT = "risk_assessment"
    CATEGORISE_AND_REFER = "categorise_and_refer"
    WHOLE_CASE = "whole_case"


class StartingEvent(StrEnum):
    """What a limit is counted from (H3.4, H9)."""

    INITIAL_CONTACT = "initial_contact"
    RECEIPT = "receipt"
    COMPLETED_MEETING = "completed_meeting"


STARTING_EVENTS: Mapping[Route, frozenset[StartingEvent]] = MappingProxyType(
    {
        Route.RIGHT_TO_ASK: frozenset({StartingEvent.INITIAL_CONTACT, StartingEvent.COMPLETED_MEETING}),
        Route.RIGHT_TO_KNOW: frozenset({StartingEvent.RECEIPT}),
    }
)


class Mark(StrEnum):
    """How well a figure is known: read in the source, from a secondary source, or assumed (H9)."""

    READ = "read"
    SECONDARY = "secondary"
    ASSUMED = "assumed"


class Applies(StrEnum):
    """Which cases of its route a limit holds for."""

    ALWAYS = "always"
    APPLICANT_IS_POTENTIAL_VICTIM = "applicant_is_potential_victim"
    PRIORITISED = "prioritised"


APPLIES_ON: Mapping[Route, frozenset[Applies]] = MappingProxyType(
    {
        Route.RIGHT_TO_ASK: frozenset({Applies.ALWAYS, Applies.APPLICANT_IS_POTENTIAL_VICTIM}),
        Route.RIGHT_TO_KNOW: frozenset({Applies.ALWAYS, Applies.PRIORITISED}),
    }
)
"""Nobody applies for a right to know, and only a right to know is prioritised (H5.2)."""


class Searched(StrEnum):
    """Whose name a check is run on (H4.1)."""

    SUBJECT = "subject"
    POTENTIAL_VICTIM = "potential_victim"
    CHILD = "child"


class CheckWhen(StrEnum):
    """When a minimum check is required (H4.1)."""

    ALWAYS = "always"
    VISOR_MARKER = "visor_marker"


POLICE = "police"
"""The agency code of police staff, in every edition's quorum (H6.3)."""


class AgencyWhen(StrEnum):
    """When an agency belongs to the quorum (H6.1)."""

    ALWAYS = "always"
    IF_CHILDREN = "if_children"


class RungKind(StrEnum):
    """The kinds of alert, in the order they fall (H11); those of a target where the clock has one.

    The code of an alert begins with its kind: `due_soon-12h`, `target_missed`, `reminder-1`.
    """

    TARGET_SOON = "target_soon"
    TARGET_TODAY = "target_today"
    TARGET_MISSED = "target_missed"
    DUE_SOON = "due_soon"
    DUE_TODAY = "due_today"
    BREACHED = "breached"
    REMINDER = "reminder"

    @classmethod
    def of(cls, code: str) -> "RungKind":
        """The kind of an alert of that code. ValueError where it is none."""
        return cls(code.partition("-")[0])

    @property
    def state(self) -> "RungKind":
        """How a clock stands of which this was told last: a reminder is of a breach."""
        return RungKind.BREACHED if self is RungKind.REMINDER else self


class AlertLevel(StrEnum):
    """Whom an alert reaches, from the desk upwards (H11)."""

    OFFICER = "officer"
    SUPERVISOR = "supervisor"
    HEAD_OF_PUBLIC_PROTECTION = "head_of_public_protection"


class RiskLevel(StrEnum):
    """How grave the risk in a case is, from the least (H2.6); urgent is immediate or imminent harm (H2.4)."""

    STANDARD = "standard"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"

    @property
    def rank(self) -> int:
        """The graver the risk, the higher."""
        return list(RiskLevel).index(self)


class SpentRule(StrEnum):
    """What happens to an item that is spent on the day of disclosure (H7.3)."""

    BLOCKED = "blocked"
    REFUSED_UNLESS_AUTHORISED = "refused_unless_authorised_with_legal_advice"


class Outcome(StrEnum):
    """How an application can end (H8.1)."""

    NOT_PROGRESSED = "not_progressed"
    WITHDRAWN = "withdrawn"
    MALICIOUS = "malicious"
    SUBJECT_DECEASED = "subject_deceased"
    NO_DISCLOSURE = "no_disclosure"
    DISCLOSED = "disclosed"
    NOT_COMPLETED = "not_completed"


class ClosingDuty(StrEnum):
    """What must be done before a case closes (H8.2); which outcome carries which is data."""

    DELIVERY_RECORDED = "delivery_recorded"
    NOTICE_RECORDED = "notice_recorded"
    SERVICES_GIVEN = "services_given"
    SAFETY_PLAN_WHERE_RISK = "safety_plan_where_risk"
    CRIME_DUTY = "crime_duty"
    OFFENDER_MANAGEMENT = "offender_management"
    REPORT_SUBMITTED = "report_submitted"


class FormOfWords(StrEnum):
    """The texts that are spoken, never left behind (H2.2)."""

    NOT_PROGRESSED = "not_progressed"  # H4.4
    WARNING_SAFEGUARDING_ONLY = "warning_safeguarding_only"  # H7.1
    WARNING_UNDERTAKING = "warning_undertaking"  # H7.1
    WARNING_PROCEEDINGS = "warning_proceedings"  # H7.1
    NO_INFORMATION = "no_information"  # H7.4
    NEUTRAL = "neutral"  # H7.4a
