"""Meetings and findings of malice as they come in and go out."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from app.cases.schemas import ActIn, GradeIn
from app.face_to_face.tables import FaceToFaceMeeting, MaliciousFinding, MaliciousFindingAgreement
from app.face_to_face.terms import Pack
from app.initial_checks.schemas import AgreementIn, IdentityFinding
from app.people.schemas import Form, Line, MaskedView, Narrative, OfApplicant
from app.safeguarding.schemas import ActView


class MeetingIn(ActIn):
    """A meeting that was held. Record a missed appointment as a contact attempt instead (H5.1)."""

    party_id: UUID = Field(description="Who was met: the applicant.")
    place: Line
    officer: Line = Field(description="Who held it.", examples=["PC 4411, public protection"])
    public_protection: StrictBool = Field(
        description="A public protection officer with domestic abuse expertise held it."
    )
    public_protection_reason: Narrative | None = Field(None, description="Else the reason.")
    warnings_given: StrictBool = Field(description="The preliminary warnings were given.")
    identity_verified_by: Line | None = Field(
        None, description="By what the applicant's identity was verified.", examples=["Passport"]
    )
    undertaking_explained: StrictBool = Field(description="The confidentiality undertaking was explained.")
    details: Narrative = Field(description="What the applicant added.")
    safeguarding_advice: Narrative | None = Field(None, description="The interim safeguarding advice given.")
    pack: Pack | None = Field(None, description="What became of the information pack; left out: it was not offered.")
    pack_details_by_word: StrictBool = Field(False, description="Its details were given by word.")
    suitable_adult: Line | None = Field(
        None, description="Who sat with a young person: suitable and not involved (H2.9)."
    )
    written_material_left: Line | None = Field(
        None, description="Anything written that was left with the person beside the pack: nothing should be (H2.2)."
    )
    crime_alleged: StrictBool = Field(False, description="Opens the crime duty (H2.3).")
    risk: GradeIn | None = Field(None, description="The grade of risk after the meeting (H2.6).")
    subject_identity: IdentityFinding | None = Field(
        None, description="The subject was identified at the meeting (H4.5)."
    )


class MeetingView(MaskedView, ActView):
    """A meeting that was held."""

    of: ClassVar = FaceToFaceMeeting

    party_id: Annotated[UUID | None, OfApplicant]
    place: Annotated[str | None, OfApplicant]
    officer: str
    public_protection: bool
    public_protection_reason: str | None
    warnings_given: bool
    identity_verified_by: Annotated[str | None, OfApplicant]
    undertaking_explained: bool
    details: Annotated[str | None, OfApplicant]
    safeguarding_advice: Annotated[str | None, OfApplicant]
    pack: Pack | None
    pack_details_by_word: bool
    suitable_adult: Annotated[str | None, OfApplicant]
    written_material_left: Annotated[str | None, OfApplicant]


class MaliciousFindingIn(Form):
    """That the request is malicious. It takes effect when a second person agrees (H5.1a)."""

    reasons: Narrative


class MaliciousFindingView(MaskedView, ActView):
    """A finding of malice; it stands only once agreed."""

    of: ClassVar = MaliciousFinding

    reasons: Annotated[str | None, OfApplicant]


class MaliciousAgreementIn(AgreementIn):
    """A second person's answer. Who agrees first decides whether the police carry on as right to know (H5.1a)."""

    carry_on_as_right_to_know: StrictBool | None = Field(
        None, description="The finding ends the request, not the question of risk: given wherever it is agreed."
    )
    carry_on_reason: Narrative | None = None

    @model_validator(mode="after")
    def _carrying_on_is_decided_first(self) -> Self:
        given = [self.carry_on_as_right_to_know is not None, self.carry_on_reason is not None]
        if self.agrees and not all(given):
            raise ValueError(
                "Decide first whether to carry on as right to know: give carry_on_as_right_to_know and carry_on_reason."
            )
        if not self.agrees and any(given):
            raise ValueError("The finding is refused, so the request goes on: leave carrying on out.")
        return self


class MaliciousAgreementView(MaskedView, ActView):
    """A second person's answer to a finding of malice."""

    of: ClassVar = MaliciousFindingAgreement

    finding_id: UUID
    agrees: bool
    reason: Annotated[str | None, OfApplicant]
    carry_on_as_right_to_know: bool | None
    carry_on_reason: Annotated[str | None, OfApplicant]
    continued_as_id: UUID | None
