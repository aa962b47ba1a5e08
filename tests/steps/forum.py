"""Meetings, decisions and emergencies over HTTP, with bodies that a test changes where it matters."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.clock import LONDON
from app.process import Stage
from tests.arrange import place_at, version_of
from tests.steps import categorisation, initial_checks, intake
from tests.world import STAFF, World

QUORUM = ("chair", "police_member", "probation", "idva", "social_care")
DELIVERY = {
    "agency": "police",
    "person": "Public protection officer, with the IDVA",
    "place": "The health centre, consulting room 2",
    "time": "Thursday at 10:30, while the subject is at work",
}


@dataclass(frozen=True)
class Item:
    """A case on the agenda of a meeting."""

    meeting_id: str
    id: str
    case_id: str

    @property
    def path(self) -> str:
        """Its address."""
        return f"/v1/forum/meetings/{self.meeting_id}/items/{self.id}"


async def waiting(world: World, body: dict[str, Any] | None = None) -> str:
    """A case that waits for the forum, its checks answered and the subject's representations considered."""
    case = await intake.opened(world, body)
    await initial_checks.all_checks(world, case)
    place_at(world, case, Stage.CATEGORISATION)
    await categorisation.to_forum(world, case)
    return case


def two_victims(world: World) -> dict[str, Any]:
    """A potential victim asks, and there is another."""
    both = [{**intake.VICTIM, "is_applicant": True}, intake.SECOND_VICTIM]
    return intake.right_to_ask(world, potential_victims=both)


def staff(key: str) -> str:
    """The id of a member of staff of the world."""
    return str(STAFF[key].id)


async def meeting(world: World, *members: str, by: str = "supervisor2", chair: str = "chair", **changed: Any) -> str:
    """Arrange a meeting for today; without names, of everybody in QUORUM."""
    body = {
        "held_on": world.now.astimezone(LONDON).date().isoformat(),
        "chair_id": staff(chair),
        "members": [staff(key) for key in members or QUORUM],
        **changed,
    }
    return str((await world.as_(by).must_post("/v1/forum/meetings", body))["id"])


async def attended(world: World, meeting_id: str, *present: str, by: str = "chair", **others: str) -> None:
    """Record who is present; `others` are apologies or absent by name. Without names, everybody in QUORUM."""
    who = {**dict.fromkeys(present or QUORUM, "present"), **others}
    body = {"members": [{"staff_id": staff(key), "attendance": how} for key, how in who.items()]}
    await world.as_(by).must_post(f"/v1/forum/meetings/{meeting_id}/attendance", body)


async def on_agenda(world: World, case_id: str, meeting_id: str, *, by: str = "supervisor2") -> Item:
    """Put a case on the agenda."""
    answer = await world.as_(by).must_post(f"/v1/forum/meetings/{meeting_id}/agenda", {"case_id": case_id})
    return Item(meeting_id, str(answer["id"]), case_id)


async def sitting(world: World, case_id: str, *members: str) -> Item:
    """A meeting of today with everybody present (or those named) and the case on its agenda."""
    meeting_id = await meeting(world, *members)
    await attended(world, meeting_id, *members)
    return await on_agenda(world, case_id, meeting_id)


async def concluded(
    world: World, item: Item, potential_victim_id: str, *, necessary: bool = True, by: str = "police_member"
) -> httpx.Response:
    """The police member records what the police conclude."""
    body = {
        "potential_victim_id": potential_victim_id,
        "necessary": necessary,
        "reasons": "His assaults on earlier partners escalated at this point of each relationship.",
    }
    return await world.as_(by).post(f"{item.path}/police-conclusions", body, headers=version_of(world, item.case_id))


def to_disclose(potential_victim_id: str, **changed: Any) -> dict[str, Any]:
    """A decision to disclose to the potential victim, whole."""
    return {
        "potential_victim_id": potential_victim_id,
        "category": "concern",
        "pressing_need": "He has begun to isolate her, and assaulted two earlier partners.",
        "proportionate": "Limited to the two convictions; weighed against his private life and her safety.",
        "disclose": True,
        "reasons": "All limbs are met.",
        "what": "The convictions for assaulting earlier partners.",
        "recipient_id": potential_victim_id,
        "delivery": DELIVERY,
        "subject_to_be_told": False,
        "further_safeguarding": "The IDVA keeps in touch; the safety plan is kept under review.",
        "offender_management": {
            "considered": "MAPPA not met; IOM considered; referred to MATAC.",
            "referred_to": ["matac"],
            "monitoring": "marac",
            "follow_up": "Review at the next MARAC.",
        },
        **changed,
    }


def not_to_disclose(potential_victim_id: str, **changed: Any) -> dict[str, Any]:
    """A decision not to disclose."""
    nothing = dict.fromkeys(("pressing_need", "proportionate", "what", "recipient_id", "delivery"))
    return to_disclose(
        potential_victim_id,
        **{**nothing, "category": "no_concern", "disclose": False, "reasons": "No pressing need found.", **changed},
    )


async def decide(world: World, item: Item, body: dict[str, Any], *, by: str = "chair") -> httpx.Response:
    """Ask for a decision and return the answer, whatever it is."""
    return await world.as_(by).post(f"{item.path}/decisions", body, headers=version_of(world, item.case_id))


async def disclosing(world: World, item: Item, potential_victim_id: str, **changed: Any) -> str:
    """The police conclude, and the forum decides to disclose."""
    answer = await concluded(world, item, potential_victim_id)
    assert answer.status_code == 201, answer.text
    answer = await decide(world, item, to_disclose(potential_victim_id, **changed))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def withholding(
    world: World, item: Item, potential_victim_id: str, *, confirmed_by: str | None = "supervisor", **changed: Any
) -> str:
    """The forum decides not to disclose, and a second person confirms it."""
    answer = await decide(world, item, not_to_disclose(potential_victim_id, **changed))
    assert answer.status_code == 201, answer.text
    decision = str(answer.json()["id"])
    if confirmed_by is not None:
        answer = await confirm(world, item, decision, by=confirmed_by)
        assert answer.status_code == 201, answer.text
    return decision


async def confirm(
    world: World, item: Item, decision: str, *, by: str = "supervisor", verdict: str = "confirm"
) -> httpx.Response:
    """The second person's answer."""
    return await world.as_(by).post(
        f"{item.path}/decisions/{decision}/confirmation",
        {"verdict": verdict, "reasons": "Read with the checks and the minutes."},
        headers=version_of(world, item.case_id),
    )


async def taken_off(world: World, item: Item, *, by: str = "supervisor") -> None:
    """Take a case off the agenda."""
    await world.as_(by).must_post(f"{item.path}/removal", {"reason": "Postponed to the next meeting."})


async def conflicted(world: World, item: Item, member: str, *, by: str = "chair") -> dict[str, Any]:
    """Record a member's conflict of interest."""
    body = {"staff_id": staff(member), "reason": "A relative of the subject."}
    kept: dict[str, Any] = await world.as_(by).must_post(f"{item.path}/conflicts", body)
    return kept


async def returned(world: World, case_id: str, *victims: str) -> None:
    """Take the case back to the forum for some of its potential victims."""
    body = {"potential_victim_ids": list(victims), "reason": "New facts."}
    path = f"/v1/applications/{case_id}/return-to-forum"
    await world.as_("supervisor").must_post(path, body, headers=version_of(world, case_id))


def emergency(potential_victim_id: str, **changed: Any) -> dict[str, Any]:
    """An emergency authority for the potential victim."""
    return {
        "potential_victim_id": potential_victim_id,
        "concern": "He has told a friend that he will hurt her tonight.",
        "police_conclude_necessary": "Nothing short of telling her protects her tonight.",
        "pressing_need": "The threat is for tonight.",
        "proportionate": "Limited to the two convictions.",
        "representations": "Not sought: there is no time and asking would bring the harm forward.",
        "open_checks_accepted": [],
        "why_it_cannot_wait": "The forum cannot sit before tonight.",
        "what": "The convictions for assaulting earlier partners.",
        "recipient_id": potential_victim_id,
        "delivery": DELIVERY,
        **changed,
    }


async def authorise(world: World, case_id: str, body: dict[str, Any], *, by: str = "head") -> httpx.Response:
    """Ask for an emergency authority and return the answer, whatever it is."""
    return await world.as_(by).post(
        f"/v1/applications/{case_id}/emergency-authority", body, headers=version_of(world, case_id)
    )
