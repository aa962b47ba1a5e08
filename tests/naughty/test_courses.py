"""What a form has taken is read again byte for byte, and what it does not take is a 422 that names the field."""

import pytest

from tests.naughty.courses import COURSES, NOTHING_FOLLOWS
from tests.naughty.forms import forms, text_fields
from tests.naughty.planting import Naughty, unread
from tests.naughty.strings import NUMBERED
from tests.world import World

CODES = {
    *("agency_id", "edition", "email", "grading", "id", "kind", "open_checks_accepted[]", "pnc_id", "rank", "system"),
    *("begins", "digest_at", "ends", "ground", "request_number", "to_force_id", "url"),
}
"""Fields that take one of a list or one form of writing: every string of ours is refused there."""
NAMES_A_CASE = {"cases.GlassIn.reference"}
"""No string of ours is the reference of a case: where one is not refused, there is no such case."""


def planted(world: World, rotation: int) -> Naughty:
    """The world, its clients planting from a place in the list on."""
    return Naughty(world.url, world.http, world.issuer, world.clock_file, world.api, rotation=rotation)


@pytest.mark.parametrize(
    "rotation",
    [pytest.param(0, id="short"), *(pytest.param(one, marks=pytest.mark.long) for one in range(1, len(NUMBERED)))],
)
async def test_whatever_is_taken_is_read_again_as_it_was_typed(world: World, rotation: int) -> None:
    naughty = planted(world, rotation)
    for course in COURSES:
        naughty.goes_on = course not in NOTHING_FOLLOWS
        await course(naughty)
    assert await unread(naughty) == []
    every = {field.name for form in forms() for field in text_fields(form) if "{key}" not in field.way}
    assert naughty.met == every, "a form or a field that no course sends"
    never = every - {one.field for one in naughty.taken} - NAMES_A_CASE
    assert {name for name in never if name.rpartition(".")[2] not in CODES} == set(), "never taken"
