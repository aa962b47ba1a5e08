"""A case and its clocks keep the content of the edition that they began under; which answer shows a marker is data.

`editions_of_open_cases` tells any role which editions open cases need, and nothing else of any case: it runs as the
owner, who by a policy of its own sees rows in that function alone.

Revision ID: 0006
Revises: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OWNER, APP, WORKER = "clares_law_owner", "clares_law_app", "clares_law_worker"


def upgrade() -> None:
    op.add_column("application", sa.Column("edition_version", sa.String(), nullable=True))
    op.add_column("clock", sa.Column("edition_version", sa.String(), nullable=True))
    op.add_column("clock", sa.Column("source", sa.String(), nullable=True))
    op.drop_constraint(op.f("ck_system_check_pnc_shows_marker"), "system_check", type_="check")
    op.create_check_constraint(
        op.f("ck_system_check_marker_is_an_answer"), "system_check", "visor_marker IS NULL OR result <> 'unavailable'"
    )
    op.execute(
        f"CREATE POLICY editions_in_use ON application FOR SELECT TO {OWNER} "
        "USING (current_setting('app.editions_in_use', true) = 'on')"
    )
    op.execute(
        """
        CREATE FUNCTION editions_of_open_cases() RETURNS TABLE (name text, version text)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            PERFORM set_config('app.editions_in_use', 'on', true);
            RETURN QUERY
                SELECT DISTINCT edition::text, edition_version::text FROM application
                WHERE stage NOT IN ('intake', 'closed') ORDER BY 1, 2;
            PERFORM set_config('app.editions_in_use', '', true);
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION editions_of_open_cases() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION editions_of_open_cases() TO {APP}, {WORKER}")


def downgrade() -> None:
    op.execute("DROP FUNCTION editions_of_open_cases()")
    op.execute("DROP POLICY editions_in_use ON application")
    op.drop_constraint(op.f("ck_system_check_marker_is_an_answer"), "system_check", type_="check")
    op.create_check_constraint(
        op.f("ck_system_check_pnc_shows_marker"),
        "system_check",
        "(system = 'pnc' AND result <> 'unavailable') = (visor_marker IS NOT NULL)",
    )
    op.drop_column("clock", "source")
    op.drop_column("clock", "edition_version")
    op.drop_column("application", "edition_version")
