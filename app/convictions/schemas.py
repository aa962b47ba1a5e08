"""Convictions and cautions as they come in and go out."""

from typing import Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from app.convictions.rehabilitation import rehabilitation
from app.convictions.sentences import AgeAtConviction, Length, Proceeding, Sentence, SentenceType
from app.people.schemas import Day, Form


class LengthIn(Form):
    """A term as the court put it; the parts are added together."""

    years: StrictInt = Field(0, ge=0, le=200)
    months: StrictInt = Field(0, ge=0, le=2400)
    weeks: StrictInt = Field(0, ge=0, le=10_000)
    days: StrictInt = Field(0, ge=0, le=73_000)


class SentenceIn(Form):
    """One sentence or disposal."""

    type: SentenceType
    start: Day
    length: LengthIn | Literal["indefinite"] | None = Field(
        None, description="The term imposed, licence included; 'indefinite' is until an event; left out, no end named."
    )
    schedule_18: StrictBool = Field(False, description="For an offence of Schedule 18 to the Sentencing Code.")
    endorsed: StrictBool = Field(False, description="With an endorsement of the driving record.")
    conditions_end: Day | None = Field(None, description="Of a conditional caution.")
    paid_on: Day | None = Field(None, description="When compensation was paid in full.")

    def as_sentence(self) -> Sentence:
        """As the Act is worked out on it."""
        length = Length(**self.length.model_dump()) if isinstance(self.length, LengthIn) else self.length
        return Sentence(
            self.type,
            self.start,
            length=length,
            schedule_18=self.schedule_18,
            endorsed=self.endorsed,
            conditions_end=self.conditions_end,
            paid_on=self.paid_on,
        )


class ProceedingIn(Form):
    """A conviction with all the sentences for it, or one caution (then `conviction_date` is the day it was given)."""

    conviction_date: Day
    age_at_conviction: AgeAtConviction
    sentences: list[SentenceIn] = Field(min_length=1, max_length=40)

    def as_proceeding(self) -> Proceeding:
        """As the Act is worked out on it."""
        return Proceeding(
            self.conviction_date, self.age_at_conviction, tuple(one.as_sentence() for one in self.sentences)
        )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        rehabilitation([self.as_proceeding()])  # ImpossibleSentence says what to check
        return self
