"""Who applied, how people are reached and what is on record of the subject: withheld by the database (H2.7).

A transaction names in `app.sees` what its reader sees of people. Where nothing is named, nothing of it is seen.

Revision ID: 0012
Revises: 0009
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP = "clares_law_app"
OF_PERSON = ("person_address", "person_alias", "person_version", "safe_contact")
OWNED = ("party", "person", *OF_PERSON)
PARTS = "('subject', 'potential_victim', 'applicant', 'child')"


def _sees(what: str) -> str:
    """Worked out once for a statement, not for each row."""
    return f"(SELECT '{what}' = ANY (string_to_array(current_setting('app.sees', true), ',')))"


APPLICANT, CONTACT, ON_RECORD = _sees("see_applicant"), _sees("see_contact"), _sees("see_subject_record")
NOT_ONLY_ASKING = f"part <> 'applicant' OR {APPLICANT}"
REACHED = f"CASE WHEN part = 'subject' THEN {ON_RECORD} ELSE {CONTACT} END"
SEEN = {
    "party": f"role <> 'applicant' OR {APPLICANT}",
    "person": NOT_ONLY_ASKING,
    "person_alias": NOT_ONLY_ASKING,
    "person_address": f"({NOT_ONLY_ASKING}) AND {REACHED}",
    "person_version": f"({NOT_ONLY_ASKING}) AND {REACHED}",
    "safe_contact": f"({NOT_ONLY_ASKING}) AND {CONTACT}",
    "initial_contact": APPLICANT,
    "draft": APPLICANT,
}
"""What a reader must see for a row of each table to be there."""


def upgrade() -> None:
    # Lifted from the owner alone, and only here: it fills the columns, and foreign keys are proved as the owner.
    for table in OWNED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    _tell_the_parts()
    for table in OWNED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, seen in SEEN.items():
        op.execute(f"CREATE POLICY masked ON {table} AS RESTRICTIVE FOR SELECT TO {APP} USING ({seen})")
    _show_persons()


def _tell_the_parts() -> None:
    """The part of each person held. One without a party has none that anybody could see: as if only asking."""
    op.add_column("person", sa.Column("part", sa.String(), nullable=True))
    op.execute(
        "UPDATE person SET part = coalesce("
        "(SELECT party.role FROM party WHERE party.person_id = person.id LIMIT 1), 'applicant')"
    )
    op.alter_column("person", "part", nullable=False)
    op.create_check_constraint(op.f("ck_person_part"), "person", f"part IN {PARTS}")
    op.create_unique_constraint(op.f("uq_person_id_part"), "person", ["id", "part"])
    op.create_foreign_key("fk_party_part", "party", "person", ["person_id", "role"], ["id", "part"])
    for table in OF_PERSON:
        op.add_column(table, sa.Column("part", sa.String(), nullable=True))
        op.execute(f"UPDATE {table} SET part = person.part FROM person WHERE person.id = {table}.person_id")
        op.alter_column(table, "part", nullable=False)
        op.create_foreign_key(f"fk_{table}_part", table, "person", ["person_id", "part"], ["id", "part"])


def _show_persons() -> None:
    """Persons with the columns blank that the reader may not see; the rows are those that the reader reaches."""
    blank = {"pnc_id": ON_RECORD, "telephone": REACHED, "email": REACHED}
    columns = [
        f"CASE WHEN {blank[name]} THEN {name} END AS {name}" if name in blank else name for name in _columns_of_person()
    ]
    op.execute(
        "CREATE VIEW person_shown WITH (security_invoker = true, security_barrier = true) AS "
        f"SELECT {', '.join(columns)} FROM person"
    )
    op.execute(f"GRANT SELECT ON person_shown TO {APP}")


def _columns_of_person() -> list[str]:
    query = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'person' "
        "ORDER BY ordinal_position"
    )
    return [row[0] for row in op.get_bind().exec_driver_sql(query)]


def downgrade() -> None:
    op.execute("DROP VIEW person_shown")
    for table in SEEN:
        op.execute(f"DROP POLICY masked ON {table}")
    op.drop_constraint("fk_party_part", "party", type_="foreignkey")
    for table in OF_PERSON:
        op.drop_constraint(f"fk_{table}_part", table, type_="foreignkey")
        op.drop_column(table, "part")
    op.drop_constraint(op.f("uq_person_id_part"), "person", type_="unique")
    op.drop_constraint(op.f("ck_person_part"), "person", type_="check")
    op.drop_column("person", "part")
