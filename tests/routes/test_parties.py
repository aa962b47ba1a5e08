"""Parties found later and persons amended: what is typed is kept, what was held is kept, what follows is owed."""

from datetime import timedelta
from typing import Any

import pytest

from app.process import Stage
from tests.arrange import place_at
from tests.steps import intake
from tests.world import World


def duties(world: World, case: str) -> list[str]:
    """What is owed in the case, by kind; what is before a supervisor by its code."""
    rows = world.rows("SELECT kind, code FROM duty WHERE case_id = %s ORDER BY kind, code", case)
    return [row["code"] if row["kind"] == "supervisor_review" else row["kind"] for row in rows]


async def add(world: World, case: str, **found: Any) -> Any:
    """Add a party who came to light."""
    return await world.as_("officer").must_post(f"/v1/applications/{case}/parties", found)


async def amend(world: World, case: str, party: str, **person: Any) -> Any:
    """Amend what is known of a party's person."""
    body = {"party_id": party, "person": person}
    return await world.as_("officer").must_post(f"/v1/applications/{case}/persons", body)


async def person_of(world: World, case: str, role: str = "subject") -> dict[str, Any]:
    """A party as the case file shows it."""
    file = await world.as_("officer").must_get(f"/v1/applications/{case}")
    shown = file["parties"][role]
    return dict(shown[0] if isinstance(shown, list) else shown)


async def test_a_further_victim_who_is_police_brings_the_notices(world: World) -> None:
    case = await intake.opened(world)
    await add(world, case, potential_victim={**intake.SECOND_VICTIM, "police_employment": "Southvale Police"})
    [row] = world.rows("SELECT police_involved FROM application WHERE id = %s", case)
    assert row["police_involved"] is True
    assert set(duties(world, case)) == {"police_involvement"}


async def test_a_further_victim_out_of_scope_is_kept_and_seen(world: World) -> None:
    case = await intake.opened(world)
    added = await add(world, case, potential_victim={**intake.SECOND_VICTIM, "relationship": "penfriend"})
    assert [one["code"] for one in added["put_before_supervisor"]] == ["relationship_out_of_scope"]
    assert "penfriend" not in str(added)


async def test_a_second_applicant_found_later_is_kept_and_seen(world: World) -> None:
    case = await intake.opened(world)
    added = await add(world, case, potential_victim={**intake.SECOND_VICTIM, "is_applicant": True})
    assert [one["code"] for one in added["put_before_supervisor"]] == ["further_applicant"]
    asks = world.rows("SELECT id FROM party WHERE case_id = %s AND is_applicant", case)
    assert len(asks) == 1
    assert str(asks[0]["id"]) != added["id"]


async def test_an_amendment_changes_only_what_was_sent(world: World) -> None:
    case = await intake.opened(world)
    party = intake.parties(world, case)["subject"][0]
    await amend(world, case, party, telephone="01632 960333")
    person = (await person_of(world, case))["person"]
    assert (person["telephone"], person["surname"], person["born"]) == ("01632 960333", "Merrick", "1984-02-11")
    assert person["gender"] == "male"
    assert person["aliases"] == []
    await amend(world, case, party, telephone=None)
    assert (await person_of(world, case))["person"]["telephone"] is None


async def test_what_was_held_is_kept(world: World) -> None:
    case = await intake.opened(world)
    party = intake.parties(world, case)["subject"][0]
    amended = await amend(world, case, party, born="1984-11-02", surname="Merricks")
    kept = await world.as_("officer").must_get(f"/v1/applications/{case}/persons")
    assert [(one["id"], one["because"], one["said"]["born"]) for one in kept] == [
        (amended["id"], "held_before", "1984-02-11")
    ]
    assert kept[0]["said"]["surname"] == "Merrick"
    person = (await person_of(world, case))["person"]
    assert person["aliases"] == [{"given_names": "Alan Peter", "surname": "Merrick"}]
    with world.unchanged():
        partner = await world.as_("idva").get(f"/v1/applications/{case}/persons")
    assert partner.status_code == 403


async def test_a_date_of_birth_and_its_estimate_go_together(world: World) -> None:
    subject = {**intake.SUBJECT, "born": "1984-01-01", "born_estimated": True}
    case = await intake.opened(world, intake.right_to_ask(world, subject=subject))
    party = intake.parties(world, case)["subject"][0]
    await amend(world, case, party, born="1984-02-11")
    assert (await person_of(world, case))["person"]["born_estimated"] is False
    await amend(world, case, party, born="1984-01-01", born_estimated=True)
    await amend(world, case, party, born=None)
    person = (await person_of(world, case))["person"]
    assert (person["born"], person["born_estimated"]) == (None, False)


async def test_a_corrected_pnc_id_points_no_more(world: World) -> None:
    wrong, right = "2002/0073319Z", "1981/0000034U"
    somebody = {"surname": "Oakes", "pnc_id": wrong}
    subject = {"surname": "Merrick", "pnc_id": wrong}
    case = await intake.opened(world, intake.right_to_ask(world, subject=subject))
    await amend(world, case, intake.parties(world, case)["subject"][0], pnc_id=right)
    clerk = world.as_("control_room")
    other = await clerk.must_post("/v1/applications", intake.right_to_ask(world, subject=somebody))
    assert other["joined"] is False
    assert "subject" not in [one["about"] for one in other["earlier_applications"]]
    joined = await clerk.must_post(
        "/v1/applications", intake.third_party_asks(world, subject={"surname": "Merrick", "pnc_id": right})
    )
    assert joined["id"] == case
    pointers = world.rows("SELECT role FROM case_pointer WHERE case_id = %s AND role = 'potential_victim'", case)
    assert pointers != []  # those of another part stay


async def test_an_amendment_that_reveals_a_party_under_age_owes_the_referral_once(world: World) -> None:
    case = await intake.opened(world)
    party = intake.parties(world, case)["potential_victim"][0]
    await amend(world, case, party, born="2010-07-30")
    await amend(world, case, party, born="2010-07-31")
    assert duties(world, case) == ["childrens_social_care"]


async def test_an_amendment_that_reveals_police_owes_the_notices_once(world: World) -> None:
    case = await intake.opened(world)
    party = intake.parties(world, case)["subject"][0]
    await amend(world, case, party, police_employment="Northmoor Police")
    notices = duties(world, case)
    assert set(notices) == {"police_involvement"}
    world.forward(minutes=1)
    await amend(world, case, party, police_employment="Southvale Police")
    assert duties(world, case) == notices
    assert (await person_of(world, case))["police_employment"] == "Southvale Police"
    kept = await world.as_("officer").must_get(f"/v1/applications/{case}/persons")
    assert [one["said"]["police_employment"] for one in kept] == [None, "Northmoor Police"]


async def test_a_change_after_the_case_ended_is_kept_and_seen(world: World) -> None:
    case = await intake.opened(world)
    place_at(world, case, Stage.FINAL_REPORT)
    party = intake.parties(world, case)["subject"][0]
    amended = await amend(world, case, party, telephone="01632 960333")
    added = await add(world, case, potential_victim=intake.SECOND_VICTIM)
    for receipt in (amended, added):
        assert [one["code"] for one in receipt["put_before_supervisor"]] == ["changed_after_conclusion"]
    assert (await person_of(world, case))["person"]["telephone"] == "01632 960333"


async def test_an_unborn_child_is_expected_and_nobody_else_is(world: World) -> None:
    due = (world.now + timedelta(days=90)).date().isoformat()
    unborn = {"born": due, "born_estimated": True, "connection": "Expected by the potential victim"}
    case = await intake.opened(world, intake.right_to_ask(world, children=[unborn]))
    assert duties(world, case) == ["childrens_social_care"]
    child = intake.parties(world, case)["child"][0]
    await amend(world, case, child, born=(world.now + timedelta(days=80)).date().isoformat())
    victim = intake.parties(world, case)["potential_victim"][0]
    with world.unchanged():
        answer = await world.as_("officer").post(
            f"/v1/applications/{case}/persons", {"party_id": victim, "person": {"born": due}}
        )
    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "person.born")


@pytest.mark.parametrize(
    "about",
    [
        {"born": "2026-12-24"},
        {"born": "1900-01-01"},
        {"born_estimated": True},
        {"pnc_id": "2027/0000001L"},
    ],
)
async def test_what_cannot_be_known_of_a_subject_is_refused(world: World, about: dict[str, Any]) -> None:
    with world.unchanged():
        answer = await world.as_("control_room").post(
            "/v1/applications", intake.right_to_ask(world, subject={"surname": "Merrick", **about})
        )
    assert answer.status_code == 422, answer.text
    assert all(str(value) not in answer.text for value in about.values() if value is not True)


async def test_a_pnc_id_of_a_later_year_is_of_the_last_century(world: World) -> None:
    subject = {"surname": "Merrick", "pnc_id": "27/1L"}
    case = await intake.opened(world, intake.right_to_ask(world, subject=subject))
    assert (await person_of(world, case))["person"]["pnc_id"] == "1927/0000001L"
