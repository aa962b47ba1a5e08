"""The tree: what waits to be numbered, leaves, nodes, signed checkpoints, and who may read which.

Every row of a table of a case to which rows are only added, and of the log, is put in the queue by the database
itself, whoever writes it.

Revision ID: 0015
Revises: 0014
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, AUDITOR = "clares_law_app", "clares_law_worker", "clares_law_auditor"

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
RECORDED = (
    "alert_route",
    "assignment",
    "broken_glass",
    "case_access",
    "case_of_note",
    "case_restriction",
    "clock_move",
    "conflict_of_interest",
    "contact_attempt",
    "crime_reference",
    "deviation",
    "deviation_answer",
    "event",
    "face_to_face_meeting",
    "final_report_key",
    "forum_action",
    "forum_action_answer",
    "forum_minutes",
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
"""Every other table of a case to which rows are only added; what is written of them later is not numbered."""
NUMBERED = (*COVERED, *RECORDED)
SINCE = {
    "access_log": "logged_at",
    "alert_route": "routed_at",
    "broken_glass": "broken_at",
    "case_of_note": "marked_at",
    "case_restriction": "restricted_at",
    "clock_move": "moved_at",
    "final_report_key": "id",
    "sentence": "id",
}
"""What orders the rows of before where it is not `recorded_at`."""
LOG, LOG_CHILD = "access_log", "access_log_individual"
WATCHED = {
    LOG: "id, staff_id, case_id, event_id, logged_at, refused, action, force_id, recorded_in",
    LOG_CHILD: "log_id, person_id",
}
"""Columns of the log that the worker read before it numbered the rows."""
WORKED = ("alert_route", "case_access", "case_of_note", "case_restriction", "clock_move")
"""Tables that the worker read whole before that."""
GLIMPSED = {
    "broken_glass": "id, case_id, staff_id, since, until, ended_since",
    "event": "case_id, kind, recorded_at, recorded_by",
    "forum_action": "id, case_id",
    "person_address": "person_id, address",
    "person_alias": "person_id, case_id, given_names, surname, surname_key",
    "transfer_offer": "id, case_id",
}
"""Columns of others that it read."""
KEPT = {"leaf": "", "tree_node": "", "checkpoint": "witnessed_at"}
"""Tables whose rows nobody changes or deletes, but for one column that is filled once."""


def upgrade() -> None:
    _tables()
    _secure()
    _keep()
    _queue()


def _tables() -> None:
    op.create_table(
        "leaf_due",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("untold", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_leaf_due")),
    )
    op.create_table(
        "leaf",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("told", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("numbered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasable_salt", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("number >= 0", name=op.f("ck_leaf_counted_from_zero")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_leaf")),
        sa.UniqueConstraint("record_id", name=op.f("uq_leaf_record_id")),
    )
    op.create_index("ix_leaf_case_id", "leaf", ["case_id"], unique=False)
    op.create_table(
        "tree_node",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name=op.f("pk_tree_node")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("witnessed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "sequencing",
        sa.Column("only_row", sa.Boolean(), nullable=False),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("only_row", name=op.f("ck_sequencing_only_row")),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_sequencing")),
    )


def _secure() -> None:
    """The worker numbers; the API reads hashes and, in a transaction that names a record, its leaf; the auditor all."""
    op.execute(f"GRANT SELECT, DELETE, UPDATE (untold) ON leaf_due TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON leaf, tree_node, checkpoint, sequencing TO {WORKER}")
    op.execute(f"GRANT UPDATE (witnessed_at) ON checkpoint TO {WORKER}")
    op.execute(f"GRANT UPDATE ON sequencing TO {WORKER}")
    op.execute(f"GRANT SELECT ON leaf, tree_node, checkpoint, sequencing TO {APP}")
    op.execute(f"GRANT SELECT (position, queued_at, untold) ON leaf_due TO {APP}")
    op.execute(f"GRANT SELECT ON leaf_due, leaf, tree_node, checkpoint, sequencing TO {AUDITOR}")
    op.execute("ALTER TABLE leaf ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE leaf FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY worker ON leaf TO {WORKER} USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY audit ON leaf FOR SELECT TO {AUDITOR} USING (true)")
    asked = "record_id = nullif(current_setting('app.receipt_of', true), '')::uuid"
    op.execute(f"CREATE POLICY receipt ON leaf FOR SELECT TO {APP} USING ({asked})")
    for table in NUMBERED:
        op.execute(f"GRANT SELECT ON {table} TO {WORKER}, {AUDITOR}")
        op.execute(f"CREATE POLICY audit ON {table} FOR SELECT TO {AUDITOR} USING (true)")
    op.execute(f"GRANT SELECT ON {LOG}, {LOG_CHILD} TO {WORKER}")


def _keep() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change_but() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV[0] = to_jsonb(NEW) - TG_ARGV[0]
                AND jsonb_typeof(to_jsonb(OLD) -> TG_ARGV[0]) = 'null' THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '% is kept as it was written', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table, column in KEPT.items():
        op.execute(
            f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION refuse_change_but('{column}')"
        )
        op.execute(
            f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _queue() -> None:
    """As its owner: whoever writes a record need not be able to write here."""
    op.execute(
        """
        CREATE FUNCTION let_it_be_numbered() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            INSERT INTO leaf_due (kind, record_id) VALUES (TG_TABLE_NAME, NEW.id);
            RETURN NULL;
        END $$
        """
    )
    op.execute("REVOKE EXECUTE ON FUNCTION let_it_be_numbered() FROM PUBLIC")
    for table in (*NUMBERED, LOG):
        op.execute(
            f"CREATE TRIGGER numbered AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION let_it_be_numbered()"
        )
        # Those of before this release, oldest first; row-level security would hide them from their owner.
        at = SINCE.get(table, "recorded_at")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"INSERT INTO leaf_due (kind, record_id) SELECT '{table}', id FROM {table} ORDER BY {at}, id")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    for table in (*NUMBERED, LOG):
        op.execute(f"DROP TRIGGER numbered ON {table}")
    op.execute("DROP FUNCTION let_it_be_numbered()")
    # A grant of the whole table takes those of columns with it when it goes.
    op.execute(f"REVOKE SELECT ON {LOG}, {LOG_CHILD} FROM {WORKER}")
    for table in NUMBERED:
        op.execute(f"DROP POLICY audit ON {table}")
        readers = AUDITOR if table in WORKED else f"{WORKER}, {AUDITOR}"
        op.execute(f"REVOKE SELECT ON {table} FROM {readers}")
    for table, columns in {**WATCHED, **GLIMPSED}.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {WORKER}")
    for table in ("sequencing", "checkpoint", "tree_node", "leaf", "leaf_due"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change_but()")
