"""Accounts (H1.3)."""

from tests.steps import intake
from tests.world import STAFF, World


async def test_a_revoked_role_is_gone_at_the_next_request(world: World) -> None:
    case = await intake.opened(world)
    await world.as_("officer").must_get(f"/v1/applications/{case}")
    administrator, officer = world.as_("administrator"), STAFF["officer"].id
    answer = await administrator.put(f"/v1/staff/{officer}", {"roles": [], "active": True})
    assert answer.status_code == 200
    with world.unchanged():
        assert (await world.as_("officer").get(f"/v1/applications/{case}")).status_code == 403
    await administrator.put(f"/v1/staff/{officer}", {"roles": ["public_protection_officer"], "active": False})
    assert (await world.as_("officer").get(f"/v1/applications/{case}")).status_code == 401


async def test_another_forces_account_is_out_of_reach(world: World) -> None:
    with world.unchanged():
        answer = await world.as_("administrator").put(f"/v1/staff/{STAFF['other_officer'].id}", {"roles": []})
    assert answer.status_code == 404


async def test_a_partner_is_a_forum_member_or_nothing(world: World) -> None:
    body = {"subject": "new", "name": "New", "roles": ["public_protection_officer"], "agency_id": "northmoor-idva"}
    with world.unchanged():
        assert (await world.as_("administrator").post("/v1/staff", body)).status_code == 422
    kept = await world.as_("administrator").must_post("/v1/staff", {**body, "roles": ["forum_member"]})
    assert kept["agency_id"] == "northmoor-idva"
    with world.unchanged():
        again = await world.as_("administrator").post("/v1/staff", {**body, "roles": ["forum_member"]})
    assert again.status_code == 409


async def test_rights_never_come_by_a_change_that_an_opening_would_refuse(world: World) -> None:
    administrator = world.as_("administrator")
    for key, roles, status in (
        ("idva", ["intelligence_officer"], 422),
        ("officer", ["administrator", "public_protection_officer"], 422),
        ("administrator", ["public_protection_supervisor"], 403),
    ):
        with world.unchanged():
            answer = await administrator.put(f"/v1/staff/{STAFF[key].id}", {"roles": roles})
        assert answer.status_code == status, answer.text
