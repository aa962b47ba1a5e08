"""Which records are covered: their free text is sealed, and each row becomes a leaf of the tree. Pure."""

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
"""Tables of a case whose rows nobody changes: decisions, what was said, undertakings, how a case ended."""

LOG = "access_log"
"""Each row of the log is a leaf as well."""

LOG_CHILDREN = {"access_log_individual": "log_id", "access_log_case": "log_id"}
"""Rows that belong to one row of the log and stand in its leaf, by the column that names it."""

OF_ACCOUNTS = ("account_change",)
"""Of no case: what an account might do, and who said so, is proved like what it did."""

LEAVES = (*COVERED, *OF_ACCOUNTS, LOG)
"""Everything that becomes a leaf."""
