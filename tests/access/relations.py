"""One case for each way in which a person can stand to one, and what the law is told of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.access.deciding import CaseFacts
from app.process import Stage
from tests.arrange import insert, place_at
from tests.routes.test_withholding import POLICE
from tests.steps import forum, intake
from tests.world import OTHER, OWN, STAFF, World

TRIED_BY = {
    "control_room": "control_room",
    "officer": "public_protection_officer",
    "supervisor": "public_protection_supervisor",
    "head": "head_of_public_protection",
    "police_member": "forum_member",
    "probation": "forum_member",
    "chair": "forum_chair",
    "partner_chair": "forum_chair",
    "intelligence": "intelligence_officer",
    "standards": "professional_standards",
    "auditor": "auditor",
    "administrator": "administrator",
}
"""One account for each role, and those of the forum both from the police and from a partner."""
OPENER = "control_room"
BREAKERS = ("control_room", "officer", "supervisor", "head")
LEADERS = ("supervisor", "head")
SITS = ("chair", "police_member", "probation", "partner_chair")
WHY = "She rang in danger and nobody who may open the case can be reached."


@dataclass(frozen=True)
class Prepared:
    """A case as it stands, and what is true of it for each account."""

    case: str
    facts: Callable[[str], CaseFacts]
    item: forum.Item | None = None


async def own_force(world: World) -> Prepared:
    """Nobody's in particular."""
    case = await intake.opened(world)
    return Prepared(case, lambda key: CaseFacts(force_id=OWN, own=key == OPENER, in_first_hands=True))


async def closed(world: World) -> Prepared:
    """Closed, for whoever samples."""
    case = await intake.opened(world)
    place_at(world, case, Stage.CLOSED)
    return Prepared(case, lambda key: CaseFacts(force_id=OWN, closed=True, own=key == OPENER, in_last_hands=True))


async def other_force(world: World) -> Prepared:
    """Another force's."""
    case = await intake.opened(world, by="other_control_room")
    return Prepared(case, lambda key: CaseFacts(force_id=OTHER))


async def _at_forum(world: World) -> tuple[str, forum.Item]:
    case = await intake.opened(world)
    place_at(world, case, Stage.FORUM)
    return case, await forum.on_agenda(world, case, await forum.meeting(world, *SITS))


async def on_agenda(world: World) -> Prepared:
    """Before the forum that all of them sit at."""
    case, item = await _at_forum(world)
    return Prepared(case, lambda key: CaseFacts(force_id=OWN, own=key == OPENER, on_agenda=key in SITS), item)


async def off_agenda(world: World) -> Prepared:
    """Taken off that agenda, and before no forum any longer."""
    case, item = await _at_forum(world)
    await forum.taken_off(world, item)
    place_at(world, case, Stage.CATEGORISATION)
    return Prepared(case, lambda key: CaseFacts(force_id=OWN, own=key == OPENER), item)


def _restrict(world: World, case: str) -> None:
    held = {
        "case_id": case,
        "force_id": world.rows("SELECT force_id FROM application WHERE id = %s", case)[0]["force_id"],
    }
    by = STAFF["head"].id
    insert(
        world,
        "case_restriction",
        **held,
        reason="x",
        restricted_at=world.now,
        restricted_by=by,
        leading_ranks=["inspector", "superintendent"],
    )


async def restricted(world: World) -> Prepared:
    """On the agenda, and restricted since: nobody of the police is allowed by name."""
    case, item = await _at_forum(world)
    _restrict(world, case)
    return Prepared(
        case, lambda key: CaseFacts(force_id=OWN, restricted=True, leads=key in LEADERS, on_agenda=key in SITS), item
    )


async def excluded(world: World) -> Prepared:
    """On the agenda, allowed to everybody by name, and excluding everybody."""
    case, item = await _at_forum(world)
    _restrict(world, case)
    for key in TRIED_BY:
        for kind in ("allowed", "excluded"):
            at = {"recorded_at": world.now, "recorded_by": STAFF["head"].id}
            held = {"case_id": case, "force_id": OWN, "staff_id": STAFF[key].id}
            insert(world, "case_access", **held, **at, kind=kind, reason="x")
    return Prepared(case, lambda key: CaseFacts(force_id=OWN, restricted=True, allowed=True, excluded=True), item)


async def officer_subject(world: World) -> Prepared:
    """About an officer of the force, opened by the control room."""
    case = await intake.opened(world, intake.right_to_ask(world, subject=POLICE))
    return Prepared(
        case,
        lambda key: CaseFacts(
            force_id=OWN,
            restricted=True,
            own=key == OPENER,
            allowed=key == OPENER,
            leads=key in LEADERS,
            in_first_hands=True,
        ),
    )


async def break_glass(world: World) -> Prepared:
    """Another force's, over which everybody who may has broken the glass."""
    case = await intake.opened(world, by="other_control_room")
    for key in BREAKERS:
        await world.as_(key).must_post("/v1/break-glass", {"case_id": case, "reason": WHY})
    return Prepared(case, lambda key: CaseFacts(force_id=OTHER, glass=key in BREAKERS))


RELATIONS: dict[str, Callable[[World], Awaitable[Prepared]]] = {
    one.__name__: one
    for one in (
        own_force,
        closed,
        other_force,
        on_agenda,
        off_agenda,
        restricted,
        excluded,
        officer_subject,
        break_glass,
    )
}
