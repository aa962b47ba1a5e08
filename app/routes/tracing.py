"""A request id in every answer and log line, the counts that /metrics shows, and no body beyond the limit.

Plain ASGI: no task is added.

Nothing leaves it as an exception: a server would log the traceback, and with it what people typed.
"""

import re
import secrets
import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Unprocessable
from app.routes.bounding import TOO_LONG, counted, says_too_long
from app.routes.errors import failure, problem

REQUESTS = Counter("clares_law_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram("clares_law_request_seconds", "Seconds from request to answer.", ["route"])
_GIVEN = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""128 bits or a UUID: it goes into the log, which is never erased; words, a birth date or a telephone number would tell
of somebody."""
_GONE = 499
"""What is counted where whoever asked hung up before the request was whole."""
_log = structlog.get_logger()


_OF_DATA = "default-src 'none'; frame-ancestors 'none'"
_OF_A_PAGE = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of what a browser may do with an answer: nothing comes from elsewhere and goes elsewhere, whoever is signed in."""


class Tracing:
    """Gives every request an id, by which the answer, the log and the problem know it.

    One that came with the request is taken where it is exactly 32 hexadecimal digits, or a UUID. It proves nothing: a
    row of the log has an id of its own, and names who asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _GIVEN.fullmatch(given) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status, begun = 500, False

        async def answer(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                begun = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
                is_page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault(
                    "Content-Security-Policy", _OF_A_PAGE if is_page else _OF_DATA
                )  # a page's own is stricter
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if says_too_long(scope):
                    await _too_long(scope)(scope, receive, answer)
                else:
                    await self.app(scope, counted(receive), answer)
            except ClientDisconnect:
                status = _GONE  # nobody is there to be answered, and nothing of ours failed
            except Exception as error:
                answered = failure(Request(scope), error)
                if not begun:
                    await answered(scope, receive, answer)
            finally:
                took = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "unknown")
                REQUESTS.labels(scope["method"], route, status).inc()
                SECONDS.labels(route).observe(took)
                _log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round(took * 1000, 1),
                )


def _too_long(scope: Scope) -> Response:
    """The answer to a body that nobody reads; the connection ends, since the body is still under way."""
    fields = [{"field": "body", "says": TOO_LONG}]
    headers = {"Connection": "close"}
    return problem(Request(scope), 422, Unprocessable.code, f"body: {TOO_LONG}", headers=headers, fields=fields)
