"""An application as it is taken down."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StrictBool, StringConstraints, model_validator

from app.cases.schemas import GradeIn
from app.deadlines.schemas import ClockView
from app.editions.terms import Route
from app.intake.tables import Channel, InitialContact, ReceivedFrom
from app.people.schemas import (
    Form,
    Line,
    MaskedView,
    Moment,
    Narrative,
    OfApplicant,
    PersonIn,
    TellsRoute,
    View,
)
from app.process import Stage
from app.safeguarding.schemas import ActView

Grading = Annotated[str, StringConstraints(pattern=r"^[1-3][A-E][PC]$")]
"""3x5x2: source 1 to 3, information A to E, handling P or C (H3.3)."""


class SubjectIn(PersonIn):
    """The person asked about. Give every name, alias, and addresses of five years, where known."""

    police_employment: Line | None = Field(None, description="The force that employs the subject (H2.8).")


class PotentialVictimIn(PersonIn):
    """A person who may be at risk from the subject."""

    relationship: Line | None = Field(None, description="A code of the edition.", examples=["cohabiting_partner"])
    relationship_ended: StrictBool = Field(False, description="Never in itself a reason against (H1.5).")
    is_applicant: StrictBool = Field(False, description="This person asks for herself or himself.")
    police_employment: Line | None = None


class ThirdPartyIn(PersonIn):
    """A person who asks about somebody else's partner."""

    connection: Line = Field(examples=["Mother of the potential victim"])
    police_employment: Line | None = None


class ChildIn(PersonIn):
    """A child who may be affected, born or not (H2.9): an unborn child's `born` is when the birth is expected."""

    may_be_unborn: ClassVar[bool] = True

    connection: Line | None = Field(None, examples=["Daughter of the potential victim, lives with her"])


class InformationIn(Form):
    """What the police came to hold, and how good it is (right to know, H3.3)."""

    received_from: ReceivedFrom
    detail: Line = Field(examples=["MARAC of another force"])
    grading: Grading = Field(examples=["1BP"])
    veracity: Narrative


class ContactIn(Form):
    """An initial contact: asked or received when, by what channel, why, and what is said of the risk (H3.2)."""

    first_contact_at: Moment = Field(
        description="When it first reached any part of the police, a mailbox included; may precede typing (H3.4)."
    )
    channel: Channel
    taken_by: Line
    why: Narrative
    risk_indicators: list[Line] = Field([], max_length=40, examples=[["assault", "coercive control"]])
    risk: GradeIn | None = Field(None, description="A first grade, where one can be given.")
    crime_alleged: StrictBool = Field(False, description="Opens the crime duty (H2.3).")
    consent_to_share: StrictBool
    consent_reason: Narrative | None = Field(
        None, description="Why information is shared all the same, where consent is refused (H3.2)."
    )
    information: InformationIn | None = None

    @model_validator(mode="after")
    def _refused_consent_has_its_reason(self) -> Self:
        if not self.consent_to_share and self.consent_reason is None:
            raise ValueError(
                "Consent to share is refused: give consent_reason, why sharing is still needed to prevent crime."
            )
        return self


class InitialContactView(MaskedView, ActView):
    """An initial contact as it was taken down; `occurred_at` is when it first reached any part of the police (H3.4).

    The last four are the information received (right to know, H3.3), and empty where none was. Who first came with it
    is protected as an applicant is, so all of it is kept alike (H2.7).
    """

    of: ClassVar = InitialContact

    channel: Annotated[Channel | None, OfApplicant]
    taken_by: Annotated[str | None, OfApplicant]
    why: Annotated[str | None, OfApplicant]
    risk_indicators: Annotated[list[str], OfApplicant]
    consent_to_share: Annotated[bool | None, OfApplicant]
    consent_reason: Annotated[str | None, OfApplicant]
    received_from: Annotated[ReceivedFrom | None, OfApplicant]
    received_from_detail: Annotated[str | None, OfApplicant]
    source_grading: Annotated[str | None, OfApplicant] = Field(examples=["1BP"])
    veracity: Annotated[str | None, OfApplicant]


class ApplicationIn(ContactIn):
    """Opens a case. Only what the clock needs is asked: a subject as far as known, who may be at risk, and when."""

    route: Route
    edition: Line | None = Field(None, description="Left out: the edition in force.")
    subject: SubjectIn
    potential_victims: list[PotentialVictimIn] = Field(min_length=1, max_length=20)
    third_party_applicant: ThirdPartyIn | None = None
    children: list[ChildIn] = Field([], max_length=30)
    follows: UUID | None = Field(None, description="The closed case that this new information re-opens (H8.3).")
    from_draft: UUID | None = Field(None, description="The draft that this completes.")

    @model_validator(mode="after")
    def _one_applicant_or_information(self) -> Self:
        asking = sum(one.is_applicant for one in self.potential_victims) + bool(self.third_party_applicant)
        if self.route is Route.RIGHT_TO_ASK and (asking != 1 or self.information):
            raise ValueError(
                "A right to ask has exactly one applicant: mark one potential victim with is_applicant, or give "
                "third_party_applicant; and no information received."
            )
        if self.route is Route.RIGHT_TO_KNOW and (asking or not self.information):
            raise ValueError("A right to know has no applicant and says in `information` what was received from whom.")
        return self


class DraftIn(Form):
    """Whatever has been typed so far, in the shape of an application; nothing is checked but its size."""

    route: Route
    typed: dict[str, Any]


class DraftView(MaskedView):
    """A draft as it was left."""

    id: UUID
    reference: str
    version: int
    route: Annotated[Route | None, TellsRoute]
    typed: Annotated[dict[str, Any] | None, OfApplicant]


class EarlierApplication(MaskedView):
    """Another case about the same person. Of another force's case, only where to ask (H3.5)."""

    reference: str
    force: str
    own_force: bool
    case_id: UUID | None
    about: str = Field(examples=["subject", "potential_victim"])
    stage: Stage | None
    route: Annotated[Route | None, TellsRoute]


class ApplicationOpened(View):
    """The case that was opened, its clocks, and what is known already."""

    id: UUID
    reference: str
    route: Route
    stage: Stage
    version: int
    clocks: list[ClockView]
    earlier_applications: list[EarlierApplication]
    joined: bool = Field(False, description="An open case held this pair already: the contact joined it (H3.5).")


class InformationReceived(View):
    """What a partner agency hears of what it sent: that it is with the police, and by what reference to ask (H2.7)."""

    reference: str
    stage: Literal["received"] = "received"
