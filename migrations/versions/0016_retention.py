"""How long closed cases are kept, their reviews, what freezes them, and erasing them.

Revision ID: 0016
Revises: 0015
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.storage.securing import OF_EVERY_FORCE, REACH, secure_case_table

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APP, WORKER, OWNER = "clares_law_app", "clares_law_worker", "clares_law_owner"
AUDITOR = "clares_law_auditor"
ACTS = (
    "retention_decision",
    "retention_agreement",
    "case_freeze",
    "freeze_lifting",
    "freeze_lifting_answer",
)
TABLES = ("retention", *ACTS, "erasure")
FREEZES = ("case_freeze", "freeze_lifting", "freeze_lifting_answer")
NEW_TASKS = ("review_due", "case_frozen")

SEALED = (
    "initial_decision",
    "initial_decision_agreement",
    "malicious_finding",
    "malicious_finding_agreement",
    "categorisation",
    "forum_decision",
    "decision_confirmation",
    "decision_return",
    "police_conclusion",
    "emergency_authority",
    "spent_authorisation",
    "delivery_clearance",
    "disclosure",
    "words_to_subject",
    "non_disclosure_notice",
    "non_completion",
    "not_completed",
    "withdrawal",
    "withdrawal_decision",
    "final_report",
    "closing",
)
"""Records whose rows stay as they were written: their free text goes with the key of the case."""

DELETED = (
    "alert_route",
    "answered_request",
    "case_key",
    "case_pointer",
    "event",
    "final_report_key",
    "outbox",
    "person_address",
    "person_alias",
    "person_version",
    "safe_contact",
    "sentence",
)

MARKED = {
    "agenda_item": "ended_reason",
    "assignment": "reason",
    "broken_glass": "reason ended_because",
    "case_access": "reason ended_because",
    "case_freeze": "reason",
    "case_of_note": "reason ended_because",
    "case_restriction": "reason",
    "conflict_of_interest": "reason",
    "contact_attempt": "means note",
    "crime_reference": "reference note",
    "deviation": "reason circumstances",
    "deviation_answer": "reason",
    "duty": "says answer",
    "face_to_face_meeting": "place officer public_protection_reason identity_verified_by details safeguarding_advice "
    "suitable_adult written_material_left",
    "forum_action": "what",
    "forum_action_answer": "note",
    "forum_minutes": "minutes",
    "freeze_lifting": "reason",
    "freeze_lifting_answer": "reason",
    "initial_contact": "taken_by why consent_reason received_from_detail veracity",
    "intelligence_submission": "system_named reference submitted_by what",
    "interim_plan": "keeps_safe contact",
    "item": "text owner",
    "item_agreement": "agreed_by reference conditions",
    "offender_management": "mappa integrated matac monitoring",
    "postponement": "investigator investigator_answer reason",
    "postponement_end": "reason",
    "referral": "note",
    "representations": "reason words",
    "representations_answer": "answer",
    "retention_agreement": "reason",
    "retention_decision": "reason",
    "risk_assessment": "override_reason options_considered agency_checks_considered",
    "risk_grade": "reason",
    "safeguarding_action": "action done_by",
    "safety_plan": "plan",
    "subject_deceased": "verified_by verified_how",
    "subject_identity": "record how",
    "support_given": "services",
    "system_check": "terms searched_by text",
    "task": "says answer",
    "transfer_acceptance": "note",
    "transfer_offer": "reason",
}
EMPTIED = {
    "draft": "typed",
    "initial_contact": "risk_indicators",
    "leaf": "erasable_salt",
    "party": "connection police_employment",
    "person": "given_names surname given_key surname_key pnc_id telephone email language access_needs",
    "risk_assessment": "answers",
    "subject_deceased": "died_on",
}
YEAR = {"person": "born", "proceeding": "conviction_date"}
KEPT = {
    "alert": "reference rung due_on",
    "application": "reference edition edition_version",
    "case_restriction": "leading_ranks",
    "clock": "reference edition edition_version source division calendar_version due_on target_on target_because",
    "clock_move": "was_calendar_version calendar_version was_due_on due_on why",
    "duty": "code rule",
    "erasure": "group_code keep_until",
    "forum_action": "owner_agency due_on",
    "initial_contact": "source_grading",
    "interim_plan": "clocks review_on",
    "leaf": "kind told salt",
    "party": "relationship",
    "person": "ethnicity part",
    "postponement": "review_on",
    "retention": "schedule group_code title source closed_on keep_until review_on",
    "retention_decision": "ground review_on",
    "risk_assessment": "tool tool_version",
    "safety_plan": "review_on",
    "system_check": "system",
    "task": "about",
    "transfer_offer": "reference",
}
"""Codes, references, versions and dates: of no person, or needed for figures (H12.4)."""

_PUBLIC_PROTECTION = (
    "public_protection",
    "Risk was high or immediate when the case closed",
    10,
    10,
    "APP, retention, review and disposal: public protection matters are reviewed every ten years",
)
_DISCLOSED = (
    "disclosed",
    "A disclosure was made",
    10,
    10,
    "APP, retention, review and disposal: violent and other serious offending, a ten-year clear period",
)
_OTHER = (
    "other",
    "Everything else",
    6,
    5,
    "APP, retention, review and disposal: all other matters, a six-year clear period, then reviewed every five years",
)


def upgrade() -> None:
    _make_tables()
    op.add_column("application", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("erased_when_closed", "application", "erased_at IS NULL OR stage = 'closed'")
    # Request keys, by which a demonstration knew its stories, are pruned from now on.
    op.add_column("installation", sa.Column("told", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.create_index(
        "ix_application_follows_id",
        "application",
        ["follows_id"],
        postgresql_where=sa.text("follows_id IS NOT NULL"),
    )
    _fill()
    _number()
    _secure()
    _keep_as_written_until_erased()
    _functions()
    _kinds_of_task([*_kinds(), *NEW_TASKS])
    _let_the_worker_review_and_prune()
    _rules()


def _make_tables() -> None:
    op.create_table(
        "retention",
        *_row(),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("schedule", "group_code", "title", "source")),
        sa.Column("mark", _enum("mark", "read", "secondary", "assumed"), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=False),
        sa.Column("keep_years", sa.Integer(), nullable=False),
        sa.Column("review_again_years", sa.Integer(), nullable=False),
        sa.Column("keep_until", sa.Date(), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=False),
        *_keys("retention"),
        sa.UniqueConstraint("case_id", name=op.f("uq_retention_case_id")),
        sa.CheckConstraint(
            "keep_until >= closed_on + make_interval(years => 6)", name=op.f("ck_retention_kept_six_years")
        ),
        sa.CheckConstraint("review_on >= keep_until", name=op.f("ck_retention_reviewed_no_sooner")),
    )
    op.create_index("ix_retention_review_on", "retention", ["review_on"])
    op.create_table(
        "retention_decision",
        *_act(),
        sa.Column("verdict", _enum("verdict", "keep", "erase"), nullable=False),
        sa.Column("ground", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=True),
        *_keys("retention_decision", recorded=True),
        sa.UniqueConstraint("id", "case_id", name=op.f("uq_retention_decision_id_case_id")),
        sa.CheckConstraint(
            "(verdict = 'keep') = (review_on IS NOT NULL)", name=op.f("ck_retention_decision_kept_until_a_day")
        ),
    )
    _answer("retention_agreement", "decision_id", "retention_decision")
    op.create_table(
        "case_freeze",
        *_act(),
        sa.Column("because", _enum("because", "death", "grave_harm", "legal_proceedings"), nullable=False),
        sa.Column("potential_victim_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        *_keys("case_freeze", recorded=True),
        sa.ForeignKeyConstraint(
            ["potential_victim_id", "case_id"], ["party.id", "party.case_id"], name="fk_case_freeze_potential_victim_id"
        ),
        sa.CheckConstraint(
            "because = 'legal_proceedings' OR potential_victim_id IS NOT NULL",
            name=op.f("ck_case_freeze_harm_came_to_somebody"),
        ),
    )
    op.create_table(
        "freeze_lifting",
        *_act(),
        sa.Column("freeze_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        *_keys("freeze_lifting", recorded=True),
        sa.ForeignKeyConstraint(["freeze_id"], ["case_freeze.id"], name=op.f("fk_freeze_lifting_freeze_id")),
    )
    op.create_index("ix_freeze_lifting_freeze_id", "freeze_lifting", ["freeze_id"])
    _answer("freeze_lifting_answer", "lifting_id", "freeze_lifting")
    op.create_table(
        "erasure",
        *_row(),
        sa.Column("group_code", sa.String(), nullable=False),
        sa.Column("keep_until", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.Uuid(), nullable=False)
            for name in ("decision_id", "decided_by", "agreement_id", "agreed_by")
        ),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        *_keys("erasure"),
        sa.ForeignKeyConstraint(["decision_id"], ["retention_decision.id"], name=op.f("fk_erasure_decision_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["staff_member.id"], name=op.f("fk_erasure_decided_by")),
        sa.ForeignKeyConstraint(["agreement_id"], ["retention_agreement.id"], name=op.f("fk_erasure_agreement_id")),
        sa.ForeignKeyConstraint(["agreed_by"], ["staff_member.id"], name=op.f("fk_erasure_agreed_by")),
        sa.UniqueConstraint("case_id", name=op.f("uq_erasure_case_id")),
    )
    for table in TABLES:
        op.create_index(f"ix_{table}_case_id", table, ["case_id"])
    op.create_table(
        "erasure_rule",
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("column_name", sa.String(), nullable=False),
        sa.Column(
            "becomes", _enum("becomes", "kept", "marked", "emptied", "year", "deleted", "sealed"), nullable=False
        ),
        sa.PrimaryKeyConstraint("table_name", "column_name", name=op.f("pk_erasure_rule")),
    )
    op.create_index("ix_answered_request_answered_at", "answered_request", ["answered_at"])
    op.create_index(
        "ix_outbox_settled",
        "outbox",
        [sa.text("coalesce(delivered_at, given_up_at)")],
        postgresql_where=sa.text("delivered_at IS NOT NULL OR given_up_at IS NOT NULL"),
    )


def _answer(table: str, about: str, asked: str) -> None:
    op.create_table(
        table,
        *_act(),
        sa.Column(about, sa.Uuid(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        *_keys(table, recorded=True),
        sa.ForeignKeyConstraint([about], [f"{asked}.id"], name=op.f(f"fk_{table}_{about}")),
        sa.UniqueConstraint(about, name=op.f(f"uq_{table}_{about}")),
    )


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True)


def _row() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("force_id", sa.String(), nullable=False),
    ]


def _act() -> list[sa.Column[Any]]:
    moments = ("occurred_at", "recorded_at")
    return [
        *_row(),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in moments),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
    ]


def _keys(table: str, *, recorded: bool = False) -> list[sa.Constraint]:
    by = [sa.ForeignKeyConstraint(["recorded_by"], ["staff_member.id"], name=op.f(f"fk_{table}_recorded_by"))]
    return [
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *(by if recorded else []),
        sa.ForeignKeyConstraint(
            ["case_id", "force_id"],
            ["application.id", "application.force_id"],
            name=f"fk_{table}_case",
            onupdate="CASCADE",
        ),
    ]


def _number() -> None:
    """Every row becomes a leaf of the tree, as those of other tables of a case do since 0015.

    Cases closed before were given their dates here, of then: they are numbered before the log, as all that is older.
    """
    op.execute(
        "INSERT INTO leaf_due (position, kind, record_id) OVERRIDING SYSTEM VALUE "
        "SELECT least(0, (SELECT min(position) FROM leaf_due)) - row_number() OVER (ORDER BY id), 'retention', id "
        "FROM retention"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER numbered AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION let_it_be_numbered()"
        )
        op.execute(f"GRANT SELECT ON {table} TO {WORKER}, {AUDITOR}")
        op.execute(f"CREATE POLICY audit ON {table} FOR SELECT TO {AUDITOR} USING (true)")


def _fill() -> None:
    """Cases closed before get their group and dates by the schedule of this release."""
    op.execute("ALTER TABLE application NO FORCE ROW LEVEL SECURITY")
    for (code, title, years, again, source), holds in (
        (_PUBLIC_PROTECTION, "outcome <> 'subject_deceased' AND (urgent_since IS NOT NULL OR current_grade = 'high')"),
        (_DISCLOSED, "outcome = 'disclosed'"),
        (_OTHER, "true"),
    ):
        # The 29th of February becomes the 1st of March: never a day too early.
        until = f"CASE WHEN to_char(day, 'MMDD') = '0229' THEN (day + 1 + interval '{years} years')::date "
        until += f"ELSE (day + interval '{years} years')::date END"
        op.get_bind().execute(
            sa.text(
                f"""
                INSERT INTO retention (id, case_id, force_id, schedule, group_code, title, source, mark, closed_on,
                    keep_years, review_again_years, keep_until, review_on)
                SELECT gen_random_uuid(), id, force_id, 'retention-2026', :code, :title, :source, 'secondary', day,
                    :years, :again, {until}, {until}
                FROM (
                    SELECT *, (closed_at AT TIME ZONE 'Europe/London')::date AS day FROM application
                    WHERE stage = 'closed'
                ) AS closed
                WHERE ({holds}) AND NOT EXISTS (SELECT FROM retention WHERE case_id = closed.id)
                """
            ),
            {"code": code, "title": title, "source": source, "years": years, "again": again},
        )
    op.execute("ALTER TABLE application FORCE ROW LEVEL SECURITY")


def _secure() -> None:
    """A force sees its own rows; that a case was erased is seen by whoever may ask of every force, and only made here.

    The auditor sees which cases have a key, and no key: an export names a case that lost its own without an erasure.
    """
    op.execute(f"GRANT SELECT (case_id) ON case_key TO {AUDITOR}")
    op.execute(f"CREATE POLICY audit ON case_key FOR SELECT TO {AUDITOR} USING (true)")
    for table in TABLES:
        secure_case_table(table, read=OF_EVERY_FORCE if table == "erasure" else REACH)
        op.execute(f"GRANT SELECT ON {table} TO {APP}")
        if table != "erasure":
            op.execute(f"GRANT INSERT ON {table} TO {APP}")
    op.execute(f"GRANT UPDATE (review_on) ON retention TO {APP}")
    for table in FREEZES:
        op.execute(f"CREATE POLICY owner_reads ON {table} FOR SELECT TO {OWNER} USING (true)")
    erasing = "nullif(current_setting('app.erasing', true), '')::uuid"
    for table in _of_a_case():
        mine = "id" if table == "application" else "case_id"
        own = f"{mine} = {erasing}" + (f" OR joined_id = {erasing}" if table == "draft" else "")
        op.execute(f"CREATE POLICY erasing ON {table} TO {OWNER} USING ({own}) WITH CHECK ({own})")
    # Of a leaf goes the salt of what goes: it holds no record of the case, and no force.
    op.execute(f"CREATE POLICY erasing ON leaf TO {OWNER} USING (case_id = {erasing}) WITH CHECK (case_id = {erasing})")


def _keep_as_written_until_erased() -> None:
    """What is no sealed record is kept as written too, but for the one function that erases a case."""
    op.execute(
        f"""
        CREATE FUNCTION refuse_change_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'force_id' = to_jsonb(NEW) - 'force_id' THEN
                RETURN NEW;
            END IF;
            IF current_user = '{OWNER}' AND current_setting('app.erasing', true) = OLD.case_id::text
                AND EXISTS (SELECT FROM erasure WHERE case_id = OLD.case_id) THEN
                RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
            END IF;
            RAISE EXCEPTION '% is kept as it was written: a correction is a new record', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in _kept_by("refuse_change"):
        if table not in SEALED:
            op.execute(f"DROP TRIGGER kept_as_written ON {table}")
            _keep(table, "refuse_change_but_erasure")
    for table in ACTS:
        _keep(table, "refuse_change_but_erasure")
    op.execute("DROP TRIGGER kept_as_written ON leaf")
    _keep("leaf", "refuse_change_but_erasure")
    _keep("erasure", "refuse_change")
    for table in (*ACTS, "erasure"):
        op.execute(
            f"CREATE TRIGGER kept_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _keep(table: str, function: str, but: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER kept_as_written BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}({but})"
    )


def _kept_by(function: str) -> list[str]:
    """Tables of a case whose rows a function keeps as written."""
    kept = _named(
        "SELECT tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
        f"WHERE tgname = 'kept_as_written' AND proname = '{function}'"
    )
    return [table for table in kept if table in _of_a_case()]


def _functions() -> None:
    op.execute(
        """
        CREATE FUNCTION case_is_frozen(asked uuid) RETURNS boolean
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
            SELECT EXISTS (
                SELECT FROM case_freeze WHERE case_id = asked AND NOT EXISTS (
                    SELECT FROM freeze_lifting lifting
                    JOIN freeze_lifting_answer answer ON answer.lifting_id = lifting.id
                    WHERE lifting.freeze_id = case_freeze.id AND answer.agrees
                    AND answer.recorded_by <> lifting.recorded_by
                )
            )
        $$
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION erased_for_good() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- What is worked out is not yet there.
            IF OLD.erased_at IS NOT NULL AND to_jsonb(OLD) - ARRAY['version', 'force_id', 'risk_rank']
                <> to_jsonb(NEW) - ARRAY['version', 'force_id', 'risk_rank'] THEN
                RAISE EXCEPTION 'an erased case stays as it is' USING ERRCODE = 'restrict_violation';
            END IF;
            IF OLD.erased_at IS NULL AND (current_user <> '{OWNER}' OR case_is_frozen(OLD.id)
                OR NOT EXISTS (SELECT FROM erasure WHERE case_id = OLD.id)) THEN
                RAISE EXCEPTION 'a case is erased by two people, and never a frozen one'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER erased_for_good BEFORE UPDATE ON application FOR EACH ROW "
        "WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL) EXECUTE FUNCTION erased_for_good()"
    )
    op.execute(
        """
        CREATE FUNCTION key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF case_is_frozen(OLD.case_id) THEN
                RAISE EXCEPTION 'the key of a frozen case stays' USING ERRCODE = 'restrict_violation';
            END IF;
            IF NOT EXISTS (SELECT FROM erasure WHERE case_id = OLD.case_id) THEN
                RAISE EXCEPTION 'the key of a case goes with its erasure alone' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        END $$
        """
    )
    op.execute("CREATE TRIGGER key_stays BEFORE DELETE ON case_key FOR EACH ROW EXECUTE FUNCTION key_stays()")
    op.execute(
        "CREATE TRIGGER keys_stay BEFORE TRUNCATE ON case_key FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(_ERASE)
    op.execute("REVOKE ALL ON FUNCTION erase_case, case_is_frozen FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION erase_case TO {APP}")


_WITHOUT_A_RULE = """
    SELECT class.relname || '.' || attribute.attname
    FROM pg_attribute attribute
    JOIN pg_class class ON class.oid = attribute.attrelid
    JOIN pg_type type ON type.oid = attribute.atttypid
    WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p')
    AND attribute.attnum > 0 AND NOT attribute.attisdropped
    AND (class.relname = 'application' OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = class.oid AND attname = 'case_id' AND NOT attisdropped
    ))
    AND class.relname <> 'access_log'
    AND (type.typcategory = 'A' OR type.typname IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', 'date'))
    AND NOT EXISTS (
        SELECT FROM pg_constraint WHERE conrelid = class.oid AND (
            conname = 'ck_' || class.relname || '_' || attribute.attname
            OR contype = 'f' AND attribute.attnum = ANY (conkey)
        )
    )
    AND NOT EXISTS (
        SELECT FROM erasure_rule WHERE table_name = class.relname AND column_name IN ('*', attribute.attname)
    )
    ORDER BY 1 LIMIT 1
"""
"""Of each case's tables, the first column that could tell of a person and is no enum and no reference."""

NUMBERING = 7301965
_ERASE = f"""
CREATE FUNCTION erase_case(asked uuid, agreed uuid, today date, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET row_security = on AS $$
DECLARE
    held application%ROWTYPE;
    kept retention%ROWTYPE;
    decided retention_decision%ROWTYPE;
    second retention_agreement%ROWTYPE;
    forgotten text;
    rule record;
BEGIN
    -- The lock of whoever numbers: nothing is numbered meanwhile, so that no leaf of what goes is made afterwards.
    PERFORM pg_advisory_xact_lock({NUMBERING});
    PERFORM set_config('app.erasing', asked::text, true);
    SELECT * INTO held FROM application WHERE id = asked FOR UPDATE;
    -- Made in this transaction, and so by somebody in whose reach the case is.
    SELECT * INTO second FROM retention_agreement
    WHERE id = agreed AND case_id = asked AND agrees AND xmin = pg_current_xact_id()::xid;
    SELECT * INTO decided FROM retention_decision
    WHERE id = second.decision_id AND case_id = asked AND verdict = 'erase';
    SELECT * INTO kept FROM retention WHERE case_id = asked;
    IF held.stage IS DISTINCT FROM 'closed' OR held.erased_at IS NOT NULL THEN
        RAISE EXCEPTION 'only a closed case is erased, and once' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (decided.recorded_by <> second.recorded_by) IS NOT TRUE THEN
        RAISE EXCEPTION 'a case is erased by two people' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (today >= kept.keep_until AND today >= kept.review_on) IS NOT TRUE OR (
        EXISTS (SELECT FROM installation WHERE kind = 'production')
        AND (clock_timestamp() AT TIME ZONE 'Europe/London')::date < greatest(kept.keep_until, kept.review_on)
    ) THEN
        RAISE EXCEPTION 'the case is kept longer' USING ERRCODE = 'restrict_violation';
    END IF;
    IF case_is_frozen(asked) THEN
        RAISE EXCEPTION 'the case is frozen' USING ERRCODE = 'restrict_violation';
    END IF;
    forgotten := ({_WITHOUT_A_RULE});
    IF forgotten IS NOT NULL THEN
        RAISE EXCEPTION 'no rule says what becomes of %', forgotten USING ERRCODE = 'restrict_violation';
    END IF;

    INSERT INTO erasure (id, case_id, force_id, group_code, keep_until, decision_id, decided_by, agreement_id,
        agreed_by, erased_at)
    VALUES (gen_random_uuid(), asked, held.force_id, kept.group_code, kept.keep_until, decided.id,
        decided.recorded_by, second.id, second.recorded_by, at);
    UPDATE application SET erased_at = at WHERE id = asked;
    -- The year of birth is kept of potential victims alone, for figures by age (H12.4).
    UPDATE person SET born = CASE WHEN victim THEN born END, born_estimated = victim AND born IS NOT NULL
    FROM (
        SELECT one.id AS of, bool_or(coalesce(party.role = 'potential_victim', false)) AS victim
        FROM person one LEFT JOIN party ON party.person_id = one.id WHERE one.case_id = asked GROUP BY one.id
    ) AS parts
    WHERE person.id = parts.of;
    UPDATE draft SET typed = '{{}}' WHERE joined_id = asked;
    DELETE FROM answered_request WHERE asked IN (case_id, resource_id, opened_id);
    FOR rule IN
        SELECT table_name, becomes = 'deleted' AS deleted, string_agg(
            format('%I = ', column_name) || CASE
                WHEN becomes = 'year' THEN format('date_trunc(''year'', %I)::date', column_name)
                WHEN becomes = 'emptied' AND NOT attribute.attnotnull THEN 'NULL'
                WHEN becomes = 'emptied' THEN format(
                    'CASE jsonb_typeof(%I) WHEN ''array'' THEN ''[]''::jsonb ELSE ''{{}}''::jsonb END', column_name
                )
                ELSE format('CASE WHEN %I IS NOT NULL THEN ''[erased]'' END', column_name)
            END, ', '
        ) AS changes
        FROM erasure_rule LEFT JOIN pg_attribute attribute
            ON attribute.attrelid = to_regclass('public.' || quote_ident(table_name))
            AND attribute.attname = column_name
        WHERE becomes IN ('marked', 'emptied', 'year', 'deleted')
        AND to_regclass('public.' || quote_ident(table_name)) IS NOT NULL
        GROUP BY 1, 2 ORDER BY 1
    LOOP
        IF rule.deleted THEN
            IF EXISTS (SELECT FROM pg_trigger WHERE tgname = 'numbered' AND tgrelid = rule.table_name::regclass) THEN
                EXECUTE format(
                    'DELETE FROM leaf_due WHERE record_id IN (SELECT id FROM %I WHERE case_id = $1)', rule.table_name
                ) USING asked;
            END IF;
            EXECUTE format('DELETE FROM %I WHERE case_id = $1', rule.table_name) USING asked;
        ELSE
            EXECUTE format('UPDATE %I SET %s WHERE case_id = $1', rule.table_name, rule.changes) USING asked;
        END IF;
    END LOOP;
    PERFORM set_config('app.erasing', '', true);
END $$
"""


def _kinds() -> list[str]:
    """The kinds of task that the database knows."""
    (definition,) = _named("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_task_kind'")
    return definition.split("'")[1::2]


def _kinds_of_task(kinds: Sequence[str]) -> None:
    op.drop_constraint(op.f("ck_task_kind"), "task", type_="check")
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_task_kind"), "task", f"kind IN ({listed})")


def _let_the_worker_review_and_prune() -> None:
    """It deletes what only served to send a message or recognise a request; what it reviews by it reads already.

    It counts the cases whose key is gone without an erasure, too, every ten minutes (`app/retention/held_keys.py`):
    somebody got past the triggers.
    """
    op.execute(f"GRANT SELECT (staff_id, key, answered_at) ON answered_request TO {WORKER}")
    op.execute(f"GRANT DELETE ON answered_request, outbox TO {WORKER}")


def _rules() -> None:
    rules = [{"of": table, "part": "*", "becomes": "sealed"} for table in SEALED]
    rules += [{"of": table, "part": "*", "becomes": "deleted"} for table in DELETED]
    for becomes, columns in (("marked", MARKED), ("emptied", EMPTIED), ("year", YEAR), ("kept", KEPT)):
        for table, names in columns.items():
            rules += [{"of": table, "part": name, "becomes": becomes} for name in names.split()]
    op.get_bind().execute(sa.text("INSERT INTO erasure_rule VALUES (:of, :part, :becomes)"), rules)


def downgrade() -> None:
    for table in _of_a_case():
        op.execute(f"DROP POLICY IF EXISTS erasing ON {table}")
    op.execute(f"REVOKE DELETE ON answered_request, outbox FROM {WORKER}")
    op.execute(f"REVOKE SELECT (staff_id, key, answered_at) ON answered_request FROM {WORKER}")
    op.execute("ALTER TABLE task NO FORCE ROW LEVEL SECURITY")
    op.execute(f"DELETE FROM task WHERE kind IN ({', '.join(repr(kind) for kind in NEW_TASKS)})")
    op.execute("ALTER TABLE task FORCE ROW LEVEL SECURITY")
    _kinds_of_task([kind for kind in _kinds() if kind not in NEW_TASKS])
    op.execute("DROP TRIGGER erased_for_good ON application")
    op.execute("DROP FUNCTION erase_case")
    op.execute("DROP FUNCTION erased_for_good")
    op.execute("DROP POLICY audit ON case_key")
    op.execute(f"REVOKE SELECT (case_id) ON case_key FROM {AUDITOR}")
    op.execute("DROP TRIGGER keys_stay ON case_key")
    op.execute("DROP FUNCTION key_stays CASCADE")
    for table in _kept_by("refuse_change_but_erasure"):
        op.execute(f"DROP TRIGGER kept_as_written ON {table}")
        _keep(table, "refuse_change")
    op.execute("DROP TRIGGER kept_as_written ON leaf")
    _keep("leaf", "refuse_change_but", "''")
    op.execute("DROP POLICY erasing ON leaf")
    op.execute("DROP FUNCTION case_is_frozen")
    op.execute("DROP FUNCTION refuse_change_but_erasure")
    op.drop_index("ix_application_follows_id", table_name="application")
    op.drop_constraint(op.f("ck_application_erased_when_closed"), "application", type_="check")
    op.drop_column("installation", "told")
    op.drop_column("application", "erased_at")
    op.drop_index("ix_outbox_settled", table_name="outbox")
    op.drop_index("ix_answered_request_answered_at", table_name="answered_request")
    op.drop_table("erasure_rule")
    for table in reversed(TABLES):
        op.execute(f"DELETE FROM leaf_due WHERE kind = '{table}'")
        op.drop_table(table)


def _of_a_case() -> list[str]:
    """The case itself and every table whose rows carry both keys of one, but for the log, which outlives the case."""
    return [
        "application",
        *_named(
            "SELECT table_name FROM information_schema.columns JOIN pg_class ON relname = table_name "
            "WHERE table_schema = 'public' AND relkind = 'r' AND relrowsecurity "
            "AND column_name IN ('case_id', 'force_id') AND table_name <> 'access_log' "
            "GROUP BY table_name HAVING count(*) = 2"
        ),
    ]


def _named(query: str) -> list[str]:
    return sorted(row[0] for row in op.get_bind().exec_driver_sql(query))
