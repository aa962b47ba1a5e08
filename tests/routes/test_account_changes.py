"""Rights that are given leave a trace that nobody takes away, and far-seeing ones are looked at by others (H1.3)."""

import asyncio
import json
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from app.access.rules import PERMISSIONS, Permission
from app.evidence.verifying import read_witness, verify_receipt
from app.outside.witness import FakeWitness
from app.storage.migrations import conninfo
from tests.evidence.numbering import SIGNER, number_all, numbering
from tests.routes.test_claims import CLAIMS, says
from tests.routes.test_withheld_from import waits_for
from tests.routes.test_withholding import opened, seen_by
from tests.steps.sign_in import desk
from tests.world import OWN, STAFF, World


def path_of(key: str) -> str:
    return f"/v1/staff/{STAFF[key].id}"


async def rights_tasks(world: World, key: str) -> list[str]:
    found = (await world.as_(key).must_get("/v1/tasks"))["items"]
    return [one["says"] for one in found if one["kind"] == "rights_given"]


async def test_each_change_of_an_account_is_kept_with_before_and_after_and_read_by_who_oversees(world: World) -> None:
    administrator = world.as_("administrator")
    made = await administrator.must_post(
        "/v1/staff", {"subject": "new", "name": "New", "roles": ["control_room"], "rank": "constable"}
    )
    path = f"/v1/staff/{made['id']}"
    for body in (
        {"roles": ["professional_standards"], "rank": "inspector"},
        {"roles": ["professional_standards"], "email": "new@northmoor.example"},
        {"roles": ["control_room"], "active": False},
    ):
        assert (await administrator.put(path, body)).status_code == 200
    for key in ("administrator", "standards", "auditor"):
        kept = await world.as_(key).must_get(f"{path}/changes")
        assert [(one["roles_before"], one["roles_after"]) for one in kept] == [
            (None, ["control_room"]),
            (["control_room"], ["professional_standards"]),
            (["professional_standards"], ["control_room"]),
        ], "an address that changes is no right"
        assert [(one["rank_before"], one["rank_after"]) for one in kept][:2] == [
            (None, "constable"),
            ("constable", "inspector"),
        ]
        assert [(one["active_before"], one["active_after"]) for one in kept] == [
            (None, True),
            (True, True),
            (True, False),
        ]
        assert {one["changed_by"] for one in kept} == {str(STAFF["administrator"].id)}
    with world.unchanged():
        assert (await world.as_("supervisor").get(f"{path}/changes")).status_code == 403
    with world.unchanged():
        assert (await administrator.get(f"{path_of('other_officer')}/changes")).status_code == 404


async def test_a_change_takes_new_rows_only_from_every_role_and_is_dated_by_the_database(world: World) -> None:
    assert (await world.as_("administrator").put(path_of("officer"), {"roles": ["auditor"]})).status_code == 200
    for statement in ("UPDATE account_change SET roles_after = '{}'", "DELETE FROM account_change"):
        with pytest.raises(errors.RestrictViolation):
            world.execute(statement)
    row = "gen_random_uuid(), 'northmoor', %s, '{}', true"
    with psycopg.connect(conninfo(world.url)) as connection:
        connection.execute("SET ROLE clares_law_app")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(
                "INSERT INTO account_change (id, force_id, staff_id, roles_after, active_after, changed_at) "
                f"VALUES ({row}, now())",
                [STAFF["officer"].id],
            )


async def test_a_change_becomes_a_leaf(world: World) -> None:
    assert (await world.as_("administrator").put(path_of("officer"), {"roles": ["auditor"]})).status_code == 200
    async with numbering(world.url, FakeWitness()) as sequencer:
        await number_all(sequencer)
    leaves = world.rows(
        "SELECT leaf.kind, leaf.case_id, told FROM leaf JOIN account_change ON account_change.id = record_id "
        "WHERE staff_id = %s AND changed_by IS NOT NULL",
        STAFF["officer"].id,
    )
    assert [(one["kind"], one["case_id"]) for one in leaves] == [("account_change", None)]
    assert str(STAFF["administrator"].id).encode() in leaves[0]["told"]


async def test_who_reads_the_log_has_the_receipt_of_each_change_in_the_own_force(world: World, tmp_path: Path) -> None:
    assert (await world.as_("administrator").put(path_of("officer"), {"roles": ["auditor"]})).status_code == 200
    async with desk(world, tmp_path, **CLAIMS) as at:
        assert (await at.came_back(at.browser(), "new-one", **says("auditor"))).status_code == 303
    witness = FakeWitness()
    kept = world.rows("SELECT id FROM account_change WHERE force_id = %s", OWN)
    assert len(kept) == 2, "by an administrator, and by a sign-in"
    addresses = [f"/v1/evidence/receipts/{one['id']}" for one in kept]
    assert (await world.as_("auditor").get(addresses[0])).status_code == 404, "not yet numbered"
    async with numbering(world.url, witness) as sequencer:
        await number_all(sequencer)
    history = read_witness(witness.lines, SIGNER.public)
    for address in addresses:
        receipt = await world.as_("auditor").must_get(address)
        assert receipt["kind"] == "account_change"
        assert verify_receipt(json.dumps(receipt), history, SIGNER.public).startswith("It holds: account_change")
        assert await world.as_("standards").must_get(address) == receipt
    world.execute("UPDATE staff_member SET roles = '{auditor}' WHERE id = %s", STAFF["other_intelligence"].id)
    for reader, status in (("other_intelligence", 404), ("administrator", 403), ("supervisor", 403)):
        assert {(await world.as_(reader).get(one)).status_code for one in addresses} == {status}, reader
    readers = [role for role, permitted in PERMISSIONS.items() if Permission.READ_LOG in permitted]
    assert all(Permission.READ_ACCOUNT_CHANGES in PERMISSIONS[role] for role in readers), "the same people read both"


async def test_professional_standards_hear_of_each_far_seeing_role_that_is_given(world: World) -> None:
    administrator = world.as_("administrator")
    for roles, told in (
        (["public_protection_officer"], 0),
        (["public_protection_officer", "head_of_public_protection"], 1),
        (["head_of_public_protection"], 1),
        (["auditor"], 2),
        (["control_room"], 2),
        (["professional_standards"], 3),
    ):
        assert (await administrator.put(path_of("officer2"), {"roles": roles})).status_code == 200
        assert len(await rights_tasks(world, "standards")) == told, roles
    assert await rights_tasks(world, "officer2") == [], "it is kept from the account that it is about"
    assert await rights_tasks(world, "administrator") == []
    before = await rights_tasks(world, "standards")
    for active in (False, True):
        body = {"roles": ["professional_standards"], "active": active}
        assert (await administrator.put(path_of("officer2"), body)).status_code == 200
    [anew] = set(await rights_tasks(world, "standards")) - set(
        before
    )  # an account opened again is given its rights anew
    assert str(STAFF["officer2"].id) in anew and str(STAFF["administrator"].id) in anew
    assert "professional standards" in anew


async def test_the_head_is_asked_where_nobody_else_keeps_professional_standards(world: World) -> None:
    world.execute("UPDATE staff_member SET active = false WHERE subject = 'standards'")
    made = {"subject": "new", "name": "New", "roles": ["professional_standards"]}
    await world.as_("administrator").must_post("/v1/staff", made)
    assert len(await rights_tasks(world, "head")) == 1


async def test_a_role_that_a_sign_in_brings_is_kept_and_told_as_well(world: World, tmp_path: Path) -> None:
    async with desk(world, tmp_path, **CLAIMS) as at:
        for roles in (("DVDS-Officers",), ("DVDS-Officers",), ("auditor",)):
            answer = await at.came_back(at.browser(), "new-one", **says(*roles, name="PC Ann Ew"))
            assert answer.status_code == 303, answer.text
    kept = world.rows(
        "SELECT roles_before, roles_after, changed_by = staff_id AS own FROM account_change "
        "WHERE staff_id = (SELECT id FROM staff_member WHERE subject = 'new-one') ORDER BY changed_at"
    )
    assert [(one["roles_before"], one["roles_after"], one["own"]) for one in kept] == [
        (None, ["public_protection_officer"], True),
        (["public_protection_officer"], ["auditor"], True),
    ]
    tasks = world.rows(
        "SELECT says, kept_from = (SELECT id FROM staff_member WHERE subject = 'new-one') AS k FROM task"
    )
    assert [one["k"] for one in tasks] == [True]
    assert "by a sign-in" in tasks[0]["says"]


SUPERVISING = ["public_protection_supervisor"]


async def given(world: World, key: str, **what: object) -> list[str]:
    """What professional standards are newly asked when the administrator changes an account."""
    before = await rights_tasks(world, "standards")
    answer = await world.as_("administrator").put(path_of(key), what)
    assert answer.status_code == 200, answer.text
    return [one for one in await rights_tasks(world, "standards") if one not in before]


def leaderless(world: World) -> None:
    """The force has no head, and no supervisor of a leading rank."""
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject IN ('supervisor', 'supervisor2')")
    world.execute("UPDATE staff_member SET active = false WHERE subject = 'head'")


async def test_a_rank_that_opens_restricted_cases_is_looked_at_like_a_far_seeing_role(world: World) -> None:
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject = 'supervisor2'")
    case = await opened(world)
    assert not await seen_by(world, case, "supervisor2")
    [asked] = await given(world, "supervisor2", roles=SUPERVISING, rank="inspector")
    assert await seen_by(world, case, "supervisor2")
    account, by = STAFF["supervisor2"].id, STAFF["administrator"].id
    assert asked.startswith(f"Account {account} was let lead restricted cases by account {by}. Was it meant to be?")
    for rank in ("chief_inspector", "sergeant"):
        assert await given(world, "supervisor2", roles=SUPERVISING, rank=rank) == [], "it gives nothing new"
    assert await rights_tasks(world, "supervisor2") == [], "it is kept from the account that it is about"


async def test_so_is_the_supervising_role_for_one_of_the_rank_and_not_for_one_below(world: World) -> None:
    case = await opened(world)
    assert await given(world, "officer2", roles=SUPERVISING) == []
    assert not await seen_by(world, case, "officer2")
    assert await given(world, "officer2", roles=["public_protection_officer"], rank="inspector") == []
    assert len(await given(world, "officer2", roles=SUPERVISING)) == 1
    assert await seen_by(world, case, "officer2")
    made = {"subject": "new", "name": "New", "roles": SUPERVISING, "rank": "inspector"}
    await world.as_("administrator").must_post("/v1/staff", made)
    assert len(await rights_tasks(world, "standards")) == 2
    closed = {"roles": SUPERVISING, "active": False}
    assert await given(world, "officer2", **closed) == []
    assert len(await given(world, "officer2", roles=SUPERVISING)) == 1, "opened again, it is given its rights anew"


async def test_so_is_the_plain_role_where_nobody_leads_by_rank_or_as_head(world: World) -> None:
    leaderless(world)
    case = await opened(world)
    assert not await seen_by(world, case, "officer2")
    [asked] = await given(world, "officer2", roles=SUPERVISING)
    assert await seen_by(world, case, "officer2")
    assert "was let lead restricted cases by account" in asked
    assert "Since then" not in asked


async def test_so_is_what_leaves_restricted_cases_to_every_supervisor(world: World) -> None:
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject IN ('supervisor', 'supervisor2')")
    case = await opened(world)
    assert not await seen_by(world, case, "supervisor2")
    [asked] = await given(world, "head", roles=["head_of_public_protection"], active=False)
    assert await seen_by(world, case, "supervisor2")
    left = ", ".join(sorted(str(STAFF[key].id) for key in ("supervisor", "supervisor2")))
    assert asked.startswith(
        f"Account {STAFF['head'].id} was changed by account {STAFF['administrator'].id}. Since then"
    )
    assert f"as nobody does by rank or as head: {left}." in asked


async def test_of_two_changes_at_once_that_together_leave_no_leader_the_second_is_looked_at(world: World) -> None:
    world.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject = 'supervisor2'")
    with psycopg.connect(conninfo(world.url)) as held:
        # The first change, up to its commit: it holds what `before_change` waits for.
        held.execute("SELECT pg_advisory_xact_lock(hashtextextended('clares-law.rights.northmoor', 0))")
        held.execute("UPDATE staff_member SET rank = 'sergeant' WHERE subject = 'supervisor'")
        second = asyncio.create_task(given(world, "head", roles=["head_of_public_protection"], active=False))
        await waits_for(held, "advisory")
        held.commit()
    [asked] = await second
    assert str(STAFF["supervisor"].id) in asked and str(STAFF["supervisor2"].id) in asked


async def test_a_sign_in_that_lets_somebody_lead_is_told_as_well(world: World, tmp_path: Path) -> None:
    leaderless(world)
    async with desk(world, tmp_path, **CLAIMS) as at:
        for roles in ("DVDS-Officers", "public_protection_supervisor", "public_protection_supervisor"):
            answer = await at.came_back(at.browser(), "new-one", **says(roles, name="PC Ann Ew"))
            assert answer.status_code == 303, answer.text
    [task] = world.rows("SELECT says FROM task WHERE kind = 'rights_given'")
    assert "was let lead restricted cases by a sign-in" in task["says"]
