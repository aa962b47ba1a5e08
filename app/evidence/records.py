"""Which records become leaves of the tree, which of them are sealed, and what erasing leaves of the others. Pure."""

COVERED = (
    "initial_decision",
    "initial_decision_agreement",
    "malicious_finding",
    "malicious_finding_agreement",
    "categorisation",
    "forum_decision",
    "decision_confirmation",
    "decision_return",
    "police_conclusion",
    "emergency_authority",
    "spent_authorisation",
    "delivery_clearance",
    "disclosure",
    "words_to_subject",
    "non_disclosure_notice",
    "non_completion",
    "not_completed",
    "withdrawal",
    "withdrawal_decision",
    "final_report",
    "closing",
)
"""Decisions, what was said, undertakings, how a case ended: rows that nobody changes, their free text sealed."""

RECORDED = (
    "alert_route",
    "assignment",
    "broken_glass",
    "case_access",
    "case_freeze",
    "case_of_note",
    "case_restriction",
    "clock_move",
    "conflict_of_interest",
    "contact_attempt",
    "crime_reference",
    "deviation",
    "deviation_answer",
    "erasure",
    "event",
    "face_to_face_meeting",
    "final_report_key",
    "forum_action",
    "forum_action_answer",
    "forum_minutes",
    "freeze_lifting",
    "freeze_lifting_answer",
    "initial_contact",
    "intelligence_submission",
    "interim_plan",
    "item",
    "item_agreement",
    "offender_management",
    "person_address",
    "person_alias",
    "person_version",
    "postponement",
    "postponement_end",
    "proceeding",
    "referral",
    "representations",
    "representations_answer",
    "retention",
    "retention_agreement",
    "retention_decision",
    "risk_assessment",
    "risk_grade",
    "safe_contact",
    "safeguarding_action",
    "safety_plan",
    "sentence",
    "subject_deceased",
    "subject_identity",
    "support_given",
    "system_check",
    "transfer_acceptance",
    "transfer_offer",
)
"""Every other table of a case to which rows are only added. Nothing of them is sealed; erasing a case empties them."""

FILLED_LATER: dict[str, frozenset[str]] = {
    "broken_glass": frozenset({"ended_because", "ended_by", "ended_since"}),
    "case_access": frozenset({"ended_at", "ended_because", "ended_by", "ended_since"}),
    "case_of_note": frozenset({"ended_at", "ended_because", "ended_by", "ended_since"}),
    "retention": frozenset({"review_on"}),
}
"""Columns that are written after their row, by table: no leaf tells of them."""

DELETED = frozenset(
    {
        "alert_route",
        "event",
        "final_report_key",
        "person_address",
        "person_alias",
        "person_version",
        "safe_contact",
        "sentence",
    }
)
"""Recorded tables whose rows go when their case is erased (H12.2)."""

MARKED: dict[str, frozenset[str]] = {
    table: frozenset(columns.split())
    for table, columns in {
        "assignment": "reason",
        "broken_glass": "reason",
        "case_access": "reason",
        "case_freeze": "reason",
        "case_of_note": "reason",
        "case_restriction": "reason",
        "conflict_of_interest": "reason",
        "contact_attempt": "means note",
        "crime_reference": "reference note",
        "deviation": "reason circumstances",
        "deviation_answer": "reason",
        "face_to_face_meeting": "place officer public_protection_reason identity_verified_by details "
        "safeguarding_advice suitable_adult written_material_left",
        "forum_action": "what",
        "forum_action_answer": "note",
        "forum_minutes": "minutes",
        "freeze_lifting": "reason",
        "freeze_lifting_answer": "reason",
        "initial_contact": "taken_by why consent_reason received_from_detail veracity",
        "intelligence_submission": "system_named reference submitted_by what",
        "interim_plan": "keeps_safe contact",
        "item": "text owner",
        "item_agreement": "agreed_by reference conditions",
        "offender_management": "mappa integrated matac monitoring",
        "postponement": "investigator investigator_answer reason",
        "postponement_end": "reason",
        "referral": "note",
        "representations": "reason words",
        "representations_answer": "answer",
        "retention_agreement": "reason",
        "retention_decision": "reason",
        "risk_assessment": "override_reason options_considered agency_checks_considered",
        "risk_grade": "reason",
        "safeguarding_action": "action done_by",
        "safety_plan": "plan",
        "subject_deceased": "verified_by verified_how",
        "subject_identity": "record how",
        "support_given": "services",
        "system_check": "terms searched_by text",
        "transfer_acceptance": "note",
        "transfer_offer": "reason",
    }.items()
}
"""Columns of which erasing leaves a mark where something stood."""

EMPTIED: dict[str, frozenset[str]] = {
    "initial_contact": frozenset({"risk_indicators"}),
    "risk_assessment": frozenset({"answers"}),
    "subject_deceased": frozenset({"died_on"}),
}
"""Columns of which erasing leaves nothing."""

YEAR: dict[str, frozenset[str]] = {"proceeding": frozenset({"conviction_date"})}
"""Dates of which erasing leaves the year."""

MARK = "[erased]"

LOG = "access_log"
"""Each row of the log is a leaf as well."""

LOG_CHILDREN = {"access_log_individual": "log_id", "access_log_case": "log_id"}
"""Rows that belong to one row of the log and are told in its leaf, by the column that names it."""

OF_OTHER_CASES: dict[str, frozenset[str]] = {
    "event": frozenset({"about_id"}),
    "malicious_finding_agreement": frozenset({"continued_as_id"}),
    "withdrawal_decision": frozenset({"continued_as"}),
}
"""Ids that may be of another case, which may be withheld from whoever sees this one: told by a digest (H2.8)."""

OF_ACCOUNTS = ("account_change",)
"""Of no case: what an account might do, and who said so, is proved like what it did."""

LEAVES = (*COVERED, *RECORDED, *OF_ACCOUNTS, LOG)
"""Everything that becomes a leaf."""

UNDATED = {
    "final_report_key": "written with its final_report, which is dated",
    "sentence": "written with its proceeding, which is dated",
}
"""Leaves that tell no time at which they were put in, and why that is no gap."""

DATED: dict[str, str] = {
    **{kind: "recorded_at" for kind in (*COVERED, *RECORDED) if kind not in UNDATED},
    "alert_route": "routed_at",
    "broken_glass": "broken_at",
    "case_of_note": "marked_at",
    "case_restriction": "restricted_at",
    "clock_move": "moved_at",
    "erasure": "erased_at",
    "retention": "closed_on",
}
"""The column that tells by the clock of the scheme when a record was put in: real time, but in a demonstration."""

DATED_BY_THE_DATABASE: dict[str, str] = {
    "account_change": "changed_at",
    "broken_glass": "since",
    "case_access": "since",
    "case_of_note": "since",
    "case_restriction": "since",
    LOG: "logged_at",
}
"""The column that tells it by the database's own clock: real time, in a demonstration as well."""


def is_erasable(kind: str) -> bool:
    """Whether erasing a case takes anything out of a record of this kind."""
    return kind in DELETED or any(kind in by_table for by_table in (MARKED, EMPTIED, YEAR))
