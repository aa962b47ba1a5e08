"""Names, addresses, narratives planted in every text of every case; each channel's bytes searched for them (H11)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Enum, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import app.tables  # noqa: F401 - fills the metadata
from app import clock
from app.channels.terms import Message
from app.demo.staff import HEAD, OFFICER, SECOND_OFFICER, SECOND_SUPERVISOR, SUPERVISOR
from app.evidence.records import COVERED
from app.evidence.sealed import Sealed
from app.evidence.sealing import DataKey
from app.outside.webhooks import WebhookNotTaken
from app.settings import settings
from app.storage.migrations import conninfo
from tests.arrange import data_key
from tests.services.test_demo import loaded
from tests.services.test_digest_and_feed import digested
from tests.steps.channels import DOMAIN, Outside, chased, mail_on, outbox
from tests.world import OWN, Client, World

MARK = "Zorvath"
"""Stands for every name, address and narrative."""
KEYS = {"force_id", "reference", "edition", "division", "division_id", "calendar_version", "match_key", "part"}
"""Texts of a case's rows that tell nothing of anybody: keys, and what a message may say."""
CHANNELS = {"alert", "alert_route", "clock", "outbox", "task"}
"""What the channels themselves write: planted in before they do."""
READERS = (OFFICER, SECOND_OFFICER, SUPERVISOR, SECOND_SUPERVISOR, HEAD)


def plant(world: World) -> list[str]:
    """Put the mark into every text and document of every row about a case or a person; which columns took it."""
    planted = []
    with psycopg.connect(conninfo(world.url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # records that nobody changes are changed here
        for name, table in SQLModel.metadata.tables.items():
            if (
                not ({"case_id", "person_id"} & set(table.c.keys()) or name in ("person", "staff_member"))
                or name in CHANNELS
            ):
                continue
            fixed = {column.name for column in table.primary_key} | KEYS | {"subject", "email", "agency_id", "rank"}
            for column in table.c:
                if column.name in fixed or column.foreign_keys or isinstance(column.type, Enum):
                    continue
                if (name, column.name) == ("interim_plan", "clocks"):
                    continue  # codes of clocks, and no text
                if isinstance(column.type, JSONB):
                    value = sql.SQL("jsonb_build_object('said', %s::text)")
                elif isinstance(column.type, ARRAY):
                    value = sql.SQL("ARRAY[%s]")
                elif isinstance(column.type, String | AutoString):
                    value = sql.SQL("%s || ctid::text")
                else:
                    continue
                if name == "staff_member" and column.name != "name":
                    continue
                statement = sql.SQL("UPDATE {} SET {} = ").format(sql.Identifier(name), sql.Identifier(column.name))
                _force_in(connection, table.name, statement + value, f"{MARK} {name} {column.name} ")
                planted.append(f"{name}.{column.name}")
    return planted + plant_sealed(world)


def plant_sealed(world: World) -> list[str]:
    """Put the mark into every envelope of every covered record, so that it says the mark when it is opened."""
    keys: dict[UUID, DataKey] = {}
    planted = []
    with psycopg.connect(conninfo(world.url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for name in sorted(COVERED):
            for column in sealed_columns_of(name):
                for row in world.rows(f"SELECT id, case_id FROM {name}"):
                    if row["case_id"] not in keys:
                        keys[row["case_id"]] = data_key(world, row["case_id"])
                    text: Any = f"{MARK} {name} {column.key} {row['id']}"
                    place = {"case_id": row["case_id"], "row_id": row["id"]}
                    held = column.type.enclose(
                        [text] if column.type.as_json else text, keys[row["case_id"]].seal, **place
                    )
                    statement = sql.SQL("UPDATE {} SET {} = %s WHERE id = %s")
                    named = statement.format(sql.Identifier(name), sql.Identifier(column.name))
                    _force_in(connection, name, named, held.envelope, row["id"])
                planted.append(f"{name}.{column.key}")
    return planted


def sealed_columns_of(table: str) -> list[Any]:
    return [column for column in SQLModel.metadata.tables[table].c if isinstance(column.type, Sealed)]


def _force_in(connection: psycopg.Connection, table: str, statement: sql.Composed, *given: Any) -> None:
    """Put a text in, lifting what the database would check about its form."""
    while True:
        try:
            connection.execute(statement, given)
        except psycopg.errors.CheckViolation as error:
            check = sql.Identifier(str(error.diag.constraint_name))
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), check))
        else:
            return


def as_staff(world: World, subject: str) -> Client:
    token = world.issuer.issue(subject, now=clock.real_now(), lifetime=timedelta(hours=1))
    return Client(world.http, token)


async def test_no_channel_says_more_than_reference_clock_and_time(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mail_on(monkeypatch, world, DELIVERY_TRIES="2")
    await loaded(world)
    world.execute("UPDATE staff_member SET email = id || %s WHERE force_id IS NOT NULL", f"@{DOMAIN}")
    world.execute(
        "UPDATE clock SET swept_to = NULL, next_alert_at = started_at WHERE met_at IS NULL AND ended_at IS NULL"
    )
    planted = plant(world)
    assert len(planted) > 150, planted
    assert {"person.surname", "initial_contact.why", "disclosure.words", "safety_plan.plan"} <= set(planted)
    await as_staff(world, SECOND_OFFICER).put("/v1/staff/me/alert-preferences", {"digest": True, "digest_at": "00:00"})
    administrator = as_staff(world, "demo-administrator")
    hook = await administrator.must_post("/v1/webhooks", {"url": "https://alerts.northmoor.example/"})
    await administrator.must_post(f"/v1/webhooks/{hook['id']}/ping")
    about = world.rows("SELECT id FROM application WHERE closed_at IS NULL AND force_id = %s LIMIT 1", OWN)[0]["id"]
    glass = {"case_id": str(about), "reason": f"{MARK} rang in danger."}
    await world.as_("other_supervisor").must_post("/v1/break-glass", glass)
    feeds = [(await as_staff(world, one).must_post("/v1/calendar-feeds"))["path"] for one in READERS]

    outside = Outside(world)
    outside.mail.failures = [OSError(f"{MARK} was here")] * 3
    outside.webhooks.failures = [WebhookNotTaken(f"{MARK} was here")] * 3
    seen: list[bytes] = []
    for _ in range(6):
        while await world.sweep():
            continue
        await chased(world)
        await digested(world)
        await outside.deliver()
        world.forward(hours=30)
    for subject in READERS:
        person = as_staff(world, subject)
        for path in ("/v1/alerts", "/v1/tasks"):
            seen.append((await person.get(path)).content)
        whole = {"Last-Event-ID": f"0-{UUID(int=0)}"}
        streamed = (await person.get("/v1/alerts/stream", headers=whole)).content
        assert b"event: alert" in streamed
        seen.append(streamed)
    seen += [(await world.nobody().get(path)).content for path in feeds]
    seen.append((await world.http.get("/metrics")).content)
    seen += outside.mail.sent
    seen += [letter.get_content().encode() + str(letter.items()).encode() for letter in outside.letters()]
    seen += [url.encode() + body + str(headers).encode() for url, body, headers in outside.webhooks.posted]
    seen.append(str(outbox(world)).encode())
    logged = capsys.readouterr()
    seen.append((logged.out + logged.err).encode())

    assert "delivery_failed" in logged.out
    assert {row["message"] for row in outbox(world, "DISTINCT message, created_at, id")} == set(Message)
    assert len(outside.mail.sent) > 10 and len(outside.webhooks.posted) > 10
    references = [row["reference"].encode() for row in world.rows("SELECT DISTINCT reference FROM alert")]
    assert references and all(any(one in part for part in seen) for one in references)
    leaks: list[Any] = [part[:300] for part in seen if MARK.lower().encode() in part.lower()]
    assert leaks == []
    assert settings().delivery_tries == 2
