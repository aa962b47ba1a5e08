"""Putting a case where a test needs it, past the doors: only for tests of one stage, never in a journey."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from sqlmodel import SQLModel

import app.tables  # noqa: F401 - fills the metadata
from app.evidence.keys import key_ring
from app.evidence.sealed import Sealed
from app.evidence.sealing import DataKey, Place
from app.process import Stage
from app.storage.migrations import conninfo
from tests.world import STAFF, World


def place_at(world: World, case_id: str | UUID, stage: Stage) -> None:
    """Set the stage of a case as if it had come there."""
    outcome = "'disclosed'" if stage in (Stage.FINAL_REPORT, Stage.CLOSED) else "NULL"
    closed = "first_contact_at" if stage is Stage.CLOSED else "NULL"
    world.execute(
        f"UPDATE application SET stage = '{stage.value}', outcome = {outcome}, closed_at = {closed} WHERE id = %s",
        str(case_id),
    )


def multiply(world: World, case_id: str, number: int) -> None:
    """Let there be `number` cases like this one; nothing of them but the cases and their clocks.

    Without triggers: what they would work out is copied.
    """
    of_table = "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, key in (("application", "id"), ("clock", "case_id")):
            columns = [row["column_name"] for row in world.rows(of_table, table)]
            copied = (
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(f'(copy).{one}' for one in columns)} "
                f"FROM (SELECT jsonb_populate_record(one, jsonb_build_object('id', md5(one.id::text || n), "
                f"'case_id', md5({key}::text || n), 'reference', 'DVDS-M' || n)) AS copy "
                f"FROM {table} AS one, generate_series(2, %s) AS n WHERE {key} = %s OFFSET 0) AS copies"
            )
            connection.execute(copied.encode(), (number, case_id))


def version_of(world: World, case_id: str | UUID) -> dict[str, str]:
    """If-Match for a decision on the case as it stands."""
    found = world.rows("SELECT version FROM application WHERE id = %s", str(case_id))
    return {"If-Match": f'"{found[0]["version"]}"'}


def insert(world: World, table: str, **values: Any) -> str:
    """Put one row in and give its id; dictionaries go in as JSON."""
    values = {"id": str(uuid4()), **values}
    kept = _sealed(world, table, values)
    names, marks = ", ".join(kept), ", ".join(["%s"] * len(kept))
    given = [Jsonb(value) if isinstance(value, dict) else value for value in kept.values()]
    world.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *given)
    return str(values["id"])


def _sealed(world: World, table: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values as the database holds them: texts of records in their envelopes."""
    found = {}
    for name, value in values.items():
        kind = SQLModel.metadata.tables[table].c[name].type
        if isinstance(kind, Sealed):
            place = {"case_id": UUID(str(values["case_id"])), "row_id": UUID(str(values["id"]))}
            seal = data_key(world, values["case_id"]).seal
            found[f"{name}_sealed"] = None if value is None else kind.enclose(value, seal, **place).envelope
        else:
            found[name] = value
    return found


def data_key(world: World, case_id: str | UUID) -> DataKey:
    """The key of a case, as the service would be shown it."""
    (held,) = world.rows("SELECT wrapped FROM case_key WHERE case_id = %s", str(case_id))
    ring = key_ring()
    with ThreadPoolExecutor(1) as apart:  # the test may be in a loop
        return apart.submit(asyncio.run, ring.data_key(UUID(str(case_id)), bytes(held["wrapped"]))).result()


def text_of(world: World, table: str, column: str, row_id: str) -> Any:
    """What a sealed column of one row says."""
    query = f"SELECT case_id, {column}_sealed AS envelope FROM {table} WHERE id = %s"
    (held,) = world.rows(query, row_id)
    place = Place(held["case_id"], UUID(str(row_id)), f"{table}.{column}")
    text = data_key(world, held["case_id"]).open(bytes(held["envelope"]), place)
    kind = SQLModel.metadata.tables[table].c[column].type
    return json.loads(text) if isinstance(kind, Sealed) and kind.as_json else text


def forum_decision(
    world: World,
    case_id: str,
    victim: str,
    *,
    disclose: bool,
    recipient: str | None = None,
    confirmed: bool = True,
    **changed: Any,
) -> str:
    """A decision of the forum as if it had sat, and the case at the stage after it; the decision's id.

    Checks that keep an unfinished decision out of the database are lifted, so that one can be put in.
    """
    world.execute("ALTER TABLE forum_decision DROP CONSTRAINT IF EXISTS ck_forum_decision_disclosure_is_whole")
    force = world.rows("SELECT force_id FROM application WHERE id = %s", case_id)[0]["force_id"]
    keys = {"case_id": case_id, "force_id": force}
    act = {**keys, "occurred_at": world.now, "recorded_at": world.now, "recorded_by": STAFF["chair"].id}
    by = STAFF["chair"].id
    meeting = insert(
        world,
        "forum_meeting",
        force_id=force,
        held_on=world.now.date(),
        kind="scheduled",
        is_marac=True,
        chair_id=by,
        arranged_at=world.now,
        arranged_by=by,
    )
    item = insert(
        world,
        "agenda_item",
        **keys,
        meeting_id=meeting,
        opened_at=world.now,
        opened_by=by,
        ended_at=world.now,
        ended_because="decided",
    )
    about = {"item_id": item, "potential_victim_id": victim}
    conclusion = insert(world, "police_conclusion", **act, **about, necessary=True, reasons="She is at risk.")
    where = {
        "agency": "police",
        "person": "Officer",
        "in_person": True,
        "not_in_person_because": None,
        "place": "Surgery",
        "time": "Noon",
    }
    whole = {
        "pressing_need": "He has begun to threaten her.",
        "proportionate": "Weighed against his private life.",
        "what": "The convictions for assault.",
        "recipient_id": recipient,
        "delivery": where,
    }
    row = {
        **act,
        **about,
        "category": "concern" if disclose else "no_concern",
        "police_conclusion_id": conclusion,
        "police_conclude_necessary": disclose,
        "disclose": disclose,
        "reasons": "As minuted.",
        "subject_to_be_told": False,
        "further_safeguarding": "The plan is kept under review.",
        "offender_management": {"already_managed": None},
        **(whole if disclose else {}),
        **changed,
    }
    row["consult_offender_manager"] = row["offender_management"]["already_managed"] is not None
    decision = insert(world, "forum_decision", **row)
    if not disclose and confirmed:
        insert(world, "decision_confirmation", **act, decision_id=decision, verdict="confirm", reasons="Agreed.")
    place_at(world, case_id, Stage.DISCLOSURE)
    return decision


def emergency_authority(world: World, case_id: str, victim: str, *, recipient: str) -> str:
    """An emergency authority as if it had been given, and the case at the forum for review; the authority's id."""
    force = world.rows("SELECT force_id FROM application WHERE id = %s", case_id)[0]["force_id"]
    written = ("concern", "police_conclude_necessary", "pressing_need", "proportionate", "representations", "what")
    authority = insert(
        world,
        "emergency_authority",
        case_id=case_id,
        force_id=force,
        occurred_at=world.now,
        recorded_at=world.now,
        recorded_by=STAFF["head"].id,
        potential_victim_id=victim,
        rank="superintendent",
        **dict.fromkeys((*written, "why_it_cannot_wait"), "He is released today."),
        open_checks_accepted=[],
        recipient_id=recipient,
        delivery={"agency": "police", "person": "Officer", "in_person": True, "place": "Surgery", "time": "Noon"},
    )
    place_at(world, case_id, Stage.FORUM)
    return authority
