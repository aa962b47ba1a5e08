"""A mixture of accounts that read and write, what each may see, and what must be true after many were cut off."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from psycopg import IsolationLevel
from psycopg.rows import dict_row

from app.storage.migrations import conninfo
from tests.faults.fleet import rows
from tests.routes.test_withholding import decide
from tests.steps import forum, intake
from tests.world import World

ASKERS = 12
"""More than twice the connections: requests wait for one, and are cut off while they wait too."""
_READERS = ("officer", "officer2", "supervisor", "other_officer", "idva", "auditor", "standards")
_WRITERS = ("officer", "officer2", "other_officer", "idva")
_OPEN = """
SELECT state, query FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
AND backend_type = 'client backend'
"""
_WAITING = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name <> 'worker'
"""
_LOGGED = "SELECT request_id, category, refused, count(*) AS n FROM access_log GROUP BY 1, 2, 3"
_KEPT = "SELECT note FROM contact_attempt"


@dataclass(frozen=True, eq=False)
class Ask:
    """A request by somebody; a write brings the words that its record is known by."""

    who: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    writes: bool = False

    def with_id(self, request_id: str) -> dict[str, Any] | None:
        """The body, which in a write names the request."""
        return (
            {**(self.body or {}), "note": f"{self.body['note']} {request_id}"}
            if self.writes and self.body
            else self.body
        )


@dataclass
class Asked:
    """What was asked in a calm hour, and the answer that each must get in any other: its status, the cases it names.

    `cases` are the words by which each case would be known in an answer.
    """

    world: World
    cases: dict[str, tuple[str, ...]]
    asks: list[Ask] = field(default_factory=list)
    rightly: dict[Ask, tuple[int, frozenset[str]]] = field(default_factory=dict)
    answered: dict[str, tuple[Ask, int]] = field(default_factory=dict)
    cut: dict[str, Ask] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def named(self, answer: httpx.Response) -> frozenset[str]:
        """The cases that an answer names, by id, reference or a party's surname."""
        return frozenset(name for name, words in self.cases.items() if any(word in answer.text for word in words))

    def read(self, request_id: str, ask: Ask, answer: httpx.Response) -> None:
        """Compare an answer with the rights of who asked."""
        self.answered[request_id] = ask, answer.status_code
        got = answer.status_code, self.named(answer)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and not got[1]:
            return  # waited too long for a connection, and saw nothing
        if got != self.rightly[ask]:
            self.wrong.append(f"{ask.who} {ask.method} {ask.path}: {got}, rightly {self.rightly[ask]}")
        if answer.headers["X-Request-ID"] != request_id:
            self.wrong.append(f"{ask.who} got the answer to another request")

    def assert_true(self) -> None:
        """Whoever was answered saw their own, and the log and the records say what the answers said."""
        assert not self.wrong, self.wrong[:5]
        logged: dict[str, Counter[tuple[str, bool]]] = {}
        with psycopg.connect(conninfo(self.world.url), row_factory=dict_row) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ  # a write that was cut may yet be kept
            rows_of_log = connection.execute(_LOGGED).fetchall()
            notes = connection.execute(_KEPT).fetchall()
        for row in rows_of_log:
            logged.setdefault(row["request_id"], Counter())[row["category"], row["refused"]] = row["n"]
        kept = {str(row["note"]).rpartition(" ")[2] for row in notes}
        for request_id, (ask, status) in self.answered.items():
            found = logged.get(request_id, Counter())
            if status == httpx.codes.SERVICE_UNAVAILABLE:
                continue
            assert found, f"answered {status} and not logged: {ask}"
            assert set(found.values()) == {1}, f"logged twice: {ask}: {found}"
            assert {refused for _, refused in found} == {status >= httpx.codes.BAD_REQUEST}, (ask, found)
            assert (request_id in kept) is (ask.writes and status == httpx.codes.CREATED), ask
        for request_id, ask in self.cut.items():
            found = logged.get(request_id, Counter())
            assert set(found.values()) <= {1}, f"logged twice: {ask}: {found}"
            assert (request_id in kept) is (("alteration", False) in found), f"kept or logged alone: {ask}: {found}"


async def arranged(world: World) -> Asked:
    """Cases of two forces, one on a partner's agenda, one that excludes an officer; each marked, each request tried."""
    cases = {
        "own": await _opened(world, "own", by="control_room"),
        "kept": await _opened(world, "kept", by="control_room"),
        "other": await _opened(world, "other", by="other_control_room"),
        "agenda": await forum.waiting(world, _body(world, "agenda")),
    }
    excluded = await decide(world, cases["kept"], "supervisor", "officer2", "excluded")
    assert excluded.status_code == httpx.codes.CREATED, excluded.text
    item = await forum.sitting(world, cases["agenda"])

    references = {str(row["id"]): row["reference"] for row in rows(world.url, "SELECT id, reference FROM application")}
    asked = Asked(world, {name: (case, references[case], f"Marked-{name}") for name, case in cases.items()})
    for who in _READERS:
        asked.asks += [Ask(who, "GET", "/v1/applications"), Ask(who, "GET", "/v1/alerts"), Ask(who, "GET", item.path)]
        asked.asks += [Ask(who, "POST", "/v1/applications/search", {"surname": f"Marked-{name}"}) for name in cases]
        for case in cases.values():
            asked.asks += [Ask(who, "GET", f"/v1/applications/{case}{more}") for more in ("", "/timeline", "/persons")]
    for who in _WRITERS:
        for name, case in cases.items():
            party = intake.parties(world, case)["potential_victim"][0]
            body = {"party_id": party, "means": f"Marked-{name}", "outcome": "no_answer", "note": "Tried."}
            asked.asks.append(Ask(who, "POST", f"/v1/applications/{case}/contact-attempts", body, writes=True))
    for ask in asked.asks:
        answer = await world.as_(ask.who).http.request(
            ask.method, ask.path, json=ask.with_id("calm"), headers=headers_of(world, ask, "ca1e" * 8)
        )
        asked.rightly[ask] = answer.status_code, asked.named(answer)
    _must_tell_rights_apart(asked)
    return asked


def _must_tell_rights_apart(asked: Asked) -> None:
    seen = {ask.who: marks for ask, (_, marks) in asked.rightly.items() if ask.path == "/v1/applications"}
    assert seen["officer"] == {"own", "kept", "agenda"}
    assert seen["officer2"] == {"own", "agenda"}
    assert seen["other_officer"] == {"other"}
    assert {status for status, _ in asked.rightly.values()} == {200, 201, 403, 404}
    partner = set().union(*(marks for ask, (_, marks) in asked.rightly.items() if ask.who == "idva"))
    assert partner == {"agenda"}


def _body(world: World, name: str) -> dict[str, Any]:
    she = {**intake.VICTIM, "surname": f"Marked-{name}", "is_applicant": True}
    subject = {**intake.SUBJECT, "surname": f"Marked-{name}"}
    return intake.right_to_ask(world, subject=subject, potential_victims=[she])


async def _opened(world: World, name: str, *, by: str) -> str:
    answer = await world.as_(by).must_post("/v1/applications", _body(world, name))
    return str(answer["id"])


def headers_of(world: World, ask: Ask, request_id: str) -> dict[str, str]:
    """The headers of a request: whose it is and by what id the log knows it."""
    return {
        "Authorization": f"Bearer {world.as_(ask.who).token}",
        "X-Request-ID": request_id,
        "Access-Reason": "cover",
    }


Cutting = Callable[[Asked, Ask, str, random.Random], Awaitable[None]]
"""Another way to begin a request and not to end it."""


async def storm(asked: Asked, number: int, *, cutting: Cutting | None = None) -> None:
    """Ask `number` times, a dozen at once; half is to be cut off at a moment that is likely to lie within."""
    chance = random.Random(number)
    takes = 0.05
    left = iter(range(number))

    async def ask_one(turn: int) -> None:
        nonlocal takes
        ask, request_id = chance.choice(asked.asks), f"{turn:032x}"
        if cutting is not None and turn % 8 == 0:
            await cutting(asked, ask, request_id, chance)
            return
        sent = asyncio.create_task(
            asked.world.http.request(
                ask.method, ask.path, json=ask.with_id(request_id), headers=headers_of(asked.world, ask, request_id)
            )
        )
        begun = asyncio.get_running_loop().time()
        if turn % 2:
            await asyncio.wait([sent], timeout=chance.uniform(0, takes))
            sent.cancel()
        try:
            asked.read(request_id, ask, await sent)
            takes += (asyncio.get_running_loop().time() - begun - takes) / 20
        except asyncio.CancelledError:
            asked.cut[request_id] = ask

    async def ask_on() -> None:
        for turn in left:
            await ask_one(turn)

    await asyncio.gather(*(ask_on() for _ in range(ASKERS)))
    assert len(asked.answered) + len(asked.cut) == number


async def settled(url: str) -> None:
    """Wait until no connection of the service is within a transaction."""
    left: list[dict[str, Any]] = []
    for _ in range(200):
        left = rows(url, _OPEN)
        if not left:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"still within a transaction: {left}")


async def every_connection_is_free(asked: Asked, connections: int) -> None:
    """Hold all connections of the pool at once: so many requests wait for a lock, none for a connection, and end."""
    with psycopg.connect(conninfo(asked.world.url)) as holder:
        holder.execute("LOCK TABLE application IN ACCESS EXCLUSIVE MODE")
        ask = next(one for one in asked.asks if (one.who, one.path) == ("officer", "/v1/applications"))
        sent = [
            asyncio.create_task(
                asked.world.http.get(ask.path, headers=headers_of(asked.world, ask, f"beef{number:028x}"))
            )
            for number in range(connections)
        ]
        for _ in range(200):
            if len(rows(asked.world.url, _WAITING)) == connections:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError(f"{len(rows(asked.world.url, _WAITING))} of {connections} connections are free")
    for number, one in enumerate(sent):
        asked.read(f"beef{number:028x}", ask, await one)
