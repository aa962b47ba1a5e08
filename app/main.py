"""The API: its routes, its errors, what it holds open."""

import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.access import demonstration
from app.access.tokens import KeyStore, TokenReader
from app.deadlines.stream import Streams
from app.logs import configure
from app.routes import (
    administration,
    alerts,
    calendar_feeds,
    calendars,
    cases,
    categorisation,
    disclosure,
    duties,
    editions,
    ending,
    face_to_face,
    final_report,
    forum,
    forum_authority,
    health,
    initial_checks,
    intake,
    lateness,
    log,
    misuse,
    risk_assessment,
    safeguarding,
    staff,
    tasks,
    transfer,
    webhooks,
    withholding,
)
from app.routes.errors import handle_errors
from app.routes.tracing import Tracing
from app.settings import Settings, settings
from app.storage.engine import DatabaseRole, engine_for, sessions

_ABOUT = """
The case service of the UK Domestic Violence Disclosure Scheme ("Clare's Law"): right to ask and right to know, from
first contact to the closing report. *Acts* are facts: they are recorded even when they were wrong, and then put before
a supervisor. *Decisions* are permissions: they can be refused, with every obstacle named, and need `If-Match`.
"""

ROUTERS = (
    health.router,
    cases.router,
    cases.people,
    intake.router,
    initial_checks.router,
    face_to_face.router,
    risk_assessment.router,
    categorisation.router,
    forum.router,
    forum_authority.router,
    disclosure.router,
    final_report.router,
    final_report.retrieved,
    ending.router,
    transfer.router,
    transfer.receiving,
    safeguarding.router,
    withholding.router,
    misuse.router,
    lateness.router,
    alerts.router,
    calendar_feeds.router,
    duties.router,
    tasks.router,
    administration.router,
    staff.router,
    webhooks.router,
    editions.router,
    calendars.router,
    log.router,
)
"""Every router of the service, in the order of the documentation."""


def doors() -> list[APIRoute]:
    """Every route of the service."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def token_reader(chosen: Settings) -> TokenReader:
    """The guard over bearer tokens, with the issuer's published keys."""
    if chosen.token_jwks_file is None:
        keys = KeyStore.from_jwks({"keys": []})
    else:
        keys = KeyStore.from_jwks(json.loads(chosen.token_jwks_file.read_text()))
    return TokenReader(
        issuer=chosen.token_issuer or demonstration.ISSUER,
        audience=chosen.token_audience or demonstration.AUDIENCE,
        keys=keys,
    )


@dataclass(frozen=True)
class Held:
    """What the service holds open while it runs."""

    sessions: async_sessionmaker[AsyncSession]
    tokens: TokenReader


@asynccontextmanager
async def _from_settings() -> AsyncIterator[Held]:
    chosen = settings()
    if chosen.database_url is None:
        raise RuntimeError("Set DATABASE_URL, or start with `make run`, which brings a database.")
    engine = engine_for(
        chosen.database_url,
        DatabaseRole.APP,
        pool_size=chosen.pool_size,
        pool_timeout=chosen.pool_timeout_seconds,
        lock_timeout=chosen.lock_timeout_seconds,
    )
    yield Held(sessions(engine), token_reader(chosen))
    await engine.dispose()


def create_app(held: Held | None = None) -> FastAPI:
    """The service, ready to be served: over what it is given, or over what the settings name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if held is not None:
            yield
            return
        async with _from_settings() as opened:
            hold(app, opened)
            gc.freeze()  # what is loaded by now stays: walking through it was a tenth of the work of each request
            yield

    configure(settings().log_level)
    app = FastAPI(title="Clare's Law disclosure service", version="0.1.0", description=_ABOUT, lifespan=lifespan)
    if held is not None:
        hold(app, held)
    handle_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    app.state.doors = doors()
    app.state.streams = Streams(settings().stream_limit)
    app.add_middleware(Tracing)
    return app


def hold(app: FastAPI, held: Held) -> None:
    """Let the service answer from `held` from the next request on."""
    app.state.sessions, app.state.tokens = held.sessions, held.tokens
