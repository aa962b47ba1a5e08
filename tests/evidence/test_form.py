"""What the first form of a leaf tells of each record, frozen: a leaf is made anew from its record for ever.

A column that is null in every record of before may be added, and here as well. Whatever else changes is another form,
under another number, and leaves of this one are still made in this one.
"""

import re
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills the metadata
from app.evidence.leaves import FORM, MOVES, Salts, goes, leaf_of
from app.evidence.records import FILLED_LATER, LEAVES, LOG, LOG_CHILDREN, OF_OTHER_CASES
from app.evidence.sealed import Sealed

TABLES = SQLModel.metadata.tables
SALTED = {"string", "text", "JSON", "JSONB"}
FROZEN: dict[str, dict[str, str]] = {
    "initial_decision": {
        "clear": "case_id decision id occurred_at prioritised recorded_at recorded_by risk_grade_id",
        "sealed": "applicant_contact_sealed priority_reason_sealed rationale_sealed",
    },
    "initial_decision_agreement": {
        "clear": "agrees case_id decision_id id occurred_at recorded_at recorded_by",
        "sealed": "reason_sealed",
    },
    "malicious_finding": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "sealed": "reasons_sealed",
    },
    "malicious_finding_agreement": {
        "clear": "agrees carry_on_as_right_to_know case_id finding_id id occurred_at recorded_at recorded_by",
        "salted": "continued_as_id",
        "sealed": "carry_on_reason_sealed reason_sealed",
    },
    "categorisation": {
        "clear": "case_id category id occurred_at position potential_victim_id recorded_at recorded_by",
        "sealed": "factors_sealed other_information_sealed reasons_sealed risk_of_harm_sealed",
    },
    "forum_decision": {
        "clear": (
            "case_id category consult_offender_manager disclose id item_id occurred_at "
            "police_conclude_necessary police_conclusion_id position potential_victim_id recipient_id "
            "recorded_at recorded_by subject_to_be_told"
        ),
        "sealed": (
            "delivery_sealed dissent_sealed further_safeguarding_sealed offender_management_sealed "
            "pressing_need_sealed proportionate_sealed reasons_sealed recipient_described_sealed what_sealed "
            "words_for_subject_sealed"
        ),
    },
    "decision_confirmation": {
        "clear": "case_id decision_id id occurred_at recorded_at recorded_by verdict",
        "sealed": "reasons_sealed",
    },
    "decision_return": {
        "clear": "case_id decision_id id occurred_at potential_victim_id recorded_at recorded_by",
        "sealed": "reason_sealed",
    },
    "police_conclusion": {
        "clear": "case_id id item_id necessary occurred_at position potential_victim_id recorded_at recorded_by",
        "sealed": "reasons_sealed",
    },
    "emergency_authority": {
        "clear": "case_id id occurred_at position potential_victim_id recipient_id recorded_at recorded_by",
        "salted": "rank",
        "sealed": (
            "already_managed_sealed concern_sealed delivery_sealed open_checks_accepted_sealed "
            "police_conclude_necessary_sealed pressing_need_sealed proportionate_sealed "
            "recipient_described_sealed representations_sealed what_sealed why_it_cannot_wait_sealed"
        ),
    },
    "spent_authorisation": {
        "clear": "case_id id item_id occurred_at recorded_at recorded_by",
        "sealed": "advice_reference_sealed advice_sealed reason_sealed",
    },
    "delivery_clearance": {
        "clear": (
            "case_id decision_id delivered_by id item_ids occurred_at planned_for potential_victim_id "
            "recipient_id recorded_at recorded_by undertaking"
        ),
        "salted": "warnings_given",
        "sealed": (
            "offender_manager_consultation_sealed partner_deliverer_sealed place_sealed "
            "recipient_described_sealed recipient_safe_contact_sealed reconsideration_sealed "
            "suitable_adult_sealed"
        ),
    },
    "disclosure": {
        "clear": (
            "carries_out_decision case_id clearance_id decision_id delivered_by id item_ids "
            "nothing_handed_over occurred_at pack potential_victim_id recipient_id recipient_signature "
            "recorded_at recorded_by signed_by_deliverer supersedes_id undertaking"
        ),
        "salted": "warnings_given",
        "sealed": (
            "beyond_script_sealed interpreter_sealed partner_sealed place_sealed present_sealed "
            "recipient_described_sealed reconsideration_sealed suitable_adult_sealed words_sealed"
        ),
    },
    "words_to_subject": {
        "clear": (
            "case_id decision_id id occurred_at potential_victim_id recorded_at recorded_by "
            "representations_id spoken_by"
        ),
        "sealed": "answer_sealed partner_sealed place_sealed words_sealed",
    },
    "non_disclosure_notice": {
        "clear": (
            "case_id id in_person kind occurred_at pack potential_victim_ids recorded_at recorded_by told_by "
            "told_id written_left"
        ),
        "sealed": "place_sealed rationale_sealed words_sealed",
    },
    "non_completion": {
        "clear": "case_id decision_id id occurred_at potential_victim_id reason recorded_at recorded_by",
        "sealed": "explanation_sealed",
    },
    "not_completed": {
        "clear": "attempts because case_id id occurred_at party_id recorded_at recorded_by",
        "sealed": "reason_sealed",
    },
    "withdrawal": {
        "clear": "by_safe_means case_id duress_suspected id occurred_at recorded_at recorded_by",
        "sealed": "duress_considered_sealed means_sealed reason_sealed taken_by_sealed",
    },
    "withdrawal_decision": {
        "clear": "carried_on case_id id occurred_at recorded_at recorded_by withdrawal_id",
        "salted": "continued_as",
        "sealed": "reason_sealed",
    },
    "final_report": {
        "clear": "asked_at case_id id occurred_at outcome recorded_at recorded_by supersedes_id",
        "salted": "force grading reference",
        "sealed": "document_sealed narrative_sealed",
    },
    "closing": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "sealed": "note_sealed",
    },
    "alert_route": {
        "clear": "alert_id case_id id in_place_of routed_at staff_id",
        "erasable": "because",
    },
    "assignment": {
        "clear": "case_id id occurred_at recorded_at recorded_by staff_id",
        "erasable": "reason",
    },
    "broken_glass": {
        "clear": "broken_at case_id id since staff_id until",
        "erasable": "reason",
    },
    "case_access": {
        "clear": "case_id certain id kind recorded_at recorded_by since staff_id",
        "erasable": "reason",
    },
    "case_freeze": {
        "clear": "because case_id id occurred_at potential_victim_id recorded_at recorded_by",
        "erasable": "reason",
    },
    "case_of_note": {
        "clear": "case_id id marked_at marked_by since",
        "erasable": "reason",
    },
    "case_restriction": {
        "clear": "case_id id restricted_at restricted_by since",
        "erasable": "reason",
        "salted": "leading_ranks",
    },
    "clock_move": {
        "clear": "case_id clock_id due_at due_on id moved_at was_due_at was_due_on",
        "salted": "calendar_version was_calendar_version why",
    },
    "conflict_of_interest": {
        "clear": "case_id id item_id occurred_at recorded_at recorded_by staff_id",
        "erasable": "reason",
    },
    "contact_attempt": {
        "clear": "case_id id occurred_at outcome party_id recorded_at recorded_by",
        "erasable": "means note",
    },
    "crime_reference": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "erasable": "note reference",
    },
    "deviation": {
        "clear": "case_id clock id occurred_at recorded_at recorded_by",
        "erasable": "circumstances reason",
    },
    "deviation_answer": {
        "clear": "authorises case_id deviation_id id occurred_at recorded_at recorded_by",
        "erasable": "reason",
    },
    "erasure": {
        "clear": "agreed_by agreement_id case_id decided_by decision_id erased_at id keep_until",
        "salted": "group_code",
    },
    "event": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "salted": "about_id",
        "erasable": "kind position sentence",
    },
    "face_to_face_meeting": {
        "clear": (
            "case_id id occurred_at pack pack_details_by_word party_id public_protection recorded_at recorded_by "
            "undertaking_explained warnings_given"
        ),
        "erasable": (
            "details identity_verified_by officer place public_protection_reason safeguarding_advice "
            "suitable_adult written_material_left"
        ),
    },
    "final_report_key": {
        "clear": "case_id id report_id",
        "erasable": "match_key",
    },
    "forum_action": {
        "clear": "case_id due_on id item_id occurred_at owner_staff_id recorded_at recorded_by",
        "erasable": "what",
        "salted": "owner_agency",
    },
    "forum_action_answer": {
        "clear": "action_id case_id id occurred_at outcome owner_staff_id recorded_at recorded_by",
        "erasable": "note",
    },
    "forum_minutes": {
        "clear": "case_id id item_id occurred_at recorded_at recorded_by",
        "erasable": "minutes",
    },
    "freeze_lifting": {
        "clear": "case_id freeze_id id occurred_at recorded_at recorded_by",
        "erasable": "reason",
    },
    "freeze_lifting_answer": {
        "clear": "agrees case_id id lifting_id occurred_at recorded_at recorded_by",
        "erasable": "reason",
    },
    "initial_contact": {
        "clear": "case_id channel consent_to_share id occurred_at received_from recorded_at recorded_by",
        "erasable": "consent_reason received_from_detail risk_indicators taken_by veracity why",
        "salted": "source_grading",
    },
    "intelligence_submission": {
        "clear": "case_id id kind occurred_at recorded_at recorded_by report_id system",
        "erasable": "reference submitted_by system_named what",
    },
    "interim_plan": {
        "clear": "case_id contact_every_days id occurred_at potential_victim_id recorded_at recorded_by review_on",
        "erasable": "contact keeps_safe",
        "salted": "clocks",
    },
    "item": {
        "clear": (
            "case_id concerns_item_id handling id identifies_earlier_victim_or_source kind occurred_at "
            "owned_elsewhere proceeding_id recorded_at recorded_by supersedes_id"
        ),
        "erasable": "owner text",
    },
    "item_agreement": {
        "clear": "case_id id item_id occurred_at recorded_at recorded_by",
        "erasable": "agreed_by conditions reference",
    },
    "offender_management": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "erasable": "integrated mappa matac monitoring",
    },
    "person_address": {
        "clear": "case_id id person_id recorded_at",
        "erasable": "address lived_from lived_to part",
    },
    "person_alias": {
        "clear": "case_id id person_id recorded_at",
        "erasable": "given_names part surname surname_key",
    },
    "person_version": {
        "clear": "case_id id person_id recorded_at recorded_by",
        "erasable": "because part said",
    },
    "postponement": {
        "clear": "case_id id occurred_at potential_victim_id recorded_at recorded_by review_on",
        "erasable": "investigator investigator_answer reason",
    },
    "postponement_end": {
        "clear": "case_id id occurred_at postponement_id recorded_at recorded_by",
        "erasable": "reason",
    },
    "proceeding": {
        "clear": "age_at_conviction case_id id recorded_at recorded_by",
        "erasable": "conviction_date",
    },
    "referral": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "erasable": "note",
    },
    "representations": {
        "clear": "case_id choice id occurred_at potential_victim_id recorded_at recorded_by",
        "erasable": "reason words",
    },
    "representations_answer": {
        "clear": "case_id id occurred_at outcome recorded_at recorded_by representations_id",
        "erasable": "answer",
    },
    "retention": {
        "clear": "case_id closed_on id keep_until keep_years mark review_again_years",
        "salted": "group_code schedule source title",
    },
    "retention_agreement": {
        "clear": "agrees case_id decision_id id occurred_at recorded_at recorded_by",
        "erasable": "reason",
    },
    "retention_decision": {
        "clear": "case_id id occurred_at recorded_at recorded_by review_on verdict",
        "erasable": "reason",
        "salted": "ground",
    },
    "risk_assessment": {
        "clear": (
            "case_id grade id occurred_at potential_victim_id recorded_at recorded_by risk_grade_id score "
            "signed_off tool_grade"
        ),
        "erasable": "agency_checks_considered answers options_considered override_reason",
        "salted": "tool tool_version",
    },
    "risk_grade": {
        "clear": "case_id grade id immediate occurred_at potential_victim_id recorded_at recorded_by",
        "erasable": "reason",
    },
    "safe_contact": {
        "clear": "case_id id person_id recorded_at recorded_by",
        "erasable": "approach_plan means part place times",
    },
    "safeguarding_action": {
        "clear": "case_id id occurred_at party_id recorded_at recorded_by",
        "erasable": "action done_by",
    },
    "safety_plan": {
        "clear": "case_id id occurred_at potential_victim_id recorded_at recorded_by review_on",
        "erasable": "plan",
    },
    "sentence": {
        "clear": "case_id id proceeding_id",
        "erasable": "conditions_end days endorsed indefinite months paid_on schedule_18 start type weeks years",
    },
    "subject_deceased": {
        "clear": "case_id id occurred_at recorded_at recorded_by",
        "erasable": "died_on verified_by verified_how",
    },
    "subject_identity": {
        "clear": "case_id id occurred_at recorded_at recorded_by result",
        "erasable": "how record",
    },
    "support_given": {
        "clear": "case_id helpline_given id left_in_writing occurred_at party_id recorded_at recorded_by",
        "erasable": "services",
    },
    "system_check": {
        "clear": "case_id id occurred_at party_id recorded_at recorded_by result visor_marker",
        "erasable": "searched_by terms text",
        "salted": "system",
    },
    "transfer_acceptance": {
        "clear": "case_id id occurred_at offer_id recorded_at recorded_by",
        "erasable": "note",
        "salted": "from_force_id to_force_id",
    },
    "transfer_offer": {
        "clear": "case_id id occurred_at recorded_at recorded_by replaces_id",
        "erasable": "reason",
        "salted": "from_force_id reference to_force_id",
    },
    "account_change": {
        "clear": "active_after active_before changed_at changed_by id staff_id",
        "salted": "rank_after rank_before roles_after roles_before",
    },
    "access_log": {
        "clear": "case_id category event_id id logged_at recipient recorded_in refused staff_id",
        "salted": "action decision fields force_id organisation reader_force_id reason request_id role rule",
    },
    "access_log_individual": {
        "clear": "case_id log_id person_id",
    },
    "access_log_case": {
        "clear": "case_id log_id",
    },
}


def how(table: str, column: Column[object]) -> str:
    """Whether a leaf tells a column in clear, by a digest under one salt or the other, or by that of its envelope."""
    if goes(table, column):
        return "erasable"
    if isinstance(column.type, Sealed):
        return "sealed"
    if column.name in OF_OTHER_CASES.get(table, ()):
        return "salted"
    kind = getattr(column.type, "impl_instance", column.type)
    kind = getattr(kind, "item_type", kind)
    return "salted" if kind.__visit_name__ in SALTED else "clear"


def told(table: str) -> dict[str, list[str]]:
    """The columns of a table by how they are told."""
    later = FILLED_LATER.get(table, frozenset())
    columns = [one for one in TABLES[table].c if one.name not in later and (table == LOG or one.name != MOVES)]
    ways = ("clear", "erasable", "salted", "sealed")
    found = {kind: sorted(one.name for one in columns if how(table, one) == kind) for kind in ways}
    return {kind: names for kind, names in found.items() if names}


@pytest.mark.parametrize("table", [*LEAVES, *LOG_CHILDREN])
def test_the_first_form_tells_what_it_always_told(table: str) -> None:
    assert FORM == 1
    assert told(table) == {kind: names.split() for kind, names in FROZEN[table].items()}


def test_a_leaf_names_no_case_but_that_of_its_record() -> None:
    """One that its reader may not see would be told of by it."""
    elsewhere = {
        (table, column.name)
        for table in LEAVES
        for column in TABLES[table].c
        if column.name != "case_id"
        for key in column.foreign_keys
        if key.target_fullname == "application.id"
    }
    assert elsewhere
    assert elsewhere <= {(table, name) for table, names in OF_OTHER_CASES.items() for name in names}
    named = {"id": uuid4(), "case_id": uuid4(), "withdrawal_id": uuid4(), "continued_as": uuid4()}
    row = dict.fromkeys(one.name for one in TABLES["withdrawal_decision"].c) | named
    leaf = leaf_of("withdrawal_decision", TABLES["withdrawal_decision"].c, row, salts=Salts(b"s"))
    assert [name for name, one in named.items() if str(one).encode() not in leaf] == ["continued_as"]


@pytest.mark.parametrize("table", LOG_CHILDREN)
def test_what_a_row_of_the_log_touched_is_told_by_one_digest_that_every_change_changes(table: str) -> None:
    log, columns = TABLES[LOG].c, TABLES[table].c
    row = dict.fromkeys(one.name for one in log) | {"id": uuid4()}
    one, other = ({column.name: uuid4() for column in columns} for _ in range(2))
    edited = {**one, "case_id": uuid4()}

    def leaf(*rows: dict[str, UUID], salt: bytes = b"s") -> bytes:
        children = {name: (TABLES[name].c, rows if name == table else ()) for name in LOG_CHILDREN}
        return leaf_of(LOG, log, row, salts=Salts(salt), children=children)

    told = [leaf(), leaf(one), leaf(edited), leaf(one, other), leaf(one, salt=b"t")]
    assert len(set(told)) == len(told)
    assert leaf(one, other) == leaf(other, one)
    digest = re.compile(rb"[0-9a-f]{64}")
    assert len({digest.sub(b"", each) for each in told}) == 1, "how many there are is not seen either"


def test_a_column_that_is_added_later_accuses_no_record_of_before() -> None:
    old, new = TABLES["access_log_individual"].c, TABLES["access_log"].c
    row = {"log_id": uuid4(), "case_id": uuid4(), "person_id": uuid4()}
    later = [*old, new.staff_id, new.action]
    assert leaf_of("x", later, {**row, "staff_id": None, "action": None}, salts=Salts(b"s")) == leaf_of(
        "x", old, row, salts=Salts(b"s")
    )
    assert leaf_of("x", later, {**row, "staff_id": uuid4(), "action": None}, salts=Salts(b"s")) != leaf_of(
        "x", old, row, salts=Salts(b"s")
    )
