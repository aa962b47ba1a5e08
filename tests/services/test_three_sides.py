"""Applicant, potential victim and subject, each kept from whoever has no need: every view by every role (H2.7)."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest

from app.access.rules import PERMISSIONS, VIEW_PERMISSIONS, Permission, Role
from app.storage.engine import DatabaseRole
from app.storage.migrations import conninfo
from tests.arrange import forum_decision, version_of
from tests.steps import disclosure, intake, sides
from tests.world import OWN, STAFF, World

OPEN = ("officer", "chair", "probation", "intelligence")
CLOSED = (
    "control_room",
    "head",
    "chair",
    "intelligence",
    "standards",
    "auditor",
    "administrator",
    "other_intelligence",
)


def sees(key: str) -> set[Permission]:
    """What a person may see of people, and whether the person sees the case at all."""
    return {one for role in STAFF[key].roles for one in PERMISSIONS[Role(role)] if one in VIEW_PERMISSIONS}


def leaks(read: dict[str, bytes], key: str) -> list[tuple[str, str]]:
    """What was read that the person may not see, and where."""
    kept = [mark for permission, marks in sides.KEPT.items() if permission not in sees(key) for mark in marks]
    return [
        (path, mark)
        for path, content in read.items()
        for mark in kept
        if mark.encode() in content and not any(part in path for part in sides.CLOSING_REPORT)
    ]


@pytest.mark.parametrize(("closed", "readers"), [(False, OPEN), (True, CLOSED)], ids=["open", "closed"])
async def test_each_side_is_read_where_it_is_permitted_and_nowhere_else(
    world: World, closed: bool, readers: tuple[str, ...]
) -> None:
    found = await sides.three_sides(world)
    await found.acts()
    if closed:
        await found.close()
    for key in readers:
        read = await found.read_by(key)
        assert leaks(read, key) == [], key
        whole = b"".join(content for path, content in read.items() if "final-report" not in path)
        if STAFF[key].force != OWN and not sees(key) and not closed:
            assert all(mark.encode() in whole for mark in sides.FOR_ALL), key  # on the partner's agenda
        elif key == "administrator" or STAFF[key].force != OWN:
            assert not any(mark.encode() in whole for mark in sides.FOR_ALL), key
        else:
            expected = [*sides.FOR_ALL, *(mark for one in sees(key) for mark in sides.KEPT.get(one, ()))]
            assert [mark for mark in expected if mark.encode() not in whole] == [], key


@pytest.mark.parametrize("key", ["chair", "probation", "intelligence", "auditor"])
async def test_a_search_does_not_answer_whether_a_name_is_an_applicants(world: World, key: str) -> None:
    await sides.three_sides(world)
    person = world.as_(key)
    for body in (
        {"surname": "Askmarksurname"},
        {"surname": "Askmarkalias"},
        {"surname": "Askmarksurname", "given_names": "Askmarkgiven", "born": "1971-03-04", "role": "applicant"},
        {"surname": "Nobodyatall"},
    ):
        answer = await person.post("/v1/applications/search", body)
        assert answer.json() == [] if answer.status_code == 200 else answer.status_code == 403
    assert len((await world.as_("officer").post("/v1/applications/search", {"surname": "Askmarkalias"})).json()) == 1


async def test_the_tables_hold_no_applicant_for_a_reader_who_may_not_see_one(world: World) -> None:
    found = await sides.three_sides(world)
    await found.acts()
    tables = ("party", "person", "person_alias", "person_address", "person_version", "safe_contact", "person_shown")

    def as_app(seen: str | None) -> tuple[dict[str, int], str]:
        with psycopg.connect(conninfo(world.url), options=f"-c role={DatabaseRole.APP.value}") as connection:
            connection.execute("SELECT set_config('app.force_id', %s, true)", [OWN])
            connection.execute("SELECT set_config('app.withheld', '{}', true)")
            if seen is not None:
                connection.execute("SELECT set_config('app.sees', %s, true)", [seen])
            text = {name: connection.execute(f"SELECT t::text FROM {name} t".encode()).fetchall() for name in tables}
            more = [
                connection.execute(f"SELECT t::text FROM {one} t".encode()).fetchall() for one in ("initial_contact",)
            ]
        counts = {name: len(rows) for name, rows in text.items()}
        return counts, str({name: rows for name, rows in text.items() if name != "person"}) + str(more)

    everything = ",".join(one.value for one in VIEW_PERMISSIONS)
    counts, text = as_app(everything)
    assert counts["party"] == counts["person"] == 5 and counts["person_version"] >= 3
    assert all(mark in text for marks in sides.KEPT.values() for mark in marks)
    for seen in (None, "", "see_route"):
        counts, text = as_app(seen)
        assert counts["party"] == counts["person"] == counts["person_shown"] == 3
        assert counts["safe_contact"] == counts["person_address"] == counts["person_version"] == 0
        assert not [mark for marks in sides.KEPT.values() for mark in marks if mark in text]
    for permission, marks in sides.KEPT.items():
        _, text = as_app(",".join(one.value for one in VIEW_PERMISSIONS if one is not permission))
        assert not [mark for mark in marks if mark in text], permission


def spoilt(body: Any, spoil: Callable[[str], str], *, at: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The body once for each text in it, with that text spoilt."""
    pairs = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in pairs:
        for where, changed in spoilt(value, spoil, at=(*at, key)):
            copy = dict(body) if isinstance(body, dict) else list(body)
            copy[key] = changed
            yield where, copy
    if isinstance(body, str):
        yield ".".join(str(part) for part in at), spoil(body)


@pytest.mark.parametrize(
    "spoil", [lambda text: f"Askmark{text}\u0000", lambda text: "Askmark" * 4_000], ids=["NUL", "long"]
)
async def test_a_text_that_does_not_fit_is_told_of_and_never_repeated(
    world: World, capsys: pytest.CaptureFixture[str], spoil: Callable[[str], str]
) -> None:
    officer = world.as_("officer")
    search = {"surname": "Tarrant", "given_names": "Joanna", "born": "1988-07-30", "reference": "DVDS-1", "pnc_id": "x"}
    tried = 0
    with world.unchanged(refusals=0) if spoil("").endswith("\0") else nullcontext():
        for path, whole in (
            ("/v1/applications", sides.asks(world, "Mark")),
            ("/v1/applications/search", search),
            ("/v1/final-reports/search", {name: search[name] for name in ("surname", "given_names", "born", "pnc_id")}),
        ):
            person = world.as_("intelligence") if "final" in path else officer
            for where, body in spoilt(whole, spoil):
                answer = await person.post(path, body)
                assert answer.status_code == 422, (path, where, answer.text)
                assert "Askmark" not in answer.text + str(answer.headers), (path, where)
                tried += 1
    assert tried > 70
    logged = capsys.readouterr()
    assert "Askmark" not in logged.out + logged.err
    assert not [row for row in world.rows("SELECT t::text AS said FROM access_log t") if "Askmark" in row["said"]]


async def test_a_failure_on_our_side_tells_nothing_of_anybody(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*given: Any, **more: Any) -> None:
        raise RuntimeError(f"Askmark {given} {more}")

    monkeypatch.setattr("app.intake.service.keep_contact", fail)
    monkeypatch.setattr("app.casefile.service.parties", fail)
    case = world.as_("officer")
    answers = [await case.post("/v1/applications", sides.asks(world, "Askmark"))]
    monkeypatch.undo()
    assert [one.status_code for one in answers] == [500]
    logged = capsys.readouterr()
    assert "Askmark" not in logged.out + logged.err + answers[0].text
    assert "intake/service.py" in logged.out


async def test_nothing_prepared_or_said_to_a_potential_victim_names_the_third_party_who_asked(world: World) -> None:
    case = await intake.opened(world, intake.third_party_asks(world))
    parts = intake.parties(world, case)
    victim, mother = parts["potential_victim"][0], parts["applicant"][0]
    world.execute("UPDATE application SET subject_identified_at = %s WHERE id = %s", world.now, case)
    decision = forum_decision(world, case, victim, disclose=True, recipient=victim)
    await disclosure.plan(world, case, victim)

    async def asked(text: str, recipient: str = victim) -> set[str]:
        item = await disclosure.prepare(world, case, disclosure.behaviour(text=text))
        body = disclosure.clearance(world, victim, decision, [item], recipient)
        address = disclosure.path(case, "delivery-clearance")
        answer = await world.as_("officer2").post(address, body, headers=version_of(world, case))
        return {one["code"] for one in answer.json().get("obstacles", ())}

    assert "words_identify_applicant" in await asked("Maureen fears that he will hurt you.")
    assert await asked("Miss Tarrant, he has hurt somebody he lived with.") == set()
    assert "words_identify_applicant" not in await asked("Maureen, he has hurt somebody.", mother)
    told = await disclosure.disclose(
        world, case, disclosure.told(victim, decision_id=decision, beyond_script="Your mother Maureen asked us.")
    )
    assert "words_identify_applicant" in {one["code"] for one in told["put_before_supervisor"]}


async def test_lists_by_the_page_show_no_sentence_that_the_reader_may_not_see(world: World) -> None:
    found = await sides.three_sides(world)
    await found.acts()
    about = "The applicant is owed words: the potential victim asks through somebody else."
    world.execute("UPDATE duty SET says = %s WHERE case_id = %s", about, found.case)
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET session_replication_role = replica")  # what happened is changed by nobody else
        connection.execute("UPDATE event SET sentence = %s WHERE case_id = %s", [about, found.case])
    timeline, duties = f"/v1/applications/{found.case}/timeline", "/v1/duties"
    shown = {path: (await world.as_("officer").must_get(path))["items"] for path in (timeline, duties)}
    assert about in {one["sentence"] for one in shown[timeline]}
    assert about in {one["says"] for one in shown[duties]}
    for key, paths in (("intelligence", (timeline, duties)), ("auditor", (timeline,))):
        if key == "auditor":
            await found.close()
        for path in paths:
            answer = await world.as_(key).get(path)
            assert answer.status_code == 200, answer.text
            assert "pplicant" not in answer.text, (key, path)
            items = [one for one in answer.json()["items"] if one["withheld"]]
            assert items, (key, path)
            assert all(one[name] is None for one in items for name in one["withheld"]), (key, path)
