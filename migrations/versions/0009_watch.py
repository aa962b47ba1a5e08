"""What is watched: counts that the worker writes for the metrics, workers long gone.

Revision ID: 0009
Revises: 0008
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("measure", "label", name=op.f("pk_tally")),
    )
    op.create_index(
        "ix_clock_open",
        "clock",
        ["kind", "due_at"],
        unique=False,
        postgresql_include=["due_on", "projected"],
        postgresql_where=sa.text("met_at IS NULL AND ended_at IS NULL"),
    )
    op.execute(f"GRANT SELECT ON tally TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tally TO {WORKER}")
    op.execute(f"GRANT DELETE ON worker_heartbeat TO {WORKER}")


def downgrade() -> None:
    op.execute(f"REVOKE DELETE ON worker_heartbeat FROM {WORKER}")
    op.drop_index(
        "ix_clock_open",
        table_name="clock",
        postgresql_include=["due_on", "projected"],
        postgresql_where=sa.text("met_at IS NULL AND ended_at IS NULL"),
    )
    op.drop_table("tally")
