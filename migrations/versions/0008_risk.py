"""Risk moves the clock: the order of work, targets beside the limits, plans and deviations where a case is late.

Revision ID: 0008
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"

_RANK = (
    "CASE WHEN urgent_since IS NOT NULL THEN 0 WHEN current_grade = 'high' THEN 1 WHEN current_grade IS NULL THEN 2 "
    "WHEN current_grade = 'medium' THEN 3 ELSE 4 END"
)
_GRADES = ("standard", "medium", "high")


def upgrade() -> None:
    _add_columns()
    _fill()
    op.create_index(
        "ix_application_by_risk",
        "application",
        ["force_id", "risk_rank", "pressing_at", "id"],
        postgresql_where=sa.text("stage NOT IN ('intake', 'closed')"),
    )
    _keep_what_presses()


def _add_columns() -> None:
    grade = sa.Enum(*_GRADES, name="current_grade", native_enum=False, create_constraint=True)
    op.add_column("application", sa.Column("current_grade", grade, nullable=True))
    op.add_column("application", sa.Column("graded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "application", sa.Column("risk_rank", sa.SmallInteger(), sa.Computed(_RANK, persisted=True), nullable=True)
    )
    op.add_column("application", sa.Column("pressing_at", sa.DateTime(timezone=True), nullable=True))
    risk = sa.Enum(*_GRADES, "urgent", name="risk", native_enum=False, create_constraint=True)
    op.add_column("clock", sa.Column("risk", risk, nullable=True))
    op.add_column("clock", sa.Column("risk_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("clock", sa.Column("target_on", sa.Date(), nullable=True))
    op.add_column("clock", sa.Column("target_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("clock", sa.Column("target_because", sa.String(), nullable=True))
    op.create_check_constraint("risk_has_time", "clock", "num_nulls(risk, risk_since) IN (0, 2)")
    op.create_check_constraint("target_is_whole", "clock", "num_nulls(target_on, target_at, target_because) IN (0, 3)")


def _fill() -> None:
    """What cases already stand at: the newest grade given to the whole case or to anybody, and what presses.

    Clocks that run keep the ladder that they began with until the next grade.
    """
    for table in ("application", "clock", "risk_grade"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        UPDATE application SET current_grade = newest.grade, graded_at = newest.occurred_at
        FROM (
            SELECT DISTINCT ON (case_id) case_id, grade, occurred_at FROM risk_grade
            ORDER BY case_id, occurred_at DESC, recorded_at DESC
        ) AS newest
        WHERE newest.case_id = application.id
        """
    )
    op.execute(
        """
        UPDATE application SET pressing_at = pressing.due_at
        FROM (
            SELECT case_id, min(due_at) AS due_at FROM clock
            WHERE met_at IS NULL AND ended_at IS NULL GROUP BY case_id
        ) AS pressing
        WHERE pressing.case_id = application.id
        """
    )
    for table in ("application", "clock", "risk_grade"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _keep_what_presses() -> None:
    """A case carries when its most pressing open clock is due, so that the worklist is read from an index."""
    op.execute(
        """
        CREATE FUNCTION keep_what_presses() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            pressing timestamptz;
        BEGIN
            SELECT min(least(due_at, target_at)) INTO pressing FROM clock
            WHERE case_id = NEW.case_id AND met_at IS NULL AND ended_at IS NULL;
            UPDATE application SET pressing_at = pressing
            WHERE id = NEW.case_id AND pressing_at IS DISTINCT FROM pressing;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER presses_from_the_start AFTER INSERT ON clock FOR EACH ROW EXECUTE FUNCTION keep_what_presses()"
    )
    op.execute(
        "CREATE TRIGGER presses AFTER UPDATE ON clock FOR EACH ROW "
        "WHEN ((OLD.due_at, OLD.target_at, OLD.met_at, OLD.ended_at) "
        "IS DISTINCT FROM (NEW.due_at, NEW.target_at, NEW.met_at, NEW.ended_at)) "
        "EXECUTE FUNCTION keep_what_presses()"
    )
    op.execute(f"GRANT UPDATE (pressing_at) ON application TO {WORKER}")  # it moves clocks


def downgrade() -> None:
    op.execute(f"REVOKE UPDATE (pressing_at) ON application FROM {WORKER}")
    op.execute("DROP TRIGGER presses ON clock")
    op.execute("DROP TRIGGER presses_from_the_start ON clock")
    op.execute("DROP FUNCTION keep_what_presses()")
    op.drop_index(
        "ix_application_by_risk",
        table_name="application",
        postgresql_where=sa.text("stage NOT IN ('intake', 'closed')"),
    )
    for name in ("target_because", "target_at", "target_on", "risk_since", "risk"):
        op.drop_column("clock", name)
    for name in ("pressing_at", "risk_rank", "graded_at", "current_grade"):
        op.drop_column("application", name)
