"""The three requests that are measured, as bytes ready to be sent."""

import itertools
import json
import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

_PLACE_OF_SURNAME = "Placeholder"


@dataclass(frozen=True)
class Asked:
    """One kind of request: its name in the report and a maker of the next one."""

    name: str
    status: int
    make: Callable[[], bytes]
    example: Callable[[], list[Any]]
    """[method, path, headers, body], for a client that is not ours."""


def case_file(token: str, cases: Sequence[str]) -> Asked:
    """Reading one of the open cases, each in turn."""
    turn = itertools.cycle([_get(f"/v1/applications/{case}", token) for case in cases])
    return Asked(
        "case file",
        200,
        turn.__next__,
        lambda: ["GET", f"/v1/applications/{cases[0]}", _bearer(token), None],
    )


def worklist(token: str) -> Asked:
    """Reading the first page of the worklist."""
    request = _get("/v1/applications", token)
    return Asked("worklist", 200, lambda: request, lambda: ["GET", "/v1/applications", _bearer(token), None])


def opening(token: str, *, now: datetime) -> Asked:
    """Opening a right to ask, each about two people not known before, with an idempotency key."""
    body = json.dumps(_APPLICATION | {"first_contact_at": now.isoformat()})
    fixed = _head("POST", "/v1/applications", token)

    def fresh() -> tuple[str, str]:
        surname = "".join(random.choices(string.ascii_lowercase, k=len(_PLACE_OF_SURNAME)))
        return body.replace(_PLACE_OF_SURNAME, surname.capitalize()), str(uuid4())

    def make() -> bytes:
        text, key = fresh()
        more = f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        return (fixed + more + text).encode()

    def example() -> list[Any]:
        text, key = fresh()
        headers = {**_bearer(token), "Idempotency-Key": key, "Content-Type": "application/json"}
        return ["POST", "/v1/applications", headers, text]

    return Asked("opening", 201, make, example)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _head(method: str, path: str, token: str) -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"


def _get(path: str, token: str) -> bytes:
    return (_head("GET", path, token) + "\r\n").encode()


_APPLICATION: dict[str, Any] = {
    "route": "right_to_ask",
    "channel": "telephone",
    "taken_by": "Control room operator 12",
    "why": "She has heard that he hurt a former partner and is afraid to ask him.",
    "risk_indicators": ["controls money", "shouting"],
    "risk": {"grade": "medium", "reason": "Controlling behaviour reported."},
    "consent_to_share": True,
    "subject": {
        "given_names": "Alan Peter",
        "surname": _PLACE_OF_SURNAME,
        "born": "1984-02-11",
        "gender": "male",
        "addresses": [{"address": "4 Quarry Lane, Northmoor"}],
    },
    "potential_victims": [
        {
            "given_names": "Joanna",
            "surname": _PLACE_OF_SURNAME,
            "born": "1988-07-30",
            "gender": "female",
            "relationship": "cohabiting_partner",
            "is_applicant": True,
            "safe_contact": {
                "place": "Workplace, reception",
                "means": "Mobile, voice only",
                "times": "Weekdays 12:00 to 13:00",
            },
        }
    ],
}
