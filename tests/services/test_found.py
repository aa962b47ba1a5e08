"""The first force of a production database and its administrator, who adds the rest over the API."""

from app.starting import found
from tests.world import World


async def test_a_force_is_set_up_once_with_its_first_administrator(world: World) -> None:
    for _ in range(2):
        await found(
            world.url, force_id="eastmere", name="Eastmere Police", division="scotland", administrator="eastmere-admin"
        )
    force = world.rows("SELECT name, division FROM force WHERE id = 'eastmere'")
    assert force == [{"name": "Eastmere Police", "division": "scotland"}]
    staff = world.rows("SELECT subject, roles FROM staff_member WHERE force_id = 'eastmere'")
    assert staff == [{"subject": "eastmere-admin", "roles": ["administrator"]}]
    body = {"subject": "eastmere-1", "name": "Operator 1", "roles": ["control_room"]}
    kept = await world.as_("eastmere-admin").must_post("/v1/staff", body)
    assert kept["force_id"] == "eastmere"
