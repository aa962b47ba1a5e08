"""A grant taken away denies the next request: of a role, an account, an agenda, a name on a list (H1.3, H6.2, H2.8)."""

from app.process import Stage
from tests.arrange import place_at, version_of
from tests.routes.test_withholding import decide, opened, seen_by
from tests.steps import forum, intake
from tests.steps.final_report import path
from tests.world import STAFF, World


async def _roles(world: World, key: str, *roles: str, active: bool = True) -> None:
    body = {"roles": list(roles), "active": active}
    answer = await world.as_("administrator").put(f"/v1/staff/{STAFF[key].id}", body)
    assert answer.status_code == 200, answer.text


async def test_of_a_role(world: World) -> None:
    case = await intake.opened(world)
    assert await seen_by(world, case, "officer")
    await _roles(world, "officer", "forum_member")
    assert not await seen_by(world, case, "officer")
    assert (await world.as_("officer").get("/v1/applications")).status_code == 403


async def test_of_an_account(world: World) -> None:
    case = await intake.opened(world)
    assert await seen_by(world, case, "officer")
    await _roles(world, "officer", "public_protection_officer", active=False)
    assert (await world.as_("officer").get(path(case, "timeline"))).status_code == 401


async def test_of_a_place_on_the_agenda_from_a_partner_and_from_the_police(world: World) -> None:
    await _roles(world, "police_member", "forum_member")
    case = await intake.opened(world)
    sits = ("probation", "police_member")
    for key in (*sits, "chair"):
        assert not await seen_by(world, case, key)
    place_at(world, case, Stage.FORUM)
    item = await forum.on_agenda(world, case, await forum.meeting(world))
    for key in (*sits, "chair"):
        assert await seen_by(world, case, key)
    await forum.conflicted(world, item, "police_member")
    assert [await seen_by(world, case, key) for key in sits] == [True, False]
    await forum.taken_off(world, item)
    assert [await seen_by(world, case, key) for key in (*sits, "chair")] == [False, False, True]  # it waits again
    place_at(world, case, Stage.FINAL_REPORT)
    assert not await seen_by(world, case, "chair")


async def test_of_a_name_on_the_list_of_a_restricted_case(world: World) -> None:
    case = await opened(world)
    entry = (await decide(world, case, "supervisor", "officer", "allowed")).json()["id"]
    assert await seen_by(world, case, "officer")
    end = {"reason": "Done."}
    headers = version_of(world, case)
    await world.as_("supervisor").must_post(path(case, f"access/{entry}/end"), end, headers=headers)
    assert not await seen_by(world, case, "officer")
