"""What the demonstration writes into the service's forms: sensible texts about persons who do not exist."""

from datetime import date, datetime, timedelta
from uuid import UUID

from app.cases.schemas import GradeIn
from app.cases.tables import Grade
from app.categorisation.schemas import CategorisationIn, FactorIn, ReferralIn, RepresentationsIn
from app.categorisation.terms import Category, Factor, RepresentationsChoice
from app.convictions.schemas import LengthIn, ProceedingIn, SentenceIn
from app.convictions.sentences import AgeAtConviction, SentenceType
from app.demo import staff
from app.disclosure.schemas import ClearanceIn, DisclosureIn, ItemIn, NoticeIn
from app.disclosure.terms import Handling, ItemKind, NoticeKind, RecipientWarning, Signature, Undertaking
from app.disclosure.terms import Pack as PackAtDelivery
from app.editions.terms import Route
from app.face_to_face.schemas import MeetingIn
from app.face_to_face.terms import Pack
from app.final_report.schemas import FinalReportIn, IntelligenceSubmissionIn
from app.final_report.terms import IntelligenceSystem, SubmissionKind
from app.forum.schemas import ConfirmationIn, DecisionIn, DeliveryIn, OffenderManagementIn, PoliceConclusionIn
from app.forum.terms import Monitoring, OffenderScheme, Verdict
from app.initial_checks.schemas import CheckIn, IdentityIn, InitialDecisionIn
from app.initial_checks.terms import CheckResult, Course, IdentityResult
from app.intake.schemas import ApplicationIn, InformationIn, PotentialVictimIn, SubjectIn, ThirdPartyIn
from app.intake.tables import Channel, ReceivedFrom
from app.people.schemas import AddressIn, SafeContactIn
from app.people.tables import Gender
from app.risk_assessment.schemas import RiskAssessmentIn
from app.safeguarding.schemas import SafetyPlanIn

SAFE_CONTACT = SafeContactIn(
    place="At work, reception desk", means="Mobile, voice only, no messages", times="Weekdays 12:00 to 13:00"
)
DELIVERY_PLACE = "Northmoor health centre, consulting room 4"
WORDS = (
    "In the last year he was convicted of assaulting a partner.\n"
    "Police were also called when he had hurt somebody he lived with.\n"
    "This is told to you so that you can keep yourself safe. Help is there for you, today and later."
)


def subject(given_names: str, surname: str, born: date) -> SubjectIn:
    """Somebody asked about."""
    home = AddressIn(address="4 Quarry Lane, Northmoor", lived_from=date(2021, 3, 1))
    return SubjectIn(given_names=given_names, surname=surname, born=born, gender=Gender.MALE, addresses=[home])


def potential_victim(
    given_names: str, surname: str, born: date, *, asks: bool = False, relationship: str = "cohabiting_partner"
) -> PotentialVictimIn:
    """Somebody who may be at risk."""
    return PotentialVictimIn(
        given_names=given_names,
        surname=surname,
        born=born,
        gender=Gender.FEMALE,
        relationship=relationship,
        is_applicant=asks,
        safe_contact=SAFE_CONTACT,
    )


def mother(given_names: str, surname: str) -> ThirdPartyIn:
    """A third party who asks."""
    return ThirdPartyIn(
        given_names=given_names,
        surname=surname,
        connection="Mother of the potential victim",
        safe_contact=SAFE_CONTACT,
    )


def request(
    about: SubjectIn, *victims: PotentialVictimIn, at: datetime, third_party: ThirdPartyIn | None = None
) -> ApplicationIn:
    """A right to ask."""
    return ApplicationIn(
        route=Route.RIGHT_TO_ASK,
        first_contact_at=at,
        channel=Channel.TELEPHONE,
        taken_by="Control room, Northmoor",
        why="It is said that he hurt a former partner, and asking him would not be safe.",
        risk_indicators=["controls money", "coercive or controlling behaviour", "shouting"],
        risk=GradeIn(grade=Grade.MEDIUM, reason="Controlling behaviour reported, growing."),
        consent_to_share=True,
        subject=about,
        potential_victims=list(victims),
        third_party_applicant=third_party,
    )


def information(
    about: SubjectIn,
    *victims: PotentialVictimIn,
    at: datetime,
    received_from: ReceivedFrom = ReceivedFrom.CRIMINAL_INVESTIGATION,
    channel: Channel = Channel.DURING_INVESTIGATION,
) -> ApplicationIn:
    """A right to know."""
    return ApplicationIn(
        route=Route.RIGHT_TO_KNOW,
        first_contact_at=at,
        channel=channel,
        taken_by="Public protection unit, Northmoor",
        why="Information about his conduct towards an earlier partner bears on the safety of the new one.",
        risk_indicators=["assault", "new relationship"],
        risk=GradeIn(grade=Grade.MEDIUM, reason="An earlier partner was assaulted within a year."),
        consent_to_share=False,
        consent_reason="She does not know yet; sharing is needed to prevent crime.",
        information=InformationIn(
            received_from=received_from,
            detail="An assault on an earlier partner",
            grading="1BP",
            veracity="Statement taken, corroborated by a neighbour.",
        ),
        subject=about,
        potential_victims=list(victims),
    )


def check(system: str, party_id: UUID, *, result: CheckResult = CheckResult.NIL, shows_marker: bool = False) -> CheckIn:
    """One search; the system that shows ViSOR markers always has something to say of a fictional subject."""
    texts = {CheckResult.HIT: "Known for violence against a partner.", CheckResult.UNAVAILABLE: "Down for maintenance."}
    if shows_marker and result is CheckResult.NIL:
        result = CheckResult.HIT
    return CheckIn(
        system=system,
        party_id=party_id,
        terms="Name and date of birth",
        searched_by="Control room operator 12",
        result=result,
        text=texts.get(result),
        visor_marker=False if shows_marker and result is not CheckResult.UNAVAILABLE else None,
    )


def identity() -> IdentityIn:
    """The subject confirmed against a record."""
    return IdentityIn(
        result=IdentityResult.CONFIRMED,
        record="PNC record and custody photograph",
        how="Compared by eye with the photograph that the applicant knows.",
    )


def initial_decision(
    route: Route, *, course: Course = Course.PROGRESS, prioritised: bool = False, grade: Grade = Grade.MEDIUM
) -> InitialDecisionIn:
    """Whether the case goes on."""
    goes_on = course is Course.PROGRESS
    asked = route is Route.RIGHT_TO_ASK
    return InitialDecisionIn(
        decision=course,
        risk=GradeIn(grade=grade, reason="Read from the checks together with what was said at first contact."),
        rationale="The checks give grounds to look further."
        if goes_on
        else "Nothing in the checks bears on the potential victim's safety.",
        applicant_contact="By voice, at the agreed number and hours" if asked else None,
        prioritised=prioritised if goes_on and not asked else None,
        priority_reason=None if asked or prioritised or not goes_on else "Standard risk, and no serial perpetrator.",
    )


def meeting(party_id: UUID, *, occurred_at: datetime | None = None) -> MeetingIn:
    """A meeting at which everything was done."""
    return MeetingIn(
        occurred_at=occurred_at,
        party_id=party_id,
        place="Northmoor health centre, room 3",
        officer="PC Nell Inventon, public protection",
        public_protection=True,
        warnings_given=True,
        identity_verified_by="Passport",
        undertaking_explained=True,
        details="He checks her telephone and has begun to wait outside her work.",
        safeguarding_advice="Safe ways to call for help; local services named.",
        pack=Pack.TAKEN,
    )


def assessment(potential_victim_id: UUID) -> RiskAssessmentIn:
    """A DASH assessment, signed off."""
    return RiskAssessmentIn(
        potential_victim_id=potential_victim_id,
        tool="DASH",
        tool_version="2009",
        answers={"1": True, "2": "Afraid of what he will do next.", "27": False},
        score=11,
        tool_grade=Grade.MEDIUM,
        risk=GradeIn(grade=Grade.MEDIUM, reason="Escalating control; no recent violence."),
        options_considered="Protection notice, arrest, referral: none stands on what is known today.",
        agency_checks_considered="Probation and social care were asked: nothing further is known.",
        signed_off=True,
    )


def safety_plan(potential_victim_id: UUID, *, on: date) -> SafetyPlanIn:
    """A safety plan, reviewed eight weeks after it is made."""
    return SafetyPlanIn(
        potential_victim_id=potential_victim_id,
        plan="Locks changed, neighbour alerted, code word agreed with her sister.",
        review_on=on + timedelta(weeks=8),
    )


def not_sought() -> RepresentationsIn:
    """The subject is not asked."""
    return RepresentationsIn(
        choice=RepresentationsChoice.NOT_SOUGHT, reason="Asking would put her in danger before she is safe."
    )


def concern(potential_victim_id: UUID) -> CategorisationIn:
    """A finding of concern."""
    return CategorisationIn(
        potential_victim_id=potential_victim_id,
        category=Category.CONCERN,
        reasons="A recent conviction for assaulting a partner, and the same pattern now.",
        risk_of_harm="She is at risk of assault from the subject.",
        factors=[FactorIn(factor=Factor.UNSPENT_CONVICTIONS, present=True, answer="Assault, within the last year.")],
    )


def no_concern(potential_victim_id: UUID) -> CategorisationIn:
    """A finding of no concern, every factor considered."""
    return CategorisationIn(
        potential_victim_id=potential_victim_id,
        category=Category.NO_CONCERN,
        reasons="The earlier report was looked into and does not suggest harm to her.",
        factors=[FactorIn(factor=factor, present=False) for factor in Factor],
        other_information="Intelligence, crime and domestic abuse records were read; nothing bears on her safety.",
    )


def referral() -> ReferralIn:
    """To the forum."""
    return ReferralIn(note="Categorised; for the next meeting.")


def police_conclusion(potential_victim_id: UUID) -> PoliceConclusionIn:
    """The police conclude that disclosure is necessary."""
    return PoliceConclusionIn(
        potential_victim_id=potential_victim_id,
        necessary=True,
        reasons="His assaults escalated at this point of the earlier relationship; nothing less protects her.",
    )


def delivery() -> DeliveryIn:
    """How it is told."""
    return DeliveryIn(
        agency="police",
        person="Public protection officer, with the IDVA",
        place=DELIVERY_PLACE,
        time="In the morning, while the subject is at work",
    )


def _management() -> OffenderManagementIn:
    return OffenderManagementIn(
        considered="MAPPA not met; IOM considered and not needed; referred to MATAC.",
        referred_to=[OffenderScheme.MATAC],
        monitoring=Monitoring.MARAC,
        follow_up="Reviewed at the next MARAC.",
    )


def disclosing(potential_victim_id: UUID) -> DecisionIn:
    """The forum decides to tell the potential victim."""
    return DecisionIn(
        potential_victim_id=potential_victim_id,
        category=Category.CONCERN,
        pressing_need="He has begun to isolate her as he did the partner he assaulted.",
        proportionate="Limited to one conviction and one incident; weighed against his private life and her safety.",
        disclose=True,
        reasons="Every limb of the test is met.",
        what="The conviction for assaulting a partner, and that police were called to another home.",
        recipient_id=potential_victim_id,
        delivery=delivery(),
        further_safeguarding="The IDVA keeps in touch; the safety plan is kept under review.",
        offender_management=_management(),
    )


def not_disclosing(potential_victim_id: UUID) -> DecisionIn:
    """The forum decides to tell nobody."""
    return DecisionIn(
        potential_victim_id=potential_victim_id,
        category=Category.NO_CONCERN,
        disclose=False,
        reasons="No concern was found and no pressing need.",
        further_safeguarding="Found again should the subject come up once more.",
        offender_management=_management(),
    )


def confirmation() -> ConfirmationIn:
    """A second person confirms that nothing is told."""
    return ConfirmationIn(verdict=Verdict.CONFIRM, reasons="Read with the checks and the minutes.")


def conviction(*, on: date) -> ItemIn:
    """A conviction of eight months ago, not spent."""
    convicted = on - timedelta(days=240)
    proceeding = ProceedingIn(
        conviction_date=convicted,
        age_at_conviction=AgeAtConviction.ADULT,
        sentences=[SentenceIn(type=SentenceType.PRISON, start=convicted, length=LengthIn(months=10))],
    )
    return _item(ItemKind.CONVICTION, "Convicted of assaulting a partner.", proceeding)


def behaviour() -> ItemIn:
    """What the force knows of his conduct."""
    return _item(ItemKind.BEHAVIOUR, "Police were called when he had hurt somebody he lived with.")


def _item(kind: ItemKind, text: str, proceeding: ProceedingIn | None = None) -> ItemIn:
    return ItemIn(
        kind=kind,
        text=text,
        owner="Own force",
        owned_elsewhere=False,
        handling=Handling.P,
        identifies_earlier_victim_or_source=False,
        proceeding=proceeding,
    )


def clearance(victim: UUID, decision_id: UUID, item_ids: list[UUID], *, planned_for: datetime) -> ClearanceIn:
    """What is asked at the door, the potential victim there."""
    return ClearanceIn(
        potential_victim_id=victim,
        recipient_id=victim,
        decision_id=decision_id,
        item_ids=item_ids,
        delivered_by=staff.staff_id_of(staff.OFFICER),
        place=DELIVERY_PLACE,
        planned_for=planned_for,
        warnings_given=list(RecipientWarning),
        undertaking=Undertaking.SIGNED,
    )


def disclosure(victim: UUID, decision_id: UUID, item_ids: list[UUID], clearance_id: UUID) -> DisclosureIn:
    """The words, as they were said."""
    return DisclosureIn(
        words=WORDS,
        potential_victim_id=victim,
        recipient_id=victim,
        decision_id=decision_id,
        item_ids=item_ids,
        clearance_id=clearance_id,
        delivered_by=staff.staff_id_of(staff.OFFICER),
        present=["Independent domestic violence adviser"],
        place=DELIVERY_PLACE,
        warnings_given=list(RecipientWarning),
        undertaking=Undertaking.SIGNED,
        signed_by_deliverer=True,
        recipient_signature=Signature.SIGNED,
        nothing_handed_over=True,
        pack=PackAtDelivery.KEPT_BY_POLICE,
    )


def told_nothing(victim: UUID, applicant: UUID) -> NoticeIn:
    """The applicant hears, in person, that there is no information to disclose."""
    return NoticeIn(
        kind=NoticeKind.NO_INFORMATION,
        potential_victim_ids=[victim],
        told_id=applicant,
        in_person=True,
        place="Northmoor police station, front office",
        pack=PackAtDelivery.TAKEN,
    )


def recorded(victim: UUID) -> NoticeIn:
    """Not telling is recorded, to be found again."""
    return NoticeIn(
        kind=NoticeKind.RECORDED,
        potential_victim_ids=[victim],
        rationale="Nothing suggests harm to her; kept so that it is found when he comes up again.",
    )


def final_report() -> FinalReportIn:
    """What the author adds to the closing report."""
    return FinalReportIn(grading="1BC", narrative="The record shows what was asked, what was found and how it ended.")


def submission(system: IntelligenceSystem) -> IntelligenceSubmissionIn:
    """The report was submitted."""
    return IntelligenceSubmissionIn(
        kind=SubmissionKind.FINAL,
        system=system,
        reference=f"DEMO/{system.upper()}",
        submitted_by="Ivo Talespin, force intelligence",
    )
