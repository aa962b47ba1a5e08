"""A case that is not yours answers as a random id does: 500 pairs, down to the statements that the database is sent."""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import event

from app.access.rules import PERMISSIONS, Role
from app.outside.witness import FakeWitness
from tests.access.relations import TRIED_BY, WHY, other_force, restricted
from tests.access.test_matrix import address, asked_doors, bodies
from tests.evidence.numbering import number_all, numbering
from tests.routes.test_withholding import POLICE, decide
from tests.steps import final_report, forum, intake
from tests.steps.forum import Item
from tests.world import OWN, STAFF, World

PAIRS = 500
VARY = {"x-request-id", "date"}
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_OF_ITS_OWN = re.compile(rf"[0-9a-f]{{64}}|{_ID.pattern}|[0-9a-f]{{16}}|\d{{4}}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")


@contextmanager
def statements(world: World) -> Iterator[list[tuple[str, str]]]:
    """What the API sends to the database meanwhile, each with what it is given; ids and moments are alike."""
    assert world.api is not None
    engine = world.api.state.sessions.kw["bind"].sync_engine
    sent: list[tuple[str, str]] = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        values = parameters if isinstance(parameters, dict) else dict(enumerate(parameters))
        masked = {
            name: "moment" if hasattr(value, "tzinfo") else "request" if name == "request_id" else str(value)
            for name, value in values.items()
        }
        sent.append((statement, _ID.sub("id", str(masked))))

    event.listen(engine, "before_cursor_execute", keep)
    yield sent
    event.remove(engine, "before_cursor_execute", keep)


async def told(world: World, key: str, method: str, path: str, **sent: Any) -> tuple[Any, ...]:
    """All that the asker, and the database, can tell of one request."""
    token = {"Authorization": f"Bearer {world.as_(key).token}"}
    headers = token | {"Access-Reason": "cover"} | sent.pop("headers", {})
    with statements(world) as seen:
        answer: httpx.Response = await world.http.request(method, path, headers=headers, **sent)
    body = _without_request_id(answer)
    kept = {name: value for name, value in answer.headers.items() if name not in VARY}
    return answer.status_code, body, kept, seen


def _without_request_id(answer: httpx.Response) -> Any:
    try:
        said = answer.json()
    except ValueError:
        return answer.content
    return {**said, "request_id": ""} if isinstance(said, dict) else said


async def test_500_pairs_of_a_hidden_case_and_a_random_id_are_told_apart_by_nothing(world: World) -> None:
    dice = random.Random(404)
    foreign, closed_off = await other_force(world), await restricted(world)
    barred = await intake.opened(world, intake.right_to_ask(world, subject=POLICE))
    shut_out = ("officer", "control_room", "intelligence", "auditor", "head", "supervisor2")
    for key in shut_out[:4]:
        assert (await decide(world, barred, "supervisor", key, "excluded")).status_code == 201
    for key in shut_out[4:]:
        assert (await decide(world, barred, "standards", key, "excluded")).status_code == 201
    hidden: list[tuple[str, Item | None, tuple[str, ...]]] = [
        (foreign.case, None, tuple(key for key in TRIED_BY if key != "administrator")),
        (barred, None, shut_out),
        (closed_off.case, closed_off.item, ("officer", "control_room", "intelligence", "chair")),
    ]
    doors = asked_doors()
    tried, kinds = 0, set()
    while tried < PAIRS:
        case, item, keys = hidden[tried % len(hidden)]
        key = dice.choice(keys)
        roles = {Role(role) for role in STAFF[key].roles}
        may = [one for one in doors if any(one[2] in PERMISSIONS[role] for role in roles)]
        may = [one for one in may if "{case_id}" in one[1] or item is not None]
        method, path, _ = dice.choice(may)
        body = {} if method == "GET" else {"json": bodies().get(path[path.rindex("/") :], {})}
        chosen: dict[str, str] = {}
        if method != "GET" and dice.random() < 0.5:
            chosen["Idempotency-Key"] = f"pair-{tried:06}"
        if method != "GET" and dice.random() < 0.5:
            chosen["If-Match"] = '"1"'
        nothing = str(uuid4())
        none = Item(item.meeting_id, nothing, nothing) if item is not None else None
        answers = [
            await told(world, key, method, address(path, one, of), headers=dict(chosen), **body)
            for one, of in ((case, item), (nothing, none))
        ]
        assert answers[0] == answers[1], (key, method, path)
        assert answers[0][0] == 404, (key, method, path, answers[0])
        assert len(answers[0][3]) >= 4, "who asks, what is withheld, the case, the log"
        tried += 1
        kinds.add((method, path))
    assert len(kinds) > 60


async def test_a_case_named_in_a_body_is_told_apart_by_nothing_either(world: World) -> None:
    foreign, closed_off = await other_force(world), await restricted(world)
    barred = await intake.opened(world, intake.right_to_ask(world, subject=POLICE))
    for key, by in (("officer", "supervisor"), ("supervisor2", "supervisor"), ("head", "standards")):
        assert (await decide(world, barred, by, key, "excluded")).status_code == 201
    meeting = await forum.meeting(world)
    other = {**intake.SUBJECT, "given_names": "Otto", "surname": "Vane"}
    opening = intake.right_to_ask(world, subject=other)

    async def pair(key: str, path: str, case: str, body: dict[str, Any], name: str) -> None:
        answers = [
            await told(
                world, key, "POST", path, json={**body, name: one}, headers={"Idempotency-Key": f"body-{uuid4()}"}
            )
            for one in (case, str(uuid4()))
        ]
        masked = [(one[0], one[1], one[2], [statement for statement, _ in one[3]]) for one in answers]
        assert masked[0] == masked[1], (key, path, name)
        assert masked[0][0] == 404, (key, path, name, masked[0][:2])

    for key, case in (("officer", barred), ("head", barred)):
        await pair(key, "/v1/break-glass", case, {"reason": WHY}, "case_id")
    for key, case in (("officer", barred), ("officer", foreign.case), ("officer", closed_off.case)):
        await pair(key, "/v1/applications", case, opening, "follows")
        await pair(key, "/v1/applications", case, opening, "from_draft")
    for key, case in (("supervisor2", barred), ("supervisor2", foreign.case), ("chair", closed_off.case)):
        await pair(key, f"/v1/forum/meetings/{meeting}/agenda", case, {}, "case_id")
    [known] = world.rows("SELECT reference FROM application WHERE id = %s", barred)
    answers = [
        await told(world, "officer", "POST", "/v1/break-glass", json={"reference": one, "reason": WHY})
        for one in (known["reference"], "DVDS-" + "X" * (len(known["reference"]) - 5))
    ]
    assert answers[0][:3] == answers[1][:3]
    assert [one for one, _ in answers[0][3]] == [one for one, _ in answers[1][3]]


LISTS = (
    ("officer", "/v1/applications"),
    ("officer", "/v1/applications?stage=initial_checks"),
    ("officer", "/v1/duties"),
    ("officer", "/v1/alerts"),
    ("officer", "/v1/tasks"),
    ("officer", "/v1/forum/meetings"),
    ("officer", "/v1/forum/actions"),
    ("chair", "/v1/forum/meetings"),
    ("head", "/v1/applications"),
    ("head", "/v1/break-glass"),
    ("head", "/v1/transfers"),
    ("other_officer", "/v1/applications"),
    ("other_officer", "/v1/duties"),
    ("intelligence", "/v1/final-reports"),
    ("auditor", "/v1/access-log?purpose=lawfulness&limit=14"),
)
SOUGHT = ({"surname": "Merrick"}, {"surname": "Tarrant"}, {"given_names": "Alan", "surname": "Merrick"})


def _alike(told: Any) -> Any:
    """A row or leaf of the log without what differs between any two: ids, moments, digests, transactions."""
    if isinstance(told, list):
        return [_alike(one) for one in told]
    if isinstance(told, dict):
        return {name: "" if name == "recorded_in" else _alike(one) for name, one in told.items()}
    return _OF_ITS_OWN.sub("its own", told) if isinstance(told, str) else told


async def test_lists_searches_and_their_counts_are_what_they_were_before_the_case(world: World) -> None:
    seen = await intake.opened(world, intake.right_to_ask(world, subject={**intake.SUBJECT, "surname": "Seen"}))
    witness = FakeWitness()

    async def everything() -> list[Any]:
        found = []
        for sought in SOUGHT:
            found.append(await told(world, "officer", "POST", "/v1/applications/search", json=sought))
        await world.as_("standards").must_get("/v1/applications")  # the log tells others what was shown to them
        found += [await told(world, key, "GET", path) for key, path in LISTS]
        logged = found[-1][1]["items"]
        assert [one["staff_id"] for one in logged].count(str(STAFF["standards"].id)) == 1
        found[-1] = (found[-1][0], _alike(logged), None, found[-1][3])
        return [
            *((one[0], one[1], one[2], [statement for statement, _ in one[3]]) for one in found),
            *[_alike(json.loads(one["leaf"])) for one in await receipts(logged)],
        ]

    async def receipts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        async with numbering(world.url, witness) as sequencer:
            await number_all(sequencer)
        return [await world.as_("auditor").must_get(f"/v1/evidence/receipts/{one['id']}") for one in rows]

    await everything()
    before = await everything()
    hidden = await intake.opened(world, intake.right_to_ask(world, subject=POLICE))
    assert (await decide(world, hidden, "standards", "head", "excluded")).status_code == 201
    assert await everything() == before
    listed = (await world.as_("officer").must_get("/v1/applications"))["items"]
    assert [one["id"] for one in listed] == [seen]


async def test_an_answer_given_before_is_not_given_again_to_whoever_is_excluded_since(world: World) -> None:
    """A key that came before finds its case gone: as a case that never was."""
    key = {"Idempotency-Key": "replayed-0001"}
    body = intake.right_to_ask(world, subject=POLICE)
    case = str((await world.as_("control_room").must_post("/v1/applications", body, headers=key))["id"])
    grade = {"grade": "high", "reason": "He is near."}
    graded = final_report.path(case, "risk-grades")
    await world.as_("control_room").must_post(graded, grade, headers={"Idempotency-Key": "replayed-0002"})
    assert (await decide(world, case, "supervisor", "control_room", "excluded")).status_code == 201
    again = await world.as_("control_room").post("/v1/applications", body, headers=key)
    never = await world.as_("control_room").get(f"/v1/applications/{uuid4()}")
    assert _without_request_id(again) == _without_request_id(never)
    answers = [
        await told(world, "control_room", "POST", path, json=grade, headers={"Idempotency-Key": "replayed-0002"})
        for path in (graded, final_report.path(str(uuid4()), "risk-grades"))
    ]
    assert answers[0] == answers[1]
    assert world.rows("SELECT force_id FROM application WHERE id = %s", case) == [{"force_id": OWN}]
