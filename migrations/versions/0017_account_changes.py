"""What an account may do, kept at each change and numbered like the log; former names and roles taken; a task for far-seeing rights.

Revision ID: 0017
Revises: 0016
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, AUDITOR, OWNER = "clares_law_app", "clares_law_worker", "clares_law_auditor", "clares_law_owner"
OWN_FORCE = "force_id = nullif(current_setting('app.force_id', true), '')"
SAID = (
    "id, force_id, staff_id, changed_by, roles_before, roles_after, rank_before, rank_after, "
    "active_before, active_after"
)
"""What whoever writes a change says of it; when it was is the database's to say."""

OF_THE_ACCOUNT = ("former_surnames", "taken_roles")
"""What stays with an account whatever its name and its roles become."""


def upgrade() -> None:
    op.create_table(
        "account_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("roles_before", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("roles_after", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("rank_before", sa.String(), nullable=True),
        sa.Column("rank_after", sa.String(), nullable=True),
        sa.Column("active_before", sa.Boolean(), nullable=True),
        sa.Column("active_after", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "num_nulls(roles_before, active_before) IN (0, 2)", name=op.f("ck_account_change_new_or_not")
        ),
        sa.ForeignKeyConstraint(["changed_by"], ["staff_member.id"], name=op.f("fk_account_change_changed_by")),
        sa.ForeignKeyConstraint(["force_id"], ["force.id"], name=op.f("fk_account_change_force_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_account_change_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_change")),
    )
    op.create_index("ix_account_change_staff_id", "account_change", ["staff_id", "changed_at"], unique=False)
    op.execute(
        "CREATE TRIGGER numbered AFTER INSERT ON account_change FOR EACH ROW EXECUTE FUNCTION let_it_be_numbered()"
    )
    # What every account may do as this release finds it: later changes are read against it.
    op.execute(
        "INSERT INTO account_change (id, force_id, staff_id, roles_after, rank_after, active_after) "
        "SELECT gen_random_uuid(), coalesce(staff.force_id, agency.force_id), staff.id, roles, rank, active "
        "FROM staff_member staff LEFT JOIN agency ON agency.id = staff.agency_id ORDER BY staff.id"
    )
    _secure()
    for name in OF_THE_ACCOUNT:
        op.add_column("staff_member", sa.Column(name, sa.ARRAY(sa.Text()), nullable=True))
    op.execute(f"GRANT SELECT ({', '.join(OF_THE_ACCOUNT)}) ON staff_member TO {WORKER}")
    _kinds_of_task([*_kinds(), "rights_given"])


def _secure() -> None:
    op.execute("ALTER TABLE account_change ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE account_change FORCE ROW LEVEL SECURITY")
    # At a sign-in nobody's force is set yet: whoever writes a change need not be able to read it.
    op.execute(f"CREATE POLICY change_write ON account_change FOR INSERT TO {APP}, {OWNER} WITH CHECK (true)")
    op.execute(f"CREATE POLICY change_read ON account_change FOR SELECT TO {APP} USING ({OWN_FORCE})")
    op.execute(f"CREATE POLICY worker ON account_change FOR SELECT TO {WORKER} USING (true)")
    op.execute(f"CREATE POLICY audit ON account_change FOR SELECT TO {AUDITOR} USING (true)")
    op.execute(f"GRANT INSERT ({SAID}) ON account_change TO {APP}")
    op.execute(f"GRANT SELECT ON account_change TO {APP}, {WORKER}, {AUDITOR}")
    op.execute(
        "CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON account_change "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER kept_whole BEFORE TRUNCATE ON account_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _kinds() -> list[str]:
    """The kinds of task that the database knows."""
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_task_kind'"
    definition: str = op.get_bind().exec_driver_sql(query).scalar_one()
    return definition.split("'")[1::2]


def _kinds_of_task(kinds: Sequence[str]) -> None:
    op.drop_constraint(op.f("ck_task_kind"), "task", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_task_kind"), "task", f"kind IN ({listed})")


def downgrade() -> None:
    op.execute("ALTER TABLE task NO FORCE ROW LEVEL SECURITY")
    op.execute("DELETE FROM task WHERE kind = 'rights_given'")
    op.execute("ALTER TABLE task FORCE ROW LEVEL SECURITY")
    _kinds_of_task([kind for kind in _kinds() if kind != "rights_given"])
    op.execute("DELETE FROM leaf_due WHERE kind = 'account_change'")
    op.drop_table("account_change")
    for name in OF_THE_ACCOUNT:
        op.drop_column("staff_member", name)
