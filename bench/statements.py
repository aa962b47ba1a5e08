"""What the service sends for each of the requests that have a floor, by hand and in its order.

`python -m bench --statements` prints what the service itself sends. Each run compares the two and says where this
page has fallen behind.
"""

import re
from collections.abc import Iterable

ACTOR = """
    SELECT staff_member.id, staff_member.name, staff_member.roles, staff_member.force_id, staff_member.agency_id,
        coalesce(staff_member.force_id, agency.force_id) AS serves_force_id, staff_member.rank,
        CASE
            WHEN staff_member.force_id IS NULL OR staff_member.roles && '{forum_chair,forum_member}'
            THEN agenda_of(staff_member.id, NULL)
        END AS agenda, staff_member.active
    FROM staff_member LEFT JOIN agency ON agency.id = staff_member.agency_id
    WHERE staff_member.subject = %(subject)s
"""
CONTEXT = """
    SELECT set_config('app.force_id', %(force_id)s, true), set_config('app.agenda', seen.glass::text, true),
        set_config('app.national', '', true), set_config('app.staff_id', '', true),
        set_config('app.sees', 'see_applicant,see_contact,see_route,see_subject_record', true),
        set_config('app.asks', %(id)s::text, true), set_config('app.glass', seen.glass::text, true), seen.glass,
        seen.glass_until, set_config('app.withheld_by_name', coalesce(seen.withheld::text, ''), true),
        set_config('app.withheld', coalesce((seen.withheld || seen.not_sampled)::text, ''), true)
    FROM seen_by(%(id)s, %(force_id)s, '{}', false, false, '{}', %(roles)s::text[]) AS seen
"""
LOG = """
    INSERT INTO access_log (id, category, action, refused, staff_id, organisation, force_id, reader_force_id, case_id,
        event_id, recipient, request_id, role, fields, decision, rule, reason)
    VALUES (%(id)s, %(category)s, %(action)s, false, %(staff_id)s, %(force_id)s, %(force_id)s, %(force_id)s,
        %(case_id)s, NULL, NULL, %(request_id)s, %(role)s, %(fields)s::text[], 'allowed', %(rule)s, NULL)
"""
INDIVIDUALS = """
    INSERT INTO access_log_individual (log_id, case_id, person_id)
    SELECT %(id)s, case_id, person_id FROM unnest(%(cases)s::uuid[], %(persons)s::uuid[]) AS one (case_id, person_id)
"""
LISTED = "INSERT INTO access_log_case (log_id, case_id) SELECT %(id)s, unnest(%(cases)s::uuid[])"

_CASE_COLUMNS = """
    application.id, application.force_id, application.reference, application.route, application.stage,
    application.edition, application.edition_version, application.version, application.first_contact_at,
    application.first_contact_recorded_at, application.whole_case_from, application.prioritised,
    application.urgent_since, application.current_grade, application.graded_at, application.risk_rank,
    application.pressing_at, application.police_involved, application.subject_identified_at, application.assigned_to,
    application.created_at, application.created_by, application.outcome, application.closed_at, application.erased_at,
    application.follows_id, application.follows_because
"""
_ENTERED = """
    EXISTS (
        SELECT FROM case_access
        WHERE case_access.case_id = application.id AND case_access.staff_id = %(asks)s
            AND case_access.kind = '{kind}' AND case_access.ended_at IS NULL
    )
"""
CASE = f"""
    SELECT {_CASE_COLUMNS}, restriction.id IS NOT NULL AS restricted, {_ENTERED.format(kind="allowed")} AS allowed,
        {_ENTERED.format(kind="excluded")} AS excluded,
        CASE
            WHEN restriction.id IS NOT NULL
            THEN %(asks)s IN (SELECT leaders_of(application.id, application.force_id, restriction.leading_ranks))
            ELSE false
        END AS leads
    FROM application LEFT JOIN case_restriction AS restriction ON restriction.case_id = application.id
    WHERE application.id = %(case_id)s
"""
CLOCKS = """
    SELECT id, case_id, force_id, kind, reference, edition, edition_version, starts_from, hours, working_days,
        calendar_days, mark, source, division, calendar_version, started_at, projected, due_on, due_at, risk,
        risk_since, target_on, target_at, target_because, deviates, met_at, met_recorded_at, ended_at, ended_because,
        next_alert_at, swept_to, move_again_at
    FROM clock WHERE case_id = %(case_id)s
"""
CLOCKS_TO_CHANGE = f"{CLOCKS} ORDER BY id FOR UPDATE"
CASE_PARTS = {
    "persons": """
        SELECT person.id, given_names, surname, born, born_estimated, gender, ethnicity, pnc_id, telephone, email,
            language, interpreter_needed, access_needs,
            (
                SELECT coalesce(json_agg(person_alias ORDER BY recorded_at), '[]')
                FROM person_alias WHERE person_id = person.id
            ) AS aliases,
            (
                SELECT coalesce(json_agg(person_address ORDER BY recorded_at), '[]')
                FROM person_address WHERE person_id = person.id
            ) AS addresses,
            (
                SELECT coalesce(json_agg(safe_contact ORDER BY recorded_at), '[]')
                FROM safe_contact WHERE person_id = person.id
            ) -> -1 AS safe_contact
        FROM person_shown AS person WHERE case_id = %(case_id)s
    """,
    "parties": """
        SELECT id, case_id, force_id, person_id, role, is_applicant, relationship, relationship_ended, connection,
            police_employment
        FROM party WHERE case_id = %(case_id)s
    """,
    "clocks": CLOCKS,
    "duties": """
        SELECT id, case_id, force_id, kind, code, says, rule, potential_victim_id, about_id, opened_at, opened_by,
            answered_at, answered_by, answer
        FROM duty WHERE case_id = %(case_id)s AND answered_at IS NULL ORDER BY opened_at, id
    """,
    "stands": """
        SELECT
            (
                SELECT result FROM subject_identity WHERE case_id = %(case_id)s AND result <> 'confirmed'
                ORDER BY recorded_at DESC LIMIT 1
            ) AS unconfirmed,
            EXISTS (
                SELECT FROM duty
                WHERE case_id = %(case_id)s AND answered_at IS NULL AND kind = 'immediate_safeguarding'
            ) AS immediate_safeguarding_owed,
            EXISTS (
                SELECT FROM initial_decision AS made
                LEFT JOIN initial_decision_agreement AS agreed ON agreed.decision_id = made.id
                WHERE made.case_id = %(case_id)s AND made.decision = 'do_not_progress' AND agreed.id IS NULL
            ) AS agreement_awaited
    """,
    "searched": "SELECT id, role FROM party WHERE case_id = %(case_id)s ORDER BY id",
    "checks": """
        SELECT system, party_id, result, visor_marker, occurred_at, recorded_at
        FROM system_check WHERE case_id = %(case_id)s AND occurred_at >= %(first_contact_at)s
    """,
    "meetings": """
        SELECT face_to_face_meeting.occurred_at
        FROM face_to_face_meeting JOIN party ON party.id = face_to_face_meeting.party_id
        WHERE face_to_face_meeting.case_id = %(case_id)s AND party.is_applicant
    """,
    "withdrawal": """
        SELECT id, case_id, force_id, occurred_at, recorded_at, recorded_by, by_safe_means, duress_suspected
        FROM withdrawal WHERE case_id = %(case_id)s ORDER BY recorded_at DESC LIMIT 1
    """,
    "interim plans": """
        SELECT party.id, interim_plan.clocks, interim_plan.review_on
        FROM party LEFT JOIN interim_plan ON interim_plan.potential_victim_id = party.id
        WHERE party.case_id = %(case_id)s AND party.role = 'potential_victim' ORDER BY interim_plan.recorded_at
    """,
    "around": """
        SELECT
            (SELECT name FROM staff_member WHERE id = %(assigned_to)s) AS assigned_name,
            (
                SELECT coalesce(json_agg(later), '[]')
                FROM (
                    SELECT id, reference, follows_because AS because FROM application WHERE follows_id = %(case_id)s
                ) AS later
            ) AS followed_by
    """,
    "risk": """
        SELECT id, case_id, force_id, occurred_at, recorded_at, recorded_by, potential_victim_id, grade, immediate,
            reason, (SELECT person_id FROM party WHERE party.id = risk_grade.case_id) AS person_of_case_id,
            (SELECT person_id FROM party WHERE party.id = risk_grade.potential_victim_id) AS person_of_victim_id
        FROM risk_grade WHERE case_id = %(case_id)s ORDER BY recorded_at, id
    """,
}
"""What a case file is made of, by the name under which the floor answers it; of a late case, as most of them are."""

WORKLIST = """
    SELECT application.id, application.reference, application.route, application.stage, application.current_grade,
        application.assigned_to, application.first_contact_at, application.risk_rank, application.pressing_at,
        application.urgent_since IS NOT NULL AS urgent, staff_member.name AS assigned_name, next.next_clock,
        next.next_due_at, next.next_target_at,
        EXISTS (
            SELECT FROM clock
            WHERE clock.case_id = application.id AND clock.met_at IS NULL AND clock.ended_at IS NULL
                AND clock.due_at < %(now)s AND NOT clock.projected
        ) AS overdue
    FROM application
    LEFT JOIN LATERAL (
        SELECT clock.kind AS next_clock, clock.due_at AS next_due_at, clock.target_at AS next_target_at
        FROM clock
        WHERE clock.case_id = application.id AND clock.met_at IS NULL AND clock.ended_at IS NULL
        ORDER BY least(clock.due_at, clock.target_at) LIMIT 1
    ) AS next ON true
    LEFT JOIN staff_member ON staff_member.id = application.assigned_to
    WHERE application.force_id = %(force_id)s AND application.first_contact_at IS NOT NULL
        AND application.erased_at IS NULL AND application.stage NOT IN ('intake', 'closed')
    ORDER BY application.risk_rank, application.pressing_at, application.id LIMIT 51
"""
SEARCH = """
    SELECT application.reference, application.route, application.stage, application.outcome, person.given_names,
        person.surname, person.born, party.role, application.id AS case_id, person.id AS person_id
    FROM application JOIN party ON party.case_id = application.id
    JOIN person ON person.id = party.person_id AND person.case_id = party.case_id
    WHERE application.erased_at IS NULL AND person.id IN (
        SELECT id FROM person WHERE surname_key = %(key)s
        UNION SELECT person_id FROM person_alias WHERE surname_key = %(key)s
    )
    ORDER BY application.first_contact_at DESC, application.id, party.role LIMIT 100
"""

CLAIM_KEY = """
    INSERT INTO answered_request (staff_id, key, fingerprint, answered_at)
    VALUES (%(staff_id)s, %(key)s, %(fingerprint)s, %(now)s) ON CONFLICT DO NOTHING RETURNING key
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
POINTED_AT = """
    SELECT DISTINCT case_pointer.case_id, case_pointer.role, case_pointer.force_id, case_pointer.reference,
        case_pointer.withheld, force.name AS force, application.id AS own_case_id, application.stage, application.route
    FROM case_pointer JOIN force ON force.id = case_pointer.force_id
    LEFT JOIN application ON application.id = case_pointer.case_id
    WHERE case_pointer.match_key IN (%(subject_key)s, %(victim_key)s)
        AND case_pointer.case_id IS DISTINCT FROM NULL
    ORDER BY case_pointer.reference LIMIT 100
"""
OPEN_CASES_OF_PAIR = """
    SELECT DISTINCT application.id
    FROM application
    JOIN case_pointer AS subject ON subject.case_id = application.id
    JOIN case_pointer AS victim ON victim.case_id = application.id
    WHERE application.force_id = %(force_id)s AND application.stage NOT IN ('intake', 'final_report', 'closed')
        AND subject.role = 'subject' AND subject.match_key = %(subject_key)s
        AND victim.role = 'potential_victim' AND victim.match_key = %(victim_key)s
    ORDER BY application.id
"""
OPEN_CASE = """
    INSERT INTO application (id, force_id, reference, route, stage, edition, edition_version, version,
        first_contact_at, first_contact_recorded_at, whole_case_from, prioritised, urgent_since, current_grade,
        graded_at, pressing_at, police_involved, subject_identified_at, assigned_to, created_at, created_by, outcome,
        closed_at, erased_at, follows_id, follows_because)
    VALUES (%(case_id)s, %(force_id)s, %(reference)s, %(route)s, 'initial_checks', 'statutory-2023',
        %(edition_version)s, 1, %(occurred_at)s, %(now)s, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL,
        %(now)s, %(staff_id)s, NULL, NULL, NULL, NULL, NULL)
    RETURNING risk_rank
"""
PERSON = """
    INSERT INTO person (id, case_id, force_id, part, given_names, surname, given_key, surname_key, born, born_estimated,
        gender, ethnicity, pnc_id, telephone, email, language, interpreter_needed, access_needs)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(part)s, %(given_names)s, %(surname)s, %(given_key)s, %(surname_key)s,
        %(born)s, false, %(gender)s, NULL, NULL, NULL, NULL, NULL, false, NULL)
"""
ADDRESS = """
    INSERT INTO person_address (id, case_id, force_id, person_id, part, address, lived_from, lived_to, recorded_at)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(person_id)s, 'subject', %(address)s, NULL, NULL, %(now)s)
"""
PARTY = """
    INSERT INTO party (id, case_id, force_id, person_id, role, is_applicant, relationship, relationship_ended,
        connection, police_employment)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(person_id)s, %(role)s, %(is_applicant)s, %(relationship)s,
        %(relationship_ended)s, NULL, NULL)
"""
SAFE_CONTACT = """
    INSERT INTO safe_contact (id, case_id, force_id, person_id, part, place, means, times, approach_plan, recorded_at,
        recorded_by)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(person_id)s, 'potential_victim', %(place)s, %(means)s, %(times)s, NULL,
        %(now)s, %(staff_id)s)
"""
RESTRICTED = "SELECT id FROM case_restriction WHERE case_id = %(case_id)s"
POINTER = """
    INSERT INTO case_pointer (case_id, role, match_key, force_id, reference, withheld)
    VALUES (%(case_id)s, %(role)s, %(match_key)s, %(force_id)s, %(reference)s, false) ON CONFLICT DO NOTHING
"""
LOCK_ACCOUNTS = "SELECT pg_advisory_xact_lock_shared(hashtextextended('clares-law.accounts', 0))"
NAMES = """
    SELECT person.id, person.given_names, person.surname, person.born, person.born_estimated, party.role
    FROM person JOIN party ON party.person_id = person.id AND party.case_id = person.case_id
    WHERE person.case_id = %(case_id)s
"""
OTHER_NAMES = "SELECT person_id, given_names, surname FROM person_alias WHERE case_id = %(case_id)s"
ACCOUNTS = """
    SELECT id, name_keys, born FROM staff_member WHERE name_keys && %(surnames)s OR born = %(born)s
"""
EVENT = """
    INSERT INTO event (id, case_id, force_id, occurred_at, recorded_at, recorded_by, kind, sentence, about_id)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(now)s, %(now)s, %(staff_id)s, 'opened', %(sentence)s, NULL)
"""
HOLD_KEYS = "LOCK TABLE case_key IN ROW EXCLUSIVE MODE"
CASE_KEY = """
    INSERT INTO case_key (case_id, force_id, wrapped, public_half, vouched, made_at)
    VALUES (%(case_id)s, %(force_id)s, %(wrapped)s, %(public_half)s, %(vouched)s, %(now)s) ON CONFLICT DO NOTHING
"""
RISK_GRADE = """
    INSERT INTO risk_grade (id, case_id, force_id, occurred_at, recorded_at, recorded_by, potential_victim_id, grade,
        immediate, reason)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(occurred_at)s, %(now)s, %(staff_id)s, NULL, %(grade)s, false,
        %(reason)s)
"""
INITIAL_CONTACT = """
    INSERT INTO initial_contact (id, case_id, force_id, occurred_at, recorded_at, recorded_by, channel, taken_by, why,
        risk_indicators, consent_to_share, consent_reason, received_from, received_from_detail, source_grading,
        veracity)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(occurred_at)s, %(now)s, %(staff_id)s, %(channel)s, %(taken_by)s,
        %(why)s, %(risk_indicators)s, %(consent_to_share)s, NULL, NULL, NULL, NULL, NULL)
"""
GRADES = """
    SELECT party.id, risk_grade.potential_victim_id, risk_grade.grade, risk_grade.occurred_at
    FROM party LEFT JOIN risk_grade ON risk_grade.case_id = party.case_id
        AND (risk_grade.potential_victim_id = party.id OR risk_grade.potential_victim_id IS NULL)
    WHERE party.case_id = %(case_id)s AND party.role = 'potential_victim'
    ORDER BY risk_grade.occurred_at, risk_grade.recorded_at
"""
CURRENT_GRADE = """
    UPDATE application SET current_grade = %(grade)s, graded_at = %(occurred_at)s WHERE id = %(case_id)s
"""
FORCE = "SELECT division FROM force WHERE id = %(force_id)s"
CALENDAR = """
    SELECT version FROM holiday_calendar WHERE division = %(division)s
"""
CLOCK = """
    INSERT INTO clock (id, case_id, force_id, kind, reference, edition, edition_version, starts_from, hours,
        working_days, calendar_days, mark, source, division, calendar_version, started_at, projected, due_on, due_at,
        risk, risk_since, target_on, target_at, target_because, deviates, met_at, met_recorded_at, ended_at,
        ended_because, next_alert_at, swept_to, move_again_at)
    VALUES (%(id)s, %(case_id)s, %(force_id)s, %(kind)s, %(reference)s, 'statutory-2023', %(edition_version)s,
        %(starts_from)s, %(hours)s, %(working_days)s, %(calendar_days)s, 'assumed', %(source)s, %(division)s,
        %(calendar_version)s, %(occurred_at)s, %(projected)s, %(due_on)s, %(due_at)s, %(grade)s, %(occurred_at)s,
        NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, %(next_alert_at)s, NULL, NULL)
"""
REMEMBER = """
    UPDATE answered_request SET case_id = %(case_id)s, resource_id = %(case_id)s, opened_id = NULL
    WHERE staff_id = %(staff_id)s AND key = %(key)s
"""

ENTERING = (ACTOR, CONTEXT)
BY_REQUEST = {
    "case file": (*ENTERING, CASE, *CASE_PARTS.values(), LOG, INDIVIDUALS),
    "worklist": (*ENTERING, WORKLIST, LOG, LISTED),
    "search": (*ENTERING, SEARCH, LOG, INDIVIDUALS),
    "opening": (
        *ENTERING,
        *(CLAIM_KEY, LOCK, CONTEXT, POINTED_AT, OPEN_CASES_OF_PAIR, OPEN_CASE),
        *(EVENT, HOLD_KEYS, CASE_KEY, PERSON, PARTY, PERSON, ADDRESS, PARTY, SAFE_CONTACT, RESTRICTED, POINTER),
        *(LOCK_ACCOUNTS, NAMES, OTHER_NAMES, ACCOUNTS, ACCOUNTS),
        *(RISK_GRADE, INITIAL_CONTACT, GRADES, CURRENT_GRADE, CLOCKS_TO_CHANGE),
        *(FORCE, CALENDAR, CLOCKS_TO_CHANGE, CLOCK, CLOCKS, REMEMBER, LOG, INDIVIDUALS),
    ),
}
"""The statements of each request, in order; an insert of several rows counts once."""


def gist(statement: str) -> str:
    """What a statement does to which table, or which function it calls."""
    called = re.match(r"\s*SELECT\s+(set_config|pg_\w+)", statement)
    if called:
        return f"SELECT {called[1]}"
    changed = re.match(r"\s*(INSERT INTO|UPDATE|DELETE FROM|LOCK TABLE)\s+(\w+)", statement)
    if changed:
        return f"{changed[1].split()[0]} {changed[2]}"
    read = re.search(r"\bFROM\s+(\w+)", statement)
    return f"SELECT {read[1]}" if read else statement.split()[0]


def gists(statements: Iterable[str]) -> list[str]:
    """The gist of each."""
    return [gist(one) for one in statements]
