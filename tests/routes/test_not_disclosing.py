"""Not disclosing, third-party applicants, postponement, and attempts that are ended (H7.4 to H7.7)."""

from dataclasses import dataclass
from typing import Any

import pytest

from app.editions import edition
from tests.arrange import forum_decision, version_of
from tests.ready import flags, made_ready
from tests.steps import disclosure as steps
from tests.steps import intake, lateness
from tests.world import World


@dataclass
class Decided:
    """A case whose forum has decided."""

    world: World
    case: str
    victim: str
    subject: str
    applicant: str | None
    decision: str

    def state(self) -> tuple[str, str | None]:
        row = self.world.rows("SELECT stage, outcome FROM application WHERE id = %s", self.case)[0]
        return row["stage"], row["outcome"]

    def whole_case(self) -> dict[str, Any]:
        query = "SELECT met_at, ended_at, ended_because FROM clock WHERE case_id = %s AND kind = 'whole_case'"
        return self.world.rows(query, self.case)[0]

    async def refused(self, by: str, resource: str, body: dict[str, Any], *codes: str) -> str:
        """A decision is refused for these reasons and nothing changes."""
        with self.world.unchanged():
            address = steps.path(self.case, resource)
            answer = await self.world.as_(by).post(address, body, headers=version_of(self.world, self.case))
        assert answer.status_code == 409, answer.text
        assert [one["code"] for one in answer.json()["obstacles"]] == list(codes)
        said: str = answer.json()["detail"]
        return said

    def give_up(self, reason: str) -> dict[str, Any]:
        return {"potential_victim_id": self.victim, "reason": reason, "explanation": "Tried as agreed."}


async def decided(world: World, body: dict[str, Any] | None = None, *, disclose: bool = False) -> Decided:
    case = await intake.opened(world, body)
    parties = intake.parties(world, case)
    victim = parties["potential_victim"][0]
    asks = world.rows("SELECT id FROM party WHERE case_id = %s AND is_applicant", case)
    world.execute("UPDATE application SET subject_identified_at = %s WHERE id = %s", world.now, case)
    decision = forum_decision(world, case, victim, disclose=disclose, recipient=victim if disclose else None)
    applicant = str(asks[0]["id"]) if asks else None
    return Decided(world, case, victim, parties["subject"][0], applicant, decision)


async def test_told_in_person_in_the_editions_words(world: World) -> None:
    now = await decided(world)
    receipt = await steps.notice(world, now.case, [now.victim], told_id=now.applicant)
    assert flags(receipt) == set()
    assert now.state() == ("final_report", "no_disclosure")
    assert now.whole_case()["met_at"] == world.now
    kept = (await world.as_("officer").must_get(steps.path(now.case, "non-disclosure-notices")))[0]
    assert kept["words"] == edition("statutory-2023").words("no_information")


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"in_person": False}, {"not_in_person"}),
        ({"written_left": True}, {"written_left"}),
        ({"words": "We hold nothing on him."}, {"words_differ"}),
        ({"told_id": "subject"}, {"subject_told"}),
        ({"kind": "neutral"}, {"neutral_out_of_place"}),
        ({"kind": "recorded", "told_id": None, "in_person": False, "rationale": "None."}, {"wrong_route"}),
    ],
)
async def test_a_wrong_notice_is_kept_and_flagged(world: World, changed: dict[str, Any], wrong: set[str]) -> None:
    now = await decided(world)
    told = {"told_id": now.applicant, **changed}
    if told["told_id"] == "subject":
        told["told_id"] = now.subject
    receipt = await steps.notice(world, now.case, [now.victim], **told)
    assert flags(receipt) == wrong
    concluded = wrong <= {"written_left", "words_differ"}
    assert now.state() == (("final_report", "no_disclosure") if concluded else ("disclosure", None))
    assert (now.whole_case()["met_at"] is not None) == concluded


async def test_a_notice_without_a_confirmed_decision_tells_nothing_yet(world: World) -> None:
    case = await intake.opened(world)
    victim = intake.parties(world, case)["potential_victim"][0]
    early = await steps.notice(world, case, [victim], told_id=victim)
    assert flags(early) == {"no_confirmed_decision"}
    before = world.now
    world.forward(hours=2)
    forum_decision(world, case, victim, disclose=False)
    dated = await steps.notice(world, case, [victim], told_id=victim, occurred_at=before.isoformat())
    assert (flags(dated), dated["stage"]) == ({"no_confirmed_decision"}, "disclosure")


async def test_no_notice_where_the_decision_is_to_disclose(world: World) -> None:
    now = await decided(world, disclose=True)
    receipt = await steps.notice(world, now.case, [now.victim], told_id=now.applicant)
    assert flags(receipt) == {"decision_is_to_disclose"}


async def test_the_shape_of_a_notice(world: World) -> None:
    now = await decided(world)
    bodies: list[dict[str, Any]] = [
        {"kind": "recorded", "potential_victim_ids": [now.victim]},
        {"kind": "no_information", "potential_victim_ids": [now.victim]},
        {"kind": "no_information", "potential_victim_ids": [now.subject], "told_id": now.applicant},
        {"kind": "no_information", "potential_victim_ids": [], "told_id": now.applicant},
    ]
    for body in bodies:
        with world.unchanged():
            answer = await world.as_("officer").post(steps.path(now.case, "non-disclosure-notices"), body)
        assert answer.status_code == 422, answer.text


async def test_the_third_party_hears_neutral_words_before_the_case_is_concluded(world: World) -> None:
    now = await decided(world, intake.third_party_asks(world), disclose=True)
    delivered = await steps.deliver(
        world, now.case, now.victim, now.decision, undertaking="refused", reconsideration=steps.NEEDED
    )
    assert flags(delivered) == set()
    assert now.state() == ("disclosure", None)
    met = now.whole_case()["met_at"]
    assert met == world.now, "the clock does not wait for the neutral words"
    world.forward(hours=4)
    nothing = await steps.notice(world, now.case, [now.victim], told_id=now.applicant)
    assert flags(nothing) == {"decision_is_to_disclose", "neutral_words_due"}
    receipt = await steps.notice(world, now.case, [now.victim], kind="neutral", told_id=now.applicant)
    assert flags(receipt) == set()
    assert now.state() == ("final_report", "disclosed")
    assert now.whole_case()["met_at"] == met


async def test_neutral_words_nobody_could_give_are_ended_by_a_supervisor(world: World) -> None:
    now = await decided(world, intake.third_party_asks(world), disclose=True)
    await steps.deliver(world, now.case, now.victim, now.decision)
    body = {"potential_victim_id": None, "reason": "not_reached", "explanation": "No answer."}
    assert "Attempts that count: 0 of 3" in await now.refused("supervisor", "non-completion", body, "too_few_attempts")
    await steps.not_completed(world, now.case, None)
    assert now.state() == ("final_report", "disclosed")


async def test_a_right_to_know_is_met_by_the_confirmation_and_recorded(world: World) -> None:
    now = await decided(world, intake.right_to_know(world))
    confirmed = world.now
    told = await steps.notice(world, now.case, [now.victim], told_id=now.victim)
    assert flags(told) == {"wrong_route", "told_another"}
    world.forward(days=1)
    receipt = await steps.notice(world, now.case, [now.victim], kind="recorded")
    assert flags(receipt) == set()
    assert now.state() == ("final_report", "no_disclosure")
    assert now.whole_case()["met_at"] == confirmed


async def attempts(world: World, now: Decided, *hours: float) -> None:
    for wait in hours:
        world.forward(hours=wait)
        body = {"party_id": now.victim, "means": "Telephone, agreed number", "outcome": "no_answer"}
        await world.as_("officer").must_post(steps.path(now.case, "contact-attempts"), body)


async def test_not_reached_needs_spaced_attempts_and_a_plan(world: World) -> None:
    now = await decided(world, disclose=True)
    await attempts(world, now, 1, 2, 23)
    await lateness.plan_meanwhile(world, now.case)
    said = await now.refused(
        "supervisor",
        "non-completion",
        now.give_up("not_reached"),
        "too_few_attempts",
        "no_current_safety_plan",
    )
    assert "Attempts that count: 2 of 3, each at least 24 hours" in said
    await attempts(world, now, 24)
    await steps.plan(world, now.case, now.victim)
    await steps.not_completed(world, now.case, now.victim, "not_reached")
    assert now.state() == ("final_report", "not_completed")
    assert now.whole_case() == {"met_at": None, "ended_at": world.now, "ended_because": "non_completion"}
    kept = await world.as_("officer").must_get(steps.path(now.case, "non-completion"))
    assert [one["reason"] for one in kept] == ["not_reached"]


async def test_attempts_are_ended_once_by_a_supervisor_and_in_order(world: World) -> None:
    now = await decided(world, disclose=True)
    await steps.plan(world, now.case, now.victim)
    address, body = steps.path(now.case, "non-completion"), now.give_up("withdrew")
    with world.unchanged():
        officer = await world.as_("officer").post(address, body, headers=version_of(world, now.case))
    assert officer.status_code == 403
    with world.unchanged():
        nothing = {**body, "potential_victim_id": None}
        owed = await world.as_("supervisor").post(address, nothing, headers=version_of(world, now.case))
    assert (owed.status_code, owed.json()["type"]) == (409, "urn:clares-law:problem:nothing_owed")
    await steps.not_completed(world, now.case, now.victim, "unsafe_to_reach")
    with world.unchanged():
        again = await world.as_("supervisor").post(address, body, headers=version_of(world, now.case))
    assert (again.status_code, again.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_potential_victim_is_concluded_once(world: World) -> None:
    body = intake.right_to_ask(world)
    body["potential_victims"].append(intake.SECOND_VICTIM)
    now = await decided(world, body, disclose=True)
    await steps.deliver(world, now.case, now.victim, now.decision)
    address = steps.path(now.case, "non-completion")
    with world.unchanged():
        answer = await world.as_("supervisor").post(
            address, now.give_up("withdrew"), headers=version_of(world, now.case)
        )
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:clares-law:problem:already_decided")
    other = next(one for one in intake.parties(world, now.case)["potential_victim"] if one != now.victim)
    await steps.plan(world, now.case, other)
    said = {"potential_victim_id": other, "reason": "withdrew", "explanation": "She no longer wishes to know."}
    assert "nothing to complete" in await now.refused("supervisor", "non-completion", said, "no_standing_decision")
    forum_decision(world, now.case, other, disclose=True, recipient=other)
    await steps.not_completed(world, now.case, other, "withdrew")
    assert now.state() == ("final_report", "disclosed")
    assert now.whole_case()["ended_because"] == "non_completion", "one of the two was never told"


POSTPONED = {
    "investigator": "Detective constable",
    "investigator_answer": "An arrest is planned.",
    "reason": "Evidence would be lost.",
}


async def test_postponing_needs_a_plan_and_a_day_ahead_and_stops_no_clock(world: World) -> None:
    now = await decided(world, disclose=True)
    today = {**POSTPONED, "review_on": "2026-05-05"}
    await now.refused("chair", "postponement", today, "review_not_ahead", "no_current_safety_plan")
    await steps.plan(world, now.case, now.victim)
    before = now.whole_case()
    await steps.postpone(world, now.case, "2026-05-12", by="chair")
    assert now.whole_case() == before
    await now.refused("supervisor", "postponement", {**POSTPONED, "review_on": "2026-05-20"}, "already_postponed")


async def test_an_officer_does_not_postpone_and_nobody_does_before_the_forum(world: World) -> None:
    case = await intake.opened(world)
    address, body = steps.path(case, "postponement"), {**POSTPONED, "review_on": "2026-05-12"}
    with world.unchanged():
        officer = await world.as_("officer").post(address, body, headers=version_of(world, case))
    assert officer.status_code == 403
    with world.unchanged():
        early = await world.as_("supervisor").post(address, body, headers=version_of(world, case))
    assert (early.status_code, early.json()["type"]) == (409, "urn:clares-law:problem:wrong_stage")


async def test_a_delivery_while_postponed_is_flagged(world: World) -> None:
    ready = await made_ready(world)
    await steps.postpone(world, ready.case, "2026-05-12")
    receipt = await steps.disclose(world, ready.case, ready.told())
    assert flags(receipt) == {"not_cleared", "postponed"}
