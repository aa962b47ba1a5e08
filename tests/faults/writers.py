"""Writers that keep what was acknowledged to them, a service whose parts are killed under them, and the comparison."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from app import clock
from app.access.demonstration import AUDIENCE, ISSUER, publish
from app.access.tokens import DemonstrationIssuer
from app.evidence.notes import PublicKey
from app.evidence.signing import signer_of
from app.evidence.verifying import History, read_witness, verify_log
from app.proving import export_to
from app.settings import Settings
from tests.faults.conftest import Durable
from tests.faults.fleet import Fleet, Hour, eventually, rows
from tests.journeys.running import PATIENCE, Process, environment_of, free_port
from tests.steps import intake
from tests.world import STAFF

LOGGED = "SELECT category, case_id, event_id FROM access_log WHERE NOT refused AND category <> 'consultation'"
_PLACES = {"contact-attempts": "note", "safeguarding-actions": "action", "crime-references": "note"}
_TROUBLE = 503
_NO_DATABASE = " refuses: "
GROWS: dict[str, Callable[[str], int]] = {
    "the log": lambda url: int(rows(url, "SELECT count(*) AS n FROM access_log")[0]["n"]),
    "the checkpoints": lambda url: int(rows(url, "SELECT count(*) AS n FROM checkpoint")[0]["n"]),
    "what was answered": lambda url: int(rows(url, "SELECT count(*) AS n FROM answered_request")[0]["n"]),
}
"""What no kill may make shorter, each by its name."""


Place = tuple[str, str]
"""A case and a potential victim in it."""


@dataclass(frozen=True)
class Write:
    """One write with its key: where, what, and the case that it is in (the case itself, for one that opens)."""

    key: str
    path: str
    body: dict[str, Any]
    case: str = ""
    if_match: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The key, and for a decision the version that it is made on."""
        return {"Idempotency-Key": self.key} | ({"If-Match": self.if_match} if self.if_match else {})


@dataclass
class Service:
    """An API process and workers over one durable database, each killed and started again."""

    durable: Durable
    url: str
    folder: Path
    hour: Hour
    workers: Fleet
    issuer: DemonstrationIssuer = field(default_factory=lambda: DemonstrationIssuer(ISSUER, AUDIENCE))
    port: int = field(default_factory=free_port)
    started: int = 0
    api: Process | None = None
    grown: Counter[str] = field(default_factory=Counter)
    witnessed: bytes = b""
    arranged: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    """What the log tells of no writer."""

    @property
    def witness(self) -> Path:
        """Where the workers tell each checkpoint: what stands there stays."""
        return self.folder / "data" / "witness.jsonl"

    @property
    def address(self) -> str:
        """Where the API answers, from start to start."""
        return f"http://127.0.0.1:{self.port}"

    def start_api(self) -> None:
        """Start the API; it is there when it answers."""
        self.started += 1
        given = environment_of(self.url) | self.hour.environment
        given |= {
            "CLARES_LAW_PORT": str(self.port),
            "CLARES_LAW_TOKEN_ISSUER": ISSUER,
            "CLARES_LAW_TOKEN_AUDIENCE": AUDIENCE,
            "CLARES_LAW_TOKEN_JWKS_FILE": str(publish(self.issuer, self.folder)),
        }
        self.api = Process.start("serve", given, self.folder, name=f"api-{self.started}")

    def kill_api(self, _: random.Random) -> None:
        """SIGKILL to the API, and another in its place."""
        self.tend()
        assert self.api is not None
        self.api.child.kill()
        self.api.child.wait()
        self.start_api()

    def kill_worker(self, chance: random.Random) -> None:
        """SIGKILL to a worker, and another in its place."""
        eventually(lambda: self.tend() and self.workers.at_work(), "a worker begins", patience=2 * PATIENCE)
        self.workers.kill_one(chance)

    def tend(self) -> bool:
        """Start again, as whatever keeps it would, what found no database as it began: it said so and ended."""
        for ended in [one for one in self.workers.workers if one.child.poll() is not None]:
            assert _NO_DATABASE in ended.tail(), f"a worker ended by itself:\n{ended.tail()}"
            self.workers.workers.remove(ended)
            self.workers.start()
        if self.api is not None and self.api.child.poll() is not None:
            assert _NO_DATABASE in self.api.tail(), f"the API ended by itself:\n{self.api.tail()}"
            self.start_api()
        return True

    def kill_database(self, chance: random.Random) -> None:
        """SIGKILL to the server or to one of its sessions, whose death is the server's too; it recovers."""
        if chance.random() < 0.5:
            self.durable.kill_session(self.url, chance)
        else:
            self.durable.kill()
            time.sleep(chance.uniform(0, 1))
            self.durable.start()
        eventually(self._answers, "the database answers again")

    def _answers(self) -> bool:
        try:
            return bool(rows(self.url, "SELECT 1"))
        except psycopg.OperationalError:
            return False

    def only_grows(self) -> None:
        """Look at what no kill may make shorter."""
        for name, count in GROWS.items():
            found = count(self.url)
            assert found >= self.grown[name], f"{name} became shorter: {self.grown[name]}, now {found}"
            self.grown[name] = found
        seen = self.witness.read_bytes() if self.witness.exists() else b""
        assert seen.startswith(self.witnessed), "what the witness saw changed"
        self.witnessed = seen

    def proven(self) -> str:
        """What the auditor's commands say of all of it, from the witness and the public key alone."""
        export = self.folder / "export.jsonl"
        asyncio.run(export_to(self.url, export, wait=2 * PATIENCE))
        history, key = self.seen()
        with export.open("rb") as told:
            return verify_log(told, history, key)

    def seen(self) -> tuple[History, PublicKey]:
        """What the witness saw, and the key that it is read by: all that whoever verifies has."""
        key = signer_of(Settings(data_dir=self.folder / "data")).public
        with self.witness.open("rb") as lines:
            return read_witness(lines, key), key

    @property
    def headers(self) -> dict[str, str]:
        """Those of a supervisor, who writes and reads."""
        token = self.issuer.issue("supervisor", now=clock.real_now(), lifetime=timedelta(hours=2))
        return {"Authorization": f"Bearer {token}"}

    def failures(self) -> list[str]:
        """What any API process logged of what nobody foresaw."""
        lines = [line for log in self.folder.glob("api-*.log") for line in log.read_text().splitlines()]
        return [line for line in lines if '"event": "failure"' in line or "Traceback" in line]


@contextmanager
def service(durable: Durable, url: str, folder: Path, hour: Hour, workers: Fleet) -> Iterator[Service]:
    """The API and one worker, until the end of the block."""
    opened = Service(durable, url, folder, hour, workers)
    try:
        opened.start_api()
        workers.start()
        yield opened
    finally:
        if opened.api is not None:
            opened.api.child.kill()
            opened.api.child.wait()


class Writer(threading.Thread):
    """One of many that write at once: opens a case of its own, then records in it and in one that all share."""

    def __init__(self, to: Service, number: int, shared: Place = ("", "")) -> None:
        super().__init__(daemon=True)
        self.to, self.number, self.shared = to, number, shared
        self.acknowledged: list[tuple[Write, dict[str, Any]]] = []
        self.replayed = self.retried = 0
        self.failed: str | None = None
        self.enough = threading.Event()
        self._chance = random.Random(number)
        self._headers = to.headers
        self._own, self._version = ("", ""), 0

    def run(self) -> None:
        """Write until it is enough; what ends it is kept."""
        try:
            with httpx.Client(base_url=self.to.address, timeout=30, trust_env=False) as http:
                self._write_on(http)
        except Exception as error:
            self.failed = f"writer {self.number}: {type(error).__name__}: {error}"

    def open_one(self) -> Place:
        """Open a case for others to write in."""
        with httpx.Client(base_url=self.to.address, timeout=30, trust_env=False) as http:
            return self._open(http)[0]

    def _open(self, http: httpx.Client) -> tuple[Place, int]:
        opened = self._until_acknowledged(http, Write(self._key(), "/v1/applications", self._application()))
        return (str(opened["id"]), self._victim(http, str(opened["id"]))), opened["version"]

    def _write_on(self, http: httpx.Client) -> None:
        self._own, self._version = self._open(http)
        while not self.enough.is_set():
            self._write_one(http)

    def _write_one(self, http: httpx.Client) -> None:
        """Write something more, and return once it is acknowledged."""
        chosen = self._chance.random()
        if chosen < 0.1:
            self._own, self._version = self._open(http)
        elif chosen < 0.3:
            body = {"staff_id": str(STAFF["officer"].id), "reason": self._words(self._key())}
            path = f"/v1/applications/{self._own[0]}/assignment"
            write = Write(body["reason"].split()[0], path, body, self._own[0], f'"{self._version}"')
            self._version = self._until_acknowledged(http, write)["version"]
        else:
            mine = self._chance.random() < 0.5
            kept = self._until_acknowledged(http, self._act(*(self._own if mine else self.shared)))
            self._version = kept["version"] if mine else self._version

    def _key(self) -> str:
        return f"w{self.number:02}-{uuid4().hex}"

    def _words(self, key: str) -> str:
        return f"{key} — “naïve” 𝓌ords\tof writer {self.number}\r\nand a second line. "

    def _application(self) -> dict[str, Any]:
        mark = uuid4().hex[:12].translate(str.maketrans("0123456789", "ghijklmnop"))
        at = self.to.hour.came[0][0].isoformat()
        return {
            "route": "right_to_ask",
            "first_contact_at": at,
            "channel": "telephone",
            "taken_by": "Operator 12",
            "why": self._words(mark),
            "consent_to_share": True,
            "subject": {"surname": f"Su{mark}"},
            "potential_victims": [{"surname": f"Vi{mark}", "is_applicant": True, "safe_contact": intake.SAFE}],
        }

    def _victim(self, http: httpx.Client, case: str) -> str:
        found = self._until_answered(http, f"/v1/applications/{case}").json()
        return str(found["parties"]["potential_victims"][0]["id"])

    def _until_answered(self, http: httpx.Client, path: str) -> httpx.Response:
        """Ask again and again, whatever is killed meanwhile and while it says 202, until it is answered in full."""
        limit = time.monotonic() + 3 * PATIENCE
        while True:
            assert time.monotonic() < limit, f"not answered in six minutes: {path}"
            try:
                answer = http.get(path, headers=self._headers)
                if answer.status_code == httpx.codes.OK:
                    return answer
                if answer.status_code != httpx.codes.ACCEPTED:
                    self._must_be_trouble(answer)
            except httpx.TransportError:
                pass
            time.sleep(0.05)

    def _act(self, case: str, party: str) -> Write:
        key = self._key()
        words = self._words(key)
        what, body = self._chance.choice(
            (
                ("contact-attempts", {"party_id": party, "means": "Telephone", "outcome": "no_answer", "note": words}),
                ("safeguarding-actions", {"party_id": party, "action": words, "done_by": "Response officer"}),
                ("crime-references", {"reference": key, "note": words}),
            )
        )
        return Write(key, f"/v1/applications/{case}/{what}", body, case)

    def _until_acknowledged(self, http: httpx.Client, write: Write) -> dict[str, Any]:
        """Send it, again and again with its key, until it is acknowledged."""
        limit = time.monotonic() + 3 * PATIENCE
        while True:
            assert time.monotonic() < limit, f"not acknowledged in six minutes: {write.path}"
            try:
                answer = http.post(write.path, json=write.body, headers=self._headers | write.headers)
                if answer.status_code in (httpx.codes.OK, httpx.codes.CREATED, httpx.codes.ACCEPTED):
                    break
                self._must_be_trouble(answer)
            except httpx.TransportError:
                pass
            self.retried += 1
            time.sleep(self._chance.uniform(0.1, 0.5))
        receipt: dict[str, Any] = answer.json()
        self.replayed += "Idempotent-Replayed" in answer.headers
        self.acknowledged.append((write, receipt))
        return receipt

    def _must_be_trouble(self, answer: httpx.Response) -> None:
        assert answer.status_code == _TROUBLE, f"{answer.request.url.path}: {answer.status_code} {answer.text}"


def compare(to: Service, writers: list[Writer]) -> int:
    """Each acknowledged write is there exactly once, as it was sent, with its row in the log; how many there are."""
    acknowledged = [one for writer in writers for one in writer.acknowledged]
    assert [writer.failed for writer in writers if writer.failed] == []
    answered = Counter(row["key"] for row in rows(to.url, "SELECT key FROM answered_request"))
    assert answered == Counter(write.key for write, _ in acknowledged), "each key once, and none besides"
    logged = Counter(tuple(row.values()) for row in rows(to.url, LOGGED)) - to.arranged
    assert set(logged.values()) == {1}
    there = _read_back(to, {str(receipt.get("case_id") or receipt["id"]) for _, receipt in acknowledged})
    done = set()
    for write, receipt in acknowledged:
        if not write.case:
            assert there["timeline", receipt["id"]]
            done.add(("collection", receipt["id"], None))
            continue
        what = write.path.rpartition("/")[2]
        done.add(("disclosure" if what == "disclosures" else "alteration", write.case, receipt["id"]))
        found = [one for one in there[what, write.case] if one["id"] == receipt["id"]]
        assert len(found) == 1, f"{len(found)} times: {write.path}"
        assert write.body == {name: found[0][name] for name in write.body}, f"not as it was sent: {write.path}"
    assert {(category, str(case), event and str(event)) for category, case, event in logged} == done
    wrote = Counter((write.path.rpartition("/")[2], write.case) for write, _ in acknowledged if write.case)
    assert {place: len(records) for place, records in there.items() if place[0] != "timeline" and records} == wrote
    return len(acknowledged)


def _read_back(to: Service, cases: set[str]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Every record of the cases as their reader is shown it."""
    there = {}
    with httpx.Client(base_url=to.address, timeout=30, headers=to.headers, trust_env=False) as http:
        for case in cases:
            for what in (*_PLACES, "assignment", "timeline", "disclosures"):
                found = _shown(http, f"/v1/applications/{case}/{what}")
                there[what, case] = found["items"] if what == "timeline" else found
            told = [one["id"] for one in there["disclosures", case]]
            there["disclosures", case] = [_shown(http, f"/v1/applications/{case}/disclosures/{one}") for one in told]
    return there


def _shown(http: httpx.Client, path: str) -> Any:
    answer = http.get(path)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()
