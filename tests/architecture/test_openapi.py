"""The OpenAPI document is the contract: schemathesis tries every operation of it against the service."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app import clock
from app.access.demonstration import AUDIENCE, ISSUER
from app.access.tokens import DemonstrationIssuer
from app.main import Held, create_app
from app.settings import Settings
from app.settings import settings as service_settings
from app.storage.embedded import EmbeddedServer
from app.storage.engine import DatabaseRole, as_role, sessions
from app.storage.migrations import conninfo
from tests.conftest import fresh_database
from tests.world import reader_of

SIGNER = DemonstrationIssuer(ISSUER, AUDIENCE)
TRIED_BY = ("supervisor", "chair", "administrator", "intelligence")


NOT_OPENED_YET = sessions(create_async_engine("postgresql+psycopg:///nowhere"))
APP = create_app(Held(NOT_OPENED_YET, reader_of(SIGNER)))
schema = schemathesis.openapi.from_asgi("/openapi.json", APP)
schema.config.phases.coverage.enabled = False  # dozens of examples for each operation: the long run has them
at_length = schemathesis.openapi.from_asgi("/openapi.json", APP)


@pytest.fixture(scope="module")
def tried(postgres: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The service over a database of its own; no connection outlives its request, since each has its own loop."""
    with pytest.MonkeyPatch.context() as patched, fresh_database(postgres, template) as database:
        patched.delenv("CLARES_LAW_CLOCK", raising=False)
        patched.setenv("CLARES_LAW_STREAM_SECONDS", "0")  # a stream is read to its end
        patched.setenv("CLARES_LAW_DATA_DIR", str(tmp_path_factory.mktemp("contract")))
        service_settings.cache_clear()
        APP.state.sessions = sessions(create_async_engine(as_role(database, DatabaseRole.APP), poolclass=NullPool))
        with psycopg.connect(conninfo(database)) as connection:
            # A worker that swept, and counts as one that sweeps for as long as this takes, or readiness answers 503.
            connection.execute("INSERT INTO worker_heartbeat VALUES (gen_random_uuid(), now(), now())")
        patched.setattr("app.routes.health.settings", lambda: Settings(heartbeat_stale_seconds=3600))
        patched.setattr("app.evidence.checkpoints.BEHIND_AFTER", timedelta(hours=1))  # nobody numbers what is tried
        yield APP
    service_settings.cache_clear()


@pytest.fixture
def case_id(tried: FastAPI) -> str:
    """A case to try the operations on: a random id alone would only ever be refused."""
    body = {
        "route": "right_to_ask",
        "first_contact_at": clock.real_now().isoformat(),
        "channel": "telephone",
        "taken_by": "Operator 12",
        "why": "She is afraid.",
        "consent_to_share": True,
        "subject": {"surname": "Merrick"},
        "potential_victims": [{"surname": "Tarrant", "is_applicant": True}],
    }
    headers = {"Authorization": f"Bearer {token('control_room')}"}
    return str(TestClient(tried).post("/v1/applications", json=body, headers=headers).json()["id"])


def token(subject: str) -> str:
    return SIGNER.issue(subject, now=clock.real_now(), lifetime=timedelta(hours=2))


_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]


@schema.parametrize()
@settings(max_examples=2, suppress_health_check=_QUIET)
def test_every_operation_keeps_the_contract(case: schemathesis.Case[Any], case_id: str) -> None:
    """All checks of schemathesis, no answer of 500 or above, by somebody who may where anybody may."""
    _try(case, case_id)


@pytest.mark.long
@at_length.parametrize()
@settings(max_examples=60, suppress_health_check=_QUIET)
def test_every_operation_keeps_the_contract_at_length(case: schemathesis.Case[Any], case_id: str) -> None:
    """The same, many times over."""
    _try(case, case_id)


def _try(case: schemathesis.Case[Any], case_id: str) -> None:
    if "case_id" in case.path_parameters and case.meta is not None and case.meta.generation.mode.is_positive:
        case.path_parameters["case_id"] = case_id
    for subject in TRIED_BY:
        response = case.call(headers={"Authorization": f"Bearer {token(subject)}"})
        assert response.status_code < 500, response.text
        if response.status_code != 403:
            break
    case.validate_response(response)
