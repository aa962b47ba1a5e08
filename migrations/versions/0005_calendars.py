"""Tasks beside the cases, and calendars that say where each day came from.

Revision ID: 0005
Revises: 0004
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
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
DAY_SOURCES = ("release", "gov_uk", "file", "proclaimed")
TASK_KINDS = ("calendar_refused", "calendar_ends_soon", "delivery_given_up", "webhook_failing", "clock_not_swept")


def upgrade() -> None:
    _make_tasks()
    _let_calendars_say_where_from()
    _make_history()
    _make_moves()
    _grant()


def downgrade() -> None:
    _forget_what_nobody_recorded()
    op.drop_table("clock_move")
    op.drop_index("ix_clock_open_calendar_version", table_name="clock")
    op.drop_column("clock", "move_again_at")
    op.drop_table("calendar_refresh")
    op.drop_table("calendar_change")
    for column in ("recorded_by", "recorded_at", "authority", "source"):
        op.drop_column("bank_holiday", column)
    for column in ("etag", "checked_at", "changed_at", "change"):
        op.drop_column("holiday_calendar", column)
    op.drop_table("task")
    op.execute(f"REVOKE DELETE ON bank_holiday FROM {APP}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON bank_holiday FROM {WORKER}")
    op.execute(f"REVOKE UPDATE ON holiday_calendar FROM {WORKER}")
    op.execute(f"REVOKE SELECT ON force FROM {WORKER}")


def _one_of(name: str, values: Sequence[str]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True)


def _make_tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _one_of("kind", TASK_KINDS), nullable=False),
        sa.Column("says", sa.String(), nullable=False),
        sa.Column("for_role", _one_of("for_role", ROLES), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("force_id", sa.String(), nullable=True),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.CheckConstraint("(closed_at IS NULL) = (answer IS NULL)", name="closed_says_why"),
        sa.CheckConstraint("closed_by IS NULL OR closed_at IS NOT NULL", name="closed_by_someone"),
        sa.CheckConstraint("case_id IS NULL OR force_id IS NOT NULL", name="case_has_a_force"),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_task_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["closed_by"], ["staff_member.id"], name=op.f("fk_task_closed_by")),
        sa.ForeignKeyConstraint(["force_id"], ["force.id"], name=op.f("fk_task_force_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index("ix_task_case_id", "task", ["case_id"], unique=False)
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
    withheld = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
    seen = f"case_id IS NULL OR case_id <> ALL ({withheld})"
    op.execute(f"CREATE POLICY withheld ON task AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")


def _let_calendars_say_where_from() -> None:
    op.add_column("holiday_calendar", sa.Column("change", sa.Integer(), server_default="0", nullable=False))
    op.add_column("holiday_calendar", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("holiday_calendar", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("holiday_calendar", sa.Column("etag", sa.String(), nullable=True))
    op.add_column(
        "bank_holiday",
        sa.Column("source", _one_of("source", DAY_SOURCES), server_default="release", nullable=False),
    )
    op.add_column("bank_holiday", sa.Column("authority", sa.String(), nullable=True))
    op.add_column("bank_holiday", sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("bank_holiday", sa.Column("recorded_by", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_bank_holiday_recorded_by"), "bank_holiday", "staff_member", ["recorded_by"], ["id"])
    op.create_check_constraint(
        "proclaimed_by_authority",
        "bank_holiday",
        "source <> 'proclaimed' OR num_nulls(authority, recorded_at, recorded_by) = 0",
    )


def _make_history() -> None:
    op.create_table(
        "calendar_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("division", sa.String(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("was", sa.String(), nullable=True),
        sa.Column("now", sa.String(), nullable=True),
        sa.Column("was_version", sa.String(), nullable=False),
        sa.Column("now_version", sa.String(), nullable=False),
        sa.Column("source", _one_of("source", DAY_SOURCES), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("authority", sa.String(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("was IS DISTINCT FROM now", name="changes_something"),
        sa.ForeignKeyConstraint(["changed_by"], ["staff_member.id"], name=op.f("fk_calendar_change_changed_by")),
        sa.ForeignKeyConstraint(["division"], ["holiday_calendar.division"], name=op.f("fk_calendar_change_division")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_change")),
        sa.UniqueConstraint("division", "change", "day", name=op.f("uq_calendar_change_division_change_day")),
    )
    op.create_table(
        "calendar_refresh",
        sa.Column("only_row", sa.Boolean(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("only_row", name="only_row"),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_calendar_refresh")),
    )


def _make_moves() -> None:
    op.add_column("clock", sa.Column("move_again_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_clock_open_calendar_version",
        "clock",
        ["division", "calendar_version"],
        unique=False,
        postgresql_where=sa.text("met_at IS NULL AND ended_at IS NULL AND calendar_version IS NOT NULL"),
    )
    op.create_table(
        "clock_move",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("clock_id", sa.Uuid(), nullable=False),
        sa.Column("was_calendar_version", sa.String(), nullable=False),
        sa.Column("calendar_version", sa.String(), nullable=False),
        sa.Column("was_due_on", sa.Date(), nullable=False),
        sa.Column("was_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_clock_move_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["clock_id"], ["clock.id"], name=op.f("fk_clock_move_clock_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_move")),
        sa.UniqueConstraint("clock_id", "calendar_version", name=op.f("uq_clock_move_clock_id_calendar_version")),
    )
    op.create_index("ix_clock_move_case_id", "clock_move", ["case_id"], unique=False)
    # What the service did by itself, nobody recorded.
    op.alter_column("event", "recorded_by", nullable=True)
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    op.execute("ALTER TABLE clock_move ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE clock_move FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON clock_move FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON clock_move FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON clock_move FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON clock_move TO {WORKER} USING (true) WITH CHECK (true)")
    seen = "case_id <> ALL ((SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[])"
    op.execute(f"CREATE POLICY withheld ON clock_move AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")


def _grant() -> None:
    """The calendars are kept by the API and by the worker alike; clocks are moved by the worker."""
    op.execute(f"GRANT SELECT, INSERT ON calendar_change TO {APP}, {WORKER}")
    op.execute(f"GRANT DELETE ON bank_holiday TO {APP}")
    op.execute(f"GRANT INSERT, UPDATE, DELETE ON bank_holiday TO {WORKER}")
    op.execute(f"GRANT UPDATE ON holiday_calendar TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON calendar_refresh TO {WORKER}")
    op.execute(f"GRANT SELECT ON force TO {WORKER}")
    op.execute(f"GRANT SELECT ON clock_move TO {APP}")
    op.execute(f"GRANT SELECT, INSERT ON clock_move TO {WORKER}")
    for table in ("calendar_change", "clock_move"):
        op.execute(
            f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _forget_what_nobody_recorded() -> None:
    """The schema before this one has no place for an event that nobody recorded; the moves it tells of go as well."""
    op.execute("ALTER TABLE event NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE event DISABLE TRIGGER kept_as_written")
    op.execute("DELETE FROM event WHERE recorded_by IS NULL")
    op.execute("ALTER TABLE event ENABLE TRIGGER kept_as_written")
    op.execute("ALTER TABLE event FORCE ROW LEVEL SECURITY")
    op.alter_column("event", "recorded_by", nullable=False)
