"""Risk moves the clock: the order of work, targets beside the limits, plans and deviations where a case is late.

Revision ID: 0008
Revises: 0007
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"

_RANK = (
    "CASE WHEN urgent_since IS NOT NULL THEN 0 WHEN current_grade = 'high' THEN 1 WHEN current_grade IS NULL THEN 2 "
    "WHEN current_grade = 'medium' THEN 3 ELSE 4 END"
)
TABLES = ("deviation", "deviation_answer", "interim_plan")
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
    _make_tables()


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
    op.add_column("clock", sa.Column("deviates", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint("risk_has_time", "clock", "num_nulls(risk, risk_since) IN (0, 2)")
    op.create_check_constraint("target_is_whole", "clock", "num_nulls(target_on, target_at, target_because) IN (0, 3)")


def _make_tables() -> None:
    clocks = ("initial_checks", "face_to_face", "risk_assessment", "categorise_and_refer", "whole_case")
    op.create_table(
        "deviation",
        *_act(),
        sa.Column("clock", sa.Enum(*clocks, name="clock", native_enum=False, create_constraint=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("circumstances", sa.String(), nullable=False),
        *_keys("deviation"),
    )
    op.create_table(
        "deviation_answer",
        *_act(),
        sa.Column("deviation_id", sa.Uuid(), nullable=False),
        sa.Column("authorises", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        *_keys("deviation_answer"),
        sa.ForeignKeyConstraint(["deviation_id"], ["deviation.id"], name=op.f("fk_deviation_answer_deviation_id")),
        sa.UniqueConstraint("deviation_id", name=op.f("uq_deviation_answer_deviation_id")),
    )
    op.create_table(
        "interim_plan",
        *_act(),
        sa.Column("potential_victim_id", sa.Uuid(), nullable=False),
        sa.Column("clocks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("keeps_safe", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("contact_every_days", sa.Integer(), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=False),
        *_keys("interim_plan"),
        sa.ForeignKeyConstraint(
            ["potential_victim_id", "case_id"],
            ["party.id", "party.case_id"],
            name="fk_interim_plan_potential_victim_id",
        ),
        sa.CheckConstraint("jsonb_array_length(clocks) > 0", name=op.f("ck_interim_plan_answers_a_clock")),
        sa.CheckConstraint("contact_every_days > 0", name=op.f("ck_interim_plan_contact_is_kept")),
    )
    for table in TABLES:
        op.create_index(f"ix_{table}_case_id", table, ["case_id"])
        _secure(table)


def _act() -> list[sa.Column[Any]]:
    moments = ("occurred_at", "recorded_at")
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in moments),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
    ]


def _keys(table: str) -> list[sa.Constraint]:
    return [
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["recorded_by"], ["staff_member.id"], name=op.f(f"fk_{table}_recorded_by")),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name=f"fk_{table}_case",
            onupdate="CASCADE",
        ),
    ]


def _secure(table: str) -> None:
    """A force sees its own rows, a partner those of cases on the agenda; nobody changes one."""
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON {table} FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON {table} FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON {table} FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON {table} TO {WORKER} USING (true) WITH CHECK (true)")
    seen = "case_id <> ALL ((SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[])"
    op.execute(f"CREATE POLICY withheld ON {table} AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")
    op.execute(
        f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _fill() -> None:
    """What cases already stand at: the highest grade that holds for any potential victim, and what presses.

    For each her own newest holds, or that of the whole case where she has none; a newer one of the whole case raises
    it and never lowers it. While somebody is ungraded and nobody is at high risk the case is ungraded (H2.0, H2.6).
    Clocks that run keep the ladder that they began with until the next grade.
    """
    tables = ("application", "clock", "party", "risk_grade")
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        UPDATE application SET current_grade = rules.grade, graded_at = rules.occurred_at
        FROM (
            SELECT DISTINCT ON (case_id) case_id, grade, occurred_at, all_graded FROM (
                SELECT victim.case_id, held.grade, held.occurred_at, held.rank,
                    bool_and(held.grade IS NOT NULL) OVER (PARTITION BY victim.case_id) AS all_graded
                FROM party victim
                LEFT JOIN LATERAL (
                    SELECT grade, occurred_at, array_position(ARRAY['standard', 'medium', 'high'], grade::text) AS rank
                    FROM risk_grade WHERE case_id = victim.case_id AND potential_victim_id = victim.id
                    ORDER BY occurred_at DESC, recorded_at DESC LIMIT 1
                ) own ON true
                LEFT JOIN LATERAL (
                    SELECT grade, occurred_at, array_position(ARRAY['standard', 'medium', 'high'], grade::text) AS rank
                    FROM risk_grade WHERE case_id = victim.case_id AND potential_victim_id IS NULL
                    ORDER BY occurred_at DESC, recorded_at DESC LIMIT 1
                ) whole ON true
                CROSS JOIN LATERAL (
                    SELECT own.rank IS NULL OR (
                        whole.rank > own.rank AND whole.occurred_at > own.occurred_at
                    ) IS TRUE AS of_whole
                ) chosen
                CROSS JOIN LATERAL (
                    SELECT own.* WHERE NOT chosen.of_whole UNION ALL SELECT whole.* WHERE chosen.of_whole
                ) held
                WHERE victim.role = 'potential_victim'
            ) AS of_each
            ORDER BY case_id, rank DESC NULLS LAST, occurred_at
        ) AS rules
        WHERE rules.case_id = application.id AND (rules.grade = 'high' OR rules.all_graded)
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
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _keep_what_presses() -> None:
    """A case carries when its most pressing open clock is due, so that the worklist is read from an index."""
    op.execute(
        """
        CREATE FUNCTION keep_what_presses() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            pressing timestamptz;
        BEGIN
            -- Whoever changes another clock of the case meanwhile is waited for, and its change is seen.
            PERFORM FROM application WHERE id = NEW.case_id FOR NO KEY UPDATE;
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
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute(f"REVOKE UPDATE (pressing_at) ON application FROM {WORKER}")
    op.execute("DROP TRIGGER presses ON clock")
    op.execute("DROP TRIGGER presses_from_the_start ON clock")
    op.execute("DROP FUNCTION keep_what_presses()")
    op.drop_index(
        "ix_application_by_risk",
        table_name="application",
        postgresql_where=sa.text("stage NOT IN ('intake', 'closed')"),
    )
    for name in ("deviates", "target_because", "target_at", "target_on", "risk_since", "risk"):
        op.drop_column("clock", name)
    for name in ("pressing_at", "risk_rank", "graded_at", "current_grade"):
        op.drop_column("application", name)
