"""The log says in which part, about whom, what was shown and what was decided; what the watch for misuse keeps.

Revision ID: 0013
Revises: 0012
"""

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.storage.securing import secure_case_table

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, AUDITOR, OWNER = "clares_law_app", "clares_law_worker", "clares_law_auditor", "clares_law_owner"

WITHHELD = "(SELECT nullif(current_setting('app.withheld_by_name', true), '')::uuid[])::uuid[]"
RECORDED_IN = "(pg_current_xact_id()::text)::bigint"
READS_THE_LOG = "current_setting('app.reads_log', true) = 'on'"
OWN_FORCE = "nullif(current_setting('app.force_id', true), '')"
ASKING = "nullif(current_setting('app.asks', true), '')::uuid"
NOT_THE_OWNER = f"NOT pg_has_role(current_user, '{OWNER}', 'MEMBER')"
"""Whoever restores a database writes its rows as they were written; nobody else does."""
OF_A_ROW = ("access_log_individual", "access_log_case")
SAID = ("role", "decision", "rule", "reason", "reader_force_id")
WORKER_READS = {
    "access_log": "action, force_id, recorded_in",
    "access_log_individual": "log_id, person_id",
    "access_log_case": "log_id, case_id",
    "person_address": "person_id, address",
    "staff_member": "address_key, shifts",
}
"""Columns that the worker reads to find misuse, beside those that it reads to compare accounts."""


def upgrade() -> None:
    _widen_the_log()
    _keep_individuals()
    _keep_cases_shown()
    _let_nobody_date_the_log()
    _mark_cases_of_note()
    _keep_findings()
    _let_the_worker_watch()


def _widen_the_log() -> None:
    """Rows of before are kept as they were written: what was not said then stays empty."""
    for name in SAID:
        op.add_column("access_log", sa.Column(name, sa.String(), nullable=True))
    op.add_column("access_log", sa.Column("fields", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("access_log", sa.Column("recorded_in", sa.BigInteger(), nullable=True))
    op.alter_column("access_log", "recorded_in", server_default=sa.text(RECORDED_IN))
    op.create_check_constraint(
        op.f("ck_access_log_recipient_of_a_disclosure"),
        "access_log",
        "(category = 'disclosure') = (recipient IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_access_log_refused_as_decided"),
        "access_log",
        "decision IS NULL OR refused = (decision <> 'allowed')",
    )
    # Of a case of another force both hear: that of whoever touched it, and that whose case it is.
    op.execute("DROP POLICY log_read ON access_log")
    op.execute(
        f"CREATE POLICY log_read ON access_log FOR SELECT TO {APP} "
        f"USING ({READS_THE_LOG} AND (force_id = {OWN_FORCE} OR reader_force_id = {OWN_FORCE}))"
    )
    op.create_index("ix_access_log_recorded_in", "access_log", ["recorded_in", "id"], unique=False)
    op.drop_index("ix_access_log_staff_id", table_name="access_log")
    op.create_index("ix_access_log_staff_id", "access_log", ["staff_id", "logged_at"], unique=False)


def _keep_individuals() -> None:
    op.create_table(
        "access_log_individual",
        sa.Column("log_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["log_id"], ["access_log.id"], name=op.f("fk_access_log_individual_log_id")),
        sa.PrimaryKeyConstraint("log_id", "case_id", "person_id", name=op.f("pk_access_log_individual")),
    )
    op.create_index("ix_access_log_individual_person_id", "access_log_individual", ["person_id"], unique=False)
    _secure_rows_of_a_row("access_log_individual")


def _keep_cases_shown() -> None:
    op.create_table(
        "access_log_case",
        sa.Column("log_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["log_id"], ["access_log.id"], name=op.f("fk_access_log_case_log_id")),
        sa.PrimaryKeyConstraint("log_id", "case_id", name=op.f("pk_access_log_case")),
    )
    op.create_index("ix_access_log_case_case_id", "access_log_case", ["case_id"], unique=False)
    _secure_rows_of_a_row("access_log_case")


def _secure_rows_of_a_row(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON {table} TO {AUDITOR}")
    op.execute(f"CREATE POLICY log_write ON {table} FOR INSERT TO {APP} WITH CHECK (true)")
    # Whoever sees the row of the log sees whom and what it touched, but for what is of cases that are withheld.
    op.execute(
        f"CREATE POLICY log_read ON {table} FOR SELECT TO {APP} "
        "USING (EXISTS (SELECT FROM access_log WHERE access_log.id = log_id))"
    )
    op.execute(
        f"CREATE POLICY withheld ON {table} AS RESTRICTIVE FOR SELECT TO {APP} USING (case_id <> ALL ({WITHHELD}))"
    )
    op.execute(f"CREATE POLICY log_audit ON {table} FOR SELECT TO {AUDITOR} USING (true)")
    op.execute(
        f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _let_nobody_date_the_log() -> None:
    """When, in which transaction and whether refused is not for whoever writes to say; nothing is added to a row later.

    The rows that belong to a row of the log are looked up as the owner, since whoever writes the log may not read it.
    """
    op.execute(
        """
        CREATE FUNCTION date_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.logged_at := clock_timestamp();
            NEW.recorded_in := (pg_current_xact_id()::text)::bigint;
            NEW.refused := NEW.decision <> 'allowed';
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER dated_here BEFORE INSERT ON access_log "
        f"FOR EACH ROW WHEN ({NOT_THE_OWNER}) EXECUTE FUNCTION date_the_log()"
    )
    op.execute(f"CREATE POLICY owner_decides ON access_log FOR SELECT TO {OWNER} USING (true)")
    op.execute(
        """
        CREATE FUNCTION refuse_addition() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM added WHERE NOT EXISTS (
                    SELECT FROM access_log
                    WHERE id = added.log_id AND recorded_in = (pg_current_xact_id()::text)::bigint
                )
            ) THEN
                RAISE insufficient_privilege USING MESSAGE = 'a row of the log is whole when it is committed';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION date_the_log, refuse_addition FROM PUBLIC")
    for table in OF_A_ROW:
        op.execute(
            f"CREATE TRIGGER added_at_once AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            f"FOR EACH STATEMENT WHEN ({NOT_THE_OWNER}) EXECUTE FUNCTION refuse_addition()"
        )


def _mark_cases_of_note() -> None:
    op.create_table(
        "case_of_note",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("marked_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_because", sa.String(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ended_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nulls(ended_at, ended_by, ended_because, ended_since) IN (0, 4)",
            name=op.f("ck_case_of_note_ended_whole_or_not_at_all"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_of_note_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["staff_member.id"], name=op.f("fk_case_of_note_ended_by")),
        sa.ForeignKeyConstraint(["marked_by"], ["staff_member.id"], name=op.f("fk_case_of_note_marked_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_of_note")),
    )
    op.create_index("ix_case_of_note_case_id", "case_of_note", ["case_id"], unique=False)
    op.create_index(
        "uq_case_of_note_in_force",
        "case_of_note",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute(
        f"GRANT SELECT, INSERT, UPDATE (ended_at, ended_by, ended_because, ended_since) ON case_of_note TO {APP}"
    )
    op.execute(f"GRANT SELECT ON case_of_note TO {WORKER}")
    secure_case_table("case_of_note")
    op.execute(
        "CREATE TRIGGER dated_here BEFORE INSERT ON case_of_note "
        f"FOR EACH ROW WHEN ({NOT_THE_OWNER}) EXECUTE FUNCTION begin_now()"
    )


def _keep_findings() -> None:
    op.create_table(
        "misuse_finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "own_record",
                "same_address",
                "same_surname",
                "own_name",
                "out_of_force",
                "off_shift",
                "bulk",
                "case_of_note",
                name="kind",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("log_id", sa.Uuid(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_misuse_finding_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_misuse_finding")),
        sa.UniqueConstraint("staff_id", "kind", "about", "day", name=op.f("uq_misuse_finding_staff_id_kind_about_day")),
    )
    op.create_table(
        "misuse_watch",
        sa.Column("only_row", sa.Boolean(), nullable=False),
        sa.Column("read_in", sa.BigInteger(), nullable=False),
        sa.Column("read_log_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("only_row", name=op.f("ck_misuse_watch_only_row")),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_misuse_watch")),
    )
    # Rows of before carry no transaction and are not looked at.
    op.execute("INSERT INTO misuse_watch VALUES (true, 0, '00000000-0000-0000-0000-000000000000')")
    op.add_column("staff_member", sa.Column("address_key", sa.String(), nullable=True))
    op.add_column("staff_member", sa.Column("shifts", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("task", sa.Column("kept_from", sa.Uuid(), nullable=True))
    op.execute("ALTER TABLE task NO FORCE ROW LEVEL SECURITY")  # the new key is held against every row
    op.create_foreign_key(op.f("fk_task_kept_from"), "task", "staff_member", ["kept_from"], ["id"])
    op.execute("ALTER TABLE task FORCE ROW LEVEL SECURITY")
    _say_kinds_of_task({*_kinds_of_task(), "misuse"})
    others = f"kept_from IS NULL OR kept_from IS DISTINCT FROM {ASKING}"
    for does in ("SELECT", "UPDATE"):
        op.execute(
            f"CREATE POLICY kept_from_{does.lower()} ON task AS RESTRICTIVE FOR {does} TO {APP} USING ({others})"
        )
    # Whoever is suspected may be one who reads the log: who answered such a task is not told there either.
    op.execute(
        """
        CREATE FUNCTION tasks_kept_from(asks uuid) RETURNS uuid[]
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
            SELECT coalesce(array_agg(id), '{}') FROM task WHERE kept_from = asks
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION tasks_kept_from FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION tasks_kept_from TO {APP}")
    op.execute(f"CREATE POLICY owner_decides ON task FOR SELECT TO {OWNER} USING (true)")
    kept = f"(SELECT tasks_kept_from({ASKING}))::uuid[]"
    op.execute(
        f"CREATE POLICY kept_from ON access_log AS RESTRICTIVE FOR SELECT TO {APP} "
        f"USING (event_id IS NULL OR event_id <> ALL ({kept}))"
    )


def _kinds_of_task() -> set[str]:
    """Those that the database knows, whichever releases brought them."""
    found = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_task_kind'"
    return set(re.findall(r"'(\w+)'", op.get_bind().exec_driver_sql(found).scalar_one()))


def _say_kinds_of_task(kinds: set[str]) -> None:
    op.drop_constraint(op.f("ck_task_kind"), "task", type_="check")
    known = ", ".join(f"'{kind}'" for kind in sorted(kinds))
    op.create_check_constraint(op.f("ck_task_kind"), "task", f"kind IN ({known})")


def _let_the_worker_watch() -> None:
    for table, columns in WORKER_READS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON misuse_finding TO {WORKER}")
    op.execute(f"GRANT SELECT, UPDATE ON misuse_watch TO {WORKER}")
    op.execute("DROP POLICY log_watch ON access_log")
    op.execute(f"CREATE POLICY log_watch ON access_log FOR SELECT TO {WORKER} USING (true)")
    for table in OF_A_ROW:
        op.execute(f"CREATE POLICY log_watch ON {table} FOR SELECT TO {WORKER} USING (true)")


def downgrade() -> None:
    op.execute("ALTER TABLE task NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM task WHERE kind = 'misuse'")
    op.execute("ALTER TABLE task FORCE ROW LEVEL SECURITY")
    _say_kinds_of_task(_kinds_of_task() - {"misuse"})
    op.execute("DROP POLICY log_watch ON access_log")
    op.execute(f"CREATE POLICY log_watch ON access_log FOR SELECT TO {WORKER} USING (refused)")
    for table, columns in WORKER_READS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {WORKER}")
    for does in ("select", "update"):
        op.execute(f"DROP POLICY kept_from_{does} ON task")
    op.execute("DROP POLICY kept_from ON access_log")
    op.execute("DROP POLICY owner_decides ON task")
    op.execute("DROP FUNCTION tasks_kept_from")
    op.drop_constraint(op.f("fk_task_kept_from"), "task", type_="foreignkey")
    op.drop_column("task", "kept_from")
    op.drop_column("staff_member", "shifts")
    op.drop_column("staff_member", "address_key")
    op.drop_table("misuse_watch")
    op.drop_table("misuse_finding")
    op.drop_index("uq_case_of_note_in_force", table_name="case_of_note", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_case_of_note_case_id", table_name="case_of_note")
    op.drop_table("case_of_note")
    op.drop_index("ix_access_log_individual_person_id", table_name="access_log_individual")
    op.drop_table("access_log_individual")
    op.drop_index("ix_access_log_case_case_id", table_name="access_log_case")
    op.drop_table("access_log_case")
    op.execute("DROP FUNCTION refuse_addition")
    op.execute("DROP POLICY owner_decides ON access_log")
    op.execute("DROP TRIGGER dated_here ON access_log")
    op.execute("DROP FUNCTION date_the_log")
    op.execute("DROP POLICY log_read ON access_log")
    op.execute(
        f"CREATE POLICY log_read ON access_log FOR SELECT TO {APP} USING ({READS_THE_LOG} AND force_id = {OWN_FORCE})"
    )
    op.drop_constraint(op.f("ck_access_log_refused_as_decided"), "access_log", type_="check")
    op.drop_index("ix_access_log_staff_id", table_name="access_log")
    op.create_index("ix_access_log_staff_id", "access_log", ["staff_id"], unique=False)
    op.drop_index("ix_access_log_recorded_in", table_name="access_log")
    op.drop_constraint(op.f("ck_access_log_recipient_of_a_disclosure"), "access_log", type_="check")
    for name in ("recorded_in", "fields", *SAID):
        op.drop_column("access_log", name)
