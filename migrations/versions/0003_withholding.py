"""Restricted cases and excluded accounts: withheld by the database from whoever may not see them (H2.8).

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.access.names import account_keys

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, SEARCH = "clares_law_app", "clares_law_worker", "clares_law_search"
OWNER = "clares_law_owner"
ENTRIES = ("case_access", "case_restriction")

WORKER_READS = {
    "staff_member": "id, name, force_id, agency_id, roles, rank, active, born, name_keys, compared",
    "party": "id, case_id, person_id, role",
    "person": "id, case_id, given_names, surname, surname_key, born, born_estimated",
    "person_alias": "person_id, case_id, given_names, surname, surname_key",
    "case_grant": "staff_id, case_id, granted_at, ended_at",
    "case_pointer": "case_id, force_id, reference, role, match_key, withheld",
    "access_log": "id, staff_id, case_id, event_id, logged_at, refused",
    "agenda_item": "id, case_id",
    "forum_action": "id, case_id",
    "transfer_offer": "id, case_id",
    "event": "case_id, kind, recorded_by, recorded_at",
}
"""Columns that the worker reads to compare accounts and to watch attempts: of people the names and dates of birth."""
WORKER_CHANGES = {
    "staff_member": "compared",
    "application": "police_involved, version, assigned_to",
    "case_pointer": "withheld",
}

LEADING_RANKS = (
    "ARRAY['inspector', 'chief_inspector', 'superintendent', 'chief_superintendent', 'assistant_chief_constable', "
    "'deputy_chief_constable', 'chief_constable']"
)
"""As the editions name them at this release (H2.8)."""

WITHHELD = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
"""Set with the context of a transaction. Not set, it is null and nothing at all is seen."""


def upgrade() -> None:
    _tables()
    _functions()
    for table in ENTRIES:
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
        # The function reads as the owner, whom row-level security binds too.
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO {OWNER} USING (true)")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP}, {WORKER}")
    for table in ("person", "person_alias", "transfer_offer"):
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO {OWNER} USING (true)")
    op.execute(f"GRANT UPDATE (ended_at, ended_by, ended_because, ended_since) ON case_access TO {APP}, {WORKER}")
    op.execute(f"GRANT UPDATE (withheld) ON case_pointer TO {APP}")
    for table in _of_a_case():
        case = "id" if table == "application" else "case_id"
        seen = f"{case} <> ALL ({WITHHELD})"
        op.execute(f"CREATE POLICY withheld ON {table} AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")
    op.execute(
        f"CREATE POLICY withheld ON access_log AS RESTRICTIVE FOR SELECT TO {APP} "
        f"USING (case_id IS NULL OR case_id <> ALL ({WITHHELD}))"
    )
    op.execute("DROP POLICY reach_read ON case_pointer")
    op.execute(
        f"CREATE POLICY reach_read ON case_pointer FOR SELECT TO {APP} "
        "USING (NOT withheld OR force_id = nullif(current_setting('app.force_id', true), ''))"
    )
    op.execute("DROP POLICY search ON case_pointer")
    op.execute(f"CREATE POLICY search ON case_pointer FOR SELECT TO {SEARCH} USING (NOT withheld)")
    _let_the_worker_compare_and_watch()
    _restrict_what_is_flagged()


def _functions() -> None:
    """Who leads a restricted case and what is withheld from whom, worked out anew for each transaction."""
    op.execute(
        """
        CREATE FUNCTION leaders_of(asked_case uuid, of_force text, ranks text[]) RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
            WITH able AS (
                SELECT id, 'head_of_public_protection' = ANY (roles) OR coalesce(rank = ANY (ranks), false) AS leads
                FROM staff_member WHERE force_id = of_force AND active
                AND roles && ARRAY['public_protection_supervisor', 'head_of_public_protection']
                AND NOT EXISTS (
                    SELECT FROM case_access entry
                    WHERE entry.case_id = asked_case AND entry.staff_id = staff_member.id
                    AND entry.kind = 'excluded' AND entry.ended_at IS NULL
                )
            )
            SELECT id FROM able WHERE leads OR NOT EXISTS (SELECT FROM able WHERE leads)
        $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION withheld_from(
            asks uuid, own_force text, agenda uuid[], sees_restricted boolean, every_force boolean
        ) RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = public, pg_temp SET row_security = on AS $$
            WITH account AS (
                SELECT force_id, rank, name_keys, born, compared,
                    'head_of_public_protection' = ANY (roles) AS heads,
                    'public_protection_supervisor' = ANY (roles) AS supervises
                FROM staff_member WHERE id = asks
            )
            SELECT coalesce(array_agg(DISTINCT case_id), '{}') FROM (
                SELECT entry.case_id FROM case_access entry
                WHERE entry.staff_id = asks AND entry.kind = 'excluded' AND entry.ended_at IS NULL
                UNION ALL
                SELECT person.case_id FROM account
                JOIN person ON person.surname_key = ANY (account.name_keys) OR person.born = account.born
                WHERE NOT account.compared
                UNION ALL
                SELECT alias.case_id FROM account
                JOIN person_alias alias ON alias.surname_key = ANY (account.name_keys)
                WHERE NOT account.compared
                UNION ALL
                SELECT restricted.case_id FROM case_restriction restricted
                CROSS JOIN LATERAL (
                    SELECT restricted.force_id = own_force OR restricted.case_id IN (
                        SELECT offer.case_id FROM transfer_offer offer
                        WHERE own_force IN (offer.from_force_id, offer.to_force_id)
                    ) AS known
                ) here
                WHERE (every_force OR here.known)
                AND NOT (sees_restricted AND here.known)
                AND restricted.case_id <> ALL (coalesce(agenda, '{}'))
                AND NOT EXISTS (
                    SELECT FROM case_access entry
                    WHERE entry.case_id = restricted.case_id AND entry.staff_id = asks
                    AND entry.kind = 'allowed' AND entry.ended_at IS NULL
                )
                AND NOT EXISTS (
                    SELECT FROM account WHERE here.known AND account.force_id = own_force AND CASE
                        WHEN account.heads THEN true
                        WHEN NOT account.supervises THEN false
                        WHEN account.rank = ANY (restricted.leading_ranks) THEN true
                        ELSE asks IN (
                            SELECT leaders_of(restricted.case_id, account.force_id, restricted.leading_ranks)
                        )
                    END
                )
            ) withheld
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION withheld_from, leaders_of FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION withheld_from TO {APP}")
    op.execute(f"GRANT EXECUTE ON FUNCTION leaders_of TO {APP}, {WORKER}")


def _tables() -> None:
    op.create_table(
        "refusal_seen",
        sa.Column("log_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name=op.f("pk_refusal_seen")),
    )
    op.create_table(
        "case_access",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("allowed", "excluded", name="kind", native_enum=False, create_constraint=True),
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_because", sa.String(), nullable=True),
        sa.Column("certain", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ended_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nulls(ended_at, ended_by, ended_because, ended_since) IN (0, 4)",
            name=op.f("ck_case_access_ended_whole_or_not_at_all"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_access_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["staff_member.id"], name=op.f("fk_case_access_ended_by")),
        sa.ForeignKeyConstraint(["recorded_by"], ["staff_member.id"], name=op.f("fk_case_access_recorded_by")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_member.id"], name=op.f("fk_case_access_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_access")),
    )
    op.create_index("ix_case_access_case_id", "case_access", ["case_id"], unique=False)
    op.create_index(
        "ix_case_access_staff_id",
        "case_access",
        ["staff_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_case_access_in_force",
        "case_access",
        ["case_id", "staff_id", "kind"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "case_restriction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("restricted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restricted_by", sa.Uuid(), nullable=False),
        sa.Column("leading_ranks", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_restriction_case",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(["restricted_by"], ["staff_member.id"], name=op.f("fk_case_restriction_restricted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_restriction")),
        sa.UniqueConstraint("case_id", name=op.f("uq_case_restriction_case_id")),
    )
    op.create_index("ix_case_restriction_case_id", "case_restriction", ["case_id"], unique=False)
    op.create_index(
        "ix_access_log_refused", "access_log", ["case_id"], unique=False, postgresql_where=sa.text("refused")
    )
    op.add_column("case_pointer", sa.Column("withheld", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("case_pointer", "withheld", server_default=None)
    op.add_column("staff_member", sa.Column("born", sa.Date(), nullable=True))
    op.add_column("staff_member", sa.Column("name_keys", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("staff_member", sa.Column("compared", sa.Boolean(), server_default=sa.false(), nullable=False))
    _key_the_names_of_accounts()
    op.alter_column("staff_member", "name_keys", nullable=False)
    op.create_index("ix_staff_member_name_keys", "staff_member", ["name_keys"], unique=False, postgresql_using="gin")
    op.create_index("ix_staff_member_born", "staff_member", ["born"], unique=False)
    op.create_index(
        "ix_staff_member_not_compared", "staff_member", ["id"], unique=False, postgresql_where=sa.text("NOT compared")
    )


def _key_the_names_of_accounts() -> None:
    """Every account has its keys from the start: until it is compared, whatever they find is withheld from it."""
    connection = op.get_bind()
    keyed = [{"one": row.id, "keys": list(account_keys(row.name))} for row in connection.execute(_NAMES)]
    if keyed:
        connection.execute(sa.text("UPDATE staff_member SET name_keys = :keys WHERE id = :one"), keyed)


_NAMES = sa.text("SELECT id, name FROM staff_member")


def _let_the_worker_compare_and_watch() -> None:
    """Names and dates of birth of parties, refused rows of the log, and what it keeps of them: nothing else."""
    for table, columns in WORKER_READS.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {WORKER}")
    for table, columns in WORKER_CHANGES.items():
        op.execute(f"GRANT UPDATE ({columns}) ON {table} TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON refusal_seen TO {WORKER}")
    op.execute(f"GRANT SELECT, INSERT ON duty TO {WORKER}")
    op.execute(f"GRANT INSERT ON event TO {WORKER}")
    op.execute(f"CREATE POLICY log_watch ON access_log FOR SELECT TO {WORKER} USING (refused)")


def _restrict_what_is_flagged() -> None:
    """Cases flagged before this release are withheld from now on, as one flagged today would be."""
    held = ("application", *ENTRIES, "case_pointer")
    for table in held:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        f"""
        INSERT INTO case_restriction (id, case_id, force_id, reason, restricted_at, restricted_by, leading_ranks)
        SELECT gen_random_uuid(), id, force_id, 'A party is police.', now(), created_by, {LEADING_RANKS}
        FROM application WHERE police_involved
        """
    )
    op.execute(
        """
        INSERT INTO case_access (id, case_id, force_id, staff_id, kind, reason, recorded_at, recorded_by)
        SELECT gen_random_uuid(), flagged.id, flagged.force_id, staff.id, 'allowed', 'A party is police.', now(),
            flagged.created_by
        FROM application flagged
        JOIN staff_member staff ON staff.id IN (flagged.created_by, flagged.assigned_to)
        WHERE flagged.police_involved
        """
    )
    op.execute(
        "UPDATE case_pointer SET withheld = true FROM application flagged "
        "WHERE flagged.id = case_pointer.case_id AND flagged.police_involved"
    )
    for table in held:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    for table, columns in WORKER_READS.items():
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM {WORKER}")
    for table, columns in WORKER_CHANGES.items():
        op.execute(f"REVOKE UPDATE ({columns}) ON {table} FROM {WORKER}")
    op.execute(f"REVOKE SELECT, INSERT ON duty FROM {WORKER}")
    op.execute(f"REVOKE INSERT ON event FROM {WORKER}")
    op.execute(f"REVOKE UPDATE (withheld) ON case_pointer FROM {APP}")
    for table in ("person", "person_alias", "transfer_offer"):
        op.execute(f"DROP POLICY owner_reads ON {table}")
    op.execute("DROP POLICY log_watch ON access_log")
    op.execute("DROP POLICY withheld ON access_log")
    op.execute("DROP POLICY search ON case_pointer")
    op.execute(f"CREATE POLICY search ON case_pointer FOR SELECT TO {SEARCH} USING (true)")
    op.execute("DROP POLICY reach_read ON case_pointer")
    op.execute(f"CREATE POLICY reach_read ON case_pointer FOR SELECT TO {APP} USING (true)")
    for table in _of_a_case():
        op.execute(f"DROP POLICY withheld ON {table}")
    op.execute("DROP FUNCTION withheld_from")
    op.execute("DROP FUNCTION leaders_of")
    op.drop_index("ix_staff_member_not_compared", table_name="staff_member", postgresql_where=sa.text("NOT compared"))
    op.drop_index("ix_staff_member_born", table_name="staff_member")
    op.drop_index("ix_staff_member_name_keys", table_name="staff_member", postgresql_using="gin")
    op.drop_column("staff_member", "compared")
    op.drop_column("staff_member", "name_keys")
    op.drop_column("staff_member", "born")
    op.drop_column("case_pointer", "withheld")
    op.drop_index("ix_access_log_refused", table_name="access_log", postgresql_where=sa.text("refused"))
    op.drop_index("ix_case_restriction_case_id", table_name="case_restriction")
    op.drop_table("case_restriction")
    op.drop_index("uq_case_access_in_force", table_name="case_access", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_case_access_staff_id", table_name="case_access", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_case_access_case_id", table_name="case_access")
    op.drop_table("case_access")
    op.drop_table("refusal_seen")


def _of_a_case() -> list[str]:
    query = (
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name IN ('case_id', 'force_id') AND table_name <> 'access_log' "
        "GROUP BY table_name HAVING count(*) = 2"
    )
    return ["application", *sorted(row[0] for row in op.get_bind().exec_driver_sql(query))]
