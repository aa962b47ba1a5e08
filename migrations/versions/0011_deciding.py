"""Broken glass, what the police at the forum see, and who sees no case at all: decided by the database too.

Revision ID: 0011
Revises: 0010
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, OWNER = "clares_law_app", "clares_law_worker", "clares_law_owner"

READ_BY_THE_FUNCTIONS = ("agenda_item", "application", "broken_glass", "conflict_of_interest")
"""Read by functions that run as the owner, whom row-level security binds too."""

THROUGH_GLASS = (
    "application",
    "broken_glass",
    "clock",
    "contact_attempt",
    "crime_reference",
    "duty",
    "event",
    "interim_plan",
    "outbox",
    "risk_grade",
    "safe_contact",
    "safeguarding_action",
    "safety_plan",
    "task",
)
"""What may be written in a case that is seen through a broken glass: making safe, reaching people, and what follows."""

TASK_KINDS = (
    "calendar_refused",
    "calendar_ends_soon",
    "delivery_given_up",
    "webhook_failing",
    "clock_not_swept",
)
MESSAGES = ("alert", "digest", "ping")

BY_NAME = "(SELECT nullif(current_setting('app.withheld_by_name', true), '')::uuid[])::uuid[]"
WITHHELD = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
ASKING = "(SELECT nullif(current_setting('app.asks', true), '')::uuid)"
GLASS = "(SELECT coalesce(nullif(current_setting('app.glass', true), '')::uuid[], '{}'))::uuid[]"


def upgrade() -> None:
    op.create_table(
        "broken_glass",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_because", sa.String(), nullable=True),
        sa.CheckConstraint("until <= since + interval '25 hours'", name=op.f("ck_broken_glass_within_a_day")),
        sa.CheckConstraint(
            "num_nulls(ended_since, ended_by, ended_because) IN (0, 3)",
            name=op.f("ck_broken_glass_ended_whole_or_not_at_all"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_broken_glass_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["staff_member.id"], name=op.f("fk_broken_glass_ended_by")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_broken_glass_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broken_glass")),
    )
    op.create_index("ix_broken_glass_case_id", "broken_glass", ["case_id"], unique=False)
    op.create_index(
        "ix_broken_glass_staff_id",
        "broken_glass",
        ["staff_id"],
        unique=False,
        postgresql_where=sa.text("ended_since IS NULL"),
    )
    _say("task", "kind", (*TASK_KINDS, "glass_broken"))
    _say("outbox", "message", (*MESSAGES, "glass"))
    _secure()
    op.execute(f"CREATE POLICY glass_asks ON task FOR INSERT TO {APP} WITH CHECK (case_id = ANY ({GLASS}))")
    for table in READ_BY_THE_FUNCTIONS:
        op.execute(f"CREATE POLICY owner_decides ON {table} FOR SELECT TO {OWNER} USING (true)")
    for table in _of_a_case():
        if table not in THROUGH_GLASS:
            case = "id" if table == "application" else "case_id"
            beyond = f"{case} IS NULL OR {case} <> ALL ({GLASS})"
            op.execute(
                f"CREATE POLICY glass_insert ON {table} AS RESTRICTIVE FOR INSERT TO {APP} WITH CHECK ({beyond})"
            )
            op.execute(f"CREATE POLICY glass_update ON {table} AS RESTRICTIVE FOR UPDATE TO {APP} USING ({beyond})")
            op.execute(f"CREATE POLICY glass_delete ON {table} AS RESTRICTIVE FOR DELETE TO {APP} USING ({beyond})")
    _functions()
    _show_the_log_where(
        f"(case_id IS NULL OR case_id <> ALL ({BY_NAME})) "
        f"AND (event_id IS NULL OR event_id <> ALL ({BY_NAME}) OR staff_id = {ASKING})"
    )
    _let_police_see_what_they_sit_on()


def _say(table: str, column: str, words: Sequence[str]) -> None:
    """Let a checked text say these words."""
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} IN ({', '.join(repr(word) for word in words)})")


def _secure() -> None:
    reach = (
        "force_id = nullif(current_setting('app.force_id', true), '') "
        "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
    )
    op.execute("ALTER TABLE broken_glass ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE broken_glass FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON broken_glass FOR SELECT TO {APP} USING ({reach})")
    op.execute(f"CREATE POLICY reach_insert ON broken_glass FOR INSERT TO {APP} WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY reach_update ON broken_glass FOR UPDATE TO {APP} USING ({reach}) WITH CHECK ({reach})")
    op.execute(f"CREATE POLICY worker ON broken_glass TO {WORKER} USING (true) WITH CHECK (true)")
    seen = f"case_id <> ALL ({WITHHELD})"
    op.execute(f"CREATE POLICY withheld ON broken_glass AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")
    op.execute(f"GRANT SELECT, INSERT ON broken_glass TO {APP}")
    # Whoever restores a database keeps its moments; nobody else says since when.
    op.execute(
        """
        CREATE FUNCTION begin_now() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.since := clock_timestamp();
            RETURN NEW;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION begin_now FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER dated_here BEFORE INSERT ON broken_glass FOR EACH ROW "
        f"WHEN (NOT pg_has_role(current_user, '{OWNER}', 'MEMBER')) EXECUTE FUNCTION begin_now()"
    )
    op.execute(f"GRANT UPDATE (ended_since, ended_by, ended_because) ON broken_glass TO {APP}")
    op.execute(f"GRANT SELECT (id, case_id, staff_id, since, until, ended_since) ON broken_glass TO {WORKER}")


def _functions() -> None:
    """What stands before whom at the forum, what each transaction sees, and whose reference it is."""
    op.execute(
        """
        CREATE FUNCTION agenda_of(asks uuid, claimed text[] DEFAULT NULL) RETURNS uuid[]
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
        DECLARE
            own_force text;
            held text[];
            chairs boolean;
            standing uuid[];
        BEGIN
            SELECT force_id, ARRAY(SELECT unnest(roles) INTERSECT SELECT unnest(coalesce(claimed, roles::text[])))
            INTO own_force, held FROM staff_member WHERE id = asks AND active;
            IF NOT FOUND OR NOT held && ARRAY['forum_member', 'forum_chair'] THEN
                RETURN '{}';
            END IF;
            chairs := 'forum_chair' = ANY (held);
            SELECT coalesce(array_agg(DISTINCT before.case_id), '{}') INTO standing FROM (
                SELECT case_grant.case_id FROM case_grant
                WHERE case_grant.staff_id = asks AND case_grant.ended_at IS NULL AND (
                    own_force IS NULL OR EXISTS (
                        SELECT FROM application WHERE id = case_grant.case_id AND force_id = own_force
                    )
                )
                UNION ALL
                SELECT application.id FROM application
                WHERE chairs AND application.force_id = own_force AND application.stage = 'forum'
                UNION ALL
                -- Until what was decided is carried out: only the forum or a supervisor postpones it (H7.7).
                SELECT application.id FROM application
                JOIN agenda_item ON agenda_item.case_id = application.id
                JOIN forum_meeting ON forum_meeting.id = agenda_item.meeting_id
                WHERE chairs AND application.force_id = own_force AND application.stage = 'disclosure'
                AND forum_meeting.chair_id = asks
            ) before
            WHERE own_force IS NULL OR NOT EXISTS (
                SELECT FROM conflict_of_interest conflict
                WHERE conflict.case_id = before.case_id AND conflict.staff_id = asks
            );
            RETURN standing;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION seen_by(
            asks uuid, own_force text, agenda uuid[], sees_restricted boolean, every_force boolean, breaks uuid[],
            claimed text[] DEFAULT NULL
        ) RETURNS TABLE (withheld uuid[], not_sampled uuid[], glass uuid[], glass_until timestamptz[])
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
        DECLARE
            account staff_member;
            held text[];
            not_led uuid[] := '{}';
        BEGIN
            SELECT * INTO account FROM staff_member WHERE id = asks;
            held := ARRAY(SELECT unnest(account.roles) INTERSECT SELECT unnest(coalesce(claimed, account.roles::text[])));
            glass := '{}';
            glass_until := '{}';
            IF account.id IS NOT NULL AND held <@ ARRAY['administrator'] THEN
                RETURN NEXT;  -- what is withheld stays unset: no row of any case is seen
                RETURN;
            END IF;
            withheld := withheld_from(asks, own_force, agenda, sees_restricted, every_force);
            not_sampled := '{}';
            IF 'auditor' = ANY (held) AND held <@ ARRAY['auditor', 'forum_member', 'forum_chair'] THEN
                not_sampled := ARRAY(
                    SELECT id FROM application WHERE force_id = own_force AND stage <> 'closed'
                    AND id <> ALL (agenda || agenda_of(asks, held))
                );
            END IF;
            -- Leading goes with the role by which one came in, and the account's may be more than the token's.
            IF account.roles && ARRAY['public_protection_supervisor', 'head_of_public_protection']
            AND NOT sees_restricted AND NOT 'head_of_public_protection' = ANY (held)
            AND NOT (account.roles::text[]) <@ held THEN
                not_led := ARRAY(
                    SELECT restricted.case_id FROM case_restriction restricted
                    WHERE NOT (
                        'public_protection_supervisor' = ANY (held) AND (
                            coalesce(account.rank = ANY (restricted.leading_ranks), false)
                            OR NOT 'head_of_public_protection' = ANY (account.roles)
                        )
                    )
                    AND NOT EXISTS (
                        SELECT FROM case_access entry
                        WHERE entry.case_id = restricted.case_id AND entry.staff_id = asks
                        AND entry.kind = 'allowed' AND entry.ended_at IS NULL
                    )
                );
                withheld := withheld || ARRAY(SELECT unnest(not_led) EXCEPT SELECT unnest(agenda));
            END IF;
            IF held && ARRAY[
                'control_room', 'public_protection_officer', 'public_protection_supervisor',
                'head_of_public_protection'
            ] THEN
                SELECT coalesce(array_agg(broken.case_id), '{}'), coalesce(array_agg(broken.ends), '{}')
                INTO glass, glass_until FROM (
                    SELECT through.case_id, max(through.until) AS ends FROM (
                        SELECT case_id, force_id, until FROM broken_glass
                        WHERE staff_id = asks AND ended_since IS NULL AND until > clock_timestamp()
                        UNION ALL
                        SELECT id, force_id, clock_timestamp() FROM application WHERE id = ANY (breaks)
                    ) through
                    WHERE through.force_id <> own_force OR through.case_id = ANY (withheld)
                    GROUP BY through.case_id
                ) broken;
                IF cardinality(glass) > 0 THEN
                    withheld := withheld_from(asks, own_force, agenda || glass, sees_restricted, every_force)
                        || ARRAY(SELECT unnest(not_led) EXCEPT SELECT unnest(agenda || glass));
                END IF;
            END IF;
            RETURN NEXT;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION case_of_reference(asked text) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
            SELECT id FROM application WHERE reference = asked
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION agenda_of, seen_by, case_of_reference FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION agenda_of, seen_by, case_of_reference TO {APP}")


def _show_the_log_where(seen: str) -> None:
    """The log leaves out what is withheld from a reader by name, and not the cases that an auditor may not open.

    Who read the log of such a case is left out as well: its row has no case, and names as what was read about an id of
    which there would be nothing else. The reader's own rows stay, as for an id of no case.
    """
    op.execute("DROP POLICY withheld ON access_log")
    op.execute(f"CREATE POLICY withheld ON access_log AS RESTRICTIVE FOR SELECT TO {APP} USING ({seen})")


def _let_police_see_what_they_sit_on() -> None:
    """Police who sit at an item are let in by it too, since the roles of some let them see nothing else."""
    op.execute("ALTER TABLE agenda_item NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE conflict_of_interest NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        INSERT INTO case_grant (staff_id, item_id, case_id, granted_at)
        SELECT sits.staff_id, item.id, item.case_id, item.opened_at
        FROM agenda_item item JOIN forum_member sits ON sits.meeting_id = item.meeting_id
        WHERE item.ended_at IS NULL AND sits.agency = 'police' AND NOT EXISTS (
            SELECT FROM conflict_of_interest conflict
            WHERE conflict.case_id = item.case_id AND conflict.staff_id = sits.staff_id
        )
        ON CONFLICT DO NOTHING
        """
    )
    op.execute("ALTER TABLE agenda_item FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE conflict_of_interest FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DELETE FROM case_grant USING staff_member WHERE id = staff_id AND agency_id IS NULL")
    _show_the_log_where(f"case_id IS NULL OR case_id <> ALL ({WITHHELD})")
    op.execute("DROP FUNCTION case_of_reference")
    op.execute("DROP FUNCTION seen_by")
    op.execute("DROP FUNCTION agenda_of")
    for table in _of_a_case():
        for policy in ("glass_insert", "glass_update", "glass_delete"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
    op.execute("DROP POLICY glass_asks ON task")
    for table in READ_BY_THE_FUNCTIONS:
        op.execute(f"DROP POLICY owner_decides ON {table}")
    for table, column, words in (("task", "kind", TASK_KINDS), ("outbox", "message", MESSAGES)):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"DELETE FROM {table} WHERE {column} IN ('glass', 'glass_broken')")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        _say(table, column, words)
    op.drop_index(
        "ix_broken_glass_staff_id", table_name="broken_glass", postgresql_where=sa.text("ended_since IS NULL")
    )
    op.drop_index("ix_broken_glass_case_id", table_name="broken_glass")
    op.drop_table("broken_glass")
    op.execute("DROP FUNCTION begin_now")


def _of_a_case() -> list[str]:
    query = (
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name IN ('case_id', 'force_id') AND table_name <> 'access_log' "
        "GROUP BY table_name HAVING count(*) = 2"
    )
    return ["application", *sorted(row[0] for row in op.get_bind().exec_driver_sql(query))]
