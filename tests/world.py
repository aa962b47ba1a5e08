"""A small world for tests: two forces, their partners, one member of staff for each part, and an hour that moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import create_async_engine

from app import clock
from app.access.demonstration import AUDIENCE, ISSUER
from app.access.tables import Agency, Force, Installation, StaffMember
from app.access.tokens import DemonstrationIssuer, KeyStore, TokenReader
from app.deadlines.alerts import sweep
from app.deadlines.known_calendars import seed_calendars
from app.main import Held, create_app, hold
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo

_ISSUER = DemonstrationIssuer(ISSUER, AUDIENCE)
_SPACE = UUID("6f1f6a1e-2f37-4e0b-9f5e-7a4f7b1c0d11")
START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC) + timedelta(days=1)  # Tuesday 5 May 2026, after a bank holiday Monday

OWN, OTHER = "northmoor", "southvale"
_OF_THE_LOG = {"access_log", "access_log_individual", "access_log_case", "leaf_due"}


@dataclass(frozen=True)
class Member:
    """One account of the world."""

    key: str
    roles: tuple[str, ...]
    force: str | None = OWN
    agency: str | None = None
    rank: str | None = None

    @property
    def id(self) -> UUID:
        """The same in every run."""
        return uuid5(_SPACE, self.key)


STAFF = {
    member.key: member
    for member in (
        Member("control_room", ("control_room",)),
        Member("officer", ("public_protection_officer",), rank="constable"),
        Member("officer2", ("public_protection_officer",), rank="constable"),
        Member("supervisor", ("public_protection_supervisor",), rank="inspector"),
        Member("supervisor2", ("public_protection_supervisor",), rank="inspector"),
        Member("head", ("head_of_public_protection",), rank="superintendent"),
        Member("chair", ("forum_chair",), rank="chief_inspector"),
        Member("police_member", ("forum_member", "public_protection_officer"), rank="sergeant"),
        Member("probation", ("forum_member",), None, "northmoor-probation"),
        Member("idva", ("forum_member",), None, "northmoor-idva"),
        Member("social_care", ("forum_member",), None, "northmoor-social-care"),
        Member("partner_chair", ("forum_chair",), None, "northmoor-probation"),
        Member("intelligence", ("intelligence_officer",)),
        Member("standards", ("professional_standards",)),
        Member("auditor", ("auditor",)),
        Member("administrator", ("administrator",)),
        Member("other_control_room", ("control_room",), OTHER),
        Member("other_officer", ("public_protection_officer",), OTHER, rank="constable"),
        Member("other_supervisor", ("public_protection_supervisor",), OTHER, rank="inspector"),
        Member("other_intelligence", ("intelligence_officer",), OTHER),
    )
}


def populate(url: str) -> None:
    """Put forces, agencies, staff and calendars into a migrated database."""
    asyncio.run(_populate(url))


async def _populate(url: str) -> None:
    engine = engine_for(url, DatabaseRole.OWNER)
    async with sessions(engine).begin() as session:
        session.add(Installation(kind="demonstration"))
        session.add(Force(id=OWN, name="Northmoor Police", division="england-and-wales"))
        session.add(Force(id=OTHER, name="Southvale Police", division="england-and-wales"))
        await session.flush()
        for kind, code in (("probation", "probation"), ("idva", "idva"), ("childrens_social_care", "social-care")):
            session.add(Agency(id=f"{OWN}-{code}", force_id=OWN, kind=kind, name=f"Northmoor {kind}"))
        await session.flush()
        for member in STAFF.values():
            session.add(
                StaffMember(
                    id=member.id,
                    subject=member.key,
                    name=f"Staff {member.key}",
                    force_id=member.force,
                    agency_id=member.agency,
                    roles=list(member.roles),
                    rank=member.rank,
                )
            )
        await seed_calendars(session)
    await engine.dispose()


@dataclass
class Client:
    """Somebody at the door. Answers are checked by the caller; bodies are JSON."""

    http: httpx.AsyncClient
    token: str

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, headers=self._headers(more.pop("headers", {})), **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self._headers(more.pop("headers", {})), **more)

    async def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return await self.http.put(path, json=body, headers=self._headers(more.pop("headers", {})), **more)

    async def must_post(self, path: str, body: Any = None, **more: Any) -> Any:
        """Post and expect it to be kept."""
        answer = await self.post(path, body, **more)
        assert answer.status_code in (200, 201, 202), f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def must_get(self, path: str, **more: Any) -> Any:
        """Get and expect an answer."""
        answer = await self.get(path, **more)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        """Whoever asks says why, as the reader of a case that is not the own must."""
        said = {"Access-Reason": "cover", **given}
        return {"Authorization": f"Bearer {self.token}", **said} if self.token else said


@dataclass
class World:
    """The service, its database and its staff."""

    url: str
    http: httpx.AsyncClient
    issuer: DemonstrationIssuer
    clock_file: Path
    api: FastAPI | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    def as_(self, key: str) -> Client:
        """A client for one member of staff of STAFF."""
        if key not in self._tokens:
            self._tokens[key] = self.issuer.issue(
                key,
                now=clock.real_now(),
                lifetime=timedelta(hours=2),
            )
        return Client(self.http, self._tokens[key])

    def nobody(self) -> Client:
        """A client without a token."""
        return Client(self.http, "")

    @property
    def now(self) -> datetime:
        """The hour of the scheme."""
        return clock.now()

    def set_time(self, moment: datetime) -> None:
        """Move the hour of the scheme."""
        fresh = self.clock_file.with_suffix(".next")
        fresh.write_text(moment.astimezone(UTC).isoformat())
        fresh.replace(self.clock_file)

    def forward(self, **by: float) -> datetime:
        """Move the hour on by a timedelta's words."""
        self.set_time(self.now + timedelta(**by))
        return self.now

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Rows as the superuser sees them: what is truly there."""
        return superuser(self.url).execute(query.encode(), values).fetchall()

    def execute(self, statement: str, *values: Any) -> None:
        """A statement as the superuser: for arranging what no door offers."""
        superuser(self.url).execute(statement.encode(), values)

    def snapshot(self) -> dict[str, list[str]]:
        """Every row of every table but the log and what of it waits to be numbered, as text, in order."""
        tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = sorted(row["tablename"] for row in tables if row["tablename"] not in _OF_THE_LOG)
        found: dict[str, list[str]] = {name: [] for name in names}
        for row in self.rows(
            " UNION ALL ".join(f"SELECT '{name}' AS name, t::text AS row FROM {name} t" for name in names)
        ):
            found[row["name"]].append(row["row"])
        return {name: sorted(found[name]) for name in names}

    @contextmanager
    def unchanged(self, *, refusals: int = 1) -> Iterator[None]:
        """Nothing may change inside but the rows that tell of refusals in the log."""
        before, logged = self.snapshot(), self._refusals()
        yield
        after = self.snapshot()
        changed = [name for name in before if before[name] != after[name]]
        assert not changed, f"a refusal changed {changed}"
        assert self._refusals() - logged == refusals, "each refusal leaves exactly one row in the log"

    def _refusals(self) -> int:
        found = self.rows("SELECT count(*) AS n, count(*) FILTER (WHERE NOT refused) AS done FROM access_log")
        return int(found[0]["n"])

    async def sweep(self) -> int:
        """One sweep of the worker, in this process."""
        engine = engine_for(self.url, DatabaseRole.WORKER, pool_size=1)
        async with sessions(engine).begin() as session:
            swept = await sweep(session, now=self.now)
        await engine.dispose()
        return swept


_kept: dict[str, psycopg.Connection[dict[str, Any]]] = {}


def superuser(url: str) -> psycopg.Connection[dict[str, Any]]:
    """The superuser's connection to a test's database, kept: to open one takes longer than most of what is asked."""
    if url not in _kept or _kept[url].closed:
        # Nothing is prepared: tests change tables.
        _kept[url] = psycopg.connect(conninfo(url), autocommit=True, row_factory=dict_row, prepare_threshold=None)
    return _kept[url]


def let_go(url: str) -> None:
    """Close the superuser's connection, if one is kept."""
    if url in _kept:
        _kept.pop(url).close()


def reader_of(issuer: DemonstrationIssuer) -> TokenReader:
    """The guard that knows an issuer's keys as they are published."""
    keys = KeyStore.from_jwks(json.loads(json.dumps(issuer.jwks())))
    return TokenReader(ISSUER, AUDIENCE, keys)


@cache
def _service() -> FastAPI:
    """The service, built once: what it holds open is changed for each test."""
    return create_app(Held(sessions(create_async_engine("postgresql+psycopg:///nowhere")), reader_of(_ISSUER)))


@asynccontextmanager
async def open_world(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The service over a database, answering in this process."""
    issuer = _ISSUER
    clock_file = folder / "clock"
    clock_file.write_text(START.isoformat())
    monkeypatch.setenv("CLARES_LAW_CLOCK", str(clock_file))
    monkeypatch.setenv("CLARES_LAW_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("CLARES_LAW_STREAM_SECONDS", "0")  # one look and no more, where an answer is read to its end
    settings.cache_clear()
    engine = engine_for(url, DatabaseRole.APP, pool_size=5)
    app = _service()
    hold(app, Held(sessions(engine), reader_of(issuer)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://clares-law.test") as http:
        yield World(url, http, issuer, clock_file, app)
    await engine.dispose()
