"""Opening cases over HTTP, with bodies that a test changes where it matters."""

from datetime import datetime
from typing import Any

from tests.world import STAFF, World

SAFE = {"place": "Workplace, reception", "means": "Mobile, voice only", "times": "Weekdays 12:00 to 13:00"}

SUBJECT: dict[str, Any] = {
    "given_names": "Alan Peter",
    "surname": "Merrick",
    "born": "1984-02-11",
    "gender": "male",
    "addresses": [{"address": "4 Quarry Lane, Northmoor"}],
}
VICTIM: dict[str, Any] = {
    "given_names": "Joanna",
    "surname": "Tarrant",
    "born": "1988-07-30",
    "gender": "female",
    "relationship": "cohabiting_partner",
    "safe_contact": SAFE,
}
SECOND_VICTIM: dict[str, Any] = {
    "given_names": "Petra",
    "surname": "Lindqvist",
    "born": "1991-03-02",
    "gender": "female",
    "relationship": "partner",
    "safe_contact": SAFE,
}
MOTHER: dict[str, Any] = {
    "given_names": "Maureen",
    "surname": "Tarrant",
    "connection": "Mother of the potential victim",
    "safe_contact": SAFE,
}
CHILD: dict[str, Any] = {"given_names": "Ellis", "born": "2019-05-05", "connection": "Child of the potential victim"}


def contact(world: World, at: datetime | None = None) -> dict[str, Any]:
    """What every initial contact says."""
    return {
        "first_contact_at": (at or world.now).isoformat(),
        "channel": "telephone",
        "taken_by": "Control room operator 12",
        "why": "She has heard that he hurt a former partner and is afraid to ask him.",
        "risk_indicators": ["controls money", "shouting"],
        "risk": {"grade": "medium", "reason": "Controlling behaviour reported."},
        "consent_to_share": True,
    }


def right_to_ask(world: World, at: datetime | None = None, **changed: Any) -> dict[str, Any]:
    """A potential victim asks for herself."""
    return {
        **contact(world, at),
        "route": "right_to_ask",
        "subject": SUBJECT,
        "potential_victims": [{**VICTIM, "is_applicant": True}],
        **changed,
    }


def third_party_asks(world: World, at: datetime | None = None, **changed: Any) -> dict[str, Any]:
    """A mother asks about her daughter's partner."""
    return right_to_ask(world, at, **{"potential_victims": [VICTIM], "third_party_applicant": MOTHER, **changed})


def right_to_know(world: World, at: datetime | None = None, **changed: Any) -> dict[str, Any]:
    """The police come by information."""
    information = {
        "received_from": "criminal_investigation",
        "detail": "Investigation of an assault on an earlier partner",
        "grading": "1BP",
        "veracity": "Statement under caution, corroborated.",
    }
    body = {
        **contact(world, at),
        "route": "right_to_know",
        "information": information,
        "subject": SUBJECT,
        "potential_victims": [VICTIM],
        **changed,
    }
    body["channel"] = changed.get("channel", "during_investigation")
    return body


async def opened(world: World, body: dict[str, Any] | None = None, *, by: str = "control_room") -> str:
    """Open a case and give its id; the case of what a partner sent is found by the reference that the partner hears."""
    answer = await world.as_(by).must_post("/v1/applications", body or right_to_ask(world))
    if "id" in answer:
        return str(answer["id"])
    found = await world.as_("officer").must_post("/v1/applications/search", {"reference": answer["reference"]})
    return str(found[0]["case_id"])


def parties(world: World, case_id: str) -> dict[str, list[str]]:
    """The ids of the parties by part, in the order in which they were described."""
    found: dict[str, list[str]] = {"subject": [], "potential_victim": [], "applicant": [], "child": []}
    rows = world.rows(
        "SELECT party.id, party.role FROM party JOIN person ON person.id = party.person_id "
        "WHERE party.case_id = %s ORDER BY person.surname DESC NULLS LAST, person.given_names",
        case_id,
    )
    for row in rows:
        found[row["role"]].append(str(row["id"]))
    return found


def let_in(world: World, case_id: str, key: str) -> None:
    """Allow somebody to see a case that is withheld because a party is police (H2.8)."""
    staff = STAFF[key].id
    world.execute(
        "INSERT INTO case_access (id, case_id, force_id, staff_id, kind, reason, recorded_at, recorded_by) "
        "SELECT gen_random_uuid(), id, force_id, %s, 'allowed', 'Works the case.', now(), created_by "
        "FROM application WHERE id = %s ON CONFLICT DO NOTHING",
        staff,
        case_id,
    )
