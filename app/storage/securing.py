"""What every table of a case is given, by every release alike: whose rows are in reach, what is withheld, who works.

A migration that is released never changes, and so neither does what stands here: a new shape is a new function.
"""

from alembic import op

APP, WORKER = "clares_law_app", "clares_law_worker"
REACH = (
    "force_id = nullif(current_setting('app.force_id', true), '') "
    "OR case_id = ANY (nullif(current_setting('app.agenda', true), '')::uuid[])"
)
"""Rows of the own force, and of cases that stand before the person."""
OF_EVERY_FORCE = f"{REACH} OR current_setting('app.national', true) = 'on'"
"""These, and in a transaction that asks for closing reports those of every force (H8.1)."""
WITHHELD = "(SELECT nullif(current_setting('app.withheld', true), '')::uuid[])::uuid[]"
"""Set with the context of a transaction. Not set, it is null and nothing at all is seen."""
GLASS = "(SELECT coalesce(nullif(current_setting('app.glass', true), '')::uuid[], '{}'))::uuid[]"
"""The cases that are seen through a broken glass alone."""


def secure_case_table(table: str, *, read: str = REACH) -> None:
    """Force row-level security on a table of a case: the reach, what is withheld, the worker, and the broken glass.

    `read` is what may be read where that is more than what may be written.
    """
    seen, beyond = f"case_id <> ALL ({WITHHELD})", f"case_id <> ALL ({GLASS})"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY reach_read ON {table} FOR SELECT TO {APP} USING ({read})")
    op.execute(f"CREATE POLICY reach_insert ON {table} FOR INSERT TO {APP} WITH CHECK ({REACH})")
    op.execute(f"CREATE POLICY reach_update ON {table} FOR UPDATE TO {APP} USING ({REACH}) WITH CHECK ({REACH})")
    op.execute(f"CREATE POLICY worker ON {table} TO {WORKER} USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY withheld ON {table} AS RESTRICTIVE TO {APP} USING ({seen}) WITH CHECK ({seen})")
    op.execute(f"CREATE POLICY glass_insert ON {table} AS RESTRICTIVE FOR INSERT TO {APP} WITH CHECK ({beyond})")
    op.execute(f"CREATE POLICY glass_update ON {table} AS RESTRICTIVE FOR UPDATE TO {APP} USING ({beyond})")
    op.execute(f"CREATE POLICY glass_delete ON {table} AS RESTRICTIVE FOR DELETE TO {APP} USING ({beyond})")
