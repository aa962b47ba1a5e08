"""Convictions, cautions and sentences as the Rehabilitation of Offenders Act 1974 sorts them (H7.3). Pure."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Literal, Self

INDEFINITE: Final = "indefinite"


class ImpossibleSentence(ValueError):
    """A sentence that no court could have passed as it is recorded; the text says what to check."""


class AgeAtConviction(StrEnum):
    """The column of the Table in s.5(2): `YOUTH` is under 18 when convicted or cautioned."""

    ADULT = "adult"
    YOUTH = "youth"


class DisposalKind(StrEnum):
    """What the Act does with a disposal; each kind has one rule in `_ends_on`."""

    EXCLUDED = "excluded"  # s.5(1): never spent
    CUSTODY = "custody"  # s.5(2), the custodial bands
    SUSPENDED_CUSTODY = "suspended_custody"  # the same bands, by the term that was suspended
    SERVICE_DETENTION = "service_detention"
    REMOVAL_FROM_SERVICE = "removal_from_service"
    FINE = "fine"
    COMPENSATION = "compensation"
    COMMUNITY = "community"  # community or youth rehabilitation order
    RELEVANT_ORDER = "relevant_order"  # s.5(8): discharges on conditions, disqualifies, restrains
    PENALTY_POINTS = "penalty_points"  # a relevant order with the three years of their effect
    ENDORSEMENT = "endorsement"
    NO_PERIOD = "no_period"  # s.5(4): nil
    CAUTION = "caution"  # s.8A and Schedule 2: spent at once, and no conviction
    CONDITIONAL_CAUTION = "conditional_caution"  # Schedule 2, para. 1: three months, or sooner


class SentenceType(StrEnum):
    """The sentences and disposals as records name them, each with its kind.

    An order for which the Act has no other rule is a relevant order (s.5(8)).
    """

    kind: DisposalKind

    def __new__(cls, value: str, kind: DisposalKind = DisposalKind.RELEVANT_ORDER) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.kind = kind
        return member

    LIFE_IMPRISONMENT = "life_imprisonment", DisposalKind.EXCLUDED
    CUSTODY_FOR_LIFE = "custody_for_life", DisposalKind.EXCLUDED
    DETENTION_AT_HIS_MAJESTYS_PLEASURE = "detention_at_his_majestys_pleasure", DisposalKind.EXCLUDED
    PUBLIC_PROTECTION = "public_protection", DisposalKind.EXCLUDED
    EXTENDED_SENTENCE = "extended_sentence", DisposalKind.EXCLUDED
    PREVENTIVE_DETENTION = "preventive_detention", DisposalKind.EXCLUDED
    PRISON = "prison", DisposalKind.CUSTODY
    YOUNG_OFFENDER_INSTITUTION = "young_offender_institution", DisposalKind.CUSTODY
    YOUTH_CUSTODY = "youth_custody", DisposalKind.CUSTODY
    DETENTION = "detention", DisposalKind.CUSTODY
    DETENTION_TRAINING_ORDER = "detention_training_order", DisposalKind.CUSTODY
    SUSPENDED_PRISON = "suspended_prison", DisposalKind.SUSPENDED_CUSTODY
    SUSPENDED_DETENTION = "suspended_detention", DisposalKind.SUSPENDED_CUSTODY
    SERVICE_DETENTION = "service_detention", DisposalKind.SERVICE_DETENTION
    DISMISSAL_FROM_SERVICE = "dismissal_from_service", DisposalKind.REMOVAL_FROM_SERVICE
    FINE = "fine", DisposalKind.FINE
    MOTORING_FINE = "motoring_fine", DisposalKind.FINE
    COMPENSATION_ORDER = "compensation_order", DisposalKind.COMPENSATION
    COMMUNITY_ORDER = "community_order", DisposalKind.COMMUNITY
    YOUTH_REHABILITATION_ORDER = "youth_rehabilitation_order", DisposalKind.COMMUNITY
    SERVICE_COMMUNITY_ORDER = "service_community_order", DisposalKind.COMMUNITY
    CONDITIONAL_DISCHARGE = "conditional_discharge"
    BIND_OVER = "bind_over"
    REFERRAL_ORDER = "referral_order"
    SUPERVISION_ORDER = "supervision_order"
    CARE_ORDER = "care_order"
    HOSPITAL_ORDER = "hospital_order"
    DISQUALIFICATION = "disqualification"
    RESTRAINING_ORDER = "restraining_order"
    CRIMINAL_BEHAVIOUR_ORDER = "criminal_behaviour_order"
    SEXUAL_HARM_PREVENTION_ORDER = "sexual_harm_prevention_order"
    SERIOUS_CRIME_PREVENTION_ORDER = "serious_crime_prevention_order"
    FOOTBALL_BANNING_ORDER = "football_banning_order"
    OTHER_RELEVANT_ORDER = "other_relevant_order"
    PENALTY_POINTS = "penalty_points", DisposalKind.PENALTY_POINTS
    ENDORSEMENT = "endorsement", DisposalKind.ENDORSEMENT
    ABSOLUTE_DISCHARGE = "absolute_discharge", DisposalKind.NO_PERIOD
    REPARATION_ORDER = "reparation_order", DisposalKind.NO_PERIOD
    SIMPLE_CAUTION = "simple_caution", DisposalKind.CAUTION
    YOUTH_CAUTION = "youth_caution", DisposalKind.CAUTION
    REPRIMAND = "reprimand", DisposalKind.CAUTION
    FINAL_WARNING = "final_warning", DisposalKind.CAUTION
    CONDITIONAL_CAUTION = "conditional_caution", DisposalKind.CONDITIONAL_CAUTION
    YOUTH_CONDITIONAL_CAUTION = "youth_conditional_caution", DisposalKind.CONDITIONAL_CAUTION


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months on, or the last day of a month that lacks it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Length:
    """A term as the court put it; the parts are added together, the months before the days."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0

    def after(self, start: date) -> date:
        """`start` and this term: the first day after the term. Raises `ImpossibleSentence`."""
        if min(self.years, self.months, self.weeks, self.days) < 0 or not any(
            (self.years, self.months, self.weeks, self.days)
        ):
            raise ImpossibleSentence("The length of a sentence is more than nothing.")
        try:
            return add_months(start, self.years * 12 + self.months) + timedelta(weeks=self.weeks, days=self.days)
        except (ValueError, OverflowError):
            raise ImpossibleSentence("The sentence ends beyond the calendar.") from None


@dataclass(frozen=True)
class Sentence:
    """One sentence or disposal.

    `length` is the term that the court imposed, licence included; `INDEFINITE` is without an end or
    until an event; `None` is that the order names no end. `schedule_18`: imposed for an offence of
    that Schedule. `endorsed`: with an endorsement of the driving record. `conditions_end` is for a
    conditional caution, `paid_on` for compensation.
    """

    type: SentenceType
    start: date
    length: Length | Literal["indefinite"] | None = None
    schedule_18: bool = False
    endorsed: bool = False
    conditions_end: date | None = None
    paid_on: date | None = None


@dataclass(frozen=True)
class Proceeding:
    """A conviction with all the sentences for it, or one caution (then `conviction_date` is the day
    it was given).
    """

    conviction_date: date
    age_at_conviction: AgeAtConviction
    sentences: tuple[Sentence, ...]
