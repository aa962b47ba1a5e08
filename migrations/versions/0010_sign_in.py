"""Signing in by a browser: attempts under way, sessions, and what the provider claimed of an account.

Revision ID: 0010
Revises: 0009
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"
_ENDS = ("signed_out", "replaced", "administrator", "account_closed")


def upgrade() -> None:
    op.add_column("staff_member", sa.Column("claimed_roles", sa.ARRAY(sa.Text()), nullable=True))
    op.create_table(
        "sign_in_attempt",
        sa.Column("state_hash", sa.String(), nullable=False),
        sa.Column("browser_hash", sa.String(), nullable=False),
        sa.Column("return_to", sa.String(), nullable=False),
        sa.Column("step_up", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_in_attempt")),
    )
    op.create_index(op.f("ix_sign_in_attempt_expires_at"), "sign_in_attempt", ["expires_at"], unique=False)
    op.create_table(
        "browser_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_roles", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_because",
            sa.Enum(*_ENDS, name="ended_because", native_enum=False, create_constraint=True),
            nullable=True,
        ),
        sa.CheckConstraint(
            "num_nulls(ended_at, ended_because) IN (0, 2)",
            name=op.f("ck_browser_session_ended_whole_or_not_at_all"),
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_browser_session_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browser_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_browser_session_token_hash")),
    )
    op.create_index("ix_browser_session_staff_id", "browser_session", ["staff_id"], unique=False)
    op.execute(f"GRANT SELECT, INSERT, DELETE ON sign_in_attempt TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, DELETE ON browser_session TO {APP}")
    op.execute(f"GRANT UPDATE (seen_at, ended_at, ended_because) ON browser_session TO {APP}")
    op.execute(f"GRANT SELECT (claimed_roles) ON staff_member TO {WORKER}")


def downgrade() -> None:
    op.drop_table("browser_session")
    op.drop_table("sign_in_attempt")
    op.drop_column("staff_member", "claimed_roles")
