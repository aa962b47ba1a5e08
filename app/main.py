"""The API: its routes, its errors, what it holds open."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.access.built_in import BuiltInProvider
from app.access.sign_in import SignIn
from app.access.tokens import TokenReader
from app.deadlines.stream import Streams
from app.doors.entering import Admission
from app.doors.provided import built_in_of, identity_of
from app.logs import configure
from app.routes import (
    administration,
    alerts,
    built_in_identity,
    calendar_feeds,
    calendars,
    cases,
    categorisation,
    disclosure,
    duties,
    editions,
    ending,
    evidence,
    face_to_face,
    final_report,
    forum,
    forum_authority,
    glass,
    health,
    initial_checks,
    intake,
    lateness,
    log,
    misuse,
    retention,
    risk_assessment,
    safeguarding,
    sign_in,
    staff,
    subject_access,
    tasks,
    transfer,
    webhooks,
    withholding,
)
from app.routes.errors import handle_errors
from app.routes.tracing import Tracing
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions

_ABOUT = """
The case service of the UK Domestic Violence Disclosure Scheme ("Clare's Law"): right to ask and right to know, from
first contact to the closing report. *Acts* are facts: they are recorded even when they were wrong, and then put before
a supervisor. *Decisions* are permissions: they can be refused, with every obstacle named, and need `If-Match`.
"""

ROUTERS = (
    health.router,
    sign_in.router,
    sign_in.returning,
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
    retention.router,
    retention.reviews,
    subject_access.router,
    glass.router,
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
    evidence.router,
)
"""Every router of the service, in the order of the documentation."""


def doors() -> list[APIRoute]:
    """Every route of the service."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


@dataclass(frozen=True)
class Held:
    """What the service holds open while it runs."""

    sessions: async_sessionmaker[AsyncSession]
    tokens: TokenReader
    admission: Admission = field(default_factory=Admission)
    sign_in: SignIn | None = None
    built_in: BuiltInProvider | None = None


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
    identity = identity_of(chosen)
    yield Held(sessions(engine), identity.tokens, identity.admission, identity.sign_in, built_in_of(chosen))
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
    app = FastAPIOffline(
        redoc_url=None,
        title="Clare's Law disclosure service",
        version="0.1.0",
        description=_ABOUT,
        lifespan=lifespan,
    )
    if held is not None:
        hold(app, held)
    handle_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    if settings().built_in_identity if held is None else held.built_in is not None:
        app.include_router(built_in_identity.router)
    app.state.doors = doors()
    app.state.streams = Streams(settings().stream_limit)
    app.add_middleware(Tracing)
    return app


def hold(app: FastAPI, held: Held) -> None:
    """Let the service answer from `held` from the next request on."""
    app.state.sessions, app.state.tokens = held.sessions, held.tokens
    app.state.admission, app.state.sign_in, app.state.built_in = held.admission, held.sign_in, held.built_in
