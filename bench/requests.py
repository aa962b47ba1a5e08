"""The requests that are measured, as bytes ready to be sent."""

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
_JSON = {"Content-Type": "application/json"}
_REASON = {"Access-Reason": "review"}
_WHY = "Access-Reason: review\r\n"


@dataclass(frozen=True)
class Asked:
    """One kind of request: its name in the report and a maker of the next one."""

    name: str
    status: int
    make: Callable[[], bytes]
    example: Callable[[], list[Any]]
    """[method, path, headers, body], for a client that is not ours."""
    writes: bool = False


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


def search(token: str, surnames: Sequence[str]) -> Asked:
    """Searching for one of the surnames, each in turn."""
    bodies = [json.dumps({"surname": one}) for one in surnames]
    path = "/v1/applications/search"
    turn = itertools.cycle([_post(path, token, body) for body in bodies])
    return Asked("search", 200, turn.__next__, lambda: ["POST", path, _bearer(token) | _JSON, bodies[0]])


def opening(token: str, *, now: datetime) -> Asked:
    """Opening a right to ask, each about two people not known before, with an idempotency key."""
    path, body = "/v1/applications", json.dumps(_APPLICATION | {"first_contact_at": now.isoformat()})

    def fresh() -> tuple[str, str]:
        surname = "".join(random.choices(string.ascii_lowercase, k=len(_PLACE_OF_SURNAME)))
        return body.replace(_PLACE_OF_SURNAME, surname.capitalize()), str(uuid4())

    def make() -> bytes:
        text, key = fresh()
        return _post(path, token, text, f"Idempotency-Key: {key}\r\n")

    def example() -> list[Any]:
        text, key = fresh()
        return ["POST", path, _bearer(token) | _JSON | {"Idempotency-Key": key}, text]

    return Asked("opening", 201, make, example, writes=True)


def telling(token: str, told: Sequence[tuple[str, str]], *, by: str) -> Asked:
    """Recording words said to the potential victim of one of the cases, each in turn: sealed texts that are written.

    `told` are cases, each with the party who hears them; `by` is whoever spoke.
    """
    sent = [
        (f"/v1/applications/{case}/disclosures", json.dumps(_TELLING | _heard(victim, by))) for case, victim in told
    ]
    turn = itertools.cycle([_post(path, token, body) for path, body in sent])
    examples = itertools.cycle([["POST", path, _bearer(token) | _JSON, body] for path, body in sent])
    return Asked("telling", 202, turn.__next__, examples.__next__, writes=True)


def words(token: str, records: Sequence[tuple[str, str]]) -> Asked:
    """Reading the words of one of the records, each in turn: sealed texts that are opened. Each is (case, record)."""
    paths = [f"/v1/applications/{case}/disclosures/{record}" for case, record in records]
    turn = itertools.cycle([_get(path, token, _WHY) for path in paths])
    return Asked("words", 200, turn.__next__, lambda: ["GET", paths[0], _bearer(token) | _REASON, None])


def _heard(victim: str, by: str) -> dict[str, str]:
    return {"potential_victim_id": victim, "recipient_id": victim, "delivered_by": by}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _head(method: str, path: str, token: str) -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"


def _get(path: str, token: str, more: str = "") -> bytes:
    return f"{_head('GET', path, token)}{more}\r\n".encode()


def _post(path: str, token: str, body: str, more: str = "") -> bytes:
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{_head('POST', path, token)}{more}{length}\r\n{body}".encode()


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
_TELLING: dict[str, Any] = {
    "words": "In 2025 he was convicted of assaulting a partner. Help is there for you, today and later.",
    "present": ["Independent domestic violence adviser"],
    "place": "Surgery, consulting room 4",
    "warnings_given": ["warning_safeguarding_only", "warning_undertaking", "warning_proceedings"],
    "undertaking": "signed",
    "signed_by_deliverer": True,
    "recipient_signature": "signed",
    "nothing_handed_over": True,
    "pack": "kept_by_police",
}
