"""A client of the service itself: what is sent is a form, what is refused is raised with every obstacle."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
from pydantic import BaseModel

from app.errors import ClaresLawError, Obstacle

_UNREAD = 500  # characters shown of an answer that is no JSON


class ServiceUnreachable(ClaresLawError):
    """No answer came."""

    code: ClassVar[str] = "service_unreachable"


class RequestRefused(ClaresLawError):
    """The service answered with a problem (RFC 9457); the text names the request and holds the whole problem."""

    code: ClassVar[str] = "request_refused"

    def __init__(self, method: str, path: str, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{method} {path} was answered {status}:\n{json.dumps(problem, indent=2)}")
        self.method, self.path, self.status, self.problem = method, path, status, problem
        self.detail = str(problem.get("detail", ""))
        self.obstacles = tuple(
            Obstacle(str(one["code"]), str(one["says"]), str(one["rule"])) for one in problem.get("obstacles", ())
        )


class ServiceClient:
    """One person's way into the service at `base_url`, by a bearer token. Use it as a context manager."""

    def __init__(self, base_url: str, token: str, *, reason: str = "handover", timeout: float = 30.0) -> None:
        """`reason` is the code under which cases of others are read; `timeout` is in seconds.

        Proxies of the environment are passed by: the service is a neighbour.
        """
        headers = {"Authorization": f"Bearer {token}", "Access-Reason": reason}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """What is held under an address."""
        return self._send("GET", path)

    def post(
        self,
        path: str,
        form: BaseModel | Mapping[str, Any],
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> Any:
        """Send a form. A decision names the `version` of the case that it was made on, a creation may bring a `key`.

        What a form leaves out is not sent.
        """
        body = form.model_dump(mode="json", exclude_none=True) if isinstance(form, BaseModel) else form
        headers = {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._send("POST", path, json=body, headers=headers)

    def _send(self, method: str, path: str, **given: Any) -> Any:
        try:
            answer = self._http.request(method, path, **given)
        except httpx.TransportError as error:
            raise ServiceUnreachable(
                f"{method} {self._http.base_url.join(path)} got no answer ({type(error).__name__}). "
                "Is the service running there? Start it with: make run"
            ) from error
        try:
            body = answer.json()
        except ValueError:
            body = {"detail": answer.text[:_UNREAD]}
        if answer.is_success:
            return body
        raise RequestRefused(method, path, answer.status_code, body if isinstance(body, dict) else {"detail": body})
