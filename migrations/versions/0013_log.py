"""The log says in which part, about whom, what was shown and what was decided; what the watch for misuse keeps.

Revision ID: 0013
Revises: 0012
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, AUDITOR = "clares_law_app", "clares_law_auditor"

WITHHELD = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
RECORDED_IN = "(pg_current_xact_id()::text)::bigint"
SAID = ("role", "decision", "rule", "reason")


def upgrade() -> None:
    _widen_the_log()
    _keep_individuals()


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
    op.execute("ALTER TABLE access_log_individual ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE access_log_individual FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT SELECT, INSERT ON access_log_individual TO {APP}")
    op.execute(f"GRANT SELECT ON access_log_individual TO {AUDITOR}")
    op.execute(f"CREATE POLICY log_write ON access_log_individual FOR INSERT TO {APP} WITH CHECK (true)")
    # Whoever sees the row of the log sees whom it touched, but for those of cases that are withheld.
    op.execute(
        f"CREATE POLICY log_read ON access_log_individual FOR SELECT TO {APP} "
        "USING (EXISTS (SELECT FROM access_log WHERE access_log.id = log_id))"
    )
    op.execute(
        f"CREATE POLICY withheld ON access_log_individual AS RESTRICTIVE FOR SELECT TO {APP} "
        f"USING (case_id <> ALL ({WITHHELD}))"
    )
    op.execute(f"CREATE POLICY log_audit ON access_log_individual FOR SELECT TO {AUDITOR} USING (true)")
    op.execute(
        "CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON access_log_individual "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER kept_whole BEFORE TRUNCATE ON access_log_individual "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_index("ix_access_log_individual_person_id", table_name="access_log_individual")
    op.drop_table("access_log_individual")
    op.drop_index("ix_access_log_staff_id", table_name="access_log")
    op.create_index("ix_access_log_staff_id", "access_log", ["staff_id"], unique=False)
    op.drop_index("ix_access_log_recorded_in", table_name="access_log")
    op.drop_constraint(op.f("ck_access_log_recipient_of_a_disclosure"), "access_log", type_="check")
    for name in ("recorded_in", "fields", *SAID):
        op.drop_column("access_log", name)
