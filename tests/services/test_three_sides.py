"""Applicant, potential victim and subject, each kept from whoever has no need: every view by every role (H2.7)."""

import psycopg
import pytest

from app.access.rules import PERMISSIONS, VIEW_PERMISSIONS, Permission, Role
from app.storage.engine import DatabaseRole
from app.storage.migrations import conninfo
from tests.steps import sides
from tests.world import OWN, STAFF, World

READERS = (
    "control_room",
    "officer",
    "supervisor",
    "head",
    "chair",
    "police_member",
    "probation",
    "idva",
    "intelligence",
    "standards",
    "auditor",
    "administrator",
    "other_officer",
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


async def test_each_side_is_read_where_it_is_permitted_and_nowhere_else(world: World) -> None:
    found = await sides.three_sides(world)
    await found.acts()
    for closed in (False, True):
        if closed:
            await found.close()
        for key in READERS:
            read = await found.read_by(key)
            assert leaks(read, key) == [], key
            whole = b"".join(content for path, content in read.items() if "final-report" not in path)
            in_reach = STAFF[key].force in (OWN, None) and key != "administrator" and (key != "auditor" or closed)
            if not in_reach:
                assert not any(mark.encode() in whole for mark in sides.FOR_ALL), key
            elif closed and STAFF[key].force is None:
                assert b"Vicmarksurname" not in whole or key in ("probation", "idva")
            else:
                assert all(mark.encode() in whole for mark in sides.FOR_ALL), key
                seen = [mark for permission in sees(key) for mark in sides.KEPT.get(permission, ())]
                assert [mark for mark in seen if mark.encode() not in whole] == [], key


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
