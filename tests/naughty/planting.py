"""A world whose clients put naughty strings in every text field of whatever they send, and read all of it again."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlmodel import SQLModel

from app.evidence.records import COVERED
from app.evidence.sealed import Sealed
from app.main import doors
from tests.arrange import text_of
from tests.naughty.forms import Place, door_of, form_of, name_of, places
from tests.naughty.strings import NUMBERED, PLAIN, numbered
from tests.world import Client, World

LEFT_ALONE = {"police_employment"}
"""What makes a case another than the course needs: planted where the course itself gives it."""
DECISIVE = {"relationship", "open_checks_accepted"}
"""What is taken as it comes and put right before the case goes on: planted where nothing follows."""
READERS = ("head", "supervisor", "chair", "officer", "control_room", "administrator", "other_supervisor")
"""Whoever is to be shown something is among them; the first see the most."""
KEPT_NOWHERE = ("SearchIn", "FinalReportSearchIn")
"""What is searched for is not recorded."""
_EVERY_TABLE = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_TRIES = 2
_ABSENT = object()
_JSON = {"Content-Type": "application/json"}


class Exactly(str):
    """A text that is sent as it is: what was planted before and must be the same here."""


@dataclass
class Planted:
    """A text that was taken: by which field, at what address, and the id of what was made of it."""

    field: str
    text: str
    path: str
    made: str


@dataclass
class Naughty(World):
    """`rotation` says with which string of the list the first field begins."""

    rotation: int = 0
    taken: list[Planted] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    cases: set[str] = field(default_factory=set)
    goes_on: bool = True
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._strings = itertools.cycle(NUMBERED[self.rotation % len(NUMBERED) :] + NUMBERED[: self.rotation])

    def as_(self, key: str) -> "Planter":
        """A client that plants."""
        return Planter(self.http, super().as_(key).token, self)

    def text(self) -> str:
        """The next of the list."""
        return numbered(next(self._strings), next(self._numbers))

    def replaced(self, form: str, made: str) -> None:
        """What this form wrote is overwritten by the same form: it is not read again."""
        self.taken = [one for one in self.taken if not (one.made == made and one.field.startswith(f"{form}."))]

    def plain(self) -> str:
        """What every text field takes."""
        return numbered(PLAIN, next(self._numbers))


class Planter(Client):
    """Sends what it is given with other texts. Each is taken, or refused by a 422 that names its field."""

    def __init__(self, http: httpx.AsyncClient, token: str, world: Naughty) -> None:
        super().__init__(http, token)
        self.world = world

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """As the client's, with other texts."""
        return await self._plant("POST", path, body, more.pop("headers", {}))

    async def put(self, path: str, body: Any, **more: Any) -> httpx.Response:
        """As the client's, with other texts."""
        return await self._plant("PUT", path, body, more.pop("headers", {}))

    async def _plant(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        door = door_of(method, path)
        form = form_of(door) if door is not None else None
        if form is None:
            return await self.http.request(method, path, json=body, headers=self._headers(headers))
        whole = {place: f"{name_of(form)}.{way}" for place, way in places(form, body)}
        self.world.met |= set(whole.values())
        fields = {
            place: name
            for place, name in whole.items()
            if not (place[-1] in LEFT_ALONE and _get(body, place) is _ABSENT)
            and not (DECISIVE.intersection(place) and self.world.goes_on)
        }
        typed = {place: _get(body, place) for place in fields}
        texts: dict[Place, Any] = {
            place: value if isinstance(value, Exactly) else self.world.text() for place, value in typed.items()
        }
        tries = dict.fromkeys(fields, 0)
        while True:
            sent = _with(body, texts)
            raw = json.dumps(sent)  # in ASCII, so that half a surrogate pair arrives
            answer = await self.http.request(method, path, content=raw, headers=self._headers(headers | _JSON))
            says = f"{method} {door.path if door else path}: {answer.status_code} {answer.text[:600]}"
            assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, says
            if answer.status_code != httpx.codes.UNPROCESSABLE_ENTITY:
                break
            wrong = _named(answer, texts, typed)
            assert wrong, f"names no field that was wrong: {says}"
            for place in wrong:
                assert str(texts[place]).strip() not in answer.text or len(str(texts[place])) < 9, f"repeats it: {says}"
                tries[place] += 1
                self.world.refused[fields[place]] = self.world.refused.get(fields[place], 0) + 1
                more = self.world.text() if tries[place] < _TRIES else self.world.plain()
                texts[place] = more if tries[place] <= _TRIES else typed[place]
        if answer.is_success:
            if method == "PUT":
                self.world.replaced(name_of(form), path.rpartition("/")[2])
            kept = [place for place in fields if texts[place] != typed[place] or isinstance(texts[place], Exactly)]
            made = str(answer.json().get("id")) if isinstance(answer.json(), dict) else ""
            self.world.taken += [Planted(fields[place], texts[place], path, made) for place in kept]
            self._remember(path, answer.json())
        return answer

    def _remember(self, path: str, answer: Any) -> None:
        if isinstance(answer, dict):
            case = answer.get("case_id") or (answer.get("id") if path in ("/v1/applications", "/v1/drafts") else None)
            self.world.cases |= {str(one) for one in (case, answer.get("opened_case_id")) if one}


def _named(answer: httpx.Response, texts: dict[Place, Any], typed: dict[Place, Any]) -> list[Place]:
    """The planted texts that a 422 is about: those it names; of a whole form, what it says of, or what was added."""
    planted = [place for place in texts if texts[place] != typed[place]]
    found = set()
    for one in answer.json()["fields"]:
        named = tuple(part for part in one["field"].split(".") if part != "body")
        exactly = [place for place in planted if _way(place) == named[: len(place)]]
        added = [place for place in planted if _way(place)[: len(named)] == named and typed[place] is _ABSENT]
        told = [place for place in added if str(place[-1]) in one["says"]]
        found |= set(exactly or told or added)
    return sorted(found, key=str)


def _way(place: Place) -> tuple[str, ...]:
    return tuple(str(part) for part in place)


def _get(body: Any, place: Place) -> Any:
    for part in place:
        if isinstance(body, dict) and part not in body:
            return _ABSENT
        body = body[part]
    return body if isinstance(body, str) else _ABSENT


def _with(body: Any, texts: dict[Place, Any]) -> Any:
    changed = json.loads(json.dumps(body))  # what stood in two places is two things from now on
    for place, text in texts.items():
        if text is _ABSENT:
            continue
        within = changed
        for part in place[:-1]:
            within = within[part]
        within[place[-1]] = text
    return changed


async def unread(world: Naughty) -> list[Planted]:
    """What was taken and stands nowhere as it was typed, wherever its readers look."""
    found: set[str] = set()
    lists = {door.path for door in doors() if "{" not in door.path and door.path.startswith("/v1/")}
    addresses = {one.path for one in world.taken} | {one.path.rpartition("/")[0] for one in world.taken}
    cases = {f"/v1/applications/{case}{what}" for case in world.cases for what in ("", "/persons", "/initial-contacts")}
    for path in sorted((addresses | cases | lists) - {"/v1/alerts/stream"}):
        await _read(world, path, found)
    if any(one.text not in found for one in world.taken):  # what no door shows is kept all the same
        for row in world.rows(_EVERY_TABLE):
            kept = world.rows(f"SELECT to_jsonb(t) AS row FROM {row['tablename']} t")
            found |= {text for one in kept for text in _texts(one["row"])}
        found |= {text for one in _sealed(world) for text in _texts(one)}
    found |= {one.text for one in world.taken if one.field in KEPT_AS_A_HASH}
    return [one for one in world.taken if one.text not in found and one.field.split(".")[1] not in KEPT_NOWHERE]


async def _read(world: Naughty, path: str, found: set[str]) -> None:
    if door_of("GET", path) is None:
        return
    for reader in READERS:
        answer = await world.as_(reader).get(path)
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, f"{path}: {answer.status_code}"
        if answer.is_success and "json" in answer.headers["content-type"]:
            found |= set(_texts(answer.json()))
            return


KEPT_AS_A_HASH = {"access.StaffIn.address", "access.StaffChangeIn.address"}
"""Compared, and never kept as it was given (H12.1)."""


def _sealed(world: World) -> Iterator[Any]:
    """What the envelopes of sealed records say."""
    for table in COVERED:
        for column in SQLModel.metadata.tables[table].c:
            if isinstance(column.type, Sealed):
                for row in world.rows(f"SELECT id FROM {table} WHERE {column.name} IS NOT NULL"):
                    yield text_of(world, table, column.key, str(row["id"]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
