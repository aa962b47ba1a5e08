"""Early ends, the closing report and its retrieval, as they come in and go out."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, StrictBool, model_validator

from app.access.subject_access import NOT_TO_BE_RELEASED
from app.cases.schemas import ActIn
from app.cases.tables import PartyRole
from app.disclosure.terms import NotCompletedReason
from app.editions.terms import ClockKind, Outcome, Route
from app.final_report.tables import (
    Closing,
    FinalReport,
    IntelligenceSubmission,
    NotCompleted,
    OffenderManagement,
    SubjectDeceased,
    SupportGiven,
    TransferOffer,
    Withdrawal,
    WithdrawalDecision,
)
from app.final_report.terms import IntelligenceSystem, SubmissionKind
from app.intake.schemas import EarlierApplication, Grading
from app.people.schemas import (
    AddressView,
    AliasView,
    Day,
    Form,
    Line,
    MaskedView,
    Name,
    Narrative,
    OfApplicant,
    OfContact,
    PncId,
    TellsRoute,
    View,
)
from app.safeguarding.schemas import ActView


class WithdrawalIn(ActIn):
    """The applicant no longer asks. Confirm it by the agreed safe means, and consider duress (H8.4)."""

    taken_by: Line = Field(examples=["PC 1182, public protection unit"])
    means: Line = Field(examples=["Mobile, voice only, at the agreed hour"])
    by_safe_means: StrictBool = Field(description="Whether that was the safe contact that the case file gives (H2.1).")
    duress_suspected: StrictBool
    duress_considered: Narrative = Field(description="What speaks for and against pressure to withdraw.")
    reason: Narrative | None = Field(None, description="As the applicant gave it; it may be left unsaid.")


class WithdrawalDecisionIn(Form):
    """Whether the question of risk goes on as a right to know, whoever asks or not."""

    carry_on: StrictBool
    reason: Narrative
    grading: Grading | None = Field(None, description="3x5x2 of what is known, where it goes on and can be graded.")


class SubjectDeceasedIn(Form):
    """The subject has died: who verified it, and against what (H4.5)."""

    died_on: Day | None = None
    verified_by: Line = Field(examples=["Coroner's officer, Northmoor"])
    verified_how: Narrative = Field(examples=["Entry of death seen in the register."])


class NotCompletedIn(Form):
    """The application ends before anything is decided (H7.6). The safety plan stays."""

    party_id: UUID = Field(description="Who was not reached, declined, or is unsafe to reach.")
    because: NotCompletedReason
    reason: Narrative

    @model_validator(mode="after")
    def _withdrawn_elsewhere(self) -> Self:
        if self.because is NotCompletedReason.WITHDREW:
            raise ValueError("A withdrawal is recorded as such and decided upon; one told unasked declined to hear.")
        return self


class SupportGivenIn(ActIn):
    """Local services and the helpline, given by word (H4.4). Nothing written is left (H2.2)."""

    party_id: UUID
    services: Narrative
    helpline_given: StrictBool
    left_in_writing: StrictBool = False


class OffenderManagementIn(ActIn):
    """Whether and how the subject is managed, considered where no forum sat (H8.2)."""

    mappa: Narrative = Field(description="Multi-agency public protection arrangements: considered with what result.")
    integrated: Narrative = Field(description="Integrated offender management.")
    matac: Narrative = Field(description="Multi-agency tasking and coordination.")
    monitoring: Narrative = Field(description="Who follows up and monitors.")


class FinalReportIn(Form):
    """What the author adds; the rest is read from the record itself."""

    grading: Grading = Field(examples=["1BC"])
    narrative: Narrative


class IntelligenceSubmissionIn(ActIn):
    """Intelligence was sent on: to which system, under which reference (H8.1)."""

    kind: SubmissionKind
    system: IntelligenceSystem
    system_named: Line | None = Field(None, description="Which one, where the system is 'other'.")
    reference: Line
    submitted_by: Line
    what: Narrative | None = Field(None, description="What was significant, where it went before the end.")

    @model_validator(mode="after")
    def _other_is_named(self) -> Self:
        if self.system is IntelligenceSystem.OTHER and self.system_named is None:
            raise ValueError("Name the system in system_named, where it is none of the others.")
        return self


class ClosingIn(Form):
    """Close the case: only with nothing owed (H8.2)."""

    note: Narrative | None = None


class WithdrawalView(MaskedView, ActView):
    """A withdrawal as it was taken."""

    of: ClassVar = Withdrawal

    taken_by: str
    means: Annotated[str | None, OfContact]
    by_safe_means: bool
    duress_suspected: bool
    duress_considered: Annotated[str | None, OfApplicant]
    reason: Annotated[str | None, OfApplicant]


class WithdrawalDecisionView(ActView):
    """A supervisor's decision on a withdrawal; `continued_as` is the case that goes on as a right to know."""

    of: ClassVar = WithdrawalDecision

    withdrawal_id: UUID
    carried_on: bool
    reason: str
    continued_as: UUID | None


class SubjectDeceasedView(ActView):
    """That the subject has died."""

    of: ClassVar = SubjectDeceased

    died_on: date | None
    verified_by: str
    verified_how: str


class NotCompletedView(MaskedView, ActView):
    """That the application ended before a decision; `attempts` are those that counted."""

    of: ClassVar = NotCompleted

    party_id: Annotated[UUID | None, OfApplicant]
    because: NotCompletedReason
    reason: Annotated[str | None, OfApplicant]
    attempts: int


class SupportGivenView(MaskedView, ActView):
    """Support given by word."""

    of: ClassVar = SupportGiven

    party_id: Annotated[UUID | None, OfApplicant]
    services: Annotated[str | None, OfApplicant]
    helpline_given: bool
    left_in_writing: bool


class OffenderManagementView(ActView):
    """Offender management as considered."""

    of: ClassVar = OffenderManagement

    mappa: str
    integrated: str
    matac: str
    monitoring: str


class IntelligenceSubmissionView(ActView):
    """Where intelligence went; `report_id` is the final report it carried."""

    of: ClassVar = IntelligenceSubmission

    kind: SubmissionKind
    system: IntelligenceSystem
    system_named: str | None
    reference: str
    submitted_by: str
    what: str | None
    report_id: UUID | None


class ClosingView(ActView):
    """When the case was closed and by whom."""

    of: ClassVar = Closing

    note: str | None


class ReportedRequest(View):
    """What was asked or received."""

    route: Route
    channel: str
    why: str
    risk_indicators: list[str]
    received_from: str | None
    received_from_detail: str | None
    source_grading: str | None


class ReportedParty(View):
    """A party of the application. The marks say to whom nobody may reveal the part played (H2.7)."""

    is_a_person: ClassVar = True

    id: UUID
    role: PartyRole
    applied: bool
    given_names: str | None
    surname: str | None
    born: date | None
    born_estimated: bool
    pnc_id: str | None
    aliases: list[AliasView]
    addresses: list[AddressView] = Field(description="Of the subject only, so that moves are seen.")
    relationship: str | None
    connection: str | None
    police_employment: str | None
    not_to_be_revealed_to: list[PartyRole]


class ReportedDates(View):
    """When the steps were done, whenever they were due."""

    first_contact_at: datetime
    checks_at: datetime | None
    meeting_at: datetime | None
    assessed_at: datetime | None
    referred_at: datetime | None
    decided_at: datetime | None
    delivered_at: datetime | None
    ended_at: datetime | None


class ReportedDeviation(View):
    """Why a limit was not kept, and whether a supervisor authorised that (H10.6)."""

    reason: str
    circumstances: str
    recorded_at: datetime
    recorded_by: UUID
    authorised: bool | None
    answered_at: datetime | None
    answered_by: UUID | None
    answer: str | None


class ReportedClock(View):
    """A limit and whether it was kept."""

    kind: ClockKind
    due_at: datetime
    met_at: datetime | None
    ended_at: datetime | None
    ended_because: str | None
    late: bool
    deviations: list[ReportedDeviation] = []


class ReportedDecision(View):
    """What was decided for one potential victim."""

    potential_victim_id: UUID
    source: str
    category: str
    disclose: bool
    decided_at: datetime


class ReportedConclusion(View):
    """What came of the decision; of the words spoken only their SHA-256 (H7.2)."""

    potential_victim_id: UUID
    how: str
    at: datetime
    verbatim_sha256: str | None = None


class ReportedEarlier(View):
    """Another application about the same people that was known."""

    reference: str
    force: str
    about: str


class ReportDocument(View):
    """The report as it is kept and read: whole in itself."""

    reference: str
    force: str
    edition: str
    route: Route
    outcome: Outcome
    handling: list[str] = Field(examples=[["official_sensitive", "the_subject_never_learns_of_an_application"]])
    request: ReportedRequest
    parties: list[ReportedParty]
    dates: ReportedDates
    clocks: list[ReportedClock]
    decisions: list[ReportedDecision]
    conclusions: list[ReportedConclusion]
    earlier_applications: list[ReportedEarlier]
    written_by: str


class CaseReportView(ActView):
    """A final report in its own case; a newer one names the one it supersedes."""

    of: ClassVar = FinalReport

    grading: str
    narrative: str
    document: ReportDocument
    supersedes_id: UUID | None
    release: str = NOT_TO_BE_RELEASED


class FinalReportSummary(View):
    """One report in a list. `case_id` is given to the force that holds the case, and to nobody else."""

    id: UUID
    force: str
    reference: str
    outcome: Outcome
    asked_at: datetime
    recorded_at: datetime
    grading: str
    supersedes_id: UUID | None
    case_id: UUID | None


class FinalReportView(FinalReportSummary):
    """A report with everything in it, where it was submitted, and when its case closed."""

    narrative: str
    document: ReportDocument
    submissions: list[IntelligenceSubmissionView]
    closed_at: datetime | None
    release: str = NOT_TO_BE_RELEASED


class FinalReportSearchIn(Form):
    """About whom: a PNC identifier, or surname and date of birth, with given names to narrow."""

    pnc_id: PncId | None = None
    surname: Name | None = None
    given_names: Name | None = None
    born: Day | None = None

    @model_validator(mode="after")
    def _enough_to_search_by(self) -> Self:
        if self.pnc_id is None and (self.surname is None or self.born is None):
            raise ValueError("Give pnc_id, or surname and born.")
        return self


class PatternView(View):
    """What the reports found show together (H8.1). Forces stand in the order in which each was first asked."""

    requests: int
    potential_victims: int
    forces: list[str]
    first_asked_at: datetime | None
    last_asked_at: datetime | None
    outcomes: dict[str, int]


class FinalReportsFound(View):
    """The reports about a subject, newest first, and their pattern; `more` where the answer was cut short."""

    reports: list[FinalReportSummary]
    pattern: PatternView
    more: bool


class EarlierCase(EarlierApplication):
    """Another application about the same people, and for the own force what came of it (H8.3, H12.6).

    The reasons stand in that case's own file. What another force did is asked of that force.
    """

    outcome: Outcome | None
    asked_at: AwareDatetime | None
    disclosure_asked_for: Annotated[bool | None, TellsRoute]
    disclosure_made: bool | None


class TransferIn(Form):
    """Another force is to take the case over: which, and why (H8.5)."""

    to_force_id: Line = Field(examples=["southvale"])
    reason: Narrative = Field(description="Why; the other force reads this before it accepts, and nothing of the case.")


class TransferAcceptanceIn(Form):
    """The own force takes the case over."""

    note: Narrative | None = None


class TransferOfferView(ActView):
    """An offer of the case to another force."""

    of: ClassVar = TransferOffer

    from_force_id: str
    to_force_id: str
    reason: str
    replaces_id: UUID | None


class TransferView(View):
    """An offer as both forces see it; one that a newer offer replaced cannot be accepted any more."""

    id: UUID
    reference: str
    from_force: str
    to_force: str
    reason: str
    offered_at: datetime
    accepted_at: datetime | None
    note: str | None = Field(description="What whoever accepted it noted.")
    replaced: bool
