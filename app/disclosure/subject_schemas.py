"""Words spoken to the subject as they come in and go out."""

from typing import ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.cases.schemas import ActIn
from app.disclosure.schemas import Verbatim
from app.disclosure.tables import WordsToSubject
from app.people.schemas import Line
from app.safeguarding.schemas import ActView


class WordsToSubjectIn(ActIn):
    """What was said to the subject, by whom, where, and what authorised it. Never refused for a rule (H2.10)."""

    representations_id: UUID | None = Field(
        None, description="The consideration by which representations are sought, where that authorised it (H5.5)."
    )
    decision_id: UUID | None = Field(
        None, description="The forum's decision that the subject is told, where that authorised it (H6.3)."
    )
    potential_victim_id: UUID | None = Field(
        None, description="About whose application. Left out: as what authorised it says, else the whole case."
    )
    spoken_by: UUID | None = Field(None, description="The member of staff who spoke. Left out: whoever records it.")
    partner: Line | None = Field(None, description="Or the partner who did.", examples=["Probation practitioner"])
    place: Line
    words: Verbatim = Field(description="The words used, whatever was settled beforehand.")
    answer: Verbatim | None = Field(None, description="What the subject answered; left out where nothing.")
    crime_alleged: StrictBool = Field(False, description="A crime was alleged in it: opens the crime duty (H2.3).")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.representations_id is not None and self.decision_id is not None:
            raise ValueError("Give either representations_id or decision_id: record what was said for each.")
        if self.spoken_by is not None and self.partner is not None:
            raise ValueError("Give either spoken_by or partner.")
        return self


class WordsToSubjectView(ActView):
    """Words spoken to the subject."""

    of: ClassVar = WordsToSubject

    representations_id: UUID | None
    decision_id: UUID | None
    potential_victim_id: UUID | None
    spoken_by: UUID | None
    partner: str | None
    place: str
    words: str
    answer: str | None
