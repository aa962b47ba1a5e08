"""Tasks that belong to no case, and calendars that say where each day came from.

Revision ID: 0005
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"

ROLES = (
    "control_room",
    "public_protection_officer",
    "public_protection_supervisor",
    "head_of_public_protection",
    "forum_member",
    "forum_chair",
    "intelligence_officer",
    "professional_standards",
    "auditor",
    "administrator",
)
TASK_KINDS = ("calendar_refused", "calendar_ends_soon", "delivery_given_up", "webhook_failing")


def upgrade() -> None:
    _make_tasks()


def downgrade() -> None:
    op.drop_table("task")


def _one_of(name: str, values: Sequence[str]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True)


def _make_tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _one_of("kind", TASK_KINDS), nullable=False),
        sa.Column("says", sa.String(), nullable=False),
        sa.Column("for_role", _one_of("for_role", ROLES), nullable=False),
        sa.Column("force_id", sa.String(), nullable=True),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.CheckConstraint("(closed_at IS NULL) = (answer IS NULL)", name="closed_says_why"),
        sa.CheckConstraint("closed_by IS NULL OR closed_at IS NOT NULL", name="closed_by_someone"),
        sa.ForeignKeyConstraint(["closed_by"], ["staff_member.id"], name=op.f("fk_task_closed_by")),
        sa.ForeignKeyConstraint(["force_id"], ["force.id"], name=op.f("fk_task_force_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(
        "uq_task_one_open",
        "task",
        ["kind", "about", "force_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON task TO {APP}, {WORKER}")
    # A task of every force carries no force and is before all of them.
    reach = "force_id IS NULL OR force_id = nullif(current_setting('app.force_id', true), '')"
    op.execute("ALTER TABLE task ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE task FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON task FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON task FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON task FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON task TO {WORKER} USING (true) WITH CHECK (true)")
