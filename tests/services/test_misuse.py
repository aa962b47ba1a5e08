"""Misuse planted in the log: each kind is put before professional standards once, and plain work never (H12.1)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.names import account_keys, surnames_of
from app.clock import LONDON, real_now
from app.misuse.rules import Thresholds
from app.misuse.service import watch_for_misuse
from app.misuse.terms import Misuse
from app.misuse.thresholds import ThresholdsInvalid, _read, thresholds
from app.settings import settings
from app.storage.engine import DatabaseRole, engine_for, sessions
from app.storage.migrations import conninfo
from tests.arrange import version_of
from tests.steps import disclosure, intake
from tests.world import OTHER, OWN, STAFF, World

FEW = thresholds().model_copy(
    update={
        "bulk": thresholds().bulk.model_copy(update={"cases": 4, "individuals": 8, "listed": 4}),
        "out_of_force": thresholds().out_of_force.model_copy(update={"cases": 2, "listed": 2}),
    }
)


@asynccontextmanager
async def as_worker(world: World) -> AsyncIterator[AsyncSession]:
    engine = engine_for(world.url, DatabaseRole.WORKER, pool_size=1)
    async with sessions(engine).begin() as session:
        yield session
    await engine.dispose()


async def watched(world: World, limits: Thresholds | None = None) -> list[str]:
    """Read the log to its end; the kinds of everything found so far."""
    more = True
    while more:
        async with as_worker(world) as session:
            more = await watch_for_misuse(session, thresholds=limits or thresholds(), now=world.now)
    return sorted(row["kind"] for row in world.rows("SELECT kind FROM misuse_finding"))


async def tasks_of(world: World, key: str) -> list[dict[str, Any]]:
    found = (await world.as_(key).must_get("/v1/tasks"))["items"]
    return [one for one in found if one["kind"] == "misuse"]


def is_called(world: World, key: str, name: str, born: str | None = None) -> None:
    """Give an account a name, compared already: nothing is withheld from it, as before its force compared accounts."""
    world.execute(
        "UPDATE staff_member SET name = %s, name_keys = %s, born = %s, compared = true WHERE id = %s",
        name,
        list(account_keys(name)),
        born,
        STAFF[key].id,
    )


async def read(world: World, case: str, by: str = "officer") -> None:
    await world.as_(by).must_get(f"/v1/applications/{case}")


async def test_plain_work_is_put_before_nobody(world: World) -> None:
    case = await intake.opened(world)
    order = {"staff_id": str(STAFF["officer"].id), "reason": "Next on the rota."}
    await world.as_("supervisor").must_post(
        f"/v1/applications/{case}/assignment", order, headers=version_of(world, case)
    )
    await read(world, case)
    await world.as_("officer").must_get("/v1/applications")
    await world.as_("officer").must_post("/v1/applications/search", {"surname": "Merrick"})
    await world.as_("officer").get("/v1/applications/5f0c6f5e-0f6c-4c55-9f0f-3c3b7a1f7f10")
    await world.as_("administrator").get(f"/v1/applications/{case}")
    assert await watched(world) == []
    assert await tasks_of(world, "standards") == []


async def test_the_own_record_the_own_surname_and_the_own_house(world: World) -> None:
    case = await intake.opened(world)
    is_called(world, "officer", "PC Alan Merrick", "1984-02-11")
    is_called(world, "officer2", "PC Jo Tarrant")
    change = {"roles": ["public_protection_officer"], "address": "4, quarry lane, NORTHMOOR"}
    await world.as_("administrator").put(f"/v1/staff/{STAFF['police_member'].id}", change)
    world.execute("UPDATE staff_member SET compared = true WHERE id = %s", STAFF["police_member"].id)
    for key in ("officer", "officer2", "police_member"):
        await read(world, case, key)
        await read(world, case, key)
    assert await watched(world) == ["own_record", "same_address", "same_surname"]
    await read(world, case, "officer")
    assert await watched(world) == ["own_record", "same_address", "same_surname"]
    put = await tasks_of(world, "standards")
    assert len(put) == 3
    assert sum(str(STAFF["officer"].id) in one["says"] for one in put) == 1
    assert not any(name in str(put) for name in ("Merrick", "Tarrant", "Quarry"))
    assert "quarry" not in str(world.rows("SELECT * FROM staff_member")).lower()


async def test_the_words_that_were_told_to_ones_own_family_without_a_look_at_the_case(world: World) -> None:
    case = await intake.opened(world)
    told = disclosure.told(intake.parties(world, case)["potential_victim"][0])
    kept = await disclosure.disclose(world, case, told, by="officer2")
    is_called(world, "officer", "PC Jo Tarrant")
    await world.as_("officer").must_get(disclosure.path(case, f"disclosures/{kept['id']}"))
    assert await watched(world) == ["same_surname"]


async def test_a_search_for_ones_own_name_that_finds_nobody(world: World) -> None:
    is_called(world, "officer", "PC Nell Inventon")
    for sought in ({"surname": "Inventon", "given_names": "Otto"}, {"surname": "Nell"}):
        await world.as_("officer").must_post("/v1/applications/search", sought)
    assert await watched(world) == []
    await world.as_("officer").must_post("/v1/applications/search", {"surname": "INVENTON", "given_names": "Nell"})
    await world.as_("officer").must_post("/v1/applications/search", {"surname": "Inventon"})
    assert await watched(world) == ["own_name"]
    [put] = await tasks_of(world, "standards")
    assert "own name" in put["says"] and "Inventon" not in str(put)
    assert "inventon" not in str(world.rows("SELECT * FROM access_log")).lower()


async def test_ones_own_name_however_it_is_searched_for_and_however_the_directory_writes_it(world: World) -> None:
    case = await intake.opened(world)
    people = (
        "WITH people AS (INSERT INTO person (id, case_id, force_id, part, surname, surname_key, born_estimated, "
        "gender, interpreter_needed) SELECT gen_random_uuid(), id, force_id, 'child', 'Common', 'common', false, "
        "'not_stated', false FROM application, generate_series(1, 101) WHERE id = %s RETURNING id, case_id, force_id) "
        "INSERT INTO party (id, case_id, force_id, person_id, role, is_applicant) "
        "SELECT gen_random_uuid(), case_id, force_id, id, 'child', false FROM people"
    )
    world.execute(people, case)
    is_called(world, "officer", "PC Nell Inventon")
    is_called(world, "officer2", "PC Nell Invented")
    world.execute(
        "UPDATE staff_member SET former_surnames = %s, name_keys = %s WHERE id = %s",
        sorted(surnames_of("PC Nell Inventon")),
        [*account_keys("PC Nell Invented"), *account_keys("PC Nell Inventon")],
        STAFF["officer2"].id,
    )
    is_called(world, "supervisor", "Inventon, Nell")
    is_called(world, "supervisor2", "PC Nell Inventon")
    is_called(world, "head", "Jo Common")
    searches = {
        "officer": {"surname": "Inventon", "given_names": "Nel"},
        "officer2": {"surname": "Inventon", "given_names": "Nell"},
        "supervisor": {"surname": "Inventon"},
        "supervisor2": {"surname": "Inventon", "given_names": "Otto"},
    }
    for key, sought in searches.items():
        await world.as_(key).must_post("/v1/applications/search", sought)
    with world.unchanged():
        assert (await world.as_("head").post("/v1/applications/search", {"surname": "Common"})).status_code == 422
    assert await watched(world) == ["own_name"] * 4
    found = {row["staff_id"] for row in world.rows("SELECT staff_id FROM misuse_finding")}
    assert found == {STAFF[key].id for key in ("officer", "officer2", "supervisor", "head")}


async def test_a_refusal_is_no_touch_unless_it_tells_of_the_own_name(world: World) -> None:
    """Of what was refused nothing was shown; attempts on withheld cases are looked at elsewhere (H2.8)."""
    is_called(world, "head", "Jo Common")
    answer = await world.as_("head").post("/v1/applications/search", {"given_names": "Jo"})
    assert answer.status_code == 422
    assert await watched(world) == []


async def test_a_case_of_note_touched_by_whoever_does_not_hold_it(world: World) -> None:
    case = await intake.opened(world)
    standards, path = world.as_("standards"), f"/v1/applications/{case}/of-note"
    version = version_of(world, case)
    marked = await standards.must_post(path, {"reason": "A councillor is a party."})
    with world.unchanged():
        assert (await standards.post(path, {"reason": "Again."})).json()["type"].endswith("marked_already")
    assert version_of(world, case) == version
    await read(world, case)
    await read(world, case, "standards")
    world.execute("UPDATE application SET assigned_to = %s", STAFF["officer2"].id)
    await read(world, case, "officer2")
    assert await watched(world) == ["case_of_note"]
    (put,) = await tasks_of(world, "standards")
    assert str(STAFF["officer"].id) in put["says"] and "councillor" not in put["says"]
    ended = await standards.must_post(f"{path}/end", {"reason": "No longer."})
    assert (ended["id"], ended["ended_because"]) == (marked["id"], "No longer.")
    with world.unchanged():
        assert (await standards.post(f"{path}/end", {"reason": "Again."})).status_code == 404
    await read(world, case, "supervisor")
    assert await watched(world) == ["case_of_note"]
    assert [one["reason"] for one in await standards.must_get(path)] == ["A councillor is a party."]


@pytest.mark.parametrize("by", ["list", "search"])
async def test_a_case_of_note_on_a_list_or_found_by_a_search(world: World, by: str) -> None:
    case = await intake.opened(world)
    await world.as_("standards").must_post(f"/v1/applications/{case}/of-note", {"reason": "A councillor is a party."})
    for key in ("officer", "officer2"):
        world.execute("UPDATE application SET assigned_to = %s", STAFF["officer2"].id)
        if by == "list":
            await world.as_(key).must_get("/v1/applications")
        else:
            await world.as_(key).must_post("/v1/applications/search", {"surname": "Merrick"})
    assert await watched(world) == ["case_of_note"]
    (put,) = await tasks_of(world, "standards")
    assert str(STAFF["officer"].id) in put["says"]


async def test_many_cases_or_persons_in_a_short_time(world: World) -> None:
    about = [{"surname": f"Quimby{letter}", "born": "1970-05-06", "given_names": "Otto"} for letter in "abcd"]
    cases = [await intake.opened(world, intake.right_to_ask(world, subject=subject)) for subject in about[:3]]
    for case in cases:
        await read(world, case)
    await world.as_("officer2").must_post("/v1/applications/search", {"surname": "Tarrant"})
    assert await watched(world, FEW) == []
    cases.append(await intake.opened(world, intake.right_to_ask(world, subject=about[3])))
    await read(world, cases[3])
    found = await watched(world, FEW)
    assert found == ["bulk", "bulk"]  # who opened four, and who read four
    await read(world, cases[0])
    assert await watched(world, FEW) == found


async def test_while_away_and_outside_the_shift(world: World) -> None:
    case = await intake.opened(world)
    now, today = real_now(), real_now().astimezone(LONDON)
    world.execute(
        "INSERT INTO absence (id, staff_id, absent_from, absent_until, recorded_at, recorded_by) "
        "VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)",
        STAFF["officer"].id,
        now - timedelta(hours=1),
        now + timedelta(hours=1),
        now,
        STAFF["officer"].id,
    )
    whole = {"begins": "00:00", "ends": "00:00"}
    on = [{"weekday": (today.weekday() + step) % 7, **whole} for step in (-1, 0, 1)]
    off = [{"weekday": (today.weekday() + 3) % 7, **whole}]
    for key, shifts in (("officer2", on), ("police_member", off)):
        body = {"roles": list(STAFF[key].roles), "shifts": shifts}
        answer = await world.as_("administrator").put(f"/v1/staff/{STAFF[key].id}", body)
        assert answer.json()["shifts"] == shifts
    for key in ("officer", "officer2"):
        await read(world, case, key)
    for key in ("officer2", "police_member"):
        await world.as_(key).must_get("/v1/applications")
    assert await watched(world) == ["off_shift", "off_shift"]
    accused = {row["staff_id"] for row in world.rows("SELECT staff_id FROM misuse_finding")}
    assert accused == {STAFF["officer"].id, STAFF["police_member"].id}


def logged(world: World, key: str, case: str, action: str) -> None:
    """A row of the log that no door of this release writes."""
    world.execute(
        "INSERT INTO access_log (id, category, action, refused, staff_id, organisation, force_id, case_id, request_id) "
        "VALUES (gen_random_uuid(), 'consultation', %s, false, %s, %s, %s, %s, 'planted')",
        action,
        STAFF[key].id,
        OWN,
        OWN,
        case,
    )


async def test_another_forces_case_by_other_than_routine_or_by_routine_too_often(world: World) -> None:
    theirs = [
        await intake.opened(
            world, intake.right_to_ask(world, subject={"surname": f"Quimby{letter}"}), by="other_control_room"
        )
        for letter in "ab"
    ]
    logged(world, "intelligence", theirs[0], "retrieve_final_reports")
    logged(world, "intelligence", theirs[0], "retrieve_final_reports")
    assert await watched(world, FEW) == []
    logged(world, "intelligence", theirs[1], "retrieve_final_reports")
    logged(world, "officer", theirs[0], "read_case")
    assert await watched(world, FEW) == ["out_of_force", "out_of_force"]
    put = await tasks_of(world, "standards")
    assert len(put) == 2 and {one["force_id"] for one in put} == {OWN}
    assert all(str(case) not in str(put) for case in theirs)
    assert world.rows("SELECT count(*) AS n FROM task WHERE force_id = %s", OTHER) == [{"n": 0}]


async def test_it_is_not_put_before_whom_it_is_about_nor_before_whom_the_case_is_withheld_from(world: World) -> None:
    world.execute("UPDATE staff_member SET roles = ARRAY['professional_standards'] WHERE id = %s", STAFF["officer"].id)
    case = await intake.opened(world)
    is_called(world, "standards", "Jo Tarrant")
    is_called(world, "officer", "Alan Other")
    await read(world, case, "standards")
    assert await watched(world) == ["same_surname"]
    assert await tasks_of(world, "standards") == []
    assert len(await tasks_of(world, "officer")) == 1
    exclude = {"staff_id": str(STAFF["officer"].id), "kind": "excluded", "reason": "Knows the family."}
    path = f"/v1/applications/{case}/access"
    await world.as_("standards").must_post(path, exclude, headers=version_of(world, case))
    assert await tasks_of(world, "officer") == []
    is_called(world, "supervisor", "Joanna Merrick")
    await read(world, case, "supervisor")
    assert await watched(world) == ["same_surname", "same_surname"]
    assert await tasks_of(world, "officer") == []
    assert len(await tasks_of(world, "standards")) == 1


async def test_where_nobody_else_is_there_the_head_of_public_protection_is_asked(world: World) -> None:
    case = await intake.opened(world)
    is_called(world, "standards", "Jo Tarrant")
    await read(world, case, "standards")
    assert await watched(world) == ["same_surname"]
    assert (await tasks_of(world, "standards"), len(await tasks_of(world, "head"))) == ([], 1)


async def test_a_row_that_is_committed_late_is_read_and_none_is_read_twice(world: World) -> None:
    case = await intake.opened(world)
    is_called(world, "officer", "PC Jo Tarrant")
    person = world.rows("SELECT id FROM person WHERE surname = 'Tarrant'")[0]["id"]
    late = (
        "WITH row AS (INSERT INTO access_log (id, category, action, refused, staff_id, force_id, case_id, request_id) "
        "VALUES (gen_random_uuid(), 'consultation', 'read_case', false, %s, %s, %s, 'late') RETURNING id) "
        "INSERT INTO access_log_individual SELECT id, %s, %s FROM row"
    )
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute(late, [STAFF["officer"].id, OWN, case, case, person])
        await read(world, case, "supervisor")
        assert await watched(world) == []
        assert await watched(world) == []
        connection.commit()
    assert await watched(world) == ["same_surname"]
    assert await watched(world) == ["same_surname"]


async def test_a_database_restored_into_another_server_is_read_from_the_start(world: World) -> None:
    case = await intake.opened(world)
    is_called(world, "officer", "PC Jo Tarrant")
    world.execute("UPDATE misuse_watch SET read_in = 1::bigint << 60")
    await read(world, case)
    assert await watched(world) == ["same_surname"]


def test_every_kind_is_watched_for_in_the_releases_file() -> None:
    assert thresholds().watched == set(Misuse)


async def test_a_force_names_its_own_file_and_hears_what_is_wrong_with_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "ours.toml"
    text = (Path(__file__).parents[2] / "app" / "misuse" / "thresholds.toml").read_text()
    own.write_text(text.replace("cases = 60", "cases = 7"))
    monkeypatch.setenv("CLARES_LAW_MISUSE_FILE", str(own))
    settings.cache_clear()
    assert thresholds().bulk.cases == 7
    own.write_text(text.replace("cases = 60", "cases = 0"))
    _read.cache_clear()
    with pytest.raises(ThresholdsInvalid, match=r"ours\.toml"):
        thresholds()
    _read.cache_clear()
