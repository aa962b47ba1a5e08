"""The outbox, whom alerts reached, absences, preferences, webhooks, calendar feeds.

Revision ID: 0007
Revises: 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER = "clares_law_app", "clares_law_worker"

CHANGING = ("absence", "alert_preference", "calendar_feed", "webhook_subscription")
"""Rows that the API changes. The outbox it only adds to; whom an alert reached it only reads."""

WORKER_READS = ("absence", "alert_preference", "webhook_subscription")
"""Who is to be told, and how: read by the worker when it sweeps and when it sends."""

WORKER_SENDS = ("next_try_at", "claimed_until", "tries", "delivered_at", "given_up_at", "last_error")
"""What becomes of a message. What it says, and to whom, stays as it was written."""


def upgrade() -> None:
    op.create_table(
        "absence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("absent_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("absent_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deputy_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("absent_from < absent_until", name=op.f("ck_absence_from_before_until")),
        sa.CheckConstraint("deputy_id <> staff_id", name=op.f("ck_absence_deputy_is_another")),
        sa.ForeignKeyConstraint(["deputy_id"], ["staff_member.id"], name=op.f("fk_absence_deputy_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["staff_member.id"], name=op.f("fk_absence_recorded_by")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_absence_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_staff_id", "absence", ["staff_id"], unique=False)
    op.create_table(
        "alert_preference",
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("digest_at", sa.Time(), nullable=False),
        sa.Column("digested_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_alert_preference_staff_id")),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_alert_preference")),
    )
    op.create_table(
        "calendar_feed",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_calendar_feed_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_calendar_feed_token_hash")),
    )
    op.create_index("ix_calendar_feed_staff_id", "calendar_feed", ["staff_id"], unique=False)
    op.create_table(
        "webhook_subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)",
            name=op.f("ck_webhook_subscription_previous_runs_out"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff_member.id"], name=op.f("fk_webhook_subscription_created_by")),
        sa.ForeignKeyConstraint(["force_id"], ["force.id"], name=op.f("fk_webhook_subscription_force_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_subscription")),
    )
    op.create_index("ix_webhook_subscription_force_id", "webhook_subscription", ["force_id"], unique=False)
    op.create_table(
        "alert_route",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column(
            "because",
            sa.Enum(
                "holder",
                "level",
                "not_held",
                "holder_absent",
                "holder_left",
                "level_absent",
                name="because",
                native_enum=False,
                create_constraint=True,
            ),
            nullable=False,
        ),
        sa.Column("in_place_of", sa.Uuid(), nullable=True),
        sa.Column("routed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_route_alert_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_alert_route_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["in_place_of"], ["staff_member.id"], name=op.f("fk_alert_route_in_place_of")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_alert_route_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_route")),
        sa.UniqueConstraint("alert_id", "staff_id", name=op.f("uq_alert_route_alert_id_staff_id")),
    )
    op.create_index("ix_alert_route_case_id", "alert_route", ["case_id"], unique=False)
    op.create_index("ix_alert_route_staff_id", "alert_route", ["staff_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column(
            "channel",
            sa.Enum("mail", "webhook", name="channel", native_enum=False, create_constraint=True),
            nullable=False,
        ),
        sa.Column(
            "message",
            sa.Enum("alert", "digest", "ping", name="message", native_enum=False, create_constraint=True),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.CheckConstraint("(channel = 'mail') = (staff_id IS NOT NULL)", name=op.f("ck_outbox_mail_has_a_reader")),
        sa.CheckConstraint(
            "(channel = 'webhook') = (subscription_id IS NOT NULL)", name=op.f("ck_outbox_webhook_has_a_subscription")
        ),
        sa.CheckConstraint(
            "(message = 'alert') = (alert_id IS NOT NULL AND case_id IS NOT NULL)",
            name=op.f("ck_outbox_alert_has_a_case"),
        ),
        sa.CheckConstraint("delivered_at IS NULL OR given_up_at IS NULL", name=op.f("ck_outbox_delivered_or_given_up")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_outbox_alert_id")),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_outbox_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_outbox_staff_id")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["webhook_subscription.id"], name=op.f("fk_outbox_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_outbox_idempotency_key")),
    )
    op.create_index("ix_outbox_case_id", "outbox", ["case_id"], unique=False)
    op.create_index(
        "ix_outbox_next_try_at",
        "outbox",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_not_delivered", "outbox", ["channel"], unique=False, postgresql_where=sa.text("delivered_at IS NULL")
    )
    op.add_column(
        "alert",
        sa.Column(
            "rerouted_because",
            sa.Enum(
                "holder",
                "level",
                "not_held",
                "holder_absent",
                "holder_left",
                "level_absent",
                name="rerouted_because",
                native_enum=False,
            ),
            nullable=True,
        ),
    )
    op.add_column("alert", sa.Column("chases_id", sa.Uuid(), nullable=True))
    op.add_column("alert", sa.Column("chase_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "alert",
        sa.Column(
            "recorded_in",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
            nullable=False,
        ),
    )
    op.create_check_constraint(
        op.f("ck_alert_rerouted_because"),
        "alert",
        "rerouted_because IN ('holder', 'level', 'not_held', 'holder_absent', 'holder_left', 'level_absent')",
    )
    op.create_index(
        "ix_alert_chase_at", "alert", ["chase_at"], unique=False, postgresql_where=sa.text("chase_at IS NOT NULL")
    )
    op.create_index("ix_alert_stream", "alert", ["force_id", "recorded_in", "id"], unique=False)
    op.execute("ALTER TABLE alert NO FORCE ROW LEVEL SECURITY")  # or the owner may not compare the rows of before
    op.create_foreign_key(op.f("fk_alert_chases_id"), "alert", "alert", ["chases_id"], ["id"])
    op.execute("ALTER TABLE alert FORCE ROW LEVEL SECURITY")
    op.add_column("staff_member", sa.Column("email", sa.String(), nullable=True))
    for table in CHANGING:
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {APP}")
    op.execute(f"GRANT SELECT ON alert_route TO {APP}")
    op.execute(f"GRANT SELECT, INSERT ON outbox TO {APP}")
    op.execute(f"GRANT SELECT ON {', '.join(WORKER_READS)} TO {WORKER}")
    op.execute(f"GRANT SELECT (subject, email) ON staff_member TO {WORKER}")  # the others it reads already (0003)
    op.execute(f"GRANT EXECUTE ON FUNCTION withheld_from TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON alert_route TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ({', '.join(WORKER_SENDS)}) ON outbox TO {WORKER}")
    op.execute(f"GRANT UPDATE (chase_at, rerouted_because) ON alert TO {WORKER}")
    op.execute(f"GRANT UPDATE (digested_on) ON alert_preference TO {WORKER}")
    for table in ("alert_route", "outbox"):
        _secure(table)
    _let_streams_see_what_came_to_others()


def _secure(table: str) -> None:
    """A force sees its own rows, a partner those of cases on the agenda, a worker what it sends."""
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON {table} FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON {table} FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON {table} FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON {table} TO {WORKER} USING (true) WITH CHECK (true)")
    # A digest and a ping are of no case.
    withheld = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
    seen = f"case_id IS NULL OR case_id <> ALL ({withheld})"
    op.execute(f"CREATE POLICY withheld ON {table} AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")


def _let_streams_see_what_came_to_others() -> None:
    """An alert that is re-routed, or goes to another force with its case, is new to whoever reads it from then on."""
    op.execute(
        """
        CREATE FUNCTION recorded_anew() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.recorded_in := (pg_current_xact_id()::text)::bigint;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER recorded_anew BEFORE UPDATE OF force_id, rerouted_because ON alert FOR EACH ROW "
        "WHEN ((OLD.force_id, OLD.rerouted_because) IS DISTINCT FROM (NEW.force_id, NEW.rerouted_because)) "
        "EXECUTE FUNCTION recorded_anew()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER recorded_anew ON alert")
    op.execute("DROP FUNCTION recorded_anew()")
    op.execute(f"REVOKE UPDATE (chase_at, rerouted_because) ON alert FROM {WORKER}")
    op.execute(f"REVOKE EXECUTE ON FUNCTION withheld_from FROM {WORKER}")
    op.execute(f"REVOKE SELECT (subject) ON staff_member FROM {WORKER}")
    op.drop_column("staff_member", "email")
    op.drop_constraint(op.f("fk_alert_chases_id"), "alert", type_="foreignkey")
    op.drop_index("ix_alert_stream", table_name="alert")
    op.drop_index("ix_alert_chase_at", table_name="alert", postgresql_where=sa.text("chase_at IS NOT NULL"))
    op.drop_column("alert", "recorded_in")
    op.drop_column("alert", "chase_at")
    op.drop_column("alert", "chases_id")
    op.drop_column("alert", "rerouted_because")
    op.drop_index(
        "ix_outbox_next_try_at",
        table_name="outbox",
        postgresql_where=sa.text("delivered_at IS NULL AND given_up_at IS NULL"),
    )
    op.drop_index("ix_outbox_not_delivered", table_name="outbox", postgresql_where=sa.text("delivered_at IS NULL"))
    op.drop_index("ix_outbox_case_id", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_alert_route_staff_id", table_name="alert_route")
    op.drop_index("ix_alert_route_case_id", table_name="alert_route")
    op.drop_table("alert_route")
    op.drop_index("ix_webhook_subscription_force_id", table_name="webhook_subscription")
    op.drop_table("webhook_subscription")
    op.drop_index("ix_calendar_feed_staff_id", table_name="calendar_feed")
    op.drop_table("calendar_feed")
    op.drop_table("alert_preference")
    op.drop_index("ix_absence_staff_id", table_name="absence")
    op.drop_table("absence")
