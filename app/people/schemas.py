"""Persons as they come in and go out, and the two kinds of text that every form is made of."""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from app import clock
from app.access.masking import Needs
from app.access.rules import Permission
from app.people.rules import (
    canonical_pnc_id,
    invented_date_problem,
    line_problem,
    narrative_problem,
    placeholder_problem,
    unborn_problem,
)
from app.people.tables import Gender, KeptBecause, PersonVersion
from app.storage.base import CaseRow


def _without(problem: Callable[[Any], str | None]) -> AfterValidator:
    def check(typed: Any) -> Any:
        if says := problem(typed):
            raise ValueError(says)
        return typed

    return AfterValidator(check)


def _not_blank(text: str) -> str | None:
    return None if text.strip() else "Write something, or leave the field out: a blank beats an empty line."


Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300),
    _without(_not_blank),
    _without(line_problem),
]
"""One line: no control or direction-changing characters, at most 300."""

Narrative = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    _without(_not_blank),
    _without(narrative_problem),
]
"""Paragraphs, kept as typed: no control characters but line breaks and tabs, at most 20,000."""

Sentence = Annotated[
    str,
    StringConstraints(min_length=20, max_length=20_000),
    _without(_not_blank),
    _without(narrative_problem),
]
"""A narrative of at least twenty characters, for what others must be able to judge."""

Name = Annotated[Line, _without(placeholder_problem)]
"""A name as given; invented ones ("unknown") are refused: leave it out instead (H1.4)."""


def _today() -> date:
    return clock.now().astimezone(clock.LONDON).date()


def _canonical_pnc_id(text: str) -> str:
    return canonical_pnc_id(text, this_year=_today().year)


PncId = Annotated[str, AfterValidator(_canonical_pnc_id)]
"""A PNC identifier, kept in canonical form (2002/0073319Z); the check letter must agree."""


def _as_text(value: object) -> object:
    """A date or time comes as ISO 8601 text; a bare number is a typing error, not seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and _ISO.match(value)):
        return value
    raise ValueError("Give it as ISO 8601 text of 1900 to 2199, such as 2026-05-04 or 2026-05-04T16:40:00+01:00.")


_ISO = re.compile(r"(19|20|21)\d{2}-\d{2}-\d{2}")
Day = Annotated[date, BeforeValidator(_as_text)]
"""A day of the calendar, YYYY-MM-DD."""
Born = Annotated[Day, _without(invented_date_problem)]
"""A day of birth; one that stands for none (1 January 1900) is refused: leave it out instead (H1.4)."""
Moment = Annotated[AwareDatetime, BeforeValidator(_as_text)]
"""An instant with its UTC offset."""


class Form(BaseModel):
    """Base of everything that comes in: unknown fields are refused, so that a typing error loses nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Base of everything that goes out. A field kept from some readers is marked where it is declared (H2.7); the log
    names the fields of one that `is_a_person` (H12.1).
    """

    model_config = ConfigDict(from_attributes=True, frozen=True)

    is_a_person: ClassVar[bool] = False


class RowView(View):
    """A row of a case as it goes out; `of` is the table that it shows."""

    of: ClassVar[type[CaseRow]]


class MaskedView(View):
    """A view of which some readers see less."""

    withheld: list[str] = Field([], description="What is kept from the reader, whether there is anything or not.")


OfApplicant = Needs(Permission.SEE_APPLICANT)
"""Tells who applied, or what the applicant said."""
OfContact = Needs(Permission.SEE_CONTACT)
"""Tells how somebody is reached."""
_OfPerson = Needs(Permission.SEE_CONTACT, of_subject=Permission.SEE_SUBJECT_RECORD)
TellsRoute = Needs(Permission.SEE_ROUTE)
"""Tells that anybody applied at all."""
SaysWhoApplied = Needs(
    Permission.SEE_APPLICANT,
    where_it_says=re.compile(
        r"applicant|somebody else asks|tried to reach|safe contact|a further \w+( \w+)? was added|was amended"
        r"|described otherwise",
        re.IGNORECASE,
    ),
)
"""A sentence of the service's own that names the part played, where that part may be the applicant's."""


class AliasIn(Form):
    """Another name."""

    given_names: Name | None = None
    surname: Name | None = None


class AddressIn(Form):
    """An address, with the time lived there where known."""

    address: Line
    lived_from: Day | None = None
    lived_to: Day | None = None


class SafeContactIn(Form):
    """How the person may be reached safely: place, means and times agreed; or, without one, how to approach (H2.1)."""

    place: Line | None = Field(None, examples=["At work, reception desk"])
    means: Line | None = Field(None, examples=["Mobile, voice only, no messages"])
    times: Line | None = Field(None, examples=["Weekdays 12:00 to 13:00"])
    approach_plan: Narrative | None = None

    @model_validator(mode="after")
    def _agreed_or_planned(self) -> Self:
        if self.approach_plan is None and None in (self.place, self.means, self.times):
            raise ValueError("Give place, means and times of safe contact, or the plan for approaching without one.")
        return self


class PersonIn(Form):
    """A person as described. Leave out what is not known: a blank beats a known error (H1.4)."""

    may_be_unborn: ClassVar[bool] = False

    given_names: Name | None = None
    surname: Name | None = None
    born: Born | None = None
    born_estimated: StrictBool = Field(False, description="Goes with `born`.")
    gender: Gender = Gender.NOT_STATED
    ethnicity: Line | None = None
    pnc_id: PncId | None = None
    telephone: Line | None = None
    email: Line | None = None
    language: Line | None = None
    interpreter_needed: StrictBool = False
    access_needs: Line | None = None
    aliases: list[AliasIn] = Field(default=[], max_length=20)
    addresses: list[AddressIn] = Field(default=[], max_length=20)
    safe_contact: SafeContactIn | None = None

    @model_validator(mode="after")
    def _birth_is_possible(self) -> Self:
        if self.born is None and self.born_estimated:
            raise ValueError("born_estimated marks an estimate: give the estimated date as born.")
        if self.born is not None and not self.may_be_unborn and (says := unborn_problem(self.born, today=_today())):
            raise ValueError(says)
        return self


class AliasView(View):
    """Another name."""

    given_names: str | None
    surname: str | None


class AddressView(View):
    """An address."""

    address: str
    lived_from: date | None
    lived_to: date | None


class SafeContactView(View):
    """How the person may be reached safely."""

    place: str | None
    means: str | None
    times: str | None
    approach_plan: str | None


class PersonView(View):
    """A person as recorded."""

    is_a_person: ClassVar = True

    id: UUID
    given_names: str | None
    surname: str | None
    born: date | None
    born_estimated: bool
    gender: Gender
    ethnicity: str | None
    pnc_id: Annotated[str | None, Needs(Permission.SEE_SUBJECT_RECORD)]
    telephone: Annotated[str | None, _OfPerson]
    email: Annotated[str | None, _OfPerson]
    language: str | None
    interpreter_needed: bool
    access_needs: str | None
    aliases: list[AliasView] = []
    addresses: Annotated[list[AddressView], _OfPerson] = []
    safe_contact: Annotated[SafeContactView | None, OfContact] = None


class PersonVersionView(MaskedView, RowView):
    """What was recorded of a person until it was amended, or was said and does not stand."""

    of: ClassVar = PersonVersion

    id: UUID
    person_id: UUID
    part: str
    because: KeptBecause
    said: Annotated[dict[str, Any] | None, _OfPerson]
    recorded_at: datetime
    recorded_by: UUID
