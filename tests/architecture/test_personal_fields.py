"""Every text that goes out is marked, or stands here: what it is, and by which permissions it is read (H2.7).

A new view, a new field, or an old one answered by another route fails until somebody has said what it tells of whom.
"""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.access.masking import marks_of
from app.access.rules import PERMISSIONS, VIEW_PERMISSIONS, Permission, Role
from app.evidence.fields import models_in
from app.main import doors
from app.routes.reading import StrictRoute
from tests.architecture.test_doors import permission_of

OF_NO_CASE = ("app.access.", "app.channels.", "app.editions.", "app.evidence.", "app.routes.")
"""Packages whose views are about staff, editions, the log and messages, and hold nobody of a case."""
AND_YET_OF_A_CASE = {"OpenedText"}
_PLAIN = """
about action agencies_missing agency_id assigned_name authority because becomes_spent_on calendar_source
calendar_version changed_by code database date day digest digest_at division due_on edition edition_version
emergency_authoriser etag force force_id forms_of_words from_force from_force_id grading handling held_on helpline id
idempotency_key kind limit next_cursor not_to_be_revealed notes now now_version order organisation owner_agency part
path police_involvement_notices police_involvement_supervisor rank recorded_by reference release request_id review_on
roles rule rung secret sha256 source staff_name stage status subject system target_because target_on title to_force
to_force_id tool tool_version url verbatim_sha256 version was was_calendar_version was_due_on was_version withheld
worker
"""
PLAIN = set(_PLAIN.split())
"""Texts that tell nothing of a person in a case: references, codes, days of clocks, staff by name."""
UNMARKED = {
    "answer_task read_tasks": {
        "deadlines.TaskView": "answer says",
    },
    "arrange_forum read_forum": {
        "forum.AgendaItemView": "ended_reason",
        "forum.MemberView": "agency name",
    },
    "decide_access": {
        "cases.AccessView": "ended_because reason",
    },
    "list_staff": {
        "casefile.Colleague": "name",
    },
    "open_for_court": {
        "evidence.OpenedText": "column envelope",
    },
    "proclaim_day read_calendars": {
        "deadlines.CalendarChangeView": "why",
    },
    "mark_of_note": {
        "misuse.OfNoteView": "ended_because reason",
    },
    "oversee_glass": {
        "cases.GlassView": "ended_because reason staff_force_id",
    },
    "read_editions": {
        "retention.Schedule": "name",
    },
    "record_delivery": {
        "disclosure.KeptDisclosure": "receipt",
    },
    "review_retention": {
        "retention.ReviewDue": "closed_on group_code",
    },
    "read_case": {
        "cases.PartyView": "connection police_employment relationship",
        "people.PersonView": "access_needs born ethnicity given_names language surname",
    },
    "read_case read_records": {
        "cases.GradeView": "reason",
    },
    "read_case read_records send_information": {
        "deadlines.DeviationView": "answer circumstances reason",
    },
    "read_case record_submission retrieve_final_reports": {
        "people.AliasView": "given_names surname",
    },
    "read_forum": {
        "forum.ActionAnswerView": "note",
        "forum.ActionView": "what",
        "forum.ConfirmationView": "reasons",
        "forum.ConflictView": "reason",
        "forum.DecisionView": (
            "dissent further_safeguarding pressing_need proportionate reasons recipient_described what "
            "words_for_subject"
        ),
        "forum.ItemView": "ended_reason",
        "forum.MinutesView": "minutes",
        "forum.OffenderManagementView": "considered follow_up words_for_manager",
        "forum.OpenActionView": "what",
        "forum.PersonAtItem": "born given_names surname",
        "forum.PoliceConclusionView": "reasons",
        "forum.PotentialVictimAtItem": "born given_names relationship surname",
    },
    "read_forum read_records": {
        "forum.DeliveryView": "agency not_in_person_because person place time",
    },
    "read_forum read_papers read_records": {
        "forum.AlreadyManagedView": "category lead_agency level",
    },
    "read_papers": {
        "casefile.AssessmentAtItem": "agency_checks_considered options_considered override_reason reason",
        "casefile.EmergencyAtItem": (
            "concern open_checks_accepted police_conclude_necessary pressing_need proportionate "
            "recipient_described representations what why_it_cannot_wait"
        ),
        "casefile.PreparedItem": "owner text",
    },
    "read_papers read_records": {
        "categorisation.CategorisationView": "other_information reasons risk_of_harm",
        "categorisation.FactorView": "answer",
        "categorisation.ReferralView": "note",
        "categorisation.RepresentationsAnswerView": "answer",
        "categorisation.RepresentationsView": "reason words",
        "safeguarding.SafetyPlanView": "plan",
    },
    "read_records": {
        "cases.AssignmentView": "reason",
        "convictions.ProceedingIn": "conviction_date",
        "convictions.SentenceIn": "conditions_end paid_on start",
        "deadlines.ClockMoveView": "why",
        "deadlines.DayView": "why",
        "disclosure.AgreementView": "agreed_by conditions",
        "disclosure.ClearanceView": "partner_deliverer place recipient_described suitable_adult",
        "disclosure.ConsultationIn": "consulted words",
        "disclosure.DisclosureView": "place recipient_described",
        "disclosure.ItemView": "owner text",
        "disclosure.NoticeView": "rationale",
        "disclosure.PostponementView": "end_reason investigator investigator_answer reason",
        "disclosure.SpentAuthorisationView": "advice advice_reference reason",
        "face_to_face.MeetingView": "officer public_protection_reason",
        "final_report.ClosingView": "note",
        "final_report.OffenderManagementView": "integrated mappa matac monitoring",
        "final_report.SubjectDeceasedView": "died_on verified_by verified_how",
        "final_report.TransferOfferView": "reason",
        "final_report.WithdrawalDecisionView": "reason",
        "final_report.WithdrawalView": "taken_by",
        "forum.EmergencyAuthorityView": (
            "concern open_checks_accepted police_conclude_necessary pressing_need proportionate "
            "recipient_described representations what why_it_cannot_wait"
        ),
        "forum.ReturnView": "reason",
        "initial_checks.CheckView": "searched_by terms text",
        "initial_checks.IdentityView": "how record",
        "initial_checks.InitialDecisionAgreementView": "reason",
        "initial_checks.InitialDecisionView": "priority_reason rationale",
        "retention.DecisionView": "answer ground reason",
        "retention.ErasureView": "group_code keep_until",
        "retention.FreezeView": "reason",
        "retention.LiftingView": "answer reason",
        "retention.RetentionDates": "closed_on group_code keep_until",
        "retention.RetentionView": "working",
        "risk_assessment.RiskAssessmentView": "agency_checks_considered answers options_considered override_reason",
        "safeguarding.CrimeReferenceView": "note",
        "safeguarding.InterimPlanView": "keeps_safe",
        "safeguarding.SafeguardingActionView": "done_by",
    },
    "read_records read_verbatim": {
        "disclosure.ReconsiderationIn": "could_be_improved_reasons disclosure_needed_reasons plan_effective_reasons",
    },
    "read_verbatim": {
        "disclosure.InterpreterIn": "name",
        "disclosure.PartnerIn": "account agency name",
        "disclosure.VerbatimView": "beyond_script place present recipient_described suitable_adult words",
        "disclosure.WordsToSubjectView": "answer partner place words",
    },
    "record_submission": {
        "final_report.CaseReportView": "narrative",
    },
    "record_submission retrieve_final_reports": {
        "final_report.IntelligenceSubmissionView": "submitted_by system_named what",
        "final_report.ReportDocument": "written_by",
        "final_report.ReportedClock": "ended_because",
        "final_report.ReportedConclusion": "how",
        "final_report.ReportedDecision": "category",
        "final_report.ReportedDeviation": "answer circumstances reason",
        "final_report.ReportedParty": "born connection given_names pnc_id police_employment relationship surname",
        "final_report.ReportedRequest": "channel received_from received_from_detail risk_indicators source_grading why",
        "people.AddressView": "address lived_from lived_to",
    },
    "retrieve_final_reports": {
        "final_report.FinalReportView": "narrative",
        "final_report.PatternView": "forces outcomes",
    },
    "search_cases": {
        "casefile.SearchHit": "born given_names surname",
    },
    "supervise": {
        "final_report.TransferView": "note reason",
    },
}
"""By the permissions of the routes that answer with a view: its texts that no mark keeps from anybody.

Whoever may read cases or the forum's items reads the names of the subject, potential victims and children. What staff
typed is read by whoever may open the record; some of it lies before the forum too, as the papers of an item, for as
long as the item stands. The closing report names all parties, and its readers have permissions of
their own (H8.1).
"""
MAY_READ_WHO_ASKED = {Permission.RECORD_SUBMISSION, Permission.RETRIEVE_FINAL_REPORTS}


def held_unmarked(view: type[BaseModel]) -> set[type[BaseModel]]:
    """A view and those that it shows to everybody who gets it."""
    found: set[type[BaseModel]] = set()
    pending = [view]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            fields = [field for name, field in one.model_fields.items() if name not in marks_of(one)]
            pending += [held for field in fields for held in models_in(field.annotation)]
    return found


def holds_text(annotation: Any) -> bool:
    """Whether something typed may stand there: a text, a day, a document."""
    if annotation in (Any, dict, date):
        return True
    if isinstance(annotation, type):
        return issubclass(annotation, str) and not issubclass(annotation, StrEnum)
    return get_origin(annotation) is not Literal and any(holds_text(part) for part in get_args(annotation))


def answers() -> Iterator[tuple[APIRoute, type[BaseModel]]]:
    for route in doors():
        for shown in models_in(route.response_model):
            yield route, shown


def test_every_text_that_goes_out_is_marked_or_listed_with_who_reads_it() -> None:
    reached: dict[tuple[str, str], set[str]] = {}
    for route, shown in answers():
        for view in held_unmarked(shown):
            texts = [name for name, field in view.model_fields.items() if holds_text(field.annotation)]
            open_ones = " ".join(sorted(one for one in texts if one not in marks_of(view) and one not in PLAIN))
            of_a_case = not view.__module__.startswith(OF_NO_CASE) or view.__name__ in AND_YET_OF_A_CASE
            if open_ones and of_a_case:
                name = f"{view.__module__.split('.')[1]}.{view.__qualname__}"
                permission = permission_of(route)
                reached.setdefault((name, open_ones), set()).add(permission.value if permission else "nobody asked")
    found: dict[str, dict[str, str]] = {}
    for (name, open_ones), permissions in reached.items():
        found.setdefault(" ".join(sorted(permissions)), {})[name] = open_ones
    assert found == UNMARKED


def test_a_closing_report_is_read_by_its_own_permissions_and_by_nobody_of_the_forum() -> None:
    for route, shown in answers():
        if any(view.__name__ == "ReportedParty" for view in held_unmarked(shown)):
            assert permission_of(route) in MAY_READ_WHO_ASKED
    forum = {Role.FORUM_MEMBER, Role.FORUM_CHAIR, Role.AUDITOR, Role.ADMINISTRATOR}
    assert not [role for role in forum if PERMISSIONS[role] & MAY_READ_WHO_ASKED]


def test_whoever_opens_a_record_for_a_court_may_read_all_that_stands_in_it() -> None:
    """An envelope cannot be masked."""
    needed = VIEW_PERMISSIONS | {Permission.READ_VERBATIM, Permission.READ_RECEIPT}
    may = {role for role, held in PERMISSIONS.items() if Permission.OPEN_FOR_COURT in held}
    assert may == {Role.PUBLIC_PROTECTION_SUPERVISOR, Role.HEAD_OF_PUBLIC_PROTECTION, Role.PROFESSIONAL_STANDARDS}
    assert all(needed <= PERMISSIONS[role] for role in may)


def test_whoever_lists_or_searches_cases_may_see_by_which_route_they_came() -> None:
    """Else a list that is narrowed by the route would tell it."""
    listing = {Permission.LIST_CASES, Permission.SEARCH_CASES}
    assert all(Permission.SEE_ROUTE in held for held in PERMISSIONS.values() if held & listing)


def test_what_is_kept_from_a_reader_is_named_in_the_answer() -> None:
    def unnamed(view: type[BaseModel], named: bool) -> Iterator[str]:
        named = named or "withheld" in view.model_fields
        for name, field in view.model_fields.items():
            if name in marks_of(view) and not named:
                yield f"{view.__qualname__}.{name}"
            for held in models_in(field.annotation):
                yield from unnamed(held, named)

    assert {one for _, shown in answers() for one in unnamed(shown, named=False)} == set()


def test_every_answer_goes_out_through_the_mask() -> None:
    for route in doors():
        if permission_of(route) is not None:
            assert isinstance(route, StrictRoute) and getattr(route.endpoint, "masks", False), route.path
            assert "door" in {one.name for one in route.dependant.dependencies}, route.path
