"""Who may touch which rows: grants, row-level security, and records that nobody changes.

Everything is INSERT and SELECT only, unless it is named in CHANGING. The verbatim record and the log are held by
triggers too, so that not even the owner edits them by mistake.

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, AUDITOR, SEARCH = "clares_law_app", "clares_law_worker", "clares_law_auditor", "clares_law_search"

CHANGING = (
    "agency",
    "agenda_item",
    "alert",
    "answered_request",
    "application",
    "bank_holiday",
    "case_grant",
    "clock",
    "draft",
    "duty",
    "force",
    "holiday_calendar",
    "party",
    "person",
    "staff_member",
)
"""Rows that the API changes. Every other row is kept as it was written."""

SEALED = (
    "access_log",
    "categorisation",
    "closing",
    "decision_confirmation",
    "decision_return",
    "delivery_clearance",
    "disclosure",
    "emergency_authority",
    "event",
    "final_report",
    "final_report_key",
    "forum_decision",
    "initial_decision",
    "initial_decision_agreement",
    "intelligence_submission",
    "malicious_finding",
    "malicious_finding_agreement",
    "non_completion",
    "non_disclosure_notice",
    "not_completed",
    "police_conclusion",
    "referral",
    "spent_authorisation",
    "subject_deceased",
    "transfer_acceptance",
    "transfer_offer",
    "withdrawal",
    "withdrawal_decision",
)
"""Rows that nobody changes or deletes: only a transfer between forces moves them (H8.5)."""

NATIONAL = ("case_pointer",)
"""Rows of a case that every force may read, because they carry no name."""

REMADE = ("case_pointer",)
"""Rows that the API deletes and writes anew: what points by a key that was corrected points no more (H3.5)."""

RETRIEVED = ("closing", "final_report", "final_report_key", "intelligence_submission")
"""Rows that an intelligence unit reads of every force, in a transaction that asks for them (H8.1)."""

OFFERED = ("transfer_acceptance", "transfer_offer")
"""Rows that both forces read while a case goes from one to the other (H8.5)."""

OWNED = {
    "conflict_of_interest": "staff_id",
    "forum_action": "owner_staff_id",
    "forum_action_answer": "owner_staff_id",
}
"""Rows that the person named in a column reads in a transaction that says who asks: what a member of the forum was
given to do stays the member's own when the case leaves the agenda, unless the member has a conflict there (H6.2)."""

HELD = ("forum_meeting",)
"""Rows that the API never changes and yet holds against others: PostgreSQL asks for the right to update a column."""

WORKER_READS = ("application", "bank_holiday", "holiday_calendar", "installation")


def upgrade() -> None:
    for table in _tables():
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP}")
    for table in CHANGING:
        op.execute(f"GRANT UPDATE ON {table} TO {APP}")
    for table in REMADE:
        op.execute(f"GRANT DELETE ON {table} TO {APP}")
    for table in HELD:
        op.execute(f"GRANT UPDATE (id) ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON {', '.join(WORKER_READS)} TO {WORKER}")
    op.execute(f"GRANT SELECT, UPDATE ON clock TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON alert TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON worker_heartbeat TO {WORKER}")
    op.execute(f"REVOKE INSERT ON worker_heartbeat, installation FROM {APP}")
    _let_only_its_readers_read_the_log()
    op.execute(f"GRANT SELECT ON access_log TO {AUDITOR}")
    op.execute(f"GRANT SELECT ON case_pointer TO {SEARCH}")
    for table in _of_a_case():
        _secure(table)
    _seal()


def _secure(table: str) -> None:
    """A force sees its own rows, a partner those of cases on the agenda, a worker what it sweeps."""
    case = "id" if table == "application" else "case_id"
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        f"OR {case} = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    everyone = "true" if table in NATIONAL else reach
    if table in RETRIEVED:
        everyone = f"{reach} OR current_setting('app.national', true) = 'on'"
    if table in OWNED:
        everyone = f"{reach} OR {OWNED[table]} = nullif(current_setting('app.staff_id', true), '')::uuid"
    if table in OFFERED:
        everyone = f"{reach} OR nullif(current_setting('app.force_id', true), '') IN (from_force_id, to_force_id)"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON {table} FOR SELECT TO {APP} USING ({everyone})")
    op.execute(f"CREATE POLICY reach_insert ON {table} FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON {table} FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    if table in REMADE:
        op.execute(f"CREATE POLICY reach_delete ON {table} FOR DELETE TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY worker ON {table} TO {WORKER} USING (true) WITH CHECK (true)")
    if table in NATIONAL:
        op.execute(f"CREATE POLICY search ON {table} FOR SELECT TO {SEARCH} USING (true)")


def _let_only_its_readers_read_the_log() -> None:
    """Everybody's request writes the log; only one that asks to read it, and has said so, sees rows of its force."""
    reader = "current_setting('app.reads_log', true) = 'on'"
    own = "force_id = nullif(current_setting('app.force_id', true), '')"
    op.execute("ALTER TABLE access_log ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE access_log FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY log_write ON access_log FOR INSERT TO {APP} WITH CHECK (true)")
    op.execute(f"CREATE POLICY log_read ON access_log FOR SELECT TO {APP} USING ({reader} AND {own})")
    op.execute(f"CREATE POLICY log_audit ON access_log FOR SELECT TO {AUDITOR} USING (true)")


def _seal() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'force_id' = to_jsonb(NEW) - 'force_id' THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION '% is kept as it was written: a correction is a new record', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in SEALED:
        op.execute(
            f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in SEALED:
        op.execute(f"DROP TRIGGER kept_as_written ON {table}")
        op.execute(f"DROP TRIGGER kept_whole ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
    for table in _of_a_case():
        for policy in ("reach_read", "reach_insert", "reach_update", "reach_delete", "worker", "search"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for policy in ("log_write", "log_read", "log_audit"):
        op.execute(f"DROP POLICY {policy} ON access_log")
    op.execute("ALTER TABLE access_log NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE access_log DISABLE ROW LEVEL SECURITY")
    for table in _tables():
        op.execute(f"REVOKE ALL ON {table} FROM {APP}, {WORKER}, {AUDITOR}, {SEARCH}")


def _tables() -> list[str]:
    return _named("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")


def _of_a_case() -> list[str]:
    """The case itself and every table whose rows carry both keys of one; the log outlives the case and is apart."""
    return [
        "application",
        *_named(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name IN ('case_id', 'force_id') AND table_name <> 'access_log' "
            "GROUP BY table_name HAVING count(*) = 2"
        ),
    ]


def _named(query: str) -> list[str]:
    return sorted(row[0] for row in op.get_bind().exec_driver_sql(query))
