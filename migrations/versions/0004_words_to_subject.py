"""Words spoken to the subject, and the duty that the forum's decision to tell the subject opens.

Revision ID: 0004
Revises: 0003
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"
TABLE = "words_to_subject"
NEW_KIND = "subject_to_be_told"
KINDS = (
    "supervisor_review",
    "crime",
    "immediate_safeguarding",
    "childrens_social_care",
    "police_involvement",
    "support_by_word",
    "offender_management",
    "emergency_review",
)


def upgrade() -> None:
    _table()
    _secure()
    _kinds_of_duty(*KINDS, NEW_KIND)


def _table() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("representations_id", sa.Uuid(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("potential_victim_id", sa.Uuid(), nullable=True),
        sa.Column("spoken_by", sa.Uuid(), nullable=True),
        sa.Column("partner", sa.String(), nullable=True),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(representations_id, decision_id) <= 1", name=op.f("ck_words_to_subject_one_authority")
        ),
        sa.CheckConstraint("num_nonnulls(spoken_by, partner) = 1", name=op.f("ck_words_to_subject_one_speaker")),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_words_to_subject_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["potential_victim_id", "case_id"],
            ["party.id", "party.case_id"],
            name="fk_words_to_subject_potential_victim_id",
        ),
        sa.ForeignKeyConstraint(["decision_id"], ["forum_decision.id"], name=op.f("fk_words_to_subject_decision_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["staff_member.id"], name=op.f("fk_words_to_subject_recorded_by")),
        sa.ForeignKeyConstraint(
            ["representations_id"], ["representations.id"], name=op.f("fk_words_to_subject_representations_id")
        ),
        sa.ForeignKeyConstraint(["spoken_by"], ["staff_member.id"], name=op.f("fk_words_to_subject_spoken_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_words_to_subject")),
    )
    op.create_index("ix_words_to_subject_case_id", TABLE, ["case_id"], unique=False)


def _secure() -> None:
    """As every record of a case (0002, 0003): a force reaches its own, a partner those on the agenda; nobody changes one."""
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    op.execute(f"GRANT SELECT, INSERT ON {TABLE} TO {APP}")
    op.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON {TABLE} FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON {TABLE} FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON {TABLE} FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON {TABLE} TO {WORKER} USING (true) WITH CHECK (true)")
    seen = "case_id <> ALL ((SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[])"
    op.execute(f"CREATE POLICY withheld ON {TABLE} AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")
    op.execute(
        f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _kinds_of_duty(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_duty_kind"), "duty", type_="check")
    named = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_duty_kind"), "duty", f"kind IN ({named})")


def downgrade() -> None:
    # Row-level security would hide the rows from the owner, too.
    op.execute("ALTER TABLE duty NO FORCE ROW LEVEL SECURITY")
    op.execute(f"DELETE FROM duty WHERE kind = '{NEW_KIND}'")
    op.execute("ALTER TABLE duty FORCE ROW LEVEL SECURITY")
    _kinds_of_duty(*KINDS)
    op.drop_table(TABLE)
