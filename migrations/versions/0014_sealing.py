"""Texts of records are sealed: envelopes under a key of each case, and the wrapped keys in a table of their own.

Rows written before are sealed with the key service that the settings name, and opened again on the way back. Of a
database that held such rows the files still hold the old text until each table is written anew (VACUUM FULL), and so
do backups and the write-ahead log.

Revision ID: 0014
Revises: 0013
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.evidence.keys import KeyRing, key_service
from app.evidence.sealing import DataKey, Place
from app.evidence.vouching import voucher
from app.settings import settings
from app.storage.securing import OF_EVERY_FORCE, secure_case_table

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, OWNER = "clares_law_app", "clares_law_worker", "clares_law_owner"
BATCH = 500
VERSION = "COALESCE((substring(encode(wrapped, 'escape'::text), '^[a-z]+[:]v([1-9][0-9]{0,8})[:]'::text))::integer, 0)"
"""The version that a wrapped key says it is under; 0, older than all, where it says none."""
T = TypeVar("T")

SEALED = {
    "initial_decision": "rationale applicant_contact? priority_reason?",
    "initial_decision_agreement": "reason",
    "malicious_finding": "reasons",
    "malicious_finding_agreement": "reason carry_on_reason?",
    "categorisation": "reasons risk_of_harm? factors{} other_information?",
    "forum_decision": (
        "pressing_need? proportionate? reasons what? recipient_described? delivery{}? words_for_subject? "
        "further_safeguarding offender_management{} dissent?"
    ),
    "decision_confirmation": "reasons",
    "decision_return": "reason",
    "police_conclusion": "reasons",
    "emergency_authority": (
        "concern police_conclude_necessary pressing_need proportionate representations open_checks_accepted{} "
        "why_it_cannot_wait what recipient_described? delivery{} already_managed{}?"
    ),
    "spent_authorisation": "advice_reference advice reason",
    "delivery_clearance": (
        "recipient_described? recipient_safe_contact? partner_deliverer? suitable_adult? place reconsideration{}? "
        "offender_manager_consultation{}?"
    ),
    "disclosure": (
        "words recipient_described? partner{}? present{} suitable_adult? place beyond_script? reconsideration{}? "
        "interpreter{}?"
    ),
    "words_to_subject": "partner? place words answer?",
    "non_disclosure_notice": "place? words? rationale?",
    "non_completion": "explanation",
    "not_completed": "reason",
    "withdrawal": "taken_by means duress_considered reason?",
    "withdrawal_decision": "reason",
    "final_report": "narrative document{}",
    "closing": "note?",
}
"""The columns that are sealed: `?` may be empty, `{}` is JSON."""

CHECKS = (
    (
        "initial_decision",
        "not_prioritised_has_reason",
        "prioritised IS NULL OR prioritised OR {priority_reason} IS NOT NULL",
    ),
    (
        "malicious_finding_agreement",
        "carrying_on_is_decided",
        "num_nonnulls(carry_on_as_right_to_know, {carry_on_reason}) = CASE WHEN agrees THEN 2 ELSE 0 END",
    ),
    ("categorisation", "concern_is_a_finding_of_harm", "category <> 'concern' OR {risk_of_harm} IS NOT NULL"),
    ("categorisation", "never_convictions_alone", "category <> 'no_concern' OR {other_information} IS NOT NULL"),
    (
        "forum_decision",
        "disclosure_is_whole",
        "NOT disclose OR (category = 'concern' AND police_conclude_necessary AND {pressing_need} IS NOT NULL "
        "AND {proportionate} IS NOT NULL AND {what} IS NOT NULL AND {delivery} IS NOT NULL "
        "AND num_nonnulls(recipient_id, {recipient_described}) = 1)",
    ),
    ("forum_decision", "words_settled", "NOT subject_to_be_told OR {words_for_subject} IS NOT NULL"),
    ("emergency_authority", "has_recipient", "num_nonnulls(recipient_id, {recipient_described}) = 1"),
    ("delivery_clearance", "one_recipient", "num_nonnulls(recipient_id, {recipient_described}) = 1"),
    ("delivery_clearance", "one_deliverer", "num_nonnulls(delivered_by, {partner_deliverer}) = 1"),
    ("delivery_clearance", "refusal_is_reconsidered", "undertaking = 'signed' OR {reconsideration} IS NOT NULL"),
    ("disclosure", "one_recipient", "num_nonnulls(recipient_id, {recipient_described}) = 1"),
    ("disclosure", "one_deliverer", "num_nonnulls(delivered_by, {partner}) = 1"),
    ("words_to_subject", "one_speaker", "num_nonnulls(spoken_by, {partner}) = 1"),
    ("non_disclosure_notice", "told_in_words", "(kind = 'recorded') = ({words} IS NULL)"),
    ("non_disclosure_notice", "recorded_with_rationale", "kind <> 'recorded' OR {rationale} IS NOT NULL"),
)
"""Rules of the database that name a column which is sealed."""

DIGESTS = (
    ("digest_of_words", "sha256 = encode(sha256(convert_to(words, 'UTF8')), 'hex')"),
    ("length_of_words", "byte_length = octet_length(convert_to(words, 'UTF8'))"),
)


class Column:
    """One column as SEALED writes it."""

    def __init__(self, written: str) -> None:
        self.name = written.rstrip("?{}")
        self.json, self.optional = "{}" in written, written.endswith("?")

    def clear(self) -> "sa.Column[Any]":
        """As it was before: empty until it is filled."""
        return sa.Column(self.name, postgresql.JSONB(astext_type=sa.Text()) if self.json else sa.String())


def upgrade() -> None:
    _table_of_keys()
    op.add_column("forum_decision", sa.Column("consult_offender_manager", sa.Boolean()))
    with _lifted():
        keys = _give_keys()
        for table in SEALED:
            _seal(table, keys)
    op.alter_column("forum_decision", "consult_offender_manager", nullable=False)
    _drop_checks()
    for name, _ in DIGESTS:
        op.drop_constraint(op.f(f"ck_disclosure_{name}"), "disclosure", type_="check")
    op.drop_column("disclosure", "sha256")
    op.drop_column("disclosure", "byte_length")
    for table, columns in _columns():
        for column in columns:
            op.drop_column(table, column.name)
            if not column.optional:
                op.alter_column(table, f"{column.name}_sealed", nullable=False)
    _make_checks(sealed=True)


def downgrade() -> None:
    _drop_checks()
    for table, columns in _columns():
        for column in columns:
            op.add_column(table, column.clear())
    op.add_column("disclosure", sa.Column("sha256", sa.String()))
    op.add_column("disclosure", sa.Column("byte_length", sa.Integer()))
    with _lifted():
        keys = _held_keys()
        for table in SEALED:
            _open(table, keys)
    for table, columns in _columns():
        for column in columns:
            op.drop_column(table, f"{column.name}_sealed")
            if not column.optional:
                op.alter_column(table, column.name, nullable=False)
    op.alter_column("disclosure", "sha256", nullable=False)
    op.alter_column("disclosure", "byte_length", nullable=False)
    for name, rule in DIGESTS:
        op.create_check_constraint(op.f(f"ck_disclosure_{name}"), "disclosure", rule)
    _make_checks(sealed=False)
    op.drop_column("forum_decision", "consult_offender_manager")
    op.execute("DROP FUNCTION case_is_sealed(uuid)")
    for table in SEALED:
        op.execute(f"DROP POLICY owner_reads ON {table}")
    op.execute("DROP FUNCTION case_keys_held_before(integer)")
    op.execute("DROP FUNCTION outermost_case_keys()")
    op.drop_table("case_key")
    op.execute("DROP FUNCTION key_is_rewrapped_alone()")


def _table_of_keys() -> None:
    op.create_table(
        "case_key",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), sa.Computed(VERSION, persisted=True), nullable=False),
        sa.Column("public_half", sa.LargeBinary(), nullable=False),
        sa.Column("vouched", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(public_half) = 32", name=op.f("ck_case_key_public_half_is_a_key")),
        sa.CheckConstraint("octet_length(vouched) = 32", name=op.f("ck_case_key_vouched_is_a_digest")),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name="fk_case_key_case",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_key")),
    )
    op.create_index("ix_case_key_key_version", "case_key", ["key_version", "case_id"], unique=False)
    op.execute(f"GRANT SELECT, INSERT ON case_key TO {APP}")
    op.execute(f"GRANT SELECT, UPDATE (wrapped, vouched) ON case_key TO {WORKER}")
    # Closing reports are read by the intelligence units of every force (H8.1), and open with the key of their case.
    secure_case_table("case_key", read=OF_EVERY_FORCE)
    op.execute(f"CREATE POLICY owner_reads ON case_key FOR SELECT TO {OWNER} USING (true)")
    # A transfer moves the case to another force (H8.5); another public half would be somebody else's.
    op.execute(
        """
        CREATE FUNCTION key_is_rewrapped_alone() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (NEW.case_id, NEW.public_half, NEW.made_at) IS DISTINCT FROM
                (OLD.case_id, OLD.public_half, OLD.made_at) THEN
                RAISE EXCEPTION 'of the key of a case only the wrapping changes' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER rewrapped_alone BEFORE UPDATE ON case_key "
        "FOR EACH ROW EXECUTE FUNCTION key_is_rewrapped_alone()"
    )
    # A process that starts asks whether its key service opens what the database holds; no case is named to it but two.
    op.execute(
        """
        CREATE FUNCTION outermost_case_keys() RETURNS TABLE (case_id uuid, wrapped bytea)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
            (SELECT case_id, wrapped FROM case_key ORDER BY key_version, case_id LIMIT 1)
            UNION
            (SELECT case_id, wrapped FROM case_key ORDER BY key_version DESC, case_id DESC LIMIT 1)
        $$
        """
    )
    op.execute("REVOKE EXECUTE ON FUNCTION outermost_case_keys() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION outermost_case_keys() TO {APP}, {WORKER}")
    # Whoever wraps a key for the table holds a lock on it from before that: until this transaction ends none is made.
    op.execute(
        """
        CREATE FUNCTION case_keys_held_before(version integer) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
        BEGIN
            LOCK TABLE case_key IN SHARE MODE;
            RETURN (SELECT count(*) FROM case_key WHERE key_version < version);
        END $$
        """
    )
    op.execute("REVOKE EXECUTE ON FUNCTION case_keys_held_before(integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION case_keys_held_before(integer) TO {WORKER}")
    # Asked where a case has no key: one that has sealed rows had one, and is given no second.
    for table in SEALED:
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO {OWNER} USING (true)")
    any_row = " OR ".join(f"EXISTS (SELECT FROM {table} WHERE case_id = asked)" for table in SEALED)
    op.execute(
        "CREATE FUNCTION case_is_sealed(asked uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER "
        f"SET search_path = public, pg_temp SET row_security = on AS $$ SELECT {any_row} $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION case_is_sealed(uuid) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION case_is_sealed(uuid) TO {APP}, {WORKER}")


class _lifted:  # noqa: N801 - read as a word of the sentence that it begins
    """Inside, the owner reads and writes the rows of every table concerned, and no trigger keeps them as written."""

    _tables = ("application", "case_key", *SEALED)

    def __enter__(self) -> None:
        for table in self._tables:
            op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        for table in SEALED:
            op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    def __exit__(self, *raised: object) -> None:
        if raised[0] is not None:
            return  # the transaction is undone, and this with it
        for table in SEALED:
            op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for table in self._tables:
            op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _give_keys() -> Mapping[UUID, DataKey]:
    """A key for every case; none is asked for where there is no case."""
    connection = op.get_bind()
    cases = connection.execute(sa.text("SELECT id, force_id FROM application")).all()
    if not cases:
        return {}
    service = key_service(settings())
    keys: dict[UUID, DataKey] = {}
    statement = sa.text(
        "INSERT INTO case_key (case_id, force_id, wrapped, public_half, vouched, made_at) "
        "VALUES (:case_id, :force_id, :wrapped, :public_half, :vouched, now())"
    )

    async def wrap(batch: Sequence[Any]) -> list[dict[str, Any]]:
        made = []
        for case in batch:
            key = keys[case.id] = DataKey.made()
            wrapped = await service.wrap(case.id, key.secret)
            made.append(
                {
                    "case_id": case.id,
                    "force_id": case.force_id,
                    "wrapped": wrapped.key,
                    "public_half": key.public_half,
                    "vouched": voucher(case.id, key.public_half, wrapped.key),
                }
            )
        return made

    for start in range(0, len(cases), BATCH):
        connection.execute(statement, _awaited(wrap(cases[start : start + BATCH])))
    return keys


def _held_keys() -> Mapping[UUID, DataKey]:
    held = op.get_bind().execute(sa.text("SELECT case_id, wrapped FROM case_key")).all()
    if not held:
        return {}
    ring = KeyRing(key_service(settings()), remembers=0)

    async def unwrap() -> dict[UUID, DataKey]:
        return {row.case_id: await ring.data_key(row.case_id, row.wrapped) for row in held}

    return _awaited(unwrap())


def _awaited(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: whoever migrates may be in a loop already."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()


def _seal(table: str, keys: Mapping[UUID, DataKey]) -> None:
    columns = _columns_of(table)
    for column in columns:
        op.add_column(table, sa.Column(f"{column.name}_sealed", sa.LargeBinary()))

    def sealed(row: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column in columns:
            value = getattr(row, column.name)
            text = json.dumps(value, ensure_ascii=False) if column.json and value is not None else value
            place = Place(row.case_id, row.id, f"{table}.{column.name}")
            found[f"{column.name}_sealed"] = None if text is None else keys[row.case_id].seal(text, place)
        if table == "forum_decision":
            found["consult_offender_manager"] = row.offender_management.get("already_managed") is not None
        return found

    names = [column.name for column in columns]
    # Each row is written once: a second time its foreign keys would be looked at again.
    facts = ["consult_offender_manager"] if table == "forum_decision" else []
    _rewrite(table, names, [*(f"{name}_sealed" for name in names), *facts], sealed)
    _same_number(table, names, [f"{name}_sealed" for name in names])


def _open(table: str, keys: Mapping[UUID, DataKey]) -> None:
    columns = _columns_of(table)

    def opened(row: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column in columns:
            envelope = getattr(row, f"{column.name}_sealed")
            if envelope is not None and row.case_id not in keys:
                raise RuntimeError("Texts of a case were erased with its key: this database cannot go back.")
            place = Place(row.case_id, row.id, f"{table}.{column.name}")
            found[column.name] = None if envelope is None else keys[row.case_id].open(envelope, place)
        if table == "disclosure":
            utf8 = found["words"].encode("utf-8")
            found |= {"sha256": hashlib.sha256(utf8).hexdigest(), "byte_length": len(utf8)}
        return found

    names = [column.name for column in columns]
    written = [*names, *(("sha256", "byte_length") if table == "disclosure" else ())]
    casts = {column.name: "::jsonb" for column in columns if column.json}
    _rewrite(table, [f"{name}_sealed" for name in names], written, opened, casts)
    _same_number(table, names, [f"{name}_sealed" for name in names])


def _rewrite(
    table: str,
    read: Sequence[str],
    written: Sequence[str],
    change: Callable[[Any], dict[str, Any]],
    casts: Mapping[str, str] = {},
) -> None:
    """Read every row in batches, in the order of ids, and write what becomes of it."""
    connection = op.get_bind()
    sets = ", ".join(f"{name} = CAST(:{name} AS jsonb)" if name in casts else f"{name} = :{name}" for name in written)
    update = sa.text(f"UPDATE {table} SET {sets} WHERE id = :row_id")
    for batch in _batches(table, read):
        connection.execute(update, [{**change(row), "row_id": row.id} for row in batch])


def _batches(table: str, read: Sequence[str]) -> Iterator[Sequence[Any]]:
    query = sa.text(
        f"SELECT id, case_id, {', '.join(read)} FROM {table} "
        "WHERE CAST(:after AS uuid) IS NULL OR id > :after ORDER BY id LIMIT :batch"
    )
    after = None
    while batch := op.get_bind().execute(query, {"after": after, "batch": BATCH}).all():
        yield batch
        after = batch[-1].id


def _same_number(table: str, clear: Sequence[str], sealed: Sequence[str]) -> None:
    """Raise where a text was lost on the way."""
    pairs = zip(clear, sealed, strict=True)
    differ = " OR ".join(f"({one} IS NULL) <> ({other} IS NULL)" for one, other in pairs)
    lost = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {table} WHERE {differ}")).scalar_one()
    if lost:
        raise RuntimeError(f"{table}: {lost} rows differ; nothing is changed")


def _drop_checks() -> None:
    for table, name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")


def _make_checks(*, sealed: bool) -> None:
    for table, name, rule in CHECKS:
        columns = {column.name: f"{column.name}_sealed" if sealed else column.name for column in _columns_of(table)}
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule.format(**columns))


def _columns() -> Iterator[tuple[str, list[Column]]]:
    for table in SEALED:
        yield table, _columns_of(table)


def _columns_of(table: str) -> list[Column]:
    return [Column(written) for written in SEALED[table].split()]
