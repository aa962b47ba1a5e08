"""Checks, identity and the initial decision as they come in and go out."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, StrictBool, StringConstraints, model_validator

from app.cases.schemas import ActIn, GradeIn
from app.initial_checks.tables import InitialDecision, InitialDecisionAgreement, SubjectIdentity, SystemCheck
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.people.schemas import Form, Line, MaskedView, Narrative, OfContact
from app.safeguarding.schemas import ActView

SystemCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class CheckIn(ActIn):
    """One search of one system: a minimum check of the edition, or any other agency's (H4.1, H4.2)."""

    system: SystemCode = Field(
        description="A minimum system of the edition, or another, such as social_services or probation.",
        examples=["pnc", "social_services"],
    )
    party_id: UUID = Field(description="Whose name was searched.")
    terms: Line = Field(examples=["Name, date of birth, two aliases"])
    searched_by: Line = Field(examples=["Control room operator 12"])
    result: CheckResult = Field(description="Nil is an answer; a search that could not be run is unavailable.")
    text: Narrative | None = Field(None, description="What was found, or why it was unavailable; nil may do without.")
    visor_marker: StrictBool | None = Field(
        None, description="Answers of the edition's system that shows ViSOR markers (PNC)."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.result is not CheckResult.NIL and self.text is None:
            raise ValueError(f"Say in text what the {self.result.value} was.")
        if self.result is CheckResult.UNAVAILABLE and self.visor_marker is not None:
            raise ValueError("Only an answer shows a ViSOR marker: leave visor_marker out.")
        return self


class CheckView(ActView):
    """A search and what it gave."""

    of: ClassVar = SystemCheck

    system: str
    party_id: UUID
    terms: str
    searched_by: str
    result: CheckResult
    text: str | None
    visor_marker: bool | None


class IdentityFinding(Form):
    """Who the subject is: confirmed against a record, unidentified, or found to have died (H4.5)."""

    result: IdentityResult
    record: Line | None = Field(None, examples=["PNC record and custody photograph"])
    how: Narrative = Field(description="How it was settled, or why it could not be.")

    @model_validator(mode="after")
    def _against_a_record(self) -> Self:
        if (self.result is IdentityResult.UNIDENTIFIED) != (self.record is None):
            raise ValueError(
                "A confirmed identity and a verified death name the record they rest on; an unidentified subject none."
            )
        return self


class IdentityIn(IdentityFinding, ActIn):
    """A finding on the subject's identity; the newest holds."""


class IdentityView(ActView):
    """A finding on the subject's identity."""

    of: ClassVar = SubjectIdentity

    result: IdentityResult
    record: str | None
    how: str


class InitialDecisionIn(Form):
    """Whether the case goes on (H4.3). Not to progress takes effect when a second person agrees (H4.4)."""

    decision: Course
    risk: GradeIn
    rationale: Narrative
    applicant_contact: Line | None = Field(
        None, description="Right to ask: how the applicant will be contacted, safely.", examples=["As agreed, by voice"]
    )
    prioritised: StrictBool | None = Field(
        None, description="Right to know that progresses: whether it is prioritised."
    )
    priority_reason: Narrative | None = Field(None, description="Needed where it is not prioritised (H5.2).")

    @model_validator(mode="after")
    def _priority(self) -> Self:
        if self.decision is Course.DO_NOT_PROGRESS and self.prioritised is not None:
            raise ValueError("A case that does not progress is not prioritised: leave prioritised out.")
        if self.prioritised is False and self.priority_reason is None:
            raise ValueError("Say in priority_reason why the case is not prioritised.")
        return self


class InitialDecisionView(MaskedView, ActView):
    """An initial decision; one not to progress stands only once agreed."""

    of: ClassVar = InitialDecision

    decision: Course
    rationale: str
    applicant_contact: Annotated[str | None, OfContact]
    prioritised: bool | None
    priority_reason: str | None
    risk_grade_id: UUID


class AgreementIn(Form):
    """A second person's answer: agreed, or refused, and why."""

    agrees: StrictBool
    reason: Narrative


class InitialDecisionAgreementView(ActView):
    """A second person's answer to a decision not to progress."""

    of: ClassVar = InitialDecisionAgreement

    decision_id: UUID
    agrees: bool
    reason: str
