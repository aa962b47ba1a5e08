"""Errors as the caller meets them: RFC 9457 problems, mapped once by family, with no personal data echoed."""

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg.errors import InsufficientPrivilege
from pydantic import BaseModel, Field
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from app.access.service import UnknownStaff
from app.errors import (
    ClaresLawError,
    Conflict,
    Gone,
    NotFound,
    NotPermitted,
    ReasonRequired,
    Refused,
    StaleVersion,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    Unreadable,
    VersionRequired,
)
from app.evidence.owing import LogUnwritten
from app.evidence.service import log
from app.evidence.terms import Category

STATUS: dict[type[ClaresLawError], int] = {
    Unauthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    StaleVersion: 412,
    Unprocessable: 422,
    VersionRequired: 428,
    Unreadable: 500,
    ReasonRequired: 428,
    Unavailable: 503,
}

PROBLEM = "application/problem+json"
_TITLES = {
    400: "The request could not be read",
    401: "Nobody is known to be asking",
    403: "Your role may not",
    404: "Not there, or not yours",
    405: "That cannot be done here",
    409: "A rule of the scheme stands against it",
    410: "It was erased",
    412: "It changed since you read it",
    415: "Send JSON",
    422: "The request does not fit the published schema",
    428: "Say first which version you read, or why you read it",
    500: "The service failed",
    503: "The service cannot answer now",
}
_log = structlog.get_logger()


class ProblemObstacle(BaseModel):
    """One rule that is not met."""

    code: str
    says: str
    rule: str = Field(description="Number of the rule in docs/scheme.md.")


class ProblemField(BaseModel):
    """One field that does not fit."""

    field: str
    says: str


class Problem(BaseModel):
    """What went wrong and what to do (RFC 9457). It never repeats what was sent."""

    type: str = Field(examples=["urn:clares-law:problem:refused"])
    title: str
    status: int
    detail: str
    request_id: str
    obstacles: list[ProblemObstacle] = []
    fields: list[ProblemField] = []


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """One problem answer."""
    body = {
        "type": f"urn:clares-law:problem:{code}",
        "title": _TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "request_id": getattr(request.state, "request_id", ""),
        **more,
    }
    return JSONResponse(body, status, media_type=PROBLEM, headers=headers)


def _status(error: ClaresLawError) -> int:
    return next(STATUS[family] for family in type(error).__mro__ if family in STATUS)


async def _on_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ClaresLawError)
    status = _status(error)
    if isinstance(error, UnknownStaff):
        request.state.actor = error.account  # that has ended: whoever still tries is logged
    await _log_refusal(request, error.code, error.obstacles[0].rule if isinstance(error, Refused) else None)
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, Refused):
        more["obstacles"] = [{"code": one.code, "says": one.says, "rule": one.rule} for one in error.obstacles]
    if isinstance(error, Unprocessable) and error.field:
        more["fields"] = [{"field": error.field, "says": str(error)}]
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = error.challenge
    if status == 503:
        headers["Retry-After"] = "2"
    return problem(request, status, error.code, str(error), headers=headers, **more)


async def _log_refusal(request: Request, code: str, rule: str | None = None) -> None:
    """A refusal has rolled everything back; its own row is committed in a second transaction, before the answer.

    With what was decided: the code that is answered, and the rule that stands behind it where one is named. Raises
    LogUnwritten: what cannot be logged is not answered, a refusal neither (H12.1).
    """
    state = request.state
    person = getattr(state, "actor", None)
    if person is None:
        return
    action = getattr(state, "action", "unknown")
    try:
        async with request.app.state.sessions.begin() as session:
            await log(
                session,
                Category.CONSULTATION,
                action,
                request_id=state.request_id,
                **person.as_logged(action),
                case_id=getattr(state, "case_id", None),
                event_id=getattr(state, "event_id", None),
                decision=code,
                rule=rule or getattr(state, "rule", None),
                reason=getattr(state, "reason", None),
            )
    except SQLAlchemyError as error:
        _log.error("refusal_unlogged", error=type(error).__name__)
        raise LogUnwritten from None


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _once_logged(handler: Handler) -> Handler:
    """Answer what the handler says, or nothing at all where the log could not be written."""

    async def answer(request: Request, error: Exception) -> Response:
        try:
            return await handler(request, error)
        except LogUnwritten:
            return unlogged()

    return answer


def unlogged() -> Response:
    """The answer where the log cannot be written: come back later, and not a byte of what was asked for (H12.1)."""
    return Response(status_code=503, headers={"Retry-After": "2"})


async def _on_unwritten(request: Request, error: Exception) -> Response:
    return unlogged()


async def _on_misfit(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    await _log_refusal(request, Unprocessable.code)
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]), "says": _plain(one["msg"])} for one in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['says']}" for one in fields[:5])
    return problem(request, 422, Unprocessable.code, detail, fields=fields)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed", 400: "unreadable"}
    detail = _TITLES.get(error.status_code, str(error.detail)) + "."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request, headers.get("Allow", "GET"))
    return problem(request, error.status_code, codes.get(error.status_code, "http"), detail, headers=headers)


def _allowed(request: Request, named: str) -> str:
    """Every method of the path: the framework names only those of the first route that it finds."""
    doors = request.app.state.doors
    found = next((door.path for door in doors if door.path_regex.match(request.url.path)), None)
    return ", ".join(sorted({one for door in doors if door.path == found for one in door.methods})) or named


async def _on_database(request: Request, error: Exception) -> JSONResponse:
    _log.error("database_unavailable", error=type(error).__name__)
    detail = "The database does not answer or is busy. Nothing was done; try again in a moment."
    return problem(request, 503, Unavailable.code, detail, headers={"Retry-After": "2"})


async def _on_impossible_row(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, IntegrityError)
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    _log.warning("impossible_row", constraint=constraint)
    await _log_refusal(request, "impossible_record")
    detail = f"The database refused an impossible record ({constraint}). Nothing was done; read the case again."
    return problem(request, 409, "impossible_record", detail)


async def _on_barred_row(request: Request, error: Exception) -> JSONResponse:
    """Row-level security barred a write that no rule caught: to the caller, there is nothing there."""
    assert isinstance(error, ProgrammingError)
    if not isinstance(error.orig, InsufficientPrivilege):
        return failure(request, error)
    _log.error("barred_row")
    await _log_refusal(request, NotFound.code)
    return problem(request, 404, NotFound.code, str(NotFound()))


def failure(request: Request, error: Exception) -> JSONResponse:
    """The answer to what nobody foresaw. Only the error's class is logged: its text may carry what people typed."""
    _log.error("failure", error=type(error).__name__, at=_where(error))
    detail = "Something failed on our side and nothing was done. Quote the request id to support."
    return problem(request, 500, "failure", detail)


def _where(error: Exception) -> str:
    """The innermost line of ours that the error passed, without any value."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/app/" in frame.filename]
    return f"{ours[-1].filename.rsplit('/app/', 1)[-1]}:{ours[-1].lineno}" if ours else "outside"


def handle_errors(app: FastAPI) -> None:
    """Put the one mapping in place."""
    app.add_exception_handler(ClaresLawError, _once_logged(_on_refusal))
    app.add_exception_handler(LogUnwritten, _on_unwritten)
    app.add_exception_handler(RequestValidationError, _once_logged(_on_misfit))
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_exception_handler(OperationalError, _on_database)
    app.add_exception_handler(IntegrityError, _once_logged(_on_impossible_row))
    app.add_exception_handler(ProgrammingError, _once_logged(_on_barred_row))


def _example(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    example = {
        "type": f"urn:clares-law:problem:{code}",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "request_id": "6f1c2a0e9b7d4f58",
        **more,
    }
    return {
        "description": _TITLES[status],
        "model": Problem,
        "content": {PROBLEM: {"example": example, "schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_ALWAYS: dict[int | str, dict[str, Any]] = {
    401: _example(401, "no_token", "Send a bearer token: 'Authorization: Bearer <token>'."),
    403: _example(403, "role_may_not", "Your role may not clear delivery."),
    422: _example(
        422,
        "unprocessable",
        "body.occurred_at: give a UTC offset",
        fields=[{"field": "body.occurred_at", "says": "give a UTC offset"}],
    ),
    503: _example(503, "unavailable", "The database does not answer or is busy."),
}
_OF_CASE = {
    404: _example(404, "case_not_found", "No case is held under that address, or it is not yours to see."),
    410: _example(410, "case_erased", "What was recorded in this case was erased under the retention schedule."),
}
_REASON = {
    428: _example(428, "reason_required", "This case is not yours: say why you read it, in the header Access-Reason."),
}
_REFUSED = {
    409: _example(
        409,
        "refused",
        "PNC is not done on the subject.",
        obstacles=[{"code": "check_not_done", "says": "PNC is not done on the subject.", "rule": "H4.3"}],
    )
}
_VERSIONS = {
    412: _example(412, "stale_version", "The case is at version 7 now. Read it again."),
    428: _example(428, "version_required", "A decision needs If-Match."),
}

ERRORS = _ALWAYS
ERRORS_OF_CASE = _ALWAYS | _OF_CASE | _REASON
ERRORS_OF_ACT = _ALWAYS | _OF_CASE | _REFUSED
ERRORS_OF_DECISION = _ALWAYS | _OF_CASE | _REFUSED | _VERSIONS
