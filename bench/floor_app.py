"""The floor: the same statements written by hand in FastAPI, without the ORM.

Same: uvicorn and its settings, what is loaded at the start kept from the collector, the pool's size, the role and
row-level security, the guard over tokens, one transaction a request with the person looked up, the context set, the
log row written and a commit before the answer.
Left out: models, validation, permissions, the rules of the scheme (dates are plain arithmetic), request logging.
What is left out is what the ratio charges the service with.
"""

import gc
import hashlib
import json
import secrets
import sys
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from secrets import token_bytes
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI, Request, Response
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from app import clock
from app.access.tokens import TokenReader
from app.casefile.schemas import CaseFile
from app.casefile.worklist import SearchHit, WorklistRow
from app.doors.provided import identity_of
from app.evidence.fields import fields_of
from app.intake.schemas import ApplicationOpened
from app.lifeline import end_with
from app.settings import settings
from app.storage.engine import DatabaseRole, as_role
from app.storage.migrations import conninfo
from bench import statements as sql

Connection = AsyncConnection[DictRow]

_CLOCKS = (
    ("initial_checks", "initial_contact", "hours", 24, timedelta(hours=24)),
    ("face_to_face", "initial_contact", "working_days", 10, timedelta(days=14)),
    ("risk_assessment", "completed_meeting", "working_days", 5, timedelta(days=21)),
    ("categorise_and_refer", "completed_meeting", "working_days", 5, timedelta(days=21)),
    ("whole_case", "initial_contact", "calendar_days", 28, timedelta(days=28)),
)
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    chosen = settings()
    pool = AsyncConnectionPool(
        make_conninfo(conninfo(as_role(chosen.database_url or "", DatabaseRole.APP))),
        min_size=chosen.pool_size,
        max_size=chosen.pool_size,
        timeout=chosen.pool_timeout_seconds,
        kwargs={"prepare_threshold": 3, "row_factory": dict_row},
        open=False,
    )
    async with pool:
        app.state.pool = pool
        app.state.tokens = identity_of(chosen).tokens
        gc.freeze()
        yield


app = FastAPI(lifespan=_lifespan)


def _subject(request: Request) -> str:
    reader: TokenReader = request.app.state.tokens
    return reader.read(request.headers["Authorization"].removeprefix("Bearer "), now=clock.real_now()).subject


async def _enter(connection: Connection, request: Request) -> DictRow:
    found = await connection.execute(sql.ACTOR, {"subject": _subject(request)})
    actor = await found.fetchone()
    if actor is None:
        raise LookupError("no such account")
    await connection.execute(sql.CONTEXT, actor)
    return actor


_FIELDS: dict[type[BaseModel], str] = {
    view: "{" + ",".join(fields_of(view)) + "}" for view in (CaseFile, WorklistRow, SearchHit, ApplicationOpened)
}


async def _log(
    connection: Connection,
    actor: DictRow,
    category: str,
    action: str,
    shown: type[BaseModel],
    *,
    case_id: UUID | None = None,
    persons: Sequence[tuple[UUID, UUID]] = (),
    listed: Sequence[UUID] = (),
) -> None:
    row = {
        "id": uuid4(),
        "category": category,
        "action": action,
        "staff_id": actor["id"],
        "force_id": actor["force_id"],
        "case_id": case_id,
        "request_id": secrets.token_hex(8),
        "role": actor["roles"][0],
        "rule": "own force H11.2" if case_id else "role H1.3",
        "fields": _FIELDS[shown],
    }
    await connection.execute(sql.LOG, row)
    if persons:
        cases, ids = zip(*sorted(persons), strict=True)
        await connection.execute(sql.INDIVIDUALS, {**row, "cases": list(cases), "persons": list(ids)})
    if listed:
        await connection.execute(sql.LISTED, {**row, "cases": sorted(listed)})


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _answer(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body, default=_plain), status, media_type="application/json")


@app.get("/health/ready")
async def ready() -> Response:
    """Served once the pool is open."""
    return _answer({"status": "ready"})


@app.get("/v1/applications")
async def worklist(request: Request) -> Response:
    """The worklist's first page."""
    async with request.app.state.pool.connection() as connection:
        actor = await _enter(connection, request)
        wanted = {"force_id": actor["force_id"], "now": clock.now()}
        rows = await (await connection.execute(sql.WORKLIST, wanted)).fetchall()
        listed = [one["id"] for one in rows[:50]]
        await _log(connection, actor, "consultation", "list_cases", WorklistRow, listed=listed)
    return _answer({"items": rows[:50], "next_cursor": str(rows[49]["id"]) if len(rows) > 50 else None})


@app.post("/v1/applications/search")
async def search(request: Request) -> Response:
    """Persons by their surname."""
    wanted = {"key": _search_key((await request.json())["surname"])}
    async with request.app.state.pool.connection() as connection:
        actor = await _enter(connection, request)
        rows = await (await connection.execute(sql.SEARCH, wanted)).fetchall()
        persons = [(one["case_id"], one.pop("person_id")) for one in rows]
        await _log(connection, actor, "consultation", "search_cases", SearchHit, persons=persons)
    return _answer(rows)


@app.get("/v1/applications/{case_id}")
async def case_file(request: Request, case_id: str) -> Response:
    """The rows that a case file is made of."""
    async with request.app.state.pool.connection() as connection:
        actor = await _enter(connection, request)
        case = await (await connection.execute(sql.CASE, {"case_id": UUID(case_id), "asks": actor["id"]})).fetchone()
        if case is None:
            return _answer({"title": "not found"}, 404)
        wanted = {"case_id": case["id"], **case}
        parts = {
            name: await (await connection.execute(statement, wanted)).fetchall()
            for name, statement in sql.CASE_PARTS.items()
        }
        persons = [(case["id"], one["id"]) for one in parts["persons"]]
        await _log(connection, actor, "consultation", "read_case", CaseFile, case_id=case["id"], persons=persons)
    return _answer({**case, **parts})


@app.post("/v1/applications")
async def open_application(request: Request) -> Response:
    """A right to ask by the potential victim."""
    raw = await request.body()
    body = json.loads(raw)
    async with request.app.state.pool.connection() as connection:
        actor = await _enter(connection, request)
        opened = await _open(connection, actor, body, request.headers["Idempotency-Key"], raw)
    return _answer(opened, 201)


async def _open(connection: Connection, actor: DictRow, body: dict[str, Any], key: str, raw: bytes) -> dict[str, Any]:
    now = clock.now()
    subject, victim = body["subject"], body["potential_victims"][0]
    case: dict[str, Any] = {
        "case_id": uuid4(),
        "force_id": actor["serves_force_id"],
        "staff_id": actor["id"],
        "reference": "DVDS-" + "".join(secrets.choice(_LETTERS) for _ in range(8)),
        "route": body["route"],
        "edition_version": "by hand",
        "grade": body["risk"]["grade"],
        "now": now,
        "occurred_at": datetime.fromisoformat(body["first_contact_at"]),
        "key": key,
        "subject_key": _match_key(subject),
        "victim_key": _match_key(victim),
    }
    run = connection.execute
    await run(sql.CLAIM_KEY, {**case, "fingerprint": hashlib.sha256(raw).hexdigest()})
    await run(sql.LOCK, {"key": case["subject_key"]})
    await run(sql.CONTEXT, actor)
    earlier = await (await run(sql.POINTED_AT, case)).fetchall()
    await (await run(sql.OPEN_CASES_OF_PAIR, case)).fetchall()
    await (await run(sql.OPEN_CASE, case)).fetchall()
    await run(sql.EVENT, {**case, "id": uuid4(), "sentence": f"Opened as {body['route']}; initial contact {now}."})
    await run(sql.HOLD_KEYS)
    held = {"wrapped": token_bytes(68), "public_half": token_bytes(32), "vouched": token_bytes(32)}
    await run(sql.CASE_KEY, {**case, **held})
    he = await _person(connection, case, subject, "subject")
    she = uuid4()
    await run(sql.PERSON, {**case, **_described(victim), "id": she, "part": "potential_victim"})
    for address in subject["addresses"]:
        await run(sql.ADDRESS, {**case, "id": uuid4(), "person_id": he, "address": address["address"]})
    await run(sql.PARTY, _party(case, she, "potential_victim", victim))
    await run(sql.SAFE_CONTACT, {**case, **victim["safe_contact"], "id": uuid4(), "person_id": she})
    await (await run(sql.RESTRICTED, case)).fetchall()
    pointers = [("subject", case["subject_key"]), ("potential_victim", case["victim_key"])]
    await connection.cursor().executemany(
        sql.POINTER, [{**case, "role": role, "match_key": match_key} for role, match_key in pointers]
    )
    await run(sql.LOCK_ACCOUNTS)
    for names in (sql.NAMES, sql.OTHER_NAMES):
        await (await run(names, case)).fetchall()
    for person in (subject, victim):
        await (
            await run(sql.ACCOUNTS, {"surnames": [_search_key(person["surname"])], "born": person["born"]})
        ).fetchall()
    await run(sql.RISK_GRADE, {**case, **body["risk"], "id": uuid4()})
    contact = {**body, **case, "id": uuid4(), "risk_indicators": Jsonb(body["risk_indicators"])}
    await run(sql.INITIAL_CONTACT, contact)
    await (await run(sql.GRADES, case)).fetchall()
    await run(sql.CURRENT_GRADE, case)
    await (await run(sql.CLOCKS_TO_CHANGE, case)).fetchall()
    clocks = await _start_clocks(connection, case)
    await run(sql.REMEMBER, case)
    persons = [(case["case_id"], one) for one in (he, she)]
    shown = ApplicationOpened
    await _log(connection, actor, "collection", "open_application", shown, case_id=case["case_id"], persons=persons)
    return {"id": case["case_id"], "reference": case["reference"], "clocks": clocks, "earlier_applications": earlier}


def _match_key(person: dict[str, Any]) -> str:
    named = f"{_search_key(person['surname'])}|{_search_key(person['given_names'])}|{person['born']}"
    return hashlib.sha256(named.encode()).hexdigest()


def _search_key(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if letter.isalnum())


def _described(person: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: person[name] for name in ("given_names", "surname", "born", "gender")},
        "given_key": _search_key(person["given_names"]),
        "surname_key": _search_key(person["surname"]),
    }


async def _person(connection: Connection, case: dict[str, Any], described: dict[str, Any], role: str) -> UUID:
    person = uuid4()
    await connection.execute(sql.PERSON, {**case, **_described(described), "id": person, "part": role})
    await connection.execute(sql.PARTY, _party(case, person, role, described))
    return person


def _party(case: dict[str, Any], person: UUID, role: str, described: dict[str, Any]) -> dict[str, Any]:
    return {
        **case,
        "id": uuid4(),
        "person_id": person,
        "role": role,
        "is_applicant": described.get("is_applicant", False),
        "relationship": described.get("relationship"),
        "relationship_ended": False if "relationship" in described else None,
    }


async def _start_clocks(connection: Connection, case: dict[str, Any]) -> list[DictRow]:
    force = await (await connection.execute(sql.FORCE, case)).fetchone()
    division = force["division"] if force else ""
    calendar = await (await connection.execute(sql.CALENDAR, {"division": division})).fetchone()
    await (await connection.execute(sql.CLOCKS_TO_CHANGE, case)).fetchall()
    rows = []
    for kind, starts_from, unit, number, after in _CLOCKS:
        due_at = case["occurred_at"] + after
        row = {
            **case,
            **{"hours": None, "working_days": None, "calendar_days": None, unit: number},
            "id": uuid4(),
            "kind": kind,
            "source": "By hand",
            "starts_from": starts_from,
            "division": division,
            "calendar_version": calendar["version"] if calendar else None,
            "projected": starts_from == "completed_meeting",
            "due_on": due_at.date(),
            "due_at": due_at,
            "next_alert_at": due_at - timedelta(hours=12),
        }
        rows.append(row)
    await connection.cursor().executemany(sql.CLOCK, rows)
    return await (await connection.execute(sql.CLOCKS, case)).fetchall()


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    uvicorn.run(
        "bench.floor_app:app",
        host=settings().host,
        port=settings().port,
        access_log=False,
        log_level="warning",
        server_header=False,
    )
